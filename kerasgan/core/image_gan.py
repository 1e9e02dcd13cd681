"""A GAN that creates its networks for an image shape."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from kerasgan.core.gan import GAN
from kerasgan.layers.conditioning import check_conditioning
from kerasgan.layers.convolutional import convolutional_discriminator, convolutional_generator
from kerasgan.layers.precision import dtype_policy


@keras.saving.register_keras_serializable(package="kerasgan")
class ImageGAN(GAN):
    """A `GAN` that creates its networks for an image shape, and for classes if there are any.

    Models of the zoo that differ in networks, losses or penalties derive from it. A subclass
    defines `networks()` and whatever else its paper specifies: `default_loss`, `default_penalties`,
    `default_optimizers`, `default_discriminator_steps`. `short_run` holds the arguments and the
    learning rate for a run of a few minutes.

    Args:
        image_shape: (size, size, channels): size is 4, 6 or 7 doubled once or more often (8, 12,
            14, 16, 24, 28, 32, 48, 56, 64, ...), channels is 1 or 3.
        latent_dim: int, length of the noise vector.
        base_width: int, the width of the networks.
        num_classes: None, or int: the model is then conditional; see `kerasgan.GAN`.
        conditioning: how the networks get the label:

            - `"one_hot"`: concatenated to the noise as a one-hot vector, and to the image as
              one-hot maps (Mirza and Osindero 2014);
            - `"projection"`: the discriminator's logit is the sum of a logit for the image and the
              inner product of its features with an embedding of the label (Miyato and Koyama 2018).
              Residual generators use conditional batch norm; convolutional ones concatenate the
              label to the noise.
        ema_decay: None, or the decay of an averaged copy of the generator; see `kerasgan.GAN`.
        seed: int or None, the seed of the latents in training.
        dtype: None or a dtype policy such as `"mixed_bfloat16"`, for both networks.
        networks: for subclasses whose networks have settings of their own: the value to use instead
            of that of `networks()`.
        **kwargs: `name`, as for `keras.Model`.

    Raises:
        ValueError: for an image_shape that the networks cannot generate, or an unknown
            conditioning.

    Example:

    >>> class HingeGAN(kerasgan.ImageGAN):
    ...     default_loss = "hinge"
    >>> gan = HingeGAN((8, 8, 1), latent_dim=8, base_width=4)
    >>> gan.compile()
    >>> gan.generate(2, seed=0).shape
    (2, 8, 8, 1)
    """

    needs_classes = False
    # Settings for a run of a few minutes, besides small networks; see examples/digits.py.
    short_run: dict[str, Any] = {"learning_rate": 1e-3}

    def __init__(
        self,
        image_shape: tuple[int, ...],
        latent_dim: int = 100,
        base_width: int = 64,
        *,
        num_classes: int | None = None,
        conditioning: str = "one_hot",
        ema_decay: float | None = None,
        seed: int | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        networks: Sequence[Callable] | None = None,
        **kwargs,
    ):
        check_conditioning(conditioning)
        if num_classes is None and self.needs_classes:
            raise ValueError(
                f"num_classes=None; {type(self).__name__} needs the number of classes."
            )
        if networks is not None and type(self) is ImageGAN:
            raise ValueError(
                "networks is only for subclasses; for networks of your own, use kerasgan.GAN."
            )
        make_generator, make_discriminator = networks or self.networks()
        of_classes = {"num_classes": num_classes, "conditioning": conditioning}
        image_shape = tuple(image_shape)
        with dtype_policy(dtype):
            super().__init__(
                make_generator(image_shape, latent_dim, base_width, **of_classes),
                make_discriminator(image_shape, base_width, **of_classes),
                latent_dim,
                num_classes=num_classes,
                ema_decay=ema_decay,
                seed=seed,
                **kwargs,
            )
        self.base_width = base_width
        self.conditioning = conditioning

    @staticmethod
    def networks() -> tuple[Callable, Callable]:
        """The functions that create the generator and the discriminator."""
        return convolutional_generator, convolutional_discriminator

    def get_config(self) -> dict:
        config = super().get_config()
        del config["generator"], config["discriminator"]  # made from what follows
        config |= {"image_shape": self.image_shape, "base_width": self.base_width}
        return config if self.num_classes is None else {**config, "conditioning": self.conditioning}

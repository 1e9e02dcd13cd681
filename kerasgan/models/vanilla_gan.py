"""The first GAN, Goodfellow et al. 2014, with dense networks."""

import math

import keras
from keras import layers

from kerasgan.checks.arguments import whole_number
from kerasgan.core.gan import GAN
from kerasgan.layers.precision import dtype_policy


@keras.saving.register_keras_serializable(package="kerasgan")
class VanillaGAN(GAN):
    """The first GAN: dense networks, for small images and for vectors.

    Algorithm 1 of the paper is the training step of `kerasgan.GAN`. The loss is the one that
    section 3 recommends in practice, `"non_saturating"`; `compile(loss="minimax")` is equation 1.

    The networks are dense as in the paper, with LeakyReLU instead of maxout with dropout
    (discriminator) and ReLU (generator), and Adam instead of momentum with settings for each data
    set: the same settings then work for digits and 2-D points. Noise is from N(0, I). Images are in
    [-1, 1], so their output activation is tanh rather than the sigmoid.

    Args:
        image_shape: (height, width, channels) for images in [-1, 1], or (n,) for vectors of any
            range.
        latent_dim: int, length of the noise vector.
        hidden_units: widths of the hidden layers of both networks; `()` leaves a single layer.
        ema_decay: None, or the decay of an averaged copy of the generator; see `kerasgan.GAN`.
        seed: int or None, the seed of the latents in training.
        dtype: None or a dtype policy such as `"mixed_bfloat16"`, for both networks.
        **kwargs: `name`, as for `keras.Model`.

    Raises:
        ValueError: for an image_shape that is neither that of an image nor that of a vector.

    Example:

    >>> gan = kerasgan.VanillaGAN(image_shape=(2,), latent_dim=2)
    >>> gan.compile()
    >>> history = gan.fit(kerasgan.data.load("ring8", batch_size=500), epochs=1, verbose=0)
    >>> gan.generate(1000, seed=0).shape
    (1000, 2)

    Reference: Generative Adversarial Networks, Goodfellow, Pouget-Abadie, Mirza, Xu,
    Warde-Farley, Ozair, Courville & Bengio, 2014, arXiv:1406.2661.
    """

    default_batch_size = 100  # as in the authors' program

    def __init__(
        self,
        image_shape: tuple[int, ...],
        latent_dim: int = 100,
        hidden_units: tuple[int, ...] = (256, 256),
        *,
        ema_decay: float | None = None,
        seed: int | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs,
    ):
        if len(image_shape) not in (1, 3):
            raise ValueError(
                f"image_shape={tuple(image_shape)} is neither (height, width, channels) of an "
                "image nor (n,) of a vector."
            )
        if not isinstance(hidden_units, (tuple, list)):
            raise ValueError(
                f"hidden_units={hidden_units!r}; use a tuple of widths such as (256, 256)."
            )
        for width in hidden_units:
            whole_number("a width in hidden_units", width, 1)
        with dtype_policy(dtype):
            super().__init__(
                generator(image_shape, latent_dim, hidden_units),
                discriminator(image_shape, hidden_units),
                latent_dim,
                ema_decay=ema_decay,
                seed=seed,
                **kwargs,
            )
        self.hidden_units = tuple(hidden_units)

    def get_config(self) -> dict:
        config = super().get_config()
        del config["generator"], config["discriminator"]  # made from what follows
        return {**config, "image_shape": self.image_shape, "hidden_units": self.hidden_units}


def generator(
    image_shape: tuple[int, ...], latent_dim: int = 100, hidden_units: tuple[int, ...] = (256, 256)
) -> keras.Model:
    """The generator: noise, hidden layers, an image through tanh or an unbounded vector."""
    z = keras.Input((latent_dim,), name="z")
    x = _hidden(z, hidden_units)
    x = layers.Dense(math.prod(image_shape), name="output")(x)
    if len(image_shape) == 3:
        x = layers.Activation("tanh", name="tanh")(x)
    images = layers.Reshape(image_shape, dtype="float32", name="images")(x)
    return keras.Model(z, images, name="generator")


def discriminator(
    image_shape: tuple[int, ...], hidden_units: tuple[int, ...] = (256, 256)
) -> keras.Model:
    """The discriminator: an image or vector, hidden layers, one logit."""
    images = keras.Input(image_shape, name="images")
    x = _hidden(layers.Flatten(name="flatten")(images), hidden_units)
    logits = layers.Dense(1, dtype="float32", name="logits")(x)
    return keras.Model(images, logits, name="discriminator")


def _hidden(x, hidden_units):
    for index, units in enumerate(hidden_units):
        x = layers.Dense(units, name=f"hidden{index}")(x)
        x = layers.LeakyReLU(0.2, name=f"hidden{index}_relu")(x)
    return x

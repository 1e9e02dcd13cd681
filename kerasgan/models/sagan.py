"""SAGAN, Zhang et al. 2019: attention lets distant places of an image agree."""

import functools
from typing import Any

import keras

from kerasgan.core.image_gan import ImageGAN
from kerasgan.layers.residual import residual_discriminator, residual_generator
from kerasgan.layers.shapes import doublings_to
from kerasgan.training.optimizers import adam


@keras.saving.register_keras_serializable(package="kerasgan")
class SAGAN(ImageGAN):
    """GAN with self-attention in both players, which are both spectrally normalized.

    ResNets whose feature maps double at each lower resolution, with `SelfAttention2D` in the
    middle: in the paper, which makes 128x128 images, at 32x32. Hinge loss; as many updates of the
    discriminator as of the generator, at different rates instead: Adam(4e-4) and Adam(1e-4), both
    with beta_1=0, beta_2=0.9; batches of 256. With `num_classes`, the paper's setting, the
    generator has conditional batch norm and the discriminator projects the class.

    Departure: batch norm has a momentum of 0.9 and an epsilon of 2e-5, as in SN-GAN; the authors'
    code uses 0.999 and 1e-5.

    Args:
        image_shape, latent_dim, base_width: as for `kerasgan.ImageGAN`.
        num_classes: None, or int: the model is then conditional.
        attention_size: int, the size of the feature maps with attention; None for 32, or half the
            image size if that is smaller.
        **kwargs: as for `kerasgan.ImageGAN`; `conditioning` is `"projection"` by default.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> gan = kerasgan.SAGAN((16, 16, 1), num_classes=10, base_width=8)
    >>> gan.compile()
    >>> digits = kerasgan.data.load("digits", image_size=16, labels=True)
    >>> history = gan.fit(digits, epochs=1, verbose=0)

    Reference: Self-Attention Generative Adversarial Networks, Zhang, Goodfellow, Metaxas & Odena,
    2019, arXiv:1805.08318.
    """

    default_batch_size = 256

    default_loss = "hinge"
    short_run = {"num_classes": 10, "base_width": 16, "learning_rate": 1e-3}

    def __init__(
        self,
        image_shape: tuple[int, ...],
        latent_dim: int = 128,
        base_width: int = 64,
        *,
        num_classes: int | None = None,
        attention_size: int | None = None,
        **kwargs,
    ):
        start_size, doublings = doublings_to(image_shape)
        sizes = [start_size * 2**level for level in range(doublings)]
        possible = [size for size in sizes if size % 2 == 0]
        if attention_size is None:
            attention_size = min(32, sizes[-1])
        if attention_size not in possible:
            raise ValueError(
                f"attention_size={attention_size!r}; use one of the even sizes of feature maps "
                f"that images of {image_shape[0]} have: {', '.join(map(str, possible)) or 'none'}."
            )
        settings: dict[str, Any] = {
            "spectral": True,
            "pyramid": True,
            "attention_size": attention_size,
        }
        super().__init__(
            image_shape,
            latent_dim,
            base_width,
            num_classes=num_classes,
            networks=[
                functools.partial(network, **settings)
                for network in (residual_generator, residual_discriminator)
            ],
            **{"conditioning": "projection", **kwargs},
        )
        self.attention_size = attention_size

    def default_optimizers(self) -> dict[str, keras.Optimizer]:
        return {
            "discriminator": adam(4e-4, beta_1=0.0, beta_2=0.9),
            "generator": adam(1e-4, beta_1=0.0, beta_2=0.9),
        }

    def get_config(self) -> dict:
        return {**super().get_config(), "attention_size": self.attention_size}

"""The projection discriminator, Miyato and Koyama 2018: the class as an inner product."""

from collections.abc import Callable

import keras

from kerasgan.core.image_gan import ImageGAN
from kerasgan.layers.residual import (
    published_width,
    residual_discriminator,
    residual_generator,
)
from kerasgan.training.optimizers import adam


@keras.saving.register_keras_serializable(package="kerasgan")
class ProjectionGAN(ImageGAN):
    """Conditional GAN whose logit is `psi(phi(x)) + <embedding(y), phi(x)>`.

    The ResNets of SN-GAN: the generator has conditional batch norm, and the discriminator, which is
    spectrally normalized, adds the inner product of the last features and an embedding of the
    class. Hinge loss, Adam(2e-4, beta_1=0, beta_2=0.9), five updates of the discriminator per
    update of the generator. Feature maps as in the authors' program: constant at 32 pixels,
    pyramids above; see `kerasgan.SNGAN`.

    Departures: the learning rate is constant, while the paper's falls linearly to zero in the last
    50,000 of 450,000 updates, or at 32 pixels over all updates; generated images have the labels of
    the real ones in their batch, while the authors' code draws them uniformly; the generator learns
    from as many images as the discriminator, while the code uses 128 at 32 pixels.

    `fit` takes (images, labels). It splits its batch into five, so the code's updates of 64 images
    need a batch of 320; at 128 pixels the paper uses 256 images per update. `generate` needs
    `labels`.

    Args:
        image_shape: (size, size, channels), as for `kerasgan.ImageGAN`.
        num_classes: int.
        latent_dim: as for `kerasgan.ImageGAN`.
        base_width: int, or None for the paper's. Up to 32 pixels it is the number of feature maps
            of the discriminator (128 by default), of which the generator has twice as many; above,
            the number next to the image (64 by default).
        **kwargs: as for `kerasgan.ImageGAN`.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> gan = kerasgan.ProjectionGAN((16, 16, 1), num_classes=10, base_width=8)
    >>> gan.compile()
    >>> digits = kerasgan.data.load("digits", image_size=16, batch_size=320, labels=True)
    >>> history = gan.fit(digits, epochs=1, verbose=0)

    Reference: cGANs with Projection Discriminator, Miyato & Koyama, 2018, arXiv:1802.05637.
    """

    needs_classes = True
    short_run = {"num_classes": 10, "base_width": 16, "learning_rate": 1e-3}
    default_loss = "hinge"
    default_discriminator_steps = 5
    default_batch_size = 320  # five updates of 64
    networks_version = 2

    def __init__(
        self,
        image_shape: tuple[int, ...],
        num_classes: int,
        latent_dim: int = 128,
        base_width: int | None = None,
        **kwargs,
    ):
        kwargs = {"conditioning": "projection", **kwargs}
        base_width = published_width(image_shape) if base_width is None else base_width
        super().__init__(image_shape, latent_dim, base_width, num_classes=num_classes, **kwargs)

    @staticmethod
    def networks() -> tuple[Callable, Callable]:
        return residual_generator, residual_discriminator

    def default_optimizers(self) -> dict[str, keras.Optimizer]:
        return {player: adam(2e-4, 0.0, 0.9) for player in self.players}

"""The projection discriminator, Miyato and Koyama 2018: the class as an inner product."""

import keras

from kerasgan.core.image_gan import ImageGAN
from kerasgan.layers.residual import residual_discriminator, residual_generator


@keras.saving.register_keras_serializable(package="kerasgan")
class ProjectionGAN(ImageGAN):
    """Conditional GAN whose logit is `psi(phi(x)) + <embedding(y), phi(x)>`.

    The ResNets of SN-GAN: in the generator each class has scales and shifts of its own after batch
    norm, in the discriminator, which is spectrally normalized, the embedding of the class is
    projected on the last features. Hinge loss, Adam(2e-4, beta_1=0, beta_2=0.9), five updates of
    the discriminator for one of the generator.

    `fit` takes (images, labels) and its batch is cut into five; `generate` needs `labels`.

    Args:
        image_shape: (size, size, channels), as for `kerasgan.ImageGAN`.
        num_classes: int.
        latent_dim, base_width: as for `kerasgan.ImageGAN`.
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
    default_loss = "hinge"
    default_discriminator_steps = 5

    def __init__(self, image_shape, num_classes, latent_dim=128, base_width=128, **kwargs):
        kwargs = {"conditioning": "projection", **kwargs}
        super().__init__(image_shape, latent_dim, base_width, num_classes=num_classes, **kwargs)

    @staticmethod
    def networks():
        return residual_generator, residual_discriminator

    def default_optimizers(self):
        return {player: keras.optimizers.Adam(2e-4, 0.0, 0.9) for player in self.players}

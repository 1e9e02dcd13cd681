"""Conditional GAN, Mirza and Osindero 2014: both players are told the class."""

import keras

from kerasgan.core.image_gan import ImageGAN


@keras.saving.register_keras_serializable(package="kerasgan")
class CGAN(ImageGAN):
    """Conditional GAN: the label is joined to the noise, and stacked on the image.

    The generator gets the label as a one-hot vector beside z, the discriminator as one-hot matrices
    beside the image's channels. `fit` takes (images, labels), `generate` needs `labels`.

    Departures: the paper's networks are dense, with ReLU, maxout and dropout, its noise is uniform,
    and its optimizer SGD with momentum; here all these are DCGAN's, as in most later work.

    Args:
        image_shape: (size, size, channels), as for `kerasgan.ImageGAN`.
        num_classes: int.
        latent_dim, base_width: as for `kerasgan.ImageGAN`.
        **kwargs: as for `kerasgan.ImageGAN`.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> gan = kerasgan.CGAN(image_shape=(16, 16, 1), num_classes=10, base_width=8)
    >>> gan.compile()
    >>> digits = kerasgan.data.load("digits", image_size=16, labels=True)
    >>> history = gan.fit(digits, epochs=1, verbose=0)
    >>> gan.generate(2, labels=[3, 7], seed=0).shape
    (2, 16, 16, 1)

    Reference: Conditional Generative Adversarial Nets, Mirza & Osindero, 2014, arXiv:1411.1784.
    """

    needs_classes = True
    short_run = {"num_classes": 10, "learning_rate": 1e-3}
    default_batch_size = 100

    def __init__(
        self,
        image_shape: tuple[int, ...],
        num_classes: int,
        latent_dim: int = 100,
        base_width: int = 64,
        **kwargs,
    ):
        super().__init__(image_shape, latent_dim, base_width, num_classes=num_classes, **kwargs)

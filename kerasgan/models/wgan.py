"""WGAN, Arjovsky et al. 2017: a critic that estimates the earth mover's distance."""

import keras

from kerasgan.core.image_gan import ImageGAN
from kerasgan.layers.constraints import ClipWeights


@keras.saving.register_keras_serializable(package="kerasgan")
class WGAN(ImageGAN):
    """Wasserstein GAN: a critic with clipped weights, trained five times as often.

    Algorithm 1 of the paper: after each update of the critic its weights are clipped to [-c, c],
    with a Keras weight constraint. Five updates of the critic per update of the generator (without
    the 100 updates at the start and at intervals, which are in the released code but not in the
    algorithm), RMSprop(5e-5) with the code's rho of 0.99, DCGAN's networks.

    Departures: the authors' code draws new images for the generator's update, and its last layer is
    a convolution without bias; here the last layer has a bias, which is clipped with the rest.

    `fit` splits its batch into five, so the paper's updates of 64 images need a batch of 320.

    Args:
        image_shape, latent_dim, base_width: as for `kerasgan.ImageGAN`.
        clip: float above 0, the limit c.
        **kwargs: as for `kerasgan.ImageGAN`.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> gan = kerasgan.WGAN(image_shape=(16, 16, 1), base_width=8)
    >>> gan.compile()
    >>> digits = kerasgan.data.load("digits", image_size=16, batch_size=320)
    >>> history = gan.fit(digits, epochs=1, verbose=0)

    Reference: Wasserstein GAN, Arjovsky, Chintala & Bottou, 2017, arXiv:1701.07875.
    """

    default_loss = "wasserstein"
    short_run = {"learning_rate": 2e-4}
    default_discriminator_steps = 5
    default_batch_size = 320  # five updates of 64

    def __init__(
        self,
        image_shape: tuple[int, ...],
        latent_dim: int = 100,
        base_width: int = 64,
        *,
        clip: float = 0.01,
        **kwargs,
    ):
        super().__init__(image_shape, latent_dim, base_width, **kwargs)
        self.clip = clip
        for weight in self.discriminator.trainable_variables:
            weight.constraint = ClipWeights(clip)

    def default_optimizers(self) -> dict[str, keras.Optimizer]:
        # The released program is in PyTorch: its rho is 0.99, not 0.9, and its epsilon of 1e-8 is
        # added to the root; Keras adds its own, 1e-7, under it, as if it were 3e-4.
        return {
            player: keras.optimizers.RMSprop(5e-5, rho=0.99, epsilon=1e-16)
            for player in self.players
        }

    def get_config(self) -> dict:
        return {**super().get_config(), "clip": self.clip}

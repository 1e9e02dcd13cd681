"""WGAN-GP, Gulrajani et al. 2017: a critic with a penalty on gradients whose norm is not 1."""

import functools
from collections.abc import Callable

import keras

from kerasgan.core.image_gan import ImageGAN
from kerasgan.layers.convolutional import convolutional_discriminator, convolutional_generator
from kerasgan.losses.penalties import GradientPenalty
from kerasgan.training.optimizers import adam


@keras.saving.register_keras_serializable(package="kerasgan")
class WGANGP(ImageGAN):
    """Wasserstein GAN with gradient penalty.

    Algorithm 1 of the paper: the critic's loss has the penalty `10 (|grad D(x)| - 1)^2` at a point
    drawn uniformly between each real and generated image, and the critic is updated five times per
    update of the generator; Adam(1e-4, beta_1=0, beta_2=0.9). The networks are DCGAN's without
    batch norm in the critic, with which the penalty would apply to a whole batch rather than to
    single images. The DCGAN in the authors' code has kernels of 5, here 4, and noise vectors of
    length 128.

    `fit` splits its batch into five, so the paper's updates of 64 images need a batch of 320.

    Args:
        *args, **kwargs: as for `kerasgan.ImageGAN`.

    Example:

    >>> gan = kerasgan.WGANGP(image_shape=(16, 16, 1), base_width=8)
    >>> gan.compile()
    >>> digits = kerasgan.data.load("digits", image_size=16, batch_size=320)
    >>> history = gan.fit(digits, epochs=1, verbose=0)

    Reference: Improved Training of Wasserstein GANs, Gulrajani, Ahmed, Arjovsky, Dumoulin &
    Courville, 2017, arXiv:1704.00028.
    """

    default_loss = "wasserstein"
    default_discriminator_steps = 5
    default_batch_size = 320  # five updates of 64

    @staticmethod
    def networks() -> tuple[Callable, Callable]:
        critic = functools.partial(convolutional_discriminator, normalization=None)
        return convolutional_generator, critic

    def default_penalties(self) -> GradientPenalty | list:
        return GradientPenalty.wgan_gp()

    def default_optimizers(self) -> dict[str, keras.Optimizer]:
        return {p: adam(1e-4, beta_1=0.0, beta_2=0.9) for p in self.players}

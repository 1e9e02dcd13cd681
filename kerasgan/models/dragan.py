"""DRAGAN, Kodali et al. 2017: a discriminator that is flat around real images."""

import keras

from kerasgan.core.image_gan import ImageGAN
from kerasgan.losses.penalties import GradientPenalty


@keras.saving.register_keras_serializable(package="kerasgan")
class DRAGAN(ImageGAN):
    """GAN with a gradient penalty around real images, against sharp gradients and mode collapse.

    The discriminator's loss is that of the first GAN paper plus `10 (|grad D(x)| - 1)^2` at real
    images with added noise. DCGAN's networks, Adam(2e-4, beta_1=0.5), one update of each player.
    The noise is that of the authors' code, see `kerasgan.losses.GradientPenalty`; the paper's text
    has a normal one. The optimizer is DCGAN's; that code, which trains dense networks on MNIST, has
    Adam(1e-4, beta_1=0.5, beta_2=0.9). The penalty sees the discriminator with the moving averages
    of its batch norm, its loss with the statistics of the batch.

    Args:
        *args, **kwargs: as for `kerasgan.ImageGAN`.

    Example:

    >>> gan = kerasgan.DRAGAN(image_shape=(16, 16, 1), base_width=8)
    >>> gan.compile()
    >>> history = gan.fit(kerasgan.data.load("digits", image_size=16), epochs=1, verbose=0)

    Reference: On Convergence and Stability of GANs, Kodali, Abernethy, Hays & Kira, 2017,
    arXiv:1705.07215.
    """

    default_batch_size = 128  # as in the authors' program

    def default_penalties(self) -> GradientPenalty | list:
        return GradientPenalty.dragan()

"""Least squares GAN, Mao et al. 2017: images far on the right side of the decision still teach."""

import keras

from kerasgan.core.image_gan import ImageGAN


@keras.saving.register_keras_serializable(package="kerasgan")
class LSGAN(ImageGAN):
    """Least squares GAN: logits are pulled to 1 and 0 by their squared distance.

    The loss of the paper's equation 9, `kerasgan.losses.LeastSquares()`, with convolutional
    networks: those of `DCGAN`, while the paper's for 112x112 scenes have a few more layers, and
    noise vectors of length 1,024. Adam(2e-4, beta_1=0.5), as in the paper for characters; for
    scenes it uses 1e-3.

    Args:
        *args, **kwargs: as for `kerasgan.ImageGAN`.

    Example:

    >>> gan = kerasgan.LSGAN(image_shape=(16, 16, 1), base_width=8)
    >>> gan.compile()
    >>> history = gan.fit(kerasgan.data.load("digits", image_size=16), epochs=1, verbose=0)

    Reference: Least Squares Generative Adversarial Networks, Mao, Li, Xie, Lau, Wang & Smolley,
    2017, arXiv:1611.04076.
    """

    default_loss = "least_squares"

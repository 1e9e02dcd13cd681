"""DCGAN, Radford et al. 2016: the architecture guidelines that made GANs of images train."""

import keras

from kerasgan.core.image_gan import ImageGAN


@keras.saving.register_keras_serializable(package="kerasgan")
class DCGAN(ImageGAN):
    """Deep convolutional GAN: strided convolutions, batch norm, no hidden dense layers.

    The guidelines of section 3: strided convolutions in the discriminator and transposed ones in
    the generator instead of pooling; batch norm in both, except at the generator's output and the
    discriminator's input; no fully connected hidden layers; ReLU in the generator with tanh at
    its output, LeakyReLU in the discriminator. All weights from N(0, 0.02); Adam(2e-4,
    beta_1=0.5).

    Four settings are those of the authors' released code rather than the text: latents from
    N(0, I) instead of a uniform distribution, kernels of 4 instead of 5 (a stride divides them,
    so no pixel is covered more often than its neighbour), widths that start at 64, and batches of
    64 instead of 128.

    Args:
        image_shape: (size, size, channels): size is 4, 6 or 7 doubled once or more often (8, 12,
            14, 16, 24, 28, 32, 48, 56, 64, ...), channels is 1 or 3.
        latent_dim: int, length of the noise vector z.
        base_width: int, feature maps of the layer next to the image; each halving of the
            resolution doubles it.
        num_classes: None, or int: the model is then conditional; see `kerasgan.GAN`.
        conditioning: how the networks see the label, if there is one; see `kerasgan.ImageGAN`.
        ema_decay: None, or the decay of an averaged copy of the generator; see `kerasgan.GAN`.
        seed: int or None, the seed of the latents in training.
        dtype: None or a dtype policy such as `"mixed_bfloat16"`, for both networks.
        **kwargs: `name`, as for `keras.Model`.

    Raises:
        ValueError: for an image_shape that the networks cannot generate.

    Example:

    >>> gan = kerasgan.DCGAN(image_shape=(16, 16, 1), base_width=8)
    >>> gan.compile()
    >>> digits = kerasgan.data.load("digits", image_size=16)
    >>> history = gan.fit(digits, epochs=1, verbose=0)
    >>> gan.generate(4, seed=0).shape
    (4, 16, 16, 1)

    Reference: Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
    Networks, Radford, Metz & Chintala, 2016, arXiv:1511.06434.
    """

"""DCGAN, Radford et al. 2016: the architecture guidelines that made GANs of images train."""

import keras
from keras import initializers, layers

from kerasgan.core.gan import GAN
from kerasgan.core.precision import dtype_policy


@keras.saving.register_keras_serializable(package="kerasgan")
class DCGAN(GAN):
    """Deep convolutional GAN: strided convolutions, batch norm, no hidden dense layers.

    The guidelines of section 3: strided convolutions in the discriminator and transposed ones in
    the generator instead of pooling; batch norm in both, except at the generator's output and the
    discriminator's input; no fully connected hidden layers; ReLU in the generator with tanh at
    its output, LeakyReLU in the discriminator. All weights from N(0, 0.02); Adam(2e-4,
    beta_1=0.5).

    Three settings are those of the authors' released code rather than the text: latents from
    N(0, I) instead of a uniform distribution, kernels of 4 instead of 5 (a stride divides them,
    so no pixel is covered more often than its neighbour), and widths that start at 64.

    Args:
        image_shape: (size, size, channels): size is 4 or 7 doubled once or more often (8, 14, 16,
            28, 32, 56, 64, ...), channels is 1 or 3.
        latent_dim: int, length of the noise vector z.
        base_width: int, feature maps of the layer next to the image; each halving of the
            resolution doubles it.
        ema_decay: None, or the decay of an averaged copy of the generator; see `kerasgan.GAN`.
        seed: int or None, where the latents of training start.
        dtype: None or a dtype policy such as `"mixed_bfloat16"`, for both networks.
        **kwargs: `name`, as for `keras.Model`.

    Raises:
        ValueError: for an image_shape that cannot be reached.

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

    def __init__(
        self,
        image_shape,
        latent_dim=100,
        base_width=64,
        *,
        ema_decay=None,
        seed=None,
        dtype=None,
        **kwargs,
    ):
        start_size, doublings = _steps_to(image_shape)
        channels = image_shape[2]
        with dtype_policy(dtype):
            super().__init__(
                generator(start_size, doublings, channels, latent_dim, base_width),
                discriminator(start_size, doublings, channels, base_width),
                latent_dim,
                ema_decay=ema_decay,
                seed=seed,
                **kwargs,
            )
        self.base_width = base_width

    def get_config(self):
        config = super().get_config()
        del config["generator"], config["discriminator"]  # made from what follows
        return {**config, "image_shape": self.image_shape, "base_width": self.base_width}


def generator(start_size, doublings, channels, latent_dim=100, base_width=64):
    """The generator: z is projected to `start_size`, which doubles `doublings` times."""
    width = base_width * 2 ** (doublings - 1)
    z = keras.Input((latent_dim,), name="z")
    # A matrix product, and the only one; as a transposed convolution of a 1x1 image of z it
    # would be the same.
    x = layers.Dense(
        start_size * start_size * width,
        use_bias=False,
        kernel_initializer=_normal(),
        name="project",
    )(z)
    x = layers.Reshape((start_size, start_size, width), name="reshape")(x)
    x = _batch_norm("project_norm")(x)
    x = layers.ReLU(name="project_relu")(x)
    for doubling in range(1, doublings):
        x = _up(width // 2**doubling, f"up{doubling}", use_bias=False)(x)
        x = _batch_norm(f"up{doubling}_norm")(x)
        x = layers.ReLU(name=f"up{doubling}_relu")(x)
    x = _up(channels, "to_image")(x)
    # float32 whatever the policy: images are what losses, metrics and clients read.
    images = layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model(z, images, name="generator")


def discriminator(start_size, doublings, channels, base_width=64):
    """The discriminator: `doublings` strided convolutions down to `start_size`, one logit."""
    size = start_size * 2**doublings
    images = keras.Input((size, size, channels), name="images")
    x = images
    for halving in range(doublings):
        first = halving == 0
        x = layers.Conv2D(
            base_width * 2**halving,
            4,
            strides=2,
            padding="same",
            use_bias=first,
            kernel_initializer=_normal(),
            name=f"down{halving}",
        )(x)
        if not first:
            x = _batch_norm(f"down{halving}_norm")(x)
        x = layers.LeakyReLU(0.2, name=f"down{halving}_relu")(x)
    x = layers.Flatten(name="flatten")(x)
    logits = layers.Dense(1, kernel_initializer=_normal(), dtype="float32", name="logits")(x)
    return keras.Model(images, logits, name="discriminator")


def _up(filters, name, use_bias=True):
    return layers.Conv2DTranspose(
        filters,
        4,
        strides=2,
        padding="same",
        use_bias=use_bias,
        kernel_initializer=_normal(),
        name=name,
    )


def _batch_norm(name):
    # Keras' momentum of 0.99 would leave a short run sampling with its first statistics.
    return layers.BatchNormalization(
        momentum=0.9,
        epsilon=1e-5,
        gamma_initializer=initializers.RandomNormal(1.0, 0.02),
        name=name,
    )


def _normal():
    return initializers.RandomNormal(0.0, 0.02)


def _steps_to(image_shape):
    """The size to start from, 4 or 7, and how often it doubles to reach `image_shape`."""
    if len(image_shape) == 3 and image_shape[0] == image_shape[1] and image_shape[2] in (1, 3):
        for start_size in (4, 7):
            size, doublings = start_size, 0
            while size < image_shape[0]:
                size, doublings = 2 * size, doublings + 1
            if size == image_shape[0] and doublings:
                return start_size, doublings
    raise ValueError(
        f"image_shape={tuple(image_shape)} cannot be made by DCGAN; use a square reached by "
        "doubling from 4 or 7 (8, 14, 16, 28, 32, 56, 64, ...) with 1 or 3 channels, for example "
        "(32, 32, 1)."
    )

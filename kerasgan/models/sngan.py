"""SN-GAN, Miyato et al. 2018: a discriminator whose layers are divided by their largest stretch."""

import functools

import keras
from keras import layers

from kerasgan.core.image_gan import ImageGAN
from kerasgan.layers.conditioning import label_maps, logits
from kerasgan.layers.convolutional import convolutional_generator
from kerasgan.layers.residual import residual_discriminator, residual_generator
from kerasgan.layers.shapes import doublings_to
from kerasgan.layers.spectral_normalization import normalized


@keras.saving.register_keras_serializable(package="kerasgan")
class SNGAN(ImageGAN):
    """GAN with spectral normalization in every layer of the discriminator.

    Two settings of the paper: `"resnet"` (appendix B.4, table 4: hinge loss, Adam(2e-4, beta_1=0,
    beta_2=0.9), five updates of the discriminator) and `"dcgan"` (table 3: non-saturating loss,
    Adam(2e-4, beta_1=0.5), one update, as the paper's setting C).

    Departures: the ResNet here starts from 4x4 or 7x7 and has as many doubling blocks as the image
    needs; both players have `base_width` feature maps, where the paper has 256 in the generator and
    128 in the discriminator, and the learning rate is constant, where it falls to zero. In the
    other architecture the generator is DCGAN's and the strided layers double the width, as in the
    authors' code; the paper's width is `base_width=64` there.

    With `"resnet"`, `fit`'s batch is cut into five, so the paper's 64 images are a batch of 320.

    Args:
        image_shape, latent_dim, base_width: as for `kerasgan.ImageGAN`.
        architecture: `"resnet"` or `"dcgan"`.
        **kwargs: as for `kerasgan.ImageGAN`.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> gan = kerasgan.SNGAN(image_shape=(16, 16, 1), base_width=8)
    >>> gan.compile()
    >>> digits = kerasgan.data.load("digits", image_size=16, batch_size=320)
    >>> history = gan.fit(digits, epochs=1, verbose=0)

    Reference: Spectral Normalization for Generative Adversarial Networks, Miyato, Kataoka, Koyama &
    Yoshida, 2018, arXiv:1802.05957.
    """

    def __init__(
        self, image_shape, latent_dim=128, base_width=128, *, architecture="resnet", **kwargs
    ):
        if architecture not in ARCHITECTURES:
            accepted = ", ".join(map(repr, ARCHITECTURES))
            raise ValueError(f"architecture={architecture!r}; use one of {accepted}.")
        networks = ARCHITECTURES[architecture]
        super().__init__(image_shape, latent_dim, base_width, networks=networks, **kwargs)
        self.architecture = architecture

    @property
    def default_loss(self):
        return "hinge" if self.architecture == "resnet" else "non_saturating"

    @property
    def default_discriminator_steps(self):
        return 5 if self.architecture == "resnet" else 1

    def default_optimizers(self):
        betas = (0.0, 0.9) if self.architecture == "resnet" else (0.5, 0.999)
        return {player: keras.optimizers.Adam(2e-4, *betas) for player in self.players}

    def get_config(self):
        return {**super().get_config(), "architecture": self.architecture}


def dcgan_discriminator(image_shape, base_width=64, num_classes=None, conditioning="one_hot"):
    """The discriminator of table 3: pairs of a 3x3 and a strided 4x4 convolution, then a 3x3."""
    _, doublings = doublings_to(image_shape)

    convolution = functools.partial(layers.Conv2D, padding="same")
    inputs, x, label = label_maps(image_shape, num_classes, conditioning)
    for level in range(doublings):
        width = base_width * 2**level
        x = normalized(convolution(width, 3, name=f"level{level}"))(x)
        x = layers.LeakyReLU(0.1, name=f"level{level}_relu")(x)
        x = normalized(convolution(2 * width, 4, strides=2, name=f"down{level}"))(x)
        x = layers.LeakyReLU(0.1, name=f"down{level}_relu")(x)
    x = normalized(convolution(base_width * 2**doublings, 3, name="last"))(x)
    x = layers.LeakyReLU(0.1, name="last_relu")(x)
    x = layers.Flatten(name="flatten")(x)
    glorot = keras.initializers.GlorotUniform
    output = logits(x, label, num_classes, conditioning, normalized, glorot)
    return keras.Model(inputs, output, name="discriminator")


ARCHITECTURES = {
    "resnet": (residual_generator, residual_discriminator),
    "dcgan": (convolutional_generator, dcgan_discriminator),
}

"""SN-GAN, Miyato et al. 2018: a discriminator whose layers are divided by their largest stretch."""

import functools
from collections.abc import Callable
from typing import Literal

import keras
from keras import layers

from kerasgan.core.image_gan import ImageGAN
from kerasgan.layers.conditioning import label_maps, logits
from kerasgan.layers.convolutional import convolutional_generator
from kerasgan.layers.residual import (
    published_width,
    residual_discriminator,
    residual_generator,
)
from kerasgan.layers.shapes import doublings_to
from kerasgan.layers.spectral_normalization import normalized
from kerasgan.training.optimizers import adam


@keras.saving.register_keras_serializable(package="kerasgan")
class SNGAN(ImageGAN):
    """GAN with spectral normalization in every layer of the discriminator.

    Two settings of the paper: `"resnet"` (appendix B.4: hinge loss, Adam(2e-4, beta_1=0,
    beta_2=0.9), five updates of the discriminator) and `"dcgan"` (table 3: non-saturating loss,
    Adam(2e-4, beta_1=0.5), one update, as the paper's setting C).

    The ResNets are those of table 4 (32 pixels: 256 feature maps in the generator, 128 in the
    discriminator), table 5 (48: STL-10) and table 6 (128: ImageNet), where the number of feature
    maps doubles at each lower resolution, and for 64 and 256 pixels those of the authors' code for
    projection discriminators. Other sizes follow the nearest of these.

    Departures: the learning rate is constant, while the paper's falls linearly to zero (on the
    command line, `--decay-from 0`); the generator learns from as many images as the discriminator,
    while the authors' code uses 128 at 32 pixels; that code's discriminator for CIFAR-10 has no
    bias in its last layer. With `"dcgan"` the generator is DCGAN's, which has one layer less, and
    the strided layers double the width, as in the authors' code.

    With `"resnet"`, `fit` splits its batch into five, so the paper's updates of 64 images need a
    batch of 320.

    Args:
        image_shape, latent_dim: as for `kerasgan.ImageGAN`.
        base_width: int, or None for the paper's. For ResNets up to 32 pixels it is the number of
            feature maps of the discriminator (128 by default), of which the generator has twice as
            many; above, the number next to the image (64). For `"dcgan"`, the number next to the
            image (64).
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

    default_loss = "hinge"
    short_run = {"architecture": "dcgan", "learning_rate": 1e-3}
    default_discriminator_steps = 5
    default_batch_size = 320  # five updates of 64
    networks_version = 2

    @classmethod
    def batch_size_for(cls, /, **settings) -> int:
        if settings.get("architecture") == "dcgan":
            settings = {"discriminator_steps": 1, **settings}
        return super().batch_size_for(**settings)

    def __init__(
        self,
        image_shape: tuple[int, ...],
        latent_dim: int = 128,
        base_width: int | None = None,
        *,
        architecture: Literal["resnet", "dcgan"] = "resnet",
        **kwargs,
    ):
        if architecture not in ARCHITECTURES:
            accepted = ", ".join(map(repr, ARCHITECTURES))
            raise ValueError(f"architecture={architecture!r}; use one of {accepted}.")
        networks = ARCHITECTURES[architecture]
        if base_width is None:
            base_width = published_width(image_shape) if architecture == "resnet" else 64
        super().__init__(image_shape, latent_dim, base_width, networks=networks, **kwargs)
        self.architecture = architecture
        if architecture == "dcgan":
            self.default_loss, self.default_discriminator_steps = "non_saturating", 1
            self.networks_version = 1

    def default_optimizers(self) -> dict[str, keras.Optimizer]:
        betas = (0.0, 0.9) if self.architecture == "resnet" else (0.5, 0.999)
        return {player: adam(2e-4, *betas) for player in self.players}

    def get_config(self) -> dict:
        return {**super().get_config(), "architecture": self.architecture}


def dcgan_discriminator(
    image_shape: tuple[int, ...],
    base_width: int = 64,
    num_classes: int | None = None,
    conditioning: str = "one_hot",
) -> keras.Model:
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


ARCHITECTURES: dict[str, tuple[Callable, Callable]] = {
    "resnet": (residual_generator, residual_discriminator),
    "dcgan": (convolutional_generator, dcgan_discriminator),
}

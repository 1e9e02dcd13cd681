"""ProGAN, Karras et al. 2018: both networks grow, from 4x4 to the final resolution."""

import functools
from collections.abc import Callable

import keras
from keras import layers, ops

from kerasgan.growing.model import GrowingGAN
from kerasgan.growing.networks import (
    START_SIZE,
    GrowingDiscriminator,
    GrowingNetwork,
    conv,
    stage_widths,
    to_image,
)
from kerasgan.layers.equalized import equalized
from kerasgan.layers.pixel_normalization import PixelNormalization
from kerasgan.layers.precision import dtype_policy
from kerasgan.losses.adversarial import Wasserstein
from kerasgan.losses.penalties import GradientPenalty
from kerasgan.training.optimizers import adam


@keras.saving.register_keras_serializable(package="kerasgan")
class ProGAN(GrowingGAN):
    """Grows from 4x4 to as much as 1024x1024 under `kerasgan.callbacks.ProgressiveGrowing`.

    Table 2 of the paper: a stage doubles the resolution, with two 3x3 convolutions in each network,
    leaky ReLU, enlarging by the nearest neighbour and reducing by the mean. Learning rates are
    equalized (section 4.1), the generator normalizes each pixel's features (4.2), the discriminator
    sees the standard deviation over the minibatch (3). Appendix A.1: WGAN-GP with a drift of 0.001,
    one update of each network in turn, Adam(1e-3, beta_1=0, beta_2=0.99, epsilon=1e-8), and an
    average of the generator's weights of decay 0.999 samples. The paper's alternative is
    `compile(loss="least_squares", penalties=[])`.

    The paper's widths for 1024x1024 are the defaults: 16 feature maps next to the image, 512 at
    most. Its networks for a smaller image are the first stages of that, which
    `base_width=16 * 1024 // size` gives.

    Departures: its images are not bounded, and what is sampled is cut to [-1, 1]; the least-squares
    variant of the paper adds noise to the discriminator's layers.

    Args:
        *args, **kwargs: as for `kerasgan.growing.model.GrowingGAN`: image_shape, latent_dim,
            base_width, max_width, ema_decay, seed, dtype.
        pool_first: True for the discriminator of the authors' released networks, which reduces
            features before it activates them; False for that of table 2, which does so after.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> gan = kerasgan.ProGAN((16, 16, 1), latent_dim=32, base_width=8, max_width=32)
    >>> gan.compile()
    >>> growing = kerasgan.callbacks.ProgressiveGrowing(
    ...     kerasgan.callbacks.Stage(fade_in=0.5, stabilize=0.5, unit="epochs"), verbose=0
    ... )
    >>> digits = kerasgan.data.load("digits", image_size=16)
    >>> history = gan.fit(digits, epochs=3, callbacks=[growing], verbose=0)

    Reference: Progressive Growing of GANs for Improved Quality, Stability, and Variation, Karras,
    Aila, Laine & Lehtinen, 2018, arXiv:1710.10196.
    """

    default_loss = Wasserstein(drift=1e-3)
    networks_version = 2

    def __init__(self, *args, pool_first: bool = True, **kwargs):
        self.pool_first = pool_first
        super().__init__(*args, **kwargs)

    def networks(self) -> tuple[Callable, Callable]:
        return Generator, functools.partial(GrowingDiscriminator, pool_first=self.pool_first)

    def default_penalties(self) -> GradientPenalty | list:
        return GradientPenalty.wgan_gp()

    def default_optimizers(self) -> dict[str, keras.Optimizer]:
        return {p: adam(1e-3, 0.0, 0.99) for p in self.players}

    def get_config(self) -> dict:
        return {**super().get_config(), "pool_first": self.pool_first}


class Generator(GrowingNetwork):
    """The generator of table 2."""

    def __init__(self, image_shape, latent_dim, base_width, max_width, **kwargs):
        super().__init__(image_shape, **kwargs)
        self.settings = {"latent_dim": latent_dim, "base_width": base_width, "max_width": max_width}
        widths = stage_widths(image_shape, base_width, max_width)
        with dtype_policy(self.dtype_policy):
            self.blocks = [first_block(latent_dim, widths[0])]
            for stage in range(1, len(widths)):
                self.blocks.append(up_block(stage, widths[stage - 1], widths[stage]))
            self.to_image = [
                to_image(stage, width, image_shape[-1]) for stage, width in enumerate(widths)
            ]
            self.enlarge = layers.UpSampling2D(2, dtype="float32", name="enlarge")

    def layers_at(self, stage):
        return self.blocks[: stage + 1] + self.to_image[max(0, stage - 1) : stage + 1]

    def call(self, z, training=False):
        x = self.blocks[0](z)
        for block in self.blocks[1 : self.stage]:
            x = block(x)
        if self.stage == 0:
            images = self.to_image[0](x)
        else:
            before = self.enlarge(self.to_image[self.stage - 1](x))
            x = self.blocks[self.stage](x)
            images = self.faded(before, self.to_image[self.stage](x))
        return images if training else ops.clip(images, -1.0, 1.0)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.image_shape)

    def get_config(self):
        return {"name": self.name, "image_shape": self.final_image_shape, **self.settings}


def first_block(latent_dim, width):
    """From the latent, as a point of the hypersphere, to 4x4 features."""
    z = keras.Input((latent_dim,))
    x = PixelNormalization(name="latent_norm")(z)
    # The first layer of the authors' code, of which each output sees all of z, has this gain.
    dense = layers.Dense(START_SIZE * START_SIZE * width, use_bias=False, name="dense")
    x = equalized(dense, gain=2.0**0.5 / 4.0)(x)
    x = layers.Reshape((START_SIZE, START_SIZE, width), name="reshape")(x)
    x = activated(Bias(name="bias")(x), "dense")
    return keras.Model(z, activated(conv(width, "conv")(x), "conv"), name="stage0")


def up_block(stage, inputs, width):
    """Twice the resolution."""
    features = keras.Input((START_SIZE * 2 ** (stage - 1),) * 2 + (inputs,))
    x = layers.UpSampling2D(2, name="up")(features)
    for number in (1, 2):
        x = activated(conv(width, f"conv{number}")(x), f"conv{number}")
    return keras.Model(features, x, name=f"stage{stage}")


def activated(x, name):
    """Leaky ReLU, then the normalization of each pixel's features."""
    return PixelNormalization(name=f"{name}_norm")(layers.LeakyReLU(0.2, name=f"{name}_relu")(x))


class Bias(layers.Layer):
    """Adds a bias to each feature map, the same at all places. Input and output: any shape."""

    def build(self, input_shape):
        self.bias = self.add_weight((input_shape[-1],), "zeros", name="bias")

    def call(self, x):
        return x + self.bias

    def compute_output_shape(self, input_shape):
        return input_shape

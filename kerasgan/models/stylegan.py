"""StyleGAN, Karras et al. 2019: a generator that is told at every layer what style to have."""

import functools
from collections.abc import Callable

import keras
import numpy as np
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
from kerasgan.layers.blur import Blur
from kerasgan.layers.equalized import equalized
from kerasgan.layers.pixel_normalization import PixelNormalization
from kerasgan.layers.precision import dtype_policy
from kerasgan.layers.styled_generator import StyledGenerator, StyledSynthesis
from kerasgan.layers.styles import AdaptiveInstanceNormalization, NoiseInjection, style_of
from kerasgan.losses.penalties import GradientPenalty
from kerasgan.roles.has_styles import SPACES, HasStyles
from kerasgan.training.optimizers import adam


@keras.saving.register_keras_serializable(package="kerasgan")
class StyleGAN(HasStyles, GrowingGAN):
    """A mapping network turns latents into styles; the synthesis network grows, as ProGAN does.

    Section 2 of the paper: eight dense layers, which learn at a hundredth of the rate, map the
    normalized latent z to w. The image starts from a learned constant; after each convolution come
    noise of learned strength, bias, leaky ReLU, and AdaIN with a style that is an affine function
    of w. Upsampled and downsampled features are blurred, and the discriminator downsamples them
    before the last leaky ReLU of a stage, as in the authors' code. Section 3.1: nine in ten
    training images mix the styles of two latents, switching at a random layer. Appendices B and C:
    the mean of w is tracked for truncation; the non-saturating loss with R1 of gamma 10; Adam(1e-3,
    beta_1=0, beta_2=0.99, epsilon=1e-8). Samples come from an average of the generator's weights
    with decay 0.999. The paper's earlier configurations correspond to
    `compile(loss=kerasgan.losses.Wasserstein(drift=1e-3), penalties="wgan-gp")`.

    Departures: the paper starts to grow at 8x8, while here `ProgressiveGrowing` decides; its code
    mixes styles in the same way for a whole batch, while here each image has its own mix; its
    learning rate rises from 128x128 on, while here it is constant. The generator's output is not
    bounded, and samples are clipped to [-1, 1]. `generate` and the endpoint `sample` draw separate
    noise for each image from the seed; `generate_from`, `style_mix` and `interpolate`, where images
    are compared, use the same fixed noise for all; `stochastic_variation` draws new noise.

    Args:
        *args, **kwargs: as for `kerasgan.growing.model.GrowingGAN`: image_shape, latent_dim (which
            is the length of z and of w), base_width, max_width, ema_decay, seed, dtype.
        mapping_layers: int of at least 1, the depth of the mapping network (the paper's table 4
            compares several). For training within minutes see docs/growing.md.
        mixing_probability: float from 0 to 1, the share of training images with mixed styles (the
            paper's table 2).

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> gan = kerasgan.StyleGAN((16, 16, 1), latent_dim=32, base_width=8, max_width=32)
    >>> gan.compile()
    >>> digits = kerasgan.data.load("digits", image_size=16)
    >>> history = gan.fit(digits, epochs=1, verbose=0)
    >>> gan.generate(4, seed=0, truncation=0.7).shape
    (4, 16, 16, 1)

    Reference: A Style-Based Generator Architecture for Generative Adversarial Networks, Karras,
    Laine & Aila, 2019, arXiv:1812.04948.
    """

    def __init__(self, *args, mapping_layers: int = 8, mixing_probability: float = 0.9, **kwargs):
        if not isinstance(mapping_layers, int) or mapping_layers < 1:
            raise ValueError(
                f"mapping_layers={mapping_layers!r}; use a whole number of at least 1."
            )
        if not 0.0 <= mixing_probability <= 1.0:
            raise ValueError(
                f"mixing_probability={mixing_probability!r}; use a number from 0 to 1."
            )
        self.own_settings = {
            "mapping_layers": mapping_layers,
            "mixing_probability": mixing_probability,
        }
        super().__init__(*args, **kwargs)

    def networks(self) -> tuple[Callable, Callable]:
        return (
            functools.partial(Generator, **self.own_settings),
            functools.partial(GrowingDiscriminator, blur=True),
        )

    networks_version = 2
    truncated_layers = 8  # those up to 32x32
    has_bounds = True
    spaces = SPACES

    def default_penalties(self) -> GradientPenalty | list:
        return GradientPenalty.r1(10.0)

    def default_optimizers(self) -> dict[str, keras.Optimizer]:
        return {p: adam(1e-3, 0.0, 0.99) for p in self.players}

    def get_config(self) -> dict:
        return {**super().get_config(), **self.own_settings}

    # Using styles --------------------------------------------------------------------------------

    @property
    def style_layers(self) -> int:
        """How many layers of the current stage have a style: int, two per resolution."""
        return 2 * (self.stage + 1)

    @property
    def noise_shapes(self) -> tuple[tuple[int, ...], ...]:
        sizes = START_SIZE * 2 ** np.repeat(np.arange(self.stage + 1), 2)
        return (*super().noise_shapes, *((int(size), int(size), 1) for size in sizes))


class Generator(StyledGenerator):
    """Latents to styles, styles to images; in training with mixed styles."""

    def __init__(
        self,
        image_shape,
        latent_dim,
        base_width,
        max_width,
        mapping_layers,
        mixing_probability,
        **kwargs,
    ):
        sizes = (tuple(image_shape), latent_dim, base_width, max_width)
        names = ("image_shape", "latent_dim", "base_width", "max_width")
        super().__init__(
            functools.partial(mapping_network, latent_dim, mapping_layers),
            functools.partial(Synthesis, *sizes, name="synthesis"),
            {
                **dict(zip(names, sizes, strict=True)),
                "mapping_layers": mapping_layers,
                "mixing_probability": mixing_probability,
            },
            **kwargs,
        )


def mapping_network(latent_dim: int, depth: int) -> keras.Model:
    """z, normalized, to w."""
    z = keras.Input((latent_dim,))
    w = PixelNormalization(name="latent_norm")(z)
    for number in range(1, depth + 1):
        dense = layers.Dense(latent_dim, name=f"dense{number}")
        w = equalized(dense, learning_rate_multiplier=0.01)(w)
        w = layers.LeakyReLU(0.2, name=f"relu{number}")(w)
    return keras.Model(z, w, name="mapping")


class Synthesis(StyledSynthesis, GrowingNetwork):
    """Styles to images, of the current stage."""

    def __init__(self, image_shape, latent_dim, base_width, max_width, **kwargs):
        super().__init__(image_shape, **kwargs)
        widths = stage_widths(image_shape, base_width, max_width)
        with dtype_policy(self.dtype_policy):
            self.blocks = [SynthesisBlock(stage, width) for stage, width in enumerate(widths)]
            self.to_image = [
                to_image(stage, width, image_shape[-1]) for stage, width in enumerate(widths)
            ]
            self.enlarge = layers.UpSampling2D(2, dtype="float32", name="enlarge")
            features = None
            for block in self.blocks:  # their weights have to exist at every stage
                features = block(keras.Input((2, latent_dim)), features)

    @property
    def style_layers(self):
        return 2 * (self.stage + 1)

    @property
    def affines(self):
        blocks = self.blocks[: self.stage + 1]
        return list(enumerate(s.style for b in blocks for s in (b.styled1, b.styled2)))

    def layers_at(self, stage):
        return self.blocks[: stage + 1] + self.to_image[max(0, stage - 1) : stage + 1]

    def images_of(self, styles, noise, training):
        x = before = None
        for stage, block in enumerate(self.blocks[: self.stage + 1]):
            own = slice(2 * stage, 2 * stage + 2)
            before, x = x, block(styles[:, own], x, noise=noise[own], training=training)
        images = self.to_image[self.stage](x)
        if self.stage > 0:
            before = self.enlarge(self.to_image[self.stage - 1](before))
            images = self.faded(before, images)
        return images


class SynthesisBlock(layers.Layer):
    """The two layers of a resolution (figure 1b): of the first, from a constant."""

    def __init__(self, stage, width, **kwargs):
        super().__init__(name=f"stage{stage}", **kwargs)
        self.stage, self.width = stage, width
        if stage > 0:
            self.enlarge = layers.UpSampling2D(2, name="up")
            self.conv1 = conv(width, "conv1", use_bias=False)
            self.blur = Blur(name="blur")
        self.styled1 = Styled(width, name="styled1")
        self.conv2 = conv(width, "conv2", use_bias=False)
        self.styled2 = Styled(width, name="styled2")

    def build(self, *shapes):
        if self.stage == 0:
            shape = (1, START_SIZE, START_SIZE, self.width)
            self.constant = self.add_weight(shape, "ones", name="constant")

    def call(self, styles, features=None, noise=(), training=False):
        noise = noise or (None, None)
        if self.stage == 0:
            x = ops.tile(
                ops.cast(self.constant, self.compute_dtype), (ops.shape(styles)[0], 1, 1, 1)
            )
        else:
            x = self.blur(self.conv1(self.enlarge(features)))
        x = self.styled1(x, styles[:, 0], noise=noise[0], training=training)
        return self.styled2(self.conv2(x), styles[:, 1], noise=noise[1], training=training)


class Styled(layers.Layer):
    """What follows a convolution: noise, bias, leaky ReLU, AdaIN."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.noise = NoiseInjection(name="noise")
        self.relu = layers.LeakyReLU(0.2, name="relu")
        self.style = equalized(layers.Dense(2 * width, name="style"), gain=1.0)
        self.adain = AdaptiveInstanceNormalization(name="adain")

    def build(self, *shapes):
        self.bias = self.add_weight((self.width,), "zeros", name="bias")

    def call(self, x, w, noise=None, training=False):
        x = self.noise(x, noise=noise, training=training) + ops.cast(self.bias, x.dtype)
        scale, bias = ops.split(style_of(self.style, w), 2, axis=-1)
        # A style of zeros leaves the features normalized.
        return self.adain(self.relu(x), 1.0 + scale, bias)

"""StyleGAN, Karras et al. 2019: a generator that is told at every layer what style to have."""

import functools
from collections.abc import Callable
from numbers import Real
from typing import Literal

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import ArrayLike

from kerasgan import backend
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
from kerasgan.layers.styles import AdaptiveInstanceNormalization, NoiseInjection
from kerasgan.losses.penalties import GradientPenalty
from kerasgan.roles.has_styles import HasStyles
from kerasgan.sampling.latents import spherical
from kerasgan.training.optimizers import adam

MEAN_DECAY = 0.995  # of the tracked mean of w
TRUNCATED_LAYERS = 8  # those up to 32x32
PARTS = ("coarse", "middle", "fine")


@keras.saving.register_keras_serializable(package="kerasgan")
class StyleGAN(HasStyles, GrowingGAN):
    """A mapping network turns latents into styles; the synthesis network grows, as ProGAN does.

    Section 2 of the paper: the latent z, normalized, becomes w by eight dense layers that learn at
    a hundredth of the speed. The image starts from a learned constant; after each convolution come
    noise of learned strength, bias, leaky ReLU, and AdaIN with a style that is an affine function
    of w. Enlarged and reduced features are blurred, and the discriminator reduces them before the
    last leaky ReLU of a stage, as in the authors' code. Section 3.1: nine in ten training images
    mix the styles of two latents, from a layer drawn at random on. Appendices B and C: the mean of
    w is tracked for truncation; the non-saturating loss with R1 of gamma 10; Adam(1e-3, beta_1=0,
    beta_2=0.99, epsilon=1e-8); an average of the generator's weights of decay 0.999 samples.
    Configurations before the last used `compile(loss=kerasgan.losses.Wasserstein(drift=1e-3),
    penalties="wgan-gp")`.

    Departures: the paper begins to grow at 8x8, here it is as `ProgressiveGrowing` is told; its
    code mixes styles in the same way for a whole batch, here each image has its own; from 128x128
    on it raises the learning rate. Its images are not bounded, and what is sampled is cut to [-1,
    1]. `generate` and the endpoint `sample` draw noise from the seed, for each image its own;
    `generate_from`, `style_mix` and `interpolate`, where images are compared, use one that was
    drawn once for all; `stochastic_variation` draws it anew.

    Args:
        *args, **kwargs: as for `kerasgan.growing.model.GrowingGAN`: image_shape, latent_dim (which
            is the length of z and of w), base_width, max_width, ema_decay, seed, dtype.
        mapping_layers: int of at least 1, the depth of the mapping network (the paper's table 4
            compares several). For trainings of minutes see docs/growing.md.
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
    truncation_limits = (0.0, 1.0)

    def default_penalties(self) -> GradientPenalty | list:
        return GradientPenalty.r1(10.0)

    def default_optimizers(self) -> dict[str, keras.Optimizer]:
        return {p: adam(1e-3, 0.0, 0.99) for p in self.players}

    def get_config(self) -> dict:
        return {**super().get_config(), **self.own_settings}

    # Using styles --------------------------------------------------------------------------------

    @property
    def style_layers(self) -> int:
        """How many layers of the current stage have a style: int, two a resolution."""
        return 2 * (self.stage + 1)

    @property
    def noise_shapes(self) -> tuple[tuple[int, ...], ...]:
        sizes = START_SIZE * 2 ** np.repeat(np.arange(self.stage + 1), 2)
        return (*super().noise_shapes, *((int(size), int(size), 1) for size in sizes))

    def styles(self, latents: np.ndarray, truncation: float | None = None) -> np.ndarray:
        """The styles w of latents, one for each layer.

        Args:
            latents: float array (num_images, latent_dim).
            truncation: None, or psi: `w` becomes `mean + psi (w - mean)` in the layers up to 32x32,
                where mean is that of w in training. 1 changes nothing, at 0 all images are the same
                "average" one.

        Returns:
            float32 array (num_images, style_layers, latent_dim).
        """
        generator = self.sampling_generator
        w = backend.predict(generator.mapping, np.asarray(latents, "float32"))
        styles = np.repeat(w[:, None, :], self.style_layers, axis=1)
        if truncation is not None:
            mean = ops.convert_to_numpy(generator.mean)
            cut = styles[:, :TRUNCATED_LAYERS]
            styles[:, :TRUNCATED_LAYERS] = mean + truncation * (cut - mean)
        return styles

    def generate_from_styles(self, styles: np.ndarray, noise: list | None = None) -> np.ndarray:
        """Turns styles into images.

        Args:
            styles: float array (num_images, style_layers, latent_dim), as `styles` returns them.
            noise: None for the noise that `generate` uses, or a list of style_layers arrays
                (num_images, height, width, 1), the layers' resolutions.

        Returns:
            float32 array (num_images, height, width, channels) in [-1, 1].
        """

        def draw(styles, *noise):
            inputs = [styles, *noise] if noise else styles
            return backend.predict(self.sampling_generator.synthesis, inputs)

        return self.some_at_a_time(draw, styles, *(noise or []))

    def generate(
        self,
        num_images: int,
        *,
        seed: int | None = None,
        labels: ArrayLike | None = None,
        truncation: float | None = None,
    ) -> np.ndarray:
        """Draws images; see `kerasgan.GAN.generate`.

        Args:
            num_images, seed: as there.
            labels: None; StyleGAN is unconditional.
            truncation: None, or psi from 0 to 1, usually 0.7; see `styles`.

        Returns:
            float32 array (num_images, height, width, channels) in [-1, 1].

        Raises:
            ValueError: for an argument out of range.
        """
        return super().generate(num_images, seed=seed, labels=labels, truncation=truncation)

    def check_truncation(self, truncation: float | None) -> None:
        is_number = isinstance(truncation, Real)
        if truncation is not None and (not is_number or not 0.0 <= truncation <= 1.0):
            raise ValueError(f"truncation={truncation!r}; use None or a number from 0 to 1.")

    def latents(  # type: ignore[override]  # truncation is of styles here
        self, num_images: int, *, seed: int | None = None
    ) -> np.ndarray:
        """The latents that `generate` turns into images; see `kerasgan.GAN.latents`."""
        return super().latents(num_images, seed=seed)

    def draw(self, noise, labels=None, truncation=None):
        normal, *noise = noise
        return self.generate_from_styles(self.styles(normal, truncation), noise)

    def images_from_noise(self, noise, labels=None, truncation=None):
        normal, *noise = noise
        generator = self.sampling_generator
        w = generator.mapping(normal)[:, None, :]
        cut = generator.mean + truncation[:, None, None] * (w - generator.mean)
        kept = [cut] * min(TRUNCATED_LAYERS, self.style_layers)
        styles = kept + [w] * (self.style_layers - len(kept))
        return generator.synthesis([ops.concatenate(styles, axis=1), *noise], training=False)

    def style_mix(
        self,
        sources: np.ndarray,
        targets: np.ndarray,
        layers: str | range = "coarse",
        truncation: float | None = None,
    ) -> np.ndarray:
        """Images of the targets with some of their styles from the sources.

        Args:
            sources, targets: float arrays (n, latent_dim) and (m, latent_dim), latents such as
                `latents` returns.
            layers: which styles come from the sources: a `range` of layers, of which there are
                `style_layers`, or `"coarse"`, `"middle"` or `"fine"`. From 128x128 on these are the
                paper's: up to 8x8, 16x16 to 32x32, the rest; for smaller images one resolution
                each is coarse and middle.
            truncation: as for `styles`.

        Returns:
            float32 array (n, m, height, width, channels).

        Raises:
            ValueError: for other layers.
        """
        chosen = self._chosen_layers(layers)
        source, target = (self.styles(latents, truncation) for latents in (sources, targets))
        styles = np.repeat(target[None], len(source), axis=0)
        styles[:, :, chosen] = source[:, None, chosen]
        images = self.generate_from_styles(styles.reshape(-1, *target.shape[1:]))
        return images.reshape(len(source), len(target), *self.image_shape)

    def _chosen_layers(self, layers):
        part = 2 * min(2, max(1, (self.stage + 1) // 3))
        everything = list(range(self.style_layers))
        parts = (everything[:part], everything[part : 2 * part], everything[2 * part :])
        named = dict(zip(PARTS, parts, strict=True))
        if isinstance(layers, str) and layers in named:
            return named[layers]
        if isinstance(layers, range) and set(layers) <= set(everything):
            return list(layers)
        raise ValueError(
            f"layers={layers!r}; use {', '.join(map(repr, PARTS))} or a range within "
            f"range({self.style_layers})."
        )

    def stochastic_variation(
        self, latent: np.ndarray, num_images: int, seed: int | None = None
    ) -> np.ndarray:
        """Images of one latent that differ in their noise.

        Args:
            latent: float array (latent_dim,).
            num_images: int.
            seed: int, or None for new noise at each call.

        Returns:
            float32 array (num_images, height, width, channels).
        """
        styles = self.styles(np.asarray(latent, "float32")[None])
        random = np.random.default_rng(np.random.randint(2**31) if seed is None else seed)
        noise = [
            random.standard_normal((num_images, *shape), dtype="float32")
            for shape in self.noise_shapes[1:]
        ]
        return self.generate_from_styles(np.repeat(styles, num_images, axis=0), noise)

    def interpolate(
        self,
        first: np.ndarray,
        second: np.ndarray,
        num_images: int = 8,
        space: Literal["z", "w"] = "w",
    ) -> np.ndarray:
        """Images on the way from one latent to another, both ends included.

        Args:
            first, second: float arrays (latent_dim,).
            num_images: int, at least 2.
            space: `"w"`, along the straight line between their styles, or `"z"`, along the great
                circle between the latents.

        Returns:
            float32 array (num_images, height, width, channels).

        Raises:
            ValueError: for another space, or too few images.
        """
        if space not in ("w", "z"):
            raise ValueError(f"space={space!r}; use 'w' or 'z'.")
        if num_images < 2:
            raise ValueError(f"num_images={num_images!r}; use a number of at least 2.")
        ends = np.stack([first, second]).astype("float32")
        shares = np.linspace(0.0, 1.0, num_images, dtype="float32")
        if space == "z":
            way = [spherical(ends[:1], ends[1:], share)[0] for share in shares]
            return self.generate_from(np.stack(way))
        first, second = self.styles(ends)
        shares = shares[:, None, None]
        return self.generate_from_styles((1.0 - shares) * first + shares * second)


class Generator(keras.Model):
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
        super().__init__(**kwargs)
        self.settings = {
            "image_shape": tuple(image_shape),
            "latent_dim": latent_dim,
            "base_width": base_width,
            "max_width": max_width,
            "mapping_layers": mapping_layers,
            "mixing_probability": mixing_probability,
        }
        self.mixing_probability = mixing_probability
        with dtype_policy(self.dtype_policy):
            self.mapping = mapping_network(latent_dim, mapping_layers)
            self.synthesis = Synthesis(
                image_shape, latent_dim, base_width, max_width, name="synthesis"
            )
        self.mean = self.add_weight(
            (latent_dim,),
            "zeros",
            "float32",
            trainable=False,
            autocast=False,
            aggregation="mean",
            name="mean_style",
        )
        self.seed_generator = backend.SeedGenerator()

    def call(self, z, training=False):
        w = self.mapping(z)
        if training:
            mean = ops.mean(ops.stop_gradient(ops.cast(w, "float32")), axis=0)
            self.mean.assign(self.mean + (1.0 - MEAN_DECAY) * (mean - self.mean))
        styles = ops.repeat(w[:, None, :], self.synthesis.style_layers, axis=1)
        if training and self.mixing_probability > 0.0:
            styles = self.mixed(styles)
        return self.synthesis(styles, training=training)

    def mixed(self, styles):
        """Styles of which some are those of another latent from a layer on."""
        batch = ops.shape(styles)[0]
        count, latent_dim = styles.shape[1:]
        seed = self.seed_generator
        others = self.mapping(keras.random.normal((batch, latent_dim), seed=seed))
        # At least the first layer, and at most all but the last, keep their style.
        crossover = 1.0 + keras.random.uniform((batch, 1, 1), 0.0, count - 1.0, "float32", seed)
        mixes = (
            keras.random.uniform((batch, 1, 1), dtype="float32", seed=seed)
            < self.mixing_probability
        )
        index = ops.reshape(ops.arange(count, dtype="float32"), (1, count, 1))
        other = ops.logical_and(mixes, index >= ops.floor(crossover))
        return ops.where(other, others[:, None, :], styles)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.synthesis.image_shape)

    def get_config(self):
        return {"name": self.name, **self.settings}


def mapping_network(latent_dim: int, depth: int) -> keras.Model:
    """z, normalized, to w."""
    z = keras.Input((latent_dim,))
    w = PixelNormalization(name="latent_norm")(z)
    for number in range(1, depth + 1):
        dense = layers.Dense(latent_dim, name=f"dense{number}")
        w = equalized(dense, learning_rate_multiplier=0.01)(w)
        w = layers.LeakyReLU(0.2, name=f"relu{number}")(w)
    return keras.Model(z, w, name="mapping")


class Synthesis(GrowingNetwork):
    """Styles (batch, style_layers, latent_dim), or [styles, *noise], to images."""

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

    def layers_at(self, stage):
        return self.blocks[: stage + 1] + self.to_image[max(0, stage - 1) : stage + 1]

    def call(self, inputs, training=False):
        styles, *noise = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        x = before = None
        for stage, block in enumerate(self.blocks[: self.stage + 1]):
            own = slice(2 * stage, 2 * stage + 2)
            before, x = x, block(styles[:, own], x, noise=noise[own], training=training)
        images = self.to_image[self.stage](x)
        if self.stage > 0:
            before = self.enlarge(self.to_image[self.stage - 1](before))
            images = self.faded(before, images)
        return images if training else ops.clip(images, -1.0, 1.0)

    def compute_output_shape(self, input_shape):
        return (None, *self.image_shape)


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
        scale, bias = ops.split(self.style(w), 2, axis=-1)
        # A style of zeros leaves the features normalized.
        return self.adain(self.relu(x), 1.0 + scale, bias)

"""StyleGAN3, Karras et al. 2021: images that move and turn with their features, without aliases."""

import dataclasses
import functools
import math
import re
from collections.abc import Mapping
from numbers import Real
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops

from kerasgan import backend
from kerasgan.growing.networks import START_SIZE
from kerasgan.layers.blur import gaussian
from kerasgan.layers.equalized import equalized
from kerasgan.layers.filtered import FilteredLeakyReLU
from kerasgan.layers.modulated import ModulatedConv2D, ScaledLeakyReLU
from kerasgan.layers.shapes import doublings_to
from kerasgan.layers.styled_generator import StyledGenerator, StyledSynthesis
from kerasgan.layers.styles import style_of
from kerasgan.roles.moves_images import MovesImages
from kerasgan.styles.networks import (
    CLAMP,
    half_precision,
    make_discriminator,
    mapping_network,
    precision_at,
)
from kerasgan.styles.published_files import (
    assign_published,
    places_in_layers,
    places_in_mapping,
    resampling_filters,
)
from kerasgan.styles.published_snapshots import (
    OPTIONS,
    WHOLE_BATCHES,
    published_snapshot,
    settings_of_mapping,
    shapes_of_mapping,
)
from kerasgan.styles.styled_gan import StyledGAN, check_settings
from kerasgan.training.official import Published, PublishedFile

VARIANTS = ("t", "r")
MARGIN = 10  # pixels around the image, where what comes from beyond its border ends
NUM_CRITICAL = 2  # the last layers, which use the whole band that the sampling rate can hold
FIRST_CUTOFF = 2.0
FIRST_STOPBAND = 2.0**2.1
LAST_STOPBAND = 2.0**0.3  # of the last cutoff
LAYERS_FROM_256 = 14
OUTPUT_SCALE = 0.25
MAGNITUDE_IMAGES = 20e3  # in how many the mean magnitude of features forgets a half
GENERATOR_RATE = 0.0025
BLUR_SIGMA = {"t": 0.0, "r": 10.0}
BLURRED_STEPS = 6250  # 200,000 images of 32 an update
MEAN_DECAY = 0.998  # of the mean of styles


@dataclasses.dataclass(frozen=True)
class Preset:
    """Settings that were published together.

    Attributes:
        gamma: float, of R1.
        gamma_r: float, that of the variant `"r"`; None for the same.
        batch_size: int, images an update.
        widths: int, maps times pixels of a side, up to `max_width`.
        discriminator_rate: float, the learning rate.
    """

    gamma: float
    gamma_r: float | None = None
    batch_size: int = 32
    widths: int = 32768
    discriminator_rate: float = 0.002
    ema_ramp: float = 0.05
    mapping_layers: int = 2
    group_size: int = 4

    @property
    def ema_images(self) -> float:
        """In how many images the average forgets a half."""
        return self.batch_size * 10e3 / 32


PRESETS = {
    "ffhq1024": Preset(32.8),
    "metfacesu1024": Preset(16.4, 6.6),
    "metfaces1024": Preset(6.6, 3.3),
    "afhqv2": Preset(8.2, 16.4),
    "ffhqu256": Preset(1.0, None, 64, 16384, 0.0025),
}


def automatic(size: int, batch_size: int | None = None) -> Preset:
    """The recommended settings for a size of images.

    Args:
        size: int, pixels of a side.
        batch_size: int, or None for 32.

    Returns:
        A `Preset`.

    Example:

    >>> [automatic(size).gamma for size in (128, 256, 1024)]
    [0.5, 2.0, 32.0]
    """
    batch_size = 32 if batch_size is None else batch_size
    return Preset(2.0 * (size / 256) ** 2 * 32 / batch_size, batch_size=batch_size)


@keras.saving.register_keras_serializable(package="kerasgan")
class StyleGAN3(MovesImages, StyledGAN):
    """The generator treats maps as samples of continuous signals, so nothing sticks to pixels.

    Section 3 of the paper: Fourier features replace the constant, sines with frequencies that are
    drawn once, which an affine function of w rotates and translates. There are no noise, skips or
    style mixing. Maps have a margin beyond the image, and each leaky ReLU is filtered, see
    `kerasgan.layers.FilteredLeakyReLU`. Cutoffs rise from layer to layer to half the sampling rate
    in the last two; the other layers keep a distance between the cutoff and half the rate (section
    3.2, figure 4c). Before each convolution features are divided by the square root of a running
    mean of their squares. The discriminator is the residual one of `kerasgan.StyleGAN2`.

    `variant="t"` is equivariant to translation, `"r"` also to rotation: its convolutions are 1x1,
    with twice the maps, and its filters are the same in all directions. With `"r"` the
    discriminator sees blurred images at first: with a Gaussian of 10 pixels that decays to 0 over
    the first 6,250 steps, 200,000 images at 32 per step (appendix D.2).

    Training: the non-saturating loss; lazy R1 every 16 steps; Adam(beta_1=0, beta_2=0.99,
    epsilon=1e-8) with learning rates of 0.0025 (generator) and 0.002 (discriminator); an average of
    the generator's weights whose half-life is 312.5 batches, and at most a twentieth of the images
    so far; no path length regularization and no style mixing. `num_classes` is as for
    `kerasgan.StyleGAN2`.

    `preset` selects the other settings, as published:

    | preset | gamma of R1, `"t"` | `"r"` | images an update |
    |---|---|---|---|
    | `"ffhq1024"` | 32.8 | 32.8 | 32 |
    | `"metfacesu1024"` | 16.4 | 6.6 | 32 |
    | `"metfaces1024"` | 6.6 | 3.3 | 32 |
    | `"afhqv2"` (512x512) | 8.2 | 16.4 | 32 |
    | `"ffhqu256"` | 1 | 1 | 64, learning rate 0.0025 for both |

    `"auto"` uses what the authors recommend for new data: gamma 2 at 256x256 and 32 images per
    update, which grows with the square of the size and falls with the batch. Try gammas 2 and 4
    times as large, and 2 and 4 times as small.

    In mixed precision the layers of the four highest sampling rates compute in half precision, and
    activations are clipped to 256, as published.

    Departures: the published number of layers is 14 for all sizes; here there are two fewer for
    each halving below 256x256, because there are fewer octaves. The generator is updated on the
    images that the discriminator has just seen, and averaging starts early, as in every
    `kerasgan.GAN`; running means are averaged, too, while the authors copy them. The generator's
    output is not bounded, and samples are clipped to [-1, 1].

    Args:
        image_shape: (size, size, channels): size is 4 doubled once or more often (8, 16, 32, ...,
            1024), channels is 1 or 3.
        latent_dim: int, length of z and of w.
        base_width: int, feature maps next to the image, which double after each halving of the
            cutoff; None for the published number.
        max_width: int, the largest number of feature maps.
        variant: `"t"` or `"r"`, whose generator has twice `base_width` and `max_width`.
        preset: one of the names above.
        num_layers: int of at least 3, layers of the generator before the one that makes an image;
            None for the published 14, or fewer for small images.
        num_classes: None, or int: the model is then conditional.
        mapping_layers: int of at least 1, or None for the published 2.
        blur_sigma: float of at least 0, in pixels, the initial blur of the images that the
            discriminator sees; None for the published one. Use less for small images.
        batch_size: int, images per update, on which `"auto"` depends; None for the published one.
        group_size: int, images in a group of the minibatch standard deviation; None for the
            preset's.
        seed, dtype, name: as for `kerasgan.ImageGAN`.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> gan = kerasgan.StyleGAN3((16, 16, 1), latent_dim=32, base_width=8, num_layers=3)
    >>> gan.compile()
    >>> digits = kerasgan.data.load("digits", image_size=16)
    >>> history = gan.fit(digits, epochs=1, verbose=0)
    >>> gan.generate(4, seed=0, translate=(0.25, 0.0), rotate=30.0).shape
    (4, 16, 16, 1)

    Reference: Alias-Free Generative Adversarial Networks, Karras, Aittala, Laine, Härkönen,
    Hellsten, Lehtinen & Aila, 2021, arXiv:2106.12423.
    """

    default_batch_size = 32
    presets = PRESETS

    def __init__(
        self,
        image_shape: tuple[int, ...],
        latent_dim: int = 512,
        base_width: int | None = None,
        max_width: int = 512,
        *,
        variant: str = "t",
        preset: str = "auto",
        num_layers: int | None = None,
        num_classes: int | None = None,
        mapping_layers: int | None = None,
        blur_sigma: float | None = None,
        batch_size: int | None = None,
        group_size: int | None = None,
        seed: int | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ):
        image_shape = tuple(image_shape)
        doublings_to(image_shape, (START_SIZE,))
        size = image_shape[0]
        check_settings(PRESETS, preset, batch_size, mapping_layers, group_size)
        if variant not in VARIANTS:
            raise ValueError(f"variant={variant!r}; use 't' or 'r'.")
        if num_layers is None:
            layers_here = max(3, min(LAYERS_FROM_256, 2 * int(math.log2(size)) - 2))
        elif isinstance(num_layers, int) and num_layers > NUM_CRITICAL:
            layers_here = num_layers
        else:
            raise ValueError(
                f"num_layers={num_layers!r}; use None or a whole number of at least "
                f"{NUM_CRITICAL + 1}."
            )
        is_number = isinstance(blur_sigma, Real)
        if blur_sigma is not None and not (is_number and 0.0 <= blur_sigma <= size):
            raise ValueError(f"blur_sigma={blur_sigma!r}; use None or a number from 0 to {size}.")
        chosen = PRESETS.get(preset) or automatic(size, batch_size)
        if variant == "r" and chosen.gamma_r is not None:
            chosen = dataclasses.replace(chosen, gamma=chosen.gamma_r)
        self.published = chosen
        self.blur_sigma = BLUR_SIGMA[variant] if blur_sigma is None else float(blur_sigma)
        self.own_settings = {
            "max_width": max_width,
            "variant": variant,
            "preset": preset,
            "num_layers": num_layers,
            "mapping_layers": mapping_layers,
            "blur_sigma": blur_sigma,
            "batch_size": batch_size,
            "group_size": group_size,
        }
        depth = chosen.mapping_layers if mapping_layers is None else mapping_layers
        group = chosen.group_size if group_size is None else group_size
        half = half_precision(dtype)
        width = max(1, chosen.widths // size) if base_width is None else base_width
        super().__init__(
            image_shape,
            latent_dim,
            width,
            num_classes=num_classes,
            networks=(
                functools.partial(_make_generator, max_width, variant, layers_here, depth, half),
                functools.partial(make_discriminator, max_width, "resnet", group, half),
            ),
            ema_decay=0.5,  # which `ema_decay_after` overrules
            seed=seed,
            dtype=dtype,
            name=name,
        )
        self.asked_base_width = base_width

    def default_optimizers(self) -> dict[str, keras.Optimizer]:
        rates = {"generator": GENERATOR_RATE, "discriminator": self.published.discriminator_rate}
        return {player: self.lazy_adam(player, rates[player]) for player in self.players}

    def seen(self, images):
        """What the discriminator sees: in updates images are first blurred, then augmented."""
        if self.blur_sigma and self._view is not None:
            done = ops.cast(self.steps_trained, "float32") / BLURRED_STEPS
            sigma = self.blur_sigma * ops.maximum(1.0 - done, 0.0)
            images = gaussian(images, sigma, self.blur_sigma)
        return super().seen(images)

    # Published files -----------------------------------------------------------------------------

    @classmethod
    def published_in(cls, file: PublishedFile, network: str | None = None) -> Published | None:
        found = published_snapshot(
            *(file, network, "StyleGAN3", "synthesis.input.freqs"),
            *(settings_of_generator, shapes_of_generator),
            {**OPTIONS, "conv_clamp": (CLAMP, None)},
        )
        if found is None:
            return None
        published, group = found
        settings, ignored = dict(published.settings), published.ignored
        architecture = settings.pop("discriminator_architecture", "resnet")
        if architecture != "resnet":
            raise ValueError(
                f"its discriminator is of the kind {architecture!r}; StyleGAN3 has 'resnet'."
            )
        if group is None:
            ignored += (WHOLE_BATCHES,)
        elif group != 4:
            settings["group_size"] = group
        return dataclasses.replace(published, settings=settings, ignored=ignored)

    def load_network(self, name: str, tensors: Mapping[str, np.ndarray]) -> None:
        load_published(getattr(self, name), tensors)


# The generator ----------------------------------------------------------------------------------


class LayerDesign(NamedTuple):
    """What section 3.2 and appendix C.1 choose for a layer.

    Attributes:
        number: int, from 0.
        in_size, out_size: ints, of its maps, with margins.
        in_rate, out_rate: ints, their samples for a side of the image.
        in_cutoff, out_cutoff, in_half_width, out_half_width: floats, of its filters.
        in_channels, out_channels: ints.
        makes_image: bool.
        critical: bool, whether the output uses the whole band.
    """

    number: int
    in_size: int
    out_size: int
    in_rate: int
    out_rate: int
    in_cutoff: float
    out_cutoff: float
    in_half_width: float
    out_half_width: float
    in_channels: int
    out_channels: int
    makes_image: bool
    critical: bool

    @property
    def name(self) -> str:
        """That of the published program."""
        return f"L{self.number}_{self.out_size}_{self.out_channels}"


def layer_designs(
    image_shape: tuple[int, ...], base_width: int, max_width: int, num_layers: int
) -> list[LayerDesign]:
    """The layers of a generator, with that which makes an image: list of `LayerDesign`.

    Args:
        image_shape, base_width, max_width, num_layers: as for `StyleGAN3`.
    """
    size, _, channels = image_shape
    number = np.arange(num_layers + 1)
    share = np.minimum(number / (num_layers - NUM_CRITICAL), 1.0)
    last_cutoff = size / 2.0
    cutoffs = FIRST_CUTOFF * (last_cutoff / FIRST_CUTOFF) ** share
    stopbands = FIRST_STOPBAND * (last_cutoff * LAST_STOPBAND / FIRST_STOPBAND) ** share
    rates = np.exp2(np.ceil(np.log2(np.minimum(2.0 * stopbands, size)))).astype(int)
    half_widths = np.maximum(stopbands, rates / 2.0) - cutoffs
    sizes = rates + 2 * MARGIN
    sizes[-2:] = size
    widths = np.rint(np.minimum(base_width * size / 2.0 / cutoffs, max_width)).astype(int)
    widths = np.maximum(widths, 1)
    widths[-1] = channels
    columns = (sizes, rates, cutoffs, half_widths, widths)
    names = ("size", "rate", "cutoff", "half_width", "channels")
    designs = []
    for now in range(num_layers + 1):
        before = max(now - 1, 0)
        fields: dict[str, Any] = {}
        for name, column in zip(names, columns, strict=True):
            fields |= {f"in_{name}": column[before].item(), f"out_{name}": column[now].item()}
        critical = now >= num_layers - NUM_CRITICAL
        designs.append(LayerDesign(now, makes_image=now == num_layers, critical=critical, **fields))
    return designs


def _make_generator(
    max_width,
    variant,
    num_layers,
    mapping_layers,
    half,
    image_shape,
    latent_dim,
    base_width,
    num_classes=None,
    conditioning=None,
):
    return Generator(
        image_shape,
        latent_dim,
        base_width,
        max_width,
        variant,
        num_layers,
        num_classes,
        mapping_layers,
        half,
        name="generator",
    )


class Generator(StyledGenerator):
    """Latents to styles, styles to images."""

    def __init__(
        self,
        image_shape,
        latent_dim,
        base_width,
        max_width,
        variant,
        num_layers,
        num_classes,
        mapping_layers,
        half,
        **kwargs,
    ):
        sizes = {
            "image_shape": tuple(image_shape),
            "latent_dim": latent_dim,
            "base_width": base_width,
            "max_width": max_width,
            "variant": variant,
            "num_layers": num_layers,
            "half": half,
        }
        super().__init__(
            functools.partial(mapping_network, latent_dim, mapping_layers, num_classes),
            functools.partial(Synthesis, **sizes, name="synthesis"),
            {**sizes, "num_classes": num_classes, "mapping_layers": mapping_layers},
            mean_decay=MEAN_DECAY,
            **kwargs,
        )


class Synthesis(StyledSynthesis):
    """Styles, or [styles, backwards], to images (figure 4b)."""

    def __init__(
        self, image_shape, latent_dim, base_width, max_width, variant, num_layers, half, **kwargs
    ):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.image_shape = tuple(image_shape)
        self.style_layers = num_layers + 2  # that of the Fourier features, that of the image
        radial = variant == "r"
        more = 2 if radial else 1
        designs = layer_designs(self.image_shape, more * base_width, more * max_width, num_layers)
        self.fourier = FourierFeatures(designs[0], name="input")
        self.filtered = [
            SynthesisLayer(
                design,
                1 if radial else 3,
                radial and not design.critical,
                dtype=precision_at(design.out_rate, self.image_shape[0], half),
                name=design.name,
            )
            for design in designs
        ]
        self(keras.Input((self.style_layers, latent_dim)))

    @property
    def affines(self):
        convolutions = [layer.conv.affine for layer in self.filtered]
        return list(enumerate([self.fourier.affine, *convolutions]))

    def images_of(self, styles, backwards, training):
        x = self.fourier(styles[:, 0], *backwards)
        for number, layer in enumerate(self.filtered, start=1):
            x = layer(x, styles[:, number], training=training)
        return ops.cast(x, "float32") * OUTPUT_SCALE


class FourierFeatures(layers.Layer):
    """Sines of frequencies that were drawn within the first band, turned and moved by w."""

    def __init__(self, design, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.width, self.band, self.rate = design.in_channels, design.in_cutoff, design.in_rate
        self.size = design.in_size
        # In sizes of an image, from its centre; x goes to the right and y down.
        self.places = ((np.arange(self.size) + 0.5 - self.size / 2) / self.rate).astype("float32")

    def build(self, w_shape, backwards_shape=None):
        # w at first changes nothing: the transform that it makes is (1, 0, 0, 0).
        dense = layers.Dense(4, dtype="float32", name="affine")
        self.affine = equalized(dense, gain=1.0)
        dense.kernel_initializer = keras.initializers.Zeros()
        dense.bias_initializer = keras.initializers.Constant(np.eye(4)[0])
        self.affine.build(w_shape)
        shape, width = {"trainable": False, "autocast": False}, self.width
        self.frequencies = self.add_weight((2, width), in_circle(self.band), name="freqs", **shape)
        uniform = keras.initializers.RandomUniform(-0.5, 0.5)
        self.phases = self.add_weight((width,), uniform, name="phases", **shape)
        identity = keras.initializers.Identity()
        # For row vectors, as other kernels are.
        self.transform = self.add_weight((3, 3), identity, name="transform", **shape)
        normal = keras.initializers.RandomNormal(0.0, 1.0)
        self.kernel = self.add_weight((width, width), normal, name="kernel")

    def call(self, w, backwards=None):
        cosine, sine, right, down = ops.split(style_of(self.affine, w), 4, axis=1)
        length = ops.sqrt(ops.square(cosine) + ops.square(sine))
        cosine, sine, right, down = (x / length for x in (cosine, sine, right, down))
        turn = ops.reshape(ops.concatenate([cosine, -sine, sine, cosine], axis=1), (-1, 2, 2))
        move = ops.concatenate([right, down], axis=1)[:, :, None]
        transform = ops.transpose(ops.convert_to_tensor(self.transform))
        around, offset = transform[:2, :2], transform[:2, 2:]
        if backwards is not None:
            offset = offset + ops.matmul(around, backwards[:, :, 2:])
            around = ops.matmul(around, backwards[:, :, :2])
        frequencies = ops.convert_to_tensor(self.frequencies)
        offset = ops.matmul(turn, offset - move)
        phases = self.phases + ops.sum(offset * frequencies, axis=1)
        frequencies = ops.matmul(ops.transpose(ops.matmul(turn, around), (0, 2, 1)), frequencies)
        # Those that the sampling rate cannot hold once they are turned fade.
        beyond = ops.sqrt(ops.sum(ops.square(frequencies), axis=1)) - self.band
        amplitudes = ops.clip(1.0 - beyond / (self.rate / 2.0 - self.band), 0.0, 1.0)
        places = ops.convert_to_tensor(self.places)[None, :, None]
        across, along = (places * frequencies[:, None, i] for i in (0, 1))
        waves = across[:, None] + along[:, :, None] + phases[:, None, None, :]
        features = ops.sin(2.0 * math.pi * waves) * amplitudes[:, None, None, :]
        return ops.matmul(features, self.kernel / math.sqrt(self.width))

    def compute_output_shape(self, w_shape, backwards_shape=None):
        return (w_shape[0], self.size, self.size, self.width)


def in_circle(radius):
    """An initializer of vectors (2, n) that are uniform within a circle."""
    of_radius = keras.initializers.RandomUniform(0.0, 1.0)
    of_angle = keras.initializers.RandomUniform(0.0, 2.0 * math.pi)

    def draw(shape, dtype=None):
        distance = radius * ops.sqrt(of_radius(shape[1:], dtype))
        angle = of_angle(shape[1:], dtype)
        return ops.stack([distance * ops.cos(angle), distance * ops.sin(angle)])

    return draw


class SynthesisLayer(layers.Layer):
    """A modulated convolution, bias and filtered leaky ReLU; or the one that makes an image."""

    def __init__(self, design, kernel_size, radial, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.design = design
        policy, last = self.dtype_policy, design.makes_image
        self.conv = ModulatedConv2D(
            design.out_channels,
            1 if last else kernel_size,
            demodulate=not last,
            padding="full",
            dtype=policy,
            name="conv",
        )
        if last:
            self.activate = ScaledLeakyReLU(clamp=CLAMP, linear=True, dtype=policy, name="clamp")
        else:
            self.activate = FilteredLeakyReLU(
                design.out_size,
                (design.in_rate, design.out_rate),
                (design.in_cutoff, design.out_cutoff),
                (design.in_half_width, design.out_half_width),
                radial,
                CLAMP,
                dtype=policy,
                name="filtered",
            )

    def build(self, *shapes):
        width = self.design.out_channels
        self.bias = self.add_weight((width,), "zeros", autocast=False, name="bias")
        self.magnitude = self.add_weight(
            (),
            "ones",
            "float32",
            trainable=False,
            autocast=False,
            aggregation="mean",
            name="magnitude",
        )

    def call(self, x, w, training=False):
        if training:
            squares = ops.square(ops.stop_gradient(ops.cast(x, "float32")))
            images = ops.cast(ops.shape(x)[0] * backend.replicas(), "float32")
            kept = ops.power(0.5, images / MAGNITUDE_IMAGES)
            mean = ops.mean(squares)
            self.magnitude.assign(mean + kept * (self.magnitude - mean))
        x = ops.cast(x, self.compute_dtype)
        x = self.conv(x * ops.cast(ops.rsqrt(self.magnitude), x.dtype), w)
        return self.activate(x + ops.cast(self.bias, x.dtype))

    def compute_output_shape(self, x_shape, w_shape):
        return (x_shape[0], *(self.design.out_size,) * 2, self.design.out_channels)


# The published files ----------------------------------------------------------------------------


def load_published(network: keras.Model, tensors: Mapping[str, np.ndarray]) -> None:
    """Gives a generator or a discriminator the weights of a published network.

    Args:
        network: that of a `StyleGAN3`, with the settings of the published one.
        tensors: float arrays by the names of the published PyTorch program, without the network's
            own: `synthesis.L0_36_512.weight`, `b8.conv0.weight`, `mapping.w_avg`.

    Raises:
        ValueError: when one is missing, is too many, or has another shape, or when the filters are
            others.
    """
    filters = resampling_filters(tensors)
    if isinstance(network, StyledGenerator):
        filters |= published_filters(network)
    assign_published(published_places(network), tensors, filters)


def published_places(network: keras.Model) -> dict[str, keras.Variable]:
    """Where each tensor of a published network belongs: dict from its name to a variable."""
    if not isinstance(network, StyledGenerator):
        return places_in_layers(network)
    places = places_in_mapping(network)
    fourier = network.synthesis.fourier
    own = {
        "weight": fourier.kernel,
        "freqs": fourier.frequencies,
        "phases": fourier.phases,
        "transform": fourier.transform,
    }
    places |= {f"synthesis.input.{name}": v for name, v in own.items()}
    affine = {"synthesis.input": fourier.affine}
    for layer in network.synthesis.filtered:
        start = f"synthesis.{layer.design.name}"
        affine[start] = layer.conv.affine
        places[f"{start}.weight"] = layer.conv.kernel
        places[f"{start}.bias"] = layer.bias
        places[f"{start}.magnitude_ema"] = layer.magnitude
    for start, layer in affine.items():
        places[f"{start}.affine.weight"] = layer.layer.kernel
        places[f"{start}.affine.bias"] = layer.layer.bias
    return places


def published_filters(network: keras.Model) -> dict[str, np.ndarray]:
    """The filters of a generator by the names of the published program: dict of arrays."""
    return {
        f"synthesis.{layer.design.name}.{name}": getattr(layer.activate, name)
        for layer in network.synthesis.filtered
        if not layer.design.makes_image
        for name in ("up_filter", "down_filter")
    }


def settings_of_generator(tensors: Mapping[str, np.ndarray]) -> dict:
    """The arguments of `StyleGAN3` for the arrays of a published generator.

    Raises:
        ValueError: for layers that `StyleGAN3` does not have.
    """
    pattern = r"synthesis\.L(\d{1,2})_(\d{1,4})_(\d{1,5})\.weight"
    found = sorted(
        tuple(map(int, match.groups()))
        for match in (re.fullmatch(pattern, name) for name in tensors)
        if match
    )
    if len(found) < 4 or [number for number, *_ in found] != list(range(len(found))):
        raise ValueError(f"its generator has {len(found)} layers, with unknown numbers.")
    _, size, channels = found[-1]
    image_shape, num_layers = (size, size, channels), len(found) - 1
    doublings_to(image_shape, (START_SIZE,))
    # The generator of variant "r" has twice the discriminator's maps.
    turns = tensors[f"synthesis.L0_{found[0][1]}_{found[0][2]}.weight"].shape[-1] == 1
    more = 2 if turns else 1
    widths = {"base_width": found[-2][2] // more, "max_width": found[0][2] // more}
    doubled = {name: more * width for name, width in widths.items()}
    designs = layer_designs(image_shape, num_layers=num_layers, **doubled)
    names = [f"L{number}_{size}_{width}" for number, size, width in found]
    if [design.name for design in designs] != names:
        raise ValueError(f"its layers are {', '.join(names)}, which are not those of StyleGAN3.")
    return {
        "image_shape": image_shape,
        **widths,
        "variant": "r" if turns else "t",
        "num_layers": num_layers,
        **settings_of_mapping(tensors),
    }


def shapes_of_generator(
    tensors: Mapping[str, np.ndarray], settings: Mapping
) -> dict[str, tuple[int, ...]]:
    """The shapes of the arrays of a published generator with these settings of `StyleGAN3`."""
    w, start = settings["latent_dim"], "synthesis.input"
    more = 2 if settings["variant"] == "r" else 1
    designs = layer_designs(
        settings["image_shape"],
        more * settings["base_width"],
        more * settings["max_width"],
        settings["num_layers"],
    )
    width = designs[0].in_channels
    shapes = shapes_of_mapping(settings, w, w, settings["mapping_layers"])
    shapes |= {"mapping.w_avg": (w,), f"{start}.weight": (width, width)}
    shapes |= {f"{start}.freqs": (width, 2), f"{start}.phases": (width,)}
    shapes |= {f"{start}.transform": (3, 3), f"{start}.affine.weight": (4, w)}
    shapes |= {f"{start}.affine.bias": (4,)}
    for design in designs:
        start = f"synthesis.{design.name}"
        side = 3 if settings["variant"] == "t" and not design.makes_image else 1
        shapes[f"{start}.weight"] = (design.out_channels, design.in_channels, side, side)
        shapes[f"{start}.bias"] = (design.out_channels,)
        shapes[f"{start}.affine.weight"] = (design.in_channels, w)
        shapes[f"{start}.affine.bias"] = (design.in_channels,)
        shapes[f"{start}.magnitude_ema"] = ()
        for name in (f"{start}.up_filter", f"{start}.down_filter"):
            if name in tensors:  # which loading compares, whatever its shape
                shapes[name] = tensors[name].shape
    return shapes

"""StyleGAN2, Karras et al. 2020: styles scale kernels, and nothing grows."""

import dataclasses
import functools
import math
import re
from collections.abc import Mapping
from numbers import Real
from typing import NamedTuple

import keras
import numpy as np
from keras import layers, ops

from kerasgan import backend
from kerasgan.checks.arguments import above_zero
from kerasgan.growing.networks import START_SIZE
from kerasgan.layers.blur import Blur
from kerasgan.layers.equalized import equalized
from kerasgan.layers.modulated import ModulatedConv2D, ScaledLeakyReLU
from kerasgan.layers.shapes import doublings_to
from kerasgan.layers.styled_generator import StyledGenerator, StyledSynthesis
from kerasgan.layers.styles import NoiseInjection
from kerasgan.styles.lazy_regularization import LazyCost
from kerasgan.styles.networks import (
    half_precision,
    limit_of,
    make_discriminator,
    mapping_network,
    precision_at,
    widths_by_resolution,
)
from kerasgan.styles.published_files import (
    assign_published,
    places_in_layers,
    places_in_mapping,
    resampling_filters,
)
from kerasgan.styles.published_snapshots import (
    WHOLE_BATCHES,
    architecture_of,
    published_snapshot,
    settings_of_mapping,
    shapes_of_mapping,
    widths_of,
)
from kerasgan.styles.published_tensorflow import from_tensorflow
from kerasgan.styles.styled_gan import StyledGAN, check_settings
from kerasgan.training.official import Published, PublishedFile
from kerasgan.weight_files.snapshots import snapshot_limit

ARCHITECTURES = ("skip", "resnet", "orig")
PATH_LENGTH_EVERY = 4
PATH_LENGTH_DECAY = 0.01  # of the mean that path lengths are pulled to


class Preset(NamedTuple):
    """Settings that were published together.

    Attributes:
        batch_size: int, images an update.
        group_size: int, of the minibatch standard deviation.
        widths: int, maps times pixels of a side, up to `max_width`.
        learning_rate: float.
        gamma: float, of R1.
        ema_images: float, in how many images the average forgets a half.
        ema_ramp: None, or the share of the images so far that this is at most.
        mapping_layers: int.
        discriminator: str, its architecture.
        path_length_weight, mixing_probability: float.
    """

    batch_size: int
    group_size: int
    widths: int
    learning_rate: float
    gamma: float
    ema_images: float
    ema_ramp: float | None
    mapping_layers: int
    discriminator: str = "resnet"
    path_length_weight: float = 2.0
    mixing_probability: float = 0.9


PRESETS = {
    "stylegan2": Preset(32, 4, 32768, 0.002, 10.0, 10e3, None, 8),
    "paper256": Preset(64, 8, 16384, 0.0025, 1.0, 20e3, None, 8),
    "paper512": Preset(64, 8, 32768, 0.0025, 0.5, 20e3, None, 8),
    "paper1024": Preset(32, 4, 32768, 0.002, 2.0, 10e3, None, 8),
    "cifar": Preset(64, 32, 32768, 0.0025, 0.01, 500e3, 0.05, 2, "orig", 0.0, 0.0),
}


def automatic(size: int, batch_size: int | None = None) -> Preset:
    """The settings that follow the size of images and the batch, as published.

    Args:
        size: int, pixels of a side.
        batch_size: int, or None for that of one GPU.

    Returns:
        A `Preset`.

    Example:

    >>> automatic(256).batch_size, automatic(32).gamma
    (16, 0.0064)
    """
    if batch_size is None:
        batch_size = max(1, min(4096 // size, 32))
    return Preset(
        batch_size,
        group_size=min(batch_size, 4),
        widths=32768 if size >= 512 else 16384,
        learning_rate=0.002 if size >= 1024 else 0.0025,
        gamma=0.0002 * size**2 / batch_size,
        ema_images=batch_size * 10e3 / 32,
        ema_ramp=0.05,
        mapping_layers=2,
    )


@keras.saving.register_keras_serializable(package="kerasgan")
class StyleGAN2(StyledGAN):
    """Styles scale the kernels of convolutions, networks sum images or residuals, nothing grows.

    Section 2 of the paper: instead of AdaIN a style scales the input maps of a convolution, and
    demodulation divides the output maps by the norm of the scaled kernel; noise and bias come after
    that. Section 4: the generator sums the images of its resolutions (`"skip"`), the discriminator
    is a residual network. Section 3.1: lazy R1, every 16 steps. Section 3.2: path length
    regularization every 4 steps on half a batch: `(|J^T y| - a)^2` with weight 2, where J is the
    Jacobian of images with respect to styles, y noise, and a the running mean of the lengths.
    Further: the non-saturating loss, style mixing, equalized learning rates, the filter [1, 3, 3,
    1] for resampling, the standard deviation over the minibatch, Adam(beta_1=0, beta_2=0.99,
    epsilon=1e-8), and an average of the generator's weights with a half-life given in images.

    With `num_classes`, as in StyleGAN2-ADA: the mapping network takes the latent joined with an
    embedding of the class, and the logit is the inner product of the discriminator's features with
    a mapped embedding.

    `preset` selects published settings:

    | preset | images an update | learning rate | gamma of R1 | half-life, images | mapping |
    |---|---|---|---|---|---|
    | `"stylegan2"` | 32 | 0.002 | 10 | 10,000 | 8 |
    | `"paper256"` | 64 | 0.0025 | 1 | 20,000 | 8 |
    | `"paper512"` | 64 | 0.0025 | 0.5 | 20,000 | 8 |
    | `"paper1024"` | 32 | 0.002 | 2 | 10,000 | 8 |
    | `"cifar"` | 64 | 0.0025 | 0.01 | 500,000 | 2 |

    `"auto"`, from StyleGAN2-ADA, depends on the image size and the batch: 32 images per update,
    from 256x256 on 4096 / size; learning rate 0.0025, at 1024x1024 0.002; gamma 0.0002 size^2 /
    batch; a half-life of 312.5 batches; 2 mapping layers. With it and `"cifar"` the half-life is at
    most a twentieth of the images so far. `"cifar"` has the discriminator `"orig"`, no path length
    regularization and no style mixing.

    In mixed precision the four highest resolutions compute in half precision, activations are
    clipped to 256, and in float16 kernels and styles are normalized before they are multiplied, as
    published; the rest, and the summed images, stay in float32.

    Departures: the authors' code mixes styles from the same layer on for a whole batch, while here
    each image has its own mix; the generator is updated on the images that the discriminator has
    just seen, and averaging starts early, as in every `kerasgan.GAN`. The generator's output is not
    bounded, and samples are clipped to [-1, 1]. `generate` draws noise for each image, see
    `kerasgan.StyleGAN`.

    Args:
        image_shape: (size, size, channels): size is 4 doubled once or more often (8, 16, 32, ...,
            1024), channels is 1 or 3.
        latent_dim: int, length of z and of w.
        base_width: int, feature maps next to the image, which double after each halving; None for
            the published number.
        max_width: int, the largest number of feature maps.
        preset: one of the names above.
        architecture: of the generator: `"skip"`, `"resnet"` or `"orig"`, without either.
        discriminator_architecture: the same of the discriminator; None for the preset's.
        num_classes: None, or int: the model is then conditional.
        mapping_layers: int of at least 1, or None for the preset's.
        mixing_probability: float from 0 to 1, the share of training images with mixed styles; None
            for the preset's.
        batch_size: int, images per update, on which `"auto"` depends; None for the published one.
        group_size: int, images in a group of the minibatch standard deviation; None for the
            preset's.
        activation_limit: float above 0, to which activations are clipped, 256 in many published
            networks; None for 256 in mixed precision and no limit otherwise.
        seed, dtype, name: as for `kerasgan.ImageGAN`.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> gan = kerasgan.StyleGAN2((16, 16, 1), latent_dim=32, base_width=8, max_width=32)
    >>> gan.compile()
    >>> digits = kerasgan.data.load("digits", image_size=16)
    >>> history = gan.fit(digits, epochs=1, verbose=0)
    >>> gan.generate(4, seed=0, truncation=0.7).shape
    (4, 16, 16, 1)

    Reference: Analyzing and Improving the Image Quality of StyleGAN, Karras, Laine, Aittala,
    Hellsten, Lehtinen & Aila, 2020, arXiv:1912.04958. `"auto"`, classes and half precision:
    Training Generative Adversarial Networks with Limited Data, Karras et al., 2020,
    arXiv:2006.06676.
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
        preset: str = "auto",
        architecture: str = "skip",
        discriminator_architecture: str | None = None,
        num_classes: int | None = None,
        mapping_layers: int | None = None,
        mixing_probability: float | None = None,
        batch_size: int | None = None,
        group_size: int | None = None,
        activation_limit: float | None = None,
        seed: int | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ):
        image_shape = tuple(image_shape)
        doublings_to(image_shape, (START_SIZE,))
        check_settings(PRESETS, preset, batch_size, mapping_layers, group_size)
        chosen = PRESETS.get(preset) or automatic(image_shape[0], batch_size)
        discriminator = (
            chosen.discriminator
            if discriminator_architecture is None
            else discriminator_architecture
        )
        for argument, value in (
            ("architecture", architecture),
            ("discriminator_architecture", discriminator),
        ):
            if value not in ARCHITECTURES:
                accepted = ", ".join(map(repr, ARCHITECTURES))
                raise ValueError(f"{argument}={value!r}; use one of {accepted}.")
        depth = chosen.mapping_layers if mapping_layers is None else mapping_layers
        mixing = chosen.mixing_probability if mixing_probability is None else mixing_probability
        if not isinstance(mixing, Real) or not 0.0 <= mixing <= 1.0:
            raise ValueError(
                f"mixing_probability={mixing_probability!r}; use None or a number from 0 to 1."
            )
        if activation_limit is not None:
            above_zero("activation_limit", activation_limit)
        width = max(1, chosen.widths // image_shape[0]) if base_width is None else base_width
        self.published = chosen
        self.own_settings = {
            "max_width": max_width,
            "preset": preset,
            "architecture": architecture,
            "discriminator_architecture": discriminator_architecture,
            "mapping_layers": mapping_layers,
            "mixing_probability": mixing_probability,
            "batch_size": batch_size,
            "group_size": group_size,
            "activation_limit": activation_limit,
        }
        group = chosen.group_size if group_size is None else group_size
        half = half_precision(dtype)
        super().__init__(
            image_shape,
            latent_dim,
            width,
            num_classes=num_classes,
            networks=(
                functools.partial(
                    _make_generator,
                    max_width,
                    architecture,
                    depth,
                    float(mixing),
                    half,
                    limit=activation_limit,
                ),
                functools.partial(
                    make_discriminator,
                    max_width,
                    discriminator,
                    group,
                    half,
                    limit=activation_limit,
                ),
            ),
            ema_decay=0.5,  # which `ema_decay_after` overrules
            seed=seed,
            dtype=dtype,
            name=name,
        )
        self.asked_base_width = base_width
        self.path_length = self.add_weight(
            (), "zeros", "float32", trainable=False, aggregation="mean", name="path_length"
        )

    def default_optimizers(self) -> dict[str, keras.Optimizer]:
        return {p: self.lazy_adam(p, self.published.learning_rate) for p in self.players}

    @property
    def loss_names(self) -> tuple[str, ...]:
        path_length = ["path_length_penalty"] if self.published.path_length_weight else []
        return (*super().loss_names, *path_length)

    # Published files -----------------------------------------------------------------------------

    @classmethod
    def published_in(cls, file: PublishedFile, network: str | None = None) -> Published | None:
        older, left_out = from_tensorflow(file) or (None, ())
        file = older or file
        found = published_snapshot(
            *(file, network, "StyleGAN2", "synthesis.b4.const"),
            *(settings_of_generator, shapes_of_generator),
        )
        if found is None:
            return None
        published, group = found
        ignored = published.ignored + left_out
        settings = {**published.settings, "preset": "auto"}
        if group is None:
            ignored += (WHOLE_BATCHES,)
        elif group != 4:
            # A preset that has such groups, or its own.
            preset = {8: "paper256", 32: "cifar"}.get(group)
            settings |= {"group_size": group} if preset is None else {"preset": preset}
        limit, *others = dict.fromkeys(
            snapshot_limit(file.tree, name) for name in sorted(published.networks, reverse=True)
        )
        ignored += tuple(f"conv_clamp={other} of another network" for other in others)
        settings |= {} if limit is None else {"activation_limit": limit}
        program = "PyTorch" if older is None else "TensorFlow 1"
        kind = f"{published.kind} ({program})"
        return dataclasses.replace(published, kind=kind, settings=settings, ignored=ignored)

    def load_network(self, name: str, tensors: Mapping[str, np.ndarray]) -> None:
        load_published(getattr(self, name), tensors)

    # Regularization ------------------------------------------------------------------------------

    def lazy_costs(self, player: str) -> list[LazyCost]:
        if player != "generator" or not self.published.path_length_weight:
            return super().lazy_costs(player)
        return [LazyCost("path_length_penalty", PATH_LENGTH_EVERY, self._path_length_penalty)]

    def _path_length_penalty(self, shown):
        """Equation 4 for half as many new images as were shown."""
        half = ops.shape(shown.real)[0] // 2
        half = max(half, 1) if isinstance(half, int) else ops.maximum(half, 1)
        labels = None if shown.labels is None else shown.labels[:half]
        inputs = self.with_labels(self.sample_latents(half), labels)
        styles = self.generator.styles(inputs, training=True)
        noise = keras.random.normal((half, *self.image_shape), seed=self.seed_generator)
        lengths = self.path_lengths(styles, noise, training=True)
        mean = self.path_length + PATH_LENGTH_DECAY * (ops.mean(lengths) - self.path_length)
        self.path_length.assign(ops.stop_gradient(mean))
        return self.published.path_length_weight * ops.mean(ops.square(lengths - mean))

    def path_lengths(self, styles, noise, training=False):
        """`|J^T y|` of images by styles: float32 tensor (batch,).

        Args:
            styles: float32 tensor (batch, style_layers, latent_dim).
            noise: y before it is divided by the root of the number of pixels, (batch, height,
                width, channels) from N(0, 1).
            training: whether the generator draws its noise.
        """
        noise = noise / math.sqrt(math.prod(self.image_shape[:2]))

        def product(styles):
            images = self.generator.synthesis(styles, training=training, bounded=False)
            return ops.sum(images * noise, axis=(1, 2, 3))

        gradient = ops.cast(backend.input_gradient(product, styles), "float32")
        return ops.sqrt(ops.mean(ops.sum(ops.square(gradient), axis=2), axis=1))

    def generator_loss(self, real, fake, labels, latents, training=True):
        loss, logs = super().generator_loss(real, fake, labels, latents, training)
        if training or not self.published.path_length_weight:
            return loss, logs
        styles = self.generator.styles(self.with_labels(latents, labels))
        shape = (ops.shape(styles)[0], *self.image_shape)
        lengths = self.path_lengths(styles, keras.random.normal(shape, seed=self.evaluation_seed))
        excess = ops.mean(ops.square(lengths - self.path_length))
        penalty = self.published.path_length_weight * excess
        return loss + penalty, {**logs, "path_length_penalty": penalty}

    # Using styles --------------------------------------------------------------------------------

    @property
    def noise_shapes(self) -> tuple[tuple[int, ...], ...]:
        return (*super().noise_shapes, *self.generator.synthesis.noise_shapes)


# The generator ----------------------------------------------------------------------------------


def _make_generator(
    max_width,
    architecture,
    mapping_layers,
    mixing_probability,
    half,
    image_shape,
    latent_dim,
    base_width,
    num_classes=None,
    conditioning=None,
    limit=None,
):
    return Generator(
        image_shape,
        latent_dim,
        base_width,
        max_width,
        architecture,
        num_classes,
        mapping_layers,
        mixing_probability,
        half,
        limit,
        name="generator",
    )


class Generator(StyledGenerator):
    """Latents to styles, styles to images; in training with mixed styles."""

    def __init__(
        self,
        image_shape,
        latent_dim,
        base_width,
        max_width,
        architecture,
        num_classes,
        mapping_layers,
        mixing_probability,
        half,
        limit=None,
        **kwargs,
    ):
        sizes = {
            "image_shape": tuple(image_shape),
            "latent_dim": latent_dim,
            "base_width": base_width,
            "max_width": max_width,
            "architecture": architecture,
            "half": half,
            "limit": limit,
        }
        super().__init__(
            functools.partial(mapping_network, latent_dim, mapping_layers, num_classes),
            functools.partial(Synthesis, **sizes, name="synthesis"),
            {
                **sizes,
                "num_classes": num_classes,
                "mapping_layers": mapping_layers,
                "mixing_probability": mixing_probability,
            },
            **kwargs,
        )


class Synthesis(StyledSynthesis):
    """Styles to images (figure 7)."""

    def __init__(
        self,
        image_shape,
        latent_dim,
        base_width,
        max_width,
        architecture,
        half,
        limit=None,
        **kwargs,
    ):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.image_shape, self.architecture = tuple(image_shape), architecture
        size, _, channels = self.image_shape
        widths = widths_by_resolution(self.image_shape, base_width, max_width)
        self.style_layers = 2 * len(widths)
        self.noise_shapes = tuple((n, n, 1) for s in widths for n in (s, s))[1:]
        clamp = limit_of(half, limit)
        self.blocks = [
            SynthesisBlock(
                resolution,
                width,
                channels if architecture == "skip" or resolution == size else None,
                architecture == "resnet",
                clamp,
                dtype=precision_at(resolution, size, half),
                name=f"b{resolution}",
            )
            for resolution, width in widths.items()
        ]
        if architecture == "skip":
            self.enlarge = layers.UpSampling2D(2, dtype="float32", name="enlarge")
            self.blur = Blur(dtype="float32", name="blur")
        self(keras.Input((self.style_layers, latent_dim)))

    @property
    def affines(self):
        return [
            (first_style(number) + own, layer.conv.affine)
            for number, block in enumerate(self.blocks)
            for own, layer in enumerate(block.styled.values())
        ]

    def images_of(self, styles, noise, training):
        x = images = None
        for number, block in enumerate(self.blocks):
            first = first_style(number)
            own = styles[:, first : 2 * number + 2]
            given = noise[first : 2 * number + 1]
            x, made = block(own, x, noise=given, training=training)
            if made is not None:
                images = made if images is None else self.blur(self.enlarge(images)) + made
        return images


def first_style(block):
    """The number of a block's first style, which it shares with what makes an image before it."""
    return max(2 * block - 1, 0)


class SynthesisBlock(layers.Layer):
    """The layers of a resolution: of the first, from a constant."""

    def __init__(self, resolution, width, channels, residual, clamp, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.resolution, self.width, self.residual = resolution, width, residual
        self.first = resolution == START_SIZE
        settings = {"clamp": clamp, "dtype": self.dtype_policy.name}
        gain = math.sqrt(0.5) if residual and not self.first else 1.0
        if not self.first:
            self.conv0 = StyledConv(width, up=True, name="conv0", **settings)
        self.conv1 = StyledConv(width, gain=gain, name="conv1", **settings)
        if residual and not self.first:
            skip = layers.Conv2D(width, 1, use_bias=False, dtype=self.dtype_policy, name="skip")
            self.skip = equalized(skip, gain=math.sqrt(0.5))
            self.enlarge = layers.UpSampling2D(2, dtype=self.dtype_policy, name="enlarge")
            self.blur = Blur(dtype=self.dtype_policy, name="blur")
        self.torgb = None
        if channels is not None:
            self.torgb = StyledConv(channels, image=True, name="torgb", **settings)

    @property
    def styled(self):
        """The layers that have a style, by name, in their order: dict."""
        found = {name: getattr(self, name, None) for name in ("conv0", "conv1", "torgb")}
        return {name: layer for name, layer in found.items() if layer is not None}

    def build(self, *shapes):
        if self.first:
            shape = (1, START_SIZE, START_SIZE, self.width)
            normal = keras.initializers.RandomNormal(0.0, 1.0)
            self.constant = self.add_weight(shape, normal, autocast=False, name="const")

    def call(self, styles, x=None, noise=(), training=False):
        noise = noise or (None, None)
        arguments = {"training": training}
        if self.first:
            constant = ops.cast(self.constant, self.compute_dtype)
            x = ops.tile(constant, (ops.shape(styles)[0], 1, 1, 1))
        else:
            x = ops.cast(x, self.compute_dtype)
            residual = self.blur(self.enlarge(self.skip(x))) if self.residual else 0.0
            x = self.conv0(x, styles[:, 0], noise=noise[0], **arguments)
        last = 0 if self.first else 1
        x = self.conv1(x, styles[:, last], noise=noise[last], **arguments)
        if self.residual and not self.first:
            x = x + residual
        if self.torgb is None:
            return x, None
        return x, ops.cast(self.torgb(x, styles[:, last + 1]), "float32")


class StyledConv(layers.Layer):
    """A modulated convolution, noise, bias, leaky ReLU; or the one that makes an image."""

    def __init__(self, width, up=False, image=False, gain=1.0, clamp=None, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.width = width
        policy = self.dtype_policy
        self.conv = ModulatedConv2D(
            width, 1 if image else 3, up, demodulate=not image, dtype=policy, name="conv"
        )
        self.noise = None if image else NoiseInjection(shared=True, dtype=policy, name="noise")
        self.activate = ScaledLeakyReLU(gain, clamp, linear=image, dtype=policy, name="relu")

    def build(self, *shapes):
        self.bias = self.add_weight((self.width,), "zeros", autocast=False, name="bias")

    def call(self, x, w, noise=None, training=False):
        x = self.conv(x, w)
        if self.noise is not None:
            x = self.noise(x, noise=noise, training=training)
        return self.activate(x + ops.cast(self.bias, x.dtype))


# The published files ----------------------------------------------------------------------------


def load_published(network: keras.Model, tensors: Mapping[str, np.ndarray]) -> None:
    """Gives a generator or a discriminator the weights of a published network.

    Args:
        network: that of a `StyleGAN2`, with the architecture of the published one.
        tensors: float arrays by the names of the published PyTorch program, without the network's
            own: `synthesis.b8.conv0.weight`, `b8.conv0.weight`, `mapping.w_avg`.

    Raises:
        ValueError: when one is missing, is too many, or has another shape.
    """
    assign_published(published_places(network), tensors, resampling_filters(tensors))


def published_places(network: keras.Model) -> dict[str, keras.Variable]:
    """Where each tensor of a published network belongs: dict from its name to a variable."""
    if not isinstance(network, StyledGenerator):
        return places_in_layers(network)
    places = places_in_mapping(network)
    for block in network.synthesis.blocks:
        start = f"synthesis.b{block.resolution}"
        if block.first:
            places[f"{start}.const"] = block.constant
        for name, layer in block.styled.items():
            dense = layer.conv.affine.layer
            own = {"weight": layer.conv.kernel, "bias": layer.bias}
            own |= {"affine.weight": dense.kernel, "affine.bias": dense.bias}
            if layer.noise is not None:
                own["noise_strength"] = layer.noise.strength
                own["noise_const"] = layer.noise.noise
            places |= {f"{start}.{name}.{own_name}": v for own_name, v in own.items()}
        if hasattr(block, "skip"):
            places[f"{start}.skip.weight"] = block.skip.layer.kernel
    return places


def settings_of_generator(tensors: Mapping[str, np.ndarray]) -> dict:
    """The arguments of `StyleGAN2` for the arrays of a published generator.

    Raises:
        ValueError: for sizes that `StyleGAN2` does not have.
    """
    found = (re.fullmatch(r"synthesis\.b(\d{1,4})\.conv1\.bias", name) for name in tensors)
    sizes = sorted(int(match[1]) for match in found if match)
    if sizes != [START_SIZE * 2**n for n in range(len(sizes))] or len(sizes) < 2:
        raise ValueError(f"its generator has the resolutions {sizes}, which do not double from 4.")
    widths = {size: len(tensors[f"synthesis.b{size}.conv1.bias"]) for size in sizes}
    size, base_width, max_width = sizes[-1], widths[sizes[-1]], max(widths.values())
    channels = len(tensors[f"synthesis.b{size}.torgb.bias"])
    image_shape = (size, size, channels)
    if widths != widths_by_resolution(image_shape, base_width, max_width):
        raise ValueError(f"its feature maps by resolution are {widths}, not halved as StyleGAN2's.")
    return {
        "image_shape": image_shape,
        "base_width": base_width,
        "max_width": max_width,
        "architecture": architecture_of(tensors, "synthesis.", "torgb"),
        **settings_of_mapping(tensors),
    }


def shapes_of_generator(
    tensors: Mapping[str, np.ndarray], settings: Mapping
) -> dict[str, tuple[int, ...]]:
    """The shapes of the arrays of a published generator with these settings of `StyleGAN2`."""
    size, _, channels = settings["image_shape"]
    w = settings["latent_dim"]
    shapes = shapes_of_mapping(settings, w, w, settings["mapping_layers"])
    shapes["mapping.w_avg"] = (w,)
    before = None
    for resolution, width in widths_of(settings).items():
        start = f"synthesis.b{resolution}"
        layers_here = {"conv1": (width, width, 3)}
        if before is None:
            shapes[f"{start}.const"] = (width, START_SIZE, START_SIZE)
        else:
            layers_here["conv0"] = (width, before, 3)
        if settings["architecture"] == "skip" or resolution == size:
            layers_here["torgb"] = (channels, width, 1)
        for name, (outputs, inputs, side) in layers_here.items():
            shapes[f"{start}.{name}.weight"] = (outputs, inputs, side, side)
            shapes[f"{start}.{name}.bias"] = (outputs,)
            shapes[f"{start}.{name}.affine.weight"] = (inputs, w)
            shapes[f"{start}.{name}.affine.bias"] = (inputs,)
            if name != "torgb":
                shapes[f"{start}.{name}.noise_strength"] = ()
                shapes[f"{start}.{name}.noise_const"] = (resolution, resolution)
        if settings["architecture"] == "resnet" and before is not None:
            shapes[f"{start}.skip.weight"] = (width, before, 1, 1)
        before = width
    return shapes | dict.fromkeys(resampling_filters(tensors), (4, 4))

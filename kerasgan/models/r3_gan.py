"""R3GAN, Huang et al. 2024: a plain loss that converges, and networks without normalization."""

import math
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple, Self

import keras
import numpy as np
from keras import layers, ops

from kerasgan.core.image_gan import ImageGAN
from kerasgan.layers.blur import Blur
from kerasgan.layers.grouped import GroupedConv2D
from kerasgan.layers.shapes import doublings_to
from kerasgan.losses.penalties import GradientPenalty
from kerasgan.training.official import (
    NVIDIA_LICENCE,
    Published,
    PublishedFile,
    gan_places,
    going_on,
)
from kerasgan.training.optimizers import adam
from kerasgan.weight_files.snapshots import snapshot_tensors
from kerasgan.weight_files.trees import check_tensors


@keras.saving.register_keras_serializable(package="kerasgan")
class R3GAN(ImageGAN):
    """The modern baseline: relativistic loss in pairs, R1 and R2, ResNets without normalization.

    Section 3: the discriminator minimizes `E[f(D(x) - D(G(z)))]` with `f(t) = log(1 + exp(-t))`,
    the generator the same with real and generated exchanged. The discriminator's loss also has the
    penalties `gamma / 2 E[|grad D|^2]` at real images (R1) and at generated ones (R2); without
    either penalty training may not converge. Section 4, configuration E: the two networks mirror
    each other, with one stage of two residual blocks per resolution. A block is a 1x1 convolution
    to twice the width, a 3x3 convolution in groups of 16 maps, and a 1x1 convolution back, with
    LeakyReLU between and no normalization. Their initialization depends on the number of blocks, so
    that the variance is preserved (Fix-up). Samples come from the average of the generator's
    weights.

    Details that the paper does not state follow the authors' code: resampling uses the filter [1,
    3, 3, 1] with zero padding; there are biases before each LeakyReLU and nowhere else; an
    embedding of the class is concatenated to the noise, and the logit is the inner product of the
    last features with another embedding. The generator's output is not bounded, and samples are
    clipped to [-1, 1].

    `R3GAN.from_preset("cifar10", weights=None)` has the paper's widths and schedules, as do the
    presets `"ffhq64"`, `"ffhq256"`, `"imagenet32"` and `"imagenet64"`.

    Departures: without `burn_in`, gamma (1), the learning rate and beta_2 (Adam(2e-4, beta_1=0,
    beta_2=0.99, epsilon=1e-8)) are constant. The paper augments the images that the discriminator
    sees.

    Args:
        image_shape, latent_dim: as for `kerasgan.ImageGAN`.
        base_width: int, feature maps next to the image, which double after each halving. If it is
            not a multiple of 8, the maps next to the image form one group.
        max_width: int, the largest number of feature maps; None for eight times `base_width`.
        burn_in: None, or a `kerasgan.models.r3_gan.BurnIn`: the paper's schedules of gamma, the
            learning rate, beta_2 and the average.
        ema_decay: None, or the decay of the averaged copy of the generator; `burn_in` overrides it.
        num_classes, seed, dtype, name: as for `kerasgan.ImageGAN`.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> gan = kerasgan.R3GAN((16, 16, 1), base_width=8)
    >>> gan.compile(penalties=["r1", "r2"])  # gamma 10
    >>> history = gan.fit(kerasgan.data.load("digits", image_size=16), epochs=1, verbose=0)

    Reference: The GAN is dead; long live the GAN! A Modern Baseline GAN, Huang, Gokaslan,
    Kuleshov & Tompkin, 2024, arXiv:2501.05441.
    """

    default_batch_size = 256  # of the paper's networks for 256x256

    default_loss = "relativistic"
    networks_version = 2

    def __init__(
        self,
        image_shape: tuple[int, ...],
        latent_dim: int = 64,
        base_width: int = 96,
        max_width: int | None = None,
        *,
        num_classes: int | None = None,
        burn_in: "BurnIn | None" = None,
        ema_decay: float | None = 0.999,
        seed: int | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ):
        if burn_in is not None and not isinstance(burn_in, BurnIn):
            raise ValueError(f"burn_in={burn_in!r}; use None or a kerasgan.models.r3_gan.BurnIn.")
        widest = 8 * base_width if max_width is None else max_width
        if widest < base_width:
            raise ValueError(
                f"max_width={max_width!r} is below base_width={base_width!r}; use at least "
                "base_width, or None."
            )
        super().__init__(
            image_shape,
            latent_dim,
            base_width,
            num_classes=num_classes,
            networks=tuple(partial(f, max_width=widest) for f in (generator, discriminator)),
            ema_decay=ema_decay,
            seed=seed,
            dtype=dtype,
            name=name,
        )
        self.max_width = max_width
        self.burn_in = burn_in

    def default_penalties(self) -> GradientPenalty | list:
        gamma = 1.0 if self.burn_in is None else self.burn_in.gamma
        return [GradientPenalty.r1(gamma), GradientPenalty.r2(gamma)]

    def default_optimizers(self) -> dict[str, keras.Optimizer]:
        if self.burn_in is not None:
            return {player: self.burn_in.optimizer() for player in self.players}
        return {player: adam(2e-4, 0.0, 0.99) for player in self.players}

    def gradient_penalty(self, real, fake, labels, training):
        penalty = super().gradient_penalty(real, fake, labels, training)
        if self.burn_in is None:
            return penalty
        return self.burn_in.penalty_share(self.optimizer["discriminator"].iterations) * penalty

    def ema_decay_after(self, updates, batch_size):
        if self.burn_in is None:
            return super().ema_decay_after(updates, batch_size)
        return self.burn_in.ema_decay(updates - 1)  # that of the state before the update

    @classmethod
    def published_in(cls, file: PublishedFile, network: str | None = None) -> Published | None:
        networks = snapshot_tensors(file.tree)
        sign = "Model.MainLayers.0.Layers.0.Basis"
        if not any(sign in networks.get(name, {}) for name in ("G", "G_ema")):
            return None
        places = gan_places(networks, network)
        settings = settings_of_generator(networks[places["generator"]])
        for ours, theirs in places.items():
            shapes = {p.theirs: p.shape for p in published_places(ours, settings)}
            shapes |= dict.fromkeys(_filters(networks[theirs]), (4, 4))
            check_tensors(networks[theirs], shapes, theirs)
            check_filters(networks[theirs], theirs)
        ignored = [f"network {name}" for name in networks if name not in places.values()]
        ignored += [name for name in ("training_set_kwargs",) if name in file.tree]
        return Published(
            "snapshot of R3GAN (PyTorch)",
            settings,
            {name: networks[name] for name in networks if name in places.values()},
            places,
            ("half precision: computed in float32", *ignored),
            going_on(file.tree),
            f"no licence of its own, and is built on programs under {NVIDIA_LICENCE}",
        )

    def load_network(self, name: str, tensors: Mapping[str, np.ndarray]) -> None:
        network = getattr(self, name)
        names = ("image_shape", "latent_dim", "base_width", "max_width", "num_classes")
        for place in published_places(name, {n: getattr(self, n) for n in names}):
            layer = network.get_layer(place.layer)
            layer = layer.weigh if place.variable == "weigh" else layer
            array = tensors[place.theirs]
            array = array.transpose(ORDERS.get(place.variable, ORDER_OF_AXES[array.ndim]))
            variable = "kernel" if place.variable in ("weigh", "depthwise") else place.variable
            getattr(layer, variable).assign(array)

    def get_config(self) -> dict:
        config = super().get_config()
        config.pop("conditioning", None)
        burn_in = self.burn_in and keras.saving.serialize_keras_object(self.burn_in)
        return {**config, "max_width": self.max_width, "burn_in": burn_in}

    @classmethod
    def from_config(cls, config: dict) -> Self:
        if "max_width" not in config:
            raise ValueError(cls.other_networks(1))
        burn_in = keras.saving.deserialize_keras_object(config["burn_in"])
        return super().from_config({**config, "burn_in": burn_in})


# By name: size, base_width, max_width, num_classes, and of `BurnIn` images, batch_size, gamma and
# ema_images.
BLOCKS = 2  # a stage


def generator(
    image_shape: tuple[int, ...],
    latent_dim: int,
    base_width: int,
    max_width: int,
    num_classes: int | None = None,
    conditioning: str | None = None,
) -> keras.Model:
    """The generator: a learned basis weighed by z, then stages at twice the resolution each."""
    start_size, _ = doublings_to(image_shape)
    widths = stage_widths(image_shape, base_width, max_width)[::-1]
    inputs = z = keras.Input((latent_dim,), name="z")
    if num_classes is not None:
        label = keras.Input((), dtype="int32", name="label")
        embedding = embedded(label, num_classes, latent_dim, 1.0)
        inputs, z = [z, label], layers.Concatenate(name="z_and_label")([z, embedding])
    x = Basis(start_size, widths[0], name="basis")(z)
    for stage, width in enumerate(widths):
        if stage > 0:
            x = transition(x, width, f"stage{stage}_transition")
            x = layers.UpSampling2D(2, name=f"stage{stage}_up")(x)
            x = Blur(name=f"stage{stage}_blur")(x)
        x = residual_blocks(x, len(widths), f"stage{stage}")
    x = layers.Conv2D(image_shape[2], 1, dtype="float32", name="to_image", **linear())(x)
    return keras.Model(inputs, Bounded(dtype="float32", name="images")(x), name="generator")


def discriminator(
    image_shape: tuple[int, ...],
    base_width: int,
    max_width: int,
    num_classes: int | None = None,
    conditioning: str | None = None,
) -> keras.Model:
    """The discriminator: the generator in reverse, with a depthwise convolution for the basis."""
    widths = stage_widths(image_shape, base_width, max_width)
    inputs = images = keras.Input(image_shape, name="images")
    x = layers.Conv2D(widths[0], 1, name="from_image", **linear())(images)
    for stage, width in enumerate(widths):
        if stage > 0:
            x = Blur(name=f"stage{stage}_blur")(x)
            x = layers.AveragePooling2D(2, name=f"stage{stage}_down")(x)
            x = transition(x, width, f"stage{stage}_transition")
        x = residual_blocks(x, len(widths), f"stage{stage}")
    size = x.shape[1]
    x = layers.DepthwiseConv2D(
        size,
        use_bias=False,
        depthwise_initializer=keras.initializers.RandomNormal(0.0, 1.0 / size),
        name="basis",
    )(x)
    x = layers.Flatten(name="flatten")(x)
    if num_classes is None:
        output = layers.Dense(1, dtype="float32", name="logits", **linear())(x)
    else:
        label = keras.Input((), dtype="int32", name="label")
        inputs = [images, label]
        width = x.shape[-1]
        x = layers.Dense(width, dtype="float32", name="features", **linear())(x)
        embedding = embedded(label, num_classes, width, 1.0 / math.sqrt(width), dtype="float32")
        output = layers.Dot(axes=-1, dtype="float32", name="projection")([x, embedding])
    return keras.Model(inputs, output, name="discriminator")


def stage_widths(image_shape, base_width, max_width):
    """Feature maps of each stage, from the image down."""
    _, doublings = doublings_to(image_shape)
    return [min(base_width * 2**stage, max_width) for stage in range(doublings + 1)]


def linear():
    """Arguments of a layer that keeps the variance, and has no bias."""
    return {"use_bias": False, "kernel_initializer": scaled(1.0)}


def embedded(label, num_classes, width, gain, dtype=None):
    """The label as a linear function of its one-hot vector."""
    normal = keras.initializers.RandomNormal(0.0, gain / math.sqrt(num_classes))
    return layers.Embedding(num_classes, width, normal, dtype=dtype, name="embedding")(label)


def transition(x, width, name):
    """A 1x1 convolution, where the width changes."""
    if x.shape[-1] == width:
        return x
    return layers.Conv2D(width, 1, name=name, **linear())(x)


def residual_blocks(x, stages, name):
    """Two inverted bottlenecks, of which the last layer starts at 0."""
    width = x.shape[-1]
    # Groups of 16 maps, and where that would be more than 96 groups, larger ones.
    groups = min(width // 8, 96) if width % 8 == 0 else 1
    # Fix-up: with L blocks of m = 3 layers the others are scaled by L^(-1 / (2m - 2)).
    gain = math.sqrt(2.0 / (1.0 + 0.2**2)) * (BLOCKS * stages) ** -0.25
    for block in range(BLOCKS):
        y = layers.Conv2D(
            2 * width, 1, kernel_initializer=scaled(gain), name=f"{name}_block{block}_conv1"
        )(x)
        y = layers.LeakyReLU(0.2, name=f"{name}_block{block}_relu1")(y)
        y = GroupedConv2D(
            2 * width,
            3,
            padding="same",
            groups=groups,
            kernel_initializer=scaled(gain),
            name=f"{name}_block{block}_conv2",
        )(y)
        y = layers.LeakyReLU(0.2, name=f"{name}_block{block}_relu2")(y)
        y = layers.Conv2D(
            width,
            1,
            use_bias=False,
            kernel_initializer="zeros",
            name=f"{name}_block{block}_conv3",
        )(y)
        x = layers.Add(name=f"{name}_block{block}")([x, y])
    return x


def scaled(gain):
    """Normal weights that keep the variance, times the square of the gain."""
    return keras.initializers.VarianceScaling(gain**2, "fan_in", "untruncated_normal")


@keras.saving.register_keras_serializable(package="kerasgan")
class Basis(layers.Layer):
    """Learned maps (size, size, width), each weighed by a linear function of the input.

    Args:
        size, width: int.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Input: (batch, n). Output: (batch, size, size, width).
    """

    def __init__(self, size, width, **kwargs):
        super().__init__(**kwargs)
        self.size, self.width = size, width
        self.weigh = layers.Dense(width, dtype=self.dtype_policy, name="weigh", **linear())

    def build(self, input_shape):
        self.weigh.build(input_shape)
        normal = keras.initializers.RandomNormal(0.0, 1.0)
        self.maps = self.add_weight((self.size, self.size, self.width), normal, name="maps")

    def call(self, z):
        return self.maps * self.weigh(z)[:, None, None, :]

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.size, self.size, self.width)

    def get_config(self):
        return {**super().get_config(), "size": self.size, "width": self.width}


@keras.saving.register_keras_serializable(package="kerasgan")
class Bounded(layers.Layer):
    """Images as they are in training, cut to [-1, 1] afterwards. Input and output: any shape."""

    def call(self, images, training=False):
        return images if training else ops.clip(images, -1.0, 1.0)

    def compute_output_shape(self, input_shape):
        return input_shape


# The schedules ----------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="kerasgan")
class BurnIn:
    """What the authors' code changes in the course of training, along half a cosine each.

    | | at the start | at the end |
    |---|---|---|
    | learning rate | 2e-4 | 5e-5 |
    | beta_2 of Adam | 0.9 | 0.99 |
    | gamma of R1 and R2 | `gamma` | a tenth of it |
    | half-life of the generator's average, in images | 0 | `ema_images` |

    Args:
        images: int, how many real images the discriminator has seen at the end of the schedules;
            after that everything is constant.
        batch_size: int, images per update.
        gamma: float.
        ema_images: int.

    Raises:
        ValueError: for a number that is not above 0.

    Example:

    >>> schedule = kerasgan.models.r3_gan.BurnIn(10_000_000, 256, gamma=2.0, ema_images=500_000)
    >>> schedule.steps
    39063
    """

    def __init__(self, images: int, batch_size: int, gamma: float, ema_images: int):
        self.images, self.batch_size = images, batch_size
        self.gamma, self.ema_images = gamma, ema_images
        for name, number in self.get_config().items():
            if not number > 0:
                raise ValueError(f"{name}={number!r}; use a number above 0.")
        self.steps = math.ceil(images / batch_size)

    def get_config(self) -> dict:
        names = ("images", "batch_size", "gamma", "ema_images")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: dict) -> Self:
        return cls(**config)

    def penalty_share(self, updates):
        """The share of the initial gamma that is left after some updates: from 1 to 0.1."""
        return self._between(1.0, 0.1, updates)

    def ema_decay(self, updates):
        """The decay of the generator's average: from 0 to half in `ema_images`."""
        half_life = self._between(0.0, self.ema_images, updates)
        return ops.power(0.5, self.batch_size / ops.maximum(half_life, 1e-8))

    def optimizer(self) -> keras.Optimizer:
        """Adam with a falling learning rate and a rising beta_2."""
        rate = keras.optimizers.schedules.CosineDecay(2e-4, self.steps, alpha=0.25)
        return BurnInAdam(rate, 0.0, 0.9, epsilon=1e-8, final_beta_2=0.99, steps=self.steps)

    def _between(self, start, end, updates):
        return along_cosine(start, end, updates, self.steps)


@keras.saving.register_keras_serializable(package="kerasgan")
class BurnInAdam(keras.optimizers.Adam):
    """Adam whose beta_2 goes along half a cosine to another value.

    Args:
        *args, **kwargs: as for `keras.optimizers.Adam`.
        final_beta_2: float.
        steps: int, updates until beta_2 has that value.
    """

    def __init__(self, *args, final_beta_2, steps, **kwargs):
        super().__init__(*args, **kwargs)
        self.final_beta_2, self.steps = final_beta_2, steps

    @property
    def beta_2(self):
        return along_cosine(self.first_beta_2, self.final_beta_2, self.iterations, self.steps)

    @beta_2.setter
    def beta_2(self, value):
        self.first_beta_2 = value

    def get_config(self):
        own = {"final_beta_2": self.final_beta_2, "steps": self.steps}
        return {**super().get_config(), "beta_2": self.first_beta_2, **own}


def along_cosine(start, end, updates, steps):
    """From `start` to `end` in so many steps: float32 scalar."""
    way = ops.minimum(ops.cast(updates, "float32") / steps, 1.0)
    return end + (start - end) * 0.5 * (1.0 + ops.cos(math.pi * way))


# The published files ----------------------------------------------------------------------------

# Of the axes of a published tensor in ours: by their number, and where it is another one.
ORDER_OF_AXES = {1: (0,), 2: (1, 0), 3: (0, 1, 2), 4: (2, 3, 1, 0)}
ORDERS = {"maps": (1, 2, 0), "depthwise": (2, 3, 0, 1)}
MOST_STAGES = 9


class Place(NamedTuple):
    """Where a tensor of a published network belongs.

    Attributes:
        theirs: str, its name.
        shape: its shape.
        layer: str, the name of our layer.
        variable: str, the name of its variable; or `"weigh"` or `"depthwise"` for a kernel.
    """

    theirs: str
    shape: tuple[int, ...]
    layer: str
    variable: str


def settings_of_generator(tensors: Mapping[str, np.ndarray]) -> dict:
    """The arguments of `R3GAN` for the arrays of a published generator.

    Raises:
        ValueError: for sizes that `R3GAN` does not have.
    """
    start = "Model.MainLayers"
    lasts = [f"{start}.{stage}.Layers.1.LinearLayer3.Layer.weight" for stage in range(MOST_STAGES)]
    widths = [len(tensors[name]) for name in lasts if name in tensors]
    inputs = tensors[f"{start}.0.Layers.0.LinearLayer.weight"].shape[1]
    embedding = tensors.get("Model.EmbeddingLayer.weight")
    size = 4 * 2 ** (len(widths) - 1)
    settings = {
        "image_shape": (size, size, len(tensors["Model.AggregationLayer.Layer.weight"])),
        "latent_dim": inputs if embedding is None else inputs - len(embedding),
        "base_width": widths[-1],
        "max_width": max(widths),
        "num_classes": None if embedding is None else embedding.shape[1],
    }
    sizes = (settings["image_shape"], widths[-1], max(widths))
    if len(widths) < 2 or stage_widths(*sizes) != widths[::-1]:
        raise ValueError(f"its feature maps by stage are {widths}, not halved as R3GAN's.")
    return settings


def published_places(network: str, settings: Mapping) -> list[Place]:
    """Where the tensors of a published network belong.

    Args:
        network: `"generator"`, `"ema_generator"` or `"discriminator"`.
        settings: arguments of `R3GAN`.
    """
    image_shape, classes = settings["image_shape"], settings["num_classes"]
    widths = stage_widths(image_shape, settings["base_width"], settings["max_width"])
    width, last = widths[-1], len(widths) - 1
    if network == "discriminator":
        shape: tuple[int, ...] = (widths[0], image_shape[2], 1, 1)
        image = "Model.ExtractionLayer.Layer.weight"
        places = [Place(image, shape, "from_image", "kernel")]
        start, outputs = f"Model.MainLayers.{last}.Layers.2", 1 if classes is None else width
        places.append(Place(f"{start}.Basis.weight", (width, 1, 4, 4), "basis", "depthwise"))
        layer = "logits" if classes is None else "features"
        places.append(Place(f"{start}.LinearLayer.weight", (outputs, width), layer, "kernel"))
        embedded_width, first_block, transition_at = width, 0, 2
    else:
        widths = widths[::-1]
        shape = (image_shape[2], widths[-1], 1, 1)
        image = "Model.AggregationLayer.Layer.weight"
        places = [Place(image, shape, "to_image", "kernel")]
        latent = settings["latent_dim"]
        inputs = latent if classes is None else 2 * latent
        start = "Model.MainLayers.0.Layers.0"
        places.append(Place(f"{start}.Basis", (width, 4, 4), "basis", "maps"))
        places.append(Place(f"{start}.LinearLayer.weight", (width, inputs), "basis", "weigh"))
        embedded_width, first_block, transition_at = latent, 1, 0
    if classes is not None:
        shape = (embedded_width, classes)
        places.append(Place("Model.EmbeddingLayer.weight", shape, "embedding", "embeddings"))
    for stage, width in enumerate(widths):
        for block in range(BLOCKS):
            theirs = f"Model.MainLayers.{stage}.Layers.{first_block + block}"
            ours = f"stage{stage}_block{block}_conv"
            groups = min(width // 8, 96) if width % 8 == 0 else 1
            for number, shape in (
                (1, (2 * width, width, 1, 1)),
                (2, (2 * width, 2 * width // groups, 3, 3)),
                (3, (width, 2 * width, 1, 1)),
            ):
                name = f"{theirs}.LinearLayer{number}.Layer.weight"
                places.append(Place(name, shape, f"{ours}{number}", "kernel"))
                if number < 3:
                    name = f"{theirs}.NonLinearity{number}.Bias"
                    places.append(Place(name, (2 * width,), f"{ours}{number}", "bias"))
        if stage > 0 and widths[stage - 1] != width:
            # A stage of the published discriminator ends with it, where ours begin.
            at = stage - 1 if network == "discriminator" else stage
            name = f"Model.MainLayers.{at}.Layers.{transition_at}.LinearLayer.Layer.weight"
            shape = (width, widths[stage - 1], 1, 1)
            places.append(Place(name, shape, f"stage{stage}_transition", "kernel"))
    return places


def check_filters(tensors: Mapping[str, np.ndarray], network: str) -> None:
    """Makes sure that a published network resamples by [1, 3, 3, 1].

    Raises:
        ValueError: for another filter.
    """
    filters = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64.0
    for name in _filters(tensors):
        found = tensors[name]
        if not np.allclose(found / found.sum(), filters, atol=1e-6):
            raise ValueError(f"{network} has {name}, which is not the filter [1, 3, 3, 1].")


def _filters(tensors):
    return [name for name in tensors if name.endswith(".Resampler.Kernel")]

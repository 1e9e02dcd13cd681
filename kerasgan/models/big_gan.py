"""BigGAN, Brock et al. 2019: larger batches, wider networks, and what keeps them stable."""

import functools
import itertools
import re
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from kerasgan.core.large_scale_gan import LargeScaleGAN, Place, generator_widths, kernels
from kerasgan.layers.attention import SelfAttention2D
from kerasgan.layers.conditioning import ConditionalBatchNormalization
from kerasgan.layers.residual import down_block, pooled_logits, up_block
from kerasgan.layers.shapes import doublings_to
from kerasgan.layers.spectral_normalization import normalized
from kerasgan.training.official import Published, PublishedFile, gan_places
from kerasgan.weight_files.trees import check_tensors


@keras.saving.register_keras_serializable(package="kerasgan")
class BigGAN(LargeScaleGAN):
    """Class-conditional GAN with skip-z, a shared embedding, and truncation at sampling.

    A large SAGAN (section 3 and appendix B). The noise is split into one part more than the
    generator has blocks: the first part makes the first features; each other part, together with an
    embedding of the class that all blocks share, scales and shifts the batch norms of its block.
    The discriminator projects the class. Both networks are spectrally normalized, with attention at
    64x64 for larger images. The generator has orthogonal regularization; initialization is
    orthogonal. Training uses the hinge loss, two updates of the discriminator per update of the
    generator, and Adam with beta_1=0, beta_2=0.999 at 2e-4 and 5e-5. Samples come from an average
    of the generator's weights. `generate(truncation=0.5)` trades variety for quality.

    `base_width` is ch of the paper's tables, 96 there, with a batch of 2,048. Widths follow tables
    4 to 6 from 128 to 512 pixels, and the authors' released code below that: for 32 pixels and
    less, four times `base_width` throughout.

    Departures: weights inside attention and batch norm are initialized as in Keras (Glorot) and not
    regularized; averaging starts at once, with a lower decay at first, instead of after 20,000
    updates; for sampling, batch norm uses moving averages, not statistics collected for each
    truncation.

    `fit` splits its batch into two: use 512 for the smallest updates in the paper, of 256 images,
    and 4,096 for its best. Such settings show nothing within minutes; to learn small digits use
    `base_width=8` (32 feature maps), updates of 32 images and learning rates of 1e-3
    (docs/digits_family.md).

    Args:
        image_shape: (size, size, channels), as for `kerasgan.ImageGAN`.
        num_classes: int.
        latent_dim: int, or None for 20 per part, as in the paper: 120 at 128x128.
        base_width: int, ch in the tables.
        embedding_dim: int, length of the shared embedding of the class.
        orthogonal_weight: float, the weight of the generator's orthogonal regularization; 0 for
            none.
        norm_epsilon: float, which the batch norms add to variances; 1e-5 in the authors' PyTorch
            code, whose files `from_official` reads.
        ema_decay: None, or the decay of the averaged copy of the generator.
        seed, dtype, name: as for `kerasgan.ImageGAN`.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> gan = kerasgan.BigGAN((16, 16, 1), num_classes=10, base_width=4)
    >>> gan.compile()
    >>> digits = kerasgan.data.load("digits", image_size=16, batch_size=128, labels=True)
    >>> history = gan.fit(digits, epochs=1, verbose=0)
    >>> gan.generate(4, seed=0, labels=3, truncation=0.5).shape
    (4, 16, 16, 1)

    Reference: Large Scale GAN Training for High Fidelity Natural Image Synthesis, Brock, Donahue &
    Simonyan, 2019, arXiv:1809.11096.
    """

    def __init__(
        self,
        image_shape: tuple[int, ...],
        num_classes: int,
        latent_dim: int | None = None,
        base_width: int = 96,
        *,
        embedding_dim: int = 128,
        orthogonal_weight: float = 1e-4,
        norm_epsilon: float = 1e-4,
        ema_decay: float | None = 0.9999,
        seed: int | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ):
        _, doublings = doublings_to(image_shape)
        latent_dim = latent_dim or 20 * (doublings + 1)
        if latent_dim <= doublings:
            raise ValueError(
                f"latent_dim={latent_dim}; the noise is split into {doublings + 1} parts, so use "
                f"{doublings + 1} or more."
            )
        super().__init__(
            image_shape,
            num_classes,
            latent_dim,
            base_width,
            (generator, discriminator),
            embedding_dim=embedding_dim,
            orthogonal_weight=orthogonal_weight,
            norm_epsilon=norm_epsilon,
            ema_decay=ema_decay,
            seed=seed,
            dtype=dtype,
            name=name,
        )

    # Published files ---------------------------------------------------------------------------

    @classmethod
    def published_in(cls, file: PublishedFile, network: str | None = None) -> Published | None:
        states = published_states(file)
        if not states:
            return None
        places = gan_places(states, network)
        settings = settings_of_generator(states[places["generator"]])
        networks = {name: states[name] for name in dict.fromkeys(places.values())}
        for name, tensors in networks.items():
            made = published_places("D" if name == "D" else "G", settings)
            check_tensors(tensors, shapes_of(made), name)
        ignored = tuple(f"network {name}" for name in states if name not in networks)
        kind = "state dicts of BigGAN (BigGAN-PyTorch)"
        return Published(kind, settings, networks, places, ignored, licence="the MIT licence")

    def load_network(self, name: str, tensors: Mapping[str, np.ndarray]) -> None:
        network = getattr(self, name)
        kind = "D" if name == "discriminator" else "G"
        for place in published_places(kind, self.get_config()):
            load(place, network, tensors)


def generator(
    image_shape: tuple[int, ...],
    latent_dim: int,
    base_width: int,
    num_classes: int,
    conditioning: str | None = None,
    embedding_dim: int = 128,
    orthogonal_weight: float = 1e-4,
    norm_epsilon: float = 1e-4,
) -> keras.Model:
    """The generator of figure 15: [z, label] to images."""
    start_size, doublings = doublings_to(image_shape)
    widths = [base_width * factor for factor in generator_widths(doublings)]
    of_kernels = kernels(orthogonal_weight)
    z = keras.Input((latent_dim,), name="z")
    label = keras.Input((), dtype="int32", name="label")
    ends = [latent_dim * part // (doublings + 1) for part in range(1, doublings + 1)]
    first, *others = ops.split(z, ends, axis=-1)
    embedding = layers.Embedding(num_classes, embedding_dim, "orthogonal", name="shared_embedding")(
        label
    )

    def convolution(filters, size, name):
        return normalized(layers.Conv2D(filters, size, padding="same", name=name, **of_kernels))

    def norm_given(condition, x, name):
        norm = ConditionalBatchNormalization(
            momentum=0.9, epsilon=norm_epsilon, spectral_normalization=True, name=name
        )
        return norm([x, condition])

    dense = layers.Dense(start_size * start_size * widths[0], name="project", **of_kernels)
    x = layers.Reshape((start_size, start_size, widths[0]), name="reshape")(
        normalized(dense)(first)
    )
    for block, (part, width) in enumerate(zip(others, widths[1:], strict=True)):
        condition = layers.Concatenate(name=f"block{block}_condition")([embedding, part])
        norm = functools.partial(norm_given, condition)
        x = up_block(x, width, norm, convolution, f"block{block}")
        if x.shape[1] == 64 < image_shape[0]:
            x = SelfAttention2D(name="attention")(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=norm_epsilon, name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = convolution(image_shape[2], 3, "to_image")(x)
    images = layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model([z, label], images, name="generator")


def discriminator(
    image_shape: tuple[int, ...], base_width: int, num_classes: int, conditioning: str | None = None
) -> keras.Model:
    """The discriminator of figure 15: [images, label] to logits."""
    _, doublings = doublings_to(image_shape)

    def convolution(filters, size, name):
        conv = layers.Conv2D(
            filters, size, padding="same", kernel_initializer="orthogonal", name=name
        )
        return normalized(conv)

    images = keras.Input(image_shape, name="images")
    label = keras.Input((), dtype="int32", name="label")
    widths, halvings = discriminator_widths(doublings)
    x = images
    for block, factor in enumerate(widths):
        x = down_block(
            x,
            base_width * factor,
            convolution,
            f"block{block}",
            halves=block < halvings,
            first=block == 0,
        )
        if x.shape[1] == 64 < image_shape[0]:
            x = SelfAttention2D(name="attention")(x)
    orthogonal = keras.initializers.Orthogonal
    output = pooled_logits(x, label, num_classes, "projection", normalized, orthogonal)
    return keras.Model([images, label], output, name="discriminator")


def discriminator_widths(doublings):
    """Multiples of ch of each block, and how many blocks halve the resolution."""
    if doublings < 4:
        halvings = max(1, doublings - 1)
        return (4,) * (halvings + 2), halvings
    tables = {4: (1, 2, 4, 8, 16), 5: (1, 2, 4, 8, 16, 16), 6: (1, 2, 4, 8, 8, 16, 16)}
    widths = tables.get(doublings) or (1, *discriminator_widths(doublings - 1)[0])
    return widths, doublings


# The published files ----------------------------------------------------------------------------

NETWORKS = r"(G_ema|G|D)(?:_.*)?"
COUNTERS = (".num_batches_tracked", ".accumulation_counter")
MOST_BLOCKS = 9
START_SIZE = 4


def published_states(file: PublishedFile) -> dict[str, dict[str, np.ndarray]]:
    """The networks of a file, or of the files of a folder: `G`, `G_ema` and `D`, if they are there.

    Returns:
        dict from these names to arrays by name, without counters; empty for another file.
    """
    if not isinstance(file.tree, dict):
        return {}
    trees = file.tree if file.path.is_dir() else {file.path.stem: file.tree}
    found = {}
    for stem, tree in trees.items():
        if not isinstance(tree, dict) or not {"linear.u0", "blocks.0.0.conv1.u0"} <= set(tree):
            continue
        if not all(isinstance(array, np.ndarray) for array in tree.values()):
            continue
        named = re.fullmatch(NETWORKS, stem)
        name = named[1] if named else "D" if "embed.u0" in tree else "G_ema"
        found[name] = {
            re.sub(r"\.bn\.(running|stored)_", ".stored_", key): array
            for key, array in tree.items()
            if not key.endswith(COUNTERS) and not key.endswith(".sv0")
        }
    return found


def settings_of_generator(tensors: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The arguments of `BigGAN` for the arrays of a published generator.

    Raises:
        ValueError: for a generator that `BigGAN` does not have.
    """
    if "shared.weight" not in tensors:
        raise ValueError("its classes have no shared embedding, which a BigGAN has.")
    blocks = 0
    while blocks < MOST_BLOCKS and f"blocks.{blocks}.0.conv1.weight" in tensors:
        blocks += 1
    classes, embedding_dim = tensors["shared.weight"].shape
    part = tensors["linear.weight"].shape[1]
    size = START_SIZE * 2**blocks
    last = len(tensors[f"blocks.{blocks - 1}.0.conv1.weight"])
    return {
        "image_shape": (size, size, len(tensors["output_layer.2.weight"])),
        "num_classes": classes,
        "latent_dim": part * (blocks + 1),
        "base_width": last // generator_widths(blocks)[-1],
        "embedding_dim": embedding_dim,
        "norm_epsilon": 1e-5,
    }


def published_places(kind: str, settings: Mapping[str, Any]) -> list[Place]:
    """Where the layers of a published network belong.

    Args:
        kind: `"G"` or `"D"`.
        settings: arguments of `BigGAN`.
    """
    size, _, channels = settings["image_shape"]
    _, doublings = doublings_to(settings["image_shape"])
    base_width, classes = settings["base_width"], settings["num_classes"]
    places = []

    def add_convolutions(theirs, ours, inputs, outputs, shortcut):
        for name, shape in (
            ("conv1", (outputs, inputs, 3, 3)),
            ("conv2", (outputs, outputs, 3, 3)),
            ("conv_sc", (outputs, inputs, 1, 1)),
        ):
            if name != "conv_sc" or shortcut:
                at = f"{ours}_{name.replace('conv_sc', 'shortcut')}_sn"
                places.append(Place(f"{theirs}.{name}", shape, at, True))

    def add_attention(theirs, width):
        for name, at, inputs, outputs in (
            ("theta", "g", width, width // 8),
            ("phi", "f", width, width // 8),
            ("g", "h", width, width // 2),
            ("o", "v", width // 2, width),
        ):
            shape = (outputs, inputs, 1, 1)
            places.append(Place(f"{theirs}.{name}", shape, f"attention.{at}"))
        places.append(Place(f"{theirs}.gamma", (), "attention.gamma", kind="gamma"))

    if kind == "D":
        factors, halvings = discriminator_widths(doublings)
        inputs = channels
        for block, factor in enumerate(factors):
            width = base_width * factor
            shortcut = block < halvings or inputs != width
            add_convolutions(f"blocks.{block}.0", f"block{block}", inputs, width, shortcut)
            if size // 2 ** (block + 1) == 64 and block < halvings:
                add_attention(f"blocks.{block}.1", width)
            inputs = width
        places.append(Place("linear", (1, inputs), "logits_sn", True))
        places.append(Place("embed", (classes, inputs), "embedding_sn"))
        return places
    widths = [base_width * factor for factor in generator_widths(doublings)]
    part, embedding_dim = settings["latent_dim"] // (doublings + 1), settings["embedding_dim"]
    places.append(Place("shared", (classes, embedding_dim), "shared_embedding", kind="embedding"))
    places.append(Place("linear", (START_SIZE**2 * widths[0], part), "project_sn", True))
    for block, (inputs, width) in enumerate(itertools.pairwise(widths)):
        theirs, ours = f"blocks.{block}.0", f"block{block}"
        add_convolutions(theirs, ours, inputs, width, True)
        for number, maps in ((1, inputs), (2, width)):
            for name, at in (("gain", "gamma"), ("bias", "beta")):
                shape = (maps, embedding_dim + part)
                places.append(
                    Place(f"{theirs}.bn{number}.{name}", shape, f"{ours}_norm{number}.{at}")
                )
            at = f"{ours}_norm{number}.normalize"
            places.append(Place(f"{theirs}.bn{number}", (maps,), at, kind="statistics"))
        if START_SIZE * 2 ** (block + 1) == 64 < size:
            add_attention(f"blocks.{block}.1", width)
    places.append(Place("output_layer.0", (widths[-1],), "norm", kind="norm"))
    places.append(Place("output_layer.2", (channels, widths[-1], 3, 3), "to_image_sn", True))
    return places


def shapes_of(places: list[Place]) -> dict[str, tuple[int, ...]]:
    """The shapes of all arrays of a published network, by name."""
    shapes: dict[str, tuple[int, ...]] = {}
    for theirs, shape, _, bias, kind in places:
        if kind == "gamma":
            shapes[theirs] = shape
        elif kind in ("statistics", "norm"):
            names = ["stored_mean", "stored_var", *(("gain", "bias") if kind == "norm" else ())]
            shapes |= {f"{theirs}.{name}": shape for name in names}
        else:
            shapes[f"{theirs}.weight"] = shape
            shapes |= {f"{theirs}.u0": (1, shape[0])} if kind == "linear" else {}
            shapes |= {f"{theirs}.bias": shape[:1]} if bias else {}
    return shapes


def load(place: Place, network: keras.Model, tensors: Mapping[str, np.ndarray]) -> None:
    """Assigns the published arrays to our layer at a place."""
    ours: Any = network
    for number, name in enumerate(place.ours.split(".")):
        ours = getattr(ours, name) if number else network.get_layer(name)

    def array(name):
        return tensors[f"{place.theirs}.{name}"]

    match place.kind:
        case "gamma":
            ours.assign(tensors[place.theirs])
        case "statistics" | "norm":
            names = ["stored_mean", "stored_var"]
            names = names if place.kind == "statistics" else ["gain", "bias", *names]
            ours.set_weights([array(name) for name in names])
        case "embedding":
            ours.set_weights([array("weight")])
        case "linear":
            _load_normalized(place, ours, array)


def _load_normalized(place, ours, array):
    """A layer with its vectors, which the program improves once whenever it uses them."""
    weight, by_outputs = array("weight"), array("u0")
    matrix = weight.reshape(len(weight), -1)
    by_inputs = _unit(by_outputs @ matrix)
    by_outputs = _unit(by_inputs @ matrix.T)
    inputs = by_inputs.reshape(1, *weight.shape[1:])
    bias = array("bias") if place.bias else None
    if weight.ndim == 4:
        weight, inputs = weight.transpose(2, 3, 1, 0), inputs.transpose(0, 2, 3, 1)
    elif place.ours == "project_sn":  # of 4x4 places, which come last in the program

        def places_first(values):
            maps = values.reshape(*values.shape[:-1], -1, START_SIZE, START_SIZE)
            return np.moveaxis(maps, -3, -1).reshape(values.shape)

        weight, by_outputs, bias = map(places_first, (weight.T, by_outputs, bias))
    elif place.ours != "embedding_sn":
        weight = weight.T
    rows, columns = inputs.reshape(1, -1), by_outputs
    if place.ours == "embedding_sn":
        rows, columns = columns, rows
    ours.layer.set_weights([weight] if bias is None else [weight, bias])
    ours.u.assign(rows)
    ours.v.assign(columns)


def _unit(vector):
    return vector / max(np.linalg.norm(vector), 1e-12)

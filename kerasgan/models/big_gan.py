"""BigGAN, Brock et al. 2019: larger batches, wider networks, and what keeps them stable."""

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from kerasgan.core.large_scale_files import (
    LICENCE,
    PROGRAM,
    START_SIZE,
    attention_places,
    load,
    published_states,
    shapes_of,
)
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
        embedding_dim: int, length of the shared embedding of the class; or None, without
            `split_latents`, for batch norms with a scale and a shift for each class.
        split_latents: bool, whether each block gets a part of the noise. Without, all of it makes
            the first features, and the default `latent_dim` is 128, as in the authors' code.
        attention: None, or the numbers from 0 of the generator's blocks and of the discriminator's
            that attention comes after: two sequences.
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
        embedding_dim: int | None = 128,
        split_latents: bool = True,
        attention: Sequence[Sequence[int]] | None = None,
        orthogonal_weight: float = 1e-4,
        norm_epsilon: float = 1e-4,
        ema_decay: float | None = 0.9999,
        seed: int | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ):
        _, doublings = doublings_to(image_shape)
        latent_dim = latent_dim or (20 * (doublings + 1) if split_latents else 128)
        if split_latents and latent_dim <= doublings:
            raise ValueError(
                f"latent_dim={latent_dim}; the noise is split into {doublings + 1} parts, so use "
                f"{doublings + 1} or more."
            )
        if split_latents and embedding_dim is None:
            raise ValueError(
                "embedding_dim=None; parts of the noise go together with an embedding, so use a "
                "length, or split_latents=False."
            )
        of_generator, of_discriminator = checked_attention(attention, image_shape)
        super().__init__(
            image_shape,
            num_classes,
            latent_dim,
            base_width,
            (
                functools.partial(generator, attention=of_generator, split_latents=split_latents),
                functools.partial(discriminator, attention=of_discriminator),
            ),
            embedding_dim=embedding_dim,
            orthogonal_weight=orthogonal_weight,
            norm_epsilon=norm_epsilon,
            ema_decay=ema_decay,
            seed=seed,
            dtype=dtype,
            name=name,
        )
        self.split_latents = split_latents
        self.attention = attention and (of_generator, of_discriminator)

    def get_config(self) -> dict:
        own = {"split_latents": self.split_latents, "attention": self.attention}
        return {**super().get_config(), **own}

    # Published files ---------------------------------------------------------------------------

    @classmethod
    def published_in(cls, file: PublishedFile, network: str | None = None) -> Published | None:
        states, ignored = published_states(file, "conv2")
        if not states:
            return None
        places = gan_places(states, network)
        settings = settings_of_networks(states[places["generator"]], states.get("D"))
        networks = {name: states[name] for name in dict.fromkeys(places.values())}
        for name, tensors in networks.items():
            made = published_places("D" if name == "D" else "G", settings)
            check_tensors(tensors, shapes_of(made), name)
        ignored += tuple(f"network {name}" for name in states if name not in networks)
        kind = f"state dicts of BigGAN ({PROGRAM})"
        return Published(kind, settings, networks, places, ignored, licence=LICENCE)

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
    embedding_dim: int | None = 128,
    orthogonal_weight: float = 1e-4,
    norm_epsilon: float = 1e-4,
    *,
    attention: Sequence[int],
    split_latents: bool = True,
) -> keras.Model:
    """The generator of figure 15: [z, label] to images; attention after the blocks given."""
    start_size, doublings = doublings_to(image_shape)
    widths = [base_width * factor for factor in generator_widths(doublings)]
    of_kernels = kernels(orthogonal_weight)
    z = keras.Input((latent_dim,), name="z")
    label = keras.Input((), dtype="int32", name="label")
    first, *others = z, *[None] * doublings
    if split_latents:
        ends = [latent_dim * part // (doublings + 1) for part in range(1, doublings + 1)]
        first, *others = ops.split(z, ends, axis=-1)
    condition = label
    if embedding_dim is not None:
        condition = layers.Embedding(
            num_classes, embedding_dim, "orthogonal", name="shared_embedding"
        )(label)

    def convolution(filters, size, name):
        return normalized(layers.Conv2D(filters, size, padding="same", name=name, **of_kernels))

    def norm_given(condition, x, name):
        norm = ConditionalBatchNormalization(
            num_classes if embedding_dim is None else None,
            momentum=0.9,
            epsilon=norm_epsilon,
            spectral_normalization=True,
            name=name,
        )
        return norm([x, condition])

    dense = layers.Dense(start_size * start_size * widths[0], name="project", **of_kernels)
    x = layers.Reshape((start_size, start_size, widths[0]), name="reshape")(
        normalized(dense)(first)
    )
    for block, (part, width) in enumerate(zip(others, widths[1:], strict=True)):
        both = condition
        if part is not None:
            both = layers.Concatenate(name=f"block{block}_condition")([condition, part])
        norm = functools.partial(norm_given, both)
        x = up_block(x, width, norm, convolution, f"block{block}")
        if block in attention:
            x = SelfAttention2D(name=attention_name(attention, block))(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=norm_epsilon, name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = convolution(image_shape[2], 3, "to_image")(x)
    images = layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model([z, label], images, name="generator")


def discriminator(
    image_shape: tuple[int, ...],
    base_width: int,
    num_classes: int,
    conditioning: str | None = None,
    *,
    attention: Sequence[int],
) -> keras.Model:
    """The discriminator of figure 15: [images, label] to logits; attention after some blocks."""
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
        if block in attention:
            x = SelfAttention2D(name=attention_name(attention, block))(x)
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


def paper_attention(image_shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """After which blocks of the networks features are 64x64, if the image is larger."""
    start_size, doublings = doublings_to(image_shape)
    to_64 = 4
    if start_size != START_SIZE or doublings <= to_64:
        return (), ()
    return (to_64 - 1,), (doublings - to_64 - 1,)


def checked_attention(
    attention: Sequence[Sequence[int]] | None, image_shape: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The blocks of the networks that attention comes after; None for the paper's.

    Raises:
        ValueError: for anything but two sequences of numbers of blocks.
    """
    if attention is None:
        return paper_attention(image_shape)
    _, doublings = doublings_to(image_shape)
    counts = doublings, len(discriminator_widths(doublings)[0])
    match attention:
        case (tuple() | list() as first, tuple() | list() as second):
            if all(set(b) <= set(range(n)) for b, n in zip((first, second), counts, strict=True)):
                return tuple(first), tuple(second)
    raise ValueError(
        f"attention={attention!r}; use None, or two sequences: numbers of the generator's "
        f"{counts[0]} blocks, and of the discriminator's {counts[1]}."
    )


def attention_name(attention: Sequence[int], block: int) -> str:
    """The name of the layer after a block."""
    return "attention" if len(attention) == 1 else f"attention{block}"


# The published files ----------------------------------------------------------------------------

MOST_BLOCKS = 9


def settings_of_networks(
    tensors: Mapping[str, np.ndarray], judge: Mapping[str, np.ndarray] | None
) -> dict[str, Any]:
    """The arguments of `BigGAN` for the arrays of a published generator and discriminator.

    Args:
        tensors: those of the generator.
        judge: those of the discriminator, None if it is not there.
    """
    blocks = 0
    while blocks < MOST_BLOCKS and f"blocks.{blocks}.0.conv1.weight" in tensors:
        blocks += 1
    shared = tensors.get("shared.weight")
    gains = tensors["blocks.0.0.bn1.gain.weight"]
    classes, embedding_dim = (len(gains), None) if shared is None else shared.shape
    noise = tensors["linear.weight"].shape[1]
    # Batch norms are given a part of the noise, or only the class.
    split = embedding_dim is not None and gains.shape[1] > embedding_dim
    size = START_SIZE * 2**blocks
    last = len(tensors[f"blocks.{blocks - 1}.0.conv1.weight"])
    settings = {
        "image_shape": (size, size, len(tensors["output_layer.2.weight"])),
        "num_classes": classes,
        "latent_dim": noise * (blocks + 1) if split else noise,
        "base_width": last // generator_widths(blocks)[-1],
        "embedding_dim": embedding_dim,
        "norm_epsilon": 1e-5,
    }
    settings |= {} if split else {"split_latents": False}
    attention = attention_in(tensors, judge, blocks)
    if attention != paper_attention(settings["image_shape"]):
        settings["attention"] = attention
    return settings


def attention_in(
    tensors: Mapping[str, np.ndarray], judge: Mapping[str, np.ndarray] | None, blocks: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The blocks that attention comes after, in a published generator and discriminator.

    Without a discriminator, those of one with attention to features of the same sizes.
    """
    widths, halvings = discriminator_widths(blocks)
    found = [block for block in range(blocks) if f"blocks.{block}.1.gamma" in tensors]
    if judge is None:
        same = (blocks - 2 - block for block in reversed(found))
        return tuple(found), tuple(block for block in same if 0 <= block < halvings)
    judged = (block for block in range(len(widths)) if f"blocks.{block}.1.gamma" in judge)
    return tuple(found), tuple(judged)


def published_places(kind: str, settings: Mapping[str, Any]) -> list[Place]:
    """Where the layers of a published network belong.

    Args:
        kind: `"G"` or `"D"`.
        settings: arguments of `BigGAN`.
    """
    channels = settings["image_shape"][2]
    _, doublings = doublings_to(settings["image_shape"])
    base_width, classes = settings["base_width"], settings["num_classes"]
    of_generator, of_discriminator = checked_attention(
        settings.get("attention"), settings["image_shape"]
    )
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

    if kind == "D":
        factors, halvings = discriminator_widths(doublings)
        inputs = channels
        for block, factor in enumerate(factors):
            width = base_width * factor
            shortcut = block < halvings or inputs != width
            add_convolutions(f"blocks.{block}.0", f"block{block}", inputs, width, shortcut)
            if block in of_discriminator:
                name = attention_name(of_discriminator, block)
                places += attention_places(f"blocks.{block}.1", width, name)
            inputs = width
        places.append(Place("linear", (1, inputs), "logits_sn", True))
        places.append(Place("embed", (classes, inputs), "embedding_sn"))
        return places
    widths = [base_width * factor for factor in generator_widths(doublings)]
    split, embedding_dim = settings.get("split_latents", True), settings["embedding_dim"]
    part = settings["latent_dim"] // (doublings + 1) if split else settings["latent_dim"]
    if embedding_dim is not None:
        shape = classes, embedding_dim
        places.append(Place("shared", shape, "shared_embedding", kind="embedding"))
    places.append(Place("linear", (START_SIZE**2 * widths[0], part), "project_sn", True))
    for block, (inputs, width) in enumerate(itertools.pairwise(widths)):
        theirs, ours = f"blocks.{block}.0", f"block{block}"
        add_convolutions(theirs, ours, inputs, width, True)
        for number, maps in ((1, inputs), (2, width)):
            norm, at = f"{theirs}.bn{number}", f"{ours}_norm{number}"
            if embedding_dim is None:
                shape = classes, maps
                places.append(Place(f"{norm}.gain", shape, f"{at}.gamma", kind="gain"))
                places.append(Place(f"{norm}.bias", shape, f"{at}.beta", kind="embedding"))
            else:
                shape = maps, embedding_dim + (part if split else 0)
                places.append(Place(f"{norm}.gain", shape, f"{at}.gamma"))
                places.append(Place(f"{norm}.bias", shape, f"{at}.beta"))
            places.append(Place(norm, (maps,), f"{at}.normalize", kind="statistics"))
        if block in of_generator:
            name = attention_name(of_generator, block)
            places += attention_places(f"blocks.{block}.1", width, name)
    places.append(Place("output_layer.0", (widths[-1],), "norm", kind="norm"))
    places.append(Place("output_layer.2", (channels, widths[-1], 3, 3), "to_image_sn", True))
    return places

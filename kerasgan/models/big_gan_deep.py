"""BigGAN-deep, Brock et al. 2019: bottlenecks and identities make BigGAN deep, and smaller."""

import functools
import itertools
import json
import math
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from kerasgan import backend
from kerasgan.checks.arguments import whole_number
from kerasgan.core import large_scale_files
from kerasgan.core.large_scale_gan import LargeScaleGAN, Place, generator_widths, kernels
from kerasgan.layers.attention import SelfAttention2D
from kerasgan.layers.conditioning import ConditionalBatchNormalization
from kerasgan.layers.residual import pooled_logits
from kerasgan.layers.shapes import doublings_to
from kerasgan.layers.spectral_normalization import normalized
from kerasgan.layers.standing import StandingBatchNormalization, batch_normalization
from kerasgan.sampling.latents import truncated
from kerasgan.sampling.normals import standard_normal
from kerasgan.training.official import Published, PublishedFile, gan_places
from kerasgan.training.optimizers import adam, all_layers
from kerasgan.utils.image_numbers import numbers_of_images
from kerasgan.weight_files.trees import check_tensors

Block = tuple[bool, int, int]
REDUCTION = 4
# Of the truncated normal distribution that is scaled where there are standing statistics.
BOUND = 2.0
BY_SHARES = "by_shares"


@keras.saving.register_keras_serializable(package="kerasgan")
class BigGANDeep(LargeScaleGAN):
    """BigGAN with twice the blocks, which are bottlenecks, and fewer weights.

    It differs from `kerasgan.BigGAN` in the following (appendix B). The noise is not split: it is
    concatenated with the embedding of the class, and all of it makes the first features and goes to
    every batch norm. Blocks are bottlenecks: 1x1 convolutions to a quarter of the feature maps and
    back, around two of 3x3. Skip connections are identities: where the generator needs fewer
    feature maps it drops the last ones; where the discriminator needs more, a 1x1 convolution adds
    them. There are two blocks for each size, and the discriminator mirrors the generator. Both
    networks learn at 2.5e-5 above 128 pixels.

    `base_width` is ch of the paper's tables, 128 there, with a batch of 2,048. Blocks follow tables
    7 to 9 for 128 to 512 pixels and widths below those of `BigGAN`.

    With `standing_statistics=51`, as in published files, each batch norm has 51 sets of statistics,
    for truncations 0, 0.02, ..., 1 (appendix C.1). `truncation` then multiplies latents from the
    normal distribution truncated to [-2, 2], and selects the statistics; above 1 nothing is
    truncated. Between two truncations statistics are mixed as in the code that published the files,
    where the nearer truncation has the smaller share. At the truncations themselves their own set
    is used, also at 0.14, 0.28, 0.56, 0.58 and 0.94, where rounding makes that code use a
    neighbour. Without truncation, and for given latents (`generate_from`, `kerasgan edit`), batch
    norms use their moving statistics, which in an imported model start as those of truncation 1.
    Training uses the statistics of batches and updates the moving ones. It does not update the
    sets, which fit the changed weights less and less. So call `collect_statistics` after training;
    in a model that was not imported the sets are empty before.

    Departures: those of `BigGAN`, except that `standing_statistics` removes the last one; and the
    last convolution has as many outputs as inputs, of which the first are the colors, as in the
    published networks.

    Args:
        image_shape: (size, size, channels), as for `kerasgan.ImageGAN`.
        num_classes: int.
        latent_dim: int, length of the noise vector.
        base_width: int, ch in the tables.
        embedding_dim: int, length of the embedding of the class.
        blocks: None for the tables, or the generator's blocks as a sequence of (doubles, inputs,
            outputs): whether it doubles the size, and its feature maps as multiples of
            `base_width`, as in the `layers` of a published `config.json`.
        attention_before: the index in `blocks` of the block before which attention comes, or None
            for no attention; without `blocks`, attention is at 64x64 for larger images.
        standing_statistics: None, or int, the number of sets of batch norm statistics for
            truncations from 0 to 1.
        orthogonal_weight: float, the weight of the generator's orthogonal regularization; 0 for
            none.
        norm_epsilon: float, which the batch norms add to variances.
        ema_decay: None, or the decay of the averaged copy of the generator.
        seed, dtype, name: as for `kerasgan.ImageGAN`.

    Raises:
        ValueError: for an argument out of range, or consecutive blocks that do not match.

    Example:

    >>> gan = kerasgan.BigGANDeep((16, 16, 1), num_classes=10, base_width=4)
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
        latent_dim: int = 128,
        base_width: int = 128,
        *,
        embedding_dim: int = 128,
        blocks: Sequence[Sequence] | None = None,
        attention_before: int | None = None,
        standing_statistics: int | None = None,
        orthogonal_weight: float = 1e-4,
        norm_epsilon: float = 1e-4,
        ema_decay: float | None = 0.9999,
        seed: int | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ):
        _, doublings = doublings_to(image_shape)
        if blocks is None and attention_before is not None:
            raise ValueError(
                f"attention_before={attention_before!r} without blocks; give blocks too, or leave "
                "attention where the paper has it."
            )
        if standing_statistics is not None and not _at_least(standing_statistics, 2):
            raise ValueError(
                f"standing_statistics={standing_statistics!r}; use None or a whole number of at "
                "least 2."
            )
        if blocks is None:
            table, attention = paper_blocks(doublings), paper_attention(doublings)
        else:
            table, attention = checked_blocks(blocks, doublings), attention_before
            if attention is not None and not _at_least(attention, 0, len(table) - 1):
                raise ValueError(
                    f"attention_before={attention!r}; use None or an index of the {len(table)} "
                    "blocks."
                )
        places: dict[str, Any] = {"blocks": table, "attention_before": attention}
        super().__init__(
            image_shape,
            num_classes,
            latent_dim,
            base_width,
            (
                functools.partial(generator, sets=standing_statistics, **places),
                functools.partial(discriminator, **places),
            ),
            embedding_dim=embedding_dim,
            orthogonal_weight=orthogonal_weight,
            norm_epsilon=norm_epsilon,
            ema_decay=ema_decay,
            seed=seed,
            dtype=dtype,
            name=name,
        )
        self.blocks = None if blocks is None else [list(block) for block in table]
        self.attention_before = attention_before
        self.standing_statistics = standing_statistics

    def default_optimizers(self) -> dict[str, keras.Optimizer]:
        if self.image_shape[0] <= 128:
            return super().default_optimizers()
        return {player: adam(2.5e-5, 0.0, 0.999) for player in self.players}

    def get_config(self) -> dict:
        own = ("blocks", "attention_before", "standing_statistics")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}

    # Truncation --------------------------------------------------------------------------------

    def to_latents(self, normal, truncation=None):
        if truncation is None or self.standing_statistics is None:
            return super().to_latents(normal, truncation)
        factor = ops.convert_to_tensor(truncation, "float32")
        return ops.where(factor > 1.0, normal, factor * truncated(normal, BOUND))

    def moved_images(self, noise, move, space, labels=None, truncation=None):
        if truncation is None or self.standing_statistics is None:
            return super().moved_images(noise, move, space, labels, truncation)
        latents = self.to_latents(noise[0], truncation[:, None]) + move
        shares = shares_of(truncation, self.standing_statistics)
        return self.truncated_generator([latents, labels, shares], training=False)

    def draw(self, noise, labels=None, truncation=None):
        if truncation is None or self.standing_statistics is None:
            return super().draw(noise, labels, truncation)
        given = np.full(len(noise[0]), truncation, "float32")
        shares = shares_of(given, self.standing_statistics)
        inputs = [self.to_latents(noise[0], given[:, None]), labels, shares]
        return backend.predict(self.truncated_generator, list(map(ops.convert_to_numpy, inputs)))

    def collect_statistics(
        self, batches: int = 100, batch_size: int = 64, *, seed: int = 0
    ) -> None:
        """Collects the standing statistics of the current generator (appendix C.1).

        For each truncation the sampling generator draws images of all classes, normalized with the
        statistics of their batch as in training, and each set becomes the mean over batches. That
        takes `standing_statistics` times `batches` forward passes; nothing else changes.

        Args:
            batches: int, batches per truncation; 100 in the paper.
            batch_size: int, images per batch.
            seed: int, the seed of latents and labels, which are the same for all truncations.

        Raises:
            ValueError: for an argument out of range, or a model without `standing_statistics`.
        """
        sets, classes = self.standing_statistics, self.num_classes
        if sets is None or classes is None:
            raise ValueError(
                "the model has only moving statistics; make it with standing_statistics=51."
            )
        whole_number("batches", batches, 1)
        whole_number("batch_size", batch_size, 2)
        network = self.sampling_generator
        norms = _standing([network])
        before = [(norm.momentum, norm.trainable, *map(_array, _moving(norm))) for norm in norms]
        found = [np.zeros((2, *norm.means.shape)) for norm in norms]
        try:
            for norm in norms:
                # The moving statistics are then those of the last batch.
                norm.momentum, norm.trainable = 0.0, True
            for place, truncation in enumerate(np.linspace(0.0, 1.0, sets)):
                for batch in range(batches):
                    images = range(batch * batch_size, (batch + 1) * batch_size)
                    normal = standard_normal(numbers_of_images(seed, images), (self.latent_dim,))
                    labels = np.random.default_rng((seed, batch)).integers(
                        classes, size=batch_size, dtype="int32"
                    )
                    latents = self.to_latents(normal, truncation)
                    network([latents, ops.convert_to_tensor(labels)], training=True)
                    for norm, sums in zip(norms, found, strict=True):
                        sums[:, place] += np.stack(list(map(_array, _moving(norm)))) / batches
        finally:
            for norm, (momentum, trainable, mean, variance) in zip(norms, before, strict=True):
                norm.momentum, norm.trainable = momentum, trainable
                norm.moving_mean.assign(mean)
                norm.moving_variance.assign(variance)
        # Those of the generator in training, too, which the averaged copy follows.
        for each in dict.fromkeys((network, self.generator)):
            for norm, (means, variances) in zip(_standing([each]), found, strict=True):
                norm.means.assign(means)
                norm.variances.assign(variances)

    @property
    def truncated_generator(self) -> keras.Model:
        """The sampling generator as a network from [latents, labels, shares of statistics].

        See `kerasgan.layers.StandingBatchNormalization` for the shares.
        """
        return self.sampling_generator.get_layer(BY_SHARES)

    # Published files ---------------------------------------------------------------------------

    @classmethod
    def published_in(cls, file: PublishedFile, network: str | None = None) -> Published | None:
        tensors = file.tree
        if not isinstance(tensors, dict) or not set(tensors) >= RECOGNIZED_BY:
            return published_training(file, network)
        if not all(isinstance(array, np.ndarray) for array in tensors.values()):
            return None
        places = gan_places([NETWORK], network, (NETWORK, NETWORK, "discriminator"))
        settings = settings_of_generator(tensors, config_beside(file.path))
        check_tensors(tensors, shapes_of(published_places(settings)), f"its {NETWORK}")
        kind = "state dict of BigGAN-deep (pytorch-pretrained-BigGAN)"
        licence = large_scale_files.LICENCE
        return Published(kind, settings, {NETWORK: tensors}, places, licence=licence)

    def load_network(self, name: str, tensors: Mapping[str, np.ndarray]) -> None:
        network = getattr(self, name)
        if set(tensors) >= RECOGNIZED_BY:
            for place in published_places(self.get_config()):
                load(place, network.get_layer(BY_SHARES), tensors)
            return
        kind = "D" if name == "discriminator" else "G"
        tensors = as_here(tensors, self.get_config())
        for place in places_in_training(kind, self.get_config()):
            large_scale_files.load(place, network, tensors)


# The networks ------------------------------------------------------------------------------------


def generator(
    image_shape: tuple[int, ...],
    latent_dim: int,
    base_width: int,
    num_classes: int,
    conditioning: str | None = None,
    *,
    blocks: Sequence[Block],
    attention_before: int | None,
    sets: int | None,
    embedding_dim: int,
    orthogonal_weight: float,
    norm_epsilon: float,
) -> keras.Model:
    """The generator of figure 16: [z, label] to images.

    With `sets` of statistics it is around a network that is given the shares of these, too.
    """
    start_size, _ = doublings_to(image_shape)
    of_kernels = kernels(orthogonal_weight)
    z = keras.Input((latent_dim,), name="z")
    label = keras.Input((), dtype="int32", name="label")
    embedding = layers.Embedding(num_classes, embedding_dim, "orthogonal", name="embedding")(label)
    condition = layers.Concatenate(name="condition")([z, embedding])
    shares = [] if sets is None else [keras.Input((sets,), name="shares")]

    def convolution(filters, size, name):
        return normalized(layers.Conv2D(filters, size, padding="same", name=name, **of_kernels))

    def norm(x, name):
        given = ConditionalBatchNormalization(
            momentum=0.9, epsilon=norm_epsilon, spectral_normalization=True, sets=sets, name=name
        )
        return given([x, condition, *shares])

    first = blocks[0][1] * base_width
    dense = layers.Dense(start_size * start_size * first, name="project", **of_kernels)
    x = layers.Reshape((start_size, start_size, first), name="reshape")(
        normalized(dense)(condition)
    )
    for number, (doubles, _, outputs) in enumerate(blocks):
        if number == attention_before:
            x = SelfAttention2D(name="attention")(x)
        x = up_bottleneck(x, outputs * base_width, norm, convolution, f"block{number}", doubles)
    last = batch_normalization(sets, momentum=0.9, epsilon=norm_epsilon, name="norm")
    x = layers.ReLU(name="relu")(last([x, *shares] if shares else x))
    # More than colors, as in the published weights: the largest singular value is that of them all.
    channels = image_shape[2]
    x = convolution(max(x.shape[-1], channels), 3, "to_image")(x)
    images = layers.Activation("tanh", dtype="float32", name="images")(x[..., :channels])
    if sets is None:
        return keras.Model([z, label], images, name="generator")
    network = keras.Model([z, label, *shares], images, name=BY_SHARES)
    z, label = keras.Input((latent_dim,), name="z"), keras.Input((), dtype="int32", name="label")
    none = ops.tile(ops.zeros_like(z[:, :1]), (1, sets))
    return keras.Model([z, label], network([z, label, none]), name="generator")


def discriminator(
    image_shape: tuple[int, ...],
    base_width: int,
    num_classes: int,
    conditioning: str | None = None,
    *,
    blocks: Sequence[Block],
    attention_before: int | None,
) -> keras.Model:
    """The discriminator of figure 16, which reflects the generator: [images, label] to logits."""

    def convolution(filters, size, name):
        conv = layers.Conv2D(
            filters, size, padding="same", kernel_initializer="orthogonal", name=name
        )
        return normalized(conv)

    images = keras.Input(image_shape, name="images")
    label = keras.Input((), dtype="int32", name="label")
    x = convolution(blocks[-1][2] * base_width, 3, "from_image")(images)
    for number, (halves, outputs, _) in reversed(list(enumerate(blocks))):
        name = f"block{len(blocks) - 1 - number}"
        x = down_bottleneck(x, outputs * base_width, convolution, name, halves)
        if number == attention_before:
            x = SelfAttention2D(name="attention")(x)
    orthogonal = keras.initializers.Orthogonal
    output = pooled_logits(x, label, num_classes, "projection", normalized, orthogonal)
    return keras.Model([images, label], output, name="discriminator")


def up_bottleneck(x, width, norm, convolution, name, doubles):
    """A block of the generator: `width` feature maps, twice the resolution if `doubles`.

    Args:
        x: features, at least `width` of them.
        width: int.
        norm: function of features and a name.
        convolution: function of filters, size and a name that makes a layer.
        name: str, of the block.
        doubles: bool.
    """
    hidden = max(1, x.shape[-1] // REDUCTION)
    skip = x[..., :width]
    if doubles:
        skip = layers.UpSampling2D(name=f"{name}_skip_up")(skip)
    for number, (filters, size) in enumerate(((hidden, 1), (hidden, 3), (hidden, 3), (width, 1))):
        x = layers.ReLU(name=f"{name}_relu{number}")(norm(x, f"{name}_norm{number}"))
        if doubles and number == 1:
            x = layers.UpSampling2D(name=f"{name}_up")(x)
        x = convolution(filters, size, f"{name}_conv{number}")(x)
    return layers.Add(name=name)([x, skip])


def down_bottleneck(x, width, convolution, name, halves):
    """A block of the discriminator: `width` feature maps, half the resolution if `halves`.

    Args:
        x: features, at most `width` of them.
        width, convolution, name: as for `up_bottleneck`.
        halves: bool.
    """
    hidden = max(1, width // REDUCTION)
    skip = layers.AveragePooling2D(2, name=f"{name}_skip_down")(x) if halves else x
    more = width - x.shape[-1]
    if more:
        skip = layers.Concatenate(name=f"{name}_skip")(
            [skip, convolution(more, 1, f"{name}_more")(skip)]
        )
    for number, (filters, size) in enumerate(((hidden, 1), (hidden, 3), (hidden, 3), (width, 1))):
        x = layers.ReLU(name=f"{name}_relu{number}")(x)
        if halves and number == 3:
            x = layers.AveragePooling2D(2, name=f"{name}_down")(x)
        x = convolution(filters, size, f"{name}_conv{number}")(x)
    return layers.Add(name=name)([x, skip])


def paper_blocks(doublings: int) -> tuple[Block, ...]:
    """The generator's blocks in tables 7 to 9, for other sizes with the widths of `BigGAN`."""
    found: list[Block] = []
    for inputs, outputs in itertools.pairwise(generator_widths(doublings)):
        found += [(False, inputs, inputs), (True, inputs, outputs)]
    return tuple(found)


def paper_attention(doublings: int) -> int | None:
    """Before which block features are 64x64, if the image is larger."""
    to_64 = 4
    return 2 * to_64 if doublings > to_64 else None


def checked_blocks(blocks: Sequence[Sequence], doublings: int) -> tuple[Block, ...]:
    """Blocks of a user.

    Raises:
        ValueError: where they do not follow each other, or reach another size.
    """
    found = []
    before = None
    for block in blocks:
        if not isinstance(block, (tuple, list)) or len(block) != 3:
            raise ValueError(f"blocks has {block!r}; use (doubles, inputs, outputs).")
        doubles, inputs, outputs = block
        if not isinstance(doubles, bool) or not _at_least(outputs, 1):
            raise ValueError(f"blocks has {block!r}; use a bool and two whole numbers.")
        if not _at_least(inputs, outputs):
            raise ValueError(f"blocks has {block!r}; use at most as many outputs as inputs.")
        if before not in (None, inputs):
            raise ValueError(
                f"blocks has {block!r} after one with {before} outputs; use as many inputs."
            )
        found.append((doubles, inputs, outputs))
        before = outputs
    doubled = sum(doubles for doubles, *_ in found)
    if doubled != doublings:
        raise ValueError(
            f"blocks double the size {doubled} times, but image_shape needs {doublings} times."
        )
    return tuple(found)


def shares_of(truncation, sets: int):
    """How much of each set of statistics is mixed for a truncation.

    Args:
        truncation: float32 tensor or array (batch,), above 0.
        sets: int, of truncations that are evenly spaced from 0 to 1.

    Returns:
        float32 tensor (batch, sets) of rows that sum to 1, or of zeros above 1.
    """
    truncation = ops.convert_to_tensor(truncation)
    place = ops.minimum(truncation, 1.0) * (sets - 1)
    nearest = ops.round(place)
    # Or the rounding of 0.58 would lead to a neighbour.
    place = ops.where(ops.abs(place - nearest) < 1e-3, nearest, place)
    below = ops.floor(place)
    beyond = (place - below)[:, None]
    below = ops.cast(below, "int32")
    above = ops.minimum(below + 1, sets - 1)
    lower, upper = (ops.one_hot(index, sets, dtype="float32") for index in (below, above))
    # The shares are the wrong way round in the published program, for which the files are.
    mixed = ops.where(beyond == 0.0, lower, beyond * lower + (1.0 - beyond) * upper)
    return ops.where(truncation[:, None] > 1.0, 0.0, mixed)


def _standing(networks):
    return [x for x in all_layers(networks) if isinstance(x, StandingBatchNormalization)]


def _moving(norm):
    return norm.moving_mean, norm.moving_variance


def _array(variable):
    return np.array(ops.convert_to_numpy(variable))  # a copy


def _at_least(number, least, most=math.inf):
    return isinstance(number, int) and not isinstance(number, bool) and least <= number <= most


# The published files ----------------------------------------------------------------------------

NETWORK = "generator"
RECOGNIZED_BY = {"embeddings.weight", "generator.gen_z.weight_orig"}
START_SIZE = 4
MOST_DOUBLINGS = 9
WEIGHTS_FILE, CONFIG_FILE = "pytorch_model.bin", "config.json"
MOST_BYTES = 2**16  # of a config.json


def config_beside(path: pathlib.Path) -> dict[str, Any]:
    """What `config.json` says that lies beside `pytorch_model.bin`; nothing if there is none.

    Of `NAME-pytorch_model.bin` it is `NAME-config.json`.
    """
    name = path.name
    name = name.replace(WEIGHTS_FILE, CONFIG_FILE) if WEIGHTS_FILE in name else CONFIG_FILE
    file = path.with_name(name)
    if not file.is_file():
        return {}
    with file.open("rb") as opened:
        content = opened.read(MOST_BYTES + 1)
    try:
        if len(content) > MOST_BYTES:
            raise ValueError
        config = json.loads(content)
        if not isinstance(config, dict):
            raise ValueError
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} beside it is not a JSON object of settings.") from error
    return config


def settings_of_generator(
    tensors: Mapping[str, np.ndarray], config: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments of `BigGANDeep` for the arrays of a published generator.

    Raises:
        ValueError: for one that `BigGANDeep` does not have, or a config of another.
    """
    embedding_dim, num_classes = tensors["embeddings.weight"].shape
    base_width = tensors["generator.conv_to_rgb.weight_orig"].shape[1]
    widths: list[tuple[int, int]] = []
    attention = None
    number = 0
    while True:
        name = f"generator.layers.{number}"
        if f"{name}.gamma" in tensors:
            if attention is not None:
                raise ValueError("it has more than one layer of attention.")
            attention = len(widths)
        elif f"{name}.conv_0.weight_orig" in tensors:
            ends = tensors[f"{name}.conv_0.weight_orig"], tensors[f"{name}.conv_3.weight_orig"]
            inputs, outputs = ends[0].shape[1], ends[1].shape[0]
            if inputs % base_width or outputs % base_width:
                raise ValueError(
                    f"{name} makes {outputs} feature maps of {inputs}, no multiples of "
                    f"{base_width}."
                )
            widths.append((inputs // base_width, outputs // base_width))
        else:
            break
        number += 1
    told = doubling(widths, config)
    blocks = [(doubles, *ends) for doubles, ends in zip(told, widths, strict=True)]
    doublings = sum(doubles for doubles, *_ in blocks)
    if not 1 <= doublings <= MOST_DOUBLINGS:
        raise ValueError(f"its images are doubled {doublings} times.")
    size = START_SIZE * 2**doublings
    if config.get("output_dim", size) != size:
        raise ValueError(f"its config says output_dim={config['output_dim']!r}, not {size}.")
    epsilon = config.get("eps", 1e-4)
    if not isinstance(epsilon, float) or not 0.0 < epsilon < 1.0:
        raise ValueError(f"its config says eps={epsilon!r}, which is not between 0 and 1.")
    settings = {
        "image_shape": (size, size, 3),
        "num_classes": num_classes,
        "latent_dim": tensors["generator.gen_z.weight_orig"].shape[1] - embedding_dim,
        "base_width": base_width,
        "embedding_dim": embedding_dim,
        "standing_statistics": len(tensors["generator.bn.running_means"]),
        "norm_epsilon": epsilon,
    }
    if tuple(blocks) == paper_blocks(doublings) and attention == paper_attention(doublings):
        return settings
    return {**settings, "blocks": blocks, "attention_before": attention}


def doubling(widths: Sequence[tuple[int, int]], config: Mapping[str, Any]) -> list[bool]:
    """Which blocks double the size: the config says it, or it is a table of the paper."""
    if "layers" not in config:
        for doublings in range(1, MOST_DOUBLINGS + 1):
            table = paper_blocks(doublings)
            if [(inputs, outputs) for _, inputs, outputs in table] == list(widths):
                return [doubles for doubles, *_ in table]
        raise ValueError(
            f"its blocks are in no table of the paper; put the file's {CONFIG_FILE} beside it."
        )
    told = config["layers"]
    fits = isinstance(told, list) and all(isinstance(e, list) and len(e) == 3 for e in told)
    if not fits or [tuple(ends) for _, *ends in told] != list(widths):
        raise ValueError(f"{CONFIG_FILE} beside it has other layers than {list(widths)}.")
    if not all(isinstance(doubles, bool) for doubles, *_ in told):
        raise ValueError(f"{CONFIG_FILE} beside it does not say which layers double the size.")
    return [doubles for doubles, *_ in told]


def published_places(settings: Mapping[str, Any]) -> list[Place]:
    """Where the layers of a published generator belong.

    Args:
        settings: arguments of `BigGANDeep`.
    """
    _, doublings = doublings_to(settings["image_shape"])
    blocks, attention = settings.get("blocks"), settings.get("attention_before")
    if blocks is None:
        blocks, attention = paper_blocks(doublings), paper_attention(doublings)
    ch, embedding_dim = settings["base_width"], settings["embedding_dim"]
    given, sets = settings["latent_dim"] + embedding_dim, settings["standing_statistics"]
    first = START_SIZE**2 * blocks[0][1] * ch
    classes = (embedding_dim, settings["num_classes"])
    places = [
        Place("embeddings", classes, "embedding", kind="embedding"),
        Place("generator.gen_z", (first, given), "project_sn", True),
    ]
    number = 0
    for block, (_, inputs, outputs) in enumerate(blocks):
        if block == attention:
            theirs, width = f"generator.layers.{number}", inputs * ch
            for name, ours, ends in (
                ("theta", "g", (width // 8, width)),
                ("phi", "f", (width // 8, width)),
                ("g", "h", (width // 2, width)),
                ("o_conv", "v", (width, width // 2)),
            ):
                name = f"{theirs}.snconv1x1_{name}"
                places.append(Place(name, (*ends, 1, 1), f"attention.{ours}"))
            places.append(Place(f"{theirs}.gamma", (1,), "attention.gamma", kind="gamma"))
            number += 1
        theirs, hidden = f"generator.layers.{number}", inputs * ch // REDUCTION
        maps = (inputs * ch, hidden, hidden, hidden, outputs * ch)
        for layer, size in enumerate((1, 3, 3, 1)):
            norm, ours = f"{theirs}.bn_{layer}", f"block{block}_norm{layer}"
            for name, at in (("scale", "gamma"), ("offset", "beta")):
                places.append(Place(f"{norm}.{name}", (maps[layer], given), f"{ours}.{at}"))
            of_norm = (sets, maps[layer])
            places.append(Place(norm, of_norm, f"{ours}.normalize", kind="statistics"))
            of_conv = (maps[layer + 1], maps[layer], size, size)
            ours = f"block{block}_conv{layer}_sn"
            places.append(Place(f"{theirs}.conv_{layer}", of_conv, ours, True))
        number += 1
    last = blocks[-1][2] * ch
    places.append(Place("generator.bn", (sets, last), "norm", kind="norm"))
    places.append(Place("generator.conv_to_rgb", (last, last, 3, 3), "to_image_sn", True))
    return places


def shapes_of(places: Sequence[Place]) -> dict[str, tuple[int, ...]]:
    """The shapes of all arrays of a published generator, by name."""
    shapes: dict[str, tuple[int, ...]] = {}
    for theirs, shape, _, bias, kind in places:
        match kind:
            case "gamma":
                shapes[theirs] = shape
            case "embedding":
                shapes[f"{theirs}.weight"] = shape
            case "statistics" | "norm":
                shapes |= {f"{theirs}.running_{name}": shape for name in ("means", "vars")}
                if kind == "norm":
                    shapes |= {f"{theirs}.{name}": shape[1:] for name in ("weight", "bias")}
            case "linear":
                shapes[f"{theirs}.weight_orig"] = shape
                shapes[f"{theirs}.weight_u"] = shape[:1]
                shapes[f"{theirs}.weight_v"] = (math.prod(shape[1:]),)
                if bias:
                    shapes[f"{theirs}.bias"] = shape[:1]
    return shapes


def load(place: Place, network: keras.Model, tensors: Mapping[str, np.ndarray]) -> None:
    """Assigns the published arrays to our layer at a place."""
    ours = place.within(network)

    def array(name):
        return tensors[f"{place.theirs}.{name}"]

    match place.kind:
        case "gamma":
            ours.assign(tensors[place.theirs][0])
        case "embedding":
            ours.embeddings.assign(array("weight").T)
        case "statistics" | "norm":
            means, variances = array("running_means"), array("running_vars")
            ours.means.assign(means)
            ours.variances.assign(variances)
            ours.moving_mean.assign(means[-1])
            ours.moving_variance.assign(variances[-1])
            if place.kind == "norm":
                ours.gamma.assign(array("weight"))
                ours.beta.assign(array("bias"))
        case "linear":
            weight = array("weight_orig")
            by_inputs = array("weight_v").reshape(1, *weight.shape[1:])
            if weight.ndim == 4:
                weight, by_inputs = weight.transpose(2, 3, 1, 0), by_inputs.transpose(0, 2, 3, 1)
            else:
                weight = weight.T
            ours.layer.set_weights([weight, array("bias")] if place.bias else [weight])
            ours.u.assign(by_inputs.reshape(1, -1))
            ours.v.assign(array("weight_u")[None])


# Those of the program that trains, BigGAN-PyTorch ------------------------------------------------

# Its discriminator mirrors its generator for these sizes only.
MIRRORED = (128, 256)


def published_training(file: PublishedFile, network: str | None) -> Published | None:
    """What files of BigGAN-PyTorch hold; see `BigGANDeep.published_in`."""
    states, ignored = large_scale_files.published_states(file, "conv4")
    if not states:
        return None
    places = gan_places(states, network)
    settings = settings_of_training(states[places["generator"]])
    size = settings["image_shape"][0]
    if "D" in places.values() and size not in MIRRORED:
        del places["discriminator"]
        ignored += (f"network D: at {size} pixels it is no mirror of the generator, as it is here",)
        del states["D"]
    networks = {name: states[name] for name in dict.fromkeys(places.values())}
    for name, tensors in networks.items():
        made = places_in_training("D" if name == "D" else "G", settings)
        shapes = large_scale_files.shapes_of(made)
        check_tensors(as_here(tensors, settings), shapes, name)
    ignored += tuple(f"network {name}" for name in states if name not in networks)
    kind = f"state dicts of BigGAN-deep ({large_scale_files.PROGRAM})"
    return Published(kind, settings, networks, places, ignored, licence=large_scale_files.LICENCE)


def settings_of_training(tensors: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The arguments of `BigGANDeep` for the arrays of a published generator.

    Raises:
        ValueError: for one with other blocks.
    """
    number = sum(f"blocks.{block}.0.conv4.weight" in tensors for block in range(4 * MOST_DOUBLINGS))
    doublings = number // 2
    if number % 2 or not 1 <= doublings <= MOST_DOUBLINGS:
        raise ValueError(f"its generator has {number} blocks; BigGANDeep has two for each size.")
    num_classes, embedding_dim = tensors["shared.weight"].shape
    blocks, size = paper_blocks(doublings), START_SIZE * 2**doublings
    settings = {
        "image_shape": (size, size, len(tensors["output_layer.2.weight"])),
        "num_classes": num_classes,
        "latent_dim": tensors["linear.weight"].shape[1] - embedding_dim,
        "base_width": len(tensors["output_layer.0.gain"]) // blocks[-1][2],
        "embedding_dim": embedding_dim,
        "norm_epsilon": 1e-5,
    }
    after = [block for block in range(number) if f"blocks.{block}.1.gamma" in tensors]
    if len(after) > 1 or number - 1 in after:
        raise ValueError(
            f"it has attention after its blocks {after}; BigGANDeep has it after one but the last."
        )
    before = after[0] + 1 if after else None
    if before == paper_attention(doublings):
        return settings
    return {**settings, "blocks": blocks, "attention_before": before}


def as_here(
    tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any]
) -> Mapping[str, np.ndarray]:
    """Arrays of BigGAN-PyTorch in the order of ours; those of a discriminator as they are.

    The program puts the embedding of the class before the noise, and its last convolution has as
    many outputs as there are colors. More, of zeros, change neither colors nor singular values.
    """
    if "shared.weight" not in tensors:
        return tensors
    found = dict(tensors)
    for name, array in tensors.items():
        if re.fullmatch(r"linear\.weight|.*\.bn\d\.(gain|bias)\.weight", name):
            found[name] = np.roll(array, -settings["embedding_dim"], axis=1)
        elif re.fullmatch(r"output_layer\.2\.(weight|bias|u0)", name):
            axis = array.ndim - 1 if name.endswith("u0") else 0
            more = max(len(tensors["output_layer.0.gain"]) - array.shape[axis], 0)
            found[name] = np.pad(
                array, [(0, more if each == axis else 0) for each in range(array.ndim)]
            )
    return found


def places_in_training(kind: str, settings: Mapping[str, Any]) -> list[Place]:
    """Where the layers of a network of BigGAN-PyTorch belong, whose arrays are `as_here`.

    Args:
        kind: `"G"` or `"D"`.
        settings: arguments of `BigGANDeep`.
    """
    _, doublings = doublings_to(settings["image_shape"])
    channels = settings["image_shape"][2]
    blocks, attention = settings.get("blocks"), settings.get("attention_before")
    if blocks is None:
        blocks, attention = paper_blocks(doublings), paper_attention(doublings)
    ch, classes = settings["base_width"], settings["num_classes"]
    places = []

    def add_convolutions(theirs, ours, maps):
        for layer, size in enumerate((1, 3, 3, 1)):
            shape = (maps[layer + 1], maps[layer], size, size)
            places.append(Place(f"{theirs}.conv{layer + 1}", shape, f"{ours}_conv{layer}_sn", True))

    if kind == "D":
        places.append(
            Place("input_conv", (blocks[-1][2] * ch, channels, 3, 3), "from_image_sn", True)
        )
        for number, (_, more, less) in reversed(list(enumerate(blocks))):
            place = len(blocks) - 1 - number
            theirs, ours = f"blocks.{place // 2}.{place % 2}", f"block{place}"
            inputs, outputs = less * ch, more * ch
            hidden = outputs // REDUCTION
            add_convolutions(theirs, ours, (inputs, hidden, hidden, hidden, outputs))
            if outputs > inputs:
                shape = (outputs - inputs, inputs, 1, 1)
                places.append(Place(f"{theirs}.conv_sc", shape, f"{ours}_more_sn", True))
            if number == attention:
                name = f"blocks.{place // 2}.2"
                places += large_scale_files.attention_places(name, outputs, "attention")
        width = blocks[0][1] * ch
        places.append(Place("linear", (1, width), "logits_sn", True))
        places.append(Place("embed", (classes, width), "embedding_sn"))
        return places
    given = settings["latent_dim"] + settings["embedding_dim"]
    embeddings = classes, settings["embedding_dim"]
    places.append(Place("shared", embeddings, "embedding", kind="embedding"))
    places.append(Place("linear", (START_SIZE**2 * blocks[0][1] * ch, given), "project_sn", True))
    for number, (_, inputs, outputs) in enumerate(blocks):
        theirs, ours = f"blocks.{number}.0", f"block{number}"
        hidden = inputs * ch // REDUCTION
        maps = (inputs * ch, hidden, hidden, hidden, outputs * ch)
        add_convolutions(theirs, ours, maps)
        for layer in range(4):
            norm, at = f"{theirs}.bn{layer + 1}", f"{ours}_norm{layer}"
            places.append(Place(f"{norm}.gain", (maps[layer], given), f"{at}.gamma"))
            places.append(Place(f"{norm}.bias", (maps[layer], given), f"{at}.beta"))
            places.append(Place(norm, (maps[layer],), f"{at}.normalize", kind="statistics"))
        if number + 1 == attention:
            name = f"blocks.{number}.1"
            places += large_scale_files.attention_places(name, outputs * ch, "attention")
    last = blocks[-1][2] * ch
    places.append(Place("output_layer.0", (last,), "norm", kind="norm"))
    kernel = max(last, channels), last, 3, 3
    places.append(Place("output_layer.2", kernel, "to_image_sn", True))
    return places

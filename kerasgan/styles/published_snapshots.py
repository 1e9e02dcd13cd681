"""What StyleGAN2 and 3 have in common in the snapshots of NVIDIA's programs."""

import itertools
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from kerasgan.growing.networks import START_SIZE
from kerasgan.styles.networks import widths_by_resolution
from kerasgan.styles.published_files import resampling_filters
from kerasgan.training.official import (
    NVIDIA_LICENCE,
    Published,
    PublishedFile,
    gan_places,
    going_on,
)
from kerasgan.weight_files.snapshots import snapshot_settings, snapshot_tensors
from kerasgan.weight_files.trees import check_tensors

Tensors = Mapping[str, np.ndarray]
Shapes = dict[str, tuple[int, ...]]

MAPPING_RATE = 0.01  # of the mapping networks, relative to the others
WHOLE_BATCHES = "minibatch standard deviation of whole batches: of groups of 4 images"
# What networks have to be made with, if their file says it.
OPTIONS = {"activation": ("lrelu",), "output_scale": (0.25,)}


def published_snapshot(
    file: PublishedFile,
    network: str | None,
    kind: str,
    sign: str,
    settings_of: Callable[[Tensors], dict],
    shapes_of: Callable[[Tensors, Mapping], Shapes],
    options: Mapping[str, tuple] = OPTIONS,
) -> tuple[Published, int | None] | None:
    """What a snapshot holds.

    Args:
        file, network: as for `kerasgan.GenerativeModel.published_in`.
        kind: str, the program.
        sign: str, the name of a tensor that a generator of this kind has.
        settings_of: function from a generator's tensors to the arguments of the model.
        shapes_of: function from a generator's tensors and these to all shapes.
        options: the values that options of the program may have, which arrays do not show.

    Returns:
        None for another file; or a `Published` and the number of images in a group of the
        discriminator's standard deviation, None for the batch. Settings tell its architecture.

    Raises:
        ValueError: for a snapshot of this kind that cannot be had.
    """
    networks = snapshot_tensors(file.tree)
    if not any(sign in networks.get(name, {}) for name in ("G", "G_ema")):
        return None
    places = gan_places(networks, network)
    settings = settings_of(networks[places["generator"]])
    for name in {places["generator"], places["ema_generator"]}:
        check_tensors(networks[name], shapes_of(networks[name], settings), name)
    ignored = ["half precision: computed in float32"]
    group = 4
    if "D" in networks:
        check_tensors(networks["D"], shapes_of_discriminator(networks["D"], settings), "D")
        settings["discriminator_architecture"] = architecture_of(networks["D"], "", "fromrgb")
        own = snapshot_settings(file.tree, "D").get("epilogue_kwargs", {})
        group = own.get("mbstd_group_size", group)
        if group is not None and (not isinstance(group, int) or group < 1):
            raise ValueError(f"its discriminator says mbstd_group_size={group!r}.")
    ignored += [f"network {name}" for name in networks if name not in places.values()]
    ignored += [name for name in ("training_set_kwargs",) if name in file.tree]
    used: dict[str, Tensors] = {}
    for name in networks:
        if name in places.values():
            told = snapshot_settings(file.tree, name)
            check_options(told, options, name)
            used[name], remarks = with_usual_rate(networks[name], told, name)
            ignored += remarks
    kind = f"snapshot of {kind}"
    training = going_on(file.tree)
    found = Published(kind, settings, used, places, tuple(ignored), training, NVIDIA_LICENCE)
    return found, group


def check_options(told: Mapping[str, Any], options: Mapping[str, tuple], network: str) -> None:
    """Makes sure that a network was made with options that we have.

    Args:
        told: the arguments that it was made with; some are dicts of arguments of parts.
        options: the values that each may have.
        network: str, how the file calls it.

    Raises:
        ValueError: for another value.
    """
    parts = (told, *(part for part in told.values() if isinstance(part, dict)))
    for part, (option, accepted) in itertools.product(parts, options.items()):
        if part.get(option, accepted[0]) not in accepted:
            raise ValueError(
                f"{network} was made with {option}={part[option]!r}; a network is read only with "
                f"{' or '.join(map(repr, accepted))}."
            )


def with_usual_rate(
    tensors: Tensors, told: Mapping[str, Any], network: str
) -> tuple[Tensors, list[str]]:
    """Arrays with which the usual learning rate of the mapping network gives the same outputs.

    The program multiplies what it has learnt by the rate.

    Args:
        tensors: arrays of a network.
        told: the arguments that it was made with.
        network: str, how the file calls it.

    Returns:
        Arrays, and what to say of them.

    Raises:
        ValueError: for a rate that is no number above 0.
    """
    of_mapping = told.get("mapping_kwargs")
    rate = of_mapping.get("lr_multiplier", MAPPING_RATE) if isinstance(of_mapping, dict) else None
    if rate in (None, MAPPING_RATE):
        return tensors, []
    if not isinstance(rate, (int, float)) or not 0.0 < rate < math.inf:
        raise ValueError(f"{network} was made with lr_multiplier={rate!r}; it is above 0.")
    factor = np.float32(rate / MAPPING_RATE)
    scaled = {n: factor * a if n.startswith("mapping.fc") else a for n, a in tensors.items()}
    return scaled, [f"lr_multiplier={rate} of {network}: its mapping network learns with 0.01"]


def settings_of_mapping(tensors: Tensors) -> dict:
    """What a generator's mapping network says of the arguments of its model: dict."""
    depth = sum(re.fullmatch(r"mapping\.fc\d+\.weight", name) is not None for name in tensors)
    embedding = tensors.get("mapping.embed.weight")
    return {
        "latent_dim": len(tensors["mapping.w_avg"]),
        "num_classes": None if embedding is None else embedding.shape[1],
        "mapping_layers": depth,
    }


def architecture_of(tensors: Tensors, start: str, image: str) -> str:
    """The architecture of a network.

    Args:
        tensors: its arrays by name.
        start: what its blocks' names begin with.
        image: `"torgb"` or `"fromrgb"`.
    """
    if f"{start}b4.{image}.weight" in tensors:
        return "skip"
    return "resnet" if f"{start}b8.skip.weight" in tensors else "orig"


def widths_of(settings: Mapping) -> dict[int, int]:
    """Feature maps by resolution: dict."""
    names = ("image_shape", "base_width", "max_width")
    return widths_by_resolution(*(settings[name] for name in names))


def shapes_of_discriminator(
    tensors: Mapping[str, np.ndarray], settings: Mapping
) -> dict[str, tuple[int, ...]]:
    """The shapes of the arrays of a published discriminator, with the generator's settings."""
    size, _, channels = settings["image_shape"]
    architecture = architecture_of(tensors, "", "fromrgb")
    widths = widths_of(settings)
    shapes: dict[str, tuple[int, ...]] = {}
    for resolution, width in widths.items():
        if resolution == size or architecture == "skip":
            shapes[f"b{resolution}.fromrgb.weight"] = (width, channels, 1, 1)
            shapes[f"b{resolution}.fromrgb.bias"] = (width,)
        if resolution == START_SIZE:
            continue
        after = widths[resolution // 2]
        for name, outputs in (("conv0", width), ("conv1", after)):
            shapes[f"b{resolution}.{name}.weight"] = (outputs, width, 3, 3)
            shapes[f"b{resolution}.{name}.bias"] = (outputs,)
        if architecture == "resnet":
            shapes[f"b{resolution}.skip.weight"] = (after, width, 1, 1)
    width = widths[START_SIZE]
    outputs = 1 if settings["num_classes"] is None else width
    shapes |= {"b4.conv.weight": (width, width + 1, 3, 3), "b4.conv.bias": (width,)}
    shapes |= {"b4.fc.weight": (width, width * START_SIZE**2), "b4.fc.bias": (width,)}
    shapes |= {"b4.out.weight": (outputs, width), "b4.out.bias": (outputs,)}
    if settings["num_classes"] is not None:
        shapes |= shapes_of_mapping(settings, 0, width, 8)
    return shapes | dict.fromkeys(resampling_filters(tensors), (4, 4))


def shapes_of_mapping(
    settings: Mapping, latent_dim: int, width: int, depth: int
) -> dict[str, tuple[int, ...]]:
    """The shapes of the arrays of a mapping network.

    Args:
        settings: of which `num_classes` counts.
        latent_dim: int, length of z, 0 for none.
        width, depth: ints, of its layers.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    inputs = latent_dim
    if settings["num_classes"] is not None:
        shapes["mapping.embed.weight"] = (width, settings["num_classes"])
        shapes["mapping.embed.bias"] = (width,)
        inputs += width
    for number in range(depth):
        shapes[f"mapping.fc{number}.weight"] = (width, inputs)
        shapes[f"mapping.fc{number}.bias"] = (width,)
        inputs = width
    return shapes

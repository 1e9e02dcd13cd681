"""What files of pytorch-CycleGAN-and-pix2pix hold: state dicts, one a network."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasgan.layers.patch_gan import STRIDED_LAYERS
from kerasgan.training.official import PublishedFile

LICENCE = "a BSD licence"
MOST_LAYERS = 64
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
NAMES = r"(?:.*_net_|net_)?(G|D|G_A|G_B|D_A|D_B)"

Tensors = Mapping[str, np.ndarray]


class PublishedLayer(NamedTuple):
    """A layer of a published network and of ours.

    Attributes:
        ours, theirs: str, their names.
        shape: that of the published weight.
        bias: the length of its bias, or None.
    """

    ours: str
    theirs: str
    shape: tuple[int, ...]
    bias: int | None


def published_states(file: PublishedFile) -> dict[str, dict[str, np.ndarray]]:
    """The state dicts of a file, or of the newest files of a folder of checkpoints.

    Returns:
        dict from the name of a network that the file's name ends in, `G`, `D`, `G_A`, ..., or else
        `""`, to its arrays by name, without statistics of batches; empty for another file.
    """
    if not isinstance(file.tree, dict):
        return {}
    trees = file.tree if file.path.is_dir() else {file.path.stem: file.tree}
    found = {}
    for stem, tree in trees.items():
        state = state_of(tree)
        if state is not None:
            name = re.fullmatch(NAMES, stem)
            found["" if name is None else name[1]] = state
    return found


def state_of(tree: Any) -> dict[str, np.ndarray] | None:
    """The arrays of a state dict by name; None for anything else."""
    if not isinstance(tree, dict) or not tree:
        return None
    if not all(isinstance(value, np.ndarray) for value in tree.values()):
        return None
    several_gpus = all(name.startswith("module.") for name in tree)
    return {n.removeprefix("module.") if several_gpus else n: a for n, a in tree.items()}


def without_statistics(tensors: Tensors) -> tuple[dict[str, np.ndarray], list[str]]:
    """Arrays without running statistics, and what to say of those."""
    kept = {n: a for n, a in tensors.items() if not n.endswith(STATISTICS)}
    said = ["running statistics: each image is normalized by its own"]
    return kept, said if len(kept) < len(tensors) else []


def is_patch_discriminator(tensors: Tensors, normalized: bool) -> bool:
    """Whether arrays are those of a PatchGAN, whose normalization has a scale or not."""
    for start, size in (("model", 4), ("net", 1)):
        first = tensors.get(f"{start}.0.weight", np.empty(0))
        if first.ndim == 4 and first.shape[2:] == (size, size) and f"{start}.2.weight" in tensors:
            return (f"{start}.3.weight" in tensors) == normalized
    return False


def channels_seen(tensors: Tensors) -> int:
    """How many channels the images of a published PatchGAN have."""
    return tensors["net.0.weight" if "net.0.weight" in tensors else "model.0.weight"].shape[1]


def patch_layers(tensors: Tensors, normalized: bool) -> tuple[dict, list[PublishedLayer]]:
    """The arguments of `patch_discriminator` for a published one, and its layers.

    Args:
        tensors: its arrays.
        normalized: whether normalization has a scale and a bias, and convolutions then have none.

    Raises:
        ValueError: for another network.
    """
    if "net.0.weight" in tensors:
        return pixel_layers(tensors, normalized)
    width, channels = tensors["model.0.weight"].shape[:2]
    strided = sum(f"model.{2 + 3 * n}.weight" in tensors for n in range(MOST_LAYERS)) - 1
    fields = {layers: field for field, layers in STRIDED_LAYERS.items() if layers}
    if strided not in fields:
        raise ValueError(f"its discriminator has {strided} layers of stride 2; use 1 to 5.")
    widths = [width * min(2**n, 8) for n in range(strided + 1)]
    layers = [PublishedLayer("conv0", "model.0", (width, channels, 4, 4), width)]
    for number in range(1, strided + 1):
        before, after, place = *widths[number - 1 : number + 1], 3 * number - 1
        bias = None if normalized else after
        shape = (after, before, 4, 4)
        layers.append(PublishedLayer(f"conv{number}", f"model.{place}", shape, bias))
        if normalized:
            norm = (f"norm{number}", f"model.{place + 1}", (after,), after)
            layers.append(PublishedLayer(*norm))
    last = (1, widths[-1], 4, 4)
    layers.append(PublishedLayer("logits", f"model.{2 + 3 * strided}", last, 1))
    return {"receptive_field": fields[strided], "base_width": width}, layers


def pixel_layers(tensors: Tensors, normalized: bool) -> tuple[dict, list[PublishedLayer]]:
    """`patch_layers` of a discriminator that judges each pixel by itself."""
    width, channels = tensors["net.0.weight"].shape[:2]
    # With a normalization that has a bias, neither this layer nor the last has one.
    bias = None if normalized else 2 * width
    layers = [
        PublishedLayer("conv0", "net.0", (width, channels, 1, 1), width),
        PublishedLayer("conv1", "net.2", (2 * width, width, 1, 1), bias),
        PublishedLayer("logits", "net.5", (1, 2 * width, 1, 1), None if normalized else 1),
    ]
    if normalized:
        layers.insert(2, PublishedLayer("norm1", "net.3", (2 * width,), 2 * width))
    return {"receptive_field": 1, "base_width": width}, layers


def check_norm(tensors: Tensors, layers: Iterable[PublishedLayer], network: str, norm: str) -> None:
    """Makes sure that a network was made with the option that its model has.

    Args:
        tensors: its arrays.
        layers: those of a network with this option.
        network: str, how the file calls it.
        norm: str, the option: with `"batch"` normalization has scales, with `"instance"` there are
            biases before it.

    Raises:
        ValueError: for a network that was made with another one.
    """
    needed = [f"{layer.theirs}.bias" for layer in layers if layer.bias is not None]
    missing = [name for name in needed if name not in tensors]
    if missing:
        raise ValueError(
            f"{network} lacks {', '.join(missing[:3])}; it has to be made with --norm {norm}, "
            "which is the program's default for this model."
        )


def shapes_of(layers: Iterable[PublishedLayer]) -> dict[str, tuple[int, ...]]:
    """The shapes of the arrays of published layers, by name."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in layers:
        shapes[f"{layer.theirs}.weight"] = layer.shape
        if layer.bias is not None:
            shapes[f"{layer.theirs}.bias"] = (layer.bias,)
    return shapes


def load_layers(network: keras.Model, layers: Iterable[PublishedLayer], tensors: Tensors) -> None:
    """Gives our network's layers the arrays of the published ones."""
    for layer in layers:
        weight = tensors[f"{layer.theirs}.weight"]
        # Of convolutions (out, in, ...) to (..., in, out), of transposed ones the other way round.
        arrays = [weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight]
        if layer.bias is not None:
            arrays.append(tensors[f"{layer.theirs}.bias"])
        ours = network.get_layer(layer.ours)
        if len(ours.weights) > len(arrays):
            arrays.append(np.zeros(ours.weights[-1].shape, "float32"))  # a bias that theirs has not
        ours.set_weights(arrays)

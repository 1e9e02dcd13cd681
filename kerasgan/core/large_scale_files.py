"""What files of BigGAN-PyTorch hold: state dicts of both BigGANs, one a network."""

import re
from collections.abc import Iterable, Mapping

import keras
import numpy as np

from kerasgan.core.large_scale_gan import Place
from kerasgan.training.official import PublishedFile

PROGRAM, LICENCE = "BigGAN-PyTorch", "the MIT licence"
NETWORKS = r"(G_ema|G|D)(?:_.*)?"
# Counters, singular values that are only logged, and vectors of more than the largest.
UNUSED = r".*\.(num_batches_tracked|accumulation_counter|sv\d+|u[1-9]\d*)"
START_SIZE = 4

Tensors = Mapping[str, np.ndarray]


def published_states(
    file: PublishedFile, last: str
) -> tuple[dict[str, dict[str, np.ndarray]], tuple[str, ...]]:
    """The networks of a file, or of the files of a folder: `G`, `G_ema` and `D`, if they are there.

    Args:
        file: `PublishedFile`.
        last: str, the last convolution of a block of the model: `"conv2"` or `"conv4"`.

    Returns:
        dict from these names to arrays by name, without those that nothing needs, empty for another
        file; and remarks.

    Raises:
        ValueError: for networks without spectral normalization.
    """
    if not isinstance(file.tree, dict):
        return {}, ()
    trees = file.tree if file.path.is_dir() else {file.path.stem: file.tree}
    found: dict[str, dict[str, np.ndarray]] = {}
    remarks: tuple[str, ...] = ()
    for stem, tree in trees.items():
        if not isinstance(tree, dict) or _last_convolution(tree) != last:
            continue
        if not all(isinstance(array, np.ndarray) for array in tree.values()):
            continue
        named = re.fullmatch(NETWORKS, stem)
        name = named[1] if named else "D" if "embed.weight" in tree else "G_ema"
        if "linear.u0" not in tree:
            raise ValueError(
                f"{name} has no linear.u0, so it is without spectral normalization, which a BigGAN "
                "has in all layers."
            )
        if "output_layer.0.bn.running_mean" in tree:
            remarks = (
                "gains are added by the program outside of training on several GPUs: multiplied",
            )
        arrays = {
            re.sub(r"\.bn\.(running|stored)_", ".stored_", key): array
            for key, array in tree.items()
            if not re.fullmatch(UNUSED, key)
        }
        found.setdefault(name, arrays)
    return found, remarks


def _last_convolution(tree):
    """That of the first block, in a network of one of the two models."""
    if "linear.weight" not in tree or not {"embed.weight", "output_layer.2.weight"} & set(tree):
        return None
    names = (f"conv{number}" for number in (4, 2) if f"blocks.0.0.conv{number}.weight" in tree)
    return next(names, None)


def attention_places(theirs: str, width: int, ours: str) -> list[Place]:
    """Where the layers of attention belong.

    Args:
        theirs, ours: str, its names.
        width: int, its feature maps.
    """
    places = [
        Place(f"{theirs}.{name}", (outputs, inputs, 1, 1), f"{ours}.{at}")
        for name, at, inputs, outputs in (
            ("theta", "g", width, width // 8),
            ("phi", "f", width, width // 8),
            ("g", "h", width, width // 2),
            ("o", "v", width // 2, width),
        )
    ]
    return [*places, Place(f"{theirs}.gamma", (), f"{ours}.gamma", kind="gamma")]


def shapes_of(places: Iterable[Place]) -> dict[str, tuple[int, ...]]:
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


def load(place: Place, network: keras.Model, tensors: Tensors) -> None:
    """Assigns the published arrays to our layer at a place."""
    ours = place.within(network)

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
        case "gain":  # which the program adds to 1
            ours.set_weights([1.0 + array("weight")])
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

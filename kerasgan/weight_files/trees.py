"""What is in the trees that files of weights are read as."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kerasgan.weight_files.pickles import Record

MOST_MODULES = 20_000  # of a network and within each other
MOST_DEPTH = 32


def module_tensors(network: Record) -> dict[str, np.ndarray]:
    """The parameters and buffers of a network of PyTorch, by its own names.

    Args:
        network: a `Record` that has what a PyTorch module has: dicts `_parameters`, `_buffers` and
            `_modules`.

    Returns:
        dict from names such as `synthesis.b8.conv0.weight` to arrays.

    Raises:
        ValueError: for something else, or modules within each other without end.
    """
    found: dict[str, np.ndarray] = {}
    waiting: list[tuple[tuple[str, ...], Any]] = [((), network)]
    seen = 0
    while waiting:
        path, module = waiting.pop()
        seen += 1
        if seen > MOST_MODULES or len(path) > MOST_DEPTH:
            raise ValueError("has modules that contain each other without end; it is damaged.")
        parts: dict[str, Any] = {}
        for kind in ("_parameters", "_buffers", "_modules"):
            parts[kind] = module.state.get(kind, {}) if isinstance(module, Record) else None
            if not isinstance(parts[kind], dict):
                raise ValueError(f"has no {kind} where a module has them; it is damaged.")
        for name, value in (*parts["_parameters"].items(), *parts["_buffers"].items()):
            if value is None:
                continue
            if not isinstance(value, np.ndarray):
                raise ValueError(f"has {name[:100]!r}, which is not an array; it is damaged.")
            found[".".join((*path, name))] = value
        modules = [((*path, n), m) for n, m in parts["_modules"].items() if m is not None]
        waiting.extend(reversed(modules))
    return found


def check_tensors(
    tensors: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]], network: str
) -> None:
    """Makes sure that a network of a file is the one that was recognized in it.

    Models are only made of files that were checked: a small file could describe a huge network.

    Args:
        tensors: arrays by name.
        shapes: what the network has to have, by name.
        network: str, how the file calls it.

    Raises:
        ValueError: when a tensor is missing, of another shape, no floats, or not finite; or when
            there are others.

    Example:

    >>> tensors = {"dense.weight": np.zeros((2, 3), "float32")}
    >>> kerasgan.weight_files.check_tensors(tensors, {"dense.weight": (2, 3)}, "the generator")
    """
    for names, what in (
        (set(shapes) - set(tensors), "lacks"),
        (set(tensors) - set(shapes), "has the unknown"),
    ):
        if names:
            raise ValueError(f"{network} {what} {', '.join(n[:100] for n in sorted(names)[:3])}.")
    for name, shape in shapes.items():
        array = tensors[name]
        if array.shape != tuple(shape):
            raise ValueError(
                f"{network} has {name[:100]} of shape {array.shape}, not {tuple(shape)}."
            )
        if array.dtype.kind != "f" or not np.all(np.isfinite(array)):
            raise ValueError(f"{network} has {name[:100]} with values that are not finite floats.")

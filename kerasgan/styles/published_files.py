"""The names, orders and filters of the published StyleGAN2 and 3 files, and what is theirs here."""

import re
from collections.abc import Mapping

import keras
import numpy as np

from kerasgan.growing.networks import START_SIZE
from kerasgan.layers.styled_generator import StyledGenerator


def resampling_filters(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The filter [1, 3, 3, 1] under each name of a filter of resampling in a published network."""
    published = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64.0
    return {name: published for name in tensors if name.endswith("resample_filter")}


def assign_published(
    places: Mapping[str, keras.Variable],
    tensors: Mapping[str, np.ndarray],
    filters: Mapping[str, np.ndarray],
) -> None:
    """Gives variables what a published network has for them; see `load_published`.

    Args:
        places: from the names of the published program to variables.
        tensors: from these names to arrays.
        filters: what `tensors` may have, or not, which no variable takes: the numbers that it has
            to have.
    """
    missing, unknown = set(places) - set(tensors), set(tensors) - set(places) - set(filters)
    if missing or unknown:
        what = "lacks" if missing else "has what this network does not have,"
        raise ValueError(
            f"tensors {what} {', '.join(sorted(missing or unknown)[:3])}; use a model with the "
            "architecture, sizes and classes of the published one."
        )
    for name in set(filters) & set(tensors):
        found, ours = np.asarray(tensors[name]), filters[name]
        if found.shape != ours.shape or not np.allclose(found, ours, atol=1e-6):
            raise ValueError(
                f"tensors has {name}, which is not the filter of this network; use a model with "
                "the settings of the published one."
            )
    arrays = {}
    for name, variable in places.items():
        array = as_ours(name, np.asarray(tensors[name], "float32"))
        if array.shape != tuple(variable.shape):
            raise ValueError(
                f"tensors has {name} of shape {np.shape(tensors[name])}, but this network's "
                f"weight has {tuple(variable.shape)}; use a model of the published sizes."
            )
        arrays[name] = array
    for name, variable in places.items():
        variable.assign(arrays[name])


def places_in_layers(network: keras.Model) -> dict[str, keras.Variable]:
    """Where each tensor of a published network of plain layers belongs; see `assign_published`."""
    places = {}
    for layer in network.layers:
        inner = getattr(layer, "layer", None)
        if inner is None:
            continue
        name = re.sub(r"^(b\d+)_", r"\1.", inner.name)
        if network.name != "mapping" and "." not in name:
            name = f"mapping.{name}"  # the discriminator's, of labels
        places[f"{name}.weight"] = inner.kernel
        if inner.use_bias:
            places[f"{name}.bias"] = inner.bias
    return places


def places_in_mapping(network: StyledGenerator) -> dict[str, keras.Variable]:
    """The same of a generator's mapping network, and of the mean of its styles."""
    places = {f"mapping.{name}": v for name, v in places_in_layers(network.mapping).items()}
    return {**places, "mapping.w_avg": network.mean}


def as_ours(name: str, array: np.ndarray) -> np.ndarray:
    """A published tensor, channels before sizes, in the order of ours.

    Args:
        name: str, its published name.
        array: float array.
    """
    if name.endswith("noise_const"):
        return array[None, :, :, None]
    if name.endswith(".const"):
        return array.transpose(1, 2, 0)[None]
    if name == "b4.fc.weight":  # of features that were flattened channels first
        maps = array.reshape(len(array), -1, START_SIZE, START_SIZE)
        return maps.transpose(2, 3, 1, 0).reshape(-1, len(array))
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    return array.T if array.ndim == 2 else array

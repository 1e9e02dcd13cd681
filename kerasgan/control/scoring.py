"""Scores of images by functions of the user: one attribute, or several."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from kerasgan.checks.images import as_numpy

# Functions of images (n, height, width, channels) in [-1, 1].
Scores: TypeAlias = Callable | Mapping[str, Callable]
AT_ONCE = 256


def scored(scores: Scores, images: np.ndarray, varied: bool = True) -> dict[str, np.ndarray]:
    """Computes the scores of images.

    Args:
        scores: dict from names to functions from images to n numbers or bools; or one such
            function, or a function from images to a dict of such results.
        images: float array (n, height, width, channels).
        varied: whether to reject an attribute that is the same for all images.

    Returns:
        dict from names to arrays (n,), float64 or bool.

    Raises:
        ValueError: for another result, for NaN, or for an attribute that is the same for all
            images.
    """
    if isinstance(scores, Mapping) and scores:
        functions = dict(scores)
    elif callable(scores):
        name = getattr(scores, "__name__", "")  # which a lambda has, too
        functions = {name if name.isidentifier() else "score": scores}
    else:
        raise ValueError(
            f"scores={scores!r}; use a function of images, or a dict from names to such functions."
        )
    for name, function in functions.items():
        if not callable(function):
            raise ValueError(f"scores: {name!r} is {function!r}; use a function of images.")
    found: dict[str, list] = {}
    for start in range(0, len(images), AT_ONCE):
        some = images[start : start + AT_ONCE]
        for name, function in functions.items():
            values = function(some)
            values = values if isinstance(values, Mapping) else {name: values}
            for own_name, value in values.items():
                found.setdefault(str(own_name), []).append(_checked(value, own_name, len(some)))
    arrays = {name: np.concatenate(parts) for name, parts in found.items()}
    for name, values in arrays.items():
        if not np.all(np.isfinite(values)):
            raise ValueError(f"scores: {name!r} is NaN or infinite for some of the images.")
        if varied and np.all(values == values[0]):
            raise ValueError(
                f"scores: {name!r} is {values[0]} for all {len(values)} images; use more "
                "num_points, or leave it out."
            )
    return arrays


def _checked(values, name, count):
    values = np.asarray(as_numpy(values))
    if values.shape == (count, 1):
        values = values[:, 0]
    if values.shape != (count,) or values.dtype.kind not in "biuf":
        raise ValueError(
            f"scores: {name!r} returns {values.dtype} of shape {values.shape} for {count} images; "
            f"it has to return one number or bool for each, shape ({count},)."
        )
    return values if values.dtype == bool else values.astype("float64")

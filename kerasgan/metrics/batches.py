"""Checks the inputs of metrics and reports, and reads those of reports block by block."""

import os

import keras
import numpy as np

from kerasgan import checks
from kerasgan.metrics.features import Extractor, extractor

BLOCK = 256  # images at a time


def blocks(data, what, shape=None, wants=None):
    """Reads all of the data once.

    Args:
        data: images (n, height, width, channels), a tuple (images, labels) of arrays, or an
            iterable of batches of either, such as `kerasgan.data.load` returns.
        what: str that names the images in errors, such as "the reference images".
        shape: (height, width, channels) that the images must have; None for that of the first
            image.
        wants: str that says in errors whose shape that is.

    Yields:
        Pairs of float32 images (at most 256, height, width, channels) in [-1, 1] and int64 labels,
        which are None without labels.

    Raises:
        ValueError: for fewer than two images, for other shapes, types or values, and for labels
            that are not one whole number per image.
    """
    is_arrays = hasattr(data, "shape") or (isinstance(data, tuple) and hasattr(data[0], "shape"))
    count = 0
    for batch in [data] if is_arrays else data:
        images, labels, _ = keras.utils.unpack_x_y_sample_weight(batch)
        images = np.asarray(checks.as_numpy(images))
        if images.ndim != 4:
            raise ValueError(f"{what} have shape {images.shape}; use (n, height, width, channels).")
        if labels is not None:
            labels = checked_labels(labels, len(images), what)
        if shape is None:
            shape, wants = images.shape[1:], "the first of them have"
        checks.check_images(images, what, shape, wants)
        for start in range(0, len(images), BLOCK):
            rows = slice(start, start + BLOCK)
            yield images[rows].astype("float32"), None if labels is None else labels[rows]
        count += len(images)
    if count < 2:
        raise ValueError(
            f"{what} are only {count}; a comparison needs at least 2, and better thousands."
        )


def checked(examples, what):
    """Checks and converts examples for a metric: float32 images, or float32 or float64 vectors.

    Args:
        examples: tensor or array (n, height, width, channels) in [-1, 1], or (n, d) of any range.
        what: str that names them in errors.

    Raises:
        ValueError: for another shape, whole numbers, NaN, and images outside of [-1, 1].
    """
    array = np.asarray(checks.as_numpy(examples))
    shape = array.shape
    if len(shape) not in (2, 4) or 0 in shape[1:]:
        raise ValueError(
            f"{what} have shape {shape}; give an array (n, height, width, channels), or (n, d) for "
            "vectors."
        )
    checks.check_images(array, what)
    # Vectors far from 0 lie close together, and float32 may not tell them apart.
    kept = (np.float32, np.float64) if len(shape) == 2 else (np.float32,)
    return array if array.dtype in kept else array.astype("float32")


def checked_pair(real, fake, what):
    """Checks and converts pairs of images for a metric: two float32 arrays of one shape.

    Args:
        real, fake: as for `checked`.
        what: str that names the metric in errors.

    Raises:
        ValueError: as `checked`, and when the two differ in number or size.
    """
    real, fake = checked(real, "the real images"), checked(fake, "the generated images")
    if real.shape != fake.shape:
        raise ValueError(
            f"{what} compares images in pairs, but the real ones have shape {real.shape} and the "
            f"generated ones {fake.shape}; give the same number of each, and one size for all."
        )
    return real, fake


def checked_labels(labels, count, what):
    """Labels as an int64 array (count,); raises a ValueError for other labels."""
    labels = np.asarray(checks.as_numpy(labels))
    checks.check_labels(labels, f"the labels of {what}", count=count)
    return labels.astype("int64")


def outputs(network, images, output):
    """The outputs of a network for a block of images, as an array (n, d).

    Args:
        network: what `kerasgan.metrics.features.extractor` takes, or a function of images.
        images: float32 (n, height, width, channels) in [-1, 1].
        output: `"features"` or `"logits"`, for a network that has both; a network with a single
            output returns that.
    """
    if isinstance(network, (str, os.PathLike, keras.Model, Extractor)):
        look = extractor(network)
        several = isinstance(getattr(look.network, "output", None), dict)
        return look(images, output if several else "features")
    return keras.ops.convert_to_numpy(network(images))

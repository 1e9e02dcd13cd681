"""What metrics and reports are given: checked, and for reports read block by block."""

import os

import keras
import numpy as np

from kerasgan.core.images import float_images
from kerasgan.metrics.features import Extractor, extractor

BLOCK = 256  # images at a time


def blocks(data, what, shape=None, wants=None):
    """Reads all of the data once.

    Args:
        data: images (n, height, width, channels), a tuple (images, labels) of arrays, or an
            iterable of batches of either, such as `kerasgan.data.load` returns.
        what: str that names the images in an error, such as "the reference images".
        shape: (height, width, channels) that the images must have, None for that of the first.
        wants: str that says in an error whose shape that is.

    Yields:
        Pairs of float32 (at most 256, height, width, channels) in [-1, 1] and int64 labels, or
        None where there are none.

    Raises:
        ValueError: for fewer than two images, other shapes, types or values, for labels that are
            not one whole number for each image.
    """
    is_arrays = hasattr(data, "shape") or (isinstance(data, tuple) and hasattr(data[0], "shape"))
    count = 0
    for batch in [data] if is_arrays else data:
        images, labels, _ = keras.utils.unpack_x_y_sample_weight(batch)
        images = keras.ops.convert_to_numpy(images)
        if images.ndim != 4:
            raise ValueError(f"{what} have shape {images.shape}; use (n, height, width, channels).")
        if labels is not None:
            labels = checked_labels(labels, len(images), what)
        if shape is None:
            shape, wants = images.shape[1:], "the first of them have"
        for start in range(0, len(images), BLOCK):
            rows = slice(start, start + BLOCK)
            block = checked(float_images(images[rows], shape, what, wants), what)
            yield block, None if labels is None else labels[rows]
        count += len(images)
    if count < 2:
        raise ValueError(f"{what} are {count}; a comparison needs at least 2, better thousands.")


def checked(examples, what):
    """Examples as a metric takes them: a float32 array of images or of vectors.

    Args:
        examples: tensor or array (n, height, width, channels) in [-1, 1], or (n, d) of any range.
        what: str that names them in an error.

    Raises:
        ValueError: for another shape, whole numbers, NaN, and images outside of [-1, 1].
    """
    array = examples if isinstance(examples, np.ndarray) else keras.ops.convert_to_numpy(examples)
    if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
        raise ValueError(
            f"{what} are {array.dtype}; metrics take float images in [-1, 1]: images / 127.5 - 1 "
            "of whole numbers from 0 to 255."
        )
    if array.ndim not in (2, 4) or (array.ndim == 4 and 0 in array.shape[1:]):
        raise ValueError(
            f"{what} have shape {array.shape}; give (n, height, width, channels), or (n, d) for "
            "vectors."
        )
    # Without a copy where none is needed: an extractor knows an array again by its identity.
    array = array if array.dtype == np.float32 else array.astype("float32")
    if not len(array):
        return array
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"{what} hold NaN or infinite numbers.")
    if array.ndim == 4 and (low < -1.01 or high > 1.01):
        raise ValueError(
            f"{what} go from {low:.4g} to {high:.4g}; metrics take images in [-1, 1] "
            "(images / 127.5 - 1 of 0..255, 2 * images - 1 of 0..1)."
        )
    return array


def checked_labels(labels, count, what):
    """Labels as int64 array (count,), or a ValueError."""
    labels = keras.ops.convert_to_numpy(labels)
    if labels.shape != (count,) or labels.dtype.kind not in "iu" or labels.min(initial=0) < 0:
        raise ValueError(
            f"the labels of {what} are {labels.dtype} of shape {labels.shape}; use whole numbers "
            f"from 0, one for each of the {count} images."
        )
    return labels.astype("int64")


def outputs(network, images, output):
    """What a network makes of a block of images, as an array (n, d).

    Args:
        network: what `kerasgan.metrics.features.extractor` takes, or a function of images.
        images: float32 (n, height, width, channels) in [-1, 1].
        output: `"features"` or `"logits"`, of a network that has both; one with a single output
            gives that.
    """
    if isinstance(network, (str, os.PathLike, keras.Model, Extractor)):
        look = extractor(network)
        several = isinstance(getattr(look.network, "output", None), dict)
        return look(images, output if several else "features")
    return keras.ops.convert_to_numpy(network(images))

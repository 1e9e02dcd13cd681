"""What the reports take: images, or what `fit` takes, read block by block and checked."""

import keras
import numpy as np

from kerasgan import backend
from kerasgan.core.images import float_images

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
            block = checked_images(images[rows], what, shape, wants)
            yield block, None if labels is None else labels[rows]
        count += len(images)
    if count < 2:
        raise ValueError(f"{what} are {count}; a comparison needs at least 2, better thousands.")


def checked_images(images, what, shape, wants):
    """Images as float32 array of this shape in [-1, 1], or a ValueError."""
    images = keras.ops.convert_to_numpy(float_images(images, shape, what, wants))
    if not np.all(np.isfinite(images)):
        raise ValueError(f"{what} hold NaN or infinite values.")
    low, high = images.min(initial=0.0), images.max(initial=0.0)
    # Half precision and resizing round a little beyond the ends.
    if low < -1.01 or high > 1.01:
        raise ValueError(
            f"{what} have values from {low:.3g} to {high:.3g}; use float images in [-1, 1]. "
            "kerasgan.data.from_array(images) converts 0..255 integers."
        )
    return images


def checked_labels(labels, count, what):
    """Labels as int64 array (count,), or a ValueError."""
    labels = keras.ops.convert_to_numpy(labels)
    if labels.shape != (count,) or labels.dtype.kind not in "iu" or labels.min(initial=0) < 0:
        raise ValueError(
            f"the labels of {what} are {labels.dtype} of shape {labels.shape}; use whole numbers "
            f"from 0, one for each of the {count} images."
        )
    return labels.astype("int64")


def outputs(network, images):
    """What a Keras model or a function makes of a block of images, as an array."""
    if isinstance(network, keras.Model):
        return backend.predict(network, images)
    return keras.ops.convert_to_numpy(network(images))

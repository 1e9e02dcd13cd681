"""What a model checks of the images that it is given, and images as files have them."""

import keras
import numpy as np
from keras import ops


def to_uint8(images):
    """Images in [-1, 1] as uint8 in 0..255."""
    return np.clip(np.round((np.asarray(images) + 1.0) * 127.5), 0, 255).astype("uint8")


def float_images(images, shape, what, wants):
    """The images of a batch as float32.

    Args:
        images: tensor (batch, ...).
        shape: what each must have; None in it for any.
        what: str that names them in an error, such as "the real images".
        wants: str that says in an error whose shape that is.

    Raises:
        ValueError: for integers, for another shape.
    """
    dtype = keras.backend.standardize_dtype(images.dtype)
    if not keras.backend.is_float_dtype(dtype):
        raise ValueError(
            f"{what} are {dtype}; use float images in [-1, 1]. "
            "kerasgan.data.from_array(images) converts 0..255 integers."
        )
    found = tuple(images.shape[1:])
    if len(found) != len(shape) or any(
        wanted is not None and wanted != has for wanted, has in zip(shape, found, strict=True)
    ):
        raise ValueError(
            f"{what} have shape {found}, {wants} {tuple(shape)}; resize the data (kerasgan.data: "
            "image_size=...) or give the model that image_shape."
        )
    return ops.cast(images, "float32")

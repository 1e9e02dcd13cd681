"""Images and labels: whether they are what a model can be trained on."""

import keras
import numpy as np
from keras import ops

LARGEST = 1.01  # what rounding makes of 1
BLOCK = 256  # images at a time: whole arrays can be as large as the memory


def check_images(images, what, shape=None, wants="others have"):
    """Makes sure that images, or vectors, are what networks and metrics take.

    Args:
        images: array or tensor (batch, height, width, channels) in [-1, 1], or (batch, n) of any
            range. Of a tensor in a graph, or of its specification, type and shape are checked; of a
            NumPy array the values, too.
        what: str that names them in an error, such as "the real images".
        shape: what each must have, None in it for any; or None.
        wants: str that says in an error whose shape that is.

    Returns:
        The lowest and the highest value, or None where there are no values.

    Raises:
        ValueError: for something else than floating-point numbers of that shape, NaN, infinite
            numbers, and images outside of [-1, 1].
    """
    if not (hasattr(images, "shape") and hasattr(images, "dtype")):
        raise ValueError(f"{what} are {_described(images)}")
    dtype = dtype_name(images)
    if not dtype.startswith(("float", "bfloat")):
        raise ValueError(
            f"{what} are {dtype}; use float images in [-1, 1]. For integers from 0 to 255 compute "
            "images / 127.5 - 1, as kerasgan.data.from_array(images) does."
        )
    if _rank(images) is None:
        return None
    found = tuple(images.shape[1:])
    if shape is not None and not _fits(found, shape):
        raise ValueError(
            f"{what} have shape {found}, {wants} {tuple(shape)}; "
            f"{_shape_advice(found, tuple(shape))}."
        )
    if not isinstance(images, np.ndarray) or not images.size:
        return None
    return _check_values(images, what)


def _check_values(images, what):
    # No copy is made, and NaN is the lowest of whatever there is.
    ends = [
        (start, block.min(), block.max())
        for start in range(0, len(images), BLOCK)
        for block in [images[start : start + BLOCK]]
    ]
    for start, low, high in ends:
        if not (np.isfinite(low) and np.isfinite(high)):
            block = images[start : start + BLOCK].astype("float32")
            wrong = ~np.isfinite(block).reshape(len(block), -1).all(axis=1)
            raise ValueError(
                f"{what} hold NaN or infinite numbers, first in image "
                f"{start + int(np.argmax(wrong))} of {len(images)} (counted from 0); check the "
                "data."
            )
    low = float(min(low for _, low, _ in ends))
    high = float(max(high for _, _, high in ends))
    if images.ndim == 4 and (low < -LARGEST or high > LARGEST):
        raise ValueError(
            f"{what} go from {low:.4g} to {high:.4g}; use images in [-1, 1]: images / 127.5 - 1 "
            "for values in 0..255, 2 * images - 1 for values in 0..1."
        )
    return low, high


def limits(shape):
    """The lowest and the highest value of images, or of vectors, of this shape."""
    bound = LARGEST if len(shape) == 3 else float(np.finfo("float32").max)
    return -bound, bound


def check_scale(low, high, what):
    """Refuses images in 0..1, which lie in [-1, 1], too, but never are below 0.

    Args:
        low, high: the ends of the values of many images.
        what: str that names them in an error.

    Raises:
        ValueError: for these.
    """
    if 0.0 <= low < high:
        raise ValueError(
            f"{what} go from {low:.4g} to {high:.4g} and are never below 0, so they look like "
            "images in 0..1; use images in [-1, 1], where black is -1: 2 * images - 1."
        )


def check_labels(labels, what, num_classes=None, count=None):
    """Makes sure that labels are one whole number from 0 for each image.

    Args:
        labels: array or tensor (batch,); as for `check_images`.
        what: str that names them in an error, such as "the labels".
        num_classes: int, how many classes there are, or None if any label will do.
        count: int, how many labels there must be, or None.

    Raises:
        ValueError: for something else.
    """
    classes = "from 0" if num_classes is None else f"from 0 to {num_classes - 1}"
    if not (hasattr(labels, "shape") and hasattr(labels, "dtype")):
        raise ValueError(
            f"{what} are a {type(labels).__name__}; use an array of whole numbers {classes}, one "
            "for each image."
        )
    dtype, rank = dtype_name(labels), _rank(labels)
    if rank is None:
        return
    shape = tuple(labels.shape)
    advice = ""
    if rank == 2:
        advice = f" Use {what.split()[-1]}[:, 0]." if shape[1] == 1 else ""
        if shape[1] not in (1, None):
            advice = " Convert one-hot vectors with np.argmax(labels, axis=-1)."
    elif dtype.startswith(("float", "bfloat")):
        advice = ' Convert them with labels.astype("int32").'
    elif not dtype.startswith(("int", "uint")):
        advice = " np.unique(labels, return_inverse=True)[1] numbers the names of classes."
    if (
        rank != 1
        or not dtype.startswith(("int", "uint"))
        or (count is not None and shape != (count,))
    ):
        each = "image" if count is None else f"of the {count} images"
        raise ValueError(
            f"{what} are {dtype} of shape {shape}; use whole numbers {classes}, one for each "
            f"{each}.{advice}"
        )
    if isinstance(labels, np.ndarray) and labels.size:
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or (num_classes is not None and high >= num_classes):
            found = f"are {low}" if low == high else f"go from {low} to {high}"
            raise ValueError(
                f"{what} {found}; use whole numbers {classes}: number the classes from 0, and "
                "give the model the number of classes (num_classes)."
            )


def dtype_name(array):
    """The name of the type of an array's or tensor's numbers, such as `"float32"`."""
    return getattr(array.dtype, "name", str(array.dtype)).removeprefix("torch.")


def as_numpy(array):
    """An array or tensor of any framework as a NumPy array; None and other objects as they are."""
    if array is None or isinstance(array, np.ndarray) or not hasattr(array, "shape"):
        return array
    return ops.convert_to_numpy(array) if keras.ops.is_tensor(array) else np.asarray(array)


def _rank(array):
    """The number of axes, None where it is not known."""
    return array.shape.rank if hasattr(array.shape, "rank") else len(array.shape)


def _fits(found, shape):
    return len(found) == len(shape) and all(
        wanted is None or has is None or wanted == has
        for wanted, has in zip(shape, found, strict=True)
    )


def _shape_advice(found, shape):
    if found == shape[:-1] and shape[-1] == 1:
        return "add the axis of channels: images[..., None]"
    if len(found) == 3 and found != shape and found[1:] + found[:1] == shape:
        return "put the channels last: np.moveaxis(images, 1, -1)"
    if len(found) < len(shape) - 1:
        return "pass the images first and the labels second, and a single image as images[None]"
    return "resize the data (kerasgan.data: image_size=...) or give the model that image_shape"


def _described(data):
    """What is not an array, and what to do with it."""
    if data is None:
        return "None; give an array or a data set."
    if isinstance(data, str):
        return f"the str {data!r}; kerasgan.data.load({data!r}, ...) makes a data set of a name."
    if isinstance(data, dict):
        keys = ", ".join(map(repr, data))
        return (
            f"a dict with {keys}; use the images alone, or (images, labels), for example "
            'data.map(lambda example: (example["image"], example["label"])).'
        )
    if isinstance(data, (list, tuple)):
        inside = f" of {type(data[0]).__name__}" if data else ""
        return (
            f"a {type(data).__name__}{inside}; use one array (n, height, width, channels): "
            "np.stack(images). Labels are the second argument."
        )
    if callable(data) and not isinstance(data, type):
        return "a function; give what it returns: fit(make_batches(), ...)."
    return f"a {type(data).__name__}; use an array (n, height, width, channels) or a data set."


def float_images(images, shape, what, wants):
    """The images of a batch as float32; the arguments are those of `check_images`."""
    check_images(images, what, shape, wants)
    return ops.cast(images, "float32")

"""What is checked of images, labels and arguments, by whatever door they come."""

import contextlib
import copy
import inspect
import math
import numbers
import types

import keras
import numpy as np
from keras import ops

LARGEST = 1.01  # what rounding makes of 1
BLOCK = 256  # images at a time: whole arrays can be as large as the memory
# From so many images on, none of which is ever below 0, nobody believes in [-1, 1].
ENOUGH = 8


# Images and labels ------------------------------------------------------------------------------


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
            f"{what} are {dtype}; use float images in [-1, 1]: images / 127.5 - 1 of 0..255 "
            "integers, which kerasgan.data.from_array(images) does."
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
                f"{what} hold NaN or infinite numbers, the first in number "
                f"{start + int(np.argmax(wrong))} of these {len(images)} (counted from 0); look at "
                "the data."
            )
    low = float(min(low for _, low, _ in ends))
    high = float(max(high for _, _, high in ends))
    if images.ndim == 4 and (low < -LARGEST or high > LARGEST):
        raise ValueError(
            f"{what} go from {low:.4g} to {high:.4g}; use images in [-1, 1]: "
            "images / 127.5 - 1 of 0..255, 2 * images - 1 of 0..1."
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
        advice = f" {what.split()[-1]}[:, 0] is that." if shape[1] == 1 else ""
        if shape[1] not in (1, None):
            advice = " One-hot vectors become that by np.argmax(labels, axis=-1)."
    elif dtype.startswith(("float", "bfloat")):
        advice = ' labels.astype("int32") is that.'
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
                f"{what} {found}; use whole numbers {classes}: number the classes "
                "from 0, and give the model as many as there are (num_classes)."
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
        return "give images first, labels second, and one image as images[None]"
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


# Data on its way to a step ----------------------------------------------------------------------


class BatchCheck:
    """Looks at the batches that a model is given, before a step does.

    Args:
        check: `check_batch` of the model.
        other: the `BatchCheck` that is to tell of the errors of this one, or None.
    """

    def __init__(self, check, other=None):
        self.check = check
        self.errors = [] if other is None else other.errors
        self.ends, self.count = {}, 0

    @property
    def has_seen_enough(self):
        """Whether it is clear that the images are not in 0..1."""
        return self.count >= ENOUGH

    def __call__(self, *batch, whole=False):
        """Checks a batch, or, with `whole`, all of the data."""
        try:
            batch = keras.tree.map_structure(as_numpy, batch)
            batch = batch[0] if len(batch) == 1 else batch
            found = self.check(batch)
            arrays = keras.tree.flatten(batch)
            self.count += len(arrays[0]) if arrays else 0
            for what, (low, high) in found.items():
                lowest, highest = self.ends.get(what, (low, high))
                self.ends[what] = min(low, lowest), max(high, highest)
            if whole or self.has_seen_enough:
                for what, ends in self.ends.items():
                    check_scale(*ends, what)
        except ValueError as error:
            self.errors.append(error)
            raise

    @contextlib.contextmanager
    def own_error(self):
        """In here what stops the data is our error, and not what a framework makes of it."""
        try:
            yield
        except Exception:
            if self.errors:
                raise self.errors[0] from None
            raise


def checked_data(x, y, check, limits):
    """What `fit` takes, checked: arrays now, batches before a step sees them.

    Args:
        x, y: as for `keras.Model.fit`.
        check: `BatchCheck`.
        limits: the lowest and the highest value that each part of a batch may have: list of pairs.

    Returns:
        What `fit` is to be given as `x`.

    Raises:
        ValueError: for arrays and data sets that cannot be right.
    """
    if hasattr(x, "element_spec") and hasattr(x, "map"):  # tf.data
        check.check(x.element_spec)
        parts = keras.tree.flatten(x.element_spec)
        if len(limits) != len(parts):
            return x  # a model that checks nothing
        first = math.ceil(ENOUGH / (parts[0].shape[0] or 1))
        from kerasgan.backend.tensorflow import checked_dataset

        def checked(dataset):
            return checked_dataset(dataset, check, limits, first)

        # Of an epoch that goes on in its middle the batches that were had before are blank.
        return x.epochs.transformed(checked).dataset() if hasattr(x, "epochs") else checked(x)
    if isinstance(x, keras.utils.PyDataset):
        return _checking(x, "__getitem__", lambda batch: check(batch) or batch)
    if isinstance(x, types.GeneratorType):
        return _checked(x, check)
    if any(parent.__module__.startswith("torch.utils.data") for parent in type(x).__mro__):
        return _checking(x, "__iter__", lambda batches: _checked(batches, check))
    if hasattr(x, "__next__"):
        raise ValueError("x is an iterator, which can be read once; give what it is of.")
    if x is None or isinstance(x, (str, list, tuple, dict)) or callable(x):
        raise ValueError(f"x is {_described(x)}")
    if hasattr(x, "shape"):
        arrays = (x,) if y is None else (x, y)
        check(*map(as_numpy, arrays), whole=True)
        counts = [len(array) for array in arrays]
        if not counts[0] or counts[0] != counts[-1]:
            raise ValueError(
                f"the arrays have {counts} examples; give as many of each, at least one."
            )
    return x


def _checked(batches, check):
    for batch in batches:
        check(batch)
        yield batch if isinstance(batch, (tuple, list)) else (batch,)


def _checking(data, method, check):
    """A copy of a data set whose method checks what it returns."""
    given = getattr(type(data), method)

    def checking(self, *args):
        return check(given(self, *args))

    copied = copy.copy(data)
    copied.__class__ = type(type(data).__name__, (type(data),), {method: checking})
    return copied


def refuse_weights(**weights):
    """Raises a ValueError for weights of examples or classes, which no loss here looks at."""
    for name, value in weights.items():
        if value is not None:
            raise ValueError(
                f"{name} is given, but the losses of a game weigh all examples alike; leave it "
                "out. Show examples more often instead, by repeating them in the data."
            )


# Arguments and networks -------------------------------------------------------------------------


NETWORKS = ("generator", "discriminator")
WHOLE = ("base_width", "max_width", "latent_dim")
WHOLE_OR_NONE = ("num_classes", "source_channels", "residual_blocks", "receptive_field")


def check_arguments(model_class, args, kwargs):
    """Makes sure that a model's arguments are known and, where numbers are wanted, numbers.

    Raises:
        ValueError: for an unknown name, an `image_shape` that is none, and something else than a
            number where the default is a number.
    """
    known, positional = {}, None
    for parent in model_class.__mro__:
        if "__init__" not in vars(parent):
            continue
        own = dict(list(inspect.signature(parent.__init__).parameters.items())[1:])
        kinds = {parameter.kind for parameter in own.values()}
        if positional is None and inspect.Parameter.VAR_POSITIONAL not in kinds:
            of_position = inspect.Parameter.POSITIONAL_OR_KEYWORD
            positional = [name for name, p in own.items() if p.kind == of_position]
        known |= {name: own[name] for name in own if name not in known}
        if inspect.Parameter.VAR_KEYWORD not in kinds or parent.__name__ == "AdversarialModel":
            break
    name, others = model_class.__name__, ("name", "dtype", "trainable")
    # A subclass elsewhere may take out of **kwargs what it likes.
    ours = model_class.__module__.startswith("kerasgan.")
    for argument in kwargs:
        if ours and argument not in known and argument not in others:
            hidden = {"args", "kwargs", "networks"} | set(() if name == "GAN" else NETWORKS)
            accepted = ", ".join(n for n in known if n not in hidden)
            raise ValueError(f"{name} has no argument {argument!r}; it takes {accepted}.")
    for argument, value in {**dict(zip(positional or (), args, strict=False)), **kwargs}.items():
        default = known[argument].default if argument in known else None
        if value is None and default is None:
            continue
        if argument == "image_shape":
            check_image_shape(value, model_class.image_axes)
        elif argument in NETWORKS:
            if not isinstance(value, keras.layers.Layer):
                raise ValueError(f"{argument}={value!r}; use a keras.Model.")
        elif argument in WHOLE or (argument in WHOLE_OR_NONE and value is not None):
            whole_number(argument, value, 1)
        elif isinstance(default, numbers.Real) and not isinstance(default, bool):
            integral = isinstance(default, numbers.Integral)
            kind = numbers.Integral if integral else numbers.Real
            if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
                wanted = "whole number" if integral else "number"
                raise ValueError(f"{argument}={value!r}; use a {wanted} such as {default}.")


def check_image_shape(shape, axes=None):
    """Raises a ValueError for an `image_shape` that is not a tuple of whole numbers above 0.

    Args:
        shape: what was given.
        axes: int, how many there must be, or None.
    """
    if (
        not isinstance(shape, (tuple, list))
        or not all(isinstance(n, numbers.Integral) and n >= 1 for n in shape)
        or axes not in (None, len(shape))
    ):
        raise ValueError(
            f"image_shape={shape!r}; use (height, width, channels), whole numbers of at least 1, "
            "for example (32, 32, 3)."
        )


def whole_number(name, value, least):
    """Raises a ValueError for an argument that is not a whole number of at least `least`."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}={value!r}; use a whole number of at least {least}.")


PROBABILITIES = ("sigmoid", "hard_sigmoid", "softmax", "log_softmax", "log_sigmoid")
POSITIVE = ("relu", "relu6", "softplus", "exponential")
# Layers behind which the same numbers come out.
PASSING = ("Reshape", "Flatten", "Identity", "Dropout", "Permute", "GetItem", "Cast")


def last_activation(network):
    """The name of the activation that makes what a network returns, None where it is not known."""
    outputs = getattr(network, "outputs", None)
    if not outputs:
        return None  # a subclassed network does not tell
    return _activation(outputs[0])


def _activation(tensor):
    history = getattr(tensor, "_keras_history", None)
    if history is None:
        return None
    operation = history.operation
    if isinstance(operation, keras.Model):
        return last_activation(operation)
    if type(operation).__name__ in PASSING:
        return _activation(operation.input)
    layer = getattr(operation, "layer", operation)  # inside of a wrapper
    activation = getattr(layer, "activation", None)
    named = type(layer) if activation is None else activation
    name = getattr(named, "__name__", type(named).__name__)
    return (
        "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
        .lstrip("_")
        .replace("re_l_u", "relu")
    )


def check_discriminator(network):
    """Raises a ValueError for a discriminator that returns probabilities."""
    activation = last_activation(network)
    if activation in PROBABILITIES:
        raise ValueError(
            f"the discriminator ends in {activation}, so it returns probabilities; the losses take "
            "logits. Leave its last activation out: Dense(1)."
        )


def check_generator(network, image_shape):
    """Raises a ValueError for a generator of images that cannot make a dark pixel."""
    activation = last_activation(network)
    if len(image_shape) == 3 and activation in PROBABILITIES + POSITIVE:
        raise ValueError(
            f"the generator ends in {activation}, so it makes no images in [-1, 1], which the data "
            'is; end it in "tanh".'
        )

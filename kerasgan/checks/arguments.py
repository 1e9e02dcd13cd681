"""Arguments of models."""

import inspect
import math
import numbers

import keras
import numpy as np

from kerasgan.checks.images import as_numpy

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
        if inspect.Parameter.VAR_KEYWORD not in kinds or parent.__name__ == "GenerativeModel":
            break
    name, others = model_class.__name__, ("name", "dtype", "trainable")
    # A subclass elsewhere may take out of **kwargs what it likes.
    ours = model_class.__module__.startswith("kerasgan.")
    for argument in kwargs:
        if ours and argument not in known and argument not in others:
            hidden = {"args", "kwargs", "networks"} | set(() if name == "GAN" else NETWORKS)
            accepted = ", ".join(n for n in known if n not in hidden)
            here = argument in inspect.signature(model_class.compile).parameters
            hint = f" Give {argument} to compile()." if here else ""
            raise ValueError(f"{name} has no argument {argument!r}; it takes {accepted}.{hint}")
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


def above_zero(name, value):
    """Makes sure that an argument is a finite number above 0.

    Raises:
        ValueError: when it is not.
    """
    if not isinstance(value, numbers.Real) or not 0.0 < value < math.inf:
        raise ValueError(f"{name}={value!r}; use a number above 0.")


def as_floats(name, value, dtype="float32"):
    """An argument as a NumPy array of floats: array, tensor, number or nested lists of numbers.

    Raises:
        ValueError: when it is something else.
    """
    try:
        if value is not None:  # which NumPy takes for NaN
            return np.asarray(as_numpy(value), dtype)
    except (TypeError, ValueError):
        pass
    plain = value is None or isinstance(value, str)
    found = repr(value) if plain else f"a {type(value).__name__}"
    raise ValueError(f"{name} is {found}; use an array of numbers, rows of one length.")


def numbers_of_shape(name, value, shape, accepted=None):
    """A value as an array of finite numbers, float32.

    Args:
        name: str, the argument's.
        value: array, tensor or nested list.
        shape: tuple that the array's shape must have, None in it for any length.
        accepted: str, what an error says to use; None for the shape, with `num_images` for None.

    Raises:
        ValueError: for anything else.
    """
    array = as_floats(name, value)
    if accepted is None:
        lengths = ["num_images" if n is None else str(n) for n in shape]
        accepted = f"({', '.join(lengths)}{',' if len(lengths) == 1 else ''})"
    fits = len(array.shape) == len(shape)
    if not fits or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True)):
        raise ValueError(f"{name} has shape {array.shape}; use {accepted}.")
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{name} holds NaN or infinite numbers; check where they come from.")
    return array

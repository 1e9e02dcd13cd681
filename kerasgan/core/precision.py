"""In which numbers networks compute, and where their channels are."""

import contextlib

import keras


@contextlib.contextmanager
def dtype_policy(policy):
    """Layers that are made inside compute with `policy`.

    Args:
        policy: a `keras.DTypePolicy`, its name or configuration; None leaves the global one.

    Example:

    >>> with dtype_policy("mixed_bfloat16"):
    ...     keras.layers.Dense(1).compute_dtype
    'bfloat16'
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(before if policy is None else keras.dtype_policies.get(policy))
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@contextlib.contextmanager
def measuring_networks():
    """Layers that are made inside compute in float32, with channels last, as a metric needs them.

    Numbers would otherwise depend on the settings of whoever trains.

    Example:

    >>> with dtype_policy("mixed_bfloat16"), measuring_networks():
    ...     keras.layers.Dense(1).compute_dtype
    'float32'
    """
    before = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    try:
        with dtype_policy("float32"):
            yield
    finally:
        keras.config.set_image_data_format(before)

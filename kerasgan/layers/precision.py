"""In which numbers networks compute, and where their channels are."""

import contextlib

import keras


@contextlib.contextmanager
def dtype_policy(policy):
    """Layers that are made inside compute with `policy`, and with channels last.

    Args:
        policy: a `keras.DTypePolicy`, its name or configuration; None leaves the global one.
            Channels are last also where Keras is set to have them first, because images are.

    Example:

    >>> with dtype_policy("mixed_bfloat16"):
    ...     keras.layers.Dense(1).compute_dtype
    'bfloat16'
    """
    before = keras.config.dtype_policy(), keras.config.image_data_format()
    keras.config.set_dtype_policy(before[0] if policy is None else keras.dtype_policies.get(policy))
    keras.config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before[0])
        keras.config.set_image_data_format(before[1])


@contextlib.contextmanager
def measuring_networks():
    """Layers that are made inside compute in float32, with channels last, as a metric needs them.

    Numbers would otherwise depend on the settings of whoever trains.

    Example:

    >>> with dtype_policy("mixed_bfloat16"), measuring_networks():
    ...     keras.layers.Dense(1).compute_dtype
    'float32'
    """
    with dtype_policy("float32"):
        yield

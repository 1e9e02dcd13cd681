"""Precision and channel order for the layers of a network."""

import contextlib

import keras


@contextlib.contextmanager
def dtype_policy(policy):
    """Context manager: layers created inside compute with `policy`, and with channels last.

    Args:
        policy: a `keras.DTypePolicy`, its name or configuration; None keeps the global one.
            Channels are last even if Keras is configured for channels first, because images have
            them last.

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
    """Context manager: layers created inside compute in float32, as metrics need, channels last.

    Otherwise results would depend on the global settings of a training run.

    Example:

    >>> with dtype_policy("mixed_bfloat16"), measuring_networks():
    ...     keras.layers.Dense(1).compute_dtype
    'float32'
    """
    with dtype_policy("float32"):
        yield

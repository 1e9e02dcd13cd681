"""In which numbers the networks of a model compute."""

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

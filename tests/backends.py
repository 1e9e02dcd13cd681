"""What the tests have to know of the Keras backend that they run on."""

import contextlib

import keras
import pytest
import tensorflow as tf

BACKEND = keras.backend.backend()


def needs_backend(*names, reason):
    """Skips a test, or all of a class, where the backend is none of these."""
    return pytest.mark.skipif(BACKEND not in names, reason=f"not on {BACKEND}: {reason}")


@contextlib.contextmanager
def without_graphs():
    """Where TensorFlow makes no graphs, which takes most of the time of a few small steps.

    The tests that models learn train in graphs.
    """
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


def in_step(fn, variables):
    """Runs `fn()` as Keras runs a training step.

    JAX traces it as a function of the variables' values, and what it assigns to them comes back.

    Args:
        fn: function without arguments that returns a structure of tensors.
        variables: every `keras.Variable` that `fn` may assign.

    Returns:
        What `fn` returned.
    """
    if BACKEND != "jax":
        return fn()
    import jax

    @jax.jit
    def step(values):
        with keras.StatelessScope(zip(variables, values, strict=True)) as scope:
            result = fn()
        return result, [scope.get_current_value(v) for v in variables]

    result, values = step([v.value for v in variables])
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return result

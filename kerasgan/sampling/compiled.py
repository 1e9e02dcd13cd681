"""Functions of arrays, compiled as Keras compiles a network."""

import functools

import keras

from kerasgan import backend


def compiled(function, networks, jit_compile):
    """A function of NumPy arrays that runs compiled, on this device.

    Args:
        function: from as many tensors as it is called with arrays, to a tensor or a list of such.
        networks: list of the networks that it uses.
        jit_compile: bool or `"auto"`, whether XLA compiles it; see `keras.Model.compile`.

    Returns:
        A function of a list of arrays to an array, or a list of such.
    """
    # Hidden in a function, as it has no weights of its own that a model should save.
    model = _Compiled(function, networks)
    model.compile(jit_compile=jit_compile)
    return functools.partial(backend.predict, model)


class _Compiled(keras.Model):
    """A function of tensors as a Keras model, because these are compiled."""

    def __init__(self, function, networks):
        super().__init__(name="compiled", dtype="float32")
        self.function, self.networks = function, networks
        self.built = True

    def call(self, inputs):
        return self.function(*inputs)

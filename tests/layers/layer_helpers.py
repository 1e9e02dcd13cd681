"""What the tests of the layers share."""

import inspect
import json
import pathlib

import keras
import numpy as np
import tensorflow as tf
from backends import BACKEND, in_step
from keras import ops

from kerasgan import backend


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def arrays(variables):
    return [ops.convert_to_numpy(v) for v in variables]


def weighted_sum(x, weights):
    """A loss for any output, whose gradient there are the weights."""
    return ops.sum(x * ops.convert_to_tensor(weights))


def compiled(fn, variables):
    """Runs `fn()`, which may assign `variables`, as a compiled training step does."""
    return tf.function(fn)() if BACKEND == "tensorflow" else in_step(fn, variables)


def gradients(loss_fn, variables, others=()):
    """d loss_fn() / d variables, read from a step of gradient descent with rate 1."""
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.build(variables)
    before = arrays(variables)
    compiled(
        lambda: backend.update(lambda: (loss_fn(), {}), variables, optimizer)[0],
        [*variables, *optimizer.variables, *others],
    )
    after = arrays(variables)
    for variable, value in zip(variables, before, strict=True):
        variable.assign(value)
    return [b - a for b, a in zip(before, after, strict=True)]


def functional(layer, *inputs):
    """The Functional model of this one layer, for inputs like these."""
    symbols = [keras.Input(x.shape[1:], dtype=str(x.dtype)) for x in inputs]
    symbols = symbols if len(symbols) > 1 else symbols[0]
    return keras.Model(symbols, layer(symbols))


def as_json(layer):
    """The configuration as a file holds it: JSON knows no tuples."""
    return json.dumps(layer.get_config(), sort_keys=True)


def assert_can_be_copied(test, layer, *inputs):
    """By its configuration, by `clone_model`, as `kerasgan`'s EMA copies, and through a file."""
    model = functional(layer, *inputs)
    rng = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    inputs = list(inputs) if len(inputs) > 1 else inputs[0]
    output = ops.convert_to_numpy(model(inputs))
    test.assertEqual(output.shape[1:], model.output_shape[1:])
    test.assertEqual(output.dtype, model.outputs[0].dtype)

    arguments = set(inspect.signature(type(layer).__init__).parameters) - {"self", "kwargs"}
    test.assertLessEqual(arguments | {"name", "dtype"}, set(layer.get_config()))
    config = as_json(layer)
    test.assertEqual(as_json(type(layer).from_config(layer.get_config())), config)

    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    test.assertAllEqual(ops.convert_to_numpy(clone(inputs)), output)

    file = pathlib.Path(test.create_tempdir().full_path, "model.keras")
    model.save(file)
    loaded = keras.models.load_model(file)
    test.assertIs(type(loaded.layers[-1]), type(layer))
    test.assertEqual(as_json(loaded.layers[-1]), config)
    test.assertAllEqual(ops.convert_to_numpy(loaded(inputs)), output)

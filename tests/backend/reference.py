"""What a backend makes of the models of the zoo, as arrays to compare with those of another.

Run as a program it is the other backend: `python -m backend.reference` FOLDER OF_THE_OTHER writes
models and what they are and do to FOLDER, and what the models in OF_THE_OTHER are.
"""

import contextlib
import pathlib
import sys
from unittest import mock

import keras
import numpy as np
from backends import without_graphs
from models import zoo

from kerasgan.models import registry


def entries():
    """The models to compare: list of entries of the registry."""
    return [entry for entry in registry.entries() if entry.name not in zoo.LIKE_OTHERS]


def write(folder):
    """Saves a small version of each model to compare, after one step of training."""
    for entry in entries():
        keras.utils.set_random_seed(0)
        model = zoo.small_model(entry)
        zoo.compile_small(model)
        model.fit(*zoo.batch_for(model, 8, seed=1), batch_size=8, verbose=0)
        _vary_constants(model)
        model.save(pathlib.Path(folder, f"{entry.name}.keras"))


def _vary_constants(model):
    """What StyleGAN normalizes is ones at first: a rounding is a good part of how it varies."""
    for weight in model.weights:
        if weight.path.endswith("/constant"):
            weight.assign(weight + np.random.default_rng(0).normal(0.0, 0.1, weight.shape))


def contents(file):
    """What a file holds, by names that begin with `state/`, and the images it draws."""
    model = keras.saving.load_model(file)
    seeds = {f"seed_{index}": seed for index, seed in enumerate(model._seed_states())}
    state = {**model.optimizer.state(), **seeds, **_by_name(model.weights)}
    found = {f"state/{name}": value for name, value in state.items()}
    with _numpys_random_numbers():
        return _numpy({**found, "images": zoo.draw(model, 4)})


def step(file):
    """The losses of a batch, and what one step of gradient descent on it does."""
    model = keras.saving.load_model(file)
    # With the batch of seed 2 a ReLU of CycleGAN gets a rounding error around zero.
    batch = zoo.batch_for(model, 8, seed=3)
    # The momentum of a first step is the gradient times the learning rate, as it was before the
    # sum with the weights rounded it.
    descent = keras.optimizers.SGD(1e-3, momentum=0.5)
    found = {}
    with _numpys_random_numbers():
        losses = model.test_on_batch(*batch, return_dict=True)
        found |= {f"evaluated {name}": value for name, value in losses.items()}
        model.compile(**{**model.compile_arguments(), "optimizer": descent})
        losses = model.train_on_batch(*batch, return_dict=True)
    return _numpy({**found, **losses, **model.optimizer.state(), **_by_name(model.weights)})


def _by_name(weights):
    return {f"weight {index}, {weight.path}": weight for index, weight in enumerate(weights)}


def _numpy(values):
    return {name: keras.ops.convert_to_numpy(value) for name, value in values.items()}


@contextlib.contextmanager
def _numpys_random_numbers():
    """A context in which models draw from NumPy: each backend has a generator of its own.

    `keras.layers.Dropout` draws elsewhere, and drops nothing here.
    """

    def normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
        values = np.random.default_rng(0).normal(mean, stddev, shape)
        return keras.ops.convert_to_tensor(values, dtype or keras.config.floatx())

    def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
        values = np.random.default_rng(0).uniform(minval, maxval, shape)
        return keras.ops.convert_to_tensor(values, dtype or keras.config.floatx())

    with (
        mock.patch.multiple(keras.random, normal=normal, uniform=uniform),
        mock.patch.object(keras.layers.Dropout, "call", lambda self, x, training=False: x),
    ):
        yield


@without_graphs()  # which differ from it by a tenth of the tolerance at most
def main(folder, of_the_other):
    # A file must not need the framework that wrote it, which can be installed here by chance.
    sys.modules.update(dict.fromkeys({"tensorflow", "jax", "torch"} - {keras.backend.backend()}))
    write(folder)
    for file in pathlib.Path(folder).glob("*.keras"):
        np.savez(file.with_suffix(".contents.npz"), **contents(file))
        np.savez(file.with_suffix(".step.npz"), **step(file))
    for file in pathlib.Path(of_the_other).glob("*.keras"):
        np.savez(file.with_suffix(".contents.npz"), **contents(file))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What every model of the zoo has to do, whatever its paper."""

import pathlib

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from models import zoo

from kerasgan.models import registry


def numpy_values(variables):
    return [keras.ops.convert_to_numpy(v) for v in variables]


class EveryModelTest(tf.test.TestCase, parameterized.TestCase):
    def fit_one_step(self, model, seed):
        batch = zoo.batch_for(model, 8, seed)
        history = model.fit(*batch, batch_size=8, shuffle=False, verbose=0).history
        self.assertCountEqual(history, model.loss_names)
        self.assertAllFinite(list(history.values()))

    def assertAllFinite(self, values):  # noqa: N802
        self.assertTrue(np.all(np.isfinite(values)), values)

    # One long test: under JAX, each model made anew is compiled anew, which is what takes long.
    @parameterized.named_parameters((entry.name, entry) for entry in registry.entries())
    def test_trains_and_goes_on_from_its_file(self, entry):
        model = zoo.small_model(entry)
        zoo.compile_small(model)
        networks = [network for player in model.players.values() for network in player]
        before = [numpy_values(network.trainable_variables) for network in networks]
        self.fit_one_step(model, seed=1)
        for network, old in zip(networks, before, strict=True):
            new = numpy_values(network.trainable_variables)
            moved = [not np.array_equal(a, b) for a, b in zip(old, new, strict=True)]
            self.assertTrue(any(moved), f"the step has not moved the network {network.name}")

        path = pathlib.Path(self.create_tempdir().full_path) / "model.keras"
        model.save(path)
        copy = keras.saving.load_model(path)
        labels = zoo.labels_for(model, 5)
        drawn = [each.generate(5, seed=0, labels=labels) for each in (copy, model)]
        self.assertAllEqual(*drawn)

        # One of the two only: measuring must not change what training does next.
        results = copy.evaluate(*zoo.batch_for(model, 6, seed=2), return_dict=True, verbose=0)
        self.assertContainsSubset(model.loss_names, results)
        self.assertAllFinite(list(results.values()))

        for each in (model, copy):
            self.fit_one_step(each, seed=3)
        for ours, theirs in zip(model.weights, copy.weights, strict=True):
            np.testing.assert_array_equal(*numpy_values([theirs, ours]), ours.path)

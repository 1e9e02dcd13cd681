"""What every model of the zoo has to do, whatever its paper."""

import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from backends import BACKEND, needs_backend, without_graphs
from models import zoo

import kerasgan
from kerasgan.callbacks import ProgressiveGrowing, Stage
from kerasgan.growing.model import GrowingGAN
from kerasgan.models import registry


def numpy_values(variables):
    return [keras.ops.convert_to_numpy(v) for v in variables]


# What the smallest networks learn fast with: settings, learning rate, epochs, discriminator steps.
# The models that are not here have a test of their own that they learn; BigGANDeep, which does so
# with the settings of BigGAN, would take a minute.
LEARN = {
    "lsgan": ({}, 1e-3, 8, 1),
    "wgan": ({}, 1e-3, 8, 2),
    "wgan_gp": ({}, 2e-3, 6, 1),
    "sngan": ({"architecture": "dcgan"}, 1e-3, 8, 1),
    "projection_gan": ({"num_classes": 10, "base_width": 16}, 1e-3, 6, 1),
    "sagan": ({"base_width": 16}, 1e-3, 6, 1),
    "big_gan": ({"num_classes": 10, "base_width": 4}, 1e-3, 6, 1),
    "dragan": ({}, 1e-3, 14, 1),
    "pac_gan": ({}, 1e-3, 8, 1),
    "r3_gan": ({"base_width": 16, "max_width": 32}, 2e-3, 5, 1),
    "progan": ({"base_width": 16, "max_width": 32}, 3e-3, 8, 1),
    "stylegan": ({"base_width": 16, "max_width": 32}, 3e-3, 7, 1),
}


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
        if BACKEND != "tensorflow" and entry.name in zoo.LIKE_OTHERS:
            self.skipTest("what a framework could break in it is in another model, too")
        with without_graphs():
            self.train_save_and_go_on(entry)

    def train_save_and_go_on(self, entry):
        model = zoo.small_model(entry)
        zoo.compile_small(model)
        # Adam's of its paper, 1e-8; or what is as good as PyTorch's for RMSprop.
        for optimizer in model.optimizer.optimizers:
            self.assertLessEqual(optimizer.epsilon, 1e-8)
        networks = [network for part in model.parts.values() for network in part]
        before = [numpy_values(network.trainable_variables) for network in networks]
        self.fit_one_step(model, seed=1)
        for network, old in zip(networks, before, strict=True):
            new = numpy_values(network.trainable_variables)
            moved = [not np.array_equal(a, b) for a, b in zip(old, new, strict=True)]
            self.assertTrue(any(moved), f"the step has not moved the network {network.name}")

        path = pathlib.Path(self.create_tempdir().full_path) / "model.keras"
        model.save(path)
        copy = keras.saving.load_model(path)
        self.assertAllEqual(*(zoo.draw(each, 5) for each in (copy, model)))

        # One of the two only: measuring must not change what training does next.
        results = copy.evaluate(*zoo.batch_for(model, 6, seed=2), return_dict=True, verbose=0)
        self.assertContainsSubset(model.loss_names, results)
        self.assertAllFinite(list(results.values()))

        for each in (model, copy):
            self.fit_one_step(each, seed=3)
        for ours, theirs in zip(model.weights, copy.weights, strict=True):
            np.testing.assert_array_equal(*numpy_values([theirs, ours]), ours.path)

    @parameterized.named_parameters((name, name) for name in LEARN)
    @needs_backend("tensorflow", reason="it takes minutes")
    @pytest.mark.slow
    def test_learns_digits(self, name):
        """Samples come nearer to real digits, and are nearly as different from each other.

        Those of a model that grows from 4x4: two epochs there, and two in which 8x8 fades in.
        """
        settings, learning_rate, epochs, steps = LEARN[name]
        entry = next(entry for entry in registry.entries() if entry.name == name)
        settings = {"latent_dim": 16, "base_width": 32, "ema_decay": 0.98, **settings}
        gan = zoo.small_model(entry, **settings, seed=0)
        gan.compile(discriminator_steps=steps)
        for optimizer in gan.optimizer.optimizers:
            optimizer.learning_rate = learning_rate
        labels = zoo.labels_for(gan, 200)
        digits = kerasgan.data.load("digits", batch_size=64 * steps, labels=labels is not None)
        real = np.concatenate([b.numpy() for b in kerasgan.data.load("digits", shuffle=False)])

        def distance():
            fake = gan.generate(200, seed=0, labels=labels)
            differences = fake[:, None] - real[None]
            return float(np.sqrt((differences**2).mean((2, 3, 4))).min(1).mean())

        untrained = distance()
        stages = Stage(fade_in=2, stabilize=2, unit="epochs")
        growing = [ProgressiveGrowing(stages, verbose=0)] if isinstance(gan, GrowingGAN) else []
        gan.fit(digits, epochs=epochs, callbacks=growing, verbose=0)
        self.assertLess(distance(), 0.8 * untrained)
        # All of them near the same digit would not count as learning.
        spread = gan.generate(200, seed=0, labels=labels).std(0).mean()
        self.assertGreater(spread, 0.6 * real.std(0).mean())

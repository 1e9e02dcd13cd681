import pathlib

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from keras import ops

import kerasgan

MODELS = (kerasgan.RealNVP, kerasgan.Glow)
SMALL = {
    kerasgan.RealNVP: {"base_width": 4, "residual_blocks": 1, "scales": 2, "couplings": 2},
    kerasgan.Glow: {"base_width": 4, "steps": 1, "scales": 2},
}
IN_THE_PLANE = {
    kerasgan.RealNVP: {"base_width": 16, "couplings": 4},
    kerasgan.Glow: {"base_width": 16, "steps": 3},
}


def small(model, shape=(4, 4, 1), randomized=True, **settings):
    """A small flow of images, with networks that do something."""
    keras.utils.set_random_seed(0)
    flow = model(shape, seed=0, **{**SMALL[model], **settings})
    random = np.random.default_rng(0)
    for weight in flow.network.trainable_variables if randomized else []:
        old = ops.convert_to_numpy(weight)
        weight.assign(old + random.normal(0.0, 0.1, old.shape))
    return flow


def images(count, shape=(4, 4, 1), seed=0):
    values = np.random.default_rng(seed).integers(256, size=(count, *shape))
    return (values / 127.5 - 1.0).astype("float32")


def two_blobs(count, seed=0):
    random = np.random.default_rng(seed)
    centres = np.array([[2.0, 1.0], [-2.0, 0.0]])[random.integers(2, size=count)]
    return (centres + random.normal(0.0, [0.5, 1.0], (count, 2))).astype("float32")


class LikelihoodTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(*MODELS)
    @needs_backend("tensorflow", reason="the others have products in float32")
    def test_determinant_is_that_of_the_jacobian(self, model):
        flow = small(model, dtype="float64")
        x = images(1).astype("float64")
        codes, nats = map(ops.convert_to_numpy, flow.network(x))
        step = 1e-5
        moved = step * np.eye(16).reshape(16, 4, 4, 1)
        ends = [ops.convert_to_numpy(flow.network(x + sign * moved)[0]) for sign in (1.0, -1.0)]
        expected = np.linalg.slogdet((ends[0] - ends[1]) / (2.0 * step))[1]
        self.assertAllClose(nats, [expected], rtol=1e-6)
        # The density of x, times the width of a value in each of the 16 directions.
        density = scipy.stats.norm.logpdf(codes).sum() + expected
        found = ops.convert_to_numpy(flow.log_likelihood_of(x))
        self.assertAllClose(found, [density + 16 * np.log(2.0 / 255.0)], rtol=1e-6)

    def test_evaluation_dequantizes_equally(self):
        flow, x = small(kerasgan.Glow), images(64)
        flow.compile()
        first, second = (flow.evaluate(x, verbose=0, return_dict=True) for _ in range(2))
        self.assertEqual(first, second)
        # Other noise than that of `log_likelihood`: near, and not the same.
        self.assertAllClose(first["nll"], -flow.log_likelihood(x).mean(), rtol=0.01)
        self.assertAllClose(first["bits_per_dim"], first["nll"] / (16 * np.log(2.0)), rtol=1e-5)
        drawn = np.ravel(flow.in_levels(np.zeros(1000), lambda: np.linspace(0.0, 0.999, 1000)))
        self.assertAllClose([drawn.min(), drawn.max()], [-1 / 255, 1 / 255], rtol=0.01)


class CodesTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(*MODELS)
    def test_decode_undoes_encode_and_all_values_survive(self, model):
        flow = small(model, (16, 16, 1))
        x = np.linspace(-1.0, 1.0, 256, dtype="float32").reshape(1, 16, 16, 1)
        x = np.concatenate([x, images(2, (16, 16, 1))])
        codes = flow.encode(x)
        self.assertEqual(codes.shape, (3, 256))
        back = flow.decode(codes)
        self.assertAllClose(back, x, atol=1e-5, rtol=0.0)
        self.assertAllEqual(np.round((back + 1.0) * 127.5), np.round((x + 1.0) * 127.5))
        self.assertAllClose(flow.generate_from(codes), x, atol=1e-6)
        way = flow.interpolate(x[1], x[2], 3)
        self.assertAllClose(way[[0, 2]], x[1:], atol=1e-5)
        self.assertAllClose(way[1:2], flow.decode(0.5 * (codes[1:2] + codes[2:])), atol=1e-5)


class PlaneTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(*MODELS)
    @needs_backend("tensorflow", reason="what a framework could break is tested beside it")
    @pytest.mark.slow
    def test_density_integrates_to_1_and_samples_come_from_it(self, model):
        keras.utils.set_random_seed(0)
        flow = model((2,), seed=0, **IN_THE_PLANE[model])
        flow.compile()
        flow.optimizer["flow"].learning_rate = 5e-3
        flow.fit(two_blobs(8000), batch_size=100, epochs=2, verbose=0)
        unseen = two_blobs(2000, seed=1)
        self.assertAllClose(flow.decode(flow.encode(unseen)), unseen, atol=1e-4)
        width = 0.08
        axis = np.arange(-8.0, 8.0, width, dtype="float32")
        grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        nats = ops.convert_to_numpy(flow.log_likelihood_of(ops.convert_to_tensor(grid)))
        shares = np.exp(nats.astype("float64")) * width**2
        self.assertAllClose(shares.sum(), 1.0, atol=0.01)
        entropy = -(shares * nats).sum()
        nll = -flow.log_likelihood(flow.generate(4000, seed=0)).astype("float64")
        self.assertLess(abs(nll.mean() - entropy), 3.0 * nll.std() / np.sqrt(4000) + 0.005)
        # It has learned something: a normal distribution has 3.9 nats.
        self.assertLess(-flow.log_likelihood(unseen).mean(), 3.3)


class StartTest(tf.test.TestCase):
    def test_starts_once_from_the_first_batch_and_survives_black_borders(self):
        flow, x = small(kerasgan.Glow, (8, 8, 1), randomized=False), images(64, (8, 8, 1))
        x[:, :3] = x[:, :, :3] = -1.0
        flow.compile(optimizer=keras.optimizers.SGD(0.0))
        before = flow.log_likelihood(x).mean()
        flow.fit(x, batch_size=64, verbose=0)
        self.assertTrue(flow.started)
        codes = flow.encode(x)
        self.assertTrue(np.isfinite(codes).all())
        self.assertAllClose([codes.mean(), codes.std()], [0.0, 1.0], atol=0.15)
        self.assertGreater(flow.log_likelihood(x).mean(), before)
        path = pathlib.Path(self.create_tempdir().full_path) / "model.keras"
        flow.save(path)
        again = keras.saving.load_model(path)
        self.assertTrue(again.started)
        again.prepare_networks(lambda: self.fail("it starts anew"))

    def test_black_images_have_a_likelihood(self):
        flow = small(kerasgan.RealNVP, randomized=False)
        black = np.full((8, 4, 4, 1), -1.0, "float32")
        flow.start_at(black)
        self.assertTrue(np.isfinite(flow.log_likelihood(black)).all())

    @needs_backend("tensorflow", reason="no framework can break it")
    def test_every_batch_of_a_generator_is_trained_on(self):
        flow, x = small(kerasgan.Glow, scales=1), images(12)
        flow.compile(jit_compile=False, steps_per_execution=1)
        flow.fit((x[n : n + 4] for n in (0, 4, 8)), steps_per_epoch=3, verbose=0)
        self.assertEqual(flow.iterations, 3)
        self.assertTrue(flow.started)


class ErrorsTest(tf.test.TestCase):
    def test_say_what_to_do(self):
        for make, message in (
            (lambda: kerasgan.Glow((7, 8, 1), scales=1), "multiples of 2; resize the data"),
            (lambda: kerasgan.Glow((7, 7, 1)), "multiples of 2; resize the data"),
            (lambda: kerasgan.Glow((12, 12, 1), scales=3), "with scales=3 Glow halves .* 3 times"),
            (lambda: kerasgan.RealNVP((6, 6, 1), scales=3), "multiples of 4; resize the data"),
            (lambda: kerasgan.RealNVP((7, 7, 1)), "multiples of 2; resize the data"),
            (lambda: kerasgan.RealNVP((8, 8)), r"use \(height, width, channels\)"),
            (lambda: kerasgan.Glow((1,)), "two numbers or more"),
            (lambda: kerasgan.Glow((8, 8, 1), steps=0), "steps=0; use a whole number"),
            (lambda: kerasgan.RealNVP((2,), couplings=1), "couplings=1; use a whole number"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                make()
        flow = small(kerasgan.Glow)
        flow.compile()
        between = images(4) * 0.999
        for use in (flow.fit, flow.start_at, flow.log_likelihood, flow.train_on_batch):
            with self.assertRaisesRegex(ValueError, "between the 256 values.*round them"):
                use(between)
        self.assertFalse(flow.started)

import pathlib

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from layer_helpers import (
    arrays,
    as_json,
    assert_can_be_copied,
    compiled,
    gradients,
    normal,
    weighted_sum,
)

from kerasgan import backend
from kerasgan.layers import AdaptiveInstanceNormalization, NoiseInjection

SHAPE = (3, 4, 5, 2)


def features(seed=0):
    """Maps of another mean and size for every example and channel."""
    size = np.exp(normal(3, 1, 1, 2, seed=seed + 1))
    return normal(*SHAPE, seed=seed) * size + 2.0 * normal(3, 1, 1, 2, seed=seed + 2)


def adain(x, y_s, y_b):
    """Equation 1 of the paper."""
    mean, deviation = x.mean((1, 2), keepdims=True), x.std((1, 2), keepdims=True)
    return y_s[:, None, None] * (x - mean) / deviation + y_b[:, None, None]


def values(x):
    return ops.convert_to_numpy(x)


class AdaptiveInstanceNormalizationTest(tf.test.TestCase):
    def test_equals_equation_1_per_example_and_channel(self):
        x, y_s, y_b = features(), normal(3, 2, seed=3), normal(3, 2, seed=4)
        layer = AdaptiveInstanceNormalization()
        for y in (layer(x, y_s, y_b), compiled(lambda: layer(x, y_s, y_b), [])):
            self.assertAllClose(values(y), adain(x, y_s, y_b), rtol=1e-4, atol=1e-4)

    def test_output_has_the_statistics_of_the_style(self):
        y_s, y_b = np.abs(normal(3, 2, seed=3)), normal(3, 2, seed=4)
        y = values(AdaptiveInstanceNormalization()(features(), y_s, y_b))
        self.assertAllClose(y.mean((1, 2)), y_b, atol=1e-4)
        self.assertAllClose(y.std((1, 2)), y_s, atol=1e-4)

    def test_forgets_the_statistics_of_the_features(self):
        """Each style sets its own layer's, not those of the layers after it (section 2)."""
        x, y_s, y_b = features(), normal(3, 2, seed=3), normal(3, 2, seed=4)
        layer = AdaptiveInstanceNormalization()
        other = 7.0 * x - 3.0
        self.assertAllClose(
            values(layer(other, y_s, y_b)), values(layer(x, y_s, y_b)), rtol=1e-3, atol=1e-3
        )

    def test_constant_features_become_the_bias_and_have_a_gradient(self):
        x = np.full(SHAPE, 5.0, "float32")
        y_s, y_b = normal(3, 2, seed=3), normal(3, 2, seed=4)
        layer = AdaptiveInstanceNormalization()
        expected = np.broadcast_to(y_b[:, None, None], SHAPE)
        self.assertAllClose(values(layer(x, y_s, y_b)), expected, atol=1e-6)
        weight = ops.convert_to_tensor(normal(*SHAPE, seed=5))
        gradient = backend.input_gradient(
            lambda x: layer(x, y_s, y_b) * weight, ops.convert_to_tensor(x)
        )
        self.assertTrue(np.all(np.isfinite(values(gradient))))
        self.assertGreater(np.abs(values(gradient)).max(), 0.0)

    def test_half_precision_has_room_for_the_squares(self):
        x = (300.0 * features()).astype("float16")
        y_s, y_b = normal(3, 2, seed=3), normal(3, 2, seed=4)
        layer = AdaptiveInstanceNormalization(dtype="float16")
        y = layer(*(ops.convert_to_tensor(each.astype("float16")) for each in (x, y_s, y_b)))
        self.assertEqual(keras.backend.standardize_dtype(y.dtype), "float16")
        expected = adain(x.astype("float32"), y_s, y_b)
        self.assertAllClose(values(ops.cast(y, "float32")), expected, rtol=1e-2, atol=2e-2)

    def test_can_be_copied(self):
        inputs = [normal(*SHAPE), normal(3, 2, seed=1), normal(3, 2, seed=2)]
        symbols = [keras.Input(x.shape[1:]) for x in inputs]
        layer = AdaptiveInstanceNormalization(epsilon=0.5, name="adain")
        model = keras.Model(symbols, layer(*symbols))
        self.assertEqual(model.output_shape, (None, *SHAPE[1:]))
        file = pathlib.Path(self.create_tempdir().full_path, "model.keras")
        model.save(file)
        copy = keras.models.load_model(file)
        self.assertEqual(as_json(copy.get_layer("adain")), as_json(layer))
        self.assertAllEqual(*(values(each(inputs)) for each in (model, copy)))


def noisy(*strengths, **settings):
    """A built layer, with its strengths."""
    layer = NoiseInjection(**settings)
    layer.build((None, *SHAPE[1:]))
    if strengths:
        layer.strength.assign(np.array(strengths, "float32"))
    return layer


class NoiseInjectionTest(tf.test.TestCase):
    def test_adds_nothing_at_first(self):
        x = normal(*SHAPE)
        layer = noisy()
        for training in (True, False):
            self.assertAllEqual(values(layer(x, training=training)), x)

    def test_in_training_is_new_for_each_image_and_call(self):
        layer = noisy(1.0, 1.0)
        x = np.zeros(SHAPE, "float32")
        first, second = (values(layer(x, training=True)) for _ in range(2))
        maps = np.concatenate([first[..., 0], second[..., 0]]).reshape(6, -1)
        for i in range(6):
            for j in range(i):
                self.assertGreater(np.abs(maps[i] - maps[j]).max(), 0.1, f"{i}, {j}")

    def test_in_a_compiled_step_is_new_as_well(self):
        layer = noisy(1.0, 1.0)
        x = np.zeros(SHAPE, "float32")
        step = lambda: layer(x, training=True)  # noqa: E731
        first, second = (values(compiled(step, layer.variables)) for _ in range(2))
        self.assertGreater(np.abs(first - second).max(), 0.1)

    def test_is_one_map_with_a_strength_for_each_channel(self):
        layer = noisy(0.5, -2.0)
        x = normal(*SHAPE)
        for training in (True, False):
            added = values(layer(x, training=training)) - x
            self.assertAllClose(added[..., 1], -4.0 * added[..., 0], atol=1e-5)
            self.assertGreater(np.abs(added[..., 0]).max(), 0.1)

    def test_in_training_is_standard_normal(self):
        layer = noisy(1.0, 0.0)
        y = values(layer(np.zeros((500, *SHAPE[1:]), "float32"), training=True))[..., 0]
        # Of 10000 numbers, at four sigmas.
        self.assertAllClose(y.mean(), 0.0, atol=0.04)
        self.assertAllClose(y.std(), 1.0, atol=0.03)

    def test_otherwise_is_the_map_of_the_layer_for_every_image_and_call(self):
        layer = noisy(0.5, -2.0)
        x = normal(*SHAPE)
        noise, strength = arrays([layer.noise, layer.strength])
        self.assertEqual(noise.shape, (1, *SHAPE[1:3], 1))
        for _ in range(2):
            self.assertAllClose(values(layer(x)), x + noise * strength, rtol=1e-5, atol=1e-6)
        self.assertGreater(noise.std(), 0.3)

    def test_the_map_is_not_trained(self):
        layer = noisy()
        self.assertEqual([v.name for v in layer.trainable_variables], ["strength"])
        self.assertIn(layer.noise.path, [v.path for v in layer.weights])

    def test_that_is_given_is_used(self):
        layer = noisy(0.5, -2.0)
        x, strength = normal(*SHAPE), np.array([0.5, -2.0])
        for noise in (normal(*SHAPE[:3], 1, seed=1), normal(1, *SHAPE[1:3], 1, seed=2)):
            for training in (True, False):
                y = values(layer(x, noise=noise, training=training))
                self.assertAllClose(y, x + noise * strength, rtol=1e-5, atol=1e-6)

    def test_strength_has_a_gradient_where_it_is_zero(self):
        layer = noisy()
        x, weight = normal(*SHAPE), normal(*SHAPE, seed=1)
        (found,) = gradients(lambda: weighted_sum(layer(x), weight), [layer.strength])
        by_hand = (weight * arrays([layer.noise])[0]).sum((0, 1, 2))
        self.assertAllClose(found, by_hand, rtol=1e-4, atol=1e-4)

    def test_seed_decides(self):
        x = np.zeros(SHAPE, "float32")
        same, again, other = (
            values(noisy(1.0, 1.0, seed=seed)(x, training=True)) for seed in (3, 3, 4)
        )
        self.assertAllEqual(same, again)
        self.assertNotAllClose(same, other)

    def test_can_be_copied(self):
        assert_can_be_copied(self, NoiseInjection(seed=3), normal(*SHAPE))

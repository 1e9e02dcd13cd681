import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from layer_helpers import arrays, assert_can_be_copied, normal

from kerasgan.layers import ConditionalBatchNormalization, StandingBatchNormalization

EPSILON = 0.1


class StandingBatchNormalizationTest(tf.test.TestCase):
    def called(self, layer, inputs, **arguments):
        return ops.convert_to_numpy(layer(inputs, **arguments))

    def test_each_example_is_normalized_with_its_own_mixture(self):
        layer = StandingBatchNormalization(3, epsilon=EPSILON)
        x, shares = normal(4, 2, 3, 5), np.zeros((4, 3), "float32")
        shares[1, 2], shares[2, :2], shares[3, 0] = 1.0, (0.25, 0.75), 0.5
        layer.build([x.shape, shares.shape])
        self.assertLen(layer.trainable_variables, 2)
        random = np.random.default_rng(1)
        for variable in layer.weights:
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
        gamma, beta, moving_mean, moving_variance, means, variances = arrays(layer.weights)
        y = self.called(layer, [x, shares])
        for row in range(4):
            rest = 1.0 - shares[row].sum()
            mean = shares[row] @ means + rest * moving_mean
            variance = shares[row] @ variances + rest * moving_variance
            by_hand = (x[row] - mean) / np.sqrt(variance + EPSILON) * gamma + beta
            self.assertAllClose(y[row], by_hand, atol=1e-5)
        plain = layers.BatchNormalization(epsilon=EPSILON)
        plain.build(x.shape)
        plain.set_weights([gamma, beta, moving_mean, moving_variance])
        self.assertAllClose(y[0], self.called(plain, x)[0], atol=1e-5)

        ours = self.called(layer, [x, shares], training=True)
        self.assertAllClose(ours, self.called(plain, x, training=True), atol=1e-5)
        after = arrays(layer.weights)
        for found, wanted in zip(after, arrays(plain.weights), strict=False):
            self.assertAllClose(found, wanted, atol=1e-6)
        self.assertNotAllClose(after[2], moving_mean, atol=1e-3)
        self.assertAllEqual(after[4], means)
        self.assertAllEqual(after[5], variances)
        layer.trainable = False  # as the averaged copy of a generator is
        frozen = self.called(layer, [x, shares], training=True)
        self.assertAllClose(frozen, self.called(layer, [x, shares]), atol=1e-6)

    def test_under_a_condition(self):
        layer = ConditionalBatchNormalization(epsilon=EPSILON, sets=2)
        x, condition = normal(3, 4, 4, 5), normal(3, 6, seed=1)
        shares = np.array([[0.0, 0.0], [1.0, 0.0], [0.25, 0.75]], "float32")
        y = self.called(layer, [x, condition, shares])
        layer.normalize.means.assign(normal(2, 5, seed=2))
        moved = self.called(layer, [x, condition, shares])
        gamma = 1.0 + condition @ ops.convert_to_numpy(layer.gamma.kernel)
        mean = shares @ normal(2, 5, seed=2)
        by_hand = (-mean * gamma)[:, None, None] / np.sqrt(1.0 + EPSILON)
        self.assertAllClose(moved - y, np.broadcast_to(by_hand, x.shape), atol=1e-5)

    def test_copies(self):
        x, shares = normal(3, 4, 4, 5), np.full((3, 2), 0.25, "float32")
        assert_can_be_copied(self, StandingBatchNormalization(2, momentum=0.5), x, shares)
        conditional = ConditionalBatchNormalization(sets=2, spectral_normalization=True)
        assert_can_be_copied(self, conditional, x, normal(3, 6), shares)

    def test_half_precision(self):
        layer = StandingBatchNormalization(2, dtype="mixed_float16")
        y = layer([normal(3, 4), np.full((3, 2), 0.5, "float32")])
        self.assertEqual(keras.backend.standardize_dtype(y.dtype), "float16")
        self.assertEqual(keras.backend.standardize_dtype(layer.means.dtype), "float32")

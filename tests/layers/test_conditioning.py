import keras
import numpy as np
import tensorflow as tf
from keras import ops
from layer_helpers import (
    arrays,
    assert_can_be_copied,
    compiled,
    functional,
    gradients,
    normal,
    weighted_sum,
)

from kerasgan.layers import ClassToMaps, ConditionalBatchNormalization

EPSILON = 0.1
LABELS = np.array([0, 2, 1, 2, 0, 2, 2, 0], "int32")
SHAPES = ((8, 5), (8, 4, 2, 5))  # of features


def features(shape):
    return 2.0 * normal(*shape) + np.arange(shape[-1], dtype="float32")


def standardized(x, mean=None, variance=None):
    """Batch norm without scale and shift."""
    axes = tuple(range(x.ndim - 1))
    mean = x.mean(axes) if mean is None else mean
    variance = x.var(axes) if variance is None else variance
    return (x - mean) / np.sqrt(variance + EPSILON)


def over_places(rows, x):
    """One row an example, broadcastable to the features."""
    return rows.reshape(len(x), *[1] * (x.ndim - 2), x.shape[-1])


class ClassToMapsTest(tf.test.TestCase):
    def test_the_map_of_the_class_is_of_ones(self):
        expected = np.zeros((8, 2, 3, 4), "float32")
        for index, label in enumerate(LABELS):
            expected[index, :, :, label] = 1.0
        for kind in ("int32", "int64", "uint8"):
            maps = ops.convert_to_numpy(ClassToMaps(4, 2, 3)(LABELS.astype(kind)))
            self.assertEqual(maps.dtype, "float32")
            self.assertAllEqual(maps, expected)

    def test_in_a_model_with_images(self):
        images, label = keras.Input((2, 3, 1)), keras.Input((), dtype="int32")
        joined = keras.layers.Concatenate()([images, ClassToMaps(4, 2, 3)(label)])
        model = keras.Model([images, label], joined)
        self.assertEqual(model.output_shape, (None, 2, 3, 5))
        x = normal(8, 2, 3, 1)
        y = ops.convert_to_numpy(model([x, LABELS]))
        self.assertAllEqual(y[..., :1], x)
        self.assertAllEqual(y[..., 1:].argmax(-1), np.tile(LABELS[:, None, None], (1, 2, 3)))

    def test_half_precision(self):
        maps = ClassToMaps(4, 2, 3, dtype="mixed_float16")(LABELS)
        self.assertEqual(ops.convert_to_numpy(maps).dtype, "float16")

    def test_can_be_copied(self):
        assert_can_be_copied(self, ClassToMaps(4, 2, 3, dtype="mixed_float16"), LABELS)


class ConditionalBatchNormalizationTest(tf.test.TestCase):
    def labelled(self, x, **kwargs):
        """A layer for 3 classes with known scales and shifts, which are returned too."""
        layer = ConditionalBatchNormalization(3, epsilon=EPSILON, **kwargs)
        layer.build([x.shape, LABELS.shape])
        gamma, beta = normal(3, 5, seed=1), normal(3, 5, seed=2)
        layer.gamma.set_weights([gamma])
        layer.beta.set_weights([beta])
        return layer, gamma, beta

    def test_labels_with_the_statistics_of_the_batch(self):
        for shape in SHAPES:
            x = features(shape)
            layer, gamma, beta = self.labelled(x)
            y = ops.convert_to_numpy(layer([x, LABELS], training=True))
            scale, shift = over_places(gamma[LABELS], x), over_places(beta[LABELS], x)
            self.assertAllClose(y, standardized(x) * scale + shift, rtol=1e-4, atol=1e-5)

    def test_labels_with_the_moving_statistics(self):
        for shape in SHAPES:
            x = features(shape)
            layer, gamma, beta = self.labelled(x)
            mean, variance = normal(5, seed=3), np.exp(normal(5, seed=4))
            layer.normalize.moving_mean.assign(mean)
            layer.normalize.moving_variance.assign(variance)
            expected = standardized(x, mean, variance) * over_places(gamma[LABELS], x)
            expected += over_places(beta[LABELS], x)
            for y in (layer([x, LABELS]), layer([x, LABELS], training=False)):
                self.assertAllClose(ops.convert_to_numpy(y), expected, rtol=1e-4, atol=1e-5)

    def test_vectors_move_the_scale_around_one_and_the_shift_around_zero(self):
        condition = normal(8, 3, seed=5)
        for shape in SHAPES:
            x = features(shape)
            layer = ConditionalBatchNormalization(epsilon=EPSILON)
            layer.build([x.shape, condition.shape])
            gamma, beta = normal(3, 5, seed=1), normal(3, 5, seed=2)
            layer.gamma.set_weights([gamma])
            layer.beta.set_weights([beta])
            y = ops.convert_to_numpy(layer([x, condition], training=True))
            expected = standardized(x) * over_places(1.0 + condition @ gamma, x)
            expected += over_places(condition @ beta, x)
            self.assertAllClose(y, expected, rtol=1e-4, atol=1e-5)
            none = ops.convert_to_numpy(layer([x, np.zeros_like(condition)], training=True))
            self.assertAllClose(none, standardized(x), rtol=1e-4, atol=1e-5)

    def test_maps_from_vectors_can_be_spectrally_normalized(self):
        condition, x = normal(8, 3, seed=5), features((8, 4, 2, 5))
        gamma, beta = normal(3, 5, seed=1), normal(3, 5, seed=2)
        for spectral in (True, False):
            layer = ConditionalBatchNormalization(epsilon=EPSILON, spectral_normalization=spectral)
            layer.build([x.shape, condition.shape])
            layer.gamma.trainable_variables[0].assign(gamma)
            layer.beta.trainable_variables[0].assign(beta)
            lengths = (1.0, 1.0)
            if spectral:
                for _ in range(60):
                    layer.gamma.power_iteration()
                    layer.beta.power_iteration()
                lengths = [np.linalg.svd(kernel)[1][0] for kernel in (gamma, beta)]
            self.assertLen(layer.trainable_variables, 2)
            y = ops.convert_to_numpy(layer([x, condition], training=True))
            expected = standardized(x) * over_places(1.0 + condition @ gamma / lengths[0], x)
            expected += over_places(condition @ beta / lengths[1], x)
            self.assertAllClose(y, expected, rtol=1e-4, atol=1e-4)

    def test_starts_as_plain_batch_norm(self):
        for shape in SHAPES:
            x = features(shape)
            layer = ConditionalBatchNormalization(3)
            plain = keras.layers.BatchNormalization(center=False, scale=False)
            for training in (True, False, True):
                ours = ops.convert_to_numpy(layer([x, LABELS], training=training))
                theirs = ops.convert_to_numpy(plain(x, training=training))
                self.assertAllClose(ours, theirs, rtol=1e-6, atol=1e-6)
            for ours, theirs in zip(
                arrays(layer.normalize.weights), arrays(plain.weights), strict=True
            ):
                self.assertAllClose(ours, theirs, rtol=1e-6, atol=1e-6)

    def test_moving_averages(self):
        for shape in SHAPES:
            x = features(shape)
            layer, *_ = self.labelled(x, momentum=0.75)
            axes = tuple(range(x.ndim - 1))
            moving = [layer.normalize.moving_mean, layer.normalize.moving_variance]
            compiled(lambda layer=layer, x=x: layer([x, LABELS], training=False), layer.variables)
            self.assertAllEqual(arrays(moving), [np.zeros(5), np.ones(5)])
            compiled(lambda layer=layer, x=x: layer([x, LABELS], training=True), layer.variables)
            mean, variance = arrays(moving)
            self.assertAllClose(mean, 0.25 * x.mean(axes), atol=1e-5)
            self.assertAllClose(variance, 0.75 + 0.25 * x.var(axes), atol=1e-5)

    def test_gradients_of_scales_and_shifts(self):
        """Each class gets the sum over its own examples, and a class without one gets none."""
        labels = np.where(LABELS == 1, 0, LABELS).astype("int32")
        x = features((8, 4, 2, 5))
        layer, *_ = self.labelled(x)
        weight = normal(*x.shape, seed=6)
        at_gamma, at_beta = gradients(
            lambda: weighted_sum(layer([x, labels], training=True), weight),
            layer.trainable_variables,
            layer.non_trainable_variables,
        )
        for label in range(3):
            mine = labels == label
            by_hand = np.sum((weight * standardized(x))[mine], axis=(0, 1, 2))
            self.assertAllClose(at_gamma[label], by_hand, rtol=1e-4, atol=1e-5)
            self.assertAllClose(
                at_beta[label], np.sum(weight[mine], axis=(0, 1, 2)), rtol=1e-4, atol=1e-5
            )

    def test_half_precision(self):
        x = features((8, 4, 2, 5))
        layer, gamma, beta = self.labelled(x, dtype="mixed_float16")
        y = ops.convert_to_numpy(layer([x, LABELS], training=True))
        self.assertEqual(y.dtype, "float16")
        self.assertEqual({v.dtype for v in layer.weights}, {"float32"})
        expected = standardized(x) * over_places(gamma[LABELS], x) + over_places(beta[LABELS], x)
        self.assertAllClose(y, expected, rtol=1e-2, atol=1e-2)

    def test_model_runs_with_the_training_flag_of_the_model(self):
        x = features((8, 4, 2, 5))
        model = functional(ConditionalBatchNormalization(3, epsilon=EPSILON), x, LABELS)
        self.assertEqual(model.output_shape, (None, 4, 2, 5))
        y = ops.convert_to_numpy(model([x, LABELS], training=True))
        self.assertAllClose(y, standardized(x), rtol=1e-4, atol=1e-4)
        self.assertNotAllClose(ops.convert_to_numpy(model([x, LABELS])), y)

    def test_can_be_copied(self):
        for shape in SHAPES:
            by_label = ConditionalBatchNormalization(3, momentum=0.5, epsilon=0.1)
            assert_can_be_copied(self, by_label, features(shape), LABELS)
            by_vector = ConditionalBatchNormalization(momentum=0.5, dtype="mixed_float16")
            assert_can_be_copied(self, by_vector, features(shape), normal(8, 3))
            spectral = ConditionalBatchNormalization(spectral_normalization=True)
            assert_can_be_copied(self, spectral, features(shape), normal(8, 3))

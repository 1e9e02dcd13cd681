import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from keras import layers, ops
from layer_helpers import (
    arrays,
    assert_can_be_copied,
    compiled,
    gradients,
    normal,
    weighted_sum,
)

from kerasgan import backend
from kerasgan.layers import Equalized

SETTINGS = (
    {},
    {"gain": 1.0},
    {"learning_rate_multiplier": 0.01},
    {"gain": 0.5, "learning_rate_multiplier": 4.0},
)
every_setting = parameterized.parameters(*SETTINGS)


def factor(inputs, gain=2.0**0.5, learning_rate_multiplier=1.0):
    """What a weight of the kernel is multiplied by."""
    return gain / np.sqrt(inputs) * learning_rate_multiplier


def built(layer, x, **settings):
    layer = Equalized(layer, **settings)
    layer.build(x.shape)
    if layer.layer.use_bias:
        layer.layer.bias.assign(normal(*layer.layer.bias.shape, seed=3))
    return layer


def moved(loss_fn, variables, optimizer):
    """By how much one step of an optimizer moves the variables."""
    optimizer.build(variables)
    # The difference has few digits left in single precision where kernels are 100 times larger.
    before = [v.astype("float64") for v in arrays(variables)]
    compiled(
        lambda: backend.update(lambda: (loss_fn(), {}), variables, optimizer)[0],
        [*variables, *optimizer.variables],
    )
    return [after - b for after, b in zip(arrays(variables), before, strict=True)]


def windows(x, size):
    """The size x size patches of images, (batch, rows, columns, size, size, channels)."""
    found = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))
    return np.moveaxis(found, 3, -1)


class OutputTest(tf.test.TestCase, parameterized.TestCase):
    @every_setting
    def test_of_a_dense_layer_has_the_kernel_times_hes_constant(self, **settings):
        x = normal(6, 5)
        layer = built(layers.Dense(4), x, **settings)
        kernel, bias = arrays([layer.layer.kernel, layer.layer.bias])
        multiplier = settings.get("learning_rate_multiplier", 1.0)
        by_hand = x @ (factor(5, **settings) * kernel) + multiplier * bias
        for y in (layer(x), layer(x, training=True), compiled(lambda: layer(x), [])):
            self.assertAllClose(ops.convert_to_numpy(y), by_hand, rtol=1e-4, atol=1e-5)

    @every_setting
    def test_of_a_convolution_counts_all_inputs_of_its_window(self, **settings):
        x = normal(2, 6, 6, 3)
        layer = built(layers.Conv2D(4, 3), x, **settings)
        kernel, bias = arrays([layer.layer.kernel, layer.layer.bias])
        multiplier = settings.get("learning_rate_multiplier", 1.0)
        effective = factor(27, **settings) * kernel
        by_hand = np.einsum("nhwijc,ijco->nhwo", windows(x, 3), effective) + multiplier * bias
        self.assertAllClose(ops.convert_to_numpy(layer(x)), by_hand, rtol=1e-4, atol=1e-4)

    def test_without_a_bias(self):
        x = normal(6, 5)
        layer = built(layers.Dense(4, use_bias=False), x, learning_rate_multiplier=0.1)
        by_hand = x @ (factor(5, learning_rate_multiplier=0.1) * arrays([layer.layer.kernel])[0])
        self.assertAllClose(ops.convert_to_numpy(layer(x)), by_hand, rtol=1e-4, atol=1e-5)

    def test_half_precision(self):
        x = normal(6, 5)
        dense = layers.Dense(4, dtype="mixed_float16")
        layer = built(dense, x, learning_rate_multiplier=0.01, dtype="mixed_float16")
        self.assertEqual({v.dtype for v in layer.variables}, {"float32"})
        kernel, bias = arrays([dense.kernel, dense.bias])
        by_hand = x @ (factor(5, learning_rate_multiplier=0.01) * kernel) + 0.01 * bias
        y = layer(x)
        self.assertEqual(keras.backend.standardize_dtype(y.dtype), "float16")
        y = ops.convert_to_numpy(ops.cast(y, "float32"))
        self.assertAllClose(y, by_hand, rtol=1e-2, atol=1e-2)


class BeginningTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(0.01, 1.0, 4.0)
    def test_kernel_is_as_much_larger_as_it_learns_more_slowly(self, multiplier):
        layer = built(layers.Dense(200), normal(2, 100), learning_rate_multiplier=multiplier)
        kernel = arrays([layer.layer.kernel])[0]
        # Of 20000 numbers the standard deviation is within 2 % at four sigmas.
        self.assertAllClose(kernel.std(), 1.0 / multiplier, rtol=0.02)
        self.assertAllClose(kernel.mean(), 0.0, atol=0.03 / multiplier)

    def test_variance_is_kept_whatever_the_number_of_inputs(self):
        for inputs in (10, 1000):
            x = normal(100, inputs)
            for multiplier in (1.0, 0.01):
                dense = layers.Dense(500, use_bias=False)
                layer = built(dense, x, gain=1.0, learning_rate_multiplier=multiplier)
                self.assertAllClose(np.var(ops.convert_to_numpy(layer(x))), 1.0, rtol=0.2)
        for inputs in (2, 50):
            x = normal(2, 12, 12, inputs)
            layer = built(layers.Conv2D(100, 3, use_bias=False), x, gain=1.0)
            self.assertAllClose(np.var(ops.convert_to_numpy(layer(x))), 1.0, rtol=0.2)

    def test_a_deep_stack_of_the_default_gain_keeps_its_size(self):
        """ReLU keeps half of the mean square, of which the gain sqrt(2) is twice as much."""
        y = normal(100, 1000)
        for _ in range(4):
            layer = Equalized(layers.Dense(1000, "relu"))
            y = ops.convert_to_numpy(layer(y))
            self.assertAllClose(np.mean(y**2), 1.0, rtol=0.4)


class SpeedTest(tf.test.TestCase, parameterized.TestCase):
    @every_setting
    def test_gradient_of_what_is_kept_is_that_of_the_kernel_times_the_constant(self, **settings):
        """So gradient descent moves the effective kernel by the square of the constant."""
        x, weight = normal(6, 5), normal(6, 4, seed=1)
        layer = built(layers.Dense(4), x, **settings)
        constant, multiplier = factor(5, **settings), settings.get("learning_rate_multiplier", 1.0)
        kernel, bias = gradients(
            lambda: weighted_sum(layer(x), weight), [layer.layer.kernel, layer.layer.bias]
        )
        self.assertAllClose(kernel, constant * x.T @ weight, rtol=1e-3, atol=1e-4)
        self.assertAllClose(bias, multiplier * weight.sum(0), rtol=1e-3, atol=1e-4)

    @parameterized.parameters("sgd", "adam")
    def test_one_step_changes_outputs_by_the_multiplier(self, kind):
        """Adam's steps are of one size, which the multiplier reduces; SGD's it reduces twice."""
        x, weight, rate = normal(6, 5), normal(6, 4, seed=1), 0.1
        at_kernel, at_bias = x.T @ weight, weight.sum(0)
        for settings in SETTINGS:
            layer = built(layers.Dense(4), x, **settings)
            constant = factor(5, **settings)
            multiplier = settings.get("learning_rate_multiplier", 1.0)
            if kind == "adam":
                optimizer = keras.optimizers.Adam(rate, epsilon=1e-12)
                steps = constant * np.sign(at_kernel), multiplier * np.sign(at_bias)
            else:
                optimizer = keras.optimizers.SGD(rate)
                steps = constant**2 * at_kernel, multiplier**2 * at_bias
            found = moved(
                lambda layer=layer: weighted_sum(layer(x), weight),
                layer.trainable_variables,
                optimizer,
            )
            effective = constant * found[0], multiplier * found[1]
            for change, step in zip(effective, steps, strict=True):
                self.assertAllClose(change, -rate * step, rtol=0.02, atol=1e-5, msg=str(settings))

    def test_an_adam_step_is_of_one_share_of_every_layer(self):
        """Section 4.1: the speed does not depend on the layer's size, as it otherwise would."""
        shares = {}
        for inputs in (4, 400):
            x = normal(8, inputs)
            layer = built(layers.Dense(30, use_bias=False), x)
            kernel = layer.layer.kernel
            begins_at = np.std(arrays([kernel])[0])
            (change,) = moved(
                lambda layer=layer, x=x: ops.sum(ops.square(layer(x))),
                [kernel],
                keras.optimizers.Adam(0.1),
            )
            shares[inputs] = np.std(change) / begins_at
        self.assertAllClose(shares[4], shares[400], rtol=0.2)
        self.assertAllClose(shares[4], 0.1, rtol=0.2)


class ModelTest(tf.test.TestCase):
    def test_settings_go_through_the_configuration_of_a_model(self):
        model = keras.Sequential(
            [
                keras.Input((6, 6, 3)),
                Equalized(layers.Conv2D(4, 3), learning_rate_multiplier=0.1, name="first"),
                layers.Flatten(),
                Equalized(layers.Dense(2), gain=1.0, name="second"),
            ]
        )
        copy = keras.Sequential.from_config(model.get_config())
        first, second = copy.get_layer("first"), copy.get_layer("second")
        self.assertEqual((first.gain, first.learning_rate_multiplier), (np.sqrt(2.0), 0.1))
        self.assertEqual((second.gain, second.learning_rate_multiplier), (1.0, 1.0))
        # Deserialized, it has to begin as it did: N(0, 1 / multiplier).
        self.assertAllClose(np.std(arrays([first.layer.kernel])[0]), 10.0, rtol=0.3)
        copy.set_weights(model.get_weights())
        x = normal(2, 6, 6, 3)
        self.assertAllEqual(*(ops.convert_to_numpy(each(x)) for each in (model, copy)))

    def test_can_be_copied(self):
        layer = Equalized(layers.Dense(4), gain=0.7, learning_rate_multiplier=0.01)
        assert_can_be_copied(self, layer, normal(6, 5))
        layer = Equalized(layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False))
        assert_can_be_copied(self, layer, normal(2, 6, 6, 3))

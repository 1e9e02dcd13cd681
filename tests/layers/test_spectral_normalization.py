import keras
import numpy as np
import tensorflow as tf
from backends import BACKEND
from keras import layers, ops
from layer_helpers import (
    arrays,
    assert_can_be_copied,
    compiled,
    functional,
    gradients,
    normal,
    weighted_sum,
)

import kerasgan
from kerasgan import backend
from kerasgan.layers import SpectralNormalization

BIAS = {"bias_initializer": keras.initializers.RandomNormal(seed=0)}


def cases():
    """Layers of each kind, and inputs for them."""
    images, points = normal(2, 6, 6, 3), normal(6, 5)
    return (
        (layers.Dense(4, "tanh", **BIAS), points),
        (layers.Dense(7, use_bias=False), points),
        (layers.Conv2D(4, 3, strides=2, padding="same", activation="softplus", **BIAS), images),
        (layers.Conv2DTranspose(4, 4, strides=2, padding="same", activation="tanh"), images),
        (layers.Embedding(7, 4), np.array([[0, 6, 3], [2, 3, 3]], "int32")),
    )


def wrapped(layer, x, improvements=2):
    layer = SpectralNormalization(layer)
    layer.build(x.shape)
    improve(layer, improvements)
    return layer


def improve(layer, times):
    step = (
        tf.function(layer.power_iteration)
        if BACKEND == "tensorflow" and times > 10
        else layer.power_iteration
    )
    for _ in range(times):
        step()


def kernel_of(layer):
    return layer.trainable_variables[0]


def matrix(layer):
    """The kernel as a matrix, inputs x outputs."""
    kernel = arrays([kernel_of(layer)])[0]
    if isinstance(layer, layers.Conv2DTranspose):  # (height, width, outputs, inputs)
        kernel = kernel.transpose(0, 1, 3, 2)
    return kernel.reshape(-1, kernel.shape[-1])


def power_iteration(matrix, u):
    v = u @ matrix
    v /= np.linalg.norm(v)
    u = v @ matrix.T
    return u / np.linalg.norm(u), v


def sigma_of(layer):
    return float(ops.convert_to_numpy(layer.sigma()))


def by_equation_12(layer, gradient):
    """d loss / d W from d loss / d (W / sigma), for u and v that are constant."""
    w = matrix(layer.layer)
    u, v = arrays([layer.u, layer.v])
    sigma = (u @ w @ v.T).item()
    return (gradient - np.sum(gradient * w / sigma) * u.T @ v) / sigma


class EstimateTest(tf.test.TestCase):
    def test_improving_it_leads_to_the_largest_singular_value(self):
        for layer, x in cases():
            largest = np.linalg.svd(matrix(wrapped(layer, x).layer))[1][0]
            layer = wrapped(layer, x, 60)
            self.assertAllClose(sigma_of(layer), largest, rtol=1e-5)

    def test_improving_it_is_one_power_iteration(self):
        for layer, x in cases():
            layer = wrapped(layer, x, 0)
            u = normal(*layer.u.shape)
            layer.u.assign(u)
            for run in (lambda fn, variables: fn(), compiled):
                u, v = power_iteration(matrix(layer.layer), u)
                run(lambda layer=layer: layer.power_iteration(), layer.variables)
                self.assertAllClose(arrays([layer.u])[0], u, atol=1e-5)
                self.assertAllClose(arrays([layer.v])[0], v, atol=1e-5)
            by_numpy = (u @ matrix(layer.layer) @ v.T).item()
            self.assertAllClose(sigma_of(layer), by_numpy, rtol=1e-5)

    def test_a_new_layer_is_of_the_right_size(self):
        """What is shown before the first update should not be 100 times too large."""
        for layer, x in cases():
            layer = wrapped(layer, x, 0)
            largest = np.linalg.svd(matrix(layer.layer))[1][0]
            self.assertBetween(sigma_of(layer), 0.2 * largest, (1 + 1e-5) * largest)

    def test_calls_change_nothing(self):
        for layer, x in cases():
            layer = wrapped(layer, x)
            before = arrays(layer.variables)
            for training in (True, False, True, None):
                layer(x, training=training)
            compiled(lambda layer=layer, x=x: layer(x, training=True), layer.variables)
            for a, b in zip(before, arrays(layer.variables), strict=True):
                self.assertAllEqual(a, b)


class OutputTest(tf.test.TestCase):
    def test_is_the_layer_with_its_kernel_divided(self):
        for layer, x in cases():
            layer = wrapped(layer, x)
            u, v = arrays([layer.u, layer.v])
            sigma = (u @ matrix(layer.layer) @ v.T).item()
            plain = type(layer.layer).from_config(layer.layer.get_config())
            plain.build(x.shape)
            kernel, *bias = layer.layer.get_weights()
            plain.set_weights([kernel / sigma, *bias])
            expected = ops.convert_to_numpy(plain(x))
            for y in (layer(x), layer(x, training=True), compiled(lambda: layer(x), [])):
                self.assertAllClose(ops.convert_to_numpy(y), expected, rtol=1e-5, atol=1e-6)

    def test_a_stack_is_1_lipschitz(self):
        def stack(wrap):
            activations = ("relu", "tanh", "leaky_relu", None)
            dense = [layers.Dense(8, f) for f in activations]
            network = keras.Sequential([keras.Input((8,)), *map(wrap, dense)])
            for seed, layer in enumerate(dense):
                layer.kernel.assign(normal(8, 8, seed=seed))
            return network

        a, b = normal(500, 8), normal(500, 8, seed=1)
        b[:250] = a[:250] + 1e-2 * b[:250]

        def steepest(network):
            difference = ops.convert_to_numpy(network(a)) - ops.convert_to_numpy(network(b))
            return np.max(np.linalg.norm(difference, axis=1) / np.linalg.norm(a - b, axis=1))

        network = stack(SpectralNormalization)
        for layer in network.layers:
            improve(layer, 60)
        self.assertLessEqual(steepest(network), 1.0 + 1e-4)
        self.assertGreater(steepest(stack(lambda layer: layer)), 10.0)

    def test_half_precision(self):
        x = normal(6, 5)
        for policy, tolerance in (("mixed_float16", 1e-2), ("mixed_bfloat16", 5e-2)):
            dense = layers.Dense(4, dtype=policy, **BIAS)
            layer = SpectralNormalization(dense, dtype=policy)
            layer.build(x.shape)
            improve(layer, 60)
            self.assertEqual({v.dtype for v in layer.variables}, {"float32"})
            self.assertAllClose(sigma_of(layer), np.linalg.svd(matrix(dense))[1][0], rtol=1e-5)
            y = layer(x)
            self.assertEqual(keras.backend.standardize_dtype(y.dtype), dense.compute_dtype)
            y = ops.convert_to_numpy(ops.cast(y, "float32"))
            kernel, bias = dense.get_weights()
            expected = x @ kernel / sigma_of(layer) + bias
            self.assertAllClose(y, expected, rtol=tolerance, atol=tolerance)
            found = gradients(
                lambda layer=layer: ops.sum(ops.cast(layer(x), "float32") ** 2) / 2, [dense.kernel]
            )
            by_hand = by_equation_12(layer, x.T @ expected)
            self.assertAllClose(found[0], by_hand, rtol=tolerance, atol=5 * tolerance)

    def test_a_layer_without_a_kernel(self):
        for layer in (layers.ReLU(), layers.Dropout(0.1), layers.LSTM(3)):
            name = type(layer).__name__
            with self.assertRaisesRegex(ValueError, f"got a {name}, which has no kernel"):
                SpectralNormalization(layer)(normal(2, 3, 4))

    def test_a_kernel_that_is_no_matrix_of_inputs_and_outputs(self):
        with self.assertRaisesRegex(ValueError, "got a DepthwiseConv2D"):
            SpectralNormalization(layers.DepthwiseConv2D(3))(normal(2, 4, 4, 3))

    def test_transposed_convolutions_of_any_rank(self):
        """Their kernels are (..., outputs, inputs)."""
        for layer, x in (
            (layers.Conv1DTranspose(4, 3), normal(2, 5, 3)),
            (layers.Conv3DTranspose(4, 2), normal(1, 3, 3, 3, 3)),
        ):
            normalized = wrapped(layer, x, 200)
            kernel = np.moveaxis(ops.convert_to_numpy(layer.kernel), -1, -2)
            largest = np.linalg.svd(kernel.reshape(-1, 4))[1][0]
            self.assertAllClose(sigma_of(normalized), largest, rtol=1e-4)

    def test_a_kernel_of_zeros_stays_so(self):
        layer = SpectralNormalization(layers.Dense(3, kernel_initializer="zeros"))
        self.assertAllEqual(ops.convert_to_numpy(layer(normal(2, 4))), np.zeros((2, 3)))
        layer.power_iteration()
        layer.layer.kernel.assign(5.0 * np.eye(4, 3))
        for _ in range(20):
            layer.power_iteration()
        self.assertAllClose(sigma_of(layer), 5.0)
        half = SpectralNormalization(
            layers.Dense(3, kernel_initializer="zeros", dtype="mixed_float16"),
            dtype="mixed_float16",
        )
        self.assertAllEqual(ops.convert_to_numpy(half(normal(2, 4))), np.zeros((2, 3)))


class GradientTest(tf.test.TestCase):
    def test_of_a_dense_layer_is_equation_12(self):
        x = normal(6, 5)
        for improvements in (2, 60):
            layer = wrapped(layers.Dense(4, **BIAS), x, improvements)
            kernel, bias = layer.layer.get_weights()
            y = x @ kernel / sigma_of(layer) + bias
            state = [layer.u, layer.v]
            before = arrays(state)
            at_kernel, at_bias = gradients(
                lambda layer=layer: ops.sum(layer(x, training=True) ** 2) / 2,
                layer.trainable_variables,
                state,
            )
            self.assertAllClose(at_kernel, by_equation_12(layer, x.T @ y), rtol=1e-4, atol=1e-4)
            self.assertAllClose(at_bias, y.sum(0), rtol=1e-4, atol=1e-4)
            for a, b in zip(before, arrays(state), strict=True):
                self.assertAllEqual(a, b)
            self.assertLen(layer.trainable_variables, 2)

    def test_of_every_layer_equals_finite_differences(self):
        for layer, x in cases():
            layer = wrapped(layer, x)
            y = ops.convert_to_numpy(layer(x))
            weight = normal(*y.shape, seed=1)

            def loss(layer=layer, x=x, weight=weight):
                return weighted_sum(layer(x), weight)

            kernel = kernel_of(layer.layer)
            gradient = gradients(loss, [kernel])[0]
            value, direction = arrays([kernel])[0], normal(*kernel.shape, seed=2)
            direction /= np.linalg.norm(direction)
            ends = []
            for step in (1e-2, -1e-2):
                kernel.assign(value + step * direction)
                ends.append(float(ops.convert_to_numpy(loss())))
            slope = (ends[0] - ends[1]) / 2e-2
            self.assertAllClose(np.sum(gradient * direction), slope, rtol=1e-2, atol=1e-2)
            if layer.layer.get_config().get("activation") in (None, "linear"):
                # The output does not depend on the size of the kernel, so along it is no slope.
                self.assertAllClose(np.sum(gradient * value), 0.0, atol=1e-3)
                self.assertGreater(np.linalg.norm(gradient), 0.1)

    def test_of_the_gradient_of_the_inputs(self):
        """As a gradient penalty needs it: || d sum(f(x)) / dx ||^2 = n || W 1 ||^2 / sigma^2."""
        x = normal(6, 5)
        layer = wrapped(layers.Dense(4), x)
        w_1 = matrix(layer.layer).sum(1, keepdims=True) / sigma_of(layer)
        found = backend.input_gradient(layer, ops.convert_to_tensor(x))
        self.assertAllClose(ops.convert_to_numpy(found), np.tile(w_1.T, (6, 1)), rtol=1e-4)

        def penalty():
            return ops.sum(backend.input_gradient(layer, ops.convert_to_tensor(x)) ** 2)

        found = gradients(penalty, [layer.layer.kernel])[0]
        by_hand = by_equation_12(layer, np.tile(6 * 2 * w_1, (1, 4)))
        self.assertAllClose(found, by_hand, rtol=1e-4, atol=1e-3)

    def test_of_the_regularizers_of_the_layer(self):
        """The kernel's own size, and the size of the outputs that the divided kernel gives."""
        x = normal(6, 5)
        l2 = keras.regularizers.L2(0.1)
        layer = wrapped(layers.Dense(4, use_bias=False, kernel_regularizer=l2), x)
        w = matrix(layer.layer)
        self.assertAllClose(float(ops.convert_to_numpy(sum(layer.losses))), 0.1 * np.sum(w**2))

        layer = SpectralNormalization(
            layers.Dense(4, use_bias=False, kernel_regularizer=l2, activity_regularizer=l2)
        )
        layer.build(x.shape)
        layer.power_iteration()

        def loss():
            layer(x)
            return sum(layer.losses)

        w = matrix(layer.layer)
        by_hand = by_equation_12(layer, 0.2 * x.T @ x @ w / sigma_of(layer) / len(x)) + 0.2 * w
        self.assertAllClose(gradients(loss, [layer.layer.kernel])[0], by_hand, atol=1e-4)


class ModelTest(tf.test.TestCase):
    def test_in_a_functional_model(self):
        for layer, x in cases():
            layer = SpectralNormalization(layer)
            model = functional(layer, x)
            y = ops.convert_to_numpy(layer(x))
            self.assertEqual(model.output_shape[1:], y.shape[1:])
            self.assertAllClose(ops.convert_to_numpy(model(x, training=True)), y, rtol=1e-6)
            self.assertAllClose(model.predict_on_batch(x), y, rtol=1e-5, atol=1e-6)

    def test_can_be_copied(self):
        for layer, x in cases():
            assert_can_be_copied(self, SpectralNormalization(layer), x)
        dense = layers.Dense(4, dtype="mixed_float16")
        assert_can_be_copied(
            self, SpectralNormalization(dense, dtype="mixed_float16"), normal(6, 5)
        )

    def test_a_training_step_of_a_gan_improves_the_estimates_once(self):
        def network(*sizes):
            dense = [SpectralNormalization(layers.Dense(units, "tanh")) for units in sizes[1:-1]]
            last = SpectralNormalization(layers.Dense(sizes[-1]))
            return keras.Sequential([keras.Input(sizes[:1]), *dense, last])

        gan = kerasgan.GAN(network(2, 8, 2), network(2, 8, 2), latent_dim=2, ema_decay=0.5, seed=1)
        gan.compile()
        kernels = arrays(gan.trainable_variables)
        normalized = [*gan.generator.layers, *gan.discriminator.layers]
        expected = [power_iteration(matrix(n.layer), arrays([n.u])[0]) for n in normalized]

        history = gan.fit(normal(16, 2), batch_size=16, verbose=0)

        self.assertTrue(np.all(np.isfinite(list(history.history.values()))))
        for layer, (u, v) in zip(normalized, expected, strict=True):
            self.assertAllClose(arrays([layer.u])[0], u, atol=1e-5)
            self.assertAllClose(arrays([layer.v])[0], v, atol=1e-5)
        for variable, old in zip(gan.trainable_variables, kernels, strict=True):
            self.assertNotAllClose(ops.convert_to_numpy(variable), old, msg=variable.path)
        for weights in arrays(gan.weights):
            self.assertTrue(np.all(np.isfinite(weights)))

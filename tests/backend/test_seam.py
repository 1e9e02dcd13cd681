"""What `kerasgan.backend` promises on every backend."""

import keras
import numpy as np
import tensorflow as tf
from backends import BACKEND, in_step
from keras import ops

from kerasgan import backend


def variable(value):
    return keras.Variable(np.asarray(value, "float32"))


def sgd(variables, **kwargs):
    """Gradient descent with rate 1: a variable's change is minus its gradient."""
    optimizer = keras.optimizers.SGD(1.0, **kwargs)
    optimizer.build(variables)
    return optimizer


def update(loss_fn, variables, optimizer, others=()):
    return in_step(
        lambda: backend.update(loss_fn, variables, optimizer),
        [*variables, *optimizer.variables, *others],
    )


def forwarded_update(fn, loss_fn, variables):
    optimizer = sgd(variables)

    def step():
        return backend.update(loss_fn, variables, optimizer, backend.forward(fn, variables))

    return in_step(step, [*variables, *optimizer.variables])


def arrays(variables):
    return [ops.convert_to_numpy(v) for v in variables]


def normal(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


class UpdateTest(tf.test.TestCase):
    def test_moves_the_named_variables_only(self):
        moved, left = variable([1.0, 2.0]), variable([3.0, 4.0])
        loss, logs = update(
            lambda: (ops.sum(moved * moved * left), {"a": 1}), [moved], sgd([moved]), [left]
        )
        self.assertAllClose(ops.convert_to_numpy(loss), 1 * 3 + 4 * 4)
        self.assertEqual(logs, {"a": 1})
        self.assertAllClose(*arrays([moved]), [1 - 2 * 1 * 3, 2 - 2 * 2 * 4])
        self.assertAllClose(*arrays([left]), [3.0, 4.0])

    def test_loss_scaling_leaves_the_update_alone(self):
        for optimizer in (
            keras.optimizers.SGD(1.0, loss_scale_factor=1024.0),
            keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1.0)),
        ):
            v = variable([1.0, 2.0])
            optimizer.build([v])
            loss, _ = update(lambda v=v: (ops.sum(v**3), {}), [v], optimizer)
            self.assertAllClose(ops.convert_to_numpy(loss), 1 + 8)
            self.assertAllClose(*arrays([v]), [1 - 3 * 1, 2 - 3 * 4])

    def test_a_gradient_that_overflows_moves_nothing_and_lowers_the_loss_scale(self):
        v = variable([1.0, 2.0])
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1.0), 2.0**15)
        optimizer.build([v])
        update(lambda: (ops.sum(v) * 1e36, {}), [v], optimizer)
        self.assertAllEqual(*arrays([v]), [1.0, 2.0])
        self.assertEqual(float(ops.convert_to_numpy(optimizer.dynamic_scale)), 2.0**14)


class ForwardTest(tf.test.TestCase):
    def test_forwarded_update_equals_running_the_network_again(self):
        def run(forwarded):
            keras.utils.set_random_seed(0)
            network = keras.Sequential(
                [keras.Input((3,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(2)]
            )
            x = ops.convert_to_tensor(normal(5, 3))
            variables = network.trainable_variables
            if forwarded:
                forwarded_update(lambda: network(x), lambda y: (ops.mean(y**3), {}), variables)
            else:
                update(lambda: (ops.mean(network(x) ** 3), {}), variables, sgd(variables))
            return network.get_weights()

        for again, reused in zip(run(False), run(True), strict=True):
            self.assertAllClose(again, reused, rtol=1e-6, atol=1e-7)

    def test_an_output_that_the_loss_ignores_gets_no_gradient(self):
        v = variable([1.0, 2.0])
        forwarded_update(lambda: (v * 2.0, v * 100.0), lambda y: (ops.sum(y[0]), {}), [v])
        self.assertAllClose(*arrays([v]), [1 - 2, 2 - 2])

    def test_images_and_regularization_each_with_or_without_the_other(self):
        """What a generator gives its losses, against the gradients by hand."""
        x = normal(5, 3)
        for images_count, regularization_counts in ((1, 0), (0, 1), (1, 1)):
            layer = keras.layers.Dense(
                2, use_bias=False, kernel_regularizer=keras.regularizers.L2(0.1)
            )
            layer.build((None, 3))
            w = ops.convert_to_numpy(layer.kernel)

            def loss(outputs, used=(images_count, regularization_counts)):
                losses = [ops.mean(outputs[0] ** 2), outputs[1]]
                return sum(x for x, counts in zip(losses, used, strict=True) if counts), {}

            forwarded_update(
                lambda layer=layer: (layer(ops.convert_to_tensor(x)), sum(layer.losses)),
                loss,
                [layer.kernel],
            )
            gradient = images_count * x.T @ (x @ w) / 5 + regularization_counts * 0.2 * w
            self.assertAllClose(ops.convert_to_numpy(layer.kernel), w - gradient, atol=1e-6)

    def test_what_the_network_assigns_meanwhile_is_kept(self):
        norm = keras.layers.BatchNormalization(momentum=0.75)
        norm.build((None, 3))
        x = normal(5, 3)
        optimizer = sgd(norm.trainable_variables)

        def step():
            output, pullback = backend.forward(
                lambda: norm(ops.convert_to_tensor(x), training=True), norm.trainable_variables
            )
            backend.update(
                lambda y: (ops.mean(y**2), {}),
                norm.trainable_variables,
                optimizer,
                (output, pullback),
            )

        in_step(step, [*norm.variables, *optimizer.variables])
        self.assertAllClose(*arrays([norm.moving_mean]), 0.25 * x.mean(0), atol=1e-6)


class InputGradientTest(tf.test.TestCase):
    def test_value_and_gradient(self):
        x = ops.convert_to_tensor(np.array([[1.0, -2.0], [0.5, 3.0]], "float32"))
        w = variable([1.0, 1.0])

        def both(x):
            y = ops.sum(w.value * x**3, axis=1)
            return y, (y, 2.0 * x)

        (y, double), gradient = in_step(lambda: backend.value_and_gradient(both, x), [w])
        self.assertAllClose(ops.convert_to_numpy(y), [-7.0, 27.125])
        self.assertAllClose(ops.convert_to_numpy(double), [[2.0, -4.0], [1.0, 6.0]])
        self.assertAllClose(ops.convert_to_numpy(gradient), [[3.0, 12.0], [0.75, 27.0]])
        _, nothing = in_step(
            lambda: backend.value_and_gradient(lambda x: (ops.sum(w.value), w.value), x), [w]
        )
        self.assertAllEqual(ops.convert_to_numpy(nothing), np.zeros((2, 2)))

    def test_value_and_second_derivative(self):
        x = np.array([[1.0, -2.0], [0.5, 3.0]], "float32")
        w = np.array([[2.0], [3.0]], "float32")

        def gradient(w):
            return backend.input_gradient(lambda x: ops.matmul(x, w) ** 3, ops.convert_to_tensor(x))

        s = x @ w
        self.assertAllClose(
            ops.convert_to_numpy(gradient(ops.convert_to_tensor(w))), 3 * s**2 * w.T
        )
        # d/dw of sum(gradient) through the first gradient, against the formula.
        by_hand = sum(6 * s[i] * x[i][:, None] * w.sum() + 3 * s[i] ** 2 for i in range(2))
        second = backend.input_gradient(gradient, ops.convert_to_tensor(w))
        self.assertAllClose(ops.convert_to_numpy(second), by_hand)


class GradientPenaltyTest(tf.test.TestCase):
    """(||d/dx f(x)|| - 1)^2 in the loss of a network that assigns variables when it is run."""

    def setUp(self):
        super().setUp()
        keras.utils.set_random_seed(0)
        self.network = keras.Sequential(
            [
                keras.Input((3,)),
                keras.layers.Dense(6, bias_initializer="normal"),
                # Without `synchronized`, TensorFlow's own tf.nn.moments computes the statistics,
                # whose second derivatives are wrong: it stops the gradient of the mean.
                keras.layers.BatchNormalization(
                    momentum=0.75, synchronized=BACKEND == "tensorflow"
                ),
                keras.layers.Activation("tanh"),
                keras.layers.Dropout(0.4, seed=1),
                keras.layers.Dense(1, use_bias=False),
            ]
        )
        self.x = normal(8, 3)
        (self.seed,) = (v for v in self.network.variables if "seed" in v.name)

    def update(self):
        variables = self.network.trainable_variables
        others = self.network.non_trainable_variables
        return update(lambda: (self.penalty(), {}), variables, sgd(variables), others)[0]

    def penalty(self):
        gradient = backend.input_gradient(
            lambda x: self.network(x, training=True), ops.convert_to_tensor(self.x)
        )
        norms = ops.sqrt(ops.sum(gradient**2, axis=1))
        return ops.mean((norms - 1.0) ** 2)

    def penalty_at(self, weights):
        for v, value in zip(self.network.trainable_variables, weights, strict=True):
            v.assign(value)
        self.seed.assign([1, 0])  # the same units are dropped at every point
        return float(ops.convert_to_numpy(self.penalty()))

    def test_gradient_equals_finite_differences(self):
        before = arrays(self.network.trainable_variables)
        loss = ops.convert_to_numpy(self.update())
        after = arrays(self.network.trainable_variables)
        gradients = [b - a for a, b in zip(after, before, strict=True)]

        self.assertAllClose(loss, self.penalty_at(before), rtol=1e-5)
        step = 1e-2
        rng = np.random.default_rng(1)
        for index, gradient in enumerate(gradients):
            direction = rng.normal(size=gradient.shape).astype("float32")
            direction /= np.linalg.norm(direction)
            ahead, behind = (
                self.penalty_at([*before[:index], nudged, *before[index + 1 :]])
                for nudged in (before[index] + step * direction, before[index] - step * direction)
            )
            slope = (ahead - behind) / (2 * step)
            self.assertAllClose(np.sum(gradient * direction), slope, rtol=5e-3, atol=1e-4)

    def test_statistics_and_seeds_move_on_once(self):
        kernel, bias = self.network.layers[0].get_weights()
        self.update()
        norm = self.network.layers[1]
        mean = (self.x @ kernel + bias).mean(0)
        self.assertAllClose(*arrays([norm.moving_mean]), 0.25 * mean, atol=1e-5)
        self.assertAllEqual(*arrays([self.seed]), [1, 1])

import keras
import numpy as np
import tensorflow as tf

from kerasgan import backend


def variable(value):
    return keras.Variable(np.asarray(value, "float32"))


def sgd(variables, **kwargs):
    optimizer = keras.optimizers.SGD(1.0, **kwargs)
    optimizer.build(variables)
    return optimizer


class UpdateTest(tf.test.TestCase):
    def test_moves_the_named_variables_only(self):
        moved, left = variable([1.0, 2.0]), variable([3.0, 4.0])
        optimizer = sgd([moved])
        loss, logs = backend.update(
            lambda: (tf.reduce_sum(moved * moved * left), {"a": 1}), [moved], optimizer
        )
        self.assertAllClose(loss, 1 * 3 + 4 * 4)
        self.assertEqual(logs, {"a": 1})
        self.assertAllClose(moved, [1 - 2 * 1 * 3, 2 - 2 * 2 * 4])
        self.assertAllClose(left, [3.0, 4.0])

    def test_loss_scaling_leaves_the_update_alone(self):
        results = []
        for scale in (None, 1024.0):
            v = variable([1.0, 2.0])
            optimizer = sgd([v], loss_scale_factor=scale)
            loss, _ = backend.update(lambda v=v: (tf.reduce_sum(v * v), {}), [v], optimizer)
            results.append((float(loss), v.numpy()))
        self.assertAllClose(results[0], results[1])

    def test_forwarded_update_equals_running_the_network_again(self):
        def run(forwarded):
            keras.utils.set_random_seed(0)
            network = keras.Sequential(
                [keras.Input((3,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(2)]
            )
            x = tf.random.stateless_normal((5, 3), [1, 2])
            variables = network.trainable_variables
            optimizer = sgd(variables)
            if forwarded:
                output, pullback = backend.forward(lambda: network(x), variables)
                backend.update(
                    lambda y: (tf.reduce_mean(y**3), {}), variables, optimizer, (output, pullback)
                )
            else:
                backend.update(lambda: (tf.reduce_mean(network(x) ** 3), {}), variables, optimizer)
            return network.get_weights()

        for again, reused in zip(run(False), run(True), strict=True):
            self.assertAllClose(again, reused, rtol=1e-6, atol=1e-7)

    def test_an_output_that_the_loss_ignores_gets_no_gradient(self):
        v = variable([1.0, 2.0])
        outputs, pullback = backend.forward(lambda: (v * 2.0, v * 100.0), [v])
        backend.update(lambda y: (tf.reduce_sum(y[0]), {}), [v], sgd([v]), (outputs, pullback))
        self.assertAllClose(v, [1 - 2, 2 - 2])


class InputGradientTest(tf.test.TestCase):
    def test_value_and_second_derivative(self):
        x = tf.constant([[1.0, -2.0], [0.5, 3.0]])
        w = variable([[2.0], [3.0]])

        def cube(inputs):
            return tf.matmul(inputs, w.value) ** 3

        gradient = backend.input_gradient(cube, x)
        s = x.numpy() @ w.numpy()
        self.assertAllClose(gradient, 3 * s**2 * w.numpy().T)
        # d/dw of sum(gradient) through the first gradient, against the formula.
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(backend.input_gradient(cube, x))
        by_hand = sum(
            6 * s[i] * x.numpy()[i][:, None] * w.numpy().sum() + 3 * s[i] ** 2 for i in range(2)
        )
        self.assertAllClose(tape.gradient(total, w.value), by_hand)


class AccelerateTest(tf.test.TestCase):
    def steps(self, accelerate, **kwargs):
        rng = np.random.default_rng(0)
        variables = [variable(rng.normal(size=(4, 3))), variable(rng.normal(size=3))]
        optimizer = keras.optimizers.Adam(1e-2, beta_1=0.5, **kwargs)
        if accelerate:
            backend.accelerate(optimizer)
        optimizer.build(variables)
        run = tf.function(lambda *g: optimizer.apply(list(g), variables))
        for _ in range(20):
            run(
                tf.constant(rng.normal(size=(4, 3)), "float32"),
                tf.constant(rng.normal(size=3), "float32"),
            )
        return [v.numpy() for v in variables + optimizer.variables]

    def test_kernel_equals_keras_adam(self):
        for kwargs in ({}, {"clipnorm": 0.5, "weight_decay": 0.1}, {"use_ema": True}):
            for ours, keras_own in zip(
                self.steps(True, **kwargs), self.steps(False, **kwargs), strict=True
            ):
                self.assertAllClose(ours, keras_own, rtol=1e-5, atol=1e-6)

    def test_other_optimizers_are_left_alone(self):
        for optimizer in (
            keras.optimizers.SGD(),
            keras.optimizers.AdamW(),
            keras.optimizers.Adam(amsgrad=True),
        ):
            backend.accelerate(optimizer)
            self.assertNotIn("update_step", vars(optimizer))


class CompileStepsTest(tf.test.TestCase):
    def counting(self, steps_per_execution):
        total, calls = variable(0.0), variable(0.0)

        def step(batch):
            total.assign_add(tf.reduce_sum(batch))
            calls.assign_add(1.0)

        return backend.compile_steps(
            step, steps_per_execution, lambda: {"total": total + 0, "calls": calls + 0}
        )

    def test_every_batch_is_used_once_also_at_the_ragged_end(self):
        data = tf.data.Dataset.range(1, 12).map(lambda x: tf.cast(x, "float32")).batch(2)
        iterator = iter(data)
        function = self.counting(4)
        self.assertAllClose(function(iterator), {"total": sum(range(1, 9)), "calls": 4})
        self.assertAllClose(function(iterator), {"total": sum(range(1, 12)), "calls": 6})
        with self.assertRaises(StopIteration):
            function(iterator)

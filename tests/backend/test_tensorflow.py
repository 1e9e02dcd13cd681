"""What `kerasgan.backend` does on TensorFlow only."""

from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend

import kerasgan
from kerasgan import backend

pytestmark = needs_backend("tensorflow", reason="TensorFlow's kernels and graphs")


def variable(value):
    return keras.Variable(np.asarray(value, "float32"))


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


class AddInOrderTest(tf.test.TestCase):
    """TensorFlow's AddN begins with the first input whose memory is free."""

    def sums(self, keep):
        """A gradient and a sum of four terms; `keep` others hold on to the first terms."""
        random = np.random.default_rng(0)
        data = [tf.constant(random.normal(size=2000), "float32") for _ in range(4)]
        weight = tf.Variable(tf.ones(2000))

        @tf.function
        def compute():
            terms = [tf.math.tanh(x) for x in data]
            with tf.GradientTape() as tape:
                uses = [tf.identity(weight) for _ in terms]
                loss = sum(
                    tf.reduce_sum(tf.math.sin(use * term))
                    for use, term in zip(uses, terms, strict=True)
                )
            gradient, *parts = tape.gradient(loss, [weight, *uses])
            total = terms[0] + terms[1] + terms[2] + terms[3]
            return (gradient, total), parts[:keep], terms[:keep]

        return compute()[0]

    def test_sums_do_not_depend_on_whose_memory_is_free(self):
        backend.tensorflow.add_in_order()
        for alone, held in zip(self.sums(keep=0), self.sums(keep=2), strict=True):
            self.assertAllEqual(alone, held)

    def test_training_adds_up_in_order(self):
        gan = kerasgan.VanillaGAN((2,), 2, hidden_units=(3,))
        gan.compile()
        with mock.patch.object(backend.tensorflow, "add_in_order") as switch:
            gan.make_train_function()
        switch.assert_called_once_with()

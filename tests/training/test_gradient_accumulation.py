"""Steps that only gather gradients are, together, one step on their batches together."""

import keras
import numpy as np
import tensorflow as tf
from backends import BACKEND, needs_backend

import kerasgan
from kerasgan.layers import SpectralNormalization
from kerasgan.training import ema

STEPS = 2


def points(count):
    return np.random.default_rng(0).normal(size=(count, 2)).astype("float32")


def players(spectral=False):
    judge = keras.layers.Dense(1, kernel_initializer=keras.initializers.RandomNormal(seed=1))
    judge = SpectralNormalization(judge) if spectral else judge
    make = keras.layers.Dense(2, kernel_initializer=keras.initializers.RandomNormal(seed=2))
    generator = keras.Sequential([keras.Input((3,)), make])
    return generator, keras.Sequential([keras.Input((2,)), judge])


def gathering(spectral=False, **kwargs):
    gan = kerasgan.GAN(*players(spectral), latent_dim=3, seed=0, ema_decay=0.5)
    gan.compile(
        keras.optimizers.SGD(0.1, gradient_accumulation_steps=STEPS),
        steps_per_execution=1,
        jit_compile=False,
        **kwargs,
    )
    return gan


def numbers(weights):
    return np.concatenate([keras.ops.convert_to_numpy(w).ravel() for w in weights])


class GradientAccumulationTest(tf.test.TestCase):
    def test_the_average_moves_when_the_weights_do(self):
        gan = gathering()
        average = [numbers(gan.ema_generator.weights)]
        moved = []
        for _ in range(6):
            before = numbers(gan.generator.weights)
            gan.train_on_batch(points(4))
            after = numbers(gan.generator.weights)
            moved.append(bool(np.any(before != after)))
            if moved[-1]:
                updates = sum(moved)
                decay = min(0.5, (1 + updates) / (10 + updates))
                average.append(average[-1] + (1.0 - decay) * (after - average[-1]))
            self.assertAllClose(numbers(gan.ema_generator.weights), average[-1], rtol=1e-5)
        self.assertEqual(moved, [False, True] * 3)
        self.assertEqual(gan.iterations, 3)

    def test_a_lazy_penalty_is_paid_by_whole_updates(self):
        lazy = kerasgan.losses.GradientPenalty.r1(every=2)
        gan = gathering(penalties=lazy)
        paid = []
        for _ in range(8):
            gan.reset_metrics()
            logs = gan.train_on_batch(points(4), return_dict=True)
            paid.append(float(logs["gradient_penalty"]) > 0.0)
        self.assertEqual(paid, [True, True, False, False] * 2)

    def test_spectral_norms_are_estimated_once_an_update(self):
        gan = gathering(spectral=True)
        layer = gan.discriminator.layers[0]
        estimates = []
        for _ in range(4):
            gan.train_on_batch(points(4))
            estimates.append(numbers([layer.u, layer.v]))
        self.assertAllEqual(estimates[0], estimates[1])
        self.assertAllEqual(estimates[2], estimates[3])
        self.assertNotAllClose(estimates[1], estimates[2], rtol=1e-7, atol=0.0)

    def test_a_step_that_float16_cannot_hold_leaves_the_average(self):
        if BACKEND != "tensorflow":
            self.skipTest("one backend tells")
        gan = kerasgan.VanillaGAN((2,), 2, (), seed=0, ema_decay=0.5, dtype="mixed_float16")
        gan.compile(steps_per_execution=1, jit_compile=False)
        gan.optimizer["generator"].dynamic_scale.assign(1e38)
        gan.ema_generator.set_weights([w + 1.0 for w in gan.ema_generator.get_weights()])
        before = numbers(gan.generator.weights), numbers(gan.ema_generator.weights)
        gan.train_on_batch(points(4))
        self.assertAllEqual(numbers(gan.generator.weights), before[0])
        self.assertAllEqual(numbers(gan.ema_generator.weights), before[1])

    @needs_backend("tensorflow", reason="it counts")
    def test_growing_counts_images_and_not_updates(self):
        gan = kerasgan.ProGAN((8, 8, 1), 2, 2, 4, seed=0)
        rate = keras.optimizers.SGD(0.1, gradient_accumulation_steps=STEPS)
        gan.compile(rate, penalties=[], jit_compile=False)
        gan.grow_to(1, fade_images=16)
        for _ in range(3):
            gan.train_on_batch(np.zeros((4, 8, 8, 1), "float32"))
        self.assertEqual(int(keras.ops.convert_to_numpy(gan.images_seen)), 12)
        self.assertAllClose(float(keras.ops.convert_to_numpy(gan.discriminator.alpha)), 0.5)

    def test_by_hand(self):
        mean = keras.Variable([1.0])
        for moved, expected in ((False, 1.0), (True, 2.0)):
            ema.update_average([mean], [np.array([3.0], "float32")], 0.5, 100, moved)
            self.assertAllClose(keras.ops.convert_to_numpy(mean), [expected])

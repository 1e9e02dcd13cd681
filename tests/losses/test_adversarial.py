import math

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from kerasgan import backend, losses


def logit(probability):
    return math.log(probability / (1 - probability))


def input_gradient(fn, logits):
    """The gradient of `fn` at an array, as an array."""
    return ops.convert_to_numpy(backend.input_gradient(fn, ops.convert_to_tensor(logits)))


class AdversarialLossTest(tf.test.TestCase):
    def test_error_function_of_the_lectures(self):
        # A fake with D = 0.1 costs the discriminator -ln(1 - 0.1), one with 0.9 -ln(1 - 0.9).
        sure_of_real = [[1e4]]
        loss = losses.NonSaturating()
        self.assertAllClose(loss.discriminator(sure_of_real, [[logit(0.1)]]), 0.105, atol=5e-4)
        self.assertAllClose(loss.discriminator(sure_of_real, [[logit(0.9)]]), 2.303, atol=5e-4)
        self.assertAllClose(loss.generator([[logit(0.1)]]), 2.303, atol=5e-4)
        self.assertAllClose(losses.Minimax().generator([[logit(0.1)]]), -0.105, atol=5e-4)

    def test_equals_the_formula_of_the_paper(self):
        rng = np.random.default_rng(0)
        real, fake = rng.normal(size=(2, 7, 1))
        d_real, d_fake = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
        value = np.mean(np.log(d_real)) + np.mean(np.log(1 - d_fake))
        for loss in (losses.Minimax(), losses.NonSaturating()):
            self.assertAllClose(loss.discriminator(real, fake), -value, rtol=1e-6)
        self.assertAllClose(
            losses.Minimax().generator(fake), np.mean(np.log(1 - d_fake)), rtol=1e-6
        )
        self.assertAllClose(
            losses.NonSaturating().generator(fake), -np.mean(np.log(d_fake)), rtol=1e-6
        )

    def test_label_smoothing_is_on_the_side_of_the_real_images_only(self):
        rng = np.random.default_rng(1)
        real, fake = rng.normal(size=(2, 5, 1))
        bce = keras.losses.BinaryCrossentropy(from_logits=True)
        expected = bce(np.full((5, 1), 0.9), real) + bce(np.zeros((5, 1)), fake)
        for kind in (losses.Minimax, losses.NonSaturating):
            smoothed = kind(label_smoothing=0.1)
            self.assertAllClose(smoothed.discriminator(real, fake), expected, rtol=1e-5)
            self.assertAllEqual(smoothed.generator(fake), kind().generator(fake))

    def test_patch_maps_count_every_patch_once(self):
        rng = np.random.default_rng(2)
        real, fake = rng.normal(size=(2, 3, 4, 4, 1))
        loss = losses.NonSaturating()
        flat = loss.discriminator(real.reshape(-1, 1), fake.reshape(-1, 1))
        self.assertAllClose(loss.discriminator(real, fake), flat, rtol=1e-6)

    def test_stable_at_huge_logits(self):
        for kind in (losses.Minimax, losses.NonSaturating):
            for sign in (1.0, -1.0):
                logits = np.array([[sign * 1e4]], "float32")
                for fn in (
                    kind(0.1).generator,
                    lambda x, kind=kind: kind(0.1).discriminator(x, -x),
                    lambda x, kind=kind: kind().discriminator(-x, x),
                ):
                    self.assertAllInRange(ops.convert_to_numpy(fn(logits)), -2e4, 2e4)
                    self.assertAllInRange(input_gradient(fn, logits), -2.0, 2.0)
        self.assertAllClose(losses.NonSaturating().generator([[-1e4]]), 1e4)
        self.assertAllClose(losses.Minimax().generator([[1e4]]), -1e4)

    def test_gradients_equal_finite_differences(self):
        rng = np.random.default_rng(3)
        logits, other = rng.normal(size=(2, 4, 1)).astype("float32")
        step = 1e-2
        for loss in (losses.Minimax(0.2), losses.NonSaturating(0.2)):
            for fn in (
                loss.generator,
                lambda x, loss=loss: loss.discriminator(x, other),
                lambda x, loss=loss: loss.discriminator(other, x),
            ):
                gradient = input_gradient(fn, logits)[:, 0]
                for index in range(4):
                    nudge = np.zeros_like(logits)
                    nudge[index] = step
                    slope = (fn(logits + nudge) - fn(logits - nudge)) / (2 * step)
                    self.assertAllClose(gradient[index], ops.convert_to_numpy(slope), atol=1e-4)

    def test_generator_gradient_vanishes_for_minimax_only(self):
        # A discriminator that is sure: fakes have D = 4.5e-5.
        logits = np.array([[-10.0]], "float32")
        self.assertLess(abs(input_gradient(losses.Minimax().generator, logits)[0, 0]), 1e-4)
        gradient = input_gradient(losses.NonSaturating().generator, logits)
        self.assertAllClose(gradient, [[-1.0]], atol=1e-4)

    def test_half_precision_logits_are_computed_in_single(self):
        loss = losses.Minimax().generator(ops.convert_to_tensor([[12.0]], "float16"))
        self.assertEqual(keras.backend.standardize_dtype(loss.dtype), "float32")

    def test_serialization_keeps_the_configuration(self):
        loss = losses.Minimax(label_smoothing=0.25)
        copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
        self.assertIsInstance(copy, losses.Minimax)
        self.assertEqual(copy.label_smoothing, 0.25)

    def test_lookup(self):
        self.assertIsInstance(losses.get("minimax"), losses.Minimax)
        self.assertIsInstance(losses.get("non_saturating"), losses.NonSaturating)
        loss = losses.Minimax()
        self.assertIs(losses.get(loss), loss)
        with self.assertRaisesRegex(ValueError, r"'minmax' is not known.*Did you mean 'minimax'"):
            losses.get("minmax")
        with self.assertRaisesRegex(TypeError, "is not an adversarial loss"):
            losses.get(3)

    def test_label_smoothing_out_of_range(self):
        for value in (-0.1, 0.5, 1):
            with self.assertRaisesRegex(ValueError, f"label_smoothing={value}"):
                losses.NonSaturating(label_smoothing=value)

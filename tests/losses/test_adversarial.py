import json
import math

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from keras import ops

from kerasgan import backend, losses

# Each with other arguments than its defaults, where it has any.
LOSSES = {
    "minimax": losses.Minimax(0.2),
    "non_saturating": losses.NonSaturating(0.2),
    "least_squares": losses.LeastSquares(1.5, -0.5, 0.25),
    "hinge": losses.Hinge(),
    "wasserstein": losses.Wasserstein(0.5),
    "relativistic": losses.Relativistic(),
    "relativistic_average": losses.Relativistic(average=True),
}

every_loss = parameterized.named_parameters(*LOSSES.items())


def logit(probability):
    return math.log(probability / (1 - probability))


def input_gradient(fn, logits):
    """The gradient of `fn` at an array, as an array."""
    return ops.convert_to_numpy(backend.input_gradient(fn, ops.convert_to_tensor(logits)))


def players(loss, other):
    """Each player's loss, as functions of one of the logits that it looks at."""
    yield lambda x: loss.discriminator(x, other)
    yield lambda x: loss.discriminator(other, x)
    yield lambda x: loss.generator(x, other)
    if loss.needs_real_logits:
        yield lambda x: loss.generator(other, x)


def softplus(x):
    return np.log1p(np.exp(x))


class AdversarialLossTest(tf.test.TestCase, parameterized.TestCase):
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

    def test_least_squares_equals_the_formula_of_the_paper(self):
        rng = np.random.default_rng(4)
        real, fake = rng.normal(size=(2, 7, 1))
        for a, b, c in ((0.0, 1.0, 1.0), (-1.0, 1.0, 0.0), (-0.5, 1.5, 0.25)):
            loss = losses.LeastSquares(real_target=b, fake_target=a, generator_target=c)
            d_loss = np.mean((real - b) ** 2) / 2 + np.mean((fake - a) ** 2) / 2
            self.assertAllClose(loss.discriminator(real, fake), d_loss, rtol=1e-6)
            self.assertAllClose(loss.generator(fake), np.mean((fake - c) ** 2) / 2, rtol=1e-6)
        default = losses.LeastSquares()
        self.assertAllClose(default.discriminator([[1.0]], [[0.0]]), 0.0)
        self.assertAllClose(default.generator([[1.0]]), 0.0)

    def test_hinge_and_wasserstein_equal_the_formulas_of_their_papers(self):
        rng = np.random.default_rng(5)
        real, fake = rng.normal(scale=2.0, size=(2, 7, 1))
        self.assertAllClose(
            losses.Hinge().discriminator(real, fake),
            np.mean(np.maximum(0, 1 - real)) + np.mean(np.maximum(0, 1 + fake)),
        )
        self.assertAllClose(
            losses.Wasserstein().discriminator(real, fake), np.mean(fake) - np.mean(real)
        )
        for loss in (losses.Hinge(), losses.Wasserstein()):
            self.assertAllClose(loss.generator(fake), -np.mean(fake))

    def test_drift_costs_the_critic_the_squares_of_its_values_for_real_images(self):
        loss = losses.Wasserstein(drift=0.1)
        real, fake = [[1.0], [-3.0]], [[2.0], [5.0]]
        # E[D(fake)] - E[D(real)] = 3.5 + 1, and 0.1 times the mean of 1 and 9.
        self.assertAllClose(loss.discriminator(real, fake), 4.5 + 0.5)
        self.assertAllClose(loss.generator(fake, real), -3.5)
        self.assertEqual(losses.Wasserstein().drift, 0.0)
        self.assertAllClose(losses.Wasserstein().discriminator(real, fake), 4.5)

    def test_relativistic_equals_the_formula_of_the_paper(self):
        rng = np.random.default_rng(6)
        real, fake = rng.normal(scale=2.0, size=(2, 7, 1))
        loss = losses.Relativistic()
        self.assertAllClose(loss.discriminator(real, fake), np.mean(softplus(fake - real)))
        self.assertAllClose(loss.generator(fake, real), np.mean(softplus(real - fake)))

    def test_relativistic_average_equals_the_formula_of_the_paper(self):
        rng = np.random.default_rng(7)
        real, fake = rng.normal(1.0, 2.0, size=(7, 1)), rng.normal(-1.0, 2.0, size=(5, 1))
        loss = losses.Relativistic(average=True)
        # The paper's -log D(real) - log(1 - D(fake)), with D = sigmoid(logit - mean of others).
        d_real = 1 / (1 + np.exp(fake.mean() - real))
        d_fake = 1 / (1 + np.exp(real.mean() - fake))
        self.assertAllClose(
            loss.discriminator(real, fake), -np.mean(np.log(d_real)) - np.mean(np.log(1 - d_fake))
        )
        self.assertAllClose(
            loss.generator(fake, real), -np.mean(np.log(1 - d_real)) - np.mean(np.log(d_fake))
        )

    @every_loss
    def test_only_relativistic_generators_look_at_real_images(self, loss):
        rng = np.random.default_rng(8)
        real, fake = rng.normal(size=(2, 5, 1))
        self.assertEqual(loss.needs_real_logits, isinstance(loss, losses.Relativistic))
        if loss.needs_real_logits:
            self.assertNotAllClose(loss.generator(fake, real), loss.generator(fake, real + 1.0))
        else:
            self.assertAllEqual(loss.generator(fake), loss.generator(fake, real))

    def test_label_smoothing_is_on_the_side_of_the_real_images_only(self):
        rng = np.random.default_rng(1)
        real, fake = rng.normal(size=(2, 5, 1))
        bce = keras.losses.BinaryCrossentropy(from_logits=True)
        expected = bce(np.full((5, 1), 0.9), real) + bce(np.zeros((5, 1)), fake)
        for kind in (losses.Minimax, losses.NonSaturating):
            smoothed = kind(label_smoothing=0.1)
            self.assertAllClose(smoothed.discriminator(real, fake), expected, rtol=1e-5)
            self.assertAllEqual(smoothed.generator(fake), kind().generator(fake))

    @every_loss
    def test_patch_maps_count_every_patch_once(self, loss):
        rng = np.random.default_rng(2)
        real, fake = rng.normal(size=(2, 3, 4, 4, 1))
        flat = loss.discriminator(real.reshape(-1, 1), fake.reshape(-1, 1))
        self.assertAllClose(loss.discriminator(real, fake), flat, rtol=1e-6)
        flat = loss.generator(fake.reshape(-1, 1), real.reshape(-1, 1))
        self.assertAllClose(loss.generator(fake, real), flat, rtol=1e-6)

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

    @every_loss
    def test_finite_at_huge_logits(self, loss):
        logits = np.array([[1e4], [-1e4], [-1e4]], "float32")
        for other in (logits, -logits):
            for fn in players(loss, other):
                self.assertAllInRange(ops.convert_to_numpy(fn(logits)), -2e8, 2e8)
                self.assertAllInRange(input_gradient(fn, logits), -1e4, 1e4)

    @every_loss
    def test_gradients_equal_finite_differences(self, loss):
        rng = np.random.default_rng(3)
        logits, other = rng.normal(size=(2, 4, 1)).astype("float32")
        step = 1e-2
        for fn in players(loss, other):
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

    def test_perfect_discriminator_leaves_the_generator_a_gradient_by_wasserstein_only(self):
        # Images are numbers, the real ones 1, and the slope of the logit is what makes it sure.
        fake = np.full((4, 1), -1.0, "float32")

        def images_gradient(loss, slope):
            return input_gradient(lambda images: loss.generator(slope * images), fake)

        minimax, wasserstein = losses.Minimax(), losses.Wasserstein()
        self.assertAllEqual(minimax.discriminator(-1e3 * fake, 1e3 * fake), 0.0)  # it is perfect
        self.assertAllEqual(images_gradient(minimax, 1e3), np.zeros((4, 1)))
        for slope in (1.0, 1e3):
            gradient = images_gradient(wasserstein, slope)
            self.assertAllClose(gradient, np.full((4, 1), -slope / 4))

    @every_loss
    def test_half_precision_logits_are_computed_in_single(self, loss):
        # The square of 300 is more than half precision has.
        logits = np.array([[300.0], [12.0], [-0.25]], "float16")
        other = np.array([[-300.0], [3.5], [0.75]], "float16")
        half, other_half = ops.convert_to_tensor(logits), ops.convert_to_tensor(other)
        single = zip(players(loss, other_half), players(loss, other.astype("float32")), strict=True)
        for of_half, of_single in single:
            value = of_half(half)
            self.assertEqual(keras.backend.standardize_dtype(value.dtype), "float32")
            self.assertAllEqual(value, of_single(logits.astype("float32")))

    @every_loss
    def test_serialization_keeps_the_configuration(self, loss):
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(loss)))
        copy = keras.saving.deserialize_keras_object(config)
        self.assertIs(type(copy), type(loss))
        self.assertIsNot(copy, loss)
        self.assertEqual(vars(copy), vars(loss))

    def test_lookup(self):
        for name, kind in (
            ("minimax", losses.Minimax),
            ("non_saturating", losses.NonSaturating),
            ("least_squares", losses.LeastSquares),
            ("hinge", losses.Hinge),
            ("wasserstein", losses.Wasserstein),
            ("relativistic", losses.Relativistic),
        ):
            self.assertIs(type(losses.get(name)), kind)
        for loss in LOSSES.values():
            self.assertIs(losses.get(loss), loss)
        with self.assertRaisesRegex(ValueError, r"'minmax' is not known.*Did you mean 'minimax'"):
            losses.get("minmax")
        with self.assertRaisesRegex(ValueError, r"'wgan' is not known; the names are .*'hinge'"):
            losses.get("wgan")
        with self.assertRaisesRegex(TypeError, "neither a name"):
            losses.get(3)

    def test_label_smoothing_out_of_range(self):
        for value in (-0.1, 0.5, 1):
            with self.assertRaisesRegex(ValueError, f"label_smoothing={value}"):
                losses.NonSaturating(label_smoothing=value)

    def test_drift_out_of_range(self):
        for value in (-0.001, float("nan")):
            with self.assertRaisesRegex(ValueError, f"drift={value}; use a number of at least 0"):
                losses.Wasserstein(drift=value)

    def test_a_relativistic_loss_needs_pairs(self):
        loss = losses.Relativistic()
        with self.assertRaisesRegex(ValueError, "real_logits=None; .* so pass them"):
            loss.generator(np.zeros((4, 1)))
        with self.assertRaisesRegex(ValueError, r"\(4, 1\) and \(4,\)"):
            loss.discriminator(np.zeros((4, 1)), np.zeros(4))
        for other in ((1, 4), (1, 1), (4, 2)):  # which could be broadcast
            with self.assertRaisesRegex(ValueError, "to form pairs, they need the same shape"):
                loss.discriminator(np.zeros((4, 1)), np.zeros(other))

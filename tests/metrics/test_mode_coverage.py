import json

import keras
import numpy as np
import scipy.stats
import tensorflow as tf
from backends import needs_backend
from keras import ops

import kerasgan
from kerasgan.metrics import ModeCoverage

pytestmark = needs_backend("tensorflow", reason="NumPy alone")

MODES = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
SIGMA = 0.1
# Two near the first mode, one of them of low quality; two at the second, none of high quality.
SAMPLES = np.array([[0.1, 0.2], [0.25, 0.2], [0.7, 0.1], [1.0, 0.4]], "float32")


def numbers(metric):
    return {name: float(ops.convert_to_numpy(value)) for name, value in metric.result().items()}


def measured(samples, *mixture):
    metric = ModeCoverage(*mixture)
    metric.update_state(None, np.asarray(samples, "float32"))
    return numbers(metric)


def by_loops(samples, modes, sigma, weights):
    """The definitions, sample by sample, and SciPy's relative entropy."""
    nearest, covered, good = np.zeros(len(modes)), set(), 0
    for sample in samples:
        distances = [np.linalg.norm(sample - mode) for mode in modes]
        mode = int(np.argmin(distances))
        nearest[mode] += 1
        if distances[mode] <= 3 * sigma:
            covered.add(mode)
            good += 1
    return {
        "modes_covered": len(covered),
        "high_quality": good / len(samples),
        "reverse_kl": scipy.stats.entropy(nearest, weights),  # which it makes add up to 1
    }


class ModeCoverageTest(tf.test.TestCase):
    def test_by_hand(self):
        found = measured(SAMPLES, MODES, SIGMA)
        kl = np.log(0.5 / (1 / 3))  # half of the samples at each of two of three modes
        by_hand = {"modes_covered": 1.0, "high_quality": 0.25, "reverse_kl": kl}
        self.assertAllClose(found, by_hand, rtol=1e-5)

    def test_equals_a_loop_over_the_samples(self):
        random = np.random.default_rng(0)
        weights = random.uniform(1.0, 9.0, 7)
        for size, num_modes, n in ((1, 7, 2), (200, 7, 3), (3, 7, 1)):
            modes = random.normal(size=(num_modes, n))
            samples = modes[random.integers(0, 5, size)] + 0.3 * random.normal(size=(size, n))
            samples = samples.astype("float32")
            for of_modes in (weights, np.ones(7)):
                expected = by_loops(samples, modes.astype("float32"), 0.12, of_modes)
                found = measured(samples, modes, 0.12, of_modes)
                self.assertAllClose(found, expected, rtol=1e-4, atol=1e-5)

    def test_a_sample_of_high_quality_is_within_three_sigma_in_all_directions_together(self):
        for distance, good in ((0.29, 1.0), (0.31, 0.0)):
            for direction in ((1.0, 0.0), (-np.sqrt(0.5), -np.sqrt(0.5))):
                sample = [np.multiply(distance, direction)]
                self.assertEqual(measured(sample, MODES, SIGMA)["high_quality"], good)

    def test_is_perfect_for_the_mixture_itself(self):
        for name in ("ring8", "grid25"):
            modes, sigma = kerasgan.data.mixture(name)
            found = measured(modes, modes, sigma)
            perfect = {"modes_covered": len(modes), "high_quality": 1.0, "reverse_kl": 0.0}
            self.assertAllClose(found, perfect, atol=1e-6)

    def test_weights_are_shares(self):
        samples = MODES[[0, 0, 1, 2]]
        self.assertAllClose(
            measured(samples, MODES, SIGMA, [20.0, 10.0, 10.0])["reverse_kl"], 0.0, atol=1e-6
        )
        self.assertGreater(measured(samples, MODES, SIGMA)["reverse_kl"], 0.01)

    def test_counts_over_batches_until_it_is_reset(self):
        metric = ModeCoverage(MODES, SIGMA)
        for batch in (SAMPLES[:1], SAMPLES[1:]):
            metric.update_state(None, batch)
        self.assertAllClose(numbers(metric), measured(SAMPLES, MODES, SIGMA), rtol=1e-6)
        metric.reset_state()
        none = {"modes_covered": 0.0, "high_quality": 0.0, "reverse_kl": 0.0}
        self.assertEqual(numbers(metric), none)
        metric.update_state(None, MODES)
        self.assertEqual(numbers(metric)["modes_covered"], 3.0)

    def test_does_not_look_at_real_samples(self):
        metric = ModeCoverage(MODES, SIGMA)
        metric.update_state(MODES, SAMPLES)
        self.assertEqual(numbers(metric), measured(SAMPLES, MODES, SIGMA))

    def test_half_precision_is_counted_in_float32(self):
        metric = ModeCoverage(MODES, SIGMA)
        for _ in range(3):
            metric.update_state(None, np.repeat(MODES, 1000, axis=0).astype("float16"))
        self.assertAllClose(ops.convert_to_numpy(metric.nearest), [3000.0] * 3)

    def test_is_a_metric_of_a_model(self):
        gan = kerasgan.PacGAN((2,), latent_dim=2, seed=0)
        modes, sigma = kerasgan.data.mixture("grid25")
        gan.compile(metrics=[ModeCoverage(modes, sigma)])
        real = np.zeros((50, 2), "float32")
        results = gan.evaluate(real, batch_size=20, return_dict=True, verbose=0)
        metric = gan.generative_metrics[0]
        self.assertEqual(float(ops.convert_to_numpy(ops.sum(metric.nearest))), 50.0)
        self.assertEqual({name: results[name] for name in numbers(metric)}, numbers(metric))
        again = gan.evaluate(real, batch_size=20, return_dict=True, verbose=0)
        self.assertEqual(again, results)

        fake = gan.generator.layers[-1]  # now all samples are at one mode
        fake.set_weights([np.zeros((400, 2)), modes[7]])
        results = gan.evaluate(real, batch_size=20, return_dict=True, verbose=0)
        found = [results[name] for name in ("modes_covered", "high_quality", "reverse_kl")]
        self.assertAllClose(found, [1.0, 1.0, np.log(25.0)], rtol=1e-5)

    def test_what_cannot_be_counted_is_refused(self):
        metric = ModeCoverage(MODES, SIGMA)
        for samples, message in (
            (np.array([[0.0, np.nan]]), "generated samples hold NaN"),
            (np.array([[np.inf, 0.0]]), "generated samples hold NaN or infinite"),
            (
                SAMPLES[:, :1],
                r"shape \(1,\), but the modes have \(2,\)",
            ),  # which would be broadcast
            (SAMPLES[0], "give an array"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                metric.update_state(None, samples)
        self.assertEqual(numbers(metric)["modes_covered"], 0.0)

    def test_configuration(self):
        metric = ModeCoverage(MODES, SIGMA, weights=[1.0, 2.0, 5.0], name="modes")
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(metric)))
        copy = keras.saving.deserialize_keras_object(config)
        self.assertEqual(copy.name, "modes")
        self.assertAllClose(copy.mixture, [0.125, 0.25, 0.625])
        for each in (metric, copy):
            each.update_state(None, SAMPLES)
        self.assertAllClose(numbers(copy), numbers(metric), rtol=1e-6)

    def test_arguments_that_describe_no_mixture(self):
        for arguments, message in (
            ((MODES[0], SIGMA), r"modes has shape \(2,\); use \(num_modes, n\)"),
            ((MODES[:0], SIGMA), r"modes has shape \(0, 2\)"),
            ((MODES, 0.0), "sigma=0.0"),
            ((MODES, np.inf), "sigma=inf"),
            ((MODES * np.nan, SIGMA), "modes hold NaN"),
            ((MODES, SIGMA, [1.0, 1.0]), "weights=.*3 numbers above 0"),
            ((MODES, SIGMA, [1.0, 0.0, 1.0]), "weights=.*3 numbers above 0"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                ModeCoverage(*arguments)

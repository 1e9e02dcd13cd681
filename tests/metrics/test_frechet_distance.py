"""FID, against closed forms and SciPy."""

import math
import pathlib
import warnings

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend
from metric_helpers import gaussian, images, measured
from scipy import linalg

from kerasgan import metrics
from kerasgan.metrics import FeatureStatistics, FrechetDistance, SampleSizeWarning
from kerasgan.metrics.frechet_distance import frechet_distance

pytestmark = needs_backend("tensorflow", reason="NumPy is the same everywhere")


def of_scipy(real, fake):
    covariances = [np.cov(x.astype("float64"), rowvar=False) for x in (real, fake)]
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    apart = real.mean(axis=0, dtype="float64") - fake.mean(axis=0, dtype="float64")
    return apart @ apart + np.trace(sum(covariances) - 2.0 * root)


class FrechetDistanceTest(tf.test.TestCase):
    def test_known_gaussians(self):
        of_moments = FeatureStatistics.of_moments
        # Commuting covariances: the sum of squared differences of deviations and of means.
        first = of_moments([1.0, 2.0], np.diag([4.0, 9.0]))
        second = of_moments([1.0, -1.0], np.diag([1.0, 25.0]))
        self.assertAllClose(frechet_distance(first, second), 9.0 + 1.0 + 4.0)
        # Of a rotated pair it is the same; the covariances of these two do not commute.
        turn = np.array([[0.6, -0.8], [0.8, 0.6]])
        third = of_moments([1.0, 2.0], turn @ np.diag([4.0, 9.0]) @ turn.T)
        a, b = first.covariance, third.covariance
        # For 2x2 matrices tr (AB)^(1/2) = sqrt(tr AB + 2 sqrt(det AB)).
        root = math.sqrt(np.trace(a @ b) + 2.0 * math.sqrt(np.linalg.det(a @ b)))
        self.assertAllClose(frechet_distance(first, third), 26.0 - 2.0 * root)
        self.assertAllClose(frechet_distance(third, first), 26.0 - 2.0 * root)
        self.assertAllClose(frechet_distance(first, first), 0.0, atol=1e-9)

    def test_batches_against_scipy(self):
        real, fake = gaussian(300), gaussian(200, seed=1, mean=0.2, scale=1.3)
        metric = FrechetDistance("pixels")
        for size in (300, 64, 7):
            self.assertAllClose(measured(metric, real, fake, size), of_scipy(real, fake), rtol=1e-6)
        metric.reset_state()
        self.assertAllClose(measured(metric, real, real, 50), 0.0, atol=1e-6)

    def test_vectors_of_double_precision(self):
        real, fake = (gaussian(300, seed=seed).astype("float64") for seed in (0, 1))
        expected = of_scipy(real, fake)
        found = measured(FrechetDistance("pixels"), real + 1e8, fake + 1e8, 64)
        self.assertAllClose(found, expected, rtol=1e-5)  # float32 has steps of 8 there

    def test_the_size_of_batches_does_not_matter(self):
        real, fake = gaussian(1100), gaussian(900, seed=1, mean=0.2)
        metric = FrechetDistance("pixels", infinity=True)
        expected = measured(metric, real, fake)
        for size in (500, 64, 7):
            self.assertAllClose(measured(metric, real, fake, size), expected, rtol=1e-11)

    def test_fewer_images_than_features(self):
        real, fake = gaussian(60, 40), gaussian(20, 40, seed=1)
        metric = FrechetDistance("pixels")
        with self.assertWarnsRegex(SampleSizeWarning, "20 images for 40 features"):
            value = measured(metric, real, fake)
        # SciPy's root of a singular matrix is no better than a few digits.
        self.assertAllClose(value, of_scipy(real, fake), rtol=1e-3)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.assertTrue(math.isfinite(measured(metric, gaussian(50, 40), gaussian(41, 40))))

    def test_without_variance(self):
        metric = FrechetDistance("pixels")
        value = measured(metric, np.zeros((5, 2), "float32"), np.full((5, 2), 3.0, "float32"))
        self.assertAllClose(value, 18.0)

    def test_infinitely_many_images(self):
        """Real statistics are known; 400 generated examples of the same Gaussian."""
        mix = np.random.default_rng(99).normal(size=(32, 32)) / 32**0.5
        errors = {"fid": [], "fid_infinity": []}
        for seed in range(5):
            reference = (np.zeros(32), mix.T @ mix)
            metric = FrechetDistance("pixels", reference=reference, infinity=True)
            metric.update_state(None, gaussian(399, 32, seed=seed))
            metric.update_state(None, gaussian(1, 32, seed=100 + seed))
            result = metric.result()
            for name, of_seeds in errors.items():
                of_seeds.append(result[name])
        self.assertGreater(min(errors["fid"]), 0.3)  # the truth is 0
        self.assertLess(abs(np.mean(errors["fid_infinity"])), 0.15 * np.mean(errors["fid"]))

    def test_parts_hold_the_same_number_whatever_the_batches(self):
        metric = FrechetDistance("pixels", infinity=True)
        metric.update_state(gaussian(100), gaussian(7))
        metric.update_state(None, gaussian(96, seed=1))
        self.assertEqual(sorted({part.count for part in metric._fake}), [10, 11])
        whole = FrechetDistance("pixels")
        whole.update_state(gaussian(100), np.concatenate([gaussian(7), gaussian(96, seed=1)]))
        self.assertAllClose(metric.result()["fid"], whole.result())

    def test_a_reference_replaces_the_real_images(self):
        real, fake = gaussian(300), gaussian(200, seed=1)
        expected = measured(FrechetDistance("pixels"), real, fake)
        statistics = FeatureStatistics.of(real, "pixels")
        path = f"{self.create_tempdir().full_path}/reference.npz"
        statistics.save(path)
        for reference in (statistics, path, (statistics.mean, statistics.covariance)):
            metric = FrechetDistance("pixels", reference=reference)
            metric.update_state(fake, fake)  # real images are not looked at
            self.assertAllClose(metric.result(), expected)
            again = FrechetDistance.from_config(metric.get_config())
            again.update_state(None, fake)
            self.assertAllClose(again.result(), expected)
        metric = FrechetDistance("pixels", reference=path)
        with self.assertRaisesRegex(ValueError, "the reference has 8 features, .* makes 5"):
            metric.update_state(None, gaussian(20, 5))
        lost = FrechetDistance("pixels", reference="lost.npz")  # a model with it can be loaded
        with self.assertRaisesRegex(FileNotFoundError, "lost.npz do not exist"):
            lost.prepare()
        with self.assertRaisesRegex(ValueError, "reference holds no statistics"):
            FrechetDistance(reference=FeatureStatistics())
        with self.assertRaisesRegex(ValueError, "reference=3; use None"):
            FrechetDistance(reference=3)

    def test_too_few(self):
        metric = FrechetDistance("pixels")
        with self.assertRaisesRegex(ValueError, "seen 0 real images; it needs at least 2"):
            metric.result()
        metric.update_state(images(5), images(1))
        with self.assertRaisesRegex(ValueError, "seen 1 generated image; it needs at least 2"):
            metric.result()

    def test_a_file_holds_it(self):
        for features in (
            "digits",
            keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()]),
        ):
            metric = FrechetDistance(features, infinity=True, name="other")
            config = keras.saving.serialize_keras_object(metric)
            again = keras.saving.deserialize_keras_object(config)
            values = [measured(each, images(80), images(80, seed=1)) for each in (metric, again)]
            self.assertEqual(list(values[0]), ["other", "other_infinity"])
            self.assertAllClose(values[0], values[1])
        self.assertIs(metrics.FrechetDistance, FrechetDistance)
        path = pathlib.Path("folder/net.keras")
        self.assertEqual(FrechetDistance(path).get_config()["features"], str(path))

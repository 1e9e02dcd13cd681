"""Precision, recall, density and coverage, against scikit-learn's neighbours."""

from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend
from metric_helpers import gaussian, images, measured
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestNeighbors

from kerasgan.metrics import DensityCoverage, PrecisionRecall, neighbours

pytestmark = needs_backend("tensorflow", reason="NumPy alone")


def of_scikit_learn(real, fake, k):
    def reach(x):
        distances, _ = NearestNeighbors(n_neighbors=k + 1).fit(x).kneighbors(x)
        return distances[:, k]

    between = pairwise_distances(real, fake)
    inside_real, inside_fake = between <= reach(real)[:, None], between <= reach(fake)[None]
    return {
        "precision": inside_real.any(axis=0).mean(),
        "recall": inside_fake.any(axis=1).mean(),
        "density": inside_real.sum(axis=0).mean() / k,
        "coverage": (between.min(axis=1) <= reach(real)).mean(),
    }


class NeighboursTest(tf.test.TestCase):
    def test_against_scikit_learn_in_blocks(self):
        real, fake = gaussian(150, seed=3), gaussian(150, seed=4, mean=0.5, scale=0.8)
        for k in (1, 3, 5):
            expected = of_scikit_learn(real.astype("float64"), fake.astype("float64"), k)
            for block in (1024, 32):
                with mock.patch.object(neighbours, "BLOCK", block):
                    found = measured(PrecisionRecall("pixels", k=k), real, fake, 40)
                    found |= measured(DensityCoverage("pixels", k=k), real, fake, 40)
                self.assertAllClose(found, expected, atol=1e-7)

    def test_borders_are_outside_as_in_the_package_prdc(self):
        """Points of a grid, many as far from each other as others; numbers of prdc 0.2."""
        rng = np.random.default_rng(5)
        real = rng.integers(0, 6, (60, 3)).astype("float32")
        fake = rng.integers(1, 7, (60, 3)).astype("float32")
        expected = {"density": 0.7366666666666667, "coverage": 0.8333333333333334}
        for apart in (0.0, 1e6):  # whole numbers that float32 can hold
            found = measured(DensityCoverage("pixels"), real + apart, fake + apart)
            self.assertAllClose(found, expected)
        twice = np.repeat(real[:20], 3, axis=0)  # balls without a radius, which hold nothing
        found = measured(DensityCoverage("pixels", k=2), twice, fake)
        self.assertAllClose(found, {"density": 0.0, "coverage": 0.0})

    def test_vectors_of_double_precision(self):
        real, fake = (gaussian(60, seed=seed).astype("float64") for seed in (0, 1))
        expected = of_scikit_learn(real, fake, 3)
        found = measured(PrecisionRecall("pixels"), real + 1e9, fake + 1e9)
        self.assertAllClose(found, {name: expected[name] for name in found})

    def test_a_large_mean_costs_no_digits(self):
        real, fake = gaussian(100, mean=300.0), gaussian(100, seed=1, mean=300.0)
        expected = of_scikit_learn(real.astype("float64"), fake.astype("float64"), 3)
        found = measured(PrecisionRecall("pixels"), real, fake)
        self.assertAllClose(found["precision"], expected["precision"], atol=0.011)
        self.assertAllClose(found["recall"], expected["recall"], atol=0.011)

    def test_overlapping_squares(self):
        """Uniform on squares that share a quarter: each share is a quarter, but for the border."""
        rng = np.random.default_rng(0)
        real = rng.uniform(size=(4000, 2))
        fake = rng.uniform(size=(4000, 2)) + 0.5
        result = measured(PrecisionRecall("pixels"), real, fake)
        self.assertAllClose(result, {"precision": 0.25, "recall": 0.25}, atol=0.03)
        inside = rng.uniform(size=(4000, 2)) * 0.5
        result = measured(PrecisionRecall("pixels"), real, inside)
        self.assertAllClose(result, {"precision": 1.0, "recall": 0.25}, atol=0.03)
        result = measured(DensityCoverage("pixels"), real, inside)
        self.assertAllClose(result, {"density": 1.0, "coverage": 0.25}, atol=0.06)

    def test_an_outlier_deceives_recall_but_not_coverage(self):
        rng = np.random.default_rng(0)
        real = rng.uniform(size=(500, 2))
        fake = np.concatenate([np.full((496, 2), 0.5), [[-9.0, 0.0], [9.0, 0.0], [0, 9], [0, -9]]])
        self.assertEqual(measured(PrecisionRecall("pixels"), real, fake)["recall"], 1.0)
        self.assertLess(measured(DensityCoverage("pixels"), real, fake)["coverage"], 0.05)

    def test_there_are_as_many_of_both(self):
        real, fake = gaussian(40), gaussian(90, seed=1)
        chosen = fake[np.random.default_rng(7).permutation(90)[:40]]
        for metric in (PrecisionRecall("pixels", seed=7), DensityCoverage("pixels", seed=7)):
            expected = measured(metric, real, chosen)
            self.assertAllClose(measured(metric, real, fake, 50), expected)
            self.assertEqual(metric.counts(), (40, 40))
            swapped = measured(metric, chosen, real)
            self.assertAllClose(measured(metric, fake, real), swapped)

    def test_names(self):
        self.assertEqual(
            list(measured(PrecisionRecall("pixels", name="mine"), gaussian(9), gaussian(9))),
            ["mine_precision", "mine_recall"],
        )
        for metric in (
            PrecisionRecall("digits"),
            DensityCoverage("digits", k=2, seed=4, name="mine"),
        ):
            config = keras.saving.serialize_keras_object(metric)
            again = keras.saving.deserialize_keras_object(config)
            pair = images(9), images(9, seed=1)
            self.assertEqual(measured(again, *pair), measured(metric, *pair))

    def test_bad_arguments_and_too_few(self):
        with self.assertRaisesRegex(ValueError, "k=0"):
            PrecisionRecall(k=0)
        metric = PrecisionRecall("pixels")
        metric.update_state(gaussian(9), gaussian(3))
        with self.assertRaisesRegex(ValueError, "seen 3 generated images; it needs at least 4"):
            metric.result()

"""KID, against scikit-learn's kernel and its own expectation."""

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend
from metric_helpers import gaussian, images, measured
from sklearn.metrics.pairwise import polynomial_kernel

from kerasgan.metrics import KernelDistance

pytestmark = needs_backend("tensorflow", reason="NumPy is the same everywhere")


class KernelDistanceTest(tf.test.TestCase):
    def test_against_scikit_learn(self):
        real, fake = gaussian(50), gaussian(40, seed=1, mean=0.5)
        inside = []
        for x in (real, fake):
            kernel = polynomial_kernel(x.astype("float64"), degree=3, coef0=1)
            inside.append(kernel[~np.eye(len(x), dtype=bool)].mean())
        between = polynomial_kernel(
            real.astype("float64"), fake.astype("float64"), degree=3, coef0=1
        )
        expected = sum(inside) - 2.0 * between.mean()
        # 40 of 40 generated with 40 of 50 real ones: the mean over subsets approaches it.
        result = measured(KernelDistance("pixels", subsets=400), real, fake, 16)
        self.assertAllClose(result["kid"], expected, rtol=0.03)
        everything = measured(KernelDistance("pixels"), real[:40], fake)
        self.assertEqual(everything["kid_std"], 0.0)  # one subset, all there is

    def test_zero_in_the_mean_for_equal_distributions(self):
        """At ten examples as at a hundred, which is what unbiased means."""
        for count in (10, 100):
            values = [
                measured(
                    KernelDistance("pixels"),
                    gaussian(count, seed=2 * s),
                    gaussian(count, seed=2 * s + 1),
                )
                for s in range(200)
            ]
            values = np.array([value["kid"] for value in values])
            self.assertLess(abs(values.mean()), 3.0 * values.std() / len(values) ** 0.5)
            self.assertLess(values.min(), 0.0)

    def test_subsets_are_seeded(self):
        pair = gaussian(60), gaussian(60, seed=1)
        values = [
            measured(KernelDistance("pixels", subsets=3, subset_size=20, seed=seed), *pair)["kid"]
            for seed in (0, 0, 1)
        ]
        self.assertEqual(values[0], values[1])
        self.assertNotEqual(values[0], values[2])

    def test_bad_arguments_and_too_few(self):
        with self.assertRaisesRegex(ValueError, "subsets=0"):
            KernelDistance(subsets=0)
        with self.assertRaisesRegex(ValueError, "subset_size=1"):
            KernelDistance(subset_size=1)
        metric = KernelDistance("pixels")
        metric.update_state(images(3), images(1))
        with self.assertRaisesRegex(ValueError, "1 generated image; it needs at least 2"):
            metric.result()

    def test_a_file_holds_it(self):
        metric = KernelDistance("digits", subsets=7, subset_size=30, seed=3, name="other")
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
        self.assertEqual(again.get_config(), metric.get_config())
        self.assertIn("other_std", measured(again, images(40), images(40, seed=1)))

"""The classifier two-sample test."""

import math

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend
from metric_helpers import gaussian, images, measured
from scipy import stats

from kerasgan.metrics import ClassifierTwoSampleTest

pytestmark = needs_backend("tensorflow", reason="NumPy is the same everywhere")


class ClassifierTwoSampleTestTest(tf.test.TestCase):
    def test_p_values_of_equal_distributions_are_uniform(self):
        values = [
            measured(
                ClassifierTwoSampleTest("pixels"),
                gaussian(100, 4, 2 * s),
                gaussian(100, 4, 2 * s + 1),
            )["c2st_p_value"]
            for s in range(30)
        ]
        self.assertGreater(stats.kstest(values, "uniform").pvalue, 0.001)

    def test_the_best_accuracy_is_found(self):
        """Of N(0, 1) and N(d, 1) the best classifier is right with probability Phi(d / 2)."""
        rng = np.random.default_rng(0)
        real, fake = rng.normal(size=(4000, 1)), rng.normal(2.0, 1.0, (3000, 1))
        result = measured(ClassifierTwoSampleTest("pixels"), real, fake, 500)
        self.assertAllClose(result["c2st"], stats.norm.cdf(1.0), atol=0.02)
        deviations = (result["c2st"] - 0.5) * np.sqrt(4 * 3000)  # 3,000 of 6,000 are for the test
        self.assertAllClose(
            result["c2st_p_value"], 0.5 * math.erfc(deviations / math.sqrt(2.0)), atol=1e-300
        )

    def test_it_is_seeded_and_a_file_holds_it(self):
        metric = ClassifierTwoSampleTest("digits", seed=3, name="other")
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
        pair = images(60), images(60, seed=1)
        self.assertEqual(measured(again, *pair), measured(metric, *pair))

    def test_too_few(self):
        metric = ClassifierTwoSampleTest("pixels")
        metric.update_state(gaussian(60), gaussian(49))
        with self.assertRaisesRegex(ValueError, "seen 49 generated images; it needs at least 50"):
            metric.result()

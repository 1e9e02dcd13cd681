"""The sliced Wasserstein distance: its parts against SciPy and by hand."""

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend
from metric_helpers import images, measured
from scipy import stats

from kerasgan.metrics import SlicedWasserstein
from kerasgan.metrics.sliced_wasserstein import (
    laplacian_pyramid,
    normalized,
    random_patches,
    wasserstein_distance,
)

pytestmark = needs_backend("tensorflow", reason="NumPy is the same everywhere")


class SlicedWassersteinTest(tf.test.TestCase):
    def test_one_dimension_against_scipy(self):
        rng = np.random.default_rng(0)
        first, second = rng.normal(size=60), rng.exponential(size=60)
        expected = stats.wasserstein_distance(first, second)
        self.assertAllClose(wasserstein_distance(first, second), expected)
        for count in (1, 7, 59, 64):  # of different numbers, which repeated are of equal ones
            other = rng.normal(size=count)
            alike = np.sort(np.repeat(first, count)), np.sort(np.repeat(other, 60))
            expected_of_other = np.abs(np.subtract(*alike)).mean()
            self.assertAllClose(wasserstein_distance(first, other), expected_of_other)
            self.assertAllClose(wasserstein_distance(other, first), expected_of_other)
        tripled = np.repeat(second, 3)
        self.assertAllClose(wasserstein_distance(first, tripled), expected)
        self.assertAllClose(wasserstein_distance(tripled, first), expected)

    def test_the_pyramid_adds_up_to_the_image(self):
        noise = images(3, 64, 3)
        levels = laplacian_pyramid(noise)
        self.assertEqual([level.shape[1] for level in levels], [64, 32, 16])
        constant = np.full((1, 32, 32, 1), 0.7, "float32")
        fine, coarse = laplacian_pyramid(constant)
        self.assertAllClose(coarse, np.full((1, 16, 16, 1), 0.7))
        self.assertAllClose(fine[:, 2:-2, 2:-2], np.zeros((1, 28, 28, 1)), atol=1e-6)
        self.assertLen(laplacian_pyramid(images(1, 24)), 1)  # 12 is below the least

    def test_patches_are_parts_of_their_image(self):
        numbered = np.arange(3 * 100, dtype="float32").reshape(3, 10, 10, 1)
        patches = random_patches(numbered, 7, 200, np.random.default_rng(0))
        self.assertEqual(patches.shape, (600, 7, 7, 1))
        corners = patches[:, 0, 0, 0]
        inside = corners[:, None, None] + 10 * np.arange(7)[:, None] + np.arange(7)
        self.assertAllEqual(patches[..., 0], inside)
        self.assertAllEqual(corners // 100, np.repeat([0, 1, 2], 200))
        self.assertEqual(set(corners[:200] % 10), {0, 1, 2, 3})
        self.assertEqual(set(corners[:200] // 10 % 10), {0, 1, 2, 3})

    def test_each_channel_is_normalized(self):
        patches = images(50, 7, 2) * [1.0, 0.1] + [0.0, 5.0]
        flat = normalized(patches).reshape(50, 7, 7, 2)
        self.assertAllClose(flat.mean(axis=(0, 1, 2)), [0.0, 0.0], atol=1e-5)
        self.assertAllClose(flat.std(axis=(0, 1, 2)), [1.0, 1.0], atol=1e-5)
        self.assertAllEqual(normalized(np.ones((2, 7, 7, 1), "float32")), np.zeros((2, 49)))

    def test_what_is_lost_is_seen_at_its_scale(self):
        """Blurred noise differs from noise."""
        real, other = images(60, 32), images(60, 32, seed=1)
        blurred = 0.25 * sum(
            np.roll(other, shift, (1, 2)) for shift in ((0, 0), (0, 1), (1, 0), (1, 1))
        )
        metric = SlicedWasserstein(directions=64)
        same, lost = measured(metric, real, other, 25), measured(metric, real, blurred, 25)
        self.assertGreater(lost["swd_32"], 2.0 * same["swd_32"])
        self.assertAllClose(lost["swd"], (lost["swd_32"] + lost["swd_16"]) / 2.0)
        self.assertEqual(measured(metric, real, other, 25), same)

    def test_memory_ends_with_the_first_images(self):
        real, fake = images(40, 16), images(50, 16, seed=1)
        few = SlicedWasserstein(directions=16, max_images=30)
        expected = measured(few, real[:30], fake[:30], 10)
        self.assertEqual(measured(few, real, fake, 10), expected)
        self.assertEqual([len(x) for x in few._patches[True][16]], [1280] * 3)
        measured(few, real, fake, 25)  # the limit is in a batch
        self.assertEqual([len(x) for x in few._patches[False][16]], [25 * 128, 5 * 128])

    def test_bad_images(self):
        metric = SlicedWasserstein()
        with self.assertRaisesRegex(ValueError, "squares of at least 7 pixels"):
            metric.update_state(images(2, 6), images(2, 6))
        with self.assertRaisesRegex(ValueError, "squares"):
            metric.update_state(images(2, 16)[:, :12], images(2, 16))
        metric.reset_state()
        metric.update_state(images(2, 16), images(2, 32))
        with self.assertRaisesRegex(ValueError, "have 16 pixels, but the generated ones have 32"):
            metric.result()
        with self.assertRaisesRegex(ValueError, "patches=0"):
            SlicedWasserstein(patches=0)
        metric.reset_state()
        with self.assertRaisesRegex(ValueError, "seen 0 real images"):
            metric.result()

    def test_a_file_holds_it(self):
        metric = SlicedWasserstein(patches=9, directions=5, max_images=3, seed=2, name="other")
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
        pair = images(4, 16), images(4, 16, seed=1)
        self.assertEqual(measured(again, *pair), measured(metric, *pair))

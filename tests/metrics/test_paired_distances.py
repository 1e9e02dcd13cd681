"""Distances of pixels and of features, in pairs."""

import keras
import numpy as np
import tensorflow as tf
from metric_helpers import images, measured

import kerasgan
from kerasgan.metrics import FeatureDistance, PixelDistance


class PairedDistancesTest(tf.test.TestCase):
    def test_by_hand_in_batches(self):
        real, fake = images(5), images(5, seed=1)
        eight_bit = [np.round((x + 1.0) * 127.5) / 127.5 - 1.0 for x in (real, fake)]
        pixels = measured(PixelDistance(), real, fake, 2)
        self.assertAllClose(pixels, np.abs(eight_bit[0] - eight_bit[1]).mean(), rtol=1e-5)
        network = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
        features = measured(FeatureDistance(network), real, fake, 2)
        squares = np.square(eight_bit[0] - eight_bit[1]).sum(axis=(1, 2, 3))
        self.assertAllClose(features, np.sqrt(squares).mean(), rtol=1e-5)

    def test_a_shift_is_far_in_pixels_and_near_in_features(self):
        """The lectures' example, on scanned digits that are shifted by one pixel of sixteen."""
        digits = kerasgan.data.load("digits", "test", 16, batch_size=200, shuffle=False)
        real = np.asarray(next(iter(digits)))
        shifted, other = np.roll(real, 1, axis=2), np.roll(real, 1, axis=0)
        shares = []
        for metric in (PixelDistance(), FeatureDistance("digits")):
            shares.append(measured(metric, real, shifted) / measured(metric, real, other))
        self.assertGreater(shares[0], 0.5)
        self.assertLess(shares[1], 0.35)

    def test_images_without_partners(self):
        with self.assertRaisesRegex(ValueError, "in pairs, but the real ones have shape"):
            PixelDistance().update_state(images(3), images(2))
        with self.assertRaisesRegex(ValueError, "it needs at least 1"):
            FeatureDistance("pixels").result()

    def test_a_file_holds_them(self):
        for metric in (PixelDistance(), FeatureDistance("digits", name="other")):
            config = keras.saving.serialize_keras_object(metric)
            again = keras.saving.deserialize_keras_object(config)
            pair = images(3), images(3, seed=1)
            self.assertAllClose(measured(again, *pair), measured(metric, *pair))

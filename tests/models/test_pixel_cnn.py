"""What PixelCNN sees, and that it learns."""

import numpy as np
import tensorflow as tf
from backends import needs_backend
from pixel_helpers import nats_after_training, pixels_before, seen, small_model

import kerasgan

pytestmark = needs_backend("tensorflow", reason="tests/roles has what a framework could break")


class PixelCNNTest(tf.test.TestCase):
    def test_blind_spot(self):
        """What lies to the upper right beyond a column for each row is never seen."""
        shape = (9, 9, 1)
        row, column = np.divmod(np.arange(81), 9)
        # Deep enough for the whole image.
        model = small_model(kerasgan.PixelCNN, shape, 0.3, num_blocks=9)
        before = pixels_before(shape, 4, 2)
        # The first layer reaches 3 columns to the right, in the 3 rows above and the own one.
        blind = before & (column - 2 > 3 + np.maximum(3 - row, 0))
        self.assertTrue(blind.any())
        self.assertAllEqual(seen(model, shape)[4 * 9 + 2], before & ~blind)

    def test_learns_digits(self):
        model = kerasgan.PixelCNN((8, 8, 1), base_width=8, num_blocks=2, levels=2, seed=0)
        untrained, trained = nats_after_training(model)
        self.assertLess(trained, 28.0)
        self.assertGreater(untrained, 40.0)

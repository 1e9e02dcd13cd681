"""What PixelRNN sees, and that it learns."""

import numpy as np
import pytest
import tensorflow as tf
from backends import needs_backend
from pixel_helpers import nats_after_training, pixels_before, seen, small_model

import kerasgan

pytestmark = needs_backend("tensorflow", reason="tests/roles has what a framework could break")


class PixelRNNTest(tf.test.TestCase):
    def test_one_diagonal_lstm_sees_all_but_the_last_pixel_of_the_row_above(self):
        shape = (9, 9, 1)
        model = small_model(kerasgan.PixelRNN, shape)
        hidden = pixels_before(shape, 4, 2) & ~seen(model, shape)[4 * 9 + 2]
        self.assertAllEqual(np.flatnonzero(hidden), [3 * 9 + 8])

    def test_a_row_lstm_sees_a_triangle(self):
        shape = (9, 9, 1)
        row, column = np.divmod(np.arange(81), 9)
        model = small_model(kerasgan.PixelRNN, shape, variant="row")
        found = seen(model, shape)[4 * 9 + 2]
        before = pixels_before(shape, 4, 2)
        beyond = before & (column - 2 > 3 + np.maximum(3 - row, 0) + 1)
        self.assertTrue(beyond.any())
        self.assertFalse((found & beyond).any())
        self.assertTrue(found[[0, 9 * 3 + 2, 9 * 4 + 1]].all())

    @pytest.mark.slow
    def test_learns_digits(self):
        for variant in ("row", "diagonal"):
            settings = {"base_width": 8, "num_blocks": 1, "variant": variant, "levels": 2}
            model = kerasgan.PixelRNN((8, 8, 1), **settings, seed=0)
            untrained, trained = nats_after_training(model)
            self.assertLess(trained, 28.0)
            self.assertGreater(untrained, 40.0)

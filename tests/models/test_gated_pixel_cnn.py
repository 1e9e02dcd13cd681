"""What GatedPixelCNN sees, and that it learns classes."""

import numpy as np
import pytest
import tensorflow as tf
from backends import needs_backend
from pixel_helpers import nats_after_training, pixels_before, seen, small_model

import kerasgan

pytestmark = needs_backend("tensorflow", reason="tests/roles has what a framework could break")


class GatedPixelCNNTest(tf.test.TestCase):
    def test_no_blind_spot(self):
        shape = (9, 9, 1)
        model = small_model(kerasgan.GatedPixelCNN, shape, 0.3, num_blocks=9)
        found = seen(model, shape)
        for row, column in ((4, 2), (8, 0), (8, 8)):
            before = pixels_before(shape, row, column)
            self.assertAllEqual(found[row * 9 + column], before)

    @pytest.mark.slow
    def test_learns_digits_of_classes(self):
        settings = {"base_width": 8, "num_blocks": 2, "num_classes": 10, "levels": 2, "seed": 0}
        model = kerasgan.GatedPixelCNN((8, 8, 1), **settings)
        _, trained = nats_after_training(model, epochs=5, labels=True)
        self.assertLess(trained, 26.0)
        images = np.concatenate(list(kerasgan.data.load("digits", shuffle=False)))[:200]
        nats = [model.log_likelihood(images, labels=label) for label in range(10)]
        labels = [labels for _, labels in kerasgan.data.load("digits", labels=True, shuffle=False)]
        right = np.argmax(nats, axis=0) == np.concatenate(labels)[:200]
        self.assertGreater(right.mean(), 0.5)  # by Bayes' rule; chance is 0.1

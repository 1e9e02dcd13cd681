from unittest import mock

import keras
import numpy as np
import scipy.signal
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from keras import ops

from kerasgan.layers import FilteredLeakyReLU, filtered


def by_hand(layer, x):
    """The layer with scipy's two-dimensional convolution: zeros in between, filters, every n-th."""
    size = x.shape[1]
    first, last = layer.paddings(size)
    padded = np.zeros((size * layer.up + first + last,) * 2 + x.shape[3:])
    places = np.arange(size) * layer.up + first
    inside = (places >= 0) & (places < len(padded))
    padded[np.ix_(places[inside], places[inside])] = x[0][np.ix_(inside, inside)]
    up = np.outer(layer.up_filter, layer.up_filter) * layer.up**2
    down = layer.down_filter
    down = down if layer.radial else np.outer(down, down)
    maps = []
    for channel in range(x.shape[3]):
        y = scipy.signal.convolve2d(padded[..., channel], up, mode="valid")
        y = np.sqrt(2.0) * np.where(y > 0.0, y, 0.2 * y)
        y = np.clip(y, -layer.clamp, layer.clamp)
        y = scipy.signal.convolve2d(y, down, mode="valid")
        maps.append(y[:: layer.down, :: layer.down])
    return np.stack(maps, axis=-1)[None]


class FilteredLeakyReLUTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        (14, (8, 8), False, 12),
        (14, (8, 16), True, 12),  # four times as many numbers in the middle
        (25, (32, 32), False, 50),  # less than was there
        (150, (128, 128), False, 140),
        (140, (64, 128), True, 70),
    )
    @needs_backend("tensorflow", reason="what frameworks compute is compared with the model")
    def test_is_two_filters_around_a_leaky_relu(self, size, rates, radial, given):
        # As if they were long, so that there are several parts of 16.
        self.enterContext(mock.patch.object(filtered, "LONGEST", 30))
        layer = FilteredLeakyReLU(size, rates, (2.0, 3.0), (6.0, 5.0), radial, clamp=0.5)
        x = np.random.default_rng(0).normal(size=(1, given, given, 2)).astype("float32")
        found = ops.convert_to_numpy(layer(x))
        self.assertEqual(found.shape, (1, size, size, 2))
        self.assertAllClose(found, by_hand(layer, x), atol=2e-5)
        copy = FilteredLeakyReLU.from_config(layer.get_config())
        self.assertAllClose(copy(x), found, atol=1e-6)

    @needs_backend("tensorflow", reason="it is arithmetic on arrays")
    def test_a_sine_below_the_cutoff_stays_and_one_above_goes(self):
        """Of a nonlinearity that there is not, as all values are above 0."""
        layer = FilteredLeakyReLU(32, (32, 32), (8.0, 8.0), (4.0, 4.0))
        places = (np.arange(48) - 23.5) / 32.0
        for frequency, kept in ((1.0, 1.0), (15.0, 0.0)):
            x = 2.0 + np.sin(2.0 * np.pi * frequency * places)
            x = np.tile(x[None, :, None, None], (1, 1, 48, 1)).astype("float32")
            y = ops.convert_to_numpy(layer(x))[0, 4:-4, 16, 0] / np.sqrt(2.0)
            wanted = 2.0 + kept * np.sin(2.0 * np.pi * frequency * places[12:-12])
            self.assertAllClose(y, wanted, atol=0.03)

    def test_of_symbols_and_in_half_precision(self):
        layer = FilteredLeakyReLU(20, (8, 16), (2.0, 3.0), (2.0, 5.0), dtype="mixed_bfloat16")
        self.assertEqual(layer(keras.Input((12, 12, 3))).shape, (None, 20, 20, 3))
        y = layer(np.ones((1, 12, 12, 3), "float32"))
        self.assertEqual(keras.backend.standardize_dtype(y.dtype), "bfloat16")
        self.assertAllClose(ops.cast(y, "float32")[0, 10, 10], np.sqrt(2.0) * np.ones(3), atol=0.05)

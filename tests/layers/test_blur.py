import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from keras import ops
from layer_helpers import assert_can_be_copied, compiled, normal
from scipy import signal

from kerasgan import backend
from kerasgan.layers import Blur

KERNEL = np.array([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]) / 16.0


def by_scipy(x):
    """Each map of each image alone."""
    y = np.empty(x.shape)
    for n in range(x.shape[0]):
        for c in range(x.shape[-1]):
            y[n, :, :, c] = signal.convolve2d(x[n, :, :, c], KERNEL, mode="same", fillvalue=0.0)
    return y


class BlurTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters((2, 6, 5, 1), (2, 7, 4, 3), (1, 1, 1, 2), (3, 2, 2, 4))
    def test_equals_scipy_with_zeros_beyond_the_border(self, *shape):
        x = normal(*shape)
        layer = Blur()
        for y in (layer(x), compiled(lambda: layer(x), [])):
            self.assertAllClose(ops.convert_to_numpy(y), by_scipy(x), rtol=1e-4, atol=1e-5)

    def test_keeps_what_is_constant_away_from_the_border(self):
        y = ops.convert_to_numpy(Blur()(np.full((1, 6, 6, 2), 3.0, "float32")))
        self.assertAllClose(y[:, 1:-1, 1:-1], np.full((1, 4, 4, 2), 3.0), rtol=1e-6)
        self.assertAllClose(y[0, 0, 0], np.full(2, 3.0 * 9 / 16), rtol=1e-6)

    def test_removes_the_highest_frequency(self):
        """A checkerboard, which is what enlarging tends to leave behind."""
        rows, columns = np.indices((8, 8))
        x = (-1.0) ** (rows + columns)
        y = ops.convert_to_numpy(Blur()(x[None, :, :, None].astype("float32")))
        self.assertAllClose(y[:, 1:-1, 1:-1], np.zeros((1, 6, 6, 1)), atol=1e-6)

    def test_gradient_is_the_blurred_gradient(self):
        """The filter is symmetric."""
        x, weight = normal(2, 5, 4, 3), normal(2, 5, 4, 3, seed=1)
        layer = Blur()
        found = backend.input_gradient(
            lambda x: layer(x) * ops.convert_to_tensor(weight), ops.convert_to_tensor(x)
        )
        self.assertAllClose(ops.convert_to_numpy(found), by_scipy(weight), rtol=1e-4, atol=1e-5)

    def test_has_nothing_to_learn(self):
        layer = Blur()
        layer(normal(2, 6, 6, 3))
        self.assertEmpty(layer.weights)

    def test_half_precision(self):
        x = normal(2, 6, 6, 3)
        y = Blur(dtype="mixed_float16")(x)
        self.assertEqual(keras.backend.standardize_dtype(y.dtype), "float16")
        y = ops.convert_to_numpy(ops.cast(y, "float32"))
        self.assertAllClose(y, by_scipy(x), rtol=5e-3, atol=5e-3)

    def test_can_be_copied(self):
        assert_can_be_copied(self, Blur(), normal(2, 6, 5, 3))

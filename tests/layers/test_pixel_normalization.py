import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from keras import ops
from layer_helpers import assert_can_be_copied, compiled, normal

from kerasgan import backend
from kerasgan.layers import PixelNormalization


def normalized(x):
    return x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True))


def of_images(*shape, seed=0):
    """Vectors whose lengths differ a hundredfold."""
    x = normal(*shape, seed=seed)
    return x * np.exp(normal(*shape[:-1], 1, seed=seed + 1)).astype("float32")


class PixelNormalizationTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters((6, 5), (2, 3, 4, 5), (2, 4, 4, 1))
    def test_equals_the_formula_of_the_paper(self, *shape):
        x = of_images(*shape)
        layer = PixelNormalization()
        for y in (layer(x), compiled(lambda: layer(x), [])):
            y = ops.convert_to_numpy(y)
            self.assertAllClose(y, normalized(x), rtol=1e-4, atol=1e-5)
            self.assertAllClose(np.mean(y**2, axis=-1), np.ones(shape[:-1]), rtol=1e-4)

    def test_latents_get_the_length_root_n(self):
        y = ops.convert_to_numpy(PixelNormalization()(of_images(10, 7)))
        self.assertAllClose(np.linalg.norm(y, axis=1), np.full(10, np.sqrt(7.0)), rtol=1e-5)

    def test_gradient_is_that_of_the_formula(self):
        """(w - y (w . y) / n) / rms: nothing along the vector, whose length does not count."""
        x, weight = of_images(4, 5), normal(4, 5, seed=2)
        layer = PixelNormalization()
        found = backend.input_gradient(
            lambda x: layer(x) * ops.convert_to_tensor(weight), ops.convert_to_tensor(x)
        )
        y = normalized(x)
        along = np.sum(weight * y, axis=-1, keepdims=True) / 5
        by_hand = (weight - y * along) / np.sqrt(np.mean(x**2, axis=-1, keepdims=True))
        self.assertAllClose(ops.convert_to_numpy(found), by_hand, rtol=1e-3, atol=1e-4)

    def test_zeros_stay_zeros_with_a_gradient(self):
        x = np.zeros((2, 3), "float32")
        layer = PixelNormalization()
        self.assertAllEqual(ops.convert_to_numpy(layer(x)), x)
        gradient = ops.convert_to_numpy(backend.input_gradient(layer, ops.convert_to_tensor(x)))
        self.assertAllClose(gradient, np.full((2, 3), 1e4), rtol=1e-4)  # 1 / sqrt(epsilon)

    def test_half_precision_has_room_for_the_squares(self):
        x = np.array([[3000.0, -4000.0]], "float16")
        y = PixelNormalization(dtype="float16")(ops.convert_to_tensor(x))
        self.assertAllClose(
            ops.convert_to_numpy(ops.cast(y, "float32")),
            normalized(x.astype("float32")),
            rtol=2e-3,
        )

    def test_can_be_copied(self):
        assert_can_be_copied(self, PixelNormalization(epsilon=0.5), normal(6, 5))
        assert_can_be_copied(self, PixelNormalization(), normal(2, 3, 3, 4))

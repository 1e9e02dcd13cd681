import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from keras import ops

from kerasgan.layers import Blur, ModulatedConv2D, ScaledLeakyReLU


def values(x):
    return ops.convert_to_numpy(x)


def inputs(seed=0, size=6):
    random = np.random.default_rng(seed)
    x = random.normal(size=(3, size, size, 5)).astype("float32")
    return x, random.normal(size=(3, 4)).astype("float32")


class ModulatedConv2DTest(tf.test.TestCase, parameterized.TestCase):
    def kernels(self, layer, w):
        """The kernel of each image by equations 1 and 3 of the paper."""
        dense = layer.affine.layer
        scale = w @ values(dense.kernel) / np.sqrt(w.shape[1]) + values(dense.bias)
        kernels = values(layer.kernel)[None] * scale[:, None, None, :, None]
        if not layer.demodulate:
            return kernels / np.sqrt(np.prod(kernels.shape[1:4]))
        return kernels / np.sqrt((kernels**2).sum((1, 2, 3), keepdims=True) + 1e-8)

    @parameterized.parameters((3, True), (1, False))
    def test_is_a_convolution_with_a_kernel_for_each_image(self, size, demodulate):
        x, w = inputs()
        layer = ModulatedConv2D(7, size, demodulate=demodulate)
        found = values(layer(x, w))
        for image, kernel, y in zip(x, self.kernels(layer, w), found, strict=True):
            by_hand = ops.conv(image[None], kernel.astype("float32"), padding="same")[0]
            self.assertAllClose(y, values(by_hand), rtol=1e-4, atol=1e-5)

    def test_up_is_zeros_in_between_then_kernel_and_filter(self):
        x, w = inputs(size=4)
        layer = ModulatedConv2D(2, up=True)
        found = values(layer(x, w))
        self.assertEqual(found.shape, (3, 8, 8, 2))
        taps = np.array([1.0, 3.0, 3.0, 1.0]) / 4.0  # 2 for each direction makes up for the zeros
        for image, kernel, y in zip(x, self.kernels(layer, w), found, strict=True):
            spread = np.zeros((9 + 4, 9 + 4, 2))  # of 2 * 4 + 1, with borders of 2
            for row, column in np.ndindex(4, 4):
                patch = np.einsum("c,hwcf->hwf", image[row, column], kernel)
                spread[2 * row + 2 : 2 * row + 5, 2 * column + 2 : 2 * column + 5] += patch
            for row, column in np.ndindex(8, 8):
                window = spread[row + 1 : row + 5, column + 1 : column + 5]
                by_hand = np.einsum("h,w,hwf->f", taps, taps, window)
                self.assertAllClose(y[row, column], by_hand, rtol=1e-3, atol=1e-4)

    def test_keeps_the_variance_whatever_the_style(self):
        random = np.random.default_rng(0)
        x = random.normal(size=(4, 16, 16, 64)).astype("float32")
        w = 30.0 * random.normal(size=(4, 8)).astype("float32")
        y = values(ModulatedConv2D(64)(x, w))[:, 1:-1, 1:-1]
        self.assertAllClose(y.std((1, 2, 3)), np.ones(4), atol=0.1)

    def test_half_precision_does_not_overflow(self):
        """Styles of 1,000 have squares beyond float16, which kernels times them would meet."""
        x, w = inputs()
        w *= 1000.0
        layer = ModulatedConv2D(7)
        expected = values(layer(x, w))
        half = ModulatedConv2D(7, dtype="mixed_float16")
        half(x, w)
        for ours, theirs in zip(half.weights, layer.weights, strict=True):
            ours.assign(theirs)
        self.assertAllClose(values(half(100.0 * x, w)) / 100.0, expected, rtol=0.02, atol=0.01)


class ScaledLeakyReLUTest(tf.test.TestCase):
    def test_by_hand(self):
        x = np.array([-100.0, -1.0, 2.0, 100.0], "float32")
        half = np.sqrt(0.5)
        found = values(ScaledLeakyReLU(gain=half, clamp=4.0)(x))
        self.assertAllClose(found, [-4.0 * half, -0.2, 2.0, 4.0 * half])
        self.assertAllClose(values(ScaledLeakyReLU(clamp=4.0, linear=True)(x)), [-4, -1, 2, 4])


class FilterTest(tf.test.TestCase):
    def test_of_four_taps(self):
        x = np.zeros((1, 4, 4, 1), "float32")
        x[0, 1, 2] = 64.0
        layer = Blur(4, 2)
        found = values(layer(x))[0, :, :, 0]
        by_hand = np.zeros((5, 5))
        by_hand[0:4, 1:5] = np.outer([1, 3, 3, 1], [1, 3, 3, 1])
        self.assertAllClose(found, by_hand)
        self.assertEqual(layer.compute_output_shape((1, 4, 4, 1)), (1, 5, 5, 1))
        self.assertEqual(Blur.from_config(layer.get_config()).taps, 4)

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from layer_helpers import arrays, assert_can_be_copied, functional, gradients, normal, weighted_sum

from kerasgan.layers import SelfAttention2D, SpectralNormalization


def made(x, spectral_normalization=False, gamma=1.0, **kwargs):
    """A layer with weights so large that the attention is far from even."""
    layer = SelfAttention2D(spectral_normalization, **kwargs)
    layer.build(x.shape)
    for index, conv in enumerate((layer.f, layer.g, layer.h, layer.v)):
        kernel = conv.layer.kernel if spectral_normalization else conv.kernel
        kernel.assign(normal(*kernel.shape, seed=index))
        if spectral_normalization:
            for _ in range(3):
                conv.power_iteration()
    layer.gamma.assign(gamma)
    return layer


def kernel(conv):
    """The matrix that a 1x1 convolution multiplies the channels with."""
    if not isinstance(conv, SpectralNormalization):
        return arrays([conv.kernel])[0][0, 0]
    matrix, u, v = arrays([conv.layer.kernel, conv.u, conv.v])
    return matrix[0, 0] / (u[0] @ matrix[0, 0] @ v[0])


def pooled(x):
    """The largest of each 2x2 places."""
    return np.maximum.reduce([x[::2, ::2], x[1::2, ::2], x[::2, 1::2], x[1::2, 1::2]])


def what_is_seen(layer, x):
    """v(softmax(g(x) f(x)^T) h(x)), image by image and place by place."""
    result = np.empty_like(x)
    for index, image in enumerate(x):
        keys = pooled(image @ kernel(layer.f)).reshape(-1, x.shape[-1] // 8)
        values = pooled(image @ kernel(layer.h)).reshape(-1, x.shape[-1] // 2)
        queries = image @ kernel(layer.g)
        for row in range(x.shape[1]):
            for column in range(x.shape[2]):
                weights = np.exp(keys @ queries[row, column])
                seen = weights / weights.sum() @ values
                result[index, row, column] = seen @ kernel(layer.v)
    return result


class SelfAttention2DTest(tf.test.TestCase):
    def test_starts_as_the_identity(self):
        x = normal(2, 4, 6, 16)
        for spectral_normalization in (True, False):
            layer = SelfAttention2D(spectral_normalization)
            self.assertAllEqual(ops.convert_to_numpy(layer(x)), x)

    def test_equals_numpy(self):
        for shape in ((2, 4, 6, 16), (1, 2, 2, 8)):
            x = normal(*shape)
            for spectral_normalization in (False, True):
                layer = made(x, spectral_normalization, gamma=0.7)
                y = ops.convert_to_numpy(layer(x))
                self.assertAllClose(y, x + 0.7 * what_is_seen(layer, x), rtol=1e-4, atol=1e-4)

    def test_a_place_sees_a_far_one(self):
        x = normal(2, 4, 6, 16)
        changed = x.copy()
        changed[0, 0, 0] += 3.0
        for gamma, sees in ((1.0, True), (0.0, False)):
            layer = made(x, gamma=gamma)
            before, after = (ops.convert_to_numpy(layer(i))[0, 2:, 3:] for i in (x, changed))
            self.assertEqual(np.abs(before - after).max() > 1e-2, sees)

    def test_gradient_reaches_gamma_first_and_then_all(self):
        x, weight = normal(2, 4, 6, 16), normal(2, 4, 6, 16, seed=9)
        for gamma in (0.0, 1.0):
            layer = made(x, True, gamma)
            variables = layer.trainable_variables
            found = gradients(lambda: weighted_sum(layer(x), weight), variables)
            self.assertLen(found, 5)
            for variable, gradient in zip(variables, found, strict=True):
                if variable is layer.gamma:
                    by_hand = np.sum(weight * what_is_seen(layer, x))
                    self.assertAllClose(gradient, by_hand, rtol=1e-4, atol=1e-3)
                else:
                    self.assertEqual(np.abs(gradient).max() > 1e-3, gamma != 0.0, variable.path)

    def test_gradient_equals_finite_differences(self):
        x, weight = normal(2, 4, 6, 16), normal(2, 4, 6, 16, seed=9)
        layer = made(x, gamma=0.7)
        kernels = [c.kernel for c in (layer.f, layer.g, layer.h, layer.v)]
        found = gradients(lambda: weighted_sum(layer(x), weight), kernels)
        for variable, gradient in zip(kernels, found, strict=True):
            value, direction = arrays([variable])[0], normal(*variable.shape, seed=5)
            ends = []
            for step in (1e-3, -1e-3):
                variable.assign(value + step * direction)
                ends.append(np.sum(0.7 * what_is_seen(layer, x) * weight))
            variable.assign(value)
            slope = (ends[0] - ends[1]) / 2e-3
            self.assertAllClose(np.sum(gradient * direction), slope, rtol=1e-2, atol=1e-2)

    def test_half_precision(self):
        x = normal(2, 4, 6, 16)
        layer = made(x, True, dtype="mixed_float16")
        y = ops.convert_to_numpy(layer(x))
        self.assertEqual(y.dtype, "float16")
        self.assertEqual({v.dtype for v in layer.weights}, {"float32"})
        self.assertAllClose(y, x + what_is_seen(layer, x), rtol=2e-2, atol=2e-2)

    def test_shapes_that_it_does_not_take(self):
        for shape in ((7, 8, 16), (8, 7, 16), (8, 8, 1), (None, None, 16), (8, 8, None), (8, 16)):
            with self.assertRaisesRegex(ValueError, "even height and width"):
                SelfAttention2D()(keras.Input(shape))

    def test_in_a_model(self):
        x = normal(2, 4, 6, 16)
        model = functional(SelfAttention2D(), x)
        self.assertEqual(model.output_shape, (None, 4, 6, 16))
        self.assertAllEqual(ops.convert_to_numpy(model(x)), x)

    def test_can_be_copied(self):
        assert_can_be_copied(self, SelfAttention2D(), normal(2, 4, 6, 16))
        plain = SelfAttention2D(spectral_normalization=False, dtype="mixed_float16")
        assert_can_be_copied(self, plain, normal(2, 4, 6, 16))

import numpy as np
import tensorflow as tf
from backends import needs_backend
from keras import ops
from layer_helpers import assert_can_be_copied, functional, normal

from kerasgan import backend
from kerasgan.layers import MinibatchStdDev


def numbers(x, group_size):
    """What each image's map holds, image by image."""
    x = np.asarray(x, "float64")
    size = len(x)
    groups = size // group_size if size % group_size == 0 else 1
    result = np.empty(size)
    for first in range(groups):
        members = range(first, size, groups)
        variance = np.mean([(x[i] - np.mean(x[members], axis=0)) ** 2 for i in members], axis=0)
        result[members] = np.sqrt(variance + 1e-8).mean()
    return result


class MinibatchStdDevTest(tf.test.TestCase):
    def assert_right(self, x, y, group_size, **tolerance):
        y = ops.convert_to_numpy(y)
        self.assertEqual(y.shape, (*x.shape[:3], x.shape[3] + 1))
        self.assertAllEqual(y[..., :-1], x)
        maps = np.broadcast_to(numbers(x, group_size)[:, None, None], x.shape[:3])
        self.assertAllClose(y[..., -1], maps, **tolerance)

    def test_equals_numpy(self):
        """Also when groups do not fit into the batch, or the batch into a group."""
        for size, group_size in ((8, 4), (8, 2), (12, 3), (4, 4), (6, 4), (3, 4), (1, 4), (3, 1)):
            # Each image has its own spread, so that no two groups have the same number.
            x = (
                normal(size, 4, 2, 3)
                * (1.0 + np.arange(size, dtype="float32"))[:, None, None, None]
            )
            self.assert_right(x, MinibatchStdDev(group_size)(x), group_size, rtol=1e-5, atol=1e-6)

    def test_images_far_apart_form_a_group(self):
        a, b = np.zeros((2, 2, 1), "float32"), np.ones((2, 2, 1), "float32")
        y = ops.convert_to_numpy(MinibatchStdDev(2)(np.stack([a, a, a, b])))
        self.assertAllClose(y[:, 0, 0, 1], [1e-4, 0.5, 1e-4, 0.5], atol=1e-6)

    def test_gradient_equals_finite_differences(self):
        x, layer = normal(6, 4, 2, 3), MinibatchStdDev(3)
        gradient = backend.input_gradient(lambda x: layer(x)[..., -1], ops.convert_to_tensor(x))
        direction = normal(*x.shape, seed=1).astype("float64")
        ahead, behind = (numbers(x + e * direction, 3).sum() * 4 * 2 for e in (1e-4, -1e-4))
        slope = np.sum(ops.convert_to_numpy(gradient) * direction)
        self.assertAllClose(slope, (ahead - behind) / 2e-4, rtol=1e-4)

    def test_gradient_is_finite_where_all_images_are_the_same(self):
        x = np.repeat(normal(1, 4, 4, 2), 4, axis=0)
        layer = MinibatchStdDev()
        self.assert_right(x, layer(x), 4, atol=1e-6)
        gradient = backend.input_gradient(lambda x: layer(x)[..., -1], ops.convert_to_tensor(x))
        self.assertAllClose(ops.convert_to_numpy(gradient), np.zeros_like(x), atol=1e-5)

    @needs_backend("tensorflow", reason="its graphs do not know the batch size")
    def test_batches_of_unknown_size(self):
        for jit_compile in (False, True):
            layer = MinibatchStdDev()
            signature = [tf.TensorSpec((None, 4, 2, 3))]
            run = tf.function(layer, input_signature=signature, jit_compile=jit_compile)
            for size in (8, 6, 3):
                x = normal(size, 4, 2, 3)
                self.assert_right(x, run(x), 4, rtol=1e-5, atol=1e-6)

    def test_float16_does_not_overflow(self):
        x = (500.0 * normal(4, 4, 4, 2)).astype("float16")  # the squares are beyond 65504
        y = MinibatchStdDev(dtype="float16")(x)
        self.assertEqual(ops.convert_to_numpy(y).dtype, "float16")
        self.assert_right(x, y, 4, rtol=1e-3)

    def test_model_of_images_adds_a_channel(self):
        x = normal(8, 4, 2, 3)
        model = functional(MinibatchStdDev(2), x)
        self.assertEqual(model.output_shape, (None, 4, 2, 4))
        self.assert_right(x, model(x), 2, rtol=1e-5, atol=1e-6)

    def test_can_be_copied(self):
        assert_can_be_copied(self, MinibatchStdDev(2, dtype="mixed_float16"), normal(8, 4, 2, 3))

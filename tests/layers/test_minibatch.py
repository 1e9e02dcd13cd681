import numpy as np
import tensorflow as tf
from backends import needs_backend
from keras import ops
from layer_helpers import assert_can_be_copied, functional, normal

from kerasgan import backend
from kerasgan.layers import MinibatchStdDev, Pack
from kerasgan.layers.minibatch import split_batch


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


def packs(x, degree):
    """Each pack built from its members; what is missing is the last example again."""
    x = np.asarray(x)
    if len(x) < degree:
        return np.concatenate([x[min(i, len(x) - 1)][None] for i in range(degree)], axis=-1)
    rows = range(0, len(x) - len(x) % degree, degree)
    return np.stack([np.concatenate(list(x[row : row + degree]), axis=-1) for row in rows])


class PackTest(tf.test.TestCase):
    def test_joins_neighbours_along_the_channels(self):
        x = np.array([[1, 10], [2, 20], [3, 30], [4, 40]], "float32")
        y = ops.convert_to_numpy(Pack(2)(x))
        self.assertAllEqual(y, [[1, 10, 2, 20], [3, 30, 4, 40]])

    def test_equals_numpy(self):
        """Also when a batch is not a multiple of the degree, or smaller."""
        for size in (1, 2, 3, 7, 8):
            for degree in (1, 2, 3, 4):
                for shape in ((2,), (3, 2, 2)):
                    x = normal(size, *shape)
                    y = ops.convert_to_numpy(Pack(degree)(x))
                    self.assertAllEqual(y, packs(x, degree), f"{size} by {degree}")

    def test_gradient_goes_back_to_each_member_and_not_to_what_is_left_over(self):
        weight = normal(2, 6)

        def loss(x):
            return Pack(3)(x) * ops.convert_to_tensor(weight)

        gradient = ops.convert_to_numpy(backend.input_gradient(loss, ops.array(normal(7, 2))))
        self.assertAllClose(gradient[:6], weight.reshape(6, 2))
        self.assertAllEqual(gradient[6], [0.0, 0.0])

    @needs_backend("tensorflow", reason="its graphs do not know the batch size")
    def test_batches_of_unknown_size(self):
        run = tf.function(Pack(3), input_signature=[tf.TensorSpec((None, 2))])
        for size in (9, 7, 3, 2, 1):
            x = normal(size, 2)
            self.assertAllEqual(run(x), packs(x, 3))

    def test_shapes_in_a_model(self):
        for shape in ((2,), (4, 2, 3)):
            model = functional(Pack(2), normal(4, *shape))
            self.assertEqual(model.output_shape, (None, *shape[:-1], 2 * shape[-1]))

    def test_other_degrees(self):
        for degree in (0, -1, 2.0, None):
            with self.assertRaisesRegex(ValueError, f"degree={degree}"):
                Pack(degree)

    def test_can_be_copied(self):
        assert_can_be_copied(self, Pack(2, dtype="mixed_float16"), normal(6, 4, 2, 3))


class SplitBatchTest(tf.test.TestCase):
    def test_parts_are_interleaved_and_of_equal_size(self):
        for size in (1, 2, 5, 6, 11):
            for parts in (1, 2, 3):
                found = [ops.convert_to_numpy(p) for p in split_batch(ops.arange(size), parts)]
                if parts == 1:
                    expected = [list(range(size))]
                elif size < parts:
                    expected = [[min(part, size - 1)] for part in range(parts)]
                else:
                    used = size - size % parts
                    expected = [[i for i in range(used) if i % parts == p] for p in range(parts)]
                self.assertEqual([part.tolist() for part in found], expected)

    def test_nothing_is_split_into_as_many_nothings(self):
        self.assertEqual(split_batch(None, 3), [None, None, None])

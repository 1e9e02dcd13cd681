import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from layer_helpers import gradients, normal

from kerasgan.layers import OrthogonalRegularization


def cost_of(kernel, weight=1.0):
    return float(ops.convert_to_numpy(OrthogonalRegularization(weight)(ops.array(kernel))))


def by_pairs(kernel):
    """Equation 3 written out: each pair of different columns, both ways."""
    columns = kernel.reshape(-1, kernel.shape[-1]).T.astype("float64")
    return sum(
        float(a @ b) ** 2 for i, a in enumerate(columns) for j, b in enumerate(columns) if i != j
    )


class OrthogonalRegularizationTest(tf.test.TestCase):
    def test_equals_the_sum_over_pairs_of_columns(self):
        for shape in ((5, 3), (3, 5), (3, 3, 2, 4), (1, 1, 4, 4), (6, 1)):
            kernel = normal(*shape)
            self.assertAllClose(cost_of(kernel, 0.3), 0.3 * by_pairs(kernel), rtol=1e-5, atol=1e-5)

    def test_by_hand(self):
        # Products of the columns: 1*2 + 1*0, 1*0 + 1*3, 2*0 + 0*3.
        self.assertAllClose(cost_of([[1.0, 2.0, 0.0], [1.0, 0.0, 3.0]]), 2.0 * (4.0 + 9.0))

    def test_lengths_of_orthogonal_columns_are_free(self):
        basis = np.linalg.qr(normal(6, 4))[0].astype("float32")
        self.assertAllClose(cost_of(basis * np.array([0.0, 1.0, 5.0, 10.0], "float32")), 0.0)
        self.assertGreater(cost_of(basis + 0.1), 0.01)

    def test_gradient_in_closed_form(self):
        """4 weight W (W^T W * (1 - I))."""
        for shape in ((5, 3), (3, 5), (3, 3, 2, 4), (2, 9)):
            kernel = keras.Variable(normal(*shape))
            found = gradients(lambda kernel=kernel: OrthogonalRegularization(0.3)(kernel), [kernel])
            matrix = normal(*shape).reshape(-1, shape[-1])
            products = matrix.T @ matrix
            by_hand = 4.0 * 0.3 * matrix @ (products - np.diag(np.diag(products)))
            self.assertAllClose(found[0], by_hand.reshape(shape), rtol=1e-4, atol=1e-4)

    def test_wide_kernels_cost_no_wide_matrix(self):
        """BigGAN's first layer at 128 pixels: 24,576 squared would be 2.4 GB."""
        kernel = np.linalg.qr(normal(24_576, 20))[0].T
        squares = (kernel.astype("float64") ** 2).sum(0)
        # The rows are orthonormal, so that |W W^T|^2 = |I|^2 = 20.
        self.assertAllClose(cost_of(kernel), 20.0 - (squares**2).sum(), rtol=1e-5)

    def test_is_a_loss_of_a_layer_and_of_its_copy(self):
        layer = layers.Conv2D(4, 3, kernel_regularizer=OrthogonalRegularization(0.3))
        layer.build((None, 5, 5, 2))
        copy = layers.Conv2D.from_config(layer.get_config())
        copy.build((None, 5, 5, 2))
        copy.set_weights(layer.get_weights())
        expected = 0.3 * by_pairs(layer.get_weights()[0])
        for each in (layer, copy):
            self.assertAllClose(float(ops.convert_to_numpy(sum(each.losses))), expected, rtol=1e-4)

    def test_configuration(self):
        config = keras.saving.serialize_keras_object(OrthogonalRegularization(0.3))
        self.assertEqual(keras.saving.deserialize_keras_object(config).weight, 0.3)
        self.assertEqual(OrthogonalRegularization().weight, 1e-4)
        for weight in (0.0, -1.0, float("nan")):
            with self.assertRaisesRegex(ValueError, f"weight={weight}"):
                OrthogonalRegularization(weight)

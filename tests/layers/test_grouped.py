"""Grouped convolution, against Keras' own, with first and second derivatives."""

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from keras import layers, ops

from kerasgan import backend
from kerasgan.layers import GroupedConv2D


class GroupedConv2DTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        {"maps": 8, "filters": 8, "groups": 2},
        {"maps": 12, "filters": 24, "groups": 3},
        {"maps": 8, "filters": 8, "groups": 1},
        {"maps": 160, "filters": 160, "groups": 10},  # 5 groups of 16 at a time
        {"maps": 300, "filters": 2, "groups": 2},  # a group alone is wider than a part
    )
    def test_equals_keras(self, maps, filters, groups):
        arguments = {"groups": groups, "padding": "same", "bias_initializer": "random_normal"}
        ours, theirs = (
            kind(filters, 3, **arguments, name="conv") for kind in (GroupedConv2D, layers.Conv2D)
        )
        x = np.random.default_rng(0).normal(size=(2, 4, 4, maps)).astype("float32")
        for layer in (ours, theirs):
            layer.build(x.shape)
        theirs.set_weights(ours.get_weights())

        def outputs(layer):
            def first(x):
                return backend.input_gradient(lambda x: ops.tanh(layer(x)), x)

            x_tensor = ops.convert_to_tensor(x)
            second = backend.input_gradient(lambda x: first(x) ** 2, x_tensor)
            results = (layer(x_tensor), first(x_tensor), second)
            return [ops.convert_to_numpy(array) for array in results]

        for ours_array, theirs_array in zip(outputs(ours), outputs(theirs), strict=True):
            self.assertAllClose(ours_array, theirs_array, atol=1e-5, rtol=1e-5)

    def test_is_saved_by_its_name(self):
        model = keras.Sequential([keras.Input((4, 4, 4)), GroupedConv2D(4, 3, groups=2)])
        copy = keras.Sequential.from_config(model.get_config())
        self.assertIsInstance(copy.layers[0], GroupedConv2D)
        self.assertEqual(copy.layers[0].groups, 2)

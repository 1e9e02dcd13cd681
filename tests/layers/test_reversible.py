import json

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from keras import layers, ops

from kerasgan.layers import reversible

SHAPE = (4, 2, 4)  # sides that differ


def network(seen, outputs, dtype="float32"):
    """A network of a coupling whose outputs are of every size, and not 0 as those of new ones."""
    return keras.Sequential(
        [
            keras.Input(seen, dtype=dtype),
            layers.Dense(8, "tanh", dtype=dtype),
            layers.Dense(outputs, dtype=dtype),
        ]
    )


def make(name, dtype="float32"):
    """A reversible layer for images of SHAPE with random weights."""
    keras.utils.set_random_seed(0)
    height, width, channels = SHAPE
    coupled = network((height, width, channels // 2), channels, dtype)
    layer = {
        "affine": lambda: reversible.Affine(-0.4, 0.3, dtype=dtype),
        "squeeze": lambda: reversible.Squeeze(dtype=dtype),
        "act_norm": lambda: reversible.ActNorm(dtype=dtype),
        "convolution": lambda: reversible.InvertibleConv(dtype=dtype),
        "first_half": lambda: reversible.Coupling(coupled, False, dtype=dtype),
        "second_half": lambda: reversible.Coupling(coupled, dtype=dtype),
        "pixels": lambda: reversible.CheckerboardCoupling(
            network(SHAPE, 2 * channels, dtype), dtype=dtype
        ),
        "logit": lambda: reversible.Chain(
            [reversible.Affine(0.1, 0.5, dtype=dtype), reversible.Logit(dtype=dtype)], dtype=dtype
        ),
        "scales": lambda: reversible.MultiScale(
            [
                reversible.Chain(
                    [make("act_norm", dtype), make("second_half", dtype)], dtype=dtype
                ),
                reversible.Chain(
                    [reversible.Squeeze(dtype=dtype), reversible.ActNorm(dtype=dtype)], dtype=dtype
                ),
            ],
            dtype=dtype,
        ),
    }[name]()
    layer.build((None, *SHAPE))
    random = np.random.default_rng(1)
    for weight in layer.trainable_variables:
        old = ops.convert_to_numpy(weight)
        weight.assign(old + random.normal(0.0, 0.3, old.shape))
    return layer


LAYERS = (
    "affine",
    "squeeze",
    "act_norm",
    "convolution",
    "first_half",
    "second_half",
    "pixels",
    "logit",
    "scales",
)


def images(count, dtype="float32", seed=0):
    return np.random.default_rng(seed).normal(size=(count, *SHAPE)).astype(dtype)


def log_determinant(function, x, step=1e-5):
    """log |det d function / dx| of one example, from central differences in float64."""
    numbers = x.size
    moved = step * np.eye(numbers).reshape(numbers, *x.shape)
    ends = [ops.convert_to_numpy(function(x + sign * moved)) for sign in (1.0, -1.0)]
    jacobian = (ends[0] - ends[1]).reshape(numbers, numbers) / (2.0 * step)
    return np.linalg.slogdet(jacobian)[1]


class ReversibleTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(*LAYERS)
    def test_inverse(self, name):
        layer, x = make(name), images(3)
        y, nats = layer(x)
        self.assertEqual(tuple(nats.shape), (3,))
        self.assertEqual(tuple(y.shape), layer.shape_after(x.shape))
        self.assertAllClose(ops.convert_to_numpy(layer.inverse(y)), x, atol=1e-5, rtol=1e-5)

    @parameterized.parameters(*LAYERS)
    @needs_backend("tensorflow", reason="the others have products in float32")
    def test_determinant_is_that_of_the_jacobian(self, name):
        layer, x = make(name, "float64"), images(2, "float64")
        _, nats = layer(x)
        expected = [log_determinant(lambda x: layer(x)[0], each) for each in x]
        self.assertAllClose(ops.convert_to_numpy(nats), expected, atol=1e-6, rtol=1e-6)
        if name != "squeeze":
            self.assertGreater(np.abs(expected).min(), 0.1)  # or no sign would be seen

    @parameterized.parameters(*LAYERS)
    @needs_backend("tensorflow", reason="no framework can break it")
    def test_is_made_again_from_its_configuration(self, name):
        layer = make(name)
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
        copy = keras.saving.deserialize_keras_object(config)
        copy.set_weights(layer.get_weights())
        x = images(2)
        for ours, theirs in zip(copy(x), layer(x), strict=True):
            self.assertAllEqual(ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs))

    def test_squeeze_by_hand(self):
        x = np.arange(16.0, dtype="float32").reshape(1, 4, 4, 1)
        y, nats = reversible.Squeeze()(x)
        self.assertAllEqual(
            ops.convert_to_numpy(y)[0],
            [[[0, 1, 4, 5], [2, 3, 6, 7]], [[8, 9, 12, 13], [10, 11, 14, 15]]],
        )
        self.assertAllEqual(ops.convert_to_numpy(nats), [0.0])

    def test_a_checkerboard_keeps_and_sees_every_second_pixel(self):
        layer, x = make("pixels"), images(1)
        y = ops.convert_to_numpy(layer(x)[0])
        changed = (y != x).any(-1)[0]
        self.assertAllEqual(changed, np.indices(SHAPE[:2]).sum(0) % 2 == 1)
        other = x + changed[None, ..., None]  # which the network must not see
        scale = ops.convert_to_numpy(layer(other)[0]) - y
        stretched, _ = layer(x + 2.0 * changed[None, ..., None])
        self.assertAllClose(ops.convert_to_numpy(stretched) - y, 2.0 * scale, atol=1e-5)

    @needs_backend("tensorflow", reason="no framework can break it")
    def test_a_coupling_is_the_one_of_tensorflow_probability(self):
        from tensorflow_probability import bijectors

        net = network((2,), 6)
        layer = reversible.Coupling(net)
        layer.build((None, 5))
        layer.strength.assign([0.5, 1.0, 2.0])

        def shift_and_log_scale(x, outputs, **kwargs):
            raw, shift = np.split(ops.convert_to_numpy(net(x.numpy())), 2, axis=-1)
            return tf.constant(shift), tf.constant([0.5, 1.0, 2.0]) * tf.tanh(raw)

        theirs = bijectors.RealNVP(num_masked=2, shift_and_log_scale_fn=shift_and_log_scale)
        x = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
        y, nats = map(ops.convert_to_numpy, layer(x))
        self.assertAllClose(y, theirs.forward(x), rtol=1e-5)
        self.assertAllClose(nats, theirs.forward_log_det_jacobian(x, 1), rtol=1e-5)
        self.assertAllClose(ops.convert_to_numpy(layer.inverse(y)), theirs.inverse(y), rtol=1e-4)

    @parameterized.parameters(3, 48)
    def test_a_convolution_has_an_inverse_and_a_determinant_of_every_pixel(self, channels):
        keras.utils.set_random_seed(0)
        layer = reversible.InvertibleConv()
        layer.build((None, 5, 3, channels))
        start = ops.convert_to_numpy(layer.matrix()).astype("float64")
        self.assertAllClose(start @ start.T, np.eye(channels), atol=1e-5)  # a rotation
        random = np.random.default_rng(0)
        for weight in layer.trainable_variables:
            old = ops.convert_to_numpy(weight)
            weight.assign(old + random.normal(0.0, 0.05, old.shape))
        matrix = ops.convert_to_numpy(layer.matrix()).astype("float64")
        inverse = ops.convert_to_numpy(layer.inverse_matrix())
        self.assertAllClose(inverse, np.linalg.inv(matrix), atol=1e-4, rtol=1e-4)
        x = random.normal(size=(2, 5, 3, channels)).astype("float32")
        y, nats = map(ops.convert_to_numpy, layer(x))
        self.assertAllClose(y, x @ matrix, atol=1e-4)
        expected = 5 * 3 * np.linalg.slogdet(matrix)[1]
        self.assertAllClose(nats, [expected] * 2, rtol=1e-4, atol=1e-3)


class ActNormTest(tf.test.TestCase):
    def test_starts_with_mean_0_and_variance_1_of_each_channel(self):
        layer = reversible.ActNorm()
        layer.build((None, *SHAPE))
        x = images(50) * np.float32([0.1, 1.0, 5.0, 20.0]) + np.float32([0.0, 3.0, -2.0, 100.0])
        y = ops.convert_to_numpy(layer.start(ops.convert_to_tensor(x)))
        self.assertAllClose(y.mean((0, 1, 2)), np.zeros(4), atol=1e-4)
        self.assertAllClose(y.std((0, 1, 2)), np.ones(4), rtol=1e-4)
        _, nats = layer(x[:1])
        deviations = x.astype("float64").std((0, 1, 2))
        expected = -4 * 2 * np.log(deviations).sum()
        self.assertAllClose(ops.convert_to_numpy(nats), [expected], rtol=1e-4)

    def test_a_constant_channel_is_only_shifted(self):
        for constant in (0.0, -1.0, 0.3, 1000.1):  # of which float32 knows not all exactly
            layer = reversible.ActNorm()
            layer.build((None, *SHAPE))
            x = images(50)
            x[..., 1] = constant
            y = ops.convert_to_numpy(layer.start(ops.convert_to_tensor(x)))
            self.assertAllClose(y[..., 1], np.zeros_like(y[..., 1]), atol=1e-3)
            self.assertEqual(ops.convert_to_numpy(layer.log_scale)[1], 0.0)
            self.assertAllClose(y.std((0, 1, 2))[[0, 2, 3]], np.ones(3), rtol=1e-4)

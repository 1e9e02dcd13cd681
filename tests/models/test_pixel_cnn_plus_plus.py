"""The mixture of logistics, against TensorFlow Probability and by hand."""

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend

import kerasgan
from kerasgan.losses.likelihoods import discretized_logistic_log_likelihood


class MixtureTest(tf.test.TestCase):
    def test_a_logistic_sums_to_one_however_wide(self):
        values = np.arange(256, dtype="float32")[:, None]
        mean = np.array([-40.0, 0.0, 3.2, 100.5, 255.0, 300.0, 128.0, 128.0], "float32")
        log_scale = np.array([2.0, -3.0, 0.0, 1.5, 4.0, 2.0, -7.0, 12.0], "float32")
        nats = discretized_logistic_log_likelihood(values, mean, log_scale)
        nats = keras.ops.convert_to_numpy(nats)
        self.assertTrue(np.isfinite(nats).all())
        self.assertAllClose(np.exp(nats.astype("float64")).sum(0), np.ones(8), atol=1e-5)

    @needs_backend("tensorflow", reason="TensorFlow Probability is of TensorFlow")
    def test_mixture_is_tensorflow_probabilitys(self):
        import tensorflow_probability as tfp

        tfd = tfp.distributions
        model = kerasgan.PixelCNNPlusPlus((4, 4, 1), base_width=4, num_blocks=1, num_mixtures=3)
        random = np.random.default_rng(0)
        parameters = random.normal(size=(16, 4, 4, 9)).astype("float32")
        values = random.integers(256, size=(16, 4, 4, 1))
        values[:2] = np.array([0, 255])[:, None, None, None]
        images = (values / 127.5 - 1.0).astype("float32")
        logits, mean, log_scale = np.split(parameters.astype("float64"), 3, axis=-1)
        logistic = tfd.Logistic(127.5 * (mean + 1.0) - 0.5, 127.5 * np.exp(log_scale))
        mixture = tfd.MixtureSameFamily(
            tfd.Categorical(logits), tfd.QuantizedDistribution(logistic, 0.0, 255.0)
        )
        expected = mixture.log_prob(values[..., 0].astype("float64")).numpy().sum((1, 2))
        found = model.log_likelihood_of_parameters(images, tf.constant(parameters))
        self.assertAllClose(found, expected, rtol=1e-5)

    def test_channels_share_a_component_and_are_linear_in_each_other(self):
        model = kerasgan.PixelCNNPlusPlus((4, 4, 3), base_width=4, num_blocks=1, num_mixtures=2)
        random = np.random.default_rng(1)
        parameters = random.normal(size=(1, 4, 4, 20)).astype("float32")
        images = random.integers(256, size=(1, 4, 4, 3)).astype("float32") / 127.5 - 1.0
        images = images.astype("float32")
        logits, *others = np.split(parameters.astype("float64"), 10, axis=-1)
        means, log_scales, (a, b, c) = others[:3], others[3:6], np.tanh(others[6:])
        red, green, _ = np.split(images.astype("float64"), 3, axis=-1)
        means = [means[0], means[1] + a * red, means[2] + b * red + c * green]

        def sigmoid(x):
            return 1.0 / (1.0 + np.exp(-x))

        weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        for channel in range(3):
            x, half = images[..., channel, None].astype("float64"), 1.0 / 255.0
            scale = np.exp(log_scales[channel])
            upper = np.where(x > 0.999, 1.0, sigmoid((x + half - means[channel]) / scale))
            lower = np.where(x < -0.999, 0.0, sigmoid((x - half - means[channel]) / scale))
            weights = weights * (upper - lower)
        expected = np.log(weights.sum(-1)).sum()
        found = model.log_likelihood_of_parameters(
            *map(keras.ops.convert_to_tensor, (images, parameters))
        )
        self.assertAllClose(keras.ops.convert_to_numpy(found)[0], expected, rtol=1e-4)


if __name__ == "__main__":
    tf.test.main()

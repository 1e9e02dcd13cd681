import pathlib
from unittest import mock

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from keras import layers, ops

import kerasgan
from kerasgan import roles
from kerasgan.losses import likelihoods


def values(x):
    return ops.convert_to_numpy(x)


def small_vae(**settings):
    return kerasgan.VAE(**{"image_shape": (4, 4, 1), "latent_dim": 3, "seed": 0, **settings})


def images(count, shape=(4, 4, 1), seed=0):
    """Gray ones."""
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (count, *shape)).astype("float32")


def black_and_white(count, shape=(4, 4, 1), seed=0):
    return np.sign(images(count, shape, seed))


def no_noise():
    """A context in which codes are their means."""
    return mock.patch.object(
        keras.random, "normal", lambda shape, dtype=None, seed=None: ops.zeros(shape, dtype)
    )


def linear_gaussian(weights, deviation, posterior_mean=None, posterior_variance=None):
    """x = W z + 0.1 and noise, with a linear posterior of constant variance."""
    weights = np.asarray(weights, "float32")
    numbers, codes = weights.shape
    inputs = keras.Input((numbers, 1, 1))
    flat = layers.Flatten()(inputs)
    mean, log_variance = layers.Dense(codes)(flat), layers.Dense(codes)(flat)
    encoder = keras.Model(inputs, [mean, log_variance])
    decoder = keras.Sequential(
        [keras.Input((codes,)), layers.Dense(numbers), layers.Reshape((numbers, 1, 1))]
    )
    decoder.set_weights([weights.T, np.full(numbers, 0.1)])
    if posterior_mean is None:
        posterior_mean = np.zeros((numbers, codes))
    zeros = np.zeros((numbers, codes))
    posterior_variance = np.ones(codes) if posterior_variance is None else posterior_variance
    bias = -0.1 * posterior_mean.sum(0)
    encoder.set_weights([posterior_mean, bias, zeros, np.log(posterior_variance)])
    return kerasgan.VAE(
        encoder=encoder, decoder=decoder, likelihood="gaussian", deviation=deviation, seed=0
    )


class DensitiesTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        random = np.random.default_rng(0)
        self.mean, self.log_variance = random.normal(size=(2, 5, 3)).astype("float32")

    def test_divergence_is_that_of_tensorflow_probability(self):
        import tensorflow_probability as tfp

        normal = tfp.distributions.Normal
        q = normal(self.mean, np.exp(0.5 * self.log_variance))
        expected = tfp.distributions.kl_divergence(q, normal(0.0, 1.0))
        found = likelihoods.kl_from_standard_normal(self.mean, self.log_variance)
        self.assertAllClose(values(found), expected, rtol=1e-5)

    def test_divergence_by_hand(self):
        """N(1, 4): (4 + 1 - 1 - ln 4) / 2."""
        found = likelihoods.kl_from_standard_normal(np.ones((1, 1)), np.full((1, 1), np.log(4.0)))
        self.assertAllClose(values(found), [[2.0 - np.log(2.0)]])

    def test_likelihoods_are_those_of_tensorflow_probability(self):
        import tensorflow_probability as tfp

        random = np.random.default_rng(1)
        logits = random.normal(0.0, 4.0, (5, 2, 2, 3)).astype("float32")
        x = random.uniform(-1.0, 1.0, (5, 2, 2, 3)).astype("float32")
        white = (x > 0.0).astype("float32")
        expected = tfp.distributions.Bernoulli(logits).log_prob(white)
        found = likelihoods.bernoulli_log_likelihood(white, logits)
        self.assertAllClose(values(found), np.sum(expected, (1, 2, 3)), rtol=1e-5)
        expected = tfp.distributions.Normal(logits, 0.7).log_prob(x)
        found = likelihoods.normal_log_density(x, logits, np.float32(2.0 * np.log(0.7)))
        self.assertAllClose(values(found), np.sum(expected, (1, 2, 3)), rtol=1e-5)


class BoundTest(tf.test.TestCase, parameterized.TestCase):
    def evaluate(self, vae, data):
        vae.compile()
        return vae.evaluate(data, batch_size=len(data), verbose=0, return_dict=True)

    def test_terms_are_sums_over_pixels_and_codes_and_means_over_images(self):
        x = black_and_white(6)
        vae = small_vae()
        with no_noise():
            logs = self.evaluate(vae, x)
        mean, deviation = vae.posterior(x)
        kl = 0.5 * (deviation**2 + mean**2 - 1.0 - 2.0 * np.log(deviation)).sum(1).mean()
        white = (vae.decode(mean) + 1.0) / 2.0  # its probability
        surprise = -np.log(np.where(x > 0.0, white, 1.0 - white)).sum((1, 2, 3)).mean()
        expected = {"kl": kl, "reconstruction": surprise, "elbo": -surprise - kl}
        self.assertAllClose(logs, {**expected, "loss": surprise + kl}, rtol=1e-4)

    def test_beta_and_free_bits_change_the_loss_alone(self):
        x = black_and_white(6)
        vae = small_vae(beta=3.0)
        mean, deviation = vae.posterior(x)
        kl = 0.5 * (deviation**2 + mean**2 - 1.0 - 2.0 * np.log(deviation))
        vae.free_bits = float(np.median(kl.mean(0)))  # of three codes, so one is below it
        with no_noise():
            logs = self.evaluate(vae, x)
        self.assertAllClose(logs["kl"], kl.sum(1).mean(), rtol=1e-4)
        self.assertAllClose(logs["elbo"], -logs["reconstruction"] - logs["kl"], rtol=1e-5)
        paid = np.maximum(kl.mean(0), vae.free_bits).sum()
        self.assertGreater(paid, kl.mean(0).sum() + 1e-3)
        self.assertAllClose(logs["loss"], logs["reconstruction"] + 3.0 * paid, rtol=1e-4)

    def test_the_divergence_warms_up(self):
        x = black_and_white(8)
        vae = small_vae(beta=2.0, warmup_steps=4)
        vae.compile()
        for step in range(6):
            logs = vae.train_on_batch(x, return_dict=True)
            vae.reset_metrics()
            paid = (logs["loss"] - logs["reconstruction"]) / logs["kl"]
            self.assertAllClose(paid, 2.0 * min(step / 4, 1.0), atol=1e-3)

    def test_gray_pixels_are_drawn_with_their_brightness(self):
        vae = small_vae()
        gray = np.full((4000, 4, 4, 1), 0.5, "float32")
        drawn = values(vae._targets(gray, lambda shape: keras.random.uniform(shape, seed=1)))
        self.assertAllEqual(np.unique(drawn), [-1.0, 1.0])
        self.assertAllClose((drawn > 0.0).mean(0), np.full((4, 4, 1), 0.75), atol=0.03)
        for x, settings in ((black_and_white(9), {}), (gray, {"binarize": False})):
            kept = small_vae(**settings)._targets(x, lambda s: keras.random.uniform(s, seed=1))
            self.assertAllEqual(values(kept), x)

    def test_a_step_descends_the_loss(self):
        """SGD moves by the gradient g, and along it the loss falls by its square."""
        x = black_and_white(8)
        for settings in ({"hidden_units": (6,)}, {"likelihood": "gaussian", "deviation": 0.7}):
            vae = small_vae(binarize=False, **settings)
            vae.compile(keras.optimizers.SGD(1e-4))
            noise = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
            with mock.patch.object(keras.random, "normal", return_value=ops.array(noise)):
                before = [values(v) for v in vae.part_variables("autoencoder")]
                first = vae.train_on_batch(x)[0]
                vae.reset_metrics()
                after = [values(v) for v in vae.part_variables("autoencoder")]
                second = vae.test_on_batch(x)[0]
            squared = sum(((a - b) ** 2).sum() for a, b in zip(after, before, strict=True)) / 1e-8
            self.assertAllClose((first - second) / 1e-4, squared, rtol=0.1)

    def test_early_stopping_knows_that_a_higher_bound_is_better(self):
        x = np.repeat(black_and_white(1), 64, axis=0)
        vae = small_vae(hidden_units=(8,))
        vae.compile(keras.optimizers.Adam(3e-3))
        stop = keras.callbacks.EarlyStopping("val_elbo", patience=0)
        history = vae.fit(x, validation_data=x, epochs=4, callbacks=[stop], verbose=0).history
        self.assertLen(history["val_elbo"], 4)
        self.assertAllEqual(np.sort(history["val_elbo"]), history["val_elbo"])


class LogLikelihoodTest(tf.test.TestCase):
    def marginal(self, weights, deviation):
        covariance = weights @ weights.T + deviation**2 * np.eye(len(weights))
        return scipy.stats.multivariate_normal(np.full(len(weights), 0.1), covariance)

    def test_with_the_true_posterior_any_code_tells_it(self):
        """Columns at right angles, so that the posterior's codes are independent."""
        weights = np.array([[0.3, 0.4], [0.3, -0.4], [0.2, 0.0]])
        deviation = 0.5
        precision = (weights**2).sum(0) / deviation**2 + 1.0
        posterior_mean = weights / deviation**2 / precision
        vae = linear_gaussian(weights, deviation, posterior_mean, 1.0 / precision)
        x = images(5, (3, 1, 1))
        expected = self.marginal(weights, deviation).logpdf(x.reshape(5, 3))
        for samples in (1, 3):
            self.assertAllClose(vae.log_likelihood(x, samples), expected, atol=1e-4)
        vae.compile()
        logs = vae.evaluate(x, verbose=0, return_dict=True)
        # The bound is tight: only the code of each image is random.
        self.assertAllClose(logs["elbo"], expected.mean(), atol=0.7)

    def test_with_another_posterior_it_rises_to_that_of_the_marginal(self):
        weights = np.array([[0.3, 0.5], [0.6, -0.1], [0.2, 0.4]])
        vae = linear_gaussian(weights, 0.5)
        x = images(400, (3, 1, 1))
        expected = self.marginal(weights, 0.5).logpdf(x.reshape(400, 3)).mean()
        found = [vae.log_likelihood(x, samples).mean() for samples in (1, 4, 1000)]
        self.assertAllEqual(np.sort(found), found)
        self.assertAllClose(found[-1], expected, atol=0.01)
        self.assertLess(found[0], expected - 0.1)

    def test_of_black_and_white_pixels_it_is_that_of_quadrature(self):
        vae = small_vae(latent_dim=2, hidden_units=(8,))
        for weight in vae.pixel_network.weights:
            weight.assign(1.2 * weight)
        spread = vae.posterior_network.get_layer("log_variance")
        spread.kernel.assign(0.2 * spread.kernel)
        spread.bias.assign([0.4, 0.2])  # wider than the prior, so that no code weighs much
        x = black_and_white(4)
        axis = np.linspace(-6.0, 6.0, 121)
        codes = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
        white = (vae.decode(codes).astype("float64") + 1.0) / 2.0
        shares = np.exp(-0.5 * (codes**2).sum(1))
        shares /= shares.sum()
        expected = [
            np.log((shares * np.where(image > 0, white, 1 - white).prod((1, 2, 3))).sum())
            for image in x
        ]
        self.assertAllClose(vae.log_likelihood(x, 5000), expected, atol=0.03)

    def test_depends_on_the_seed_and_on_no_other_image(self):
        vae = small_vae(hidden_units=(4,))
        x = black_and_white(70)
        found = vae.log_likelihood(x, 3)
        self.assertAllClose(vae.log_likelihood(x[:66], 3), found[:66], rtol=1e-5)
        self.assertNotAllClose(vae.log_likelihood(x, 3, seed=1), found)
        self.assertEqual(vae.log_likelihood(x[:0]).shape, (0,))


class UseTest(tf.test.TestCase, parameterized.TestCase):
    def test_roles(self):
        for role in (roles.HasLatents, roles.Encodes):
            self.assertTrue(roles.has(kerasgan.VAE, role))
        self.assertFalse(roles.has(kerasgan.VAE, roles.HasLikelihood))

    def test_codes_and_images(self):
        vae = small_vae()
        x = images(5)
        mean, deviation = vae.posterior(x)
        moments = vae.posterior_network(x, training=False)
        self.assertAllClose(mean, values(moments[0]), atol=1e-5)
        self.assertAllClose(deviation, np.exp(0.5 * values(moments[1])), atol=1e-5)
        self.assertAllClose(vae.encode(x), mean, atol=1e-6)
        probability = 1.0 / (1.0 + np.exp(-values(vae.pixel_network(mean, training=False))))
        self.assertAllClose(vae.reconstruct(x), 2.0 * probability - 1.0, atol=1e-5)
        latents = vae.latents(3, seed=0)
        self.assertAllClose(vae.generate(3, seed=0), vae.decode(latents), atol=1e-6)

    def test_it_can_start_at_the_mean_image(self):
        x = images(50)
        for likelihood in ("bernoulli", "gaussian"):
            vae = small_vae(likelihood=likelihood)
            vae.start_at_mean(x)
            self.assertAllClose(vae.decode(np.zeros((1, 3)))[0], x.mean(0), atol=1e-5)
        x = images(50, (8, 8, 3))
        vae = small_vae(image_shape=(8, 8, 3), convolutional=True, base_width=4)
        vae.start_at_mean(x)
        expected = np.broadcast_to(x.mean((0, 1, 2)), (8, 8, 3))
        self.assertAllClose(vae.decode(np.zeros((1, 3)))[0], expected, atol=1e-5)
        with self.assertRaisesRegex(ValueError, "set the last bias of your own decoder"):
            linear_gaussian(np.ones((2, 1)), 0.5).start_at_mean(images(2, (2, 1, 1)))

    def test_interpolation_follows_the_line_between_the_codes(self):
        vae = small_vae()
        first, second = images(2)
        codes = vae.encode(np.stack([first, second]))
        way = vae.interpolate(first, second, 5)
        expected = [codes[0] + share * (codes[1] - codes[0]) for share in (0, 0.25, 0.5, 0.75, 1)]
        self.assertAllClose(way, vae.decode(expected), atol=1e-5)

    def test_a_gaussian_decoder_may_leave_the_range_but_images_do_not(self):
        vae = linear_gaussian(np.array([[3.0], [0.5]]), 0.5)
        made = vae.decode([[2.0], [0.0]])
        self.assertAllClose(made[..., 0, 0], [[1.0, 1.0], [0.1, 0.1]])

    @parameterized.parameters(
        ({},),
        ({"convolutional": True, "base_width": 4, "image_shape": (8, 8, 3)},),
        ({"hidden_units": (), "likelihood": "gaussian", "deviation": 0.3, "dtype": "float64"},),
        ({"dtype": "mixed_bfloat16", "beta": 2.0, "free_bits": 0.1, "warmup_steps": 5},),
    )
    @pytest.mark.slow
    def test_settings_are_saved(self, settings):
        vae = small_vae(**settings)
        vae.compile()
        x = images(8, vae.image_shape)
        vae.fit(x, verbose=0)
        path = pathlib.Path(self.create_tempdir().full_path) / "vae.keras"
        vae.save(path)
        copy = keras.saving.load_model(path)
        self.assertEqual(copy.get_config(), vae.get_config())
        self.assertAllEqual(copy.log_likelihood(x, 2), vae.log_likelihood(x, 2))
        for each in (vae, copy):
            each.fit(x, verbose=0)
        for ours, theirs in zip(vae.weights, copy.weights, strict=True):
            self.assertAllEqual(values(ours), values(theirs))

    def test_given_networks_are_saved(self):
        vae = linear_gaussian(np.array([[0.3, 0.4], [0.1, -0.4]]), 0.5)
        path = pathlib.Path(self.create_tempdir().full_path) / "vae.keras"
        vae.save(path)
        copy = keras.saving.load_model(path)
        x = images(3, (2, 1, 1))
        self.assertAllEqual(copy.log_likelihood(x, 2), vae.log_likelihood(x, 2))

    def test_settings_are_those_of_the_importance_weighted_autoencoder(self):
        vae = kerasgan.VAE((28, 28, 1))
        shapes = [tuple(v.shape) for v in vae.trainable_variables if len(v.shape) == 2]
        expected = [(784, 200), (200, 200), (200, 50), (200, 50)]
        self.assertEqual(shapes, [*expected, (50, 200), (200, 200), (200, 784)])
        adam = vae.default_optimizers()["autoencoder"]
        self.assertAllClose(adam.learning_rate, 1e-3)

    @needs_backend("tensorflow", reason="losses and gradients agree, so what they teach does")
    def test_learns_digits_and_uses_its_codes(self):
        keras.utils.set_random_seed(0)
        digits = kerasgan.data.load("digits", batch_size=32)
        vae = kerasgan.VAE((8, 8, 1), 8, (64,), seed=0)
        vae.compile(keras.optimizers.Adam(5e-3))
        history = vae.fit(digits, epochs=15, verbose=0).history
        # Independent pixels of the data's means have 32 nats.
        self.assertGreater(history["elbo"][-1], -26.5)
        self.assertGreater(history["kl"][-1], 3.0)


class BadInputTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        ({"beta": -1.0}, "beta=-1.0; use a number of at least 0"),
        ({"free_bits": -0.1}, "free_bits=-0.1; use a number"),
        ({"deviation": 0.0}, "deviation=0.0; use a number above 0"),
        ({"likelihood": "laplace"}, "likelihood='laplace'; use 'bernoulli' or 'gaussian'"),
        ({"warmup_steps": -1}, "warmup_steps=-1; use a whole number"),
        ({"hidden_units": 200}, "hidden_units=200; use a tuple"),
        ({"hidden_units": (0,)}, "hidden_units=0; use a whole number of at least 1"),
        ({"image_shape": None}, "image_shape=None; give an image_shape, or an encoder"),
        ({"image_shape": (4, 4)}, r"image_shape=\(4, 4\); use \(height, width, channels\)"),
        ({"latent_dim": 0}, "latent_dim=0; use a whole number"),
        ({"convolutional": True, "image_shape": (5, 5, 1)}, r"\(5, 5, 1\) cannot be made"),
        ({"units": 3}, "VAE has no argument 'units'; it takes image_shape, latent_dim"),
    )
    def test_arguments(self, settings, message):
        with self.assertRaisesRegex(ValueError, message):
            small_vae(**settings)

    def test_networks_that_do_not_fit(self):
        inputs = keras.Input((2, 2, 1))
        flat = layers.Flatten()(inputs)
        codes = [layers.Dense(n)(flat) for n in (3, 3, 2)]
        good = keras.Model(inputs, codes[:2])

        def decoder(length=3, numbers=4, activation=None):
            return keras.Sequential(
                [
                    keras.Input((length,)),
                    layers.Dense(numbers, activation),
                    layers.Reshape((2, numbers // 2, 1)),
                ]
            )

        for encoder, network, message in (
            (good, None, "decoder=None; use a built Keras model"),
            (good, decoder(2), r"decoder takes inputs of shape \(2,\), but the codes .*\(3,\)"),
            (good, decoder(3, 6), r"shape \(2, 2, 1\), but the decoder makes \(2, 3, 1\)"),
            (keras.Model(inputs, codes[0]), decoder(), "two of shape .* the mean and the log"),
            (keras.Model(inputs, codes[1:]), decoder(), r"shapes \[\(3,\), \(2,\)\]"),
            (good, decoder(activation="sigmoid"), "ends in sigmoid, but the likelihood takes log"),
            (good, decoder(activation="tanh"), "ends in tanh"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                kerasgan.VAE(encoder=encoder, decoder=network)
        with self.assertRaisesRegex(ValueError, "together with networks"):
            kerasgan.VAE((2, 2, 1), encoder=good, decoder=decoder())
        with self.assertRaisesRegex(ValueError, "ends in sigmoid, so it cannot make images"):
            network = decoder(activation="sigmoid")
            kerasgan.VAE(encoder=good, decoder=network, likelihood="gaussian")

    def test_data_and_codes(self):
        vae = small_vae()
        vae.compile()
        with self.assertRaisesRegex(ValueError, r"codes has shape \(2, 4\); use \(num_images"):
            vae.decode(np.zeros((2, 4)))
        for wrong, message in ((255.0 * images(4), "-1"), (images(4, (4, 5, 1)), "shape")):
            for use in (vae.encode, vae.posterior, vae.log_likelihood, vae.fit):
                with self.assertRaisesRegex(ValueError, message):
                    use(wrong)
        with self.assertRaisesRegex(ValueError, "samples=0; use a whole number of at least 1"):
            vae.log_likelihood(images(2), samples=0)
        with self.assertRaisesRegex(ValueError, "num_images=1; use a whole number of at least 2"):
            vae.interpolate(*images(2), num_images=1)

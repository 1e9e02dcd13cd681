from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from keras import ops
from keras.optimizers import SGD

import kerasgan
from kerasgan import roles

PLAYERS = ("encoder", "generator", "discriminator")


def values(x):
    return ops.convert_to_numpy(x)


def small_gan(**settings):
    keras.utils.set_random_seed(0)
    gan = kerasgan.VAEGAN(
        (8, 8, 1), **{"latent_dim": 3, "base_width": 4, "seed": 0, "gamma": 0.1, **settings}
    )
    kernel = gan.discriminator.get_layer("logits").kernel
    kernel.assign(20.0 * kernel)  # or the game would hardly teach
    return gan


def images(count, seed=0):
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (count, 8, 8, 1)).astype("float32")


def fixed_noise(count=6):
    """A context in which the first draw of a step is for samples, the second for codes."""
    noise = np.random.default_rng(1).normal(size=(2, count, 3)).astype("float32")
    draws = iter([noise[0], noise[1]] * 10)

    def normal(shape, dtype=None, seed=None):
        return ops.array(next(draws))

    return noise, mock.patch.object(keras.random, "normal", normal)


def softplus(x):
    return np.logaddexp(0.0, x)


class LossTest(tf.test.TestCase):
    def test_losses_by_hand(self):
        gan = small_gan()
        gan.compile()
        gan.run_eagerly = True
        x = images(6)
        noise, patch = fixed_noise()
        with patch:
            logs = gan.evaluate(x, batch_size=6, verbose=0, return_dict=True)
        mean, deviation = gan.posterior(x)
        kl = 0.5 * (deviation**2 + mean**2 - 1.0 - 2.0 * np.log(deviation)).sum(1).mean()
        made = [gan.decode(mean + deviation * noise[1]), gan.generate_from(noise[0])]
        judged = [gan.discriminator(some, training=False) for some in (x, *made)]
        logits, features = zip(*(map(values, pair) for pair in judged), strict=True)
        self.assertEqual(features[0].shape, (6, 4, 4, 4))  # of the last convolution
        error = 0.5 * ((features[0] - features[1]) ** 2).sum((1, 2, 3)).mean()
        fakes = 0.25 * (softplus(logits[1]).mean() + softplus(logits[2]).mean())
        expected = {
            "kl": kl,
            "reconstruction": error,
            "encoder_loss": kl + error,
            "generator_loss": 0.1 * error - fakes,
            "discriminator_loss": 0.5 * softplus(-logits[0]).mean() + fakes,
            "discriminator_pauses": logs["discriminator_pauses"],
            "generator_pauses": logs["generator_pauses"],
        }
        self.assertAllClose(logs, expected, rtol=1e-4)


class GradientsTest(tf.test.TestCase, parameterized.TestCase):
    def steps(self, gan, rates=(1.0, 1.0, 1.0), x=None):
        """What each player's weights move by in a step of gradient descent."""
        gan.compile({player: SGD(rate) for player, rate in zip(PLAYERS, rates, strict=True)})
        gan.run_eagerly = True
        before = {p: [values(v) for v in gan.part_variables(p)] for p in PLAYERS}
        _, patch = fixed_noise()
        with patch:
            gan.train_on_batch(images(6) if x is None else x)
        return {
            player: np.concatenate(
                [
                    (values(v) - old).ravel()
                    for v, old in zip(gan.part_variables(player), before[player], strict=True)
                ]
            )
            for player in PLAYERS
        }

    @needs_backend("tensorflow", reason="the gradients are compared with those of its tape")
    def test_each_player_gets_its_terms_and_no_other(self):
        """All of them at the weights with which the step began, written down anew."""
        gan = small_gan(balance=False)
        x = images(6)
        (for_samples, for_codes), _ = fixed_noise()
        with tf.GradientTape(persistent=True) as tape:
            mean, log_variance = gan.posterior_network(x, training=True)
            made = gan.generator(mean + tf.exp(log_variance / 2.0) * for_codes, training=True)
            samples = gan.generator(for_samples, training=True)
            real_logits, features = gan.discriminator(x, training=True)
            made_logits, of_made = gan.discriminator(made, training=True)
            sample_logits, _ = gan.discriminator(samples, training=True)
            kl = -0.5 * tf.reduce_sum(1.0 + log_variance - mean**2 - tf.exp(log_variance)) / 6.0
            error = tf.nn.l2_loss(features - of_made) / 6.0
            entropy = tf.nn.sigmoid_cross_entropy_with_logits
            real, *fakes = (
                tf.reduce_mean(entropy(tf.zeros_like(logits) + label, logits))
                for logits, label in ((real_logits, 1.0), (made_logits, 0.0), (sample_logits, 0.0))
            )
            game = 0.5 * real + 0.25 * sum(fakes)
            minimized = {
                "encoder": kl + error,
                "generator": 0.1 * error - game,
                "discriminator": game,
            }
        expected = {
            player: np.concatenate(
                [
                    -tf.reshape(gradient, [-1]).numpy()
                    for gradient in tape.gradient(
                        loss,
                        [v.value for v in gan.part_variables(player)],
                        unconnected_gradients="zero",
                    )
                ]
            )
            for player, loss in minimized.items()
        }
        for player, found in self.steps(gan).items():
            self.assertGreater(np.abs(expected[player]).max(), 1e-3)
            self.assertAllClose(found, expected[player], rtol=1e-3, atol=1e-5, msg=player)

    def test_each_player_moves_in_its_own_update_only(self):
        for number, player in enumerate(PLAYERS):
            rates = [0.1 if other == number else 0.0 for other in range(3)]
            for name, steps in self.steps(small_gan(balance=False), rates).items():
                if name == player:
                    self.assertGreater(np.abs(steps).max(), 1e-6)
                else:
                    self.assertAllEqual(steps, np.zeros_like(steps))

    def test_the_game_does_not_teach_the_encoder(self):
        """Its step is the same whatever the discriminator decides on its features."""
        found = []
        for scale in (0.0, 1.0):
            gan = small_gan(balance=False)
            kernel = gan.discriminator.get_layer("logits").kernel
            kernel.assign(scale * kernel)
            found.append(self.steps(gan))
        self.assertAllClose(found[0]["encoder"], found[1]["encoder"], atol=1e-6)
        self.assertGreater(np.abs(found[0]["generator"] - found[1]["generator"]).max(), 1e-3)

    def test_the_likelihood_does_not_teach_the_discriminator(self):
        found = [self.steps(small_gan(balance=False, gamma=gamma)) for gamma in (0.0, 1.0)]
        self.assertAllClose(found[0]["discriminator"], found[1]["discriminator"], atol=1e-6)
        self.assertAllClose(found[0]["encoder"], found[1]["encoder"], atol=1e-6)
        self.assertGreater(np.abs(found[0]["generator"] - found[1]["generator"]).max(), 1e-3)


class BalanceTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        (0.0, (0.0, 0.0), (0.0, 0.0)),  # all costs are ln 2
        (1.0, (0.0, 0.0), (1.0, 0.0)),  # 0.31 of the real ones: the discriminator is ahead
        (0.0, (-1.0, -1.0), (1.0, 0.0)),
        (0.0, (-1.0, 0.0), (0.0, 0.0)),  # 0.50, the mean of 0.31 and 0.69
        (-1.0, (0.0, 0.0), (0.0, 1.0)),  # 1.31: the generator is ahead
        (0.0, (1.0, 1.0), (0.0, 1.0)),
        (1.0, (1.0, 1.0), (0.0, 0.0)),  # both would pause, so none does
        (0.8, (-0.8, -0.8), (0.0, 0.0)),  # 0.371, and 0.33 is the limit
        (0.95, (0.5, 0.5), (1.0, 0.0)),  # 0.327
        (-0.5, (0.55, 0.55), (0.0, 0.0)),  # 0.974 and 1.005, and 1.03 is the limit
        (-0.6, (0.0, 0.0), (0.0, 1.0)),  # 1.037
    )
    def test_who_is_ahead_pauses(self, real, made, expected):
        logits = [np.full((4, 1), number, "float32") for number in (real, *made)]
        found = small_gan()._pauses(logits[0], logits[1:])
        pauses = [float(found[f"{p}_pauses"]) for p in ("discriminator", "generator")]
        self.assertAllEqual(pauses, expected)

    def test_a_paused_player_does_not_move(self):
        for equilibrium, paused in ((100.0, "discriminator"), (-100.0, "generator")):
            gan = small_gan()
            gan.equilibrium = equilibrium
            gan.compile()
            before = {p: [values(v) for v in gan.part_variables(p)] for p in PLAYERS}
            logs = gan.train_on_batch(images(6), return_dict=True)
            for player in PLAYERS[1:]:
                self.assertEqual(logs[f"{player}_pauses"], float(player == paused))
            for player in PLAYERS:
                after = [values(v) for v in gan.part_variables(player)]
                same = all(map(np.array_equal, before[player], after))
                self.assertEqual(same, player == paused, player)

    @needs_backend("tensorflow", reason="checked before anything is computed")
    def test_losses_without_probabilities_are_refused(self):
        with self.assertRaisesRegex(
            ValueError, "loss='hinge' gives no probabilities.*balance=False"
        ):
            small_gan().compile(loss="hinge")
        for loss in ("hinge", "relativistic"):
            gan = small_gan(balance=False)
            gan.compile(loss=loss)
            logs = gan.train_on_batch(images(6), return_dict=True)
            self.assertNotIn("generator_pauses", logs)
            self.assertTrue(all(np.isfinite(float(value)) for value in logs.values()))


class UseTest(tf.test.TestCase, parameterized.TestCase):
    def test_roles_and_codes(self):
        gan = small_gan()
        for role in (roles.HasLatents, roles.Encodes):
            self.assertTrue(roles.has(gan, role))
        x = images(5)
        mean, log_variance = map(values, gan.posterior_network(x, training=False))
        self.assertAllClose(gan.encode(x), mean, atol=1e-5)
        self.assertAllClose(gan.posterior(x)[1], np.exp(0.5 * log_variance), atol=1e-5)
        self.assertAllClose(gan.reconstruct(x), gan.generate_from(gan.encode(x)), atol=1e-5)

    def test_settings(self):
        gan = small_gan(gamma=0.5, balance=False)
        copy = kerasgan.VAEGAN.from_config(gan.get_config())
        self.assertEqual(copy.get_config(), gan.get_config())
        self.assertEqual(kerasgan.VAEGAN((8, 8, 1), base_width=2).gamma, 5e-5)
        gan.compile()
        for player in PLAYERS:
            self.assertAllClose(gan.optimizer[player].learning_rate, 3e-4)
        self.assertEqual(gan.adversarial_loss.get_config(), {"label_smoothing": 0.0})
        self.assertIsInstance(gan.adversarial_loss, kerasgan.losses.Minimax)

    @parameterized.parameters(
        ({"gamma": -1.0}, "gamma=-1.0; use a number of at least 0"),
        ({"latent_dim": 0}, "latent_dim=0; use a whole number"),
        ({"width": 3}, "VAEGAN has no argument 'width'; it takes image_shape, latent_dim"),
    )
    def test_bad_arguments(self, settings, message):
        with self.assertRaisesRegex(ValueError, message):
            small_gan(**settings)
        with self.assertRaisesRegex(ValueError, r"\(9, 9, 1\) cannot be made"):
            kerasgan.VAEGAN((9, 9, 1))

    @needs_backend("tensorflow", reason="it takes long")
    def test_learns_to_reconstruct_and_to_draw_digits(self):
        keras.utils.set_random_seed(0)
        digits = kerasgan.data.load("digits", batch_size=64)
        unseen = np.concatenate([*kerasgan.data.load("digits", split="test").as_numpy_iterator()])
        gan = kerasgan.VAEGAN((8, 8, 1), 16, base_width=16, gamma=0.05, seed=0)
        gan.compile(keras.optimizers.RMSprop(2e-3))

        def distances():
            nearest = ((gan.generate(100, seed=0)[:, None] - unseen[None]) ** 2).mean((2, 3, 4))
            return ((unseen - gan.reconstruct(unseen)) ** 2).mean(), nearest.min(1).mean()

        before = distances()
        gan.fit(digits, epochs=8, verbose=0)
        after = distances()
        self.assertLess(after[0], 0.6 * before[0])
        self.assertLess(after[1], 0.6 * before[1])

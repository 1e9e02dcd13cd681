import keras
import numpy as np
import scipy.stats
import tensorflow as tf
from backends import needs_backend
from keras import ops
from keras.optimizers import SGD

import kerasgan


def values(x):
    return ops.convert_to_numpy(x)


def small_gan(**kwargs):
    settings = {"latent_dim": 12, "base_width": 4, "categorical": (3, 4), "seed": 0}
    return kerasgan.InfoGAN((8, 8, 1), **{**settings, **kwargs})


def images(count, seed=0):
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (count, 8, 8, 1)).astype("float32")


def surprise_by_hand(found, latents):
    """- log Q(c | x) of codes of 3 and 4 categories and two numbers, without constants."""
    found, codes = found.astype("float64"), latents[:, -9:].astype("float64")
    total = 0.5 * ((found[:, 7:] - codes[:, 7:]) ** 2).sum(1)
    for code in (slice(0, 3), slice(3, 7)):
        chosen = found[np.arange(len(found)), code.start + codes[:, code].argmax(1)]
        total += np.log(np.exp(found[:, code]).sum(1)) - chosen
    return total.mean()


class CodesTest(tf.test.TestCase):
    def assert_distributed(self, latents):
        noise, first, second, numbers = np.split(latents, [3, 6, 10], axis=1)
        for one_hot in (first, second):
            self.assertAllEqual(np.sort(one_hot, axis=1)[:, :-1], np.zeros_like(one_hot[:, 1:]))
            self.assertAllEqual(one_hot.max(1), np.ones(len(one_hot)))
            self.assertGreater(scipy.stats.chisquare(one_hot.sum(0)).pvalue, 0.01)
        for number in (*noise.T, *numbers.T):
            uniform = scipy.stats.uniform(-1.0, 2.0)
            self.assertGreater(scipy.stats.kstest(number, uniform.cdf).pvalue, 0.01)
        codes = np.stack([*noise.T, first.argmax(1), second.argmax(1), *numbers.T])
        correlations = np.corrcoef(codes) - np.eye(len(codes))
        self.assertLess(np.abs(correlations).max(), 0.08)

    def test_categories_are_equally_likely_and_numbers_uniform(self):
        gan = small_gan()
        self.assert_distributed(values(gan.sample_latents(4000, seed=1)))
        self.assert_distributed(gan.latents(4000, seed=1))

    def test_chosen_codes_change_their_columns_and_no_others(self):
        gan = small_gan()
        random = gan.latents(5, seed=0)
        categories = np.array([[0, 3], [1, 2], [2, 1], [0, 0], [1, 3]])
        numbers = np.linspace(-2.0, 2.0, 10).reshape(5, 2)
        one_hot = np.concatenate([np.eye(3)[categories[:, 0]], np.eye(4)[categories[:, 1]]], 1)
        for kwargs, start, stop, expected in (
            ({"categories": categories}, 3, 10, one_hot),
            ({"continuous": numbers}, 10, 12, numbers),
            ({"continuous": [0.25, -1.0]}, 10, 12, np.tile([0.25, -1.0], (5, 1))),
            ({"categories": 2}, 3, 10, np.tile([0, 0, 1, 0, 0, 1, 0], (5, 1))),
        ):
            latents = gan.latents(5, seed=0, **kwargs)
            self.assertAllClose(latents[:, start:stop], expected)
            self.assertAllEqual(latents[:, :start], random[:, :start])
            self.assertAllEqual(latents[:, stop:], random[:, stop:])
            expected = values(gan.generator(latents, training=False))
            self.assertAllClose(gan.generate(5, seed=0, **kwargs), expected, atol=1e-5)

    def test_one_categorical_code_takes_a_number_an_image(self):
        gan = small_gan(categorical=(10,), latent_dim=74, continuous=0)
        latents = gan.latents(4, seed=0, categories=[7, 0, 9, 3])
        self.assertAllEqual(latents[:, -10:], np.eye(10)[[7, 0, 9, 3]])
        column = gan.latents(4, seed=0, categories=[[7], [0], [9], [3]])
        self.assertAllEqual(column, latents)

    def test_no_continuous_codes(self):
        gan = small_gan(categorical=(5,), continuous=0)
        categories, numbers = gan.recognize(gan.generate(3, seed=0, continuous=[]))
        self.assertEqual((categories.shape, numbers.shape), ((3, 1), (3, 0)))

    def test_no_categorical_codes(self):
        gan = small_gan(categorical=(), continuous=2)
        latents = gan.latents(3, seed=0, continuous=[0.5, -0.5])
        self.assertAllEqual(latents[:, -2:], np.tile([0.5, -0.5], (3, 1)))
        categories, numbers = gan.recognize(gan.generate_from(latents))
        self.assertEqual((categories.shape, numbers.shape), ((3, 0), (3, 2)))

    def test_codes_out_of_range_or_of_another_shape(self):
        gan = small_gan()
        for kwargs, message in (
            ({"categories": 3}, r"categories=3; .*sizes \(3, 4\)"),  # the first code has 0 to 2
            ({"categories": -1}, "categories=-1"),
            ({"categories": 1.0}, "categories=1.0"),
            ({"categories": [0, 1]}, r"categories=\[0, 1\]"),
            ({"categories": [[0, 1, 2], [0, 1, 2]]}, "categories="),
            ({"categories": [[0, 1]]}, "each of 2 images"),
            ({"continuous": 0.5}, r"shape \(\); use \(2,\) or \(2, 2\)"),
            ({"continuous": [0.5]}, r"shape \(1,\)"),
            ({"continuous": np.zeros((3, 2))}, r"shape \(3, 2\)"),
            ({"labels": 1}, "unconditional"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                gan.generate(2, **kwargs)

    def test_codes_that_a_model_cannot_have(self):
        for kwargs, message in (
            ({"latent_dim": 9}, "latent_dim=9; the codes take 9"),
            ({"categorical": (), "continuous": 0}, r"categorical=\(\), continuous=0"),
            ({"categorical": (3, 1)}, r"categorical=\(3, 1\)"),
            ({"continuous": -1}, "continuous=-1"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                small_gan(**kwargs)


class GameTest(tf.test.TestCase):
    def found(self, gan, x, training):
        """What D and Q make of images: logits and codes."""
        logits, features = gan.discriminator(x, training=training)
        return values(logits), values(gan.recognizer(features, training=training))

    def test_losses_by_hand(self):
        """Equation 6: both other players pay lambda times what the recognizer does not find."""
        real, fake = images(6), images(6, seed=1)
        for weight in (1.0, 0.3):
            gan = small_gan(information_weight=weight)
            gan.compile()
            kernel = gan.discriminator.get_layer("logits").kernel
            kernel.assign(50.0 * kernel)
            latents = gan.latents(6, seed=0)
            for training in (False, True):
                real_logits, _ = self.found(gan, real, training)
                fake_logits, codes = self.found(gan, fake, training)
                surprise = surprise_by_hand(codes, latents)
                source = np.logaddexp(0.0, -real_logits).mean()
                source += np.logaddexp(0.0, fake_logits).mean()
                fooling = np.logaddexp(0.0, -fake_logits).mean()
                for player, expected in (
                    ("discriminator", source + weight * surprise),
                    ("generator", fooling + weight * surprise),
                    ("recognizer", surprise),
                ):
                    player_loss = getattr(gan, f"{player}_loss")
                    loss, logs = player_loss(real, fake, None, latents, training)
                    self.assertAllClose(values(loss), expected, rtol=1e-4)
                    self.assertEqual(logs, {})

    def moved(self, player, **kwargs):
        """What each player's weights move by in a step in which one optimizer alone has a rate."""
        keras.utils.set_random_seed(0)
        gan = small_gan(**kwargs)
        rates = {name: SGD(0.1 if name == player else 0.0) for name in gan.players}
        gan.compile(rates)
        gan.run_eagerly = True
        before = {name: values_of(gan.part_variables(name)) for name in gan.players}
        logs = gan.train_on_batch(images(8), return_dict=True)
        self.assertCountEqual(logs, [f"{name}_loss" for name in gan.players])
        return {
            name: np.concatenate(
                [
                    (new - old).ravel()
                    for old, new in zip(
                        before[name], values_of(gan.part_variables(name)), strict=True
                    )
                ]
            )
            for name in gan.players
        }

    def test_each_player_moves_in_its_own_update_only(self):
        for player in ("discriminator", "generator", "recognizer"):
            for name, steps in self.moved(player).items():
                if name == player:
                    self.assertGreater(np.abs(steps).max(), 1e-6)
                else:
                    self.assertAllEqual(steps, np.zeros_like(steps))

    def test_the_codes_teach_the_generator_and_the_shared_layers(self):
        """Q itself learns as much whatever lambda is."""
        for player, least, most in (
            ("discriminator", 1e-4, np.inf),
            ("generator", 1e-4, np.inf),
            ("recognizer", 0.0, 1e-7),
        ):
            steps = [self.moved(player, information_weight=w)[player] for w in (0.0, 1.0)]
            self.assertBetween(np.abs(steps[1] - steps[0]).max(), least, most)

    def test_recognizer_has_the_layers_of_the_paper(self):
        gan = small_gan()
        features = 16 * 4  # of the dense layer
        shapes = [tuple(v.shape) for v in gan.recognizer.trainable_variables]
        self.assertEqual(shapes, [(features, 128), (128,), (128,), (128, 9), (9,)])
        owned = {id(v) for v in gan.part_variables("recognizer")}
        others = [*gan.part_variables("generator"), *gan.part_variables("discriminator")]
        self.assertFalse(owned & {id(v) for v in others})

    def test_networks_for_mnist(self):
        """Appendix C.1: two dense layers, of 1,024 and 7 x 7 x 128 units, in the generator; two
        convolutions and a dense layer of 1,024 in the discriminator, with LeakyReLU of 0.1."""
        gan = kerasgan.InfoGAN((28, 28, 1))

        def shapes(network):
            return [tuple(v.shape) for v in network.trainable_variables if len(v.shape) > 1]

        kernels = [(74, 1024), (1024, 7 * 7 * 128), (4, 4, 64, 128), (4, 4, 1, 64)]
        self.assertEqual(shapes(gan.generator), kernels)
        kernels = [(4, 4, 1, 64), (4, 4, 64, 128), (7 * 7 * 128, 1024), (1024, 1)]
        self.assertEqual(shapes(gan.discriminator), kernels)
        self.assertEqual(shapes(gan.recognizer), [(1024, 128), (128, 12)])
        slopes = [
            x.negative_slope for x in gan.discriminator.layers if hasattr(x, "negative_slope")
        ]
        self.assertAllClose(slopes, [0.1, 0.1, 0.1])

    def test_networks_for_larger_images_have_no_dense_layer_between(self):
        """Appendix C.2, SVHN: the recognizer looks at the last convolution."""
        gan = kerasgan.InfoGAN((32, 32, 3), base_width=4)
        self.assertEqual(gan.recognizer.input.shape[1], 4 * 4 * 16)
        self.assertEqual(gan.generator.get_layer("project").kernel.shape[0], 74)

    def test_settings(self):
        gan = small_gan()
        gan.compile()
        for player, rate in (("discriminator", 2e-4), ("generator", 1e-3), ("recognizer", 2e-4)):
            adam = gan.optimizer[player]
            self.assertAllClose([adam.learning_rate, adam.beta_1], [rate, 0.5])

    def test_configuration(self):
        gan = small_gan(continuous=1, information_weight=0.3)
        copy = kerasgan.InfoGAN.from_config(gan.get_config())
        settings = (copy.categorical, copy.continuous, copy.information_weight, copy.latent_dim)
        self.assertEqual(settings, ((3, 4), 1, 0.3, 12))


class RecognizeTest(tf.test.TestCase):
    def test_reads_q(self):
        gan = small_gan()
        x = images(5)
        _, features = gan.discriminator(x, training=False)
        codes = values(gan.recognizer(features, training=False))
        categories, numbers = gan.recognize(x)
        self.assertAllEqual(
            categories, np.stack([codes[:, :3].argmax(1), codes[:, 3:7].argmax(1)], 1)
        )
        self.assertAllClose(numbers, codes[:, 7:], atol=1e-6)

    @needs_backend("tensorflow", reason="losses and gradients agree, so what they teach does")
    def test_learns_to_find_the_codes_of_generated_digits(self):
        gan = kerasgan.InfoGAN((8, 8, 1), base_width=8, latent_dim=32, continuous=1, seed=0)
        gan.compile()
        gan.fit(kerasgan.data.load("digits"), epochs=5, verbose=0)
        wanted = np.arange(300) % 10
        numbers = np.random.default_rng(0).uniform(-1.0, 1.0, (300, 1))
        drawn = gan.generate(300, seed=0, categories=wanted, continuous=numbers)
        found, told = gan.recognize(drawn)
        self.assertGreater(np.mean(found[:, 0] == wanted), 0.8)
        self.assertGreater(np.corrcoef(told[:, 0], numbers[:, 0])[0, 1], 0.5)


def values_of(variables):
    return [values(v) for v in variables]

import itertools
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from keras import layers, ops

import kerasgan
from kerasgan.models import srgan
from kerasgan.translation.super_resolution import srgan_discriminator


def small(**settings):
    defaults = {"scale": 2, "base_width": 4, "residual_blocks": 1, "features": None, "seed": 0}
    return kerasgan.SRGAN((16, 16, 3), **{**defaults, **settings})


def pairs(count, seed=0):
    random = np.random.default_rng(seed)
    large = random.uniform(-1, 1, (count, 16, 16, 3)).astype("float32")
    return large.reshape(count, 8, 2, 8, 2, 3).mean((2, 4)), large


def softplus(x):
    return np.log1p(np.exp(x))


def number(tensor):
    return float(ops.convert_to_numpy(tensor))


def features(channels=3):
    keras.utils.set_random_seed(7)
    return keras.Sequential([keras.Input((None, None, channels)), layers.Conv2D(5, 3)])


def two_outputs():
    images = keras.Input((16, 16, 3))
    return keras.Model(images, [images, layers.Conv2D(2, 3)(images)])


class NetworksTest(tf.test.TestCase, parameterized.TestCase):
    def test_parameters_are_those_of_figure_4_by_hand(self):
        def conv(size, inputs, outputs):
            return size * size * inputs * outputs + outputs

        block = 2 * (conv(3, 64, 64) + 4 * 64) + 64
        expected = conv(9, 3, 64) + 64 + 16 * block + conv(3, 64, 64) + 4 * 64
        expected += 2 * (conv(3, 64, 256) + 64) + conv(9, 64, 3)
        self.assertEqual(srgan.srresnet(3).count_params(), expected)

        widths = [3, 64, 64, 128, 128, 256, 256, 512, 512]
        expected = sum(conv(3, a, b) for a, b in itertools.pairwise(widths))
        expected += 4 * sum(widths[2:]) + (6 * 6 * 512 + 1) * 1024 + 1024 + 1
        self.assertEqual(srgan_discriminator((96, 96, 3)).count_params(), expected)

    def test_pixel_shuffle_is_that_of_numpy(self):
        x = np.random.default_rng(0).normal(size=(2, 3, 5, 8)).astype("float32")
        found = ops.convert_to_numpy(srgan.PixelShuffle(2)(x))
        expected = x.reshape(2, 3, 5, 2, 2, 2).transpose(0, 1, 3, 2, 4, 5).reshape(2, 6, 10, 2)
        self.assertAllEqual(found, expected)

    @parameterized.parameters(2, 4)
    def test_enlarges_images_of_any_size(self, scale):
        gan = kerasgan.SRGAN((16, 16, 1), scale, base_width=4, residual_blocks=1, features=None)
        enlarged = gan.translate(np.zeros((2, 7, 30, 1), "float32"), tile=16, overlap=4)
        self.assertEqual(enlarged.shape, (2, 7 * scale, 30 * scale, 1))

    def test_what_cannot_be_had_is_refused(self):
        for arguments, message in (
            ({"scale": 3}, "scale=3; use 2 or 4"),
            ({"image_shape": (17, 16, 3)}, r"image_shape=\(17, 16, 3\); use .* multiples of 2"),
            ({"features": 5}, "features=5; use 'vgg19'"),
            (
                {"features": features(1)},
                r"features cannot take.*image_shape=\(16, 16, 3\)",
            ),
            ({"features": two_outputs()}, "features has several outputs"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                kerasgan.SRGAN(**{"image_shape": (16, 16, 3), "scale": 2, **arguments})


class FeaturesTest(tf.test.TestCase):
    def test_vgg19_sees_what_it_was_trained_with(self):
        images = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)).astype("float32")
        path = pathlib.Path(self.create_tempdir().full_path) / "vgg19.weights.h5"
        vgg19 = keras.applications.VGG19(include_top=False, weights=None)
        vgg19.save_weights(path)
        until = keras.Model(vgg19.inputs, vgg19.get_layer("block2_conv2").output)
        pixels = np.round((images + 1) * 127.5)
        blue_first = pixels[..., ::-1] - [103.939, 116.779, 123.68]
        expected = ops.convert_to_numpy(until(blue_first.astype("float32")))
        network = srgan.vgg19_features(path, layer="block2_conv2")
        found = ops.convert_to_numpy(network(pixels / 127.5 - 1))
        self.assertAllClose(found, expected, rtol=1e-4, atol=1e-3 * expected.max())
        self.assertEqual(network.trainable_variables, [])

    def test_an_error_says_how_to_get_weights(self):
        with self.assertRaisesRegex(OSError, "nowhere.h5.*does not exist.*save_weights"):
            small(features="nowhere.h5")
        with self.assertRaisesRegex(ValueError, "layer='pool9'; VGG19 has block1_conv1"):
            srgan.vgg19_features(weights=None, layer="pool9")

    def test_any_model_can_stand_in_and_is_saved_along(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        network = features()
        network.save(folder / "features.keras")
        for given in (network, str(folder / "features.keras")):
            gan = small(features=given)
            gan.save(folder / "model.keras")
            copy = keras.saving.load_model(folder / "model.keras")
            self.assertAllEqual(copy.features.get_weights()[0], network.get_weights()[0])
            self.assertNotIn(id(gan.features), map(id, gan.players["generator"]))


class GameTest(tf.test.TestCase):
    def test_settings_are_those_of_the_paper(self):
        gan = small()
        gan.compile()
        self.assertAllClose(gan.adversarial_weight, 1e-3)
        self.assertAllClose(gan.feature_scale**2, 0.006, atol=2e-4)
        for player in gan.players:
            self.assertAllClose(gan.optimizer[player].learning_rate, 1e-4)

    def test_losses_are_those_of_numpy(self):
        network = features()
        gan = small(features=network)
        gan.compile()
        small_images, large = pairs(2)
        fake = pairs(2, seed=1)[1]
        true, made = (ops.convert_to_numpy(network(x)) for x in (large, fake))
        content = ((true - made) ** 2).mean() / 12.75**2
        real_logits, fake_logits = (
            ops.convert_to_numpy(gan.discriminator(x, training=False)) for x in (large, fake)
        )
        shown = [small_images, large, ops.convert_to_tensor(fake)]
        loss, logs = gan.generator_loss(*shown, training=False)
        self.assertAllClose(number(logs["content_loss"]), content)
        self.assertAllClose(number(loss), content + 1e-3 * softplus(-fake_logits).mean())
        expected = softplus(-real_logits).mean() + softplus(fake_logits).mean()
        self.assertAllClose(number(gan.discriminator_loss(*shown, training=False)[0]), expected)
        expected = ((large - fake) ** 2).mean()
        self.assertAllClose(number(gan.pixel_loss(large, fake)), expected)

    def test_pretraining_moves_the_generator_alone_on_the_pixels(self):
        gan = small()
        gan.compile()
        small_images, large = pairs(8)
        before = gan.discriminator.get_weights(), gan.generator.get_weights()
        first = gan.pretrain(small_images, large, batch_size=8, epochs=2, verbose=0).history
        self.assertCountEqual(first, ["generator_loss", "content_loss"])
        self.assertLess(first["content_loss"][1], first["content_loss"][0])
        for old, new in zip(before[0], gan.discriminator.get_weights(), strict=True):
            self.assertAllEqual(old, new)
        self.assertNotAllClose(before[1][0], gan.generator.get_weights()[0])
        then = gan.fit(
            small_images, large, batch_size=8, initial_epoch=2, epochs=3, verbose=0
        ).history
        self.assertCountEqual(then, gan.loss_names)
        self.assertIn("discriminator_loss", then)
        self.assertEqual(gan.epochs_trained, 3)
        self.assertNotAllClose(before[0][0], gan.discriminator.get_weights()[0])

    @pytest.mark.slow
    @needs_backend("tensorflow", reason="it takes a minute")
    def test_learns_to_enlarge(self):
        digits = kerasgan.data.load("digits", image_size=16, batch_size=16)
        data = kerasgan.data.paired(digits, "super_resolve", scale=2)
        gan = kerasgan.SRGAN(
            (16, 16, 1), 2, base_width=16, residual_blocks=2, features=None, seed=0
        )
        gan.compile(keras.optimizers.Adam(2e-3))
        gan.pretrain(data, epochs=6, verbose=0)
        low, high = (half.numpy() for half in next(iter(data)))
        repeated = np.abs(low.repeat(2, axis=1).repeat(2, axis=2) - high).mean()
        self.assertLess(np.abs(gan.translate(low) - high).mean(), 0.5 * repeated)

import keras
import numpy as np
import published
import pytest
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from keras import ops

import kerasgan
from kerasgan.models import pix2pix


def small(**settings):
    return kerasgan.Pix2Pix(
        (16, 16, 3), **{"base_width": 4, "receptive_field": 16, "seed": 0, **settings}
    )


def pairs(count, source_channels=3, seed=0):
    random = np.random.default_rng(seed)
    shapes = (count, 16, 16, source_channels), (count, 16, 16, 3)
    return tuple(random.uniform(-1, 1, shape).astype("float32") for shape in shapes)


def softplus(x):
    return np.log1p(np.exp(x))


class NetworksTest(tf.test.TestCase, parameterized.TestCase):
    def test_unet_has_the_parameters_of_the_published_code(self):
        self.assertEqual(pix2pix.unet(8, 3, 3).count_params(), 54_413_955)

    def test_unet_computes_what_the_published_one_does(self):
        """With the statistics of one image, and nothing dropped."""
        network = pix2pix.unet(5, 3, 3, base_width=4)
        block = "pix2pix.generator.model.model"
        places = {"down0": f"{block}.0", "up0": f"{block}.3"}
        for level in range(1, 5):  # a block holds the next deeper one
            block += ".1.model" if level == 1 else ".3.model"
            deepest = level == 4
            places[f"down{level}"] = f"{block}.1"
            places[f"up{level}"] = f"{block}.{3 if deepest else 5}"
            places[f"up{level}_norm"] = f"{block}.{4 if deepest else 6}"
            if not deepest:
                places[f"down{level}_norm"] = f"{block}.2"
        for layer, place in places.items():
            published.fill(network.get_layer(layer), place)
        for layer in network.layers:
            if isinstance(layer, pix2pix.DropoutNoise):
                layer.rate = 0.0
        images = np.moveaxis(published.inputs("pix2pix.generator", 1, 3, 32, 32), 1, -1)
        found = network.predict_on_batch(images)
        expected = published.outputs("pix2pix.generator")
        self.assertAllClose(found, expected, rtol=0.0, atol=1e-5)

    @parameterized.parameters(
        ((256, 256), 8), ((512, 512), 8), ((64, 64), 6), ((48, 80), 4), ((4, 12), 2)
    )
    def test_depth_follows_the_image_shape(self, size, depth):
        self.assertEqual(pix2pix.halvings(*size), depth)

    def test_source_and_target_may_differ_in_channels_and_images_in_size(self):
        network = pix2pix.unet(3, 1, 3, base_width=4)
        self.assertEqual(network(np.zeros((2, 16, 24, 1), "float32")).shape, (2, 16, 24, 3))
        gan = small(source_channels=1)
        self.assertEqual(gan.discriminator.input_shape, (None, 16, 16, 4))
        self.assertEqual(gan.translate(pairs(2, 1)[0]).shape, (2, 16, 16, 3))

    def test_every_way_down_is_seen_on_the_way_up(self):
        network = pix2pix.unet(4, 3, 3, base_width=4)
        for level in (1, 2, 3):
            skip = network.get_layer(f"up{level}_skip")
            down = network.get_layer(f"down{level - 1}{'_norm' if level > 1 else ''}")
            self.assertIs(skip.input[0], down.output)

    def test_dropout_drops_half_of_the_maps_and_keeps_the_mean(self):
        layer = pix2pix.DropoutNoise(0.5, seed=0)
        x = ops.ones((4, 50, 50, 2))
        for training in (False, True):
            y = ops.convert_to_numpy(layer(x, training=training))
            self.assertAllEqual(np.unique(y), [0.0, 2.0])
            self.assertAllClose(y.mean(), 1.0, atol=0.06)  # six standard deviations

    def test_images_that_cannot_be_halved_twice_are_refused(self):
        with self.assertRaisesRegex(ValueError, "height 18 and width 16; use multiples of 4"):
            kerasgan.Pix2Pix((18, 16, 3))


class GameTest(tf.test.TestCase):
    def test_settings_are_those_of_section_3(self):
        gan = small()
        gan.compile()
        self.assertEqual(gan.l1_weight, 100.0)
        self.assertIsInstance(gan.adversarial_loss, kerasgan.losses.NonSaturating)
        for player in gan.players:
            self.assertAllClose(gan.optimizer[player].learning_rate, 2e-4)
            self.assertEqual(gan.optimizer[player].beta_1, 0.5)

    def test_losses_are_those_of_numpy(self):
        gan = small()
        gan.compile()
        source, target = pairs(2)
        fake = pairs(2, seed=1)[1]

        def logits(images):
            both = np.concatenate([source, images], axis=-1)
            return ops.convert_to_numpy(gan.discriminator(both))

        real_logits, fake_logits = logits(target), logits(fake)
        expected = 0.5 * (softplus(-real_logits).mean() + softplus(fake_logits).mean())
        images = [ops.convert_to_tensor(array) for array in (source, target, fake)]
        found, _ = gan.discriminator_loss(*images)
        self.assertAllClose(ops.convert_to_numpy(found), expected)
        l1 = np.abs(target - fake).mean()
        found, logs = gan.generator_loss(*images)
        expected = softplus(-fake_logits).mean() + 100 * l1
        self.assertAllClose(ops.convert_to_numpy(found), expected)
        self.assertAllClose(ops.convert_to_numpy(logs["l1_loss"]), l1)

    def test_noise_is_drawn_anew_in_training_and_chosen_by_the_seed_afterwards(self):
        gan = small()
        gan.compile()
        source, target = pairs(3)
        first, again = (gan.translate(source, seed=5) for _ in range(2))
        self.assertAllEqual(first, again)
        self.assertNotAllClose(first, gan.translate(source, seed=6))
        self.assertNotAllClose(gan.translate(source), gan.translate(source))
        results = [gan.evaluate(source, target, verbose=0) for _ in range(2)]
        self.assertAllEqual(*results)

    def test_looking_at_it_does_not_change_training(self):
        source, target = pairs(4)
        weights = []
        for looks in (False, True):
            keras.utils.set_random_seed(0)
            gan = small()
            gan.compile()
            for _ in range(2):
                gan.train_on_batch(source, target)
                if looks:
                    gan.translate(source)
                    gan.evaluate(source, target, verbose=0)
            weights.append([ops.convert_to_numpy(v) for v in gan.trainable_variables])
        for without, looked_at in zip(*weights, strict=True):
            self.assertAllEqual(without, looked_at)

    @pytest.mark.slow
    @needs_backend("tensorflow", reason="it takes a minute")
    def test_learns_to_invert(self):
        digits = kerasgan.data.load("digits", image_size=16, batch_size=8)
        inverted = digits.map(lambda x: (-x, x))
        gan = kerasgan.Pix2Pix((16, 16, 1), base_width=8, receptive_field=16, seed=0)
        gan.compile(keras.optimizers.Adam(2e-3, beta_1=0.5))
        history = gan.fit(inverted, epochs=2, verbose=0).history
        self.assertLess(history["l1_loss"][-1], 0.2)
        source, target = next(iter(inverted))
        translated = gan.translate(source, seed=0)
        self.assertLess(np.abs(translated - target).mean(), 0.2)
        self.assertGreater(np.abs(source - target).mean(), 1.0)

    def test_data_that_is_no_pair_is_named(self):
        gan = small()
        gan.compile()
        source, target = pairs(2)
        for data, message in (
            ((source,), "takes pairs of images, .source, target."),
            ((source[:, :8], target), r"the source images have shape \(8, 16, 3\).*\(16, 16, 3\)"),
            ((source, target.astype("int32")), "the target images are int32"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                gan.fit(*data, verbose=0)

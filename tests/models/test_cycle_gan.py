import keras
import numpy as np
import published
import pytest
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from keras import ops

import kerasgan
from kerasgan.models import cycle_gan


def small(**settings):
    defaults = {"base_width": 4, "residual_blocks": 1, "receptive_field": 16, "seed": 0}
    gan = kerasgan.CycleGAN((16, 16, 1), **{**defaults, **settings})
    gan.compile()
    return gan


def images(count, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, 16, 16, 1)).astype("float32")


def tensors(count):
    """Images of A and of B."""
    return [ops.convert_to_tensor(images(count, seed)) for seed in range(2)]


def number(tensor):
    return float(ops.convert_to_numpy(tensor))


class NetworksTest(tf.test.TestCase, parameterized.TestCase):
    def test_resnet_has_the_parameters_of_the_published_code(self):
        self.assertEqual(cycle_gan.resnet_generator(3).count_params(), 11_378_179)

    def test_resnet_computes_what_the_published_one_does(self):
        network = cycle_gan.resnet_generator(3, base_width=4, residual_blocks=2)
        places = {"conv_in": 1, "down1": 4, "down2": 7, "up2": 12, "up1": 15, "conv_out": 19}
        for block in (1, 2):
            convolutions = f"{9 + block}.conv_block"
            places |= {f"block{block}_conv1": f"{convolutions}.1"}
            places |= {f"block{block}_conv2": f"{convolutions}.5"}
        name = "cyclegan.generator"
        for layer, place in places.items():
            published.fill(network.get_layer(layer), f"{name}.model.{place}")
        images = np.moveaxis(published.inputs(name, 2, 3, 16, 16), 1, -1)
        found = network.predict_on_batch(images)
        self.assertAllClose(found, published.outputs(name), rtol=0.0, atol=1e-5)

    @parameterized.parameters((128, 6), (252, 6), (256, 9), (512, 9))
    def test_the_number_of_blocks_follows_the_image_shape(self, size, blocks):
        gan = kerasgan.CycleGAN((size, size, 1), base_width=1)
        self.assertEqual(gan.residual_blocks, blocks)
        names = [layer.name for layer in gan.a_to_b.layers]
        self.assertIn(f"block{blocks}_sum", names)
        self.assertNotIn(f"block{blocks + 1}_sum", names)

    def test_images_may_have_any_size_that_is_a_multiple_of_four(self):
        network = cycle_gan.resnet_generator(3, base_width=2, residual_blocks=1)
        self.assertEqual(network(np.zeros((1, 20, 36, 3), "float32")).shape, (1, 20, 36, 3))

    def test_other_sizes_are_refused(self):
        with self.assertRaisesRegex(ValueError, "multiples of 4"):
            kerasgan.CycleGAN((18, 16, 3))


class GameTest(tf.test.TestCase):
    def test_settings_are_those_of_the_paper(self):
        gan = kerasgan.CycleGAN((128, 128, 1), base_width=1)
        gan.compile()
        self.assertEqual((gan.cycle_weight, gan.identity_weight), (10.0, 0.5))
        self.assertEqual(gan.history_size, 50)
        self.assertEqual(gan.discriminator_a.output_shape, (None, 14, 14, 1))  # 70x70
        for player in gan.players:
            self.assertAllClose(gan.optimizer[player].learning_rate, 2e-4)
            self.assertEqual(gan.optimizer[player].beta_1, 0.5)

    def test_losses_are_those_of_numpy(self):
        gan = small(cycle_weight=7.0, identity_weight=0.3)
        a, b = images(2), images(2, seed=1)

        def run(network, x):
            return ops.convert_to_numpy(network(x))

        to_b, to_a = run(gan.a_to_b, a), run(gan.b_to_a, b)
        fooling = ((run(gan.discriminator_b, to_b) - 1) ** 2).mean()
        fooling += ((run(gan.discriminator_a, to_a) - 1) ** 2).mean()
        cycle = np.abs(run(gan.b_to_a, to_b) - a).mean() + np.abs(run(gan.a_to_b, to_a) - b).mean()
        identity = np.abs(run(gan.a_to_b, b) - b).mean() + np.abs(run(gan.b_to_a, a) - a).mean()
        fakes = [ops.convert_to_tensor(images) for images in (to_b, to_a)]
        loss, logs = gan.generator_loss(*tensors(2), *fakes)
        self.assertAllClose(number(loss), fooling + 7.0 * (cycle + 0.3 * identity), rtol=1e-5)
        self.assertAllClose(number(logs["cycle_loss"]), cycle)
        self.assertAllClose(number(logs["identity_loss"]), identity)

        expected = 0.0
        for judge, real, fake in ((gan.discriminator_a, a, to_a), (gan.discriminator_b, b, to_b)):
            expected += 0.5 * ((run(judge, real) - 1) ** 2).mean()
            expected += 0.5 * (run(judge, fake) ** 2).mean()
        found, _ = gan.discriminator_loss(*tensors(2), *fakes)
        self.assertAllClose(number(found), expected, rtol=1e-5)

    def test_identity_generators_have_neither_cycle_nor_identity_loss(self):
        gan = small()
        x = keras.Input((None, None, 1))
        gan.a_to_b = gan.b_to_a = keras.Model(x, keras.layers.Identity()(x))
        loss, logs = gan.generator_loss(*tensors(2), *gan.generated(*tensors(2), training=True))
        self.assertEqual(number(logs["cycle_loss"]), 0.0)
        self.assertEqual(number(logs["identity_loss"]), 0.0)
        fooling = [
            ((ops.convert_to_numpy(judge(fake)) - 1) ** 2).mean()
            for judge, fake in (
                (gan.discriminator_b, images(2)),
                (gan.discriminator_a, images(2, seed=1)),
            )
        ]
        self.assertAllClose(number(loss), sum(fooling))

    def test_without_identity_weight_the_identity_is_not_computed(self):
        gan = small(identity_weight=0.0)
        calls = []
        network = gan.a_to_b

        def counted(x, **arguments):
            calls.append(len(x))
            return network(x, **arguments)

        gan._tracker.unlock()
        object.__setattr__(gan, "a_to_b", counted)
        _, logs = gan.generator_loss(*tensors(2), *gan.generated(*tensors(2), training=True))
        self.assertEqual(number(logs["identity_loss"]), 0.0)
        self.assertEqual(len(calls), 2)  # to B, and back from A

    @pytest.mark.slow
    @needs_backend("tensorflow", reason="it compiles for long; test_every_model does the like")
    def test_the_history_is_saved_and_goes_on(self):
        gan = small(history_size=6)
        gan.fit(images(8), images(8, seed=1), batch_size=2, verbose=0)
        held = ops.convert_to_numpy(gan.history_a.images)
        self.assertTrue(np.all(held.std(axis=(1, 2, 3)) > 0))
        path = f"{self.create_tempdir().full_path}/model.keras"
        gan.save(path)
        copy = keras.saving.load_model(path)
        self.assertAllEqual(ops.convert_to_numpy(copy.history_a.images), held)
        self.assertEqual(number(copy.history_b.count), 6)
        for each in (gan, copy):
            each.fit(images(4), images(4), batch_size=2, shuffle=False, verbose=0)
        for ours, theirs in zip(gan.weights, copy.weights, strict=True):
            np.testing.assert_array_equal(*map(ops.convert_to_numpy, (theirs, ours)), ours.path)

    def test_translates_both_ways(self):
        gan = small()
        a = images(3)
        for to, network in (("A", gan.b_to_a), ("B", gan.a_to_b)):
            expected = ops.convert_to_numpy(network(a))
            self.assertAllClose(gan.translate(a, to=to), expected, atol=1e-5)
        for to in (None, "C"):
            with self.assertRaisesRegex(ValueError, f"to={to!r}: use 'B' or 'A' with CycleGAN"):
                gan.translate(a, to=to)

    def test_needs_batches_of_a_size_that_its_history_can_take(self):
        gan = small(history_size=2)
        with self.assertRaisesRegex(ValueError, "history of 2 images cannot take a batch of 4"):
            gan.fit(images(4), images(4), batch_size=4, verbose=0)

    @pytest.mark.slow
    @needs_backend("tensorflow", reason="it takes minutes")
    def test_learns_to_invert_without_pairs(self):
        digits = kerasgan.data.load("digits", image_size=16, batch_size=8)
        others = kerasgan.data.load("digits", image_size=16, batch_size=8, seed=1)
        unpaired = tf.data.Dataset.zip(digits, others.map(lambda x: -x))
        gan = kerasgan.CycleGAN(
            (16, 16, 1), 8, residual_blocks=1, receptive_field=16, identity_weight=0.0, seed=0
        )
        gan.compile(keras.optimizers.Adam(1e-3, beta_1=0.5))
        gan.fit(unpaired, epochs=2, verbose=0)
        a = next(iter(digits)).numpy()
        error = np.abs(gan.translate(a, to="B") + a).mean()
        self.assertLess(error, np.abs(2 * a).mean() / 3)

"""What a new model takes from a trained one, and layers that keep their weights."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

import kerasgan


def values(variables):
    return [ops.convert_to_numpy(v) for v in variables]


def styled(**arguments):
    return kerasgan.StyleGAN2((8, 8, 1), 8, base_width=4, max_width=8, seed=0, **arguments)


class TransferTest(tf.test.TestCase):
    def test_what_fits_is_taken_and_the_rest_is_listed(self):
        donor, gan = styled(num_classes=3), styled(num_classes=5)
        for network in donor.networks_and_averages:
            for weight in network.weights:
                weight.assign(np.full(weight.shape, 0.5))
        before = {w.path: ops.convert_to_numpy(w) for w in gan.discriminator.weights}
        found = kerasgan.transfer(donor, gan)
        kernels = [f"{n}/embed_eq/embed/kernel" for n in ("discriminator", "generator")]
        expected = [*kernels, "ema_generator/embed_eq/embed/kernel"]
        self.assertEqual(list(found.left), expected)
        self.assertEqual(found.left[kernels[0]], "(3, 8) there, (5, 8) here")
        for weight in gan.discriminator.weights:
            if weight.path == "embed_eq/embed/kernel":
                self.assertAllEqual(weight, before[weight.path])
            else:
                self.assertAllEqual(weight, np.full(weight.shape, 0.5))
        networks = gan.networks_and_averages
        total = sum(network.count_params() for network in networks)
        self.assertAllClose(found.share, 1.0 - 3 * 40 / total)
        self.assertIn("generator/mean_style", found.taken)
        self.assertIn(f"Took {len(found.taken)} of {len(found.taken) + 3} weights", str(found))
        self.assertIn(f"\n    {kernels[0]}: (3, 8) there, (5, 8) here", str(found))

    def test_a_model_without_average_gives_its_generator_to_an_average(self):
        small = {"latent_dim": 8, "base_width": 4}
        donor = kerasgan.DCGAN((8, 8, 1), **small, seed=1)
        gan = kerasgan.WGANGP((8, 8, 1), **small, ema_decay=0.9, seed=2)
        found = kerasgan.transfer(donor, gan)
        self.assertAllEqual(*(m.generator.weights[0] for m in (donor, gan)))
        self.assertAllEqual(gan.ema_generator.weights[0], gan.generator.weights[0])
        self.assertIn("ema_generator/project/kernel", found.taken)

    def test_models_that_have_nothing_in_common_are_refused(self):
        gan = kerasgan.VanillaGAN((2,), latent_dim=2)
        with self.assertRaisesRegex(ValueError, "nothing of a VanillaGAN fits this StyleGAN2"):
            kerasgan.transfer(gan, styled())


class FreezeTest(tf.test.TestCase):
    def test_the_layers_nearest_to_the_image_keep_their_weights_and_files_know(self):
        gan = kerasgan.DCGAN((8, 8, 1), latent_dim=8, base_width=4, num_classes=3)
        gan.compile()
        frozen = gan.freeze_discriminator(1)
        self.assertEqual(frozen, ["down0"])
        path = f"{self.get_temp_dir()}/model.keras"
        gan.save(path)
        gan = kerasgan.load_model(path)
        before = {layer.name: values(layer.weights) for layer in gan.discriminator.layers}
        images = np.random.default_rng(0).uniform(-1.0, 1.0, (8, 8, 8, 1)).astype("float32")
        gan.fit(images, np.arange(8) % 3, batch_size=4, verbose=0)
        for layer in gan.discriminator.layers:
            for old, new in zip(before[layer.name], values(layer.weights), strict=True):
                self.assertEqual(np.array_equal(old, new), layer.name in frozen, layer.name)
        self.assertEmpty(gan.freeze_discriminator(0))
        self.assertTrue(all(weight.trainable for weight in gan.discriminator.weights))

    def test_layers_that_see_the_label_only_do_not_count(self):
        frozen = styled(num_classes=3).freeze_discriminator(6)
        self.assertEqual(
            frozen,
            ["b8_fromrgb_eq", "b8_skip_eq", "b8_conv0_eq", "b8_conv1_eq", "b4_conv_eq", "b4_fc_eq"],
        )

    def test_other_numbers_and_networks_without_order_are_refused(self):
        gan = styled()
        for layers in (-1, 7, 1.5):
            with self.assertRaisesRegex(ValueError, f"layers={layers}; use .* 0 to 6"):
                gan.freeze_discriminator(layers)
        growing = kerasgan.ProGAN((8, 8, 1), latent_dim=8, base_width=4, max_width=8)
        with self.assertRaisesRegex(ValueError, "GrowingDiscriminator, whose layers have no order"):
            growing.freeze_discriminator(1)

    def test_a_file_that_is_missing_is_named(self):
        with self.assertRaisesRegex(FileNotFoundError, "path='nowhere': nowhere does not exist"):
            kerasgan.load_model("nowhere")


class LoadModelTest(tf.test.TestCase):
    def test_a_run_folder_is_the_model_in_it(self):
        folder = self.get_temp_dir()
        gan = kerasgan.DCGAN((8, 8, 1), latent_dim=8, base_width=4)
        gan.save(f"{folder}/model.keras")
        self.assertIsInstance(kerasgan.load_model(folder), kerasgan.DCGAN)
        self.assertIsInstance(keras.saving.load_model(f"{folder}/model.keras"), kerasgan.DCGAN)


if __name__ == "__main__":
    tf.test.main()

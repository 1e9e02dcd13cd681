"""Settings of which the papers and their programs speak, for every model."""

import importlib
import pathlib

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend
from models import zoo

import kerasgan
from kerasgan.models import registry
from kerasgan.training.optimizers import adam

pytestmark = needs_backend("tensorflow", reason="settings are the same everywhere")

# The paper's images an update, and its updates of the discriminator for one of the generator. That
# of BigGAN is the smallest that the paper tries; models that grow change theirs at each stage.
BATCHES = {
    "vanilla_gan": (100, 1),
    "dcgan": (64, 1),
    "lsgan": (64, 1),
    "wgan": (64, 5),
    "wgan_gp": (64, 5),
    "dragan": (128, 1),
    "sngan": (64, 5),
    "cgan": (100, 1),
    "text_gan": (64, 1),
    "projection_gan": (64, 5),
    "sagan": (256, 1),
    "acgan": (100, 1),
    "info_gan": (128, 1),
    "pac_gan": (200, 1),
    "big_gan": (256, 2),
    "big_gan_deep": (256, 2),
    "r3_gan": (256, 1),
    "progan": (64, 1),
    "stylegan": (64, 1),
    "stylegan2": (32, 1),
    "stylegan3": (32, 1),
    "pix2pix": (1, 1),
    "cycle_gan": (1, 1),
    "srgan": (16, 1),
    "esrgan": (16, 1),
    "vae": (100, 1),
    "vae_gan": (64, 1),
    "autoencoder": (100, 1),
    "pixel_cnn": (16, 1),
    "pixel_rnn": (16, 1),
    "gated_pixel_cnn": (16, 1),
    "pixel_cnn_plus_plus": (192, 1),
    "real_nvp": (64, 1),
    "glow": (64, 1),
}
DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "models.md"


def class_of(entry):
    return getattr(importlib.import_module(entry.module), entry.class_name)


class BatchTest(tf.test.TestCase):
    def test_default_is_the_papers_images_an_update_times_the_updates(self):
        for entry in registry.entries():
            images, updates = BATCHES[entry.name]
            model = class_of(entry)
            self.assertEqual(model.default_batch_size, images * updates, entry.name)
            self.assertEqual(model.batch_size_for(), images * updates, entry.name)
            steps = getattr(model, "default_discriminator_steps", 1)
            self.assertEqual(steps, updates, entry.name)

    def test_it_follows_the_settings(self):
        for model, settings, batch in (
            (kerasgan.WGANGP, {"discriminator_steps": 2}, 128),
            (kerasgan.WGANGP, {"discriminator_steps": None}, 320),
            (kerasgan.WGANGP, {"discriminator_steps": "many"}, 320),  # compile refuses it
            (kerasgan.DCGAN, {"discriminator_steps": 5, "base_width": 8}, 320),
            (kerasgan.SNGAN, {"architecture": "resnet"}, 320),
            (kerasgan.SNGAN, {"architecture": "dcgan"}, 64),
            (kerasgan.SNGAN, {"architecture": "dcgan", "discriminator_steps": 3}, 192),
            (kerasgan.PacGAN, {"packing": 1}, 100),
            (kerasgan.PacGAN, {"packing": 4, "discriminator_steps": 2}, 800),
            (kerasgan.PacGAN, {"packing": 0}, 200),  # the constructor refuses it
            (kerasgan.SRGAN, {"scale": 2}, 16),
        ):
            self.assertEqual(model.batch_size_for(**settings), batch, (model, settings))

    def test_the_table_of_models_says_it(self):
        table = DOCUMENT.read_text("utf-8").split("\n\n")[1].splitlines()
        column = [cell.strip() for cell in table[0].split("|")].index("batch")
        rows = [[cell.strip() for cell in row.split("|")] for row in table[2:]]
        told = {row[1].strip("`"): int(row[column].split()[0]) for row in rows}
        expected = {e.class_name: class_of(e).default_batch_size for e in registry.entries()}
        self.assertEqual(told, expected)


class OptimizersTest(tf.test.TestCase):
    def test_small_gradients_move_weights_as_algorithm_1_of_adam_says(self):
        """Kingma and Ba 2015, in the form before section 2.1; Keras' 1e-7 would give half of it."""
        weight = keras.Variable(np.zeros(3, "float32"))
        optimizer = adam(0.1, 0.5)
        optimizer.build([weight])
        expected, m, v = np.zeros(3), np.zeros(3), np.zeros(3)
        for step in range(1, 4):
            gradient = np.array([1e-6, -2e-6, 1.0]) * step
            optimizer.apply([keras.ops.array(gradient, "float32")])
            m, v = 0.5 * m + 0.5 * gradient, 0.999 * v + 0.001 * gradient**2
            rate = 0.1 * np.sqrt(1.0 - 0.999**step) / (1.0 - 0.5**step)
            expected -= rate * m / (np.sqrt(v) + 1e-8)
        self.assertAllClose(keras.ops.convert_to_numpy(weight), expected, rtol=1e-4)

    def test_wgan_moves_as_the_rmsprop_of_its_program(self):
        """PyTorch's: the mean keeps 0.99, and 1e-8 is added to its root."""
        weight = keras.Variable(np.zeros(3, "float32"))
        optimizer = zoo.small_model(
            next(e for e in registry.entries() if e.name == "wgan")
        ).default_optimizers()["discriminator"]
        optimizer.build([weight])
        expected, mean = np.zeros(3), np.zeros(3)
        for step in range(1, 4):
            gradient = np.array([1e-4, -1e-5, 1.0]) * step
            optimizer.apply([keras.ops.array(gradient, "float32")])
            mean = 0.99 * mean + 0.01 * gradient**2
            expected -= 5e-5 * gradient / (np.sqrt(mean) + 1e-8)
        self.assertAllClose(keras.ops.convert_to_numpy(weight), expected, rtol=1e-2)

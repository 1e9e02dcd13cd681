import pathlib

import numpy as np
import tensorflow as tf
from PIL import Image

import kerasgan
from kerasgan import pictures
from kerasgan.callbacks import ReconstructionGrid
from kerasgan.callbacks.reconstruction_grid import first_images


def images(count, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, 8, 8, 1)).astype("float32")


class ReconstructionGridTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.get_temp_dir())

    def train(self, model, **settings):
        model.compile()
        grid = ReconstructionGrid(images(5), self.folder, num_images=3, **settings)
        model.fit(images(5), epochs=3, callbacks=[grid], verbose=0)

    def picture(self, epoch):
        return np.asarray(Image.open(self.folder / "samples" / f"epoch_{epoch:04d}.png"))

    def test_shows_images_and_reconstructions(self):
        model = kerasgan.Autoencoder((8, 8, 1), 4, seed=0)
        self.train(model, every=2)
        drawn = sorted(file.name for file in (self.folder / "samples").iterdir())
        self.assertEqual(drawn, [f"epoch_000{epoch}.png" for epoch in (1, 2, 3)])
        x = images(5)[:3]
        self.assertAllEqual(self.picture(3), pictures.strip([x, model.reconstruct(x)]))
        self.assertNotAllEqual(self.picture(1), self.picture(3))
        with Image.open(self.folder / "samples.gif") as gif:
            self.assertEqual(gif.n_frames, 3)

    def test_shows_what_a_denoising_one_restores(self):
        model = kerasgan.Autoencoder((8, 8, 1), 4, noise="masking", seed=0)
        self.train(model)
        x = images(5)[:3]
        noisy = np.asarray(model.noisy(x, seed=0))
        self.assertAllEqual(self.picture(3), pictures.strip([x, noisy, model.reconstruct(noisy)]))

    def test_draws_other_models_that_encode_and_refuses_the_rest(self):
        self.train(kerasgan.VAE((8, 8, 1), 4, (8,), seed=0))
        gan = kerasgan.DCGAN((8, 8, 1), 4, base_width=2)
        with self.assertRaisesRegex(ValueError, "ReconstructionGrid needs .* can encode images;"):
            self.train(gan)

    def test_takes_the_first_images_of_a_data_set(self):
        data = tf.data.Dataset.from_tensor_slices(images(6)).batch(2)
        self.assertAllEqual(first_images(data, 3), images(6)[:3])

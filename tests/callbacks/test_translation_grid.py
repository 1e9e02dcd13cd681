import pathlib

import numpy as np
import tensorflow as tf
from backends import needs_backend
from PIL import Image

import kerasgan
from kerasgan import pictures
from kerasgan.callbacks import TranslationGrid
from kerasgan.callbacks.translation_grid import first_pairs

pytestmark = needs_backend("tensorflow", reason="pictures are the same everywhere")


def images(count, channels=1, size=8, seed=0):
    shape = (count, size, size, channels)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


class TranslationGridTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.get_temp_dir())

    def train(self, gan, data, epochs=3, **settings):
        gan.compile()
        gan.run_eagerly = True
        grid = TranslationGrid(data, self.folder, **settings)
        gan.fit(*data, batch_size=4, epochs=epochs, callbacks=[grid], verbose=0)

    def picture(self, epoch):
        return np.asarray(Image.open(self.folder / "samples" / f"epoch_{epoch:04d}.png"))

    def test_shows_source_translation_and_target(self):
        gan = kerasgan.Pix2Pix((8, 8, 3), 1, base_width=2, receptive_field=16, seed=0)
        source, target = data = images(4), images(4, channels=3, seed=1)
        self.train(gan, data, epochs=3, every=2, num_images=3, seed=5)
        drawn = sorted(file.name for file in (self.folder / "samples").iterdir())
        self.assertEqual(drawn, [f"epoch_000{epoch}.png" for epoch in (1, 2, 3)])
        translated = gan.translate(source[:3], seed=5)
        expected = pictures.strip([source[:3], translated, target[:3]])
        self.assertAllEqual(self.picture(3), expected)
        self.assertNotAllEqual(self.picture(1), self.picture(3))
        with Image.open(self.folder / "samples.gif") as gif:
            self.assertEqual(gif.n_frames, 3)

    def test_shows_both_directions(self):
        gan = kerasgan.CycleGAN((8, 8, 1), 2, residual_blocks=1, receptive_field=16, seed=0)
        a, b = data = images(4), images(4, seed=1)
        self.train(gan, data, epochs=1)
        rows = [a, gan.translate(a, to="B"), b, gan.translate(b, to="A")]
        self.assertAllEqual(self.picture(1), pictures.strip(rows))

    def test_small_images_are_shown_as_large_as_large_ones(self):
        small, large = images(2, size=4), images(2, channels=3, size=8)
        picture = pictures.strip([small, large])
        self.assertAllEqual(
            picture,
            pictures.draw(
                np.concatenate([small.repeat(2, 1).repeat(2, 2).repeat(3, 3), large]), columns=2
            ),
        )

    def test_takes_the_first_images_of_a_data_set(self):
        data = tf.data.Dataset.from_tensor_slices((images(6), images(6, seed=1))).batch(2)
        for half, seed in zip(first_pairs(data, 3), (0, 1), strict=True):
            self.assertAllEqual(half, images(6, seed=seed)[:3])

    def test_of_two_domains_as_many_as_the_smaller_has(self):
        a, b = first_pairs((images(6), images(3, seed=1)), 5)
        self.assertEqual((len(a), len(b)), (3, 3))

    def test_numbers_out_of_range_are_refused(self):
        with self.assertRaisesRegex(ValueError, "every=0"):
            TranslationGrid((images(1), images(1)), self.folder, every=0)
        with self.assertRaisesRegex(ValueError, "num_images=1.5"):
            TranslationGrid((images(1), images(1)), self.folder, num_images=1.5)

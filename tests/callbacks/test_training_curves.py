"""TrainingCurves: curves.png, and the figures in history.csv."""

import csv
import pathlib

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend
from PIL import Image

import kerasgan
from kerasgan.callbacks import TrainingCurves
from kerasgan.callbacks.training_curves import draw_curves, draw_panels

pytestmark = needs_backend("tensorflow", reason="text and pictures are the same everywhere")

POINTS = kerasgan.data.from_array(
    np.random.default_rng(0).standard_normal((8, 2)), batch_size=8, shuffle=False
)
LOSSES = ["discriminator_loss", "generator_loss"]


def tiny_gan(seed=0):
    keras.utils.set_random_seed(seed)
    gan = kerasgan.VanillaGAN((2,), latent_dim=2, hidden_units=(), seed=seed)
    gan.compile()
    gan.run_eagerly = True  # the callbacks do not care, and tracing takes most of a short run
    return gan


class TrainingCurvesTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.get_temp_dir()) / "run"

    def train(self, gan, **settings):
        curves = TrainingCurves(self.folder)
        return gan.fit(POINTS, callbacks=[curves], verbose=0, **settings).history

    def written(self):
        """history.csv as a dict from column to list of floats."""
        with open(self.folder / "history.csv", newline="") as file:
            names, *rows = csv.reader(file)
        columns = zip(*rows, strict=True)
        return {n: [float(v) for v in c] for n, c in zip(names, columns, strict=True)}

    def test_writes_the_figures_of_history_and_those_of_validation_too(self):
        history = self.train(tiny_gan(), epochs=2, validation_data=POINTS)
        self.assertEqual(list(history), [*LOSSES, *(f"val_{name}" for name in LOSSES)])
        self.assertEqual(self.written(), {"epoch": [1, 2], **history})
        self.assertTrue((self.folder / "curves.png").exists())

    def test_a_continued_run_keeps_its_earlier_rows(self):
        gan = tiny_gan()
        first = self.train(gan, epochs=2)
        then = self.train(gan, initial_epoch=2, epochs=4)
        together = {name: first[name] + then[name] for name in LOSSES}
        self.assertEqual(self.written(), {"epoch": [1, 2, 3, 4], **together})

    def test_epochs_that_are_trained_again_replace_their_rows_and_all_later_ones(self):
        first = self.train(tiny_gan(seed=0), epochs=4)
        again = self.train(tiny_gan(seed=1), initial_epoch=1, epochs=3)
        expected = {name: first[name][:1] + again[name] for name in LOSSES}
        self.assertEqual(self.written(), {"epoch": [1, 2, 3], **expected})

    def test_curves_can_be_watched(self):
        gan = tiny_gan()
        seen = []

        def look(epoch, logs):
            seen.append(np.asarray(Image.open(self.folder / "curves.png")))

        callbacks = [
            TrainingCurves(self.folder, seconds=0.0),
            keras.callbacks.LambdaCallback(on_epoch_end=look),
        ]
        gan.fit(POINTS, epochs=2, callbacks=callbacks, verbose=0)
        self.assertEqual(seen[0].shape, seen[1].shape)
        self.assertNotAllEqual(seen[0], seen[1])

    def test_losses_share_a_panel_and_every_other_metric_has_one(self):
        losses = {"discriminator_loss": 1.0, "generator_loss": 2.0, "val_generator_loss": 3.0}
        metrics = {"fid": 40.0, "val_fid": 50.0, "coverage": 0.5}
        one_panel = draw_curves({1: losses})
        three_panels = draw_curves({1: losses | metrics})
        self.assertEqual(three_panels.shape[1], 3 * one_panel.shape[1])
        self.assertEqual(three_panels.shape[0], one_panel.shape[0])
        # A page has them one by one, for a phone to show them below each other.
        panels = draw_panels({1: losses | metrics, 2: losses})
        self.assertEqual(list(panels), ["losses", "fid", "coverage"])
        self.assertLen({panel.shape for panel in panels.values()}, 1)


if __name__ == "__main__":
    tf.test.main()

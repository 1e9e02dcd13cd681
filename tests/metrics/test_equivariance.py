"""EQ-T and EQ-R, against the published program and models whose error is known."""

import pathlib

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend

import kerasgan
from kerasgan import roles
from kerasgan.metrics import EQR, EQT
from kerasgan.metrics.equivariance import as_turned, rotation, turn

# What the published PyTorch program makes of a random image turned by -133 degrees, of the same
# image as if it had been turned, and the pixels that both can have.
PUBLISHED = pathlib.Path(__file__).parent / "published_equivariance.npz"
SIZE = 32


class Waves(roles.MovesImages):
    """Its images are waves, whose points are moved and turned by what it is asked for."""

    latent_dim, num_classes, class_names = 4, None, None
    image_shape = (SIZE, SIZE, 1)
    brighter = 0.0  # what moved images have too much

    def latents(self, num_images, *, seed):
        return np.random.default_rng(seed).uniform(-0.1, 0.1, (num_images, 4))

    def styles(self, latents, labels=None):
        return latents[:, None]

    def uncut_images(self, styles, translate=None, rotate=None):
        count = len(styles)
        moves = np.zeros((count, 2)) if translate is None else np.asarray(translate)
        angles = np.zeros(count) if rotate is None else rotate
        rows, columns = np.mgrid[:SIZE, :SIZE]
        points = np.stack([columns, rows], axis=-1) - (SIZE - 1) / 2.0
        images = []
        for (first,), move, angle in zip(styles, moves, angles, strict=True):
            sources = (points - SIZE * move) @ rotation(angle)
            phases = 2.0 * np.pi * sources @ first.reshape(2, 2)
            images.append(np.sin(phases).sum(axis=-1, keepdims=True) / 2.0)
        moved = translate is not None or rotate is not None
        return np.stack(images) + (self.brighter if moved else 0.0)


class Brighter(Waves):
    brighter = 0.1


@needs_backend("tensorflow", reason="it is arithmetic on arrays")
class EquivarianceTest(tf.test.TestCase):
    def test_filters_are_those_of_the_published_program(self):
        with np.load(PUBLISHED) as file:
            given = dict(file)
        turned, valid = turn(given["image"], -133.0)
        self.assertGreater(valid.sum(), 100)
        self.assertGreaterEqual((valid & given["valid"]).sum(), valid.sum() - 4)
        both = valid & given["valid"]
        self.assertAllClose(turned[both][:, 0], given["turned"][both], atol=1e-5)
        as_if = as_turned(given["image"], -133.0)[..., 0]
        self.assertAllClose(as_if[both], given["as_turned"][both], atol=1e-5)

    def test_of_images_that_move_as_they_should(self):
        self.assertGreater(EQT().measure(Waves(), 20, batch_size=8), 200.0)
        self.assertGreater(EQR().measure(Waves(), 20, batch_size=8), 55.0)

    def test_of_images_that_are_brighter_by_a_tenth_of_the_half_range(self):
        expected = 10.0 * np.log10(4.0 / 0.01)
        self.assertAllClose(EQT().measure(Brighter(), 10), expected, atol=1e-6)
        self.assertAllClose(EQR().measure(Brighter(), 10), expected, atol=0.05)

    def test_pairs_by_hand(self):
        metric = EQT()
        self.assertEqual(metric.result(), 0.0)
        zeros = np.zeros((1, 2, 2, 1))
        metric.update_state(zeros, zeros)
        self.assertEqual(metric.result(), np.inf)
        metric.reset_state()
        found = np.reshape([2.0, 9.0, 0.0, 9.0], zeros.shape)
        metric.update_state(zeros, found, found[..., 0] < 9.0)
        self.assertAllClose(metric.result(), 10.0 * np.log10(4.0 / 2.0))

    def test_what_cannot_be_measured_is_refused(self):
        gan = kerasgan.DCGAN((8, 8, 1), latent_dim=4, base_width=4)
        with self.assertRaisesRegex(ValueError, "EQT needs a model that can move and turn"):
            EQT().measure(gan)
        small = kerasgan.StyleGAN3((16, 16, 1), 4, 2, 4, num_layers=3)
        with self.assertRaisesRegex(ValueError, "images of 16 pixels are too small for EQR"):
            EQR().measure(small)
        with self.assertRaisesRegex(ValueError, "give pairs of images"):
            EQT().update_state(np.zeros((1, 4, 4, 1)), np.zeros((1, 4, 4, 3)))
        with self.assertRaisesRegex(ValueError, "NaN"):
            EQT().update_state(np.zeros((1, 4, 4, 1)), np.full((1, 4, 4, 1), np.nan))
        with self.assertRaisesRegex(ValueError, "num_images=0"):
            EQT().measure(small, 0)

    def test_r_turns_better_than_t(self):
        found = {}
        for variant in "tr":
            keras.utils.set_random_seed(0)
            sizes = {"latent_dim": 8, "base_width": 8, "max_width": 16, "num_layers": 4}
            gan = kerasgan.StyleGAN3((32, 32, 1), variant=variant, **sizes)
            found[variant] = EQT().measure(gan, 4), EQR().measure(gan, 4)
        (t_moves, t_turns), (r_moves, r_turns) = found["t"], found["r"]
        self.assertGreater(min(t_moves, r_moves), 60.0)
        self.assertGreater(r_turns, t_turns + 15.0)

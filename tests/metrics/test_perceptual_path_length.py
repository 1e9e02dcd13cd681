"""Perceptual path length, against closed forms of generators that copy their input."""

import json

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from growing_helpers import values
from keras import ops

import kerasgan
from kerasgan import roles
from kerasgan.metrics import PerceptualPathLength
from kerasgan.metrics.features import extractor


class Copies(roles.HasStyles, roles.HasLatents):
    """What it makes of a latent, or of styles, is the latent or the style, as a row of pixels."""

    latent_dim = 6

    @property
    def sampling_generator(self):
        return keras.layers.Identity()

    def latents(self, num_images, *, seed):
        return np.random.default_rng(seed).standard_normal((num_images, 6), dtype="float32")

    def generate_from(self, latents):
        return latents[:, None, :, None]

    def styles(self, latents):
        return np.repeat(3.0 * latents[:, None], 2, axis=1)

    def generate_from_styles(self, styles):
        return styles[:, 0][:, None, :, None]


def pairs(count, seed):
    latents = Copies().latents(2 * count, seed=seed).astype("float64")
    return latents[0::2], latents[1::2]


class PerceptualPathLengthTest(tf.test.TestCase, parameterized.TestCase):
    def test_in_w_it_is_the_squared_distance_of_the_styles(self):
        first, second = pairs(50, seed=3)
        expected = np.mean(9.0 * ((second - first) ** 2).sum(1))
        metric = PerceptualPathLength(epsilon=1e-2)
        found = metric.measure(Copies(), 50, space="w", seed=3, batch_size=16)
        self.assertAllClose(found, expected, rtol=1e-3)

    @parameterized.parameters(False, True)
    def test_in_z_it_is_the_squared_length_of_the_arc(self, ends):
        first, second = pairs(50, seed=4)
        cosine = (first * second).sum(1) / np.sqrt((first**2).sum(1) * (second**2).sum(1))
        expected = np.mean(6.0 * np.arccos(cosine) ** 2)  # on the sphere of radius sqrt(6)
        metric = PerceptualPathLength(epsilon=1e-2)
        found = metric.measure(Copies(), 50, space="z", ends=ends, seed=4)
        self.assertAllClose(found, expected, rtol=1e-3)

    def test_the_tails_are_left_out_as_in_the_published_code(self):
        """Of 0, 1, ..., 999 squared those from the 1st to the 99th percentile."""
        metric = PerceptualPathLength(epsilon=1.0)
        at = np.zeros((1000, 1, 1, 1))
        beside = np.random.default_rng(0).permutation(np.arange(1000.0)).reshape(at.shape)
        for some in (slice(0, 700), slice(700, None)):
            metric.update_state(at[some], beside[some])
        # The 1st percentile lies between 9 and 10, the 99th between 989 and 990.
        self.assertAllClose(metric.result(), np.mean(np.arange(9.0, 991.0) ** 2))

    def test_what_is_not_in_pairs_is_refused(self):
        metric = PerceptualPathLength()
        for at, beside, message in (
            (np.zeros((4, 1, 1, 1)), np.zeros((1, 1, 1, 1)), r"\(4, 1, 1, 1\), beside \(1, 1"),
            (np.zeros((4, 1, 1, 1)), np.full((4, 1, 1, 1), np.nan), "hold NaN"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                metric.update_state(at, beside)

    def test_distances_are_those_of_the_features(self):
        plain, doubled = PerceptualPathLength(), PerceptualPathLength(lambda x: 2.0 * x)
        at, beside = np.zeros((3, 2, 2, 1)), np.full((3, 2, 2, 1), 1e-4)
        for metric in (plain, doubled):
            metric.update_state(at, beside)
        self.assertAllClose(float(plain.result()), 4.0, rtol=1e-5)
        self.assertAllClose(float(doubled.result()), 16.0, rtol=1e-5)

    def test_named_features_see_what_a_file_would_round_away(self):
        at = np.random.default_rng(0).uniform(-0.9, 0.9, (3, 8, 8, 1)).astype("float32")
        beside = at + np.float32(1e-3)
        network = extractor("digits").network
        ends = [values(network(images, training=False)["features"]) for images in (at, beside)]
        distances = ((ends[1] - ends[0]) ** 2).sum(1)
        self.assertAllGreater(distances, 0.0)
        for features in ("digits", extractor("digits"), network):
            metric = PerceptualPathLength(features, epsilon=1e-3)
            metric.update_state(at, beside)
            self.assertAllClose(float(metric.result()), distances.mean() / 1e-6, rtol=1e-2)
        metric = PerceptualPathLength("pixels", epsilon=1e-3)
        metric.update_state(at, beside)
        self.assertAllClose(float(metric.result()), 64.0, rtol=1e-2)

    @needs_backend("tensorflow", reason="checked before anything is computed")
    def test_a_generator_of_half_precision_is_refused(self):
        for dtype in ("mixed_bfloat16", "float16"):
            gan = kerasgan.StyleGAN((8, 8, 1), 2, 2, 4, dtype=dtype)
            for space in ("z", "w"):
                half = dtype.removeprefix("mixed_")
                with self.assertRaisesRegex(ValueError, f"computes in {half}, .*'float32'"):
                    PerceptualPathLength().measure(gan, 2, space=space)
        copy = kerasgan.StyleGAN((8, 8, 1), 2, 2, 4, dtype="float32")
        copy.set_weights(gan.get_weights())
        self.assertGreater(PerceptualPathLength().measure(copy, 2), 0.0)

    def test_paths_are_those_of_the_seed_and_nothing_is_left_of_the_last_time(self):
        metric = PerceptualPathLength(epsilon=1e-2)
        first, other, again = (
            metric.measure(Copies(), 20, space="z", seed=seed) for seed in (0, 1, 0)
        )
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)

    def test_comes_back_from_its_config(self):
        features = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Rescaling(3.0)])
        metric = PerceptualPathLength(features, epsilon=0.5)
        copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
        copy.update_state(ops.zeros((1, 2, 2, 1)), ops.ones((1, 2, 2, 1)))
        self.assertAllClose(float(copy.result()), 4 * 9.0 / 0.25, rtol=1e-5)

    def test_names_come_back_from_the_config(self):
        metric = PerceptualPathLength("digits")
        config = json.loads(json.dumps(keras.saving.serialize_keras_object(metric)))
        copy = keras.saving.deserialize_keras_object(config)
        x = np.random.default_rng(0).uniform(-1.0, 1.0, (2, 2, 8, 8, 1))
        for each in (metric, copy):
            each.update_state(*x)
        self.assertAllClose(float(copy.result()), float(metric.result()), rtol=1e-5)

    def test_bad_arguments_are_refused(self):
        for features in ("vgg", 3):
            with self.assertRaisesRegex(ValueError, f"features={features!r}.*use 'inception'"):
                PerceptualPathLength(features)
        with self.assertRaisesRegex(ValueError, "epsilon=0"):
            PerceptualPathLength(epsilon=0)
        with self.assertRaisesRegex(ValueError, "space='x'.*'z'.*'w'"):
            PerceptualPathLength().measure(Copies(), space="x")
        with self.assertRaisesRegex(ValueError, "object has no role"):
            PerceptualPathLength().measure(object(), space="z")
        no_styles = kerasgan.VanillaGAN((2,), latent_dim=2, hidden_units=(4,))
        with self.assertRaisesRegex(ValueError, "space='w' needs.*styles; VanillaGAN.*space='z'"):
            PerceptualPathLength().measure(no_styles, space="w")

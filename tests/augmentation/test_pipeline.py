"""The pipeline against numbers of the authors' program, and against what probabilities promise."""

import pathlib

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from keras import ops
from scipy import special, stats

import kerasgan
from kerasgan.augmentation import DiffAugment, pipeline
from kerasgan.augmentation.pipeline import DRAWS, GROUPS, Pipeline

# What the program of stylegan2-ada-pytorch makes of two random images when each random number is
# at one quantile of its distribution, as (batch, channels, height, width); statistics of 6,000
# draws of its matrices.
FILE = pathlib.Path(__file__).with_name("published_augmentation.npz")
OF_NAME = {
    "blit": ("blit",),
    "geom": ("geometry",),
    "rotate": ("geometry",),
    "color": ("color",),
    "filter": ("filter",),
    "cutout": ("cutout",),
    "bgc": ("blit", "geometry", "color"),
    "bgcfc": GROUPS,
}
ALONE = {
    "xflip": "flip",
    "rotate90": "quarter_turn",
    "xint": "shift",
    "scale": "scale",
    "rotate": "first_turn",
    "aniso": "stretch",
    "xfrac": "translate",
    "brightness": "brightness",
    "contrast": "contrast",
    "lumaflip": "luma_flip",
    "hue": "hue",
    "saturation": "saturation",
}
NORMAL = ("scale", "stretch", "translate", "brightness", "contrast", "saturation", "band")


def published():
    return np.load(FILE)


def at_quantile(quantile):
    """Random numbers as the program sets them: its normal ones without the root of two."""
    of_normal = stats.norm.cdf(special.erfinv(2.0 * quantile - 1.0))
    numbers = {
        name: ops.full((2,), of_normal if name.startswith(NORMAL) else quantile) for name in DRAWS
    }
    return {**numbers, "second_turnx": ops.full((2,), 0.5)}  # it turns once only


def always(name, group, probability=None):
    return ops.ones((2,), "bool")


def only(wanted):
    return lambda name, group, probability=None: ops.full((2,), name == wanted, "bool")


def nhwc(images):
    return images.transpose(0, 2, 3, 1)


def with_groups(groups):
    return Pipeline(**{group: float(group in groups) for group in GROUPS})


class PublishedTest(tf.test.TestCase, parameterized.TestCase):
    def test_images(self):
        with published() as arrays:
            for key in arrays:
                name, *rest = key.split(".q")
                if rest and rest[0].endswith((".y", ".y_gray")):
                    quantile, _, kind = rest[0].rpartition(".")
                    images = nhwc(arrays["x_gray" if kind == "y_gray" else "x"])
                    happens = only("first_turn") if name == "rotate" else always
                    own = with_groups(OF_NAME[name])
                    found = own.changed_by(images, at_quantile(float(quantile)), happens)
                    self.assertAllClose(found, nhwc(arrays[key]), 0.0, 1e-5, msg=key)

    @needs_backend("tensorflow", reason="matrices make the images")
    def test_matrices(self):
        with published() as arrays:
            for name, groups in OF_NAME.items():
                for quantile in (0.15, 0.5, 0.8):
                    if name != "rotate":
                        self.assert_matrices(arrays, f"{name}.q{quantile}", groups, always)
            for name, own in ALONE.items():
                self.assert_matrices(arrays, f"{name}.q0.8", ("blit", "geometry"), only(own))
                self.assert_matrices(arrays, f"{name}.q0.8", ("color",), only(own))

    def assert_matrices(self, arrays, key, groups, happens):
        numbers = at_quantile(float(key.partition(".q")[2]))
        own = with_groups(groups)
        if {"blit", "geometry"} & set(groups):
            inverse, _ = own.geometry(numbers, happens, (32, 32))
            self.assertAllClose(inverse[0], arrays[f"{key}.G_inv"], 0.0, 1e-5, msg=key)
        if "color" in groups:
            colors = own.colors(numbers, happens, 3)
            # The last row of theirs is of nothing that they use.
            self.assertAllClose(colors[0, :3], arrays[f"{key}.C"][:3], 0.0, 1e-5, msg=key)

    @needs_backend("tensorflow", reason="NumPy is the same everywhere")
    def test_filters(self):
        with published() as arrays:
            self.assertAllClose(pipeline.band_filters(), arrays["Hz_fbank"], 0.0, 1e-6)

    @needs_backend("tensorflow", reason="matrices make the images")
    @parameterized.parameters(0.2, 0.6, 1.0)
    def test_statistics_of_random_matrices(self, p):
        own = Pipeline(p)
        draws = np.random.default_rng(0).random((6000, own.num_draws), "float32")
        numbers = dict(zip(DRAWS, draws.T, strict=True))

        def happens(name, group, probability=lambda p: p):
            return ops.convert_to_tensor(numbers[f"{name}?"] < np.asarray(probability(p)))

        found = {
            "G_inv": own.geometry(numbers, happens, (8, 8))[0],
            "C": own.colors(numbers, happens, 1),
        }
        with published() as arrays:
            for name, matrices in found.items():
                matrices = ops.convert_to_numpy(matrices)
                key = f"random.p{p}.{name}"
                # Two samples of 6,000 each.
                deviation = matrices.std(0) * np.sqrt(2.0 / 6000.0)
                error = np.abs(matrices.mean(0) - arrays[f"{key}.mean"])
                self.assertAllLess(error - 5.0 * deviation, 1e-5)
                self.assertAllClose(matrices.std(0), arrays[f"{key}.std"], 0.06, 1e-5)
                same = np.abs(matrices - np.eye(matrices.shape[1])).max((1, 2)) < 1e-6
                self.assertAllClose(same.mean(), arrays[f"{key}.identity_share"], 0.0, 0.025)


class PipelineTest(tf.test.TestCase, parameterized.TestCase):
    def images(self, count=4, channels=3):
        random = np.random.default_rng(0)
        return random.uniform(-1.0, 1.0, (count, 8, 8, channels)).astype("float32")

    def test_at_probability_zero_images_stay_bit_for_bit(self):
        images = self.images()
        own = Pipeline(0.0, filter=1.0, cutout=1.0)
        found = ops.convert_to_numpy(own(images, seed=0))
        np.testing.assert_array_equal(found, images)

    @needs_backend("tensorflow", reason="shares are of the random numbers")
    @parameterized.parameters((3, 0.2, 0.8 * 0.8 * 0.9 * 0.8 * 0.8), (1, 0.6, 0.4 * 0.4 * 0.7))
    def test_as_many_images_are_untouched_as_the_probabilities_say(self, channels, p, share):
        images = self.images(4000, channels)
        found = ops.convert_to_numpy(with_groups(("color",)).change(images, *self.drawn(4000), p))
        same = np.abs(found - images).max((1, 2, 3)) < 1e-5
        self.assertAllClose(same.mean(), share, atol=4.0 * np.sqrt(share * (1.0 - share) / 4000))

    def drawn(self, count):
        return (np.random.default_rng(1).random((count, len(DRAWS)), "float32"),)

    @needs_backend("tensorflow", reason="it is linear everywhere")
    def test_gradients_are_those_of_differences(self):
        images = tf.constant(self.images(2)[:, :6, :6].astype("float32"))
        own = Pipeline(1.0, filter=1.0, cutout=1.0)
        draws = np.random.default_rng(2).random((2, own.num_draws), "float32")
        weights = np.random.default_rng(3).normal(size=(2, 6, 6, 3)).astype("float32")

        def loss(images):
            return tf.reduce_sum(own.change(images, draws) * weights)

        with tf.GradientTape() as tape:
            tape.watch(images)
            value = loss(images)
        gradient = tape.gradient(value, images)
        way = np.random.default_rng(4).normal(size=images.shape).astype("float32")
        # It is linear in the images but for a constant, so a difference is exact at any length.
        difference = loss(images + way) - value
        self.assertAllClose(difference, tf.reduce_sum(gradient * way), 1e-3, 1e-3)

    @parameterized.parameters({"p": 1.5}, {"color": -1}, {"cutout": "yes"})
    def test_arguments_out_of_range(self, **arguments):
        (name,) = arguments
        with self.assertRaisesRegex(ValueError, f"{name}=.*from 0 to 1"):
            Pipeline(**arguments)

    @parameterized.parameters(((4, 8, 8, 2),), ((8, 8, 3),))
    def test_images_of_another_shape(self, shape):
        for augmentation in (Pipeline(), DiffAugment()):
            with self.assertRaisesRegex(ValueError, "changes batches of images.*not of"):
                augmentation(np.zeros(shape, "float32"))

    def test_a_copy_from_its_configuration_is_the_same(self):
        own = Pipeline(0.7, cutout=0.5)
        copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(own))
        images = self.images()
        self.assertAllEqual(own(images, seed=5), copy(images, seed=5))


class DiffAugmentTest(tf.test.TestCase):
    def change(self, policy, images, **numbers):
        own = kerasgan.augmentation.DiffAugment(policy)
        draws = np.full((len(images), own.num_draws), 0.5, "float32")
        for index, value in numbers.items():
            draws[:, int(index[1:])] = value
        return ops.convert_to_numpy(own.change(images, draws))

    def test_color_is_the_papers_formula(self):
        images = np.random.default_rng(0).uniform(-1, 1, (2, 4, 4, 3)).astype("float32")
        found = self.change("color", images, _0=0.9, _1=0.7, _2=0.2)
        expected = images + 0.4
        mean = expected.mean(3, keepdims=True)
        expected = mean + (expected - mean) * 1.4
        mean = expected.mean((1, 2, 3), keepdims=True)
        self.assertAllClose(found, mean + (expected - mean) * 0.7, atol=1e-5)

    def test_translation_moves_by_whole_pixels_and_leaves_zeros(self):
        images = np.random.default_rng(0).uniform(0.5, 1, (1, 16, 16, 1)).astype("float32")
        found = self.change("translation", images, _0=0.99, _1=0.0)
        expected = np.zeros_like(images)  # from two below and two to the left
        expected[:, :14, 2:] = images[:, 2:, :14]
        np.testing.assert_array_equal(found, expected)

    def test_cutout_is_half_as_wide_as_the_image(self):
        images = np.ones((1, 16, 16, 1), "float32")
        found = self.change("cutout", images)  # in the middle
        expected = images.copy()
        expected[:, 4:12, 4:12] = 0.0
        np.testing.assert_array_equal(found, expected)
        self.assertEqual(self.change("cutout", images, _0=0.0, _1=0.0).sum(), 256 - 16)

    def test_flip_mirrors_half_of_the_time(self):
        images = np.random.default_rng(0).uniform(-1, 1, (1, 4, 4, 1)).astype("float32")
        np.testing.assert_array_equal(self.change("flip", images, _0=0.4), images[:, :, ::-1])
        np.testing.assert_array_equal(self.change("flip", images, _0=0.6), images)

    def test_an_unknown_name_is_named(self):
        with self.assertRaisesRegex(
            ValueError, "has the unknown change 'colour'; use one or more of flip"
        ):
            kerasgan.augmentation.DiffAugment("colour")

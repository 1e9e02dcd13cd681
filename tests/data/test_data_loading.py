import re

import numpy as np
import tensorflow as tf
from backends import needs_backend
from data_helpers import as_bytes, everything, in_epoch, rows, same_from_the_middle
from PIL import Image
from sklearn.datasets import load_digits

from kerasgan import data

pytestmark = needs_backend("tensorflow", reason="data is read by TensorFlow everywhere")


def pixels(images):
    """Digits in [-1, 1] as scikit-learn has them, in 0..16."""
    return np.rint((images[..., 0] + 1.0) * 8.0)


def random_images(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype="uint8")


class DigitsTest(tf.test.TestCase):
    def test_the_splits_are_disjoint_parts_of_scikit_learns_digits(self):
        train = pixels(everything(data.load("digits", shuffle=False)))
        test = pixels(everything(data.load("digits", "test", shuffle=False)))
        self.assertEqual((len(train), len(test)), (1437, 360))
        # Together they are the 1,797 images, each once, so none is in both.
        self.assertAllEqual(rows([*train, *test]), rows(load_digits().images))

    def test_the_split_is_fixed(self):
        first, second = (data.load("digits", "test", shuffle=False, seed=s) for s in (0, 1))
        self.assertAllEqual(everything(first), everything(second))

    def test_values_are_an_eighth_of_the_pixel_less_one(self):
        images = everything(data.load("digits", shuffle=False))
        self.assertEqual(images.dtype, np.float32)
        self.assertEqual(images.shape, (1437, 8, 8, 1))
        self.assertAllInRange(images, -1.0, 1.0)
        self.assertAllClose(images[..., 0], pixels(images) / 8.0 - 1.0, rtol=0, atol=1.001 / 255)

    def test_image_size_resizes(self):
        small = everything(data.load("digits", "test", shuffle=False))
        large = everything(data.load("digits", "test", image_size=20, shuffle=False))
        self.assertEqual(large.shape, (360, 20, 20, 1))
        for before, after in zip(small[:10], large[:10], strict=True):
            picture = Image.fromarray(as_bytes(before)[..., 0].astype("uint8"))
            expected = picture.resize((20, 20), Image.Resampling.LANCZOS)
            self.assertAllClose(as_bytes(after)[..., 0], np.asarray(expected), atol=1)

    def test_labels_belong_to_the_images(self):
        digits = load_digits()
        known = {
            image.tobytes(): label
            for image, label in zip(digits.images, digits.target, strict=True)
        }
        for split, shuffle in (("train", True), ("test", False)):
            dataset = data.load("digits", split, labels=True, shuffle=shuffle)
            images, labels = everything(dataset)
            self.assertEqual(labels.dtype, np.int32)
            expected = [known[image.astype("float64").tobytes()] for image in pixels(images)]
            self.assertAllEqual(labels, expected)
            self.assertEqual(data.class_names(dataset), tuple("0123456789"))

    def test_another_split_is_an_error_that_lists_them(self):
        with self.assertRaisesRegex(ValueError, "validation.*train, test"):
            data.load("digits", "validation")


class MixtureTest(tf.test.TestCase):
    def check_mixture(self, name, modes, sigma):
        dataset = data.load(name, labels=True, batch_size=10_000, shuffle=False)
        points, labels = everything(dataset)
        self.assertEqual(points.shape, (100_000, 2))
        self.assertEqual((points.dtype, labels.dtype), (np.float32, np.int32))
        self.assertAllEqual(np.unique(labels), np.arange(len(modes)))
        names = data.class_names(dataset)
        self.assertLen(names, len(modes))
        named = np.array([[float(x) for x in name.strip("()").split(",")] for name in names])
        distances = np.linalg.norm(named[:, None] - modes, axis=-1)
        self.assertAllEqual(np.sort(distances.argmin(axis=1)), np.arange(len(modes)))
        for label, mode in enumerate(modes[distances.argmin(axis=1)]):
            own = points[labels == label]
            # Each mode has its share of points, give or take five standard deviations.
            share = 100_000 / len(modes)
            self.assertNear(len(own), share, 5 * share**0.5)
            error = 5 * sigma / len(own) ** 0.5
            self.assertAllClose(own.mean(axis=0), mode, rtol=0, atol=error)
            self.assertAllClose(own.std(axis=0), [sigma, sigma], rtol=0, atol=error)

    def test_ring8_is_eight_modes_on_the_unit_circle(self):
        angles = np.pi / 4 * np.arange(8)
        self.check_mixture("ring8", np.stack([np.cos(angles), np.sin(angles)], axis=1), 0.01)

    def test_grid25_is_a_grid_from_minus_4_to_4(self):
        axis = [-4.0, -2.0, 0.0, 2.0, 4.0]
        self.check_mixture("grid25", np.array([(x, y) for x in axis for y in axis]), 0.05)

    def test_the_test_split_is_drawn_anew(self):
        for name in ("ring8", "grid25"):
            train, test = (
                everything(data.load(name, split, batch_size=10_000, shuffle=False))
                for split in ("train", "test")
            )
            self.assertLen(test, 10_000)
            self.assertNotAllClose(train[:10_000], test)

    def test_points_have_no_image_size_and_no_mirror(self):
        for name in ("ring8", "grid25"):
            for argument in ({"image_size": 8}, {"augment_flip": True}, {"channels": 1}):
                with self.subTest(name=name, **argument):
                    with self.assertRaisesRegex(ValueError, name):
                        data.load(name, **argument)


class ShufflingTest(tf.test.TestCase):
    def numbers(self, count=23, batch_size=5, **arguments):
        return data.from_array(np.arange(count)[:, None], batch_size=batch_size, **arguments)

    def orders(self, dataset, epochs=1):
        return [everything(dataset)[:, 0].astype(int).tolist() for _ in range(epochs)]

    def test_epochs_are_the_same_for_fresh_data_sets_and_differ_from_each_other(self):
        epochs = self.orders(self.numbers(), 3)
        self.assertEqual(epochs, self.orders(self.numbers(), 3))
        self.assertLen(set(map(tuple, epochs)), 3)

    def test_seeds_give_other_orders(self):
        zero, one = (self.orders(self.numbers(seed=seed), 2) for seed in (0, 1))
        self.assertLen(set(map(tuple, [*zero, *one])), 4)

    def test_the_order_does_not_depend_on_tensorflows_seed(self):
        tf.random.set_seed(1)
        first = self.orders(self.numbers())
        tf.random.set_seed(2)
        self.assertEqual(first, self.orders(self.numbers()))

    def test_an_epoch_leaves_out_the_remainder_and_each_epoch_another(self):
        epochs = self.orders(self.numbers(), 2)
        for order in epochs:
            self.assertLen(set(order), 20)
            self.assertContainsSubset(order, range(23))
        self.assertNotEqual(*map(set, epochs))

    def test_an_epoch_without_remainder_is_a_permutation(self):
        (order,) = self.orders(self.numbers(count=20))
        self.assertNotEqual(order, list(range(20)))
        self.assertEqual(sorted(order), list(range(20)))

    def test_an_epoch_counts_even_if_it_is_not_read_to_its_end(self):
        epochs = self.orders(self.numbers(), 2)
        beginnings = self.orders(self.numbers().take(2), 2)
        self.assertEqual(beginnings, [order[:10] for order in epochs])

    def test_digits_of_an_epoch_are_a_permutation_of_most_of_them(self):
        in_order = rows(everything(data.load("digits", shuffle=False)))
        shuffled = rows(everything(data.load("digits")))
        self.assertLen(shuffled, 1437 // 64 * 64)
        self.assertLen(set(map(tuple, shuffled)), len(shuffled))
        self.assertContainsSubset(map(tuple, shuffled), map(tuple, in_order))

    def test_the_clock_chooses_the_epoch_of_fresh_data_sets_and_of_those_in_use(self):
        used = self.numbers()
        epochs = self.orders(used, 3)
        for epoch in (2, 1):
            self.assertEqual(self.orders(in_epoch(self.numbers(), epoch)), [epochs[epoch]])
            self.assertEqual(self.orders(in_epoch(used, epoch)), [epochs[epoch]])
            bound = used.epochs.dataset(lambda epoch=epoch: (epoch, 0))
            self.assertEqual(self.orders(bound, 2), [epochs[epoch]] * 2)
            self.assertTrue(same_from_the_middle(used, epoch))

    def test_the_clock_is_seen_through_other_transformations(self):
        epochs = self.orders(self.numbers(), 3)
        mapped = self.numbers().map(lambda batch: batch + 1.0).take(3)
        self.assertEqual(
            self.orders(in_epoch(mapped, 2)), [[1 + number for number in epochs[2][:15]]]
        )

    def test_the_clock_chooses_images_and_labels(self):
        dataset = data.load("digits", "test", labels=True)
        _, (images, labels) = everything(dataset), everything(dataset)
        again = in_epoch(data.load("digits", "test", labels=True), 1)
        same_images, same_labels = everything(again)
        self.assertAllEqual(same_images, images)
        self.assertAllEqual(same_labels, labels)

    def test_without_shuffling_every_example_is_given_in_order(self):
        dataset = self.numbers(shuffle=False)
        self.assertEqual([len(batch) for batch in dataset], [5, 5, 5, 5, 3])
        self.assertEqual(self.orders(dataset), [list(range(23))])

    def test_without_shuffling_a_batch_may_be_larger_than_the_data(self):
        self.assertEqual(
            self.orders(self.numbers(count=3, batch_size=10, shuffle=False)), [[0, 1, 2]]
        )

    def test_cardinality_is_the_number_of_batches(self):
        for count, batch_size, shuffle, expected in [
            (23, 5, True, 4),
            (23, 5, False, 5),
            (20, 5, False, 4),
        ]:
            with self.subTest(count=count, shuffle=shuffle):
                dataset = self.numbers(count, batch_size, shuffle=shuffle)
                self.assertLen(dataset, expected)
                self.assertLen(list(dataset), expected)

    def test_the_batch_size_is_static_when_shuffling(self):
        labels = np.zeros(23, int)
        for shuffle, size in ((True, 5), (False, None)):
            images, numbers = self.numbers(labels=labels, shuffle=shuffle).element_spec
            self.assertEqual(images, tf.TensorSpec((size, 1), tf.float32))
            self.assertEqual(numbers, tf.TensorSpec((size,), tf.int32))


class FlipTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.images = random_images(400, 4, 4, 3)

    def flipping(self, **arguments):
        arguments = {"batch_size": 40, "augment_flip": True, **arguments}
        return data.from_array(self.images, np.arange(400), **arguments)

    def mirrored(self, dataset):
        """The numbers of the images that one epoch mirrors."""
        images, numbers = everything(dataset)
        originals = self.images[numbers]
        same = np.all(as_bytes(images) == originals, axis=(1, 2, 3))
        mirrored = np.all(as_bytes(images) == originals[:, :, ::-1], axis=(1, 2, 3))
        self.assertAllEqual(same, ~mirrored)
        return set(numbers[mirrored].tolist())

    def test_about_half_of_the_images_are_mirrored_and_the_others_untouched(self):
        for shuffle in (True, False):
            self.assertBetween(len(self.mirrored(self.flipping(shuffle=shuffle))), 150, 250)

    def test_without_it_none_is_mirrored(self):
        self.assertEmpty(self.mirrored(self.flipping(augment_flip=False)))

    def test_what_is_mirrored_is_a_function_of_seed_and_epoch(self):
        first, second, other = (self.flipping(shuffle=False, seed=seed) for seed in (0, 0, 1))
        epochs = [self.mirrored(first) for _ in range(3)]
        self.assertEqual(epochs[:2], [self.mirrored(second) for _ in range(2)])
        self.assertLen({*map(frozenset, epochs), frozenset(self.mirrored(other))}, 4)
        self.assertEqual(self.mirrored(in_epoch(second, 2)), epochs[2])

    def test_load_mirrors_too(self):
        originals = everything(data.load("digits", "test", shuffle=False))
        images = everything(data.load("digits", "test", shuffle=False, augment_flip=True))
        same, mirrored = (
            np.all(images == other, axis=(1, 2, 3)) for other in (originals, originals[:, :, ::-1])
        )
        self.assertAllEqual(same | mirrored, np.ones(360, bool))
        self.assertBetween(same.sum(), 130, 230)


class FromArrayTest(tf.test.TestCase):
    def read(self, array, *arguments, **keywords):
        return everything(data.from_array(array, *arguments, shuffle=False, **keywords))

    def test_bytes_become_floats_from_minus_1_to_1(self):
        images = np.arange(256).reshape(1, 16, 16, 1)
        for dtype in ("uint8", "int64"):
            given = self.read(images.astype(dtype))
            self.assertEqual(given.dtype, np.float32)
            self.assertAllClose(given, images / 127.5 - 1.0, rtol=0, atol=1e-6)

    def test_floats_in_minus_1_to_1_are_kept(self):
        images = np.random.default_rng(0).uniform(-1, 1, (5, 4, 4, 3))
        for dtype in ("float32", "float64"):
            self.assertAllEqual(self.read(images.astype(dtype)), images.astype("float32"))

    def test_images_without_a_channel_axis_get_one(self):
        images = random_images(5, 4, 4)
        self.assertAllEqual(as_bytes(self.read(images)), images[..., None])

    def test_vectors_of_any_range_are_kept(self):
        vectors = 100.0 * np.random.default_rng(0).standard_normal((5, 7)).astype("float32")
        self.assertAllEqual(self.read(vectors), vectors)

    def test_floats_are_resized_through_bytes(self):
        images = np.full((2, 8, 8, 1), -0.3, "float32")
        resized = self.read(images, image_size=4)
        self.assertEqual(resized.shape, (2, 4, 4, 1))
        self.assertAllClose(resized, np.full((2, 4, 4, 1), -0.3), rtol=0, atol=1 / 255)

    def test_channels_repeats_the_gray(self):
        images = random_images(5, 4, 4, 1)
        colour = as_bytes(self.read(images, channels=3))
        self.assertAllEqual(colour, np.repeat(images, 3, axis=-1))

    def test_channels_turns_colour_into_luminance(self):
        images = random_images(5, 4, 4, 3)
        gray = as_bytes(self.read(images, channels=1))
        self.assertAllClose(gray, images @ np.array([[0.299], [0.587], [0.114]]), rtol=0, atol=1)

    def test_labels_come_with_the_images_as_int32(self):
        vectors, labels = np.arange(5.0)[:, None], np.array([2, 0, 1, 2, 0])
        for given in (labels, labels[:, None], labels.astype("uint8"), labels.tolist()):
            images, numbers = self.read(vectors, given)
            self.assertEqual(numbers.dtype, np.int32)
            self.assertAllEqual(numbers, labels)
            self.assertAllEqual(images, vectors)

    def test_labels_are_numbers_that_can_be_given_names(self):
        vectors = np.zeros((3, 2))
        dataset = data.from_array(vectors, [2, 0, 2], batch_size=3)
        self.assertIsNone(data.class_names(dataset))
        self.assertEqual(data.num_classes(dataset), 3)
        names = ["ant", "bee", "cat", "dog"]
        dataset = data.from_array(vectors, [2, 0, 2], batch_size=3, class_names=names)
        self.assertEqual(data.class_names(dataset), tuple(names))
        self.assertEqual(data.num_classes(dataset), 4)
        unlabelled = data.from_array(vectors, batch_size=3)
        self.assertIsNone(data.class_names(unlabelled))
        self.assertIsNone(data.num_classes(unlabelled))
        for wrong, message in (
            (names[:2], "class_names has 2 names, but there is a label 2"),
            (["ant", "ant", "bee"], "use strings that all differ"),
            ([0, 1, 2], "use strings that all differ"),
            ("cat", "use strings that all differ"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                data.from_array(vectors, [2, 0, 2], class_names=wrong)

    def test_labels_follow_the_names_of_another_data_set(self):
        vectors = np.arange(4.0)[:, None]
        how = {"batch_size": 4, "shuffle": False}
        digits = data.load("digits", labels=True, shuffle=False)
        reversed_names = data.class_names(digits)[::-1]
        renamed = data.load("digits", labels=True, shuffle=False, class_names=reversed_names)
        self.assertEqual(data.class_names(renamed), reversed_names)
        self.assertAllEqual(everything(renamed)[1], 9 - everything(digits)[1])
        path = f"{self.get_temp_dir()}/labelled.npz"
        np.savez(path, images=vectors, labels=[0, 1, 1, 0])
        named = data.load(path, labels=True, class_names=("cat", "dog"), **how)
        self.assertEqual(data.class_names(named), ("cat", "dog"))
        self.assertAllEqual(everything(named)[1], [0, 1, 1, 0])
        with self.assertRaisesRegex(ValueError, "'digits|digits has the classes.*lacks '2', '3'"):
            data.load("digits", labels=True, class_names=("0", "1"))

    def test_unusable_arrays_are_errors_that_say_why(self):
        image = np.zeros((3, 4, 4, 1), "float32")
        ramp = np.linspace(0, 1, 4)[:, None]
        cases = {
            "floats in 0..255": (image + 255 * ramp, "from 0 to 255.*\\[-1, 1\\]"),
            "floats in 0..1": (image + ramp, "from 0 to 1.*2 \\* images - 1"),
            "NaN": (image * np.nan, "NaN"),
            "infinity in vectors": (np.array([[np.inf]]), "infinite"),
            "two channels": (np.zeros((3, 4, 4, 2), "uint8"), "2 channels"),
            "four channels": (np.zeros((3, 4, 4, 4), "uint8"), "4 channels"),
            "negative whole numbers": (image.astype(int) - 1, "from -1"),
            "whole numbers above 255": (image.astype(int) + 256, "to 256"),
            "bool": (image.astype(bool), "bool"),
            "text": (np.array([["a"]]), "dtype"),
            "no example": (image[:0], "at least one"),
            "one axis": (np.zeros(3), "shape \\(3,\\)"),
            "five axes": (image[None], "shape"),
        }
        for name, (array, message) in cases.items():
            with self.subTest(name):
                with self.assertRaisesRegex(ValueError, message):
                    data.from_array(array, batch_size=1)

    def test_unusable_labels_are_errors_that_say_why(self):
        cases = {
            "too few": ([0, 1], "3 images"),
            "negative": ([0, -1, 1], "-1"),
            "floats": ([0.0, 1.0, 2.0], "float64"),
            "bool": ([True, False, True], "bool"),
            "one-hot": (np.eye(3, dtype=int), "shape \\(3, 3\\)"),
        }
        for name, (labels, message) in cases.items():
            with self.subTest(name):
                with self.assertRaisesRegex(ValueError, message):
                    data.from_array(np.zeros((3, 2)), labels, batch_size=1)

    def test_vectors_have_no_image_size_and_no_mirror(self):
        for argument in ({"image_size": 8}, {"augment_flip": True}):
            with self.assertRaisesRegex(ValueError, "vectors"):
                data.from_array(np.zeros((3, 2)), batch_size=1, **argument)


class ArgumentsTest(tf.test.TestCase):
    def test_arguments_out_of_range_are_errors_that_name_them(self):
        images = np.zeros((3, 4, 4), "uint8")
        for name, value in [
            ("image_size", 0),
            ("image_size", 8.0),
            ("batch_size", -1),
            ("batch_size", 0),
            ("batch_size", None),
            ("batch_size", True),
            ("channels", 2),
            ("fit", "stretch"),
        ]:
            with self.subTest(argument=name, value=value):
                message = re.escape(f"{name}={value!r}")
                with self.assertRaisesRegex(ValueError, message):
                    data.load("digits", **{name: value})
                with self.assertRaisesRegex(ValueError, message):
                    data.from_array(images, **{name: value})

    def test_a_batch_larger_than_the_data_is_an_error_that_says_how_many_there_are(self):
        with self.assertRaisesRegex(ValueError, "batch_size=361.*360.*'digits'"):
            data.load("digits", "test", batch_size=361)
        with self.assertRaisesRegex(ValueError, "batch_size=4.*at most 3"):
            data.from_array(np.zeros((3, 2)), batch_size=4)

import contextlib
import io
import pathlib
import tempfile

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from backends import needs_backend
from data_helpers import as_bytes, everything, in_epoch, rows, same_from_the_middle
from PIL import Image

from kerasgan import data

pytestmark = needs_backend("tensorflow", reason="files and tf.data are the same everywhere")

SHARED = pathlib.Path(__file__).parents[3] / "shared" / "data" / "tensorflow_datasets"


def save_gray(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (4, 4), value).save(path)


def grays(dataset):
    """The gray level of each image of an epoch, for images of a single one."""
    images = everything(dataset)
    images = images[0] if isinstance(images, tuple) else images
    return as_bytes(images[:, 0, 0, 0]).tolist()


class FolderTestCase(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.get_temp_dir(), "pictures")
        self.folder.mkdir()

    def load(self, *arguments, **keywords):
        keywords = {"image_size": 4, "batch_size": 4, "shuffle": False, **keywords}
        return data.load(self.folder, *arguments, **keywords)


class FolderTest(FolderTestCase):
    def test_pictures_come_in_sorted_order(self):
        for name, value in {"b.png": 20, "a.bmp": 10, "c.gif": 30, ".hidden.png": 40}.items():
            save_gray(self.folder / name, value)
        (self.folder / "notes.txt").write_text("no picture")
        self.assertEqual(grays(self.load()), [10, 20, 30])

    def test_subfolders_are_classes_in_sorted_order(self):
        for name, value in {
            "cat/1.png": 10,
            "ant/2.png": 20,
            "cat/3.png": 30,
            "bee/x/4.png": 40,
        }.items():
            save_gray(self.folder / name, value)
        for cache in (True, False):
            dataset = self.load(labels=True, cache=cache)
            images, labels = everything(dataset)
            self.assertEqual(as_bytes(images[:, 0, 0, 0]).tolist(), [20, 40, 10, 30])
            self.assertEqual(labels.dtype, np.int32)
            self.assertAllEqual(labels, [0, 1, 2, 2])
            self.assertEqual(data.class_names(dataset), ("ant", "bee", "cat"))

    def test_class_names_are_only_for_labels(self):
        save_gray(self.folder / "ant" / "1.png", 10)
        self.assertIsNone(data.class_names(self.load()))

    def test_subfolders_train_and_test_are_splits(self):
        for name, value in {"train/a/1.png": 10, "train/b/2.png": 20, "test/a/3.png": 30}.items():
            save_gray(self.folder / name, value)
        self.assertEqual(grays(self.load()), [10, 20])
        self.assertEqual(grays(self.load("test")), [30])
        self.assertAllEqual(everything(self.load(labels=True))[1], [0, 1])
        with self.assertRaisesRegex(ValueError, "validation.*train, test"):
            self.load("validation")

    def test_without_subfolders_there_is_only_the_split_train(self):
        save_gray(self.folder / "1.png", 10)
        with self.assertRaisesRegex(ValueError, "split='test'.*no subfolders"):
            self.load("test")

    def test_labels_of_an_unlabelled_folder_are_an_error(self):
        save_gray(self.folder / "1.png", 10)
        for cache in (True, False):
            with self.assertRaisesRegex(ValueError, "labels=True.*has no labels"):
                self.load(labels=True, cache=cache)

    def test_an_empty_folder_is_an_error_that_says_what_is_looked_for(self):
        (self.folder / "notes.txt").write_text("no picture")
        for given in ({}, {"image_size": None}):
            with self.assertRaisesRegex(ValueError, "pictures holds no pictures.*png"):
                self.load(**given)

    def test_image_size_is_needed(self):
        save_gray(self.folder / "1.png", 10)
        with self.assertRaisesRegex(ValueError, "image_size is needed"):
            self.load(image_size=None)

    def test_a_folder_that_does_not_exist_is_an_error_that_says_so(self):
        for name in ("photos/", "no/such/folder", str(self.folder / "missing")):
            with self.subTest(name):
                with self.assertRaisesRegex((ValueError, OSError), "folder.*exist"):
                    data.load(name, image_size=4)


class StreamTest(FolderTestCase):
    def setUp(self):
        super().setUp()
        self.values = list(range(0, 240, 20))
        for index, value in enumerate(self.values):
            save_gray(self.folder / "ab"[index % 2] / f"{index:02}.png", value)

    def stream(self, **arguments):
        return self.load(**{"cache": False, "shuffle": True, "batch_size": 5, **arguments})

    def test_streamed_images_are_the_cached_ones(self):
        arguments = {"image_size": 7, "channels": 1}
        cached, streamed = (
            everything(self.load(cache=cache, **arguments)) for cache in (True, False)
        )
        self.assertEqual(sorted(as_bytes(cached[:, 0, 0, 0])), self.values)
        self.assertAllEqual(rows(streamed), rows(cached))

    def test_a_shuffled_epoch_is_a_permutation_of_images_with_their_labels(self):
        for cache in (True, False):
            dataset = self.stream(cache=cache, labels=True, batch_size=4)
            images, labels = everything(dataset)
            values = as_bytes(images[:, 0, 0, 0])
            self.assertNotEqual(values.tolist(), sorted(self.values, key=lambda v: v // 20 % 2))
            self.assertEqual(sorted(values), self.values)
            self.assertAllEqual(labels, values // 20 % 2)

    def test_shuffling_is_a_function_of_seed_and_epoch(self):
        first, second, other = self.stream(), self.stream(), self.stream(seed=1)
        epochs = [grays(first) for _ in range(3)]
        self.assertEqual(epochs[:2], [grays(second) for _ in range(2)])
        self.assertLen({*map(tuple, epochs), tuple(grays(other))}, 4)
        self.assertEqual(grays(in_epoch(second, 2)), epochs[2])
        mapped = self.stream().map(lambda images: -images)
        self.assertEqual(grays(in_epoch(mapped, 2)), [255 - gray for gray in epochs[2]])

    def test_an_epoch_can_be_read_from_its_middle(self):
        for shuffle in (True, False):
            self.assertTrue(same_from_the_middle(self.stream(shuffle=shuffle)))

    def test_batches_are_counted_and_static_as_in_memory(self):
        for shuffle, count, size in ((True, 2, 5), (False, 3, None)):
            dataset = self.stream(shuffle=shuffle)
            self.assertLen(dataset, count)
            self.assertLen(list(dataset), count)
            self.assertEqual(dataset.element_spec.shape.as_list(), [size, 4, 4, 3])

    def test_only_a_stream_reads_the_files_again(self):
        streamed, cached = self.load(cache=False), self.load(cache=True)
        before = grays(cached)
        self.assertEqual(grays(streamed), before)
        save_gray(self.folder / "a" / "00.png", 255)
        self.assertEqual(grays(cached), before)
        self.assertEqual(grays(streamed), [255, *before[1:]])

    def test_mirroring_is_a_function_of_the_epoch(self):
        half = np.zeros((4, 4), "uint8")
        half[:, 2:] = 255
        for index in range(60):
            Image.fromarray(half).save(self.folder / "a" / f"half{index}.png")

        def mirrored(dataset):
            images = everything(dataset)
            return (images[:, 0, 0, 0] > images[:, 0, -1, 0]).tolist()

        first, second = (self.load(cache=False, augment_flip=True) for _ in range(2))
        epochs = [mirrored(first) for _ in range(2)]
        self.assertEqual(epochs, [mirrored(second) for _ in range(2)])
        self.assertNotEqual(*epochs)
        self.assertBetween(sum(epochs[0]), 15, 45)

    def test_a_batch_larger_than_the_folder_is_an_error(self):
        with self.assertRaisesRegex(ValueError, "batch_size=13.*12"):
            self.stream(batch_size=13)


class BrokenFilesTest(FolderTestCase):
    def save(self, count):
        for index in range(count):
            save_gray(self.folder / "ab"[index % 2] / f"{index:03}.png", index)

    def damage(self, name):
        """Cuts off the end of a file, so that it can be opened but not be read."""
        path = self.folder / name
        path.write_bytes(path.read_bytes()[:-20])

    def read(self, **arguments):
        """The epoch with labels, and what was written on stderr."""
        with contextlib.redirect_stderr(io.StringIO()) as stderr:
            images, labels = everything(self.load(labels=True, batch_size=50, **arguments))
        return as_bytes(images[:, 0, 0, 0]).tolist(), labels.tolist(), stderr.getvalue()

    def test_a_damaged_file_is_named_counted_and_skipped(self):
        self.save(200)
        self.damage("a/004.png")
        for cache in (True, False):
            with self.subTest(cache=cache):
                values, labels, stderr = self.read(cache=cache)
                self.assertEqual(sorted(values), [i for i in range(200) if i != 4])
                self.assertEqual(labels, [value % 2 for value in values])
                self.assertIn("004.png", stderr)
                self.assertIn("1 of 200", stderr)
                self.assertNotIn("003.png", stderr)

    def test_files_that_are_no_pictures_are_damaged(self):
        self.save(198)
        (self.folder / "a" / "empty.jpg").touch()
        (self.folder / "a" / "text.gif").write_text("no picture")
        values, _, stderr = self.read()
        self.assertLen(values, 198)
        self.assertRegex(stderr, "(?s)empty.jpg.*text.gif.*2 of 200")

    def test_nothing_is_reported_when_nothing_is_damaged(self):
        self.save(10)
        self.assertEqual(self.read()[2], "")

    def test_1_percent_may_be_damaged_and_no_more(self):
        self.save(100)
        self.damage("a/004.png")
        self.assertLen(self.read()[0], 99)
        self.damage("b/007.png")
        for cache in (True, False):
            with self.assertRaisesRegex(ValueError, r"2 of 100.*00[47]\.png"):
                self.read(cache=cache)


class NpzTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.images = np.random.default_rng(0).integers(0, 256, (6, 4, 4), dtype="uint8")

    def save(self, **arrays):
        path = pathlib.Path(self.get_temp_dir(), "arrays.npz")
        np.savez(path, **arrays)
        return path

    def read(self, path, *arguments, **keywords):
        keywords = {"shuffle": False, **keywords}
        return everything(data.load(path, *arguments, **keywords))

    def test_x_train_y_train_and_x_test(self):
        path = self.save(x_train=self.images[:4], y_train=[0, 1, 2, 1], x_test=self.images[4:])
        images, labels = self.read(path, labels=True)
        self.assertAllEqual(as_bytes(images), self.images[:4, ..., None])
        self.assertEqual(labels.dtype, np.int32)
        self.assertAllEqual(labels, [0, 1, 2, 1])
        self.assertAllEqual(as_bytes(self.read(path, "test")), self.images[4:, ..., None])
        with self.assertRaisesRegex(ValueError, "labels=True.*has no labels"):
            self.read(path, "test", labels=True)

    def test_train_images_and_train_labels(self):
        path = self.save(train_images=self.images, train_labels=np.arange(6)[:, None])
        images, labels = self.read(path, labels=True)
        self.assertAllEqual(as_bytes(images), self.images[..., None])
        self.assertAllEqual(labels, np.arange(6))

    def test_images_and_labels(self):
        path = self.save(images=self.images, labels=np.arange(6))
        images, labels = self.read(path, labels=True)
        self.assertAllEqual(as_bytes(images), self.images[..., None])
        self.assertAllEqual(labels, np.arange(6))

    def test_images_are_resized(self):
        path = self.save(images=np.full((6, 8, 8, 3), 99, "uint8"))
        resized = self.read(path, image_size=4, channels=1)
        self.assertAllEqual(as_bytes(resized), np.full((6, 4, 4, 1), 99))

    def test_another_split_is_an_error_that_lists_the_arrays(self):
        path = self.save(x_train=self.images, y_train=np.arange(6))
        with self.assertRaisesRegex(ValueError, "x_train, y_train.*split='test'.*x_test"):
            self.read(path, "test")

    def test_a_missing_file_is_an_error_that_names_it(self):
        with self.assertRaisesRegex(FileNotFoundError, "missing.npz does not exist"):
            data.load(pathlib.Path(self.get_temp_dir(), "missing.npz"))


class TinyGrays(tfds.core.GeneratorBasedBuilder):
    """Images of one gray level each, whose label is whether that is odd."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "id": tfds.features.Text(),
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.ClassLabel(names=["even", "odd"]),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {
            "train": self._generate_examples(range(20)),
            "test": self._generate_examples(range(100, 105)),
        }

    def _generate_examples(self, values):
        for value in values:
            image = np.full((6, 8, 3), value, "uint8")
            yield value, {"id": str(value), "image": image, "label": value % 2}


class TinySquares(TinyGrays):
    """Square images without labels."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = tfds.features.FeaturesDict({"image": tfds.features.Image(shape=(4, 4, 1))})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _generate_examples(self, values):
        for value in values:
            yield value, {"image": np.full((4, 4, 1), value, "uint8")}


class TinyTexts(TinyGrays):
    """No images."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = tfds.features.FeaturesDict({"text": tfds.features.Text()})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _generate_examples(self, values):
        for value in values:
            yield value, {"text": str(value)}


class TinyOffline(TinyGrays):
    """Cannot be downloaded."""

    VERSION = tfds.core.Version("1.0.0")

    def _split_generators(self, dl_manager):
        raise ConnectionError("no network")


class TfdsTest(tf.test.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Prepared by the first test that needs it, for all of them.
        cls.data_dir = cls.enterClassContext(tempfile.TemporaryDirectory())

    def load(self, name, *arguments, **keywords):
        keywords = {"batch_size": 5, "shuffle": False, "data_dir": self.data_dir, **keywords}
        return data.load(name, *arguments, **keywords)

    def test_a_name_with_or_without_prefix_is_found(self):
        for name, cache in (("tfds:tiny_grays", True), ("tiny_grays", False)):
            with self.subTest(name):
                dataset = self.load(name, image_size=4, labels=True, cache=cache)
                images, labels = everything(dataset)
                self.assertEqual(images.shape, (20, 4, 4, 3))
                numbers = as_bytes(images[:, 0, 0, 0])
                self.assertEqual(sorted(numbers), list(range(20)))
                self.assertEqual(labels.dtype, np.int32)
                self.assertAllEqual(labels, numbers % 2)
                self.assertEqual(data.class_names(dataset), ("even", "odd"))

    def test_square_images_keep_their_size_and_channels(self):
        for cache in (True, False):
            images = everything(self.load("tiny_squares", "test", cache=cache))
            self.assertEqual(images.shape, (5, 4, 4, 1))
            self.assertEqual(sorted(as_bytes(images[:, 3, 3, 0])), list(range(100, 105)))

    def test_image_size_and_channels_change_them(self):
        images = as_bytes(everything(self.load("tiny_squares", image_size=6, channels=3)))
        self.assertEqual(images.shape, (20, 6, 6, 3))
        self.assertAllEqual(images, np.broadcast_to(images[:, :1, :1, :1], images.shape))
        self.assertEqual(sorted(images[:, 0, 0, 0]), list(range(20)))

    def test_a_part_of_a_split_is_its_beginning(self):
        everyone = grays(self.load("tiny_squares"))
        for part, count, cache in (("train[:7]", 7, False), ("train[:25%]", 5, True)):
            dataset = self.load("tiny_squares", part, batch_size=1, cache=cache)
            self.assertLen(dataset, count)
            self.assertEqual(grays(dataset), everyone[:count])

    def stream(self, **arguments):
        return self.load("tiny_squares", **{"cache": False, "shuffle": True, **arguments})

    def test_shuffling_is_a_function_of_seed_and_epoch(self):
        first, second, other = self.stream(), self.stream(), self.stream(seed=1)
        epochs = [grays(first) for _ in range(3)]
        self.assertEqual(epochs, [grays(second) for _ in range(3)])
        self.assertLen({*map(tuple, epochs), tuple(grays(other))}, 4)
        for epoch in epochs:
            self.assertEqual(sorted(epoch), list(range(20)))
        self.assertEqual(grays(in_epoch(self.stream(), 2)), epochs[2])
        self.assertTrue(same_from_the_middle(self.stream()))

    def test_the_order_does_not_depend_on_tensorflows_seed(self):
        orders = []
        for seed in (1, 2):
            tf.random.set_seed(seed)
            orders.append(grays(self.stream()))
        self.assertEqual(*orders)

    def test_tensorflows_seed_may_be_zero(self):
        # TensorFlow cannot compare a pair of seeds with (0, 0) when one of them is a tensor.
        tf.random.set_seed(0)
        self.assertEqual(sorted(grays(self.stream())), list(range(20)))

    def test_an_unknown_name_is_an_error_that_suggests_near_ones(self):
        for name in ("mnst", "tfds:mnst"):
            with self.assertRaisesRegex(ValueError, "'mnst' is neither.*'mnist'"):
                self.load(name)
        with self.assertRaisesRegex(ValueError, "'digit' is neither.*'digits'"):
            self.load("digit")

    def test_another_split_is_an_error_that_lists_them(self):
        with self.assertRaisesRegex(ValueError, "'validation'.*test, train|train, test"):
            self.load("tiny_squares", "validation")

    def test_labels_of_an_unlabelled_source_are_an_error(self):
        for cache in (True, False):
            with self.assertRaisesRegex(ValueError, "labels=True.*has no labels"):
                self.load("tiny_squares", labels=True, cache=cache)

    def test_image_size_is_needed_for_images_of_many_shapes(self):
        with self.assertRaisesRegex(ValueError, "image_size is needed for 'tiny_grays'"):
            self.load("tiny_grays")

    def test_a_source_without_images_is_an_error_that_lists_its_features(self):
        with self.assertRaisesRegex(ValueError, "no image feature.*'text'"):
            self.load("tiny_texts")

    def test_data_that_cannot_be_downloaded_is_an_error_that_says_where_it_should_be(self):
        with self.assertRaisesRegex(OSError, f"not prepared in {self.data_dir}.*ConnectionError"):
            self.load("tiny_offline", image_size=4)


class MixtureTest(tf.test.TestCase):
    def test_modes_of_the_ring_and_of_the_grid(self):
        modes, sigma = data.mixture("ring8")
        half = np.sqrt(0.5)
        eighth = [[1, 0], [half, half], [0, 1], [-half, half]]
        self.assertAllClose(modes, np.concatenate([eighth, -np.array(eighth)]), atol=1e-9)
        self.assertEqual(sigma, 0.01)
        modes, sigma = data.mixture("grid25")
        axis = (-4.0, -2.0, 0.0, 2.0, 4.0)
        self.assertCountEqual(modes.tolist(), [[x, y] for x in axis for y in axis])
        self.assertEqual(sigma, 0.05)

    def test_the_data_is_drawn_from_it(self):
        for name in ("ring8", "grid25"):
            modes, sigma = data.mixture(name)
            dataset = data.load(name, "test", labels=True, shuffle=False, batch_size=10_000)
            points, labels = everything(dataset)
            noise = (points - modes[labels]) / sigma
            self.assertAllClose(noise.mean(0), [0.0, 0.0], atol=0.04)  # 4 standard errors
            self.assertAllClose(noise.std(0), [1.0, 1.0], atol=0.03)
            self.assertLess(np.abs(noise).max(), 6.0)
            expected = len(labels) / len(modes)
            counts = np.bincount(labels, minlength=len(modes))
            self.assertAllClose(counts, np.full(len(modes), expected), atol=4 * expected**0.5)

    def test_another_name(self):
        with self.assertRaisesRegex(ValueError, "'digits'.*'ring8' or 'grid25'"):
            data.mixture("digits")


class MnistTest(tf.test.TestCase):
    def records(self, count):
        """The first images and labels of MNIST, read without TensorFlow Datasets."""
        path = SHARED / "mnist" / "3.0.1" / "mnist-train.tfrecord-00000-of-00001"
        for record in tf.data.TFRecordDataset(str(path)).take(count).as_numpy_iterator():
            features = tf.train.Example.FromString(record).features.feature
            picture = Image.open(io.BytesIO(features["image"].bytes_list.value[0]))
            yield np.asarray(picture)[..., None], features["label"].int64_list.value[0]

    def test_its_first_images_and_labels_are_those_in_the_file(self):
        if not SHARED.is_dir():
            self.skipTest(f"{SHARED} does not exist")
        dataset = data.load("mnist", "train[:256]", labels=True, shuffle=False, data_dir=SHARED)
        images, labels = everything(dataset)
        expected_images, expected_labels = zip(*self.records(256), strict=True)
        self.assertAllEqual(as_bytes(images), expected_images)
        self.assertAllEqual(labels, expected_labels)
        self.assertLen(dataset, 4)

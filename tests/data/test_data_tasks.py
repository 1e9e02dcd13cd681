import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from data_helpers import everything, in_epoch, same_from_the_middle

from kerasgan import data

pytestmark = needs_backend("tensorflow", reason="files and tf.data are the same everywhere")


def photos(count=6, size=32, channels=3, **arguments):
    images = np.random.default_rng(0).integers(0, 256, (count, 4, 4, channels), dtype="uint8")
    return data.from_array(images, image_size=size, batch_size=2, **{"shuffle": False, **arguments})


class TasksTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters(
        ("colorize", {}, (32, 32, 1)),
        ("inpaint", {}, (32, 32, 3)),
        ("inpaint", {"mask": "free_form"}, (32, 32, 3)),
        ("super_resolve", {"scale": 2}, (16, 16, 3)),
        ("super_resolve", {}, (8, 8, 3)),
        ("edges", {"threshold": 0.05}, (32, 32, 1)),
        ("denoise", {}, (32, 32, 3)),
    )
    def test_targets_are_the_images_and_sources_in_range(self, task, options, shape):
        pairs = data.paired(photos(), task, **options)
        self.assertEqual(int(pairs.cardinality()), 3)
        source, target = everything(pairs)
        self.assertAllEqual(target, everything(photos()))
        self.assertEqual((source.shape, source.dtype), ((6, *shape), np.float32))
        self.assertAllInRange(source, -1.0, 1.0)
        self.assertGreater(source.std(), 0.1)

    def test_colorize_takes_the_luminance(self):
        source, target = everything(data.paired(photos(), "colorize"))
        expected = target @ np.array([[0.2989], [0.587], [0.114]])
        self.assertAllClose(source, expected, atol=2e-4)
        gray, same = everything(data.paired(photos(channels=1), "colorize"))
        self.assertAllEqual(gray, same)

    @parameterized.parameters(("rectangles", 1 / 16, 1 / 4), ("free_form", 0.05, 0.7))
    def test_a_hole_is_grey_and_all_else_as_it_was(self, mask, least, most):
        images = photos().map(lambda x: tf.where(x == 0.0, 0.1, x))
        source, target = everything(data.paired(images, "inpaint", mask=mask))
        hole = np.any(source != target, axis=-1)
        self.assertAllEqual(source[hole], np.zeros_like(source[hole]))
        for of_image in hole:
            # Rounding to whole pixels can take or give one at each side.
            self.assertAllInRange(of_image.mean(), least * 0.75, most * 1.25)
        self.assertFalse(np.array_equal(hole[0], hole[1]))
        if mask == "rectangles":
            for of_image in hole:
                rows, columns = np.nonzero(of_image.any(1))[0], np.nonzero(of_image.any(0))[0]
                self.assertEqual(of_image.sum(), len(rows) * len(columns))
                self.assertEqual(np.ptp(rows) + 1, len(rows))

    def test_noise_has_the_standard_deviation_asked_for(self):
        grey = data.from_array(np.zeros((4, 50, 50, 1)) - 1e-6, batch_size=4, shuffle=False)
        source, target = everything(data.paired(grey, "denoise", noise=0.1))
        self.assertAllClose((source - target).std(), 0.1, atol=0.004)

    def test_edges_are_black_lines_where_it_gets_lighter(self):
        image = np.full((1, 8, 8, 3), -0.9, "float32")
        image[:, :, 4:] = 0.9
        images = data.from_array(image, batch_size=1, shuffle=False)
        source, _ = everything(data.paired(images, "edges"))
        expected = np.ones((8, 8))
        expected[:, 3:5] = -1.0
        self.assertAllEqual(source[0, :, :, 0], expected)

    def test_what_is_random_is_a_function_of_seed_and_epoch(self):
        def epoch_of(epoch, seed=0):
            pairs = data.paired(photos(), "denoise", seed=seed)
            source, _ = everything(in_epoch(pairs, epoch))
            return source

        self.assertAllEqual(epoch_of(2), epoch_of(2))
        self.assertNotAllEqual(epoch_of(2), epoch_of(3))
        self.assertNotAllEqual(epoch_of(2), epoch_of(2, seed=1))
        source = epoch_of(0) - everything(photos())
        self.assertNotAllClose(source[:2], source[2:4])

    def test_an_epoch_can_be_read_from_its_middle(self):
        for images in (photos(shuffle=True), photos(shuffle=True).map(tf.abs)):
            self.assertTrue(same_from_the_middle(data.paired(images, "denoise")))

    def test_what_cannot_be_had_is_refused(self):
        for arguments, options, message in (
            ((photos(), "recolor"), {}, "task='recolor'; use one of 'colorize', 'inpaint'"),
            (
                (photos(), "denoise"),
                {"scale": 2},
                "scale=2 is not an option of 'denoise'; it has noise",
            ),
            ((photos(), "colorize"), {"noise": 2}, "'colorize'; it has none"),
            ((photos(), "inpaint"), {"mask": "holes"}, "mask='holes'; use 'rectangles'"),
            ((photos(), "super_resolve"), {"scale": 3}, "scale=3: images of 32x32"),
            ((photos(), "super_resolve"), {"scale": 0}, "scale=0"),
            ((photos().repeat(), "denoise"), {}, "infinite length"),
            ((np.zeros((4, 8, 8, 3)), "colorize"), {}, "from_array"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                data.paired(*arguments, **options)


class CropTest(tf.test.TestCase):
    def test_squares_are_cut_out_elsewhere_each_time(self):
        rows, columns = np.meshgrid(np.arange(10), np.arange(10), indexing="ij")
        image = (16 * rows + columns).astype("uint8")[None, :, :, None]
        dataset = data.from_array(image.repeat(200, 0), batch_size=100, augment_crop=8)
        cut = np.rint((everything(dataset) + 1.0) * 127.5).astype(int)[..., 0]
        self.assertEqual(cut.shape, (200, 8, 8))
        top, left = cut[:, 0, 0] // 16, cut[:, 0, 0] % 16
        for corner in (top, left):
            self.assertAllInRange(np.bincount(corner, minlength=3), 40, 95)
        expected = 16 * (top[:, None, None] + np.arange(8)[:, None]) + left[:, None, None]
        self.assertAllEqual(cut, expected + np.arange(8))

    def test_more_than_there_is_is_refused(self):
        with self.assertRaisesRegex(ValueError, "augment_crop=33, but 'the array' holds images of"):
            photos(augment_crop=33)
        with self.assertRaisesRegex(ValueError, "augment_crop=0"):
            photos(augment_crop=0)
        with self.assertRaisesRegex(ValueError, "augment_crop=1, but 'ring8' holds vectors"):
            data.load("ring8", augment_crop=1)

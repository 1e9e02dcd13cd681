import numpy as np
import tensorflow as tf
from absl.testing import parameterized

from kerasgan.roles.tiling import translate_tiled


def random_images(height, width, channels=2):
    return np.random.default_rng(0).random((2, height, width, channels), "float32")


def blurred(images):
    """The mean of 3x3 pixels, the border repeated."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = images.shape[1:3]
    shifted = [padded[:, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return np.mean(shifted, axis=0)


class TilingTest(tf.test.TestCase, parameterized.TestCase):
    @parameterized.parameters((64, 64), (50, 70), (5, 3), (33, 129), (1, 1))
    def test_what_is_done_to_pixels_is_done_to_each_once(self, height, width):
        images = random_images(height, width)
        tiled = translate_tiled(lambda x: 2 * x - 1, images, multiple=8, tile=32, overlap=8)
        self.assertAllClose(tiled, 2 * images - 1, atol=1e-6)

    def test_sizes_are_multiples_and_never_above_the_tile(self):
        seen = []

        def note(images):
            seen.append(images.shape[1:3])
            return images

        translate_tiled(note, random_images(50, 70), multiple=8, tile=37, overlap=8)
        self.assertTrue(all(h % 8 == 0 and w % 8 == 0 and max(h, w) <= 32 for h, w in seen), seen)
        seen.clear()
        translate_tiled(note, random_images(50, 70), multiple=8, tile=500, overlap=8)
        self.assertEqual(seen, [(56, 72)] * 2)

    def test_no_seam_where_the_network_sees_less_than_the_overlap(self):
        images = random_images(90, 110)
        tiled = translate_tiled(blurred, images, multiple=2, tile=40, overlap=12)
        whole = blurred(images)
        # At a tile's edge its blur differs, and has the smallest share: 1/13, squared in a corner.
        self.assertAllClose(tiled[:, 2:-2, 2:-2], whole[:, 2:-2, 2:-2], atol=0.04)
        inside = np.abs(tiled - whole)[:, 2:-2, 2:-2]
        self.assertGreater((inside < 1e-6).mean(), 0.7)

    def test_different_tiles_fade_into_each_other(self):
        count = 0

        def numbered(images):
            nonlocal count
            count += 1
            return np.full_like(images, count)

        tiled = translate_tiled(
            numbered, random_images(16, 60, 1)[:1], multiple=1, tile=40, overlap=20
        )
        steps = np.diff(tiled[0, 8, :, 0])
        self.assertAllClose(tiled[0, 8, [0, 59], 0], [1.0, 2.0])
        self.assertAllInRange(steps, 0.0, 1.1 / 20)

    def test_enlarges(self):
        images = random_images(20, 30)

        def enlarge(x):
            return x.repeat(2, axis=1).repeat(2, axis=2)

        tiled = translate_tiled(enlarge, images, multiple=1, tile=16, overlap=4, scale=2)
        self.assertAllClose(tiled, enlarge(images), atol=1e-6)

    def test_tiles_that_cannot_be_had_are_refused(self):
        for tile, overlap in ((7, 0), (16, 16), (16, -1)):
            with self.assertRaisesRegex(ValueError, "at least 8 pixels"):
                translate_tiled(lambda x: x, random_images(9, 9), 8, tile, overlap)

"""The colours that somebody draws with."""

import io

import numpy as np
import tensorflow as tf
from backends import needs_backend
from PIL import Image

from kerasgan.editing.brushes import brushes

pytestmark = needs_backend("tensorflow", reason="it is NumPy")


class BrushesTest(tf.test.TestCase):
    def label_map(self):
        picture = np.zeros((64, 64, 3), "uint8")
        picture[:] = (0, 0, 170)
        picture[8:, 8:56] = (0, 0, 255)
        picture[16:24, 16:24] = (0, 85, 255)
        picture[40:, 28:36] = (170, 0, 0)
        return picture

    def test_the_classes_of_a_label_map_are_the_brushes(self):
        expected = ["#0000ff", "#0000aa", "#aa0000", "#0055ff"]
        self.assertEqual(brushes(self.label_map()[None]), expected)

    def test_what_jpeg_adds_at_edges_is_no_class(self):
        file = io.BytesIO()
        Image.fromarray(self.label_map()).resize((256, 256), 0).save(file, "JPEG", quality=90)
        found = brushes(np.asarray(Image.open(file))[None])
        colours = [[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in found]
        for wanted in ((0, 0, 255), (0, 0, 170), (170, 0, 0), (0, 85, 255)):
            self.assertLess(min(np.abs(np.subtract(c, wanted)).max() for c in colours), 8)
        self.assertLessEqual(len(found), 6)

    def test_gray_pictures_have_gray_brushes(self):
        picture = np.full((1, 8, 8, 1), 255, "uint8")
        picture[:, :2] = 0
        self.assertEqual(brushes(picture), ["#ffffff", "#000000"])

import numpy as np
import tensorflow as tf
from backends import needs_backend

import kerasgan
from kerasgan.data import captions

pytestmark = needs_backend("tensorflow", reason="it is NumPy")


def stroke(size, lean, width):
    """A white line through the middle that goes `lean` pixels to the right for each one up."""
    y, x = np.mgrid[:size, :size] - (size - 1) / 2.0
    image = np.where(np.abs(x + lean * y) <= width / 2.0, 1.0, -1.0)
    image[[0, 1, -2, -1]] = -1.0  # or the edge would cut it
    return image[None, ..., None]


class CaptionsTest(tf.test.TestCase):
    def test_measures_are_those_of_strokes_that_are_known(self):
        for lean in (-0.5, 0.0, 1.0):
            self.assertAllClose(captions.slant(stroke(41, lean, 4.0)), [lean], atol=0.05)
        wide, narrow = (captions.ink(stroke(40, 0.0, width))[0] for width in (8.0, 4.0))
        self.assertAllClose([wide, narrow], [8 * 36 / 1600, 4 * 36 / 1600])
        self.assertAllEqual(captions.slant(-np.ones((1, 4, 4, 1))), [0.0])  # nothing is written
        line = -np.ones((1, 4, 4, 1))
        line[0, 2] = 1.0
        self.assertAllEqual(captions.slant(line), [0.0])

    def test_says_what_is_thick_and_leans_among_images_of_the_same_digit(self):
        leans = np.repeat([0.0, 0.3, 0.6], 3)
        widths = np.tile([2.0, 4.0, 6.0], 3)
        images = np.concatenate([stroke(40, *each) for each in zip(leans, widths, strict=True)])
        # The strokes of the eights are all wider than any of the ones.
        wider = np.concatenate([stroke(40, n, w + 6) for n, w in zip(leans, widths, strict=True)])
        labels = np.repeat([1, 8], 9)
        found = captions.of_digits(np.concatenate([images, wider]), labels)
        self.assertEqual(found[0], "a thin upright one")
        self.assertEqual(found[9], "a thin upright eight")
        self.assertEqual(found[4], "a one")
        self.assertEqual(found[13], "an eight")
        self.assertEqual(found[1], "an upright one")
        self.assertEqual(found[8], "a thick slanted one")
        for word in ("thin", "thick"):
            self.assertEqual(
                [word in text for text in found],
                list(np.tile(widths, 2) == (2.0 if word == "thin" else 6.0)),
            )
        with self.assertRaisesRegex(ValueError, "whole numbers from 0 to 9"):
            captions.of_digits(images, np.full(9, 10))

    def test_bag_of_words_says_which_words_are_there(self):
        encode = captions.digit_words()
        self.assertLen(encode.vocabulary, 14)
        (found,) = encode(["A THICK, slanted seven!"])
        there = [w for w, n in zip(encode.vocabulary, found, strict=True) if n]
        self.assertCountEqual(there, ["thick", "slanted", "seven"])
        self.assertEqual(captions.frequent_words(["b b a", "a c", "a"], most=2), ("a", "b"))
        for vocabulary in ([], ["one", "one"]):
            with self.assertRaisesRegex(ValueError, "at least one word, and each word only once"):
                captions.BagOfWords(vocabulary)

    def test_embeddings_take_the_place_of_labels_in_a_data_set(self):
        images = np.linspace(-1.0, 1.0, 6)[:, None, None, None] * np.ones((6, 2, 2, 1))
        texts = np.arange(12.0).reshape(6, 2)
        dataset = kerasgan.data.from_array(images, texts, batch_size=3, seed=1)
        found = list(dataset.as_numpy_iterator())
        self.assertEqual((found[0][1].shape, found[0][1].dtype), ((3, 2), "float32"))
        pixels = np.concatenate([x[:, 0, 0, 0] for x, _ in found])
        of_pixels = np.concatenate([y[:, 0] for _, y in found])
        self.assertAllClose(of_pixels, (pixels + 1.0) * 5.0, atol=1e-5)  # still pairs
        self.assertNotAllClose(pixels, np.sort(pixels))  # in another order
        self.assertIsNone(kerasgan.data.num_classes(dataset))
        with self.assertRaisesRegex(ValueError, "6 images and 5 embeddings"):
            kerasgan.data.from_array(images, texts[:5])

import pathlib

import keras
import numpy as np
import tensorflow as tf
from backends import in_step, needs_backend
from keras import ops

from kerasgan.layers.image_history import ImageHistory


def images(*values):
    return np.array(values, "float32").reshape(-1, 1, 1, 1)


def feed(history, *values):
    """What the history gives for images that are filled with these values."""
    variables = [*history.weights, history.seed_generator.state]
    given = in_step(lambda: history(ops.convert_to_tensor(images(*values))), variables)
    return ops.convert_to_numpy(given).ravel().tolist()


def held(history):
    return sorted(ops.convert_to_numpy(history.images).ravel().tolist())


def new_history(size, seed=0):
    history = ImageHistory(size, seed=seed)
    history.build((None, 1, 1, 1))
    return history


class ImageHistoryTest(tf.test.TestCase):
    def test_gives_back_what_it_stores_until_it_is_full(self):
        history = new_history(4)
        self.assertEqual(feed(history, 1, 2), [1, 2])
        self.assertEqual(feed(history, 3, 4), [3, 4])
        self.assertEqual(held(history), [1, 2, 3, 4])

    def test_a_batch_that_fills_it_in_its_middle_stores_what_there_is_place_for(self):
        history = new_history(3)
        feed(history, 1, 2)
        given = feed(history, 3, 4)
        self.assertEqual(given, [3, 4])
        self.assertEqual(held(history), [1, 2, 3])

    @needs_backend("tensorflow", "torch", reason="a step is compiled anew at each of many calls")
    def test_gives_an_image_of_the_past_with_probability_one_half(self):
        history = new_history(5, seed=3)
        feed(history, *range(5))
        past, places = 0, []
        for step in range(300):
            before = held(history)
            new = 5.0 + step
            (given,) = feed(history, new)
            after = held(history)
            if given == new:
                self.assertEqual(after, before)
            else:
                past += 1
                places.append(before.index(given))
                self.assertIn(given, before)
                self.assertEqual(sorted({*before, new} - {given}), after)
        # Within 3 standard deviations of the binomial distribution.
        self.assertAllClose(past, 150, atol=3 * np.sqrt(75))
        # Old and young images are given alike.
        self.assertAllInRange(np.bincount(places, minlength=5), 10, 55)

    def test_images_of_a_batch_are_exchanged_for_different_ones(self):
        history = new_history(6, seed=1)
        feed(history, *range(6))
        for step in range(20):
            given = feed(history, *range(10 * step + 10, 10 * step + 16))
            self.assertLen(set(given), 6)
            self.assertLen(set(held(history)), 6)

    def test_none_gives_the_images_as_they_are(self):
        history = new_history(0)
        self.assertEqual(feed(history, 1, 2, 3), [1, 2, 3])
        self.assertEqual(history.weights, [])

    def test_is_saved_with_its_images(self):
        history = new_history(3)
        feed(history, 1, 2)
        model = keras.Sequential([keras.Input((1, 1, 1), batch_size=1), history])
        path = pathlib.Path(self.create_tempdir().full_path) / "model.keras"
        model.save(path)
        copy = keras.saving.load_model(path).layers[-1]
        self.assertEqual(held(copy), [0, 1, 2])
        self.assertEqual(int(ops.convert_to_numpy(copy.count)), 2)

    def test_a_batch_larger_than_it_is_refused(self):
        with self.assertRaisesRegex(ValueError, "history of 2 images cannot take a batch of 3"):
            feed(new_history(2), 1, 2, 3)

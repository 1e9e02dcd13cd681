"""Detectors of fakes: what they see, that pairs are antisymmetric, and their files."""

import csv
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from backends import needs_backend
from sklearn import metrics

import kerasgan
from kerasgan import detection
from kerasgan.detection.detector import LogAmplitudes

SHAPE = (16, 16, 1)


def triplets(count=48, seed=0):
    """Noise, and the same with less contrast, by two generators; captions tell nothing."""
    random = np.random.default_rng(seed)
    original = random.uniform(-1.0, 1.0, (count, *SHAPE)).astype("float32")
    names = tuple(map(str, range(count)))
    generators = ("cube", "half") * (count // 2)
    powers = np.where(np.array(generators) == "cube", 1.0, 0.0)[:, None, None, None]
    generated = np.where(powers, original**3, original / 2.0).astype("float32")
    captions = ("A gray square", "a noisy square!") * (count // 2)
    return kerasgan.data.Triplets(names, original, generated, captions, generators)


class DetectorTest(tf.test.TestCase):
    @pytest.mark.slow
    def test_pairs_are_antisymmetric_learn_and_are_files(self):
        found = triplets()
        settings = {"pair": True, "text": "bag_of_words", "spectrum": True, "seed": 0}
        detector = detection.Detector(SHAPE, **settings)
        inputs, labels = detector.examples(found)
        self.assertEqual(set(inputs), {"a", "b", "text"})
        self.assertEqual(detector.vocabulary, ("a", "square", "gray", "noisy"))
        self.assertAllEqual(inputs["text"][:2], [[1, 1, 1, 0], [1, 1, 0, 1]])
        for row, real in enumerate(labels):
            shown = [inputs["a"][row], inputs["b"][row]][:: 1 if real else -1]
            self.assertAllEqual(shown, [found.original[row], found.generated[row]])
        self.assertBetween(labels.sum(), 12, 36)
        detector.fit(inputs, labels, epochs=4, verbose=0)
        reverse = {**inputs, "a": inputs["b"], "b": inputs["a"]}
        logits = detector.predict(inputs, verbose=0)
        self.assertAllEqual(logits, -detector.predict(reverse, verbose=0))
        probabilities = [
            detector.probability_real(inputs[one], inputs[other], found.captions)
            for one, other in ("ab", "ba")
        ]
        self.assertAllClose(sum(probabilities), np.ones(len(found)), atol=1e-6)
        measured = detection.evaluate(detector, triplets(seed=1))
        self.assertGreater(measured["accuracy"], 0.9)
        path = f"{self.get_temp_dir()}/detector.keras"
        detector.save(path)
        again = keras.saving.load_model(path)
        self.assertAllClose(again.predict(inputs, verbose=0), logits, atol=1e-6)
        self.assertEqual(again.vocabulary, detector.vocabulary)
        self.assertTrue(again.compiled)

    def test_a_single_picture_and_a_backbone_of_ones_own(self):
        mean = keras.Sequential([keras.Input(SHAPE), keras.layers.GlobalAveragePooling2D()])
        detector = detection.Detector(SHAPE, mean, text=lambda c: np.ones((len(c), 3)), seed=0)
        found = triplets(4)
        inputs, labels = detector.examples(found)
        self.assertAllEqual(labels, [1, 1, 1, 1, 0, 0, 0, 0])
        self.assertAllEqual(inputs["a"][:4], found.original)
        self.assertEqual(inputs["text"].shape, (8, 3))
        chances = detector.probability_real(found.original, captions=found.captions)
        logits = detector.predict({n: x[:4] for n, x in inputs.items()}, verbose=0)[:, 0]
        self.assertAllClose(chances, 1.0 / (1.0 + np.exp(-logits)), atol=1e-6)

    def test_the_spectrum_is_numpys(self):
        images = np.random.default_rng(0).normal(size=(2, 8, 12, 3)).astype("float32")
        found = keras.ops.convert_to_numpy(LogAmplitudes()(images))[..., 0]
        expected = np.fft.fftshift(np.fft.fft2(images.mean(-1)), axes=(1, 2))
        self.assertAllClose(np.exp(found), np.abs(expected), rtol=1e-3, atol=2e-3)

    def test_what_does_not_fit_is_refused(self):
        def looks(size):
            layers = [keras.Input((size, size, 1)), keras.layers.Conv2D(2, 3, 2, "same")]
            return keras.Sequential(layers, name="looks")

        for arguments, message in (
            ({"backbone": "vgg"}, "backbone='vgg'; use 'cnn', 'mobilenet'"),
            ({"backbone": "mobilenet"}, "'mobilenet' needs 32x32"),
            ({"text": "words"}, "text='words'; use None, 'bag_of_words'"),
            ({"image_shape": 16}, r"image_shape=16; use \(height, width, channels\)"),
            ({"backbone": None}, "backbone=None; use 'cnn', 'mobilenet' or a keras.Model"),
            ({"backbone": looks(8)}, r"looks does not take images of \(16, 16, 1\)"),
            ({"backbone": looks(16)}, r"looks returns \(None, 8, 8, 2\); it has to return feat"),
            ({"pair": "yes"}, "pair='yes'; use True or False"),
            ({"seed": -1}, "seed=-1; use a whole number of at least 0"),
            ({"vocabulary": ["a"]}, "vocabulary is for text='bag_of_words'; leave it out"),
            ({"text": "bag_of_words", "vocabulary": "ab"}, "vocabulary='ab'; use a sequence"),
            ({"text_dim": 3}, "text_dim=3 is for text=FUNCTION or a CLIP"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                detection.Detector(**{"image_shape": SHAPE, **arguments})
        single, pair = detection.Detector(SHAPE), detection.Detector(SHAPE, pair=True)
        images = np.zeros((1, *SHAPE))
        with self.assertRaisesRegex(ValueError, "looks at two pictures; give others, too"):
            pair.probability_real(images)
        with self.assertRaisesRegex(ValueError, "looks at no captions; leave captions out"):
            single.probability_real(images, captions=["a"])
        wide = detection.Detector((32, 16, 1))
        with self.assertRaisesRegex(
            ValueError, r"images of shape \(16, 16, 1\), but this detector takes \(32"
        ):
            wide.examples(triplets(2))
        images = images.astype("float32")
        for arguments, message in (
            ({"images": images[:, :8]}, r"images have shape \(8, 16, 1\), this detector takes"),
            ({"images": images[0]}, r"the images have shape \(16, 1\)"),
            ({"images": images.repeat(3, -1)}, r"the images have shape \(16, 16, 3\)"),
            ({"images": images + 200.0}, "the images go from 200 to 200"),
            ({"others": images.astype("uint8")}, "the others are uint8"),
            ({"others": images.repeat(2, 0)}, "there are 1 images, 2 others; give the same number"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                pair.probability_real(**{"images": images, "others": images, **arguments})
        self.assertEqual(single.probability_real(images[:0]).shape, (0,))
        with self.assertRaisesRegex(ValueError, "triplets is a ndarray; use Triplets"):
            single.examples(images)
        with self.assertRaisesRegex(ValueError, "x is Triplets; use detector.fit"):
            single.fit(triplets(2))
        with self.assertRaisesRegex(ValueError, "takes a dict with a, b; use detector.examples"):
            pair(images)
        words = detection.Detector(SHAPE, text="bag_of_words")
        with self.assertRaisesRegex(ValueError, "words of the captions are not known yet"):
            detection.evaluate(words, triplets(2))
        words.examples(triplets(2))
        for captions in ("a square", [3]):
            with self.assertRaisesRegex(ValueError, "captions=.*; use a list of str, one for each"):
                words.probability_real(images, captions=captions)
        for encode in (lambda texts: np.ones(3), lambda texts: np.ones((5, 3))):
            own = detection.Detector(SHAPE, text=encode)
            with self.assertRaisesRegex(
                ValueError, r"text returns .*; it has to return one vector"
            ):
                own.examples(triplets(2))
        with self.assertRaisesRegex(ValueError, "triplets has no triplet"):
            detection.evaluate(single, triplets(2)[:0])

    @needs_backend("tensorflow", reason="a SavedModel is written there")
    def test_the_endpoint_is_what_python_says(self):
        detector = detection.Detector(SHAPE, pair=True, seed=0)
        folder = pathlib.Path(self.get_temp_dir()) / "1"
        detector.export_endpoint(folder)
        found = triplets(4)
        served = tf.saved_model.load(str(folder)).signatures["probability_real"]
        chances = served(a=tf.constant(found.original), b=tf.constant(found.generated))
        expected = detector.probability_real(found.original, found.generated)
        self.assertAllClose(chances["probability_real"], expected, atol=1e-6)


class ReportTest(tf.test.TestCase):
    """Measures of a detector that looks at one pixel."""

    class OfOnePixel:
        pair, text = False, None

        def examples(self, triplets):
            both = np.concatenate([triplets.original, triplets.generated])
            return {"a": both}, np.repeat([1.0, 0.0], len(triplets))

        def predict(self, inputs, verbose):
            return 4.0 * inputs["a"][:, 0, 0]

        def probability_real(self, images, others, captions):
            return 1.0 / (1.0 + np.exp(-self.predict({"a": images}, 0)[:, 0]))

    def test_numbers_are_those_of_scikit_learn_and_by_hand(self):
        found = triplets(40)
        measured = detection.evaluate(self.OfOnePixel(), found, spoiled=True)
        logits = np.concatenate([found.original, found.generated])[:, 0, 0, 0] * 4.0
        real = np.repeat([1, 0], 40)
        self.assertAllClose(measured["accuracy"], np.mean((logits > 0) == real))
        self.assertAllClose(measured["auroc"], metrics.roc_auc_score(real, logits))
        chances = 1.0 / (1.0 + np.exp(-logits))
        gaps = 0.0
        for low in np.arange(10) / 10.0:
            inside = (chances >= low) & (chances < low + 0.1)
            gaps += abs(chances[inside].sum() - real[inside].sum()) / 80
        self.assertAllClose(measured["calibration_error"], gaps)
        self.assertEqual(set(measured["by_generator"]), {"cube", "half"})
        self.assertEqual(set(measured["jpeg_50"]), {"accuracy", "auroc"})
        self.assertNotEqual(measured["half_size"]["auroc"], measured["auroc"])

    def test_the_table_has_a_row_for_each_triplet(self):
        found, detector = triplets(6), self.OfOnePixel()
        path = f"{self.get_temp_dir()}/table.csv"
        detection.table(detector, found, path)
        with open(path, newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([row["id"] for row in rows], list(found.ids))
        chances = detector.probability_real(found.original, None, None)
        self.assertAllClose([float(row["real_original"]) for row in rows], chances, atol=1e-6)
        for row in rows:
            larger = float(row["real_original"]) > float(row["real_generated"])
            self.assertEqual(row["correct"], str(int(larger)))

    def test_a_generator_that_is_left_out_is_not_trained_on(self):
        seen = []

        class Spy(self.OfOnePixel):
            def fit(self, inputs, labels, epochs, verbose):
                seen.append(len(inputs["a"]))

        train, test = triplets(8), triplets(4)
        found = detection.leave_one_out(Spy, train, test)
        self.assertEqual(set(found), {"cube", "half"})
        self.assertEqual(seen, [8, 8])
        self.assertEqual(set(found["cube"]["by_generator"]), {"cube"})
        with self.assertRaisesRegex(ValueError, "needs at least two"):
            detection.leave_one_out(Spy, train[::2], test)
        with self.assertRaisesRegex(ValueError, r"test has no triplets of \['half'\]"):
            detection.leave_one_out(Spy, train, test[::2])


if __name__ == "__main__":
    tf.test.main()


class BrightnessCLIP:
    """Of a text, whether it says bright, and its length, which tells nothing."""

    def encode_images(self, images):
        return np.ones((len(images), 2))

    def encode_texts(self, texts):
        return np.array([[1.0 if "bright" in text else -1.0, len(text) / 20.0] for text in texts])


@needs_backend("tensorflow", reason="a model of Keras' own layers, trained by Keras")
class ConditionedDetectorTest(tf.test.TestCase):
    def test_learns_whether_a_picture_fits_its_caption(self):
        """Generated are pictures of the other caption, so that only text can tell them."""
        random = np.random.default_rng(0)
        bright = random.random(200) < 0.5
        level = np.where(bright, 0.5, -0.5)[:, None, None, None]
        noise = random.normal(0.0, 0.1, (2, 200, *SHAPE)).astype("float32")
        names = tuple(map(str, range(200)))
        captions = tuple("a bright square" if b else "a dark square" for b in bright)
        found = kerasgan.data.Triplets(
            names, np.float32(level + noise[0]), np.float32(-level + noise[1]), captions, names
        )
        keras.utils.set_random_seed(0)  # of the order of the examples
        mean = keras.Sequential([keras.Input(SHAPE), keras.layers.GlobalAveragePooling2D()])
        detector = detection.Detector(SHAPE, mean, text=BrightnessCLIP(), seed=0)
        inputs, labels = detector.examples(found[:100])
        self.assertEqual(detector.text_dim, 2)
        self.assertAllClose(inputs["text"][0], [1.0 if bright[0] else -1.0, len(captions[0]) / 20])
        detector.fit(inputs, labels, epochs=40, batch_size=20, verbose=0)
        unseen = found[100:]
        for images, wanted in ((unseen.original, 1.0), (unseen.generated, 0.0)):
            judged = detector.probability_real(images, captions=unseen.captions)
            self.assertGreater(np.mean((judged > 0.5) == wanted), 0.9)
        path = f"{self.get_temp_dir()}/detector.keras"
        detector.save(path)
        again = keras.saving.load_model(path)
        with self.assertRaisesRegex(ValueError, "set detector.encode_text to this function"):
            again.probability_real(images, captions=unseen.captions)
        again.encode_text = BrightnessCLIP().encode_texts
        self.assertAllClose(again.probability_real(images, captions=unseen.captions), judged)

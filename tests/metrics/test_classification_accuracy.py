"""The classification accuracy score."""

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend
from metric_helpers import images

import kerasgan
from kerasgan.metrics import ClassificationAccuracyScore


def linear(shape=(8, 8, 1), classes=3):
    """A classifier without random weights."""
    flat = keras.layers.Flatten()
    return keras.Sequential(
        [keras.Input(shape), flat, keras.layers.Dense(classes, kernel_initializer="zeros")]
    )


def by_hand(x, labels, steps, classes=3):
    """Weights of softmax regression after steps of Adam (Kingma & Ba 2015) with all of the data."""
    x = np.concatenate([x.reshape(len(x), -1), np.ones((len(x), 1))], axis=1).astype("float64")
    weights = first = second = np.zeros((x.shape[1], classes))
    for step in range(1, steps + 1):
        logits = np.exp(x @ weights)
        wrong = logits / logits.sum(axis=1, keepdims=True) - np.eye(classes)[labels]
        gradient = x.T @ wrong / len(x)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        mean, square = first / (1 - 0.9**step), second / (1 - 0.999**step)
        weights = weights - 1e-3 * mean / (np.sqrt(square) + 1e-7)
    return weights


class ClassificationAccuracyScoreTest(tf.test.TestCase):
    def test_it_is_that_of_a_classifier_trained_by_hand(self):
        """In 8 bits, as the metric sees images; a batch is all generated images, in any order."""
        rng = np.random.default_rng(0)
        labels, of_real = rng.integers(0, 3, 60), rng.integers(0, 3, 400)
        patterns = images(3, seed=1)
        fake = np.round((0.3 * patterns[labels] + 0.7 * images(60) + 1) * 127.5) / 127.5 - 1
        real = np.round((0.1 * patterns[of_real] + 0.9 * images(400, seed=2) + 1) * 127.5)
        real = real / 127.5 - 1
        metric = ClassificationAccuracyScore(linear(), steps=30, batch_size=60)
        for rows in (slice(150), slice(150, None)):  # in batches
            metric.update_state(real[rows], fake[:0], of_real[rows], labels[:0])
        metric.update_state(None, fake, None, labels)
        weights = by_hand(fake, labels, 30)
        seen = real.reshape(400, -1) @ weights[:-1] + weights[-1]
        wanted = np.mean(seen.argmax(axis=1) == of_real)
        self.assertBetween(wanted, 0.45, 0.95)  # a number that chance does not give
        self.assertAllClose(metric.result(), wanted, atol=1e-9)
        self.assertEqual(metric.counts(), (400, 60))
        # The classifier begins anew.
        self.assertAllClose(metric.result(), wanted, atol=1e-9)
        self.assertAllEqual(metric.classifier.get_weights()[0], np.zeros((64, 3)))

    @needs_backend("tensorflow", reason="the others train it in the other tests")
    def test_classes_without_variety_teach_less(self):
        def digits(split):
            data = kerasgan.data.load("digits", split, image_size=16, labels=True, shuffle=False)
            found = zip(*data.as_numpy_iterator(), strict=True)
            return [np.concatenate(x) for x in found]

        (train, labels), (test, of_test) = digits("train"), digits("test")
        metric = ClassificationAccuracyScore(steps=100)
        metric.update_state(test, train, of_test, labels)
        self.assertGreater(metric.result(), 0.9)
        metric.reset_state()
        one = np.array([np.flatnonzero(labels == digit)[0] for digit in range(10)])
        metric.update_state(test, train[one], of_test, labels[one])
        self.assertBetween(metric.result(), 0.2, 0.75)

    def test_models_feed_it_by_name(self):
        """A generator that draws its label as a grey, and data of the same greys, or of others."""
        latents, label = keras.Input((4,)), keras.Input((), dtype="int32")
        grey = keras.layers.Embedding(3, 64, "zeros", name="grey")
        made = keras.layers.Reshape((8, 8, 1))(grey(label))
        generator = keras.Model([latents, label], made)
        image = keras.Input((8, 8, 1))
        both = [keras.layers.Flatten()(image), keras.layers.Embedding(3, 2)(label)]
        logits = keras.layers.Dense(1)(keras.layers.Concatenate()(both))
        gan = kerasgan.GAN(generator, keras.Model([image, label], logits), 4, num_classes=3)
        greys = np.array([-0.8, 0.0, 0.8])
        grey.set_weights([np.repeat(greys[:, None], 64, axis=1)])
        labels = np.random.default_rng(0).integers(0, 3, 70)
        real = np.ones((70, 8, 8, 1), "float32") * greys[labels][:, None, None, None]
        real = real.astype("float32")
        metric = ClassificationAccuracyScore(steps=20)
        gan.compile(metrics=[metric])
        for num in (33, None):
            result = gan.evaluate(
                real, labels, batch_size=32, num_generated=num, verbose=0, return_dict=True
            )
            self.assertEqual(result["cas"], 1.0)
            self.assertEqual(metric.counts(), (70, num or 70))
        grey.set_weights([np.repeat(greys[[1, 2, 0], None], 64, axis=1)])
        result = gan.evaluate(real, labels, batch_size=32, verbose=0, return_dict=True)
        self.assertEqual(result["cas"], 0.0)
        with self.assertRaisesRegex(ValueError, "use it for conditional models"):
            other = kerasgan.VanillaGAN((8, 8, 1), latent_dim=4, hidden_units=(8,))
            other.compile(metrics=["cas"])
            other.fit(real, validation_data=real, verbose=0)

    def test_a_file_holds_it(self):
        metric = ClassificationAccuracyScore(linear(), 5, 7, 3, name="other")
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
        self.assertEqual(again.get_config(), metric.get_config())
        small = ClassificationAccuracyScore()
        self.assertEqual(type(small).from_config(small.get_config()).classifier, None)

    def test_what_cannot_be_compared(self):
        metric, some = ClassificationAccuracyScore(linear()), images(4)
        with self.assertRaisesRegex(ValueError, "the real images have no labels"):
            metric.update_state(some, None, None, None)
        metric.reset_state()
        with self.assertRaisesRegex(ValueError, "this metric classifies images"):
            metric.update_state(np.ones((4, 2)), None, np.arange(4), None)
        with self.assertRaisesRegex(ValueError, "classifies images, not vectors"):
            metric.prepare(vectors=True)
        with self.assertRaisesRegex(ValueError, "steps"):
            ClassificationAccuracyScore(steps=0)
        metric.reset_state()
        metric.update_state(some, None, np.arange(4), None)
        with self.assertRaisesRegex(ValueError, "has seen 0 generated images"):
            metric.result()
        metric.update_state(None, some, None, np.arange(4))
        with self.assertRaisesRegex(
            ValueError, r"use one that returns \(4,\) for images of shape \(8, 8, 1\)"
        ):
            metric.result()

import json
import pathlib

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend

import kerasgan
from kerasgan import data

NAMES = ("cat", "dog", "fox")


def small_model(num_classes=3):
    gan = kerasgan.CGAN((8, 8, 1), num_classes, latent_dim=2, base_width=4, seed=0)
    gan.compile()
    return gan


def dataset(names, labels=(0, 1, 1, 0)):
    images = np.zeros((4, 8, 8, 1), "uint8")
    return data.from_array(images, labels, batch_size=4, class_names=names)


class ClassNamesTest(tf.test.TestCase):
    def test_fit_learns_them_and_they_are_compared_from_then_on(self):
        gan = small_model()
        self.assertIsNone(gan.class_names)
        gan.fit(dataset(None), verbose=0)
        self.assertIsNone(gan.class_names)
        gan.fit(dataset(NAMES), verbose=0)
        self.assertEqual(gan.class_names, NAMES)
        path = pathlib.Path(self.get_temp_dir(), "model.keras")
        gan.save(path)
        loaded = keras.saving.load_model(path)
        self.assertEqual(loaded.class_names, NAMES)
        steps = loaded.iterations
        same = (dataset(NAMES), dataset(NAMES[:2]), dataset(None), np.zeros((0, 8, 8, 1)))
        for known in same[:3]:
            loaded.agree_on_classes(known)
        for names, message in (
            (("cat", "fox"), "label 1 is 'fox' in the data, but in this CGAN it is 'dog'"),
            ((*NAMES, "owl"), "label 3 is 'owl' in the data, but in this CGAN there is no such"),
        ):
            for meet in (
                lambda others: loaded.fit(others, verbose=0),
                lambda others: loaded.evaluate(others, verbose=0),
                lambda others: loaded.fit(dataset(NAMES), validation_data=others, verbose=0),
                lambda others: loaded.fit(
                    dataset(NAMES),
                    callbacks=[kerasgan.callbacks.CollapseMonitor(others, path.parent)],
                    verbose=0,
                ),
            ):
                with self.assertRaisesRegex(ValueError, message):
                    meet(dataset(names))
        self.assertEqual(loaded.iterations, steps)

    def test_keras_own_data_sets_have_names_too(self):
        gan = small_model()
        batches = tf.data.Dataset.from_tensors((np.zeros((4, 8, 8, 1), "float32"), [0, 1, 2, 0]))
        batches.class_names = list(NAMES)
        gan.agree_on_classes(batches, learn=True)
        self.assertEqual(gan.class_names, NAMES)

    def test_classes_that_the_data_has_not_are_unnamed(self):
        gan = small_model(num_classes=4)
        gan.agree_on_classes(dataset(NAMES), learn=True)
        self.assertEqual(gan.class_names, (*NAMES, "unnamed 3"))
        with self.assertRaisesRegex(ValueError, "the data has 3 classes .*num_classes=2"):
            small_model(num_classes=2).agree_on_classes(dataset(NAMES), learn=True)

    def test_they_can_be_set(self):
        gan = small_model()
        gan.class_names = list(NAMES)
        self.assertEqual(gan.class_names, NAMES)
        for wrong, message in (
            (("cat", "dog"), "2 names for num_classes=3"),
            (("cat", "cat", "dog"), "use strings that all differ"),
            ((0, 1, 2), "use strings that all differ"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                gan.class_names = wrong
        with self.assertRaisesRegex(ValueError, "DCGAN is unconditional"):
            kerasgan.DCGAN((8, 8, 1), base_width=4).class_names = NAMES

    def test_generate_takes_them_as_labels(self):
        gan = small_model()
        with self.assertRaisesRegex(ValueError, "labels='fox': the classes.* have no names"):
            gan.generate(2, seed=0, labels="fox")
        gan.class_names = NAMES
        images = gan.generate(2, seed=0, labels=[2, 1])
        self.assertAllEqual(gan.generate(2, seed=0, labels=["fox", "dog"]), images)
        self.assertAllEqual(gan.generate(2, seed=0, labels="fox")[0], images[0])
        with self.assertRaisesRegex(ValueError, "labels='owl': .*names 'cat', 'dog', 'fox'"):
            gan.generate(2, seed=0, labels=["fox", "owl"])

    @needs_backend("tensorflow", reason="one framework's export is enough")
    def test_a_model_card_tells_them(self):
        gan = small_model()
        gan.class_names = NAMES
        gan.export(f"{self.get_temp_dir()}/1")
        card = pathlib.Path(self.get_temp_dir(), "1/assets.extra/model_card.json").read_text()
        self.assertEqual(json.loads(card)["class_names"], list(NAMES))

    def test_a_report_on_fairness_compares_them(self):
        gan = small_model(num_classes=2)
        gan.class_names = ("dog", "cat")
        with self.assertRaisesRegex(ValueError, "label 0 is 'cat' in the reference"):
            kerasgan.metrics.fairness_report(
                gan, lambda images: images, dataset(("cat", "dog")), num_images=2
            )

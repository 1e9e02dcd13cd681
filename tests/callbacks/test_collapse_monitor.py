import csv
import itertools
import pathlib
import warnings

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend
from PIL import Image
from scipy.spatial import distance

import kerasgan
from kerasgan.callbacks.collapse_monitor import first_examples, mean_distance
from kerasgan.sampling.normals import standard_normal

pytestmark = needs_backend("tensorflow", reason="NumPy alone")


class Scripted(keras.callbacks.Callback):
    """Makes the generator's samples as far apart as the script says, epoch by epoch."""

    def __init__(self, scales):
        super().__init__()
        self.scales = scales

    def on_epoch_end(self, epoch, logs=None):
        self.model.generator.layers[-1].kernel.assign(self.scales[epoch] * np.eye(2))


def point_gan(num_classes=None):
    """The generator passes its noise on, so that points from N(0, I) are as diverse as real."""
    z = keras.Input((2,))
    points = keras.Input((2,))
    inputs = [z], [points]
    if num_classes:
        inputs = tuple([*each, keras.Input((), dtype="int32")] for each in inputs)
    identity = keras.layers.Dense(2, use_bias=False, kernel_initializer="identity")
    generator = keras.Model(inputs[0], identity(z))
    discriminator = keras.Model(inputs[1], keras.layers.Dense(1)(points))
    gan = kerasgan.GAN(generator, discriminator, latent_dim=2, num_classes=num_classes, seed=0)
    gan.compile(optimizer=keras.optimizers.SGD(0.0))
    return gan


class CollapseMonitorTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.points = np.random.default_rng(0).normal(size=(512, 2)).astype("float32")

    def fit(self, scales, **arguments):
        monitor = kerasgan.callbacks.CollapseMonitor(self.points, self.folder, **arguments)
        gan = point_gan()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            history = gan.fit(
                self.points,
                batch_size=512,
                epochs=len(scales),
                callbacks=[Scripted(scales), monitor],
                verbose=0,
            ).history
        return history, [str(w.message) for w in caught if "collapsed" in str(w.message)]

    def test_distance_by_hand(self):
        samples = np.random.default_rng(1).normal(size=(20, 2, 3, 1)).astype("float32")
        pairs = itertools.combinations(samples, 2)
        self.assertAllClose(
            mean_distance(samples), np.mean([np.sqrt(np.sum((a - b) ** 2)) for a, b in pairs])
        )
        self.assertEqual(mean_distance(np.ones((5, 3))), 0.0)

    def test_logs_the_ratio_to_real_examples(self):
        history, _ = self.fit([1.0, 0.25], num_samples=512)
        samples = standard_normal(np.arange(512), (2,))  # what the generator passes on
        expected = distance.pdist(samples).mean() / distance.pdist(self.points).mean()
        self.assertAllClose(history["diversity"], [expected, 0.25 * expected], rtol=1e-5)

    def test_warns_once_when_diversity_falls(self):
        _, caught = self.fit([1.0, 0.1, 0.1, 1.0])
        self.assertLen(caught, 1)
        self.assertRegex(
            caught[0], r"after epoch 2 .*0\.(1|09)\d* times.*threshold=0\.5.*mode_collapse"
        )
        _, caught = self.fit([1.0, 0.1, 1.0, 0.1])
        self.assertLen(caught, 2)

    def test_an_untrained_generator_is_no_collapse_but_one_that_stays_so_is(self):
        _, caught = self.fit([0.1, 1.0])
        self.assertEmpty(caught)
        _, caught = self.fit([0.1] * 12)
        self.assertLen(caught, 1)
        self.assertIn("after epoch 10", caught[0])
        _, caught = self.fit([0.1] * 9 + [1.0] * 3)
        self.assertEmpty(caught)

    def test_looks_every_few_epochs_and_draws_them(self):
        history, _ = self.fit([1.0] * 5, every=2)
        self.assertLen(history["diversity"], 3)  # 1, 2, 4
        with open(self.folder / "history.csv") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([bool(row["diversity"]) for row in rows], [True, True, False, True, False])
        self.assertGreater(Image.open(self.folder / "diversity.png").size[0], 400)

    def test_does_not_change_training(self):
        results = []
        for monitored in (False, True):
            gan = kerasgan.VanillaGAN((2,), latent_dim=2, hidden_units=(4,), seed=0)
            keras.utils.set_random_seed(0)
            gan.set_weights([np.full(w.shape, 0.1, w.dtype) for w in gan.weights])
            gan.compile()
            data = kerasgan.data.from_array(self.points, batch_size=128, seed=0)
            monitor = kerasgan.callbacks.CollapseMonitor(data, self.folder)
            gan.fit(data, epochs=2, callbacks=[monitor] * monitored, verbose=0)
            results.append(gan.generate(4, seed=0))
        self.assertAllEqual(*results)

    def test_conditional_models_make_the_classes_of_the_real_examples(self):
        asked = []
        gan = point_gan(num_classes=3)
        generate = gan.generate
        gan.generate = lambda *a, **k: asked.append(k["labels"]) or generate(*a, **k)
        labels = (np.arange(512) % 3).astype("int32")
        data = (self.points, labels)
        monitor = kerasgan.callbacks.CollapseMonitor(data, self.folder, num_samples=100)
        gan.fit(*data, batch_size=512, callbacks=[monitor], verbose=0)
        self.assertAllEqual(asked[0], labels[:100])

    def test_examples_come_from_arrays_and_data_sets(self):
        data = kerasgan.data.from_array(self.points, batch_size=100, shuffle=False)
        images, labels = first_examples(data, 250)
        self.assertAllClose(images, self.points[:250])
        self.assertIsNone(labels)
        pairs = [(self.points[:3], np.arange(3)), (self.points[3:], np.arange(509))]
        images, labels = first_examples(pairs, 5)
        self.assertAllEqual(labels, [0, 1, 2, 0, 1])
        self.assertAllClose(images, self.points[:5])
        with self.assertRaisesRegex(ValueError, "fewer than two"):
            first_examples(self.points[:1], 5)

    def test_arguments_out_of_range(self):
        for arguments, message in (
            ({"every": 0}, "every=0"),
            ({"num_samples": 1}, "num_samples=1"),
            ({"threshold": 2.0}, "threshold=2.0"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                kerasgan.callbacks.CollapseMonitor(self.points, self.folder, **arguments)

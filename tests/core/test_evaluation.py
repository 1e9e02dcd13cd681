"""`evaluate`: what metrics are fed with, by name, at any number of images, under `fit`."""

import pathlib

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend

import kerasgan
from kerasgan import metrics
from kerasgan.metrics.features import Extractor, digits_classifier
from kerasgan.training import measuring

HIGHER_IS_BETTER = (
    *("precision", "recall", "density", "coverage"),
    *("inception_score", "psnr", "ssim", "cas"),
)

# Of networks that have to be named; tests/metrics measures with them.
OF_OTHER_NETWORKS = {"fd_dinov2", "lpips"}


class Recorder(keras.metrics.Metric):
    """Keeps what it is fed with."""

    def reset_state(self):
        self.real, self.fake = [], []

    def update_state(self, real, fake, sample_weight=None):
        self.real.append(real)
        self.fake.append(fake)

    def result(self):
        return float(sum(map(len, self.fake)))

    @property
    def both(self):
        return np.concatenate(self.real), np.concatenate(self.fake)


def images(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1.0, 1.0, (count, 8, 8, 1)).astype("float32")


def image_gan(seed=0, **arguments):
    return kerasgan.VanillaGAN((8, 8, 1), latent_dim=4, hidden_units=(8,), seed=seed, **arguments)


def label_gan():
    latents, label = keras.Input((4,)), keras.Input((), dtype="int32")
    of_label = keras.layers.Embedding(3, 2)(label)
    made = keras.layers.Dense(2)(keras.layers.Concatenate()([latents, of_label]))
    generator = keras.Model([latents, label], made)
    points = keras.Input((2,))
    logits = keras.layers.Dense(1)(keras.layers.Concatenate()([points, of_label]))
    return kerasgan.GAN(generator, keras.Model([points, label], logits), 4, num_classes=3)


class ComparisonsTest(tf.test.TestCase):
    def compared(self, gan, *arguments, **keywords):
        recorder = Recorder(name="recorder")
        gan.compile(metrics=[recorder])
        self.results = gan.evaluate(*arguments, verbose=0, return_dict=True, **keywords)
        return recorder.both

    def test_as_many_as_real_ones_and_those_of_generate(self):
        gan, real = image_gan(), images(70)
        seen, fake = self.compared(gan, real, batch_size=32)
        self.assertAllEqual(seen, real)
        self.assertAllClose(fake, gan.generate(70, seed=0))
        _, other = self.compared(gan, real, batch_size=32, seed=5)
        self.assertAllClose(other, gan.generate(70, seed=5))

    def test_more_and_fewer(self):
        gan, real = image_gan(), images(70)
        for num in (600, 70, 33):
            seen, fake = self.compared(gan, real, batch_size=32, num_generated=num)
            self.assertAllEqual(seen, real)
            self.assertAllClose(fake, gan.generate(num, seed=0))
            self.assertEqual(self.results["recorder"], num)
        for wrong in (0, 2.5):
            with self.assertRaisesRegex(ValueError, f"num_generated={wrong}; use None or a whole"):
                gan.evaluate(real, num_generated=wrong)

    def test_every_kind_of_data(self):
        class Sequence(keras.utils.PyDataset):
            def __len__(self):
                return 3

            def __getitem__(self, index):
                return real[4 * index : 4 * index + 4]

        gan, real = image_gan(), images(12)
        for data, arguments in (
            (tf.data.Dataset.from_tensor_slices(real).batch(4), {}),
            (tf.data.Dataset.from_tensor_slices(real).batch(4).repeat(), {"steps": 3}),
            (Sequence(), {}),
            (kerasgan.data.from_array(real, batch_size=5, shuffle=False), {}),
        ):
            seen, fake = self.compared(gan, data, **arguments)
            self.assertAllClose(seen, real)
            self.assertLen(fake, 12)

    def test_labels_are_those_of_the_real_ones_again_and_again(self):
        gan = label_gan()
        points = np.zeros((5, 2), "float32")
        labels = np.array([0, 1, 2, 2, 1], "int32")
        _, fake = self.compared(gan, points, labels, batch_size=2, num_generated=12)
        again = np.tile(labels, 3)[:12]
        self.assertAllClose(fake, gan.generate(12, seed=0, labels=again))
        _, fake = self.compared(gan, points, labels, batch_size=2, num_generated=3)
        self.assertAllClose(fake, gan.generate(3, seed=0, labels=labels[:3]))

    def test_what_a_generator_makes_beyond_the_range_is_cut_as_in_a_file(self):
        gan = image_gan()
        gan.generator.layers[-1].activation = None
        kernel = next(w for w in reversed(gan.generator.trainable_weights) if len(w.shape) == 2)
        kernel.assign(100.0 * keras.ops.convert_to_numpy(kernel))
        _, fake = self.compared(gan, images(8))
        self.assertEqual((fake.min(), fake.max()), (-1.0, 1.0))

    def test_translators_compare_pairs(self):
        gan = kerasgan.Pix2Pix((16, 16, 3), 1, base_width=4, receptive_field=16, seed=0)
        rng = np.random.default_rng(0)
        source = rng.uniform(-1, 1, (3, 16, 16, 1)).astype("float32")
        target = rng.uniform(-1, 1, (3, 16, 16, 3)).astype("float32")
        seen, fake = self.compared(gan, source, target, batch_size=2)
        self.assertAllEqual(seen, target)
        self.assertEqual(fake.shape, (3, 16, 16, 3))
        _, again = self.compared(gan, source, target, batch_size=2)
        self.assertAllEqual(fake, again)
        with self.assertRaisesRegex(ValueError, "translates each image of the data once"):
            gan.evaluate(source, target, num_generated=5, verbose=0)


class RefusalTest(tf.test.TestCase):
    """What is known to go wrong is said before the work."""

    def test_data_that_can_be_read_once(self):
        gan = image_gan()
        gan.compile(metrics=["swd"])
        once = (batch for batch in [images(8)])
        with self.assertRaisesRegex(ValueError, "the data is an iterator"):
            gan.evaluate(once, verbose=0)
        self.assertLen(list(once), 1)
        with self.assertRaisesRegex(ValueError, "the data is an iterator"):
            gan.fit(images(8), validation_data=(images(8) for _ in range(1)), verbose=0)
        self.assertEqual(gan.iterations, 0)

    def test_features_that_cannot_be_had(self):
        gan = image_gan()
        gan.compile(metrics=[metrics.FrechetDistance("none.keras")])
        with self.assertRaisesRegex(ValueError, "features='none.keras' does not exist"):
            gan.fit(images(8), validation_data=(images(8),), verbose=0)
        self.assertEqual(gan.iterations, 0)

    def test_vectors_need_no_features(self):
        gan = kerasgan.VanillaGAN((2,), latent_dim=2)
        gan.compile(metrics=[metrics.FrechetDistance("none.keras")])
        points = np.random.default_rng(0).normal(size=(20, 2)).astype("float32")
        self.assertIn("fid", gan.evaluate(points, verbose=0, return_dict=True))

    def test_two_metrics_of_one_name_and_pairs(self):
        gan = image_gan()
        for two in (
            ["fid", metrics.FrechetDistance("digits")],
            [metrics.PrecisionRecall("digits"), metrics.PrecisionRecall("pixels")],
        ):
            with self.assertRaisesRegex(ValueError, "metrics holds two that are called"):
                gan.compile(metrics=two)
        gan.compile(metrics=[metrics.PrecisionRecall("digits", name="a"), "recall"])
        for paired in ("psnr", "pixel_distance"):
            with self.assertRaisesRegex(ValueError, "compares images in pairs"):
                gan.compile(metrics=[paired])


class FitTest(tf.test.TestCase):
    def test_names_are_metrics_and_callbacks_watch_them(self):
        gan = image_gan()
        gan.compile(metrics=[metrics.FrechetDistance("digits"), "swd"])
        folder = self.create_tempdir().full_path
        stop = keras.callbacks.EarlyStopping(monitor="val_fid", patience=0)
        best = keras.callbacks.ModelCheckpoint(
            f"{folder}/best.keras", monitor="val_fid", save_best_only=True
        )
        real = images(128)
        history = gan.fit(
            real[:64],
            validation_data=(real[64:],),
            batch_size=64,
            epochs=30,
            callbacks=[stop, best],
            verbose=0,
        ).history
        values = history["val_fid"]
        self.assertIn("val_swd_8", history)
        self.assertLess(len(values), 30)
        self.assertGreaterEqual(values[-1], min(values))

        restored = keras.saving.load_model(f"{folder}/best.keras")
        again = restored.evaluate(real[64:], batch_size=64, verbose=0, return_dict=True)
        self.assertAllClose(again["fid"], min(values), rtol=1e-3)
        # By hand: the numbers are of these images.
        by_hand = metrics.FrechetDistance("digits")
        by_hand.update_state(real[64:], restored.generate(64, seed=0))
        self.assertAllClose(again["fid"], by_hand.result(), rtol=1e-6)

    @needs_backend("tensorflow", reason="names are the same everywhere")
    def test_callbacks_know_which_way_is_better(self):
        gan = image_gan()
        error = keras.metrics.MeanSquaredError(name="error")
        named = metrics.PrecisionRecall("digits", name="mine")
        wasserstein = metrics.SlicedWasserstein(directions=8)
        gan.compile(metrics=[metrics.FrechetDistance("digits"), wasserstein, named, error])
        path = f"{self.create_tempdir().full_path}/best.keras"
        callbacks = {
            keras.callbacks.EarlyStopping(monitor="val_fid"): True,
            keras.callbacks.ModelCheckpoint(path, monitor="val_fid", save_best_only=True): True,
            keras.callbacks.ReduceLROnPlateau(monitor="val_swd"): True,
            keras.callbacks.EarlyStopping(monitor="val_mine_recall"): False,
            keras.callbacks.EarlyStopping(monitor="val_error"): True,
            keras.callbacks.EarlyStopping(monitor="val_fid", mode="max"): False,
        }
        real = images(96)
        gan.fit(
            real,
            batch_size=96,
            validation_data=(real,),
            callbacks=list(callbacks),
            verbose=0,
        )
        for callback, lower_is_better in callbacks.items():
            self.assertEqual(bool(callback.monitor_op(1.0, 2.0)), lower_is_better)

    def test_training_is_not_disturbed(self):
        weights = []
        for measures in ([], ["swd"]):
            keras.utils.set_random_seed(0)
            gan = image_gan()
            gan.compile(metrics=measures)
            gan.fit(images(32), validation_data=(images(8),), epochs=2, verbose=0)
            weights.append(gan.get_weights())
        for ours, theirs in zip(*weights, strict=True):
            self.assertAllEqual(ours, theirs)

    def test_a_metric_that_cannot_take_the_images_says_so(self):
        gan = image_gan()
        gan.compile(metrics=[metrics.MultiScaleSSIM()])
        with self.assertRaisesRegex(ValueError, "at least 11 pixels"):
            gan.evaluate(images(8), verbose=0)

    @needs_backend("tensorflow", reason="a strategy of TensorFlow")
    def test_under_a_strategy_metrics_with_variables_are_fed_once(self):
        cpu = tf.config.list_logical_devices("CPU")[0].name
        with tf.distribute.MirroredStrategy([cpu]).scope():
            gan = image_gan()
            gan.compile(metrics=[keras.metrics.MeanSquaredError(name="error")])
        real = images(24)
        results = gan.evaluate(real, batch_size=8, verbose=0, return_dict=True)
        fake = gan.generate(24, seed=0)
        self.assertAllClose(results["error"], np.mean((real - fake) ** 2), rtol=1e-5)


def flat_network():
    return keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])


class SavingTest(tf.test.TestCase):
    """Feature networks are no part of what is trained."""

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        digits_classifier().save(self.folder / "network.keras")

    def compiled(self, *measures):
        gan = image_gan()
        gan.compile(metrics=list(measures))
        return gan

    def test_a_network_with_a_name_or_a_path_is_not_saved(self):
        sizes = []
        path = self.folder / "gan.weights.h5"
        for features in (None, "digits", self.folder / "network.keras", digits_classifier()):
            gan = self.compiled(*[metrics.FrechetDistance(features)] if features else [])
            for metric in gan.generative_metrics:
                metric.update_state(images(2), images(2))
            gan.save_weights(path)
            sizes.append(path.stat().st_size)
        self.assertLess(max(sizes[1:3]), sizes[0] + 4096)  # the name of a metric
        self.assertGreater(sizes[3], sizes[0] + 4 * digits_classifier().count_params())

    def test_a_network_that_several_metrics_share_comes_back(self):
        network = digits_classifier(weights=None)
        gan = self.compiled(
            metrics.FrechetDistance(network), metrics.KernelDistance(Extractor(network, "mine"))
        )
        gan.save(self.folder / "gan.keras")
        restored = keras.saving.load_model(self.folder / "gan.keras")
        real = images(70)
        expected = gan.evaluate(real, verbose=0, return_dict=True)
        self.assertAllClose(restored.evaluate(real, verbose=0, return_dict=True), expected)

    def test_weights_are_loaded_whatever_the_metrics(self):
        network = digits_classifier()
        kinds = (
            lambda: (),
            lambda: (metrics.FrechetDistance("digits"),),
            lambda: (metrics.FrechetDistance(network),),
            lambda: (metrics.FrechetDistance(flat_network()), metrics.KernelDistance("digits")),
        )
        before = network.get_weights()
        for index, saved in enumerate(kinds):
            source = self.compiled(*saved())
            source.save_weights(self.folder / f"{index}.weights.h5")
            for loaded in kinds:
                gan = image_gan(seed=1)
                gan.compile(metrics=list(loaded()))
                gan.load_weights(self.folder / f"{index}.weights.h5")
                for ours, theirs in zip(gan.get_weights(), source.get_weights(), strict=True):
                    self.assertAllEqual(ours, theirs)
        for ours, theirs in zip(network.get_weights(), before, strict=True):
            self.assertAllEqual(ours, theirs)

    def test_a_configuration_alone_has_no_weights(self):
        metric = metrics.FrechetDistance(digits_classifier())
        again = metrics.FrechetDistance.from_config(metric.get_config())
        for use in (again.prepare, lambda: again.update_state(images(4), images(4))):
            with self.assertRaisesRegex(ValueError, "fid: the weights of the network .* are lost"):
                use()
        again.reset_state()
        vectors = np.random.default_rng(0).normal(size=(5, 2))
        again.update_state(vectors, vectors)  # of which no network is asked


class NamesTest(tf.test.TestCase):
    def test_names_of_one_class_become_one_metric(self):
        made = measuring.get(["recall", "fid", "precision", "fid_infinity"], features="pixels")
        self.assertEqual(
            [type(metric) for metric in made], [metrics.PrecisionRecall, metrics.FrechetDistance]
        )
        self.assertTrue(made[1].infinity)
        self.assertEqual(made[0].features, "pixels")
        self.assertFalse(measuring.get(["fid"])[0].infinity)
        psnr = metrics.PSNR()
        self.assertEqual(measuring.get([psnr, "ssim"], features="pixels")[0], psnr)

    @needs_backend("tensorflow", reason="names are the same everywhere")
    def test_every_name_is_a_result_of_its_metric(self):
        noise = np.random.default_rng(0).uniform(-1, 1, (60, 24, 24, 1)).astype("float32")
        for name in sorted({*measuring.names()} - OF_OTHER_NETWORKS):
            classes = name == "inception_score"
            features = "digits" if classes else "pixels"
            (metric,) = measuring.get([name], features=features, steps=1)
            labels = np.arange(60) % 3
            measuring.feed([metric], [(noise, noise[::-1].copy(), labels, labels)])
            self.assertIn(name, measuring.results(metric))

    def test_which_way_is_better(self):
        depends_on_the_data = {"ms_ssim"}
        for name in sorted({*measuring.names()} - OF_OTHER_NETWORKS):
            expected = "max" if name in HIGHER_IS_BETTER else "min"
            expected = "auto" if name in depends_on_the_data else expected
            self.assertEqual(measuring.mode(measuring.get([name]), name), expected, name)
        found = measuring.get(["c2st", metrics.FrechetDistance("pixels", name="a")])
        self.assertEqual(measuring.mode(found, "c2st_p_value"), "max")
        self.assertEqual(measuring.mode(found, "a_infinity"), "min")
        self.assertEqual(measuring.mode(found, "fid"), "auto")

    def test_unknown_ones(self):
        for wrong in ("fidd", 3, "accuracy"):
            with self.assertRaisesRegex(
                ValueError, f"metrics holds {wrong!r}; .* c2st, cas, coverage"
            ):
                image_gan().compile(metrics=[wrong])

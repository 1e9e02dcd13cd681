"""Feature networks: how one is chosen, what it is given, and what is refused."""

import pathlib
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend
from metric_helpers import images

import kerasgan
from kerasgan import metrics
from kerasgan.metrics import features
from kerasgan.metrics.batches import checked
from kerasgan.metrics.features import Extractor, application, extractor
from kerasgan.training.optimizers import all_layers


def flatten(shape=(8, 8, 1)):
    return keras.Sequential([keras.Input(shape), keras.layers.Flatten()], name="flatten")


class ExtractorTest(tf.test.TestCase):
    def test_the_last_batch_is_of_any_size(self):
        network = Extractor(flatten(), "flatten", batch_size=4)
        real = images(10)
        eight_bit = np.round((real + 1.0) * 127.5).astype("uint8")
        expected = eight_bit.reshape(10, 64).astype("float32") / 127.5 - 1.0
        self.assertAllClose(network(real), expected)
        self.assertAllClose(network(real[:3].copy()), expected[:3])

    def test_metrics_share_the_work(self):
        network = flatten()
        shared = extractor(network)
        self.assertIs(extractor(network), shared)
        self.assertIs(extractor("digits"), extractor("digits"))
        several = [metrics.FrechetDistance(network), metrics.PrecisionRecall(network)]
        with mock.patch.object(shared, "_outputs", wraps=shared._outputs) as outputs:
            for _ in range(2):
                real, fake = images(4), images(4, seed=1)
                for metric in several:
                    metric.update_state(real, fake)
            self.assertEqual(outputs.call_count, 2)  # both rounds show the same images
            real *= -1.0  # the same array with other images
            several[0].update_state(real, fake)
            self.assertEqual(outputs.call_count, 3)

    def test_gray_images_become_three_channels(self):
        network = Extractor(flatten((8, 8, 3)), "three")
        found = network(images(2)).reshape(2, 8, 8, 3)
        self.assertAllEqual(found[..., 0], found[..., 2])

    def test_colours_become_luminance(self):
        red = np.full((1, 8, 8, 3), -1.0, "float32")
        red[..., 0] = 1.0
        found = Extractor(flatten(), "one")(red)
        self.assertAllClose(found, np.full((1, 64), 0.299 - 0.701), atol=1e-6)
        two = Extractor(flatten((8, 8, 2)), "two")
        with self.assertRaisesRegex(ValueError, "takes images with 2 channels, these have 3"):
            two(red)

    def test_a_subclassed_network(self):
        class Mean(keras.Model):
            def call(self, images):
                return keras.ops.mean(images, axis=(1, 2))

        real = np.full((3, 8, 8, 2), 1.0, "float32")
        self.assertAllClose(extractor(Mean())(real), np.ones((3, 2)))

    def test_an_output_that_is_not_there(self):
        outputs = {"features": keras.layers.Flatten()(x := keras.Input((8, 8, 1)))}
        network = Extractor(keras.Model(x, outputs), "mine")
        with self.assertRaisesRegex(ValueError, "mine makes features and no logits"):
            network(images(2), "logits")

    def test_vectors_are_kept_though_their_array_is_filled_anew(self):
        metric, array = metrics.KernelDistance(), np.zeros((5, 2), "float32")
        for value in (0.0, 1.0):
            array[:] = value
            metric.update_state(array, array)
        self.assertAllEqual(metric.kept(2)[0][:, 0], [0.0] * 5 + [1.0] * 5)

    def test_networks_that_do_not_fit(self):
        with self.assertRaisesRegex(ValueError, "takes images of 8x8 pixels, these have 16x16"):
            Extractor(flatten(), "eight")(images(2, 16))
        broken = keras.Sequential(
            [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(2)]
        )
        broken.layers[-1].bias.assign([np.nan, 0.0])
        with self.assertRaisesRegex(ValueError, "makes features that are NaN or infinite"):
            Extractor(broken, "broken")(images(2))

    def test_names_and_paths(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        flatten().save(folder / "flatten.keras")
        found = extractor(folder / "flatten.keras")
        self.assertEqual(found.name, "flatten.keras")
        self.assertEqual(found(images(2)).shape, (2, 64))
        self.assertEqual(extractor("pixels")(images(2)).shape, (2, 64))
        for wrong in ("digitz", folder / "none.keras", 3):
            with self.assertRaisesRegex(ValueError, "use 'inception', 'inception-clean', 'inc"):
                extractor(wrong)
        whole = (folder / "flatten.keras").read_bytes()
        (folder / "half.keras").write_bytes(whole[: len(whole) // 2])
        with self.assertRaisesRegex(ValueError, "half.keras' is damaged, or not a .keras file"):
            extractor(folder / "half.keras")
        gan = kerasgan.VanillaGAN((2,), latent_dim=2)
        gan.save(folder / "gan.keras")
        with self.assertRaisesRegex(ValueError, "holds a VanillaGAN"):
            extractor(folder / "gan.keras")

    def test_without_a_download_no_other_network_takes_the_place_of_inception(self):
        features._named.cache_clear()
        self.addCleanup(features._named.cache_clear)
        failed = OSError("Inception's weights could not be downloaded.")
        what_to_do = "could not be downloaded.*--features digits.*FrechetDistance"
        gan = kerasgan.VanillaGAN((8, 8, 1), 2, hidden_units=())
        gan.compile(metrics=["fid"], jit_compile=False)
        x = np.linspace(-1.0, 1.0, 256, dtype="float32").reshape(4, 8, 8, 1)
        with mock.patch.object(features, "inception_fid", side_effect=failed):
            with self.assertRaisesRegex(OSError, what_to_do):
                extractor("inception")
            with self.assertRaisesRegex(OSError, what_to_do):
                gan.fit(x, validation_data=x, verbose=0)
        self.assertEqual(gan.iterations, 0)
        with mock.patch.object(features, "inception_fid", return_value=flatten()) as inception:
            names = ["inception", "inception-clean", "inception-pytorch"]
            self.assertEqual([extractor(name).name for name in names], names)
        resized = [call.kwargs["resize"] for call in inception.call_args_list]
        self.assertEqual(resized, ["legacy", "clean", "pytorch"])

    def test_vectors_are_their_own_features(self):
        metric = metrics.FrechetDistance("inception")  # is not looked for
        metric.update_state(np.zeros((3, 2)), np.ones((3, 2)))
        self.assertAllClose(metric.result(), 2.0)


class DigitsTest(tf.test.TestCase):
    def test_it_knows_digits_of_any_size(self):
        network = features.digits_classifier()
        for size in (8, 16, 32):
            right = []
            for real, labels in kerasgan.data.load(
                "digits", "test", size, labels=True, shuffle=False, batch_size=360
            ):
                logits = network.predict_on_batch(np.asarray(real))["logits"]
                right.append(np.argmax(logits, axis=1) == np.asarray(labels))
            self.assertGreater(np.mean(right), 0.97)

    def test_other_weights(self):
        made = features.digits_classifier(weights=None)
        self.assertNotAllClose(made.get_weights()[0], features.digits_classifier().get_weights()[0])


class ApplicationTest(tf.test.TestCase):
    def test_images_arrive_as_the_weights_want_them(self):
        network = application("ResNet50", weights=None)
        inputs = next(
            layer for layer in network.layers if isinstance(layer, features.ApplicationInput)
        )
        red = np.array([1.0, -1.0, -1.0], "float32").reshape(1, 1, 1, 3)
        found = keras.ops.convert_to_numpy(inputs(red))
        expected = keras.applications.resnet50.preprocess_input(
            255.0 * np.array([[[[1.0, 0.0, 0.0]]]])
        )
        self.assertAllClose(found, expected)
        self.assertEqual(network.output_shape, (None, 2048))
        for name in dir(keras.applications):
            if name[0].isupper():
                self.assertTrue(callable(features.ApplicationInput(name).preprocess_input), name)
        with self.assertRaisesRegex(ValueError, "'ResNet51' is not in keras.applications"):
            application("ResNet51")

    def test_features_are_those_of_a_layer(self):
        def vgg(weights, input_shape=(224, 224, 3), include_top=True):
            """A smaller one: of 138 million weights nothing would be seen more clearly."""
            x = images = keras.Input(input_shape)
            x = keras.layers.Conv2D(5, 56, strides=56, activation="relu", name="conv")(x)
            if include_top:
                x = keras.layers.Dense(7, "relu", name="fc2")(keras.layers.Flatten()(x))
                x = keras.layers.Dense(3, "softmax", name="predictions")(x)
            return keras.Model(images, x)

        real = np.random.default_rng(0).uniform(-1.0, 1.0, (2, 224, 224, 3)).astype("float32")
        preprocessed = keras.applications.vgg16.preprocess_input((real + 1.0) * 127.5)
        keras.utils.set_random_seed(0)
        whole = vgg(None, (224, 224, 3))
        for layer, read in ((None, "conv"), ("conv", "conv"), ("fc2", "fc2"), ("predictions",) * 2):
            keras.utils.set_random_seed(0)
            with mock.patch.object(keras.applications, "VGG16", vgg):
                network = application("VGG16", weights=None, layer=layer)
            expected = keras.Model(whole.input, whole.get_layer(read).output)(preprocessed)
            if read == "conv":
                expected = keras.ops.mean(expected, axis=(1, 2))
            expected = keras.ops.convert_to_numpy(expected)
            self.assertGreater(expected.std(), 0.1)
            self.assertAllClose(network.predict(real, verbose=0), expected)
        with self.assertRaisesRegex(ValueError, "No such layer: fc3"):
            application("MobileNet", weights=None, layer="fc3")


class SettingsTest(tf.test.TestCase):
    """Whoever trains in another precision, or with channels first, measures the same."""

    def setUp(self):
        super().setUp()
        self.addCleanup(keras.config.set_dtype_policy, keras.config.dtype_policy())
        self.addCleanup(keras.config.set_image_data_format, keras.config.image_data_format())
        self.usual = features.digits_classifier()
        keras.config.set_dtype_policy("mixed_bfloat16")
        keras.config.set_image_data_format("channels_first")

    def test_digits(self):
        real = images(5)
        expected = Extractor(self.usual, "usual")(real)
        self.assertAllClose(Extractor(features.digits_classifier(), "here")(real), expected)

    @needs_backend("tensorflow", reason="settings are the same everywhere")
    def test_applications(self):
        made = [application("MobileNet", weights=None), features.inception_fid(None)]
        for layer in all_layers(made):
            self.assertEqual(layer.compute_dtype, "float32", layer.path)
            self.assertEqual(getattr(layer, "data_format", "channels_last"), "channels_last")
        self.assertEqual(keras.config.image_data_format(), "channels_first")
        self.assertEqual(keras.layers.Dense(1).compute_dtype, "bfloat16")


class CheckedTest(tf.test.TestCase):
    def test_bad_images(self):
        noise = images(3)
        for wrong, message in (
            (np.zeros((3, 8, 8, 1), "uint8"), "are uint8; use float images"),
            (noise[..., 0], r"have shape \(3, 8, 8\)"),
            (np.where(noise > 0.9, np.nan, noise), "hold NaN or infinite"),
            (127.5 * (noise + 1.0), r"go from .* to .*; use images in \[-1, 1\]"),
        ):
            for metric in (metrics.FrechetDistance("digits"), metrics.MultiScaleSSIM()):
                with self.assertRaisesRegex(ValueError, f"the generated images {message}"):
                    metric.update_state(noise, wrong)
                with self.assertRaisesRegex(ValueError, f"the real images {message}"):
                    metric.update_state(wrong, noise)
        metric = metrics.KernelDistance("digits")
        with self.assertRaisesRegex(
            ValueError, "images have 3 channels, but other images here have 1"
        ):
            metric.update_state(noise, images(3, channels=3))

    def test_images_of_different_sizes(self):
        of_any_size = metrics.KernelDistance("digits")
        of_any_size.update_state(images(3), images(3, 16))
        for metric in (metrics.KernelDistance("pixels"), metrics.FrechetDistance("pixels")):
            with self.assertRaisesRegex(
                ValueError,
                "examples of 16x16x1 numbers have 256 features, but other examples have 64; comp",
            ):
                metric.update_state(images(3), images(3, 16))
            metric.reset_state()
            metric.update_state(images(3, 16), images(3, 16))

    def test_good_ones_are_not_copied(self):
        noise = images(3)
        self.assertIs(checked(noise, "they"), noise)
        self.assertEqual(checked(keras.ops.convert_to_tensor(noise), "they").dtype, np.float32)
        self.assertEqual(checked(noise.astype("float16"), "they").dtype, np.float32)

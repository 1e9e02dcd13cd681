import functools
import hashlib
import os
import pathlib
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch_fidelity_oracle
from absl.testing import parameterized
from backends import needs_backend
from keras import layers, ops
from PIL import Image
from torch_fidelity_oracle import needs_torch_fidelity

from kerasgan.metrics import inception
from kerasgan.metrics.inception import Resize, inception_fid

CACHE = pathlib.Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"
PUBLISHED = pathlib.Path(
    os.environ.get("INCEPTION_WEIGHTS", CACHE / pathlib.PurePosixPath(inception.URL).name)
)

# To make the network takes longer than to use it.
random_network = functools.cache(functools.partial(inception_fid, None))


def pictures(*shape, seed=0):
    """uint8 images with something large and something small in them, and their like in [-1, 1]."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (shape[0], 4, 4, 3)).astype("uint8")
    coarse = [Image.fromarray(image).resize(shape[2:0:-1], Image.NEAREST) for image in coarse]
    images = 0.7 * np.stack(coarse) + 0.3 * random.integers(0, 256, (*shape, 3))
    images = images.astype("uint8")
    return images, (images / 127.5 - 1.0).astype("float32")


def outputs(network, images):
    return {name: ops.convert_to_numpy(value) for name, value in network(images).items()}


def stem(network):
    """Images to the outputs of the first layers, which take less time than all."""
    model = keras.Model(network.input, network.get_layer("Conv2d_2a_3x3").output)
    return lambda images: ops.convert_to_numpy(model(images))


def their_tensors(network):
    """Random tensors with the names and shapes of pytorch-fid's network."""
    random = np.random.default_rng(0)
    tensors = {
        "fc.weight": random.normal(0.0, 0.02, (1008, 2048)).astype("float32"),
        "fc.bias": random.normal(size=1008).astype("float32"),
    }
    for layer in network.layers:
        if isinstance(layer, layers.Conv2D):
            name = layer.name.replace("_branch", ".branch")
            shape = tuple(layer.kernel.shape[axis] for axis in (3, 2, 0, 1))
            tensors[f"{name}.conv.weight"] = random.uniform(-0.1, 0.1, shape).astype("float32")
            for part, low, high in (
                ("weight", 0.5, 1.5),
                ("bias", -0.5, 0.5),
                ("running_mean", -0.5, 0.5),
                ("running_var", 0.5, 2.0),
            ):
                tensors[f"{name}.bn.{part}"] = random.uniform(low, high, shape[0]).astype("float32")
            tensors[f"{name}.bn.num_batches_tracked"] = np.array(7)
    return tensors


class ResizeTest(tf.test.TestCase, parameterized.TestCase):
    sizes = parameterized.parameters((32, 32), (17, 40), (299, 299), (400, 298), (800, 601), (1, 5))

    @sizes
    def test_legacy_equals_tensorflow_1(self, height, width):
        images = pictures(2, height, width)[0].astype("float32")
        expected = tf.compat.v1.image.resize_bilinear(images, (299, 299)).numpy()
        self.assertAllClose(ops.convert_to_numpy(Resize("legacy")(images)), expected, atol=1e-3)

    @sizes
    def test_clean_equals_pillow(self, height, width):
        images = pictures(2, height, width)[0].astype("float32")
        found = ops.convert_to_numpy(Resize("clean")(images))
        self.assertAllClose(found, clean(images), atol=1e-3)

    def test_legacy_by_hand(self):
        # 299 from 2: the second pixel is reached in the middle, and goes on to the end.
        ramp = np.broadcast_to(np.array([0.0, 100.0], "float32")[:, None], (1, 2, 2))[..., None]
        found = ops.convert_to_numpy(Resize("legacy")(np.swapaxes(ramp, 1, 2)))[0, 0, :, 0]
        self.assertAllClose(found[[0, 1, 149, 150, 298]], [0, 200 / 299, 29800 / 299, 100, 100])

    def test_what_overshoots_is_clipped(self):
        edge = np.zeros((1, 8, 8, 3), "float32")
        edge[:, :, 4:] = 255.0
        found = ops.convert_to_numpy(Resize("clean")(edge))
        self.assertEqual((found.min(), found.max()), (0.0, 255.0))
        self.assertNotAllClose(found[0, 0, 100:200], clean(edge, clip=False)[0, 0, 100:200])

    def test_pytorch_by_hand(self):
        """Between two pixels, and beyond their centres as they are; PyTorch's has no other way."""
        pair = np.array([0.0, 100.0], "float32").reshape(1, 1, 2, 1)
        found = ops.convert_to_numpy(Resize("pytorch")(np.repeat(pair, 3, axis=-1)))[0, 0, :, 0]
        expected = np.clip((np.arange(299) + 0.5) * 2.0 / 299.0 - 0.5, 0.0, 1.0)
        self.assertAllClose(found, 100.0 * expected, atol=1e-3)
        same = np.random.default_rng(0).uniform(0, 255, (1, 299, 299, 3)).astype("float32")
        self.assertAllClose(ops.convert_to_numpy(Resize("pytorch")(same)), same, atol=1e-3)

    def test_equals_pytorchs_interpolate(self):
        torch = pytest.importorskip("torch")
        images = np.random.default_rng(0).uniform(0, 255, (2, 7, 400, 3)).astype("float32")
        channels_first = torch.tensor(np.moveaxis(images, -1, 1))
        expected = torch.nn.functional.interpolate(
            channels_first, size=(299, 299), mode="bilinear", align_corners=False
        )
        found = ops.convert_to_numpy(Resize("pytorch")(images))
        self.assertAllClose(found, np.moveaxis(expected.numpy(), 1, -1), atol=1e-3)

    @parameterized.parameters("legacy", "clean", "pytorch")
    def test_one_compiled_graph_for_all_sizes(self, interpolation):
        images = keras.Input((None, None, 3))
        model = keras.Model(images, Resize(interpolation)(images))
        for height, width in ((8, 9), (20, 10), (310, 33)):
            batch = pictures(2, height, width)[0].astype("float32")
            expected = ops.convert_to_numpy(Resize(interpolation)(batch))
            self.assertAllClose(model.predict(batch), expected, atol=1e-3)


def clean(images, clip=True):
    """Pillow's antialiased bicubic interpolation of float images."""
    resized = [
        [Image.fromarray(c).resize((299, 299), Image.BICUBIC) for c in np.moveaxis(image, -1, 0)]
        for image in images
    ]
    resized = np.moveaxis(np.array([[np.asarray(c) for c in image] for image in resized]), 1, -1)
    return np.clip(resized, 0, 255) if clip else resized


class NetworkTest(tf.test.TestCase, parameterized.TestCase):
    def test_parameters_are_those_of_inception_v3(self):
        # Keras' InceptionV3 has 23,851,784, which are three of batch normalization for each of
        # 17,216 channels and a classifier of 1000 classes with bias; here a channel has one.
        expected = 23_851_784 - 2 * 17_216 - 2049 * 1000 + 2048 * 1008
        self.assertEqual(random_network().count_params(), expected)
        self.assertEmpty(random_network().trainable_variables)

    def test_sizes_are_those_of_the_paper(self):
        network = random_network()
        for name, size, channels in (
            ("resize", 299, 3),
            ("Conv2d_1a_3x3", 149, 32),
            ("Conv2d_2a_3x3", 147, 32),
            ("Conv2d_2b_3x3", 147, 64),
            ("Conv2d_3b_1x1", 73, 80),
            ("Conv2d_4a_3x3", 71, 192),
            ("Mixed_5b_branch1x1", 35, 64),
            ("Mixed_6a_branch3x3", 17, 384),
            ("Mixed_6e_branch7x7dbl_5", 17, 192),
            ("Mixed_7a_branch7x7x3_4", 8, 192),
            ("Mixed_7c_branch3x3dbl_3b", 8, 384),
        ):
            self.assertEqual(network.get_layer(name).output.shape, (None, size, size, channels))
        joined = [n.output.shape for n in network.layers if isinstance(n, layers.Concatenate)]
        sizes = [(35, 256), (35, 288), (35, 288), *[(17, 768)] * 5, (8, 1280), *[(8, 2048)] * 2]
        self.assertEqual(joined, [(None, size, size, channels) for size, channels in sizes])

    def test_pooling_is_that_of_the_published_graph(self):
        network = random_network()
        x = np.arange(1.0, 17.0, dtype="float32").reshape(1, 4, 4, 1)
        corners = []
        for block in ("5b", "5c", "5d", "6b", "6c", "6d", "6e", "7b", "7c"):
            pooling = network.get_layer(f"Mixed_{block}_branch_pool").input._keras_history.operation
            pooled = ops.convert_to_numpy(pooling(x))
            self.assertEqual(pooled.shape, x.shape)
            corners.append(float(pooled[0, 0, 0, 0]))
        # Of 1, 2, 5 and 6; with the padding the mean would be 14 / 9.
        self.assertAllClose(corners, [3.5] * 8 + [6.0])

    def test_any_size(self):
        network = random_network()
        kernel = ops.convert_to_numpy(network.get_layer("fc").kernel)
        found = [outputs(network, pictures(1, *size)[1]) for size in ((32, 32), (340, 20))]
        for values in found:
            self.assertEqual(values["features"].shape, (1, 2048))
            self.assertAllClose(values["logits"], values["features"] @ kernel, atol=1e-4)
        self.assertNotAllClose(found[0]["features"], found[1]["features"], rtol=0.01, atol=1e-6)

    def test_pytorch_scales_otherwise_than_the_graph(self):
        """u / 127.5 - 1, as pytorch-fid, beside (u - 128) / 128 of a pixel u."""
        image = np.linspace(-1.0, 1.0, 299 * 299 * 3, dtype="float32").reshape(1, 299, 299, 3)
        u = (image.astype("float64") + 1.0) * 127.5
        for resize, expected in ((["pytorch"], u / 127.5 - 1.0), ([], (u - 128.0) / 128.0)):
            network = random_network(*resize)
            scaled = keras.Model(network.input, network.get_layer("normalize").output)
            found = ops.convert_to_numpy(scaled(image))
            self.assertAllClose(found, expected, atol=2e-6)

    def test_clean_is_legacy_of_what_pillow_has_resized(self):
        images, scaled = pictures(2, 60, 350)
        network = random_network("clean")
        network.set_weights(random_network().get_weights())
        resized = clean(images.astype("float32")) / 127.5 - 1.0
        expected = stem(random_network())(resized.astype("float32"))
        self.assertAllClose(stem(network)(scaled), expected, rtol=1e-3, atol=1e-4)
        self.assertNotAllClose(stem(random_network())(scaled), expected, rtol=0.01, atol=1e-2)

    @needs_backend("tensorflow", reason="files are the same everywhere")
    def test_a_saved_network_says_the_same(self):
        path = pathlib.Path(self.create_tempdir().full_path) / "network.keras"
        network = random_network("clean")
        network.save(path)
        loaded = keras.saving.load_model(path)
        images = pictures(2, 40, 30)[1]
        self.assertAllClose(stem(loaded)(images), stem(network)(images))
        for found, saved in zip(loaded.get_weights(), network.get_weights(), strict=True):
            self.assertTrue(np.array_equal(found, saved))
        self.assertEmpty(loaded.trainable_variables)

    def test_numbers_are_float32_whatever_the_policy(self):
        self.addCleanup(keras.config.set_dtype_policy, keras.config.dtype_policy())
        keras.config.set_dtype_policy("mixed_bfloat16")
        network = inception_fid(None)
        self.assertEqual({layer.compute_dtype for layer in network.layers}, {"float32"})

    def test_other_ways_to_resize_are_refused(self):
        with self.assertRaisesRegex(ValueError, "resize='bicubic'; use one of 'legacy', 'cl"):
            inception_fid(None, resize="bicubic")


def first_layer(network, tensors):
    """What the first layer makes of one place of an image, and the same by hand."""
    images, scaled = pictures(1, 299, 299)
    first = keras.Model(network.input, network.get_layer("Conv2d_1a_3x3").output)
    found = ops.convert_to_numpy(first(scaled))[0, 10, 20]
    # Strides of 2, no padding: rows 20 to 22 and columns 40 to 42.
    patch = (images[0, 20:23, 40:43].astype("float64") - 128.0) / 128.0
    kernel, *normalization = (
        tensors[f"Conv2d_1a_3x3.{name}"].astype("float64")
        for name in ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")
    )
    scale, shift, mean, variance = normalization
    sums = np.einsum("ochw,hwc->o", kernel, patch)
    return found, np.maximum((sums - mean) / np.sqrt(variance + 0.001) * scale + shift, 0.0)


class WeightsTest(tf.test.TestCase, parameterized.TestCase):
    def load(self, tensors):
        with (
            mock.patch.object(inception, "read_tensors", return_value=tensors) as reader,
            mock.patch.object(inception, "_network", return_value=random_network()),
        ):
            network = inception_fid("weights.pth")
        reader.assert_called_once_with("weights.pth")
        return network

    def test_the_first_layer_by_hand(self):
        tensors = their_tensors(random_network())
        network = self.load(tensors)
        found, expected = first_layer(network, tensors)
        self.assertGreater(np.count_nonzero(expected), 5)
        self.assertAllClose(found, expected, rtol=1e-4, atol=1e-5)
        self.assertAllClose(network.get_layer("fc").get_weights()[0], tensors["fc.weight"].T)

    def test_weights_of_another_network_are_named(self):
        tensors = their_tensors(random_network())
        del tensors["Mixed_5b.branch1x1.conv.weight"]
        tensors["AuxLogits.conv0.conv.weight"] = tensors["fc.bias"]
        tensors["fc.weight"] = tensors["fc.weight"][:1000]
        with self.assertRaisesRegex(
            ValueError,
            r"weights.pth has weights of another network \(1 missing: "
            r"Mixed_5b.branch1x1.conv.weight; 1 unexpected: AuxLogits.conv0.conv.weight; 1 of "
            r"another shape: fc.weight \(1000, 2048\) instead of \(1008, 2048\)\); use .* http",
        ):
            self.load(tensors)
        with self.assertRaisesRegex(ValueError, r"472 missing: fc.weight, fc.bias, \S+, \.\.\.\)"):
            self.load({})

    def test_a_download_is_kept_and_checked(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        damaged = folder / "pt_inception-2015-12-05-6726825d.pth"
        damaged.write_bytes(b"half of it")
        digits = hashlib.sha256(b"half of it").hexdigest()[:8]
        with mock.patch.object(keras.utils, "get_file", return_value=str(damaged)) as get_file:
            with self.assertRaisesRegex(ValueError, f"{digits}, not with 6726825d.*is damaged"):
                inception_fid()
        url = get_file.call_args.kwargs["origin"]
        self.assertStartsWith(url, "https://github.com/mseitzer/pytorch-fid/releases/download/")
        self.assertEndsWith(url, damaged.name)

    def test_a_failed_download_names_the_way_out(self):
        failure = mock.patch.object(keras.utils, "get_file", side_effect=Exception("no network"))
        with (
            failure,
            self.assertRaisesRegex(
                OSError,
                r"https://\S+6726825d.pth cannot be downloaded \(no network\); .*give its path",
            ),
        ):
            inception_fid("download")

    def test_a_missing_file_is_named(self):
        with self.assertRaisesRegex(FileNotFoundError, "nowhere.pth"):
            inception_fid("nowhere.pth")


@pytest.mark.skipif(
    not PUBLISHED.exists(),
    reason=f"{PUBLISHED} is not there; the environment variable INCEPTION_WEIGHTS may name it",
)
class PublishedWeightsTest(tf.test.TestCase):
    def test_the_first_layer_by_hand(self):
        digest = hashlib.sha256(PUBLISHED.read_bytes()).hexdigest()
        self.assertStartsWith(digest, "6726825d")
        network = inception_fid(PUBLISHED)
        found, expected = first_layer(network, inception.read_tensors(PUBLISHED))
        self.assertGreater(np.count_nonzero(expected), 5)
        self.assertAllClose(found, expected, rtol=1e-4, atol=1e-5)

    @needs_torch_fidelity
    def test_equal_torch_fidelitys(self):
        import torch

        theirs = torch_fidelity_oracle.inception()
        theirs.load_state_dict(torch.load(PUBLISHED, weights_only=True))
        images, scaled = pictures(2, 32, 40)
        expected = theirs(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
        found = outputs(inception_fid(PUBLISHED), scaled)
        for theirs, name in zip(expected, ("features", "logits"), strict=True):
            scale = np.abs(theirs.numpy()).max()
            self.assertAllClose(found[name] / scale, theirs.numpy() / scale, rtol=0.0, atol=1e-4)


@needs_torch_fidelity
class ParityTest(tf.test.TestCase, parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        import torch

        torch.manual_seed(0)
        cls.theirs = torch_fidelity_oracle.inception()
        for layer in cls.theirs.modules():
            if isinstance(layer, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(layer.weight)
            if isinstance(layer, torch.nn.BatchNorm2d):
                for tensor, low, high in (
                    (layer.weight, 0.5, 1.5),
                    (layer.bias, -0.3, 0.3),
                    (layer.running_mean, -0.3, 0.3),
                    (layer.running_var, 0.5, 1.5),
                ):
                    torch.nn.init.uniform_(tensor, low, high)
        cls.ours = {}

    def load(self, zipped):
        import torch

        if zipped not in self.ours:
            path = pathlib.Path(self.create_tempdir().full_path) / "weights.pth"
            options = {"_use_new_zipfile_serialization": zipped}
            torch.save(self.theirs.state_dict(), path, **options)
            self.ours[zipped] = inception_fid(path)
        return self.ours[zipped]

    @parameterized.parameters((True, 32, 40), (True, 350, 240), (False, 299, 299))
    def test_equal_torch_fidelitys(self, zipped, height, width):
        import torch

        images, scaled = pictures(2, height, width)
        theirs = self.theirs(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
        ours = outputs(self.load(zipped), scaled)
        for expected, name in zip(theirs, ("features", "logits"), strict=True):
            expected = expected.numpy()
            scale = np.abs(expected).max()
            # The two images differ by far more than the two networks.
            self.assertGreater(np.abs(expected[0] - expected[1]).max(), 0.05 * scale)
            self.assertAllClose(ours[name] / scale, expected / scale, rtol=0.0, atol=1e-5)

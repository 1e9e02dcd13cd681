"""DINOv2 of keras-hub, small and with random weights."""

import importlib.util
import pathlib
import sys
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from backends import needs_backend
from keras import ops
from metric_helpers import images, measured
from PIL import Image

import kerasgan
from kerasgan import metrics
from kerasgan.metrics.dinov2 import interpolated
from kerasgan.training import measuring

only_here = needs_backend("tensorflow", reason="what frameworks can break is tested beside it")
HAS_KERAS_HUB = importlib.util.find_spec("keras_hub") is not None
needs_keras_hub = pytest.mark.skipif(
    not HAS_KERAS_HUB, reason="keras-hub is not installed (pip install kerasgan[text])"
)
SIZE, PATCH, WIDTH, HEADS = 16, 4, 8, 2
# interpolate(grid, scale_factor=4.1 / 5, mode="bicubic") of PyTorch 2.13 in float64.
PYTORCH = [
    *(0.06316719, 0.21907898, -0.1242555, -0.12623825),
    *(-0.25764364, -0.68829129, -0.07559291, 0.02964703),
    *(-0.72201893, -0.06236778, -0.68378339, 0.47851947),
    *(-0.75631275, 0.49075814, 0.55081342, -0.37262925),
]


def small_backbone(size=SIZE, patch=PATCH):
    """A DINOv2 of two blocks whose weights are all random."""
    import keras_hub

    backbone = keras_hub.models.DINOV2Backbone(
        patch_size=patch,
        num_layers=2,
        hidden_dim=WIDTH,
        num_heads=HEADS,
        intermediate_dim=12,
        image_shape=(size, size, 3),
        position_embedding_shape=(size, size, 3),
    )
    random = np.random.default_rng(0)
    for weight in backbone.weights:
        weight.assign(0.5 * random.normal(size=weight.shape) + weight.path.endswith("gamma"))
    embeddings = backbone.embeddings
    positions = ops.convert_to_numpy(embeddings.position_embeddings)
    embeddings.interpolated_position_embeddings.assign(positions)
    return backbone


def prepared(pictures):
    """As the paper's program with clean_resize: Pillow's bicubic of floats, then ImageNet's."""
    resized = np.stack(
        [
            [
                np.asarray(Image.fromarray(channel).resize((SIZE, SIZE), Image.BICUBIC))
                for channel in picture.transpose(2, 0, 1).astype("float32")
            ]
            for picture in pictures
        ]
    )
    resized = resized.clip(0, 255).transpose(0, 2, 3, 1) / 255
    return (resized - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]


def class_tokens(backbone, x):
    """Section 3 of Dosovitskiy et al. 2021 with the layer scales of DINOv2, in NumPy."""
    weights = {w.path: ops.convert_to_numpy(w).astype("float64") for w in backbone.weights}

    def of(ending):
        (found,) = (w for path, w in weights.items() if path.endswith(ending))
        return found

    def norm(x, name):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
        return x * of(f"{name}/gamma") + of(f"{name}/beta")

    def dense(x, name):
        return np.tensordot(x, of(f"{name}/kernel"), 1) + of(f"{name}/bias")

    count = SIZE // PATCH
    x = x.reshape(len(x), count, PATCH, count, PATCH, 3).transpose(0, 1, 3, 2, 4, 5)
    kernel = of("projection/kernel").reshape(-1, WIDTH)
    x = x.reshape(len(x), count * count, -1) @ kernel + of("projection/bias")
    x = np.concatenate([np.repeat(of("cls_token"), len(x), 0), x], axis=1)
    x += of("/interpolated_position_embeddings")
    for block in ("layers_0", "layers_1"):
        y = norm(x, f"{block}/norm1")
        q, k, v = (dense(y, f"{block}/attention/attention/{n}") for n in ("query", "key", "value"))
        logits = np.einsum("bihd,bjhd->bhij", q, k) / (WIDTH / HEADS) ** 0.5
        odds = np.exp(logits - logits.max(-1, keepdims=True))
        odds /= odds.sum(-1, keepdims=True)
        y = np.einsum("bhij,bjhd->bihd", odds, v)
        name = f"{block}/attention/attention/attention_output"
        y = np.tensordot(y, of(f"{name}/kernel"), 2) + of(f"{name}/bias")
        x = x + y * of(f"{block}/layer_scale1/lambda1")
        y = dense(norm(x, f"{block}/norm2"), f"{block}/mlp/fc1")
        y *= 0.5 * (1.0 + tf.math.erf(y / 2**0.5).numpy())
        x = x + dense(y, f"{block}/mlp/fc2") * of(f"{block}/layer_scale2/lambda1")
    return norm(x, "layernorm")[:, 0]


@needs_keras_hub
class DINOv2Test(tf.test.TestCase):
    def test_its_features_by_hand(self):
        backbone = small_backbone()
        network = metrics.DINOv2(backbone)
        self.assertEmpty(network.trainable_weights)
        pictures = np.random.default_rng(1).integers(0, 256, (3, 23, 40, 3)).astype("uint8")
        wanted = class_tokens(backbone, prepared(pictures))
        look = metrics.features.extractor(network)
        found = look(pictures / 127.5 - 1.0)
        self.assertAllClose(found, wanted, rtol=1e-4, atol=1e-4)
        self.assertGreater(np.std(wanted, axis=0).min(), 0.01)  # they are of the images
        gray = look(pictures[..., :1] / 127.5 - 1.0)
        self.assertAllClose(gray, look(pictures[..., [0, 0, 0]] / 127.5 - 1.0), atol=1e-5)

    @only_here
    def test_metrics_of_them(self):
        network = metrics.DINOv2(small_backbone())
        real, fake = images(30, 12, 3), 0.3 * images(40, 12, 3, seed=1)
        look = metrics.features.extractor(network)
        distance = metrics.FrechetDistance(features=network)
        vectors = metrics.FrechetDistance(features="pixels")
        for metric, ends in ((distance, (real, fake)), (vectors, (look(real), look(fake)))):
            metric.update_state(*ends)
        self.assertAllClose(distance.result(), vectors.result(), rtol=1e-5)
        self.assertEqual(distance.name, "fd_dinov2")
        named = metrics.FrechetDistance(features=network, infinity=True)
        self.assertContainsSubset(["fd_dinov2", "fd_dinov2_infinity"], measured(named, real, fake))
        others = [metrics.KernelDistance(network), metrics.PrecisionRecall(network)]
        for metric in others:
            results = measured(metric, real, fake)
            self.assertTrue(np.all(np.isfinite(list(results.values()))))
        report = metrics.memorization_report(real[:10], fake, real[10:], features=network)
        self.assertIsNotNone(report)

    @only_here
    def test_presets(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        backbone = small_backbone(42, 14)
        backbone.save_to_preset(folder / "preset")
        name = f"dinov2:{folder / 'preset'}"
        (distance,) = measuring.get(["fd_dinov2"], features=name)
        self.assertEqual(metrics.FrechetDistance(features=name).name, "fd_dinov2")
        loaded = distance.extractor.network.backbone
        self.assertEqual(loaded.image_shape, (224, 224, 3))
        for ours, weight in zip(loaded.weights, backbone.weights, strict=True):
            weight = ops.convert_to_numpy(weight)
            if weight.shape[:2] == (1, 10):  # a position for each of 3x3 patches, and one
                weight = interpolated(weight, 16)
            self.assertAllClose(ours, weight)
        config = keras.saving.serialize_keras_object(distance)
        again = keras.saving.deserialize_keras_object(config)
        self.assertIs(again.extractor, distance.extractor)

    @only_here
    def test_position_embeddings_are_pytorchs(self):
        grid = np.sin(np.arange(25.0) ** 2)
        positions = np.concatenate([[7.0], grid])[None, :, None]
        found = interpolated(positions, 4)
        self.assertEqual((found.shape, found[0, 0, 0]), ((1, 17, 1), 7.0))
        self.assertAllClose(found[0, 1:, 0], PYTORCH, atol=1e-6)
        self.assertIs(interpolated(positions, 5), positions)

    @only_here
    def test_a_file_holds_it(self):
        network = metrics.DINOv2(small_backbone())
        path = pathlib.Path(self.create_tempdir().full_path) / "dinov2.keras"
        network.save(path)
        again = keras.saving.load_model(path)
        self.assertIsInstance(again, metrics.DINOv2)
        pictures = images(2, 16, 3)
        self.assertAllClose(again(pictures), network(pictures), atol=1e-5)

    @only_here
    def test_what_cannot_be(self):
        folder = self.create_tempdir().full_path
        for backbone, message in (
            (keras.Sequential(), "backbone=<Sequential.*'dinov2_large'"),
            (5, "backbone=5; use the name of a preset"),
            (folder, "cannot be loaded by keras-hub"),
        ):
            with self.assertRaisesRegex((ValueError, OSError), message):
                metrics.DINOv2(backbone)


@only_here
class WithoutKerasHubTest(tf.test.TestCase):
    def test_it_says_what_to_install(self):
        with mock.patch.dict(sys.modules, {"keras_hub": None}):
            with self.assertRaisesRegex(OSError, r"pip install 'kerasgan\[text\]'"):
                metrics.features.extractor("dinov2:dinov2_large")

    def test_other_features_are_not_called_so(self):
        with self.assertRaisesRegex(ValueError, "fd_dinov2 needs DINOv2's features"):
            kerasgan.training.measuring.get(["fd_dinov2"], features="digits")

"""LPIPS against PyTorch, of small files with random weights."""

import pathlib

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend
from keras import ops
from lpips_files import NETWORKS, files, named, tensors
from metric_helpers import measured
from written_files import archive, state_dict

import kerasgan
from kerasgan import backend, metrics
from kerasgan.metrics.lpips import lpips
from kerasgan.sampling.compiled import compiled
from kerasgan.sampling.projection import Distance

only_here = needs_backend("tensorflow", reason="what frameworks can break is tested beside it")
# What PyTorch 2.13 makes of these files and of `pairs` in float64, from the published formulas.
# With its own heads and backbones of full width, the package lpips and this agree to 3e-6.
PYTORCH = {
    "alexnet": [0.000322836773, 0.0614251734, 0.528049364],
    "vgg16": [0.00319950991, 0.142816937, 0.909780156],
    "squeezenet": [0.000146082412, 0.0451539576, 0.498658293],
}


def pairs():
    """Three images of 40x33 and three that are ever farther from them, as files hold them."""
    random = np.random.default_rng(1)
    real = random.integers(0, 256, (3, 40, 33, 3))
    noise = random.normal(size=real.shape) * np.reshape([1.0, 20.0, 200.0], (3, 1, 1, 1))
    return [(np.clip(np.round(x), 0, 255) / 127.5 - 1.0) for x in (real, real + noise)]


class LPIPSTest(tf.test.TestCase):
    def test_is_that_of_pytorch(self):
        real, fake = pairs()
        for network in NETWORKS:
            metric = metrics.LPIPS(*files(network))
            for number, wanted in enumerate(PYTORCH[network]):
                rows = slice(number, number + 1)
                found = measured(metric, real[rows], fake[rows])
                self.assertAllClose(found, wanted, rtol=1e-5, atol=1e-8)
            self.assertAllClose(
                measured(metric, real, fake, 1), np.mean(PYTORCH[network]), rtol=1e-5
            )
            self.assertEqual(measured(metric, real, real, 1), 0.0)
            self.assertEqual(metric.counts(), (3, 3))

    def test_its_features(self):
        """Squared distances of these are LPIPS; also where all maps are 0, they have gradients."""
        real, fake = pairs()
        network = lpips(*files("alexnet"))
        self.assertEmpty(network.trainable_weights)
        distance = Distance(network)

        def cost(images, features):
            def of(fake):
                apart = distance.between(fake, images, features)
                return apart, apart - ops.mean(ops.square(fake - images), axis=(1, 2, 3))

            return backend.value_and_gradient(of, images)

        look = metrics.features.extractor(named("alexnet"))
        features = np.concatenate([look(image[None]) for image in real])  # one shape to compile
        found, gradient = compiled(cost, [network], False)([fake.astype("float32"), features])
        self.assertAllClose(found, PYTORCH["alexnet"], rtol=1e-4, atol=1e-7)
        self.assertTrue(np.all(np.isfinite(gradient)) and np.any(gradient != 0.0))
        lengths = metrics.PerceptualPathLength(named("alexnet"), epsilon=0.1)
        lengths.update_state(real[2:], fake[2:])
        self.assertAllClose(lengths.result(), PYTORCH["alexnet"][2] / 0.01, rtol=1e-4)

    @only_here
    def test_a_file_holds_its_network(self):
        fake = pairs()[1].astype("float32")
        network = lpips(*files("vgg16"))
        path = pathlib.Path(self.create_tempdir().full_path) / "lpips.keras"
        network.save(path)
        again = keras.saving.load_model(path)
        self.assertTrue(again.squares_are_distances)
        self.assertAllClose(again(fake), network(fake))
        gray = fake[..., :1]
        self.assertAllClose(Distance(again).of(gray), network(gray.repeat(3, axis=-1)))

    @only_here
    def test_as_content_loss(self):
        real, fake = (x[:, :32, :32].astype("float32") for x in pairs())
        settings = {"scale": 2, "base_width": 4, "residual_blocks": 1, "feature_scale": 1.0}
        gan = kerasgan.SRGAN((32, 32, 3), features=named("alexnet"), seed=0, **settings)
        metric = metrics.LPIPS(features=named("alexnet"))
        wanted = measured(metric, real, fake)
        self.assertAllClose(gan.content_loss(real, fake), wanted, rtol=1e-5)
        again = type(gan).from_config(gan.get_config())
        again.features.set_weights(gan.features.get_weights())
        self.assertAllClose(again.content_loss(real, fake), wanted, rtol=1e-5)

    @only_here
    def test_configurations(self):
        pair = pairs()
        wanted = np.mean(PYTORCH["vgg16"])
        (metric,) = kerasgan.training.measuring.get(["lpips"], features=named("vgg16"))
        for given in (metric, metrics.LPIPS(features=lpips(*files("vgg16")))):
            config = keras.saving.serialize_keras_object(given)
            again = keras.saving.deserialize_keras_object(config)
            self.assertEqual((again.name, again.paired), ("lpips", True))
            if given is metric:
                self.assertAllClose(measured(again, *pair), wanted, rtol=1e-5)
            name = metrics.FrechetDistance(features=given.features).name
            self.assertEqual(name, "frechet_distance")
        with self.assertRaisesRegex(ValueError, "features have a covariance of .* GiB"):
            distance = metrics.FrechetDistance(features=named("vgg16"))
            distance.update_state(np.zeros((2, 80, 80, 3)), np.zeros((2, 80, 80, 3)))

    @only_here
    def test_what_cannot_be(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        backbone, heads = tensors("vgg16")
        vgg, vgg_heads = files("vgg16")

        def written(name, arrays):
            (folder / name).write_bytes(state_dict(arrays, archive))
            return folder / name

        short = {n: x for n, x in backbone.items() if n != "features.28.bias"}
        more = {**backbone, "features.30.bias": np.zeros(3)}
        below = {n: x - 0.9 for n, x in heads.items()}
        other = {"layer1.0.conv1.weight": np.zeros((2, 2, 3, 3))}
        (folder / "text.pth").write_text("no weights")
        for arguments, message in (
            (
                (vgg, folder / "no.pth"),
                "heads='.*no.pth' is not a file; LPIPS takes 'lpips:BACKBONE,",
            ),
            ((folder / "no.pth", vgg_heads), "backbone='.*no.pth' is not a file"),
            ((written("a", short), vgg_heads), "taken for VGG16, lacks features.28.bias"),
            ((written("b", more), vgg_heads), "has the unknown features.30.bias"),
            ((written("c", other), vgg_heads), "has no features.6.weight or features.2.weight or"),
            ((vgg_heads, vgg), "has no features.6.weight or"),
            ((vgg, vgg), "has to be such as lpips/weights/v0.1/vgg.pth, lacks lin0.model.1.weight"),
            (
                (vgg, files("alexnet")[1]),
                r"lin0.model.1.weight of shape \(1, 6, 1, 1\), not \(1, 4",
            ),
            ((vgg, written("d", below)), "weights below 0"),
            ((folder / "text.pth", vgg_heads), "Nothing in it was executed"),
        ):
            with self.assertRaisesRegex((ValueError, FileNotFoundError), message):
                lpips(*arguments)
        for arguments, message in (
            ({}, "use LPIPS\\(backbone, heads\\), torchvision's file of AlexNet, VGG16 or"),
            ({"backbone": vgg}, "heads=None"),
            ({"features": "inception"}, "features='inception'"),
            ({"features": "lpips:one.pth"}, "two paths without commas"),
            ({"features": "lpips:a.pth,b.pth"}, "backbone='a.pth' is not a file"),
        ):
            with self.assertRaisesRegex((ValueError, FileNotFoundError), message):
                metrics.LPIPS(**arguments).prepare()
        metric = metrics.LPIPS(vgg, vgg_heads)
        for shape, message in (
            ((2, 15, 20, 3), "at least 16x16 pixels, these have 15x20"),
            ((2, 5), "not vectors of shape"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                metric.update_state(np.zeros(shape), np.zeros(shape))

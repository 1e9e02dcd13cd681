"""Published files of models that make images of images, against what the programs compute."""

import pathlib
import shutil

import keras
import numpy as np
import published
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from written_files import STATE, STORAGES, archive, legacy, state_dict

import kerasgan
from kerasgan.models.pix2pix import unet_layers
from kerasgan.translation.published_files import patch_layers, shapes_of
from kerasgan.weight_files import read_tensors

pytestmark = needs_backend("tensorflow", reason="what frameworks compute is compared elsewhere")

FILES = pathlib.Path(__file__).parents[1] / "published_files"


def in_and_out(name):
    with np.load(FILES / f"{name}.npz") as file:
        return [np.moveaxis(file[n], 1, -1) for n in ("x", "y")]


def write(path, arrays, form):
    path.write_bytes(state_dict(arrays, form))


class TranslationTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    @parameterized.parameters("", "_tracked")
    def test_generator_of_a_cyclegan(self, kind):
        name = f"cyclegan_resnet_3blocks_ngf8{kind}"
        (path,) = FILES.glob(f"{name}*.pth") if kind else [FILES / f"{name}.pth"]
        gan = kerasgan.load_official(path, image_shape=(32, 32, 3))
        self.assertIsInstance(gan, kerasgan.CycleGAN)
        settings = {"base_width": 8, "residual_blocks": 3, "image_shape": (256, 256, 3)}
        self.assertEqual(gan.official.settings, settings)
        self.assertEqual(bool(kind), any("statistics" in line for line in gan.official.ignored))
        x, y = in_and_out(name)
        self.assertAllClose(gan.translate(x, to="B"), y, rtol=0.0, atol=2e-5)
        names = ["b_to_a", "discriminator_a", "discriminator_b"]
        self.assertEqual(gan.not_in_file(), names)

    def test_a_folder_of_a_cyclegan_is_trained_on(self):
        """D_A judges what G_A makes."""
        for number, name in enumerate(("G_A", "G_B", "D_A", "D_B")):
            kind = "resnet_3blocks_ngf8" if name[0] == "G" else "patchgan_ndf8"
            arrays = dict(read_tensors(FILES / f"cyclegan_{kind}.pth"))
            last = max(arrays, key=lambda n: int(n.split(".")[1]) if "bias" in n else 0)
            arrays[last] = np.full_like(arrays[last], number)
            write(self.folder / f"latest_net_{name}.pth", arrays, archive)
        shutil.copy(
            FILES / "cyclegan_patchgan_ndf8.pth", self.folder / "5_net_G_A.pth"
        )  # an older one
        gan = kerasgan.CycleGAN.from_official(self.folder, image_shape=(32, 32, 3))
        self.assertEqual(gan.not_in_file(), [])
        networks = (gan.a_to_b, gan.b_to_a, gan.discriminator_b, gan.discriminator_a)
        biases = [float(np.mean(network.get_weights()[-1])) for network in networks]
        self.assertEqual(biases, [0.0, 1.0, 2.0, 3.0])
        gan.compile()
        gan.run_eagerly = True
        x, _ = in_and_out("cyclegan_resnet_3blocks_ngf8")
        x = np.clip(x, -1.0, 1.0)
        history = gan.fit(x, x[::-1], batch_size=2, verbose=0).history
        self.assertTrue(np.isfinite(history["cycle_loss"][0]))
        gan.save(self.folder / "model.keras")
        copy = keras.saving.load_model(self.folder / "model.keras")
        self.assertAllEqual(copy.translate(x, to="A"), gan.translate(x, to="A"))

    def test_discriminator_of_a_cyclegan(self):
        gan = kerasgan.load_official(FILES / "cyclegan_patchgan_ndf8.pth", image_shape=(32, 32, 3))
        self.assertEqual(gan.receptive_field, 70)
        x, y = in_and_out("cyclegan_patchgan_ndf8")
        self.assertAllClose(gan.discriminator_b(x), y, rtol=0.0, atol=1e-5)

    @parameterized.parameters(False, True)
    def test_discriminators_of_pixels(self, normalized):
        """Of a Pix2Pix, with scales and biases of the normalization, and of a CycleGAN."""
        random = np.random.default_rng(0)
        channels = 6 if normalized else 3
        first = {"net.0.weight": np.zeros((4, channels, 1, 1))}
        _, layers = patch_layers(first, normalized)
        arrays = {n: random.normal(size=s).astype("float32") for n, s in shapes_of(layers).items()}
        self.assertEqual("net.3.weight" in arrays, normalized)
        self.assertEqual("net.5.bias" in arrays, not normalized)
        more = {"net.3.running_mean": np.zeros(8)} if normalized else {}
        write(self.folder / "latest_net_D.pth", {**arrays, **more}, legacy)
        model = kerasgan.load_official(self.folder / "latest_net_D.pth", image_shape=(8, 8, 3))
        kind = kerasgan.Pix2Pix if normalized else kerasgan.CycleGAN
        self.assertIsInstance(model, kind)
        self.assertEqual((model.receptive_field, model.base_width), (1, 4))
        images = random.uniform(-1.0, 1.0, (2, 8, 8, channels)).astype("float32")

        def layer(x, name):
            return x @ arrays[f"{name}.weight"][:, :, 0, 0].T + arrays.get(f"{name}.bias", 0.0)

        x = layer(images, "net.0")
        x = layer(np.maximum(x, 0.2 * x), "net.2")
        mean, variance = (f(x, axis=(1, 2), keepdims=True) for f in (np.mean, np.var))
        x = (x - mean) / np.sqrt(variance + 1e-5)
        x = x * arrays.get("net.3.weight", 1.0) + arrays.get("net.3.bias", 0.0)
        wanted = layer(np.maximum(x, 0.2 * x), "net.5")
        (place,) = model.official.places
        found = getattr(model, place)(images)
        self.assertAllClose(found, wanted, rtol=0.0, atol=1e-5 * np.abs(wanted).max())

    def test_networks_of_a_pix2pix(self):
        start = "pix2pix.generator."
        shapes = published_shapes(5, 4)
        arrays = {n: published.weight(start + n, shape) for n, shape in shapes.items()}
        write(self.folder / "latest_net_G.pth", arrays, legacy)
        judge = {"model.0.weight": np.zeros((4, 6, 4, 4)), "model.2.weight": np.zeros((8, 4, 4, 4))}
        judge |= {"model.5.weight": np.zeros((16, 8, 4, 4)), "model.3.weight": np.ones(8)}
        _, layers = patch_layers(judge, normalized=True)
        judge = {n: np.full(shape, 0.5) for n, shape in shapes_of(layers).items()}
        judge["model.3.running_mean"] = np.zeros(8)
        write(self.folder / "latest_net_D.pth", judge, archive)
        gan = kerasgan.load_official(self.folder)
        self.assertIsInstance(gan, kerasgan.Pix2Pix)
        self.assertEqual((gan.image_shape, gan.source_channels), ((32, 32, 3), 3))
        self.assertEqual((gan.depth, gan.receptive_field), (5, 16))
        self.assertAllEqual(gan.discriminator.get_layer("norm1").gamma, np.full(8, 0.5))
        # The program has no dropout in a network of five levels.
        images = np.moveaxis(published.inputs("pix2pix.generator", 1, 3, 32, 32), 1, -1)
        wanted = published.outputs("pix2pix.generator")
        self.assertAllClose(gan.translate(images), wanted, rtol=0.0, atol=1e-5)
        copy = kerasgan.Pix2Pix.from_config(gan.get_config())
        self.assertEqual((copy.depth, copy.dropout_levels), (5, ()))

    def test_files_that_do_not_fit_are_refused(self):
        path = self.folder / "latest_net_G_A.pth"
        arrays = dict(read_tensors(FILES / "cyclegan_resnet_3blocks_ngf8.pth"))
        last = arrays.pop("model.20.bias")
        write(path, arrays, archive)
        with self.assertRaisesRegex(ValueError, r"G_A\.pth: G_A lacks model\.20\.bias"):
            kerasgan.load_official(path)
        write(path, {**arrays, "model.20.bias": last[:2]}, legacy)
        with self.assertRaisesRegex(ValueError, r"model\.20\.bias of shape \(2,\), not \(3,\)"):
            kerasgan.load_official(path)
        with self.assertRaisesRegex(ValueError, "not a file of a published Pix2Pix"):
            kerasgan.Pix2Pix.from_official(FILES / "cyclegan_patchgan_ndf8.pth")
        with self.assertRaisesRegex(ValueError, "network='G'; use None for files with one network"):
            kerasgan.load_official(FILES / "cyclegan_patchgan_ndf8.pth", network="G")
        (self.folder / "other").mkdir()
        with self.assertRaisesRegex(ValueError, "has 0 .pth files; use a file, or a folder"):
            kerasgan.load_official(self.folder / "other")
        path.write_bytes(archive(STATE, STORAGES))
        with self.assertRaisesRegex(ValueError, "not of a model that kerasgan knows"):
            kerasgan.load_official(path)

    def test_networks_with_another_normalization_are_refused(self):
        """Of --norm batch or none in a CycleGAN, and of --norm instance in a Pix2Pix."""
        for kind in ("resnet_3blocks_ngf8", "patchgan_ndf8"):
            arrays = dict(read_tensors(FILES / f"cyclegan_{kind}.pth"))
            first = "model.1" if "resnet" in kind else "model.2"
            write(
                self.folder / "net.pth", {n: arrays[n] for n in arrays if "bias" not in n}, archive
            )
            with self.assertRaisesRegex(ValueError, rf"lacks .*{first}\.bias.* --norm instance"):
                kerasgan.load_official(self.folder / "net.pth")
        shapes = published_shapes(3, 2)
        arrays = {n: np.ones(shape, "float32") for n, shape in shapes.items() if len(shape) == 4}
        write(self.folder / "net.pth", arrays, archive)
        with self.assertRaisesRegex(ValueError, r"lacks model\.model\.3\.bias, .* --norm batch"):
            kerasgan.load_official(self.folder / "net.pth")
        write(self.folder / "latest_net_G_A.pth", arrays, archive)
        shutil.copy(FILES / "cyclegan_patchgan_ndf8.pth", self.folder / "latest_net_D_A.pth")
        with self.assertRaisesRegex(ValueError, "G_A is neither a generator of residual blocks"):
            kerasgan.load_official(self.folder)

    @parameterized.parameters(
        ({"depth": 6}, "depth=6; use None or a whole number from 2 to 4"),
        ({"depth": 3, "dropout_levels": (3,)}, r"dropout_levels=\(3,\); use None or numbers from"),
    )
    def test_settings_of_the_unet(self, settings, message):
        with self.assertRaisesRegex(ValueError, message):
            kerasgan.Pix2Pix((16, 16, 1), base_width=2, receptive_field=16, **settings)


def published_shapes(depth, width):
    """The shapes of a U-Net's arrays by their published names."""
    names, start = {"model.model.0.weight": np.zeros((width, 3, 4, 4))}, "model.model"
    names["model.model.3.weight"] = np.zeros((2 * width, 3, 4, 4))
    for level in range(1, depth):
        start += ".1.model" if level == 1 else ".3.model"
        names[f"{start}.1.weight"] = None
    _, layers = unet_layers(names)
    return shapes_of(layers)

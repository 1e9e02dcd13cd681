"""Published files become models. The numbers are compared in the tests of each model."""

import pathlib
from unittest import mock

import keras
import numpy as np
import published
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from written_files import (
    STATE,
    STORAGES,
    archive,
    legacy,
    mutated,
    pickled,
    snapshot,
    state_dict,
)

import kerasgan
from kerasgan.models.big_gan_deep import published_places as published_places_deep
from kerasgan.models.big_gan_deep import shapes_of as shapes_of_deep
from kerasgan.models.cycle_gan import published_layers
from kerasgan.models.r3_gan import published_places as published_places_r3
from kerasgan.models.stylegan2 import published_places, shapes_of_generator
from kerasgan.models.stylegan3 import published_places as published_places_3
from kerasgan.styles.networks import mapping_network
from kerasgan.styles.published_files import as_ours, places_in_layers
from kerasgan.training.official import PublishedFile
from kerasgan.translation.published_files import shapes_of
from kerasgan.weight_files import read_tree
from kerasgan.weight_files.snapshots import snapshot_limit

pytestmark = needs_backend("tensorflow", reason="files are the same everywhere")

# See test_stylegan2.py.
PUBLISHED = pathlib.Path(__file__).parents[1] / "published_stylegan2.npz"
PUBLISHED_3 = PUBLISHED.with_name("published_stylegan3.npz")


def stylegan2_tensors():
    with np.load(PUBLISHED) as file:
        tensors = {n: a for n, a in file.items() if not n.startswith("in_out/")}
    average = {
        n.replace("G.", "G_ema.", 1): a if n.endswith("filter") else a / 2
        for n, a in tensors.items()
        if n.startswith("G.")
    }
    return {**tensors, **average}


class OfficialTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.path = self.folder / "network.pkl"

    def write(self, content):
        self.path.write_bytes(content)
        return self.path

    def test_a_snapshot_becomes_a_stylegan2(self):
        tensors = stylegan2_tensors()
        content = snapshot(tensors, p=0.37, epilogue_kwargs={"mbstd_group_size": 4})
        gan = kerasgan.load_official(self.write(content), seed=3)
        self.assertIsInstance(gan, kerasgan.StyleGAN2)
        wanted = {"image_shape": (32, 32, 3), "latent_dim": 32, "num_classes": 3}
        wanted |= {"base_width": 16, "max_width": 32, "mapping_layers": 2}
        self.assertEqual({n: gan.official.settings[n] for n in wanted}, wanted)
        for network, theirs in gan.official.places.items():
            places = published_places(getattr(gan, network))
            for name, variable in places.items():
                ours = as_ours(name, tensors[f"{theirs}.{name}"])
                np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), ours)
        ada = gan.official.training["augmentation"]
        self.assertAllClose((ada.first_p, ada.pipeline.factors["color"]), (0.37, 0.0))
        only = kerasgan.StyleGAN2.published_in(PublishedFile.read(self.path), "G")
        self.assertEqual(only.places["ema_generator"], "G")
        self.assertNotIn("G_ema", only.networks)
        with self.assertRaisesRegex(ValueError, "no generator network='D'; use None or 'G' or"):
            kerasgan.StyleGAN2.from_official(self.path, network="D")
        with self.assertRaisesRegex(ValueError, "not a file of a published DCGAN"):
            kerasgan.DCGAN.from_official(self.path)

        gan.compile(**gan.official.training)
        self.assertAllClose(gan.augmentation.p, 0.37)
        gan.save(self.folder / "model.keras")
        copy = keras.saving.load_model(self.folder / "model.keras")
        self.assertAllEqual(copy.generate(2, seed=0, labels=1), gan.generate(2, seed=0, labels=1))

    def test_the_limit_of_activations_is_that_of_the_file(self):
        tree = read_tree(self.write(snapshot(stylegan2_tensors(), conv_clamp=128)))
        file = PublishedFile(self.path, tree)
        found = kerasgan.StyleGAN2.published_in(file)
        self.assertNotIn("activation_limit", found.settings)
        self.assertIn("conv_clamp=128.0 of another network", found.ignored)
        told = {"_init_kwargs": {"synthesis_kwargs": {"conv_clamp": 128}}}
        for name in ("G", "G_ema"):
            tree[name].state |= told
        found = kerasgan.StyleGAN2.published_in(file)
        self.assertEqual(found.settings["activation_limit"], 128.0)
        self.assertFalse([line for line in found.ignored if "clamp" in line])

    def test_a_limit_that_stylegan3s_program_does_not_write(self):
        tree = read_tree(self.write(snapshot(stylegan2_tensors())))
        for name in ("G", "G_ema"):
            tree[name].state |= {"_init_kwargs": {"channel_base": 512}}
        file = PublishedFile(self.path, tree)
        self.assertEqual(kerasgan.StyleGAN2.published_in(file).settings["activation_limit"], 256.0)
        tree["G_ema"].state["_init_kwargs"]["conv_clamp"] = None
        self.assertIsNone(snapshot_limit(tree, "G_ema"))

    def test_learning_rates_of_the_mapping_network(self):
        """Styles by hand: the program multiplies weights and biases by the rate."""
        tensors = stylegan2_tensors()
        tree = read_tree(self.write(snapshot(tensors)))
        told = {"_init_kwargs": {"mapping_kwargs": {"lr_multiplier": 0.5}}}
        tree["G_ema"].state |= told
        file = PublishedFile(self.path, tree)
        found = kerasgan.StyleGAN2.published_in(file, "G_ema")
        self.assertIn("lr_multiplier=0.5 of G_ema", "".join(found.ignored))
        network = mapping_network(32, 2, 3)
        for name, variable in places_in_layers(network).items():
            variable.assign(as_ours(name, found.networks["G_ema"][f"mapping.{name}"]))
        start, random = "G_ema.mapping.", np.random.default_rng(0)

        def unit(x):
            return x / np.sqrt(np.mean(x**2, axis=1, keepdims=True) + 1e-8)

        z, labels = random.normal(size=(2, 32)).astype("float32"), np.array([2, 0], "int32")
        embedding = tensors[f"{start}embed.weight"] / np.sqrt(3.0)
        x = np.concatenate(
            [unit(z), unit(embedding.T[labels] + tensors[f"{start}embed.bias"])], axis=1
        )
        for layer in ("fc0", "fc1"):
            weight, bias = (0.5 * tensors[f"{start}{layer}.{n}"] for n in ("weight", "bias"))
            x = x @ weight.T / np.sqrt(x.shape[1]) + bias
            x = np.sqrt(2.0) * np.maximum(x, 0.2 * x)
        self.assertAllClose(network([z, labels]), x, rtol=1e-4, atol=1e-4)

    @parameterized.parameters(
        ({"activation": "relu"}, "G_ema was made with activation='relu'; .* only with 'lrelu'"),
        ({"synthesis_kwargs": {"activation": "sin"}}, "activation='sin'"),
        ({"mapping_kwargs": {"lr_multiplier": -1}}, "lr_multiplier=-1; it is above 0"),
    )
    def test_options_that_arrays_do_not_show(self, told, reason):
        tree = read_tree(self.write(snapshot(stylegan2_tensors())))
        tree["G_ema"].state |= {"_init_kwargs": told}
        with self.assertRaisesRegex(ValueError, reason):
            kerasgan.StyleGAN2.published_in(PublishedFile(self.path, tree))

    @parameterized.parameters(
        (2, {"group_size": 2}), (8, {"preset": "paper256"}), (None, {}), (4, {}), ("4", None)
    )
    def test_groups_of_the_standard_deviation(self, group, wanted):
        kind = {"mbstd_group_size": group}
        file = PublishedFile.read(self.write(snapshot(stylegan2_tensors(), epilogue_kwargs=kind)))
        if wanted is None:
            with self.assertRaisesRegex(ValueError, "says mbstd_group_size='4'"):
                kerasgan.StyleGAN2.published_in(file)
            return
        found = kerasgan.StyleGAN2.published_in(file)
        shown = {n: found.settings.get(n) for n in ("group_size", "preset")}
        self.assertEqual(shown, {"group_size": None, "preset": "auto", **wanted})
        self.assertEqual(group is None, any("whole batches" in line for line in found.ignored))

    @parameterized.parameters(("t", None), ("r", 3))
    def test_a_snapshot_becomes_a_stylegan3(self, variant, classes):
        with np.load(PUBLISHED_3) as file:
            start = f"{variant}/G_ema."
            tensors = {n.removeprefix(f"{variant}/"): file[n] for n in file if n.startswith(start)}
            if variant == "r":
                tensors |= {n.removeprefix("r/"): file[n] for n in file if n.startswith("r/D.")}
        file = PublishedFile.read(self.write(snapshot(tensors)))
        found = kerasgan.StyleGAN3.published_in(file)
        self.assertIsNone(kerasgan.StyleGAN2.published_in(file))
        wanted = {"image_shape": (32, 32, 3), "variant": variant, "num_layers": 6}
        wanted |= {"base_width": 16, "max_width": 24, "mapping_layers": 2}
        self.assertEqual(found.settings, {**wanted, "latent_dim": 32, "num_classes": classes})
        name = "G_ema.synthesis.L1_36_24.weight"
        if variant == "t":
            gan = kerasgan.StyleGAN3.from_official(self.path)
            kernel = published_places_3(gan.generator)[name.removeprefix("G_ema.")]
            self.assertAllEqual(kernel, as_ours(name, tensors[name]))
        tree = read_tree(self.path)
        for told in ({"output_scale": 1.0}, {"conv_clamp": 2.0}):
            tree["G_ema"].state |= {"_init_kwargs": told}
            with self.assertRaisesRegex(ValueError, f"G_ema was made with {next(iter(told))}="):
                kerasgan.StyleGAN3.published_in(PublishedFile(self.path, tree))
        del tensors[f"{start[2:]}synthesis.L6_32_3.bias"]
        with self.assertRaisesRegex(ValueError, "G_ema lacks synthesis.L6_32_3.bias"):
            kerasgan.load_official(self.write(snapshot(tensors)))

    @parameterized.parameters((None, "r3gan"), (3, "r3gan_conditional"))
    def test_a_snapshot_becomes_an_r3gan(self, classes, name):
        settings = {"image_shape": (16, 16, 3), "latent_dim": 6, "base_width": 16, "max_width": 32}
        settings["num_classes"] = classes
        tensors = {}
        for network, ours in (("G_ema", "generator"), ("D", "discriminator")):
            for place in published_places_r3(ours, settings):
                full = place.theirs.replace("Model", f"{name}.{ours}", 1)
                tensors[f"{network}.{place.theirs}"] = published.weight(full, place.shape)
        kernel = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 16.0
        tensors["G_ema.Model.MainLayers.1.Layers.0.Resampler.Kernel"] = kernel
        gan = kerasgan.load_official(self.write(snapshot(tensors)))
        self.assertIsInstance(gan, kerasgan.R3GAN)
        self.assertEqual(gan.official.settings, settings)
        latents = published.inputs("r3gan.z", 3, 6)
        images = np.moveaxis(published.inputs("r3gan.images", 3, 3, 16, 16), 1, -1)
        labels = None if classes is None else np.array([2, 0, 1], "int32")
        found = gan.ema_generator(latents if labels is None else [latents, labels], training=True)
        self.assertAllClose(found, published.outputs(f"{name}.generator"), rtol=0.0, atol=1e-5)
        found = gan.discriminate(images, labels, training=False)
        wanted = published.outputs(f"{name}.discriminator").reshape(found.shape)
        self.assertAllClose(found, wanted, rtol=0.0, atol=1e-5)
        tensors["G_ema.Model.MainLayers.1.Layers.0.Resampler.Kernel"] = np.ones((4, 4))
        with self.assertRaisesRegex(ValueError, r"not the filter \[1, 3, 3, 1\]"):
            kerasgan.load_official(self.write(snapshot(tensors)))

    def test_a_stylegan3_with_other_groups(self):
        with np.load(PUBLISHED_3) as file:
            tensors = {n.removeprefix("r/"): file[n] for n in file if n.startswith("r/")}
        tensors = {n: a for n, a in tensors.items() if n.startswith(("G_ema.", "D."))}
        content = snapshot(tensors, epilogue_kwargs={"mbstd_group_size": 8})
        found = kerasgan.StyleGAN3.published_in(PublishedFile.read(self.write(content)))
        self.assertEqual(found.settings["group_size"], 8)

    def test_snapshots_that_do_not_fit_are_refused(self):
        tensors = stylegan2_tensors()

        def without(*names):
            return {n: a for n, a in tensors.items() if n not in names}

        many = np.zeros((2, 2))
        for changed, reason in (
            (without("G.synthesis.b16.conv1.bias"), r"resolutions \[4, 8, 32\]"),
            (without("G.synthesis.b16.conv0.bias"), "G lacks synthesis.b16.conv0.bias"),
            (without("D.b4.fc.weight"), "D lacks b4.fc.weight"),
            ({**tensors, "G.synthesis.b8.more": many}, "G has the unknown synthesis.b8"),
            ({**tensors, "G.mapping.fc1.weight": many}, r"fc1.weight of shape \(2, 2\), not"),
            ({**tensors, "G.synthesis.b8.conv1.bias": np.zeros(9)}, "feature maps by resolution"),
            ({**tensors, "D.b4.out.bias": np.full(32, np.nan)}, "not finite floats"),
        ):
            with self.assertRaisesRegex(ValueError, rf"network\.pkl: .*{reason}"):
                kerasgan.load_official(self.write(snapshot(changed)))

    def test_other_files_are_refused(self):
        for content in (archive(STATE, STORAGES), pickled({"G": None, "weights": 3})):
            with self.assertRaisesRegex(ValueError, "not of a model that kerasgan knows"):
                kerasgan.load_official(self.write(content))
        with self.assertRaisesRegex(ValueError, "Nothing in it was executed"):
            kerasgan.load_official(self.write(b"cos\nsystem\n(S'touch harm'\ntR."))
        with self.assertRaises(FileNotFoundError):
            kerasgan.load_official(self.folder / "nowhere.pkl")

    def test_trees_of_other_shapes_are_refused_in_a_sentence(self):
        for tree in ({"G": 3}, {"G": []}, {"G_ema": {}}, [1], 5.0, None, {"G": {"b4": 1}}):
            file = PublishedFile(self.path, tree)
            for name in dir(kerasgan):
                model = getattr(kerasgan, name)
                if isinstance(model, type) and issubclass(model, kerasgan.GenerativeModel):
                    self.assertIsNone(model.from_published_file(file, None, {}))


class MutationTest(tf.test.TestCase):
    def test_mutated_files_are_refused_in_a_sentence_or_fit(self):
        """What is recognized has the shapes of the model that is made of it."""
        path = pathlib.Path(self.create_tempdir().full_path) / "latest_net_G.pth"
        style = {"image_shape": (8, 8, 1), "latent_dim": 2, "base_width": 1, "max_width": 2}
        style |= {"architecture": "skip", "num_classes": None, "mapping_layers": 1}
        plain = {**style, "base_width": 8, "max_width": 8}
        wide = np.ones((1, 3, 7, 7), "float32")
        blocks = {"model.1.weight": wide, "model.10.conv_block.1.weight": wide}
        _, layers = published_layers(blocks)
        deep = {"image_shape": (8, 8, 3), "num_classes": 2, "latent_dim": 2, "base_width": 4}
        deep |= {"embedding_dim": 2, "standing_statistics": 2, "blocks": [(True, 1, 1)]}
        places_deep = published_places_deep(deep)
        files = [
            snapshot({f"G.{n}": np.ones(s) for n, s in shapes_of_generator({}, style).items()}),
            snapshot(
                {
                    f"G_ema.{place.theirs}": np.ones(place.shape)
                    for place in published_places_r3("generator", plain)
                }
            ),
            state_dict({n: np.ones(s) for n, s in shapes_of(layers).items()}, archive),
            state_dict({n: np.ones(s) for n, s in shapes_of(layers).items()}, legacy),
            state_dict({n: np.ones(s) for n, s in shapes_of_deep(places_deep).items()}, archive),
        ]
        path.with_name("config.json").write_text('{"layers": [[true, 1, 1]]}')
        models = [kerasgan.StyleGAN2, kerasgan.R3GAN, kerasgan.CycleGAN, kerasgan.CycleGAN]
        models.append(kerasgan.BigGANDeep)
        models_there = [kerasgan.StyleGAN3, kerasgan.Pix2Pix, *models]
        random = np.random.default_rng(0)
        refused = 0
        for content, model in zip(files, models, strict=True):
            path.write_bytes(content)
            self.assertIsNotNone(model.published_in(PublishedFile.read(path)), model)
        for number in range(200):
            path.write_bytes(mutated(files[number % len(files)], random))
            try:
                file = PublishedFile.read(path)
                for model in models_there:
                    with mock.patch.object(model, "__init__", side_effect=ZeroDivisionError):
                        model.from_published_file(file, None, {})
            except ZeroDivisionError:
                pass  # it was recognized, and is not made
            except ValueError as error:
                self.assertNotIn("\n", str(error))
                refused += 1
        self.assertGreater(refused, 100)

"""Models in files of the user's: the command line knows them by their roles alone."""

import atexit
import functools
import importlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from unittest import mock

import keras
import numpy as np
import pytest
from backends import needs_backend
from cli.test_commands import CommandTestCase, call, contents, read_history, weights
from PIL import Image

import kerasgan
from kerasgan.cli import model_classes
from kerasgan.data import kinds
from kerasgan.models import registry
from kerasgan.utils.images import to_uint8

pytestmark = needs_backend("tensorflow", reason="test_commands runs the command there")

MODELS = '''
import keras
import numpy as np
from keras import layers, ops

import kerasgan
from kerasgan import roles


class Dense(kerasgan.GenerativeModel):
    """An encoder, a decoder and one optimizer, that minimize the squared error."""

    loss_names = ("loss",)
    takes = "images"

    def __init__(self, image_shape, latent_dim=3, *, num_classes=None, seed=None, **kwargs):
        super().__init__(seed=seed, **kwargs)
        self.image_shape, self.latent_dim = tuple(image_shape), latent_dim
        self.num_classes = num_classes
        self.encoder = keras.Sequential(
            [keras.Input(image_shape), layers.Flatten(), layers.Dense(latent_dim, name="codes")]
        )
        numbers = int(np.prod(image_shape))
        self.decoder = keras.Sequential(
            [
                keras.Input((latent_dim,)),
                layers.Dense(numbers, "tanh", name="numbers"),
                layers.Reshape(image_shape),
            ]
        )

    @property
    def parts(self):
        return {"autoencoder": [self.encoder, self.decoder]}

    def default_optimizers(self):
        return {"autoencoder": keras.optimizers.Adam(1e-2)}

    def batch_loss(self, data, training=True):
        images = ops.cast(data[0] if isinstance(data, tuple) else data, "float32")
        codes = self.encoder(images, training=training)
        seed = self.seed_generator if training else self.evaluation_seed
        codes = codes + 0.1 * keras.random.normal(ops.shape(codes), seed=seed)
        made = self.decoder(codes, training=training)
        return ops.mean((images - made) ** 2), {}

    def get_config(self):
        config = {"image_shape": self.image_shape, "latent_dim": self.latent_dim}
        config |= {"num_classes": self.num_classes} if self.num_classes else {}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable(package="test")
class VAE(roles.HasLatents, roles.Encodes, Dense):
    """Makes images of noise and of images."""

    @property
    def sampling_generator(self):
        return self.decoder

    def with_labels(self, images_or_latents, labels):
        return images_or_latents  # it needs them for nothing


@keras.saving.register_keras_serializable(package="test")
class Autoencoder(roles.Reconstructs, Dense):
    """Makes images of images, and no picture to look at."""


@keras.saving.register_keras_serializable(package="test")
class Nothing(roles.TakesImages, Dense):
    """Has no role but its data."""


@keras.saving.register_keras_serializable(package="test")
class Both(roles.Translates, roles.HasLatents, Dense):
    """Makes images of noise, and the negative of images."""

    takes = "pairs"
    pair_names = ("source", "target")
    size_multiple = 1

    def __init__(self, image_shape, **kwargs):
        super().__init__(image_shape, **kwargs)
        self.negative = keras.Sequential(
            [keras.Input((None, None, image_shape[-1])), layers.Rescaling(-1.0)]
        )

    @property
    def sampling_generator(self):
        return self.decoder

    @property
    def networks_by_direction(self):
        return {None: self.negative}

    @property
    def pair_shapes(self):
        return self.image_shape, self.image_shape


@keras.saving.register_keras_serializable(package="test")
class Points(roles.HasLatents, Dense):
    """Takes a kind of data that the test adds."""

    takes = "points"

    @property
    def sampling_generator(self):
        return self.decoder


class Unregistered(roles.TakesImages, Dense):
    """Keras could not load it."""


@keras.saving.register_keras_serializable(package="test")
class Incomplete(roles.HasLatents, Dense):
    """Lacks sampling_generator."""


@keras.saving.register_keras_serializable(package="test")
class Dataless(Dense):
    takes = None
'''

SMALL = ("--image-size", 8, "--batch-size", 359, "--set", "latent_dim=2")


@functools.cache
def shared_folder():
    """A folder with a run of two epochs of VAE, run; only to be read."""
    folder = pathlib.Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    ended = call(*training("VAE"), "--epochs", 2, "--metrics", "swd", "--out", folder / "run")
    if ended.code or ended.err:
        raise AssertionError(ended)
    return folder


def training(name, data="digits"):
    # Not shared_folder(), which asks for this itself.
    return ("train", f"{file_of_models()}:{name}", "--data", data, *SMALL)


@functools.cache
def file_of_models():
    folder = pathlib.Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    (folder / "tiny_models.py").write_text(MODELS)
    return folder / "tiny_models.py"


class OwnModelTest(CommandTestCase):
    @pytest.mark.slow
    def test_a_run_holds_what_others_hold(self):
        run = shared_folder() / "run"
        expected = ["model.keras", "best.keras", "samples/epoch_0002.png", "samples.gif"]
        expected += ["diversity.png", "curves.png", "report.html"]
        self.assertContainsSubset(expected, contents(run))
        self.assertContainsSubset(["loss", "val_swd", "diversity"], read_history(run)[2])
        settings = json.loads((run / "run.json").read_text())
        self.assertEqual(settings["model"], f"{file_of_models().resolve()}:VAE")

    def test_goes_on_bit_for_bit(self):
        part, whole = self.folder / "part", self.folder / "whole"
        self.assert_works(*training("VAE"), "--epochs", 1, "--out", part)
        self.assert_works("train", "--resume", "--out", part, "--epochs", 2)
        self.assert_works(*training("VAE"), "--epochs", 2, "--out", whole)
        found, expected = weights(part), weights(whole)
        self.assertCountEqual(found, expected)
        for name, array in expected.items():
            self.assertAllEqual(found[name], array)
        self.assertEqual(read_history(part), read_history(whole))

    @pytest.mark.slow
    def test_a_new_process_imports_the_file_again(self):
        run, out = shared_folder() / "run", self.folder / "own"
        alone = shutil.copy(run / "best.keras", self.folder / "alone.keras")
        script = textwrap.dedent(
            """
            import sys
            import kerasgan.cli
            alone, run, out = sys.argv[1:]
            sample = ["sample", run, "--num", "3", "--individual", out]
            for arguments in (["info", alone], sample):
                try:
                    sys.argv[1:] = arguments
                    kerasgan.cli.main()
                except SystemExit as end:
                    print("ended", end.code)
            """
        )
        command = [sys.executable, "-c", script, *map(str, (alone, run, out))]
        ended = subprocess.run(command, capture_output=True, text=True, check=True)
        self.assertRegex(
            ended.stderr, r"(?m)^kerasgan: .*alone\.keras .*VAE is not a class of kerasgan"
        )
        self.assertRegex(ended.stdout, r"(?s)ended 2\n3 images in .*ended (None|0)")
        model = keras.saving.load_model(run / "model.keras")
        images = [np.asarray(Image.open(file)) for file in sorted(out.iterdir())]
        self.assertAllClose(images, to_uint8(model.generate(3, seed=0))[..., 0], atol=1)

    @needs_backend("tensorflow", "jax", reason="it cannot write a SavedModel")
    def test_every_command_works_with_it(self):
        run = shutil.copytree(shared_folder() / "run", self.folder / "run")
        measured = self.assert_works(
            *("evaluate", run, "--data", "digits", "--split", "test", "--num", 300),
            *("--metrics", "fid", "--features", "digits"),
        )
        self.assertRegex(measured, r"(?m)^fid +[\d.e+]+ +360 +300 +digits")
        out = self.assert_works("info", run)
        for line in (
            r"model +VAE",
            r"makes +8x8x1",
            r"autoencoder +322 weights, Adam",
            r"metrics +swd",
            r"val_swd +\S+ after epoch 2",
            r"best model +\S+best\.keras \(\S+ MiB\), val_swd \S+ after epoch [12]",
            r"fid \(digits, 300 generated, 360 of digits test\) +\S+",
        ):
            self.assertRegex(out, f"(?m)^{line}$")
        self.assertNotRegex(out, "(?m)^loss ")  # it is no adversarial one
        page = self.folder / "compare.html"
        compared = self.assert_works("compare", run, "--out", page)
        self.assertRegex(compared, r"(?m)^epochs trained +2$")
        self.assertIn("tiny_models.py:VAE", page.read_text())
        exported = self.assert_works("export", run, self.folder / "served")
        for signature in ("sample", "serving_default", "encode", "decode"):
            self.assertIn(signature, exported)
        from kerasgan.serving.saved_models import read_model_card

        card = read_model_card(self.folder / "served/1")
        self.assertEqual(card["training"]["model"], "tiny_models.py:VAE")

    def test_labels_come_with_a_class_that_has_num_classes(self):
        out = self.folder / "run"
        given = ("--set", "num_classes=10", "--epochs", 1, "--out", out)
        self.assert_works(*training("VAE"), *given)
        model = keras.saving.load_model(out / "model.keras")
        self.assertEqual((model.num_classes, model.class_names[3]), (10, "3"))
        self.assert_refused(["sample", out, "--out", out / "a.png"], "VAE is conditional")
        self.assert_works("sample", out, "--label", 3, "--out", self.folder / "grid.png")

    def test_a_model_that_draws_nothing_trains(self):
        for name in ("Autoencoder", "Nothing"):
            run = self.folder / name
            self.assert_works(*training(name), "--epochs", 1, "--out", run)
            self.assertEqual((run / "samples").exists(), name == "Autoencoder")
            self.assertTrue((run / "report.html").exists())
            sample = ["sample", run, "--out", self.folder / "grid.png"]
            self.assert_refused(sample, "sample needs a model that can draw images", name)
            self.assert_refused(["translate", run, "a.png", "--out", run], "translate images", name)
            self.assert_works("info", run)

    def test_what_compares_pairs_is_measured_on_all_data(self):
        run = self.folder / "run"
        self.assert_works(
            *training("Autoencoder"), "--epochs", 1, "--metrics", "pixel_distance", "--out", run
        )
        self.assertIn("val_pixel_distance", read_history(run)[1])
        evaluate = (
            "evaluate",
            run,
            "--data",
            "digits",
            "--split",
            "test",
            "--metrics",
            "pixel_distance",
        )
        self.assertRegex(self.assert_works(*evaluate), r"(?m)^pixel_distance +\S+ +360 +360 ")
        self.assert_refused([*evaluate, "--num", 9], "one image from each image")

    def test_what_cannot_be_measured_says_so_before_training(self):
        run = self.folder / "run"
        self.assert_refused([*training("Nothing"), "--metrics", "swd", "--out", run], "no metrics")
        self.assertFalse(run.exists())
        self.assert_works(*training("Nothing"), "--epochs", 1, "--out", run)
        evaluate = ["evaluate", run, "--data", "digits", "--metrics", "swd"]
        self.assert_refused(evaluate, "Nothing has no metrics")

    def test_a_model_that_draws_and_translates_does_both(self):
        for half, gray in (("A", 0), ("B", 255)):
            for number in range(2):
                path = self.folder / "pairs" / half / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (8, 8), (gray, 100, 200)).save(path)
        run, out = self.folder / "run", self.folder / "out"
        size = ("--image-size", 8, "--batch-size", 1, "--epochs", 1)
        self.assert_works(
            *("train", f"{file_of_models()}:Both", "--data", self.folder / "pairs", *size),
            *("--out", run),
        )
        self.assertTrue((run / "samples/epoch_0001.png").exists())
        self.assert_works("translate", run, self.folder / "pairs/A/0.png", "--out", out)
        self.assertAllEqual(np.asarray(Image.open(out / "0.png"))[0, 0], [255, 155, 55])
        self.assert_works("sample", run, "--num", 2, "--individual", out / "drawn")
        self.assertLen(list((out / "drawn").iterdir()), 2)

    def test_a_file_that_is_imported_already_is_not_imported_again(self):
        file = self.folder / "imported_before.py"
        file.write_text("import kerasgan\nclass VAE(kerasgan.GenerativeModel):\n    takes = 'x'\n")
        with mock.patch.object(sys, "path", [str(self.folder), *sys.path]):
            module = importlib.import_module(file.stem)
        keras.saving.register_keras_serializable("imported")(module.VAE)
        self.assertIs(model_classes.model_class(f"{file}:VAE"), module.VAE)

    def test_a_module_has_models_too(self):
        name = "kerasgan.models.vanilla_gan:VanillaGAN"
        run = self.folder / "run"
        given = ("--data", "digits", "--image-size", 8, "--epochs", 1, "--set", "hidden_units=4,")
        self.assert_works("train", name, *given, "--out", run)
        self.assertEqual(json.loads((run / "run.json").read_text())["model"], name)

    def test_a_new_kind_of_data_is_one_entry(self):
        class Ring(kinds.Images):
            settings = ("task",)

            def load(self, settings, training=True):
                if settings["task"] != "ring":
                    raise ValueError("task is 'ring' here.")
                return super().load({**settings, "data": "ring8"}, training)

        run = self.folder / "run"
        name = f"{file_of_models()}:Points"
        train = ("train", name, "--data", "anything", "--batch-size", 50_000, "--epochs", 1)
        self.assert_refused(
            [*train, "--out", run], "takes='points'", "'images', 'captioned', 'pairs'"
        )
        with mock.patch.dict(kinds.KINDS, {"points": Ring()}):
            self.assert_refused([*train, "--out", run], "task is 'ring' here")
            self.assert_refused(
                [*train, "--crop", 2, "--out", run], "--crop=2: Points cannot use it"
            )
            self.assert_works(*train, "--task", "ring", "--out", run)
            self.assert_works(
                *("evaluate", run, "--data", "anything", "--num", 100, "--metrics", "recall"),
                *("--features", "pixels", "--split", "test"),
            )
        model = keras.saving.load_model(run / "model.keras")
        self.assertEqual((model.image_shape, model.epochs_trained), ((2,), 1))

    def test_what_is_no_model_is_a_usage_error(self):
        broken = self.folder / "broken.py"
        broken.write_text("import nonsense_of_nobody\n")
        file = file_of_models()
        for name, *patterns in (
            (f"{self.folder}/missing.py:VAE", "missing.py does not exist"),
            (f"{broken}:VAE", "broken.py cannot be imported: ModuleNotFoundError", "nonsense"),
            (f"{file}:VEA", "has no model 'VEA'; it has Dense, VAE"),
            ("nonsense_of_nobody.models:VAE", "no module 'nonsense_of_nobody'"),
            ("json:JSONDecoder", "has no model 'JSONDecoder'; no class in it derives from"),
            (f"{file}:Unregistered", "register_keras_serializable"),
            (f"{file}:Incomplete", "Incomplete is incomplete", "`sampling_generator`"),
            (f"{file}:Dataless", "takes=None", "'super_resolve'", "TakesImages"),
            (file, "there is no model", "FILE.py:CLASS"),
        ):
            with self.subTest(str(name)):
                out = self.folder / "run"
                self.assert_refused(["train", name, "--data", "digits", "--out", out], *patterns)
                self.assertFalse(out.exists())
        self.assert_refused(
            [*training("VAE"), "--out", self.folder / "run", "--loss", "hinge"],
            "kerasgan: loss: VAE has no such setting; leave it out. Settings are ",
        )

    @pytest.mark.slow
    def test_a_run_whose_file_is_gone_says_where_it_was(self):
        run = shutil.copytree(shared_folder() / "run", self.folder / "run")
        settings = json.loads((run / "run.json").read_text())
        gone = self.folder / "gone.py"
        (run / "run.json").write_text(json.dumps({**settings, "model": f"{gone}:VAE"}))
        for command in (["info", run], ["train", "--resume", "--epochs", 3, "--out", run]):
            self.assert_refused(command, "run.json", re.escape(str(gone)), "does not exist")


class RegistryTest(CommandTestCase):
    def test_parameters_of_classes_that_are_not_of_the_zoo(self):
        namespace = {"__name__": "unregistered"}
        exec(textwrap.dedent(MODELS).replace('package="test"', 'package="again"'), namespace)
        expected = ["image_shape", "latent_dim", "num_classes", "seed"]
        self.assertCountEqual(registry.parameters(namespace["VAE"]), expected)
        self.assertFalse(registry.is_conditional(namespace["VAE"], {}))
        self.assertTrue(registry.is_conditional(namespace["VAE"], {"num_classes": 3}))
        self.assertFalse(registry.is_conditional(kerasgan.Pix2Pix, {}))
        self.assertTrue(registry.is_conditional(kerasgan.ACGAN, {}))


class KindsTest(CommandTestCase):
    def test_every_model_of_the_zoo_takes_one(self):
        for entry in registry.entries():
            kind = kinds.kind_of(getattr(kerasgan, entry.class_name))
            self.assertContainsSubset(kind.uses({}), kind.settings)


class FaultsTest(CommandTestCase):
    def test_metrics_that_name_none_are_refused(self):
        run = self.folder / "run"
        given = [*training("VAE"), "--epochs", 1, "--out", run]
        self.assert_refused([*given, "--metrics", ","], "--metrics is empty; choose from .*fid")
        self.assertFalse(run.exists())

    def test_a_file_of_other_networks_is_refused_in_our_words_alone(self):
        gan = kerasgan.VanillaGAN((8, 8, 1), latent_dim=2, hidden_units=(4,))
        gan.networks_version = 7
        gan.save(self.folder / "other.keras")
        ended = call("info", self.folder / "other.keras")
        self.assert_fails(ended, 2, r"\Akerasgan: \S+other\.keras cannot be loaded as a kerasgan")
        self.assertIn("model: the file holds version 7 of VanillaGAN's networks", ended.err)
        self.assertNotIn("objects could not", ended.err)
        self.assertTrue(ended.err.endswith("still work.\n"), ended.err)

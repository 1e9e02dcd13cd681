"""A model that nobody knows passes through everything that the models of the zoo pass through."""

import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from cli.test_commands import call, weights
from own_models import VAE, IndependentPixels
from PIL import Image
from served_models import served

import kerasgan
from kerasgan import roles

FILE = pathlib.Path(__file__).with_name("own_models.py")
DIGITS = ("--data", "digits", "--image-size", 8, "--batch-size", 64)


class CommandLineTest(tf.test.TestCase, parameterized.TestCase):
    def run_command(self, *arguments):
        ended = call(*arguments)
        self.assertEqual(ended.code, 0, ended.err + ended.out)
        return ended.out

    @parameterized.parameters("VAE", "IndependentPixels")
    @pytest.mark.slow
    def test_every_command_but_the_server(self, name):
        folder = pathlib.Path(self.create_tempdir().full_path)
        train = ("train", f"{FILE}:{name}", *DIGITS)
        self.run_command(*train, "--epochs", 2, "--out", folder / "run")
        self.run_command(*train, "--epochs", 1, "--out", folder / "resumed")
        self.run_command("train", "--resume", "--epochs", 2, "--out", folder / "resumed")
        ours, theirs = weights(folder / "run"), weights(folder / "resumed")
        self.assertSameElements(ours, theirs)
        for path, array in ours.items():
            np.testing.assert_array_equal(theirs[path], array, path)
        for file in ("report.html", "samples.gif", "samples/epoch_0001.png", "curves.png"):
            self.assertTrue((folder / "run" / file).exists(), file)

        self.run_command("sample", folder / "run", "--num", 9, "--out", folder / "grid.png")
        self.assertGreater(len(Image.open(folder / "grid.png").getcolors(65536)), 1)
        measure = ("--metrics", "fid", "--features", "digits", "--num", 256)
        self.run_command("evaluate", folder / "run", *DIGITS[:4], *measure)
        results = json.loads((folder / "run" / "evaluation.json").read_text())["results"]
        self.assertEqual([row["metric"] for row in results], ["fid"])
        self.assertGreater(results[0]["value"], 0.0)
        shown = self.run_command("info", folder / "run")
        self.assertIn(name, shown)

    def test_what_it_cannot_do_is_a_sentence(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        model = VAE((8, 8, 1))
        model.save(folder / "vae.keras")
        ended = call("translate", folder / "vae.keras", folder, "--out", folder / "out")
        self.assertEqual(ended.code, 2)
        self.assertRegex(ended.err, "translate needs a model that can translate images; VAE can")

    @needs_backend("tensorflow", "jax", reason="PyTorch cannot write a SavedModel")
    def test_endpoints(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        vae, pixels = VAE((8, 8, 1), seed=0), IndependentPixels((8, 8, 1))
        pixels.table.logits.assign(np.random.default_rng(0).normal(size=(8, 8, 1, 256)))
        for model, name in ((vae, "vae"), (pixels, "pixels")):
            model.export(folder / name / "1")
        numbers = kerasgan.utils.image_numbers.numbers_of_images(0, range(3))
        images = vae.generate(3, seed=0)
        loaded = tf.saved_model.load(str(folder / "vae" / "1")).signatures
        files = loaded["sample"](seed=tf.constant(numbers))["image_bytes"].numpy()
        found = np.stack([tf.io.decode_png(file).numpy() for file in files])
        self.assertAllClose(found, (images + 1.0) * 127.5, atol=0.51)
        codes = loaded["encode"](images=tf.constant(images))["codes"]
        self.assertAllClose(codes, vae.encode(images), atol=1e-5)
        made = loaded["reconstruct"](images=tf.constant(images))["images"]
        self.assertAllClose(made, vae.reconstruct(images), atol=1e-5)
        loaded = tf.saved_model.load(str(folder / "pixels" / "1")).signatures
        images = pixels.generate(3, seed=0)
        nats = loaded["log_likelihood"](images=tf.constant(images))["nats"]
        self.assertAllClose(nats, pixels.log_likelihood(images), rtol=1e-4)

    @needs_backend("tensorflow", reason="the server is the same")
    def test_the_local_server(self):
        folder = pathlib.Path(self.create_tempdir().full_path)
        vae = VAE((8, 8, 1), seed=0)
        kerasgan.serving.export_version(vae, folder / "vae")
        with served(folder) as server:
            client = kerasgan.serving.Client(f"127.0.0.1:{server.port}", "vae")
            found = client.sample(2, seed=0)
        self.assertAllClose(found, np.round((vae.generate(2, seed=0) + 1.0) * 127.5), atol=1)


class ContractTest(tf.test.TestCase):
    @pytest.mark.slow
    def test_the_likelihood_is_that_of_the_frequencies(self):
        keras.utils.set_random_seed(0)
        images = np.random.default_rng(0).choice([-1.0, 1.0], (64, 2, 2, 1), p=[0.25, 0.75])
        model = IndependentPixels((2, 2, 1))
        model.compile()
        model.fit(images.astype("float32"), batch_size=64, epochs=200, verbose=0)
        share = (images == 1.0).mean(0)
        entropy = -(share * np.log(share) + (1.0 - share) * np.log(1.0 - share)).sum()
        found = model.log_likelihood(images.astype("float32"))
        self.assertAllClose(-found.mean(), entropy, rtol=5e-3)
        bits = model.bits_per_dimension(images.astype("float32"))
        self.assertAllClose(bits, entropy / 4 / np.log(2.0), rtol=5e-3)

    def test_what_is_missing_is_named_when_it_is_compiled(self):
        class Nothing(roles.HasLatents, kerasgan.GenerativeModel):
            pass

        with self.assertRaisesRegex(NotImplementedError, "Nothing is incomplete.*`latent_dim`"):
            Nothing().compile()

        class NoStep(VAE):
            batch_loss = kerasgan.GenerativeModel.batch_loss

        with self.assertRaisesRegex(NotImplementedError, "Give it `batch_loss`"):
            NoStep((8, 8, 1)).compile()

    def test_an_adversarial_loss_is_no_argument(self):
        with self.assertRaisesRegex(TypeError, "loss"):
            VAE((8, 8, 1)).compile(loss="wasserstein")

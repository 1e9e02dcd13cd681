import io
import pathlib
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorflow as tf
from backends import needs_backend
from PIL import Image

import kerasgan
from kerasgan.utils.image_numbers import numbers_of_images


def pixels(images):
    """Images in [-1, 1] as the whole numbers of a file."""
    return np.round((images + 1.0) * 127.5).astype("int32")


@needs_backend("torch", reason="it can write a SavedModel")
class WithoutSavedModelTest(tf.test.TestCase):
    def test_says_how_to_export(self):
        gan = kerasgan.VanillaGAN((2,), 2, hidden_units=())
        path = pathlib.Path(self.create_tempdir().full_path) / "1"
        with self.assertRaisesRegex(RuntimeError, "PyTorch.*KERAS_BACKEND=tensorflow"):
            gan.export(path)
        self.assertFalse(path.exists())


@needs_backend("tensorflow", "jax", reason="it cannot write a SavedModel")
class ExportTest(tf.test.TestCase):
    def test_serves_where_neither_kerasgan_nor_keras_can_be_imported(self):
        folder = self.create_tempdir().full_path
        gan = kerasgan.DCGAN((8, 8, 1), latent_dim=5, base_width=4, ema_decay=0.5)
        gan.compile()
        gan.train_on_batch(np.zeros((4, 8, 8, 1), "float32"))
        gan.export(f"{folder}/1")
        latents = gan.latents(3, seed=0)
        np.save(f"{folder}/latents.npy", latents)
        np.save(f"{folder}/seeds.npy", numbers_of_images(0, range(3)))
        code = textwrap.dedent("""
            import pathlib, sys
            class Without:
                def __init__(self, finder):
                    self.finder = finder
                def find_spec(self, name, path=None, target=None):
                    if name.split(".")[0] not in ("keras", "tf_keras", "kerasgan"):
                        return self.finder.find_spec(name, path, target)
            sys.meta_path = [Without(finder) for finder in sys.meta_path]
            import numpy as np, tensorflow as tf
            assert not {"keras", "tf_keras", "kerasgan"} & set(sys.modules)
            serve = tf.saved_model.load("1").signatures["serving_default"]
            assert serve.structured_input_signature[1]["latent"].shape.as_list() == [None, 5]
            out = serve(latent=tf.constant(np.load("latents.npy")))
            assert list(out) == ["images"] and out["images"].dtype == tf.float32
            np.save("images.npy", out["images"].numpy())
            sample = tf.saved_model.load("1").signatures["sample"]
            files = sample(seed=tf.constant(np.load("seeds.npy")))["image_bytes"].numpy()
            for number, file in enumerate(files):
                pathlib.Path(f"{number}.png").write_bytes(file)
        """)
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        served = np.load(f"{folder}/images.npy")
        images = gan.generate(3, seed=0)
        self.assertAllClose(served, images, atol=1e-6)
        pictures = [np.asarray(Image.open(f"{folder}/{number}.png")) for number in range(3)]
        self.assertAllClose(pictures, pixels(images)[..., 0], rtol=0.0, atol=1)

    @pytest.mark.slow
    def test_signature_is_what_saved_model_cli_shows_and_runs(self):
        folder = self.create_tempdir().full_path
        gan = kerasgan.VanillaGAN((2, 2, 1), latent_dim=3, hidden_units=())
        gan.export(f"{folder}/1")
        np.save(f"{folder}/seed.npy", numbers_of_images(0, range(2)))
        signature = ["--dir", "1", "--tag_set", "serve", "--signature_def", "serving_default"]
        sample = [*signature[:-1], "sample"]
        shown, _ = (
            subprocess.run(
                [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli", *command],
                cwd=folder,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for command in (
                ["show", *signature],
                ["run", *sample, "--inputs", "seed=seed.npy", "--outdir", "."],
            )
        )
        for line in ("inputs['latent']", "shape: (-1, 3)", "outputs['images']"):
            self.assertIn(line, shown)
        # Of strings it writes an array of Python's objects.
        files = np.load(f"{folder}/image_bytes.npy", allow_pickle=True)
        pictures = [np.asarray(Image.open(io.BytesIO(file))) for file in files]
        self.assertAllClose(pictures, pixels(gan.generate(2, seed=0))[..., 0], rtol=0.0, atol=1)

    def test_a_folder_in_use_is_not_overwritten(self):
        folder = pathlib.Path(self.create_tempdir().full_path) / "1"
        folder.mkdir()
        (folder / "note").write_text("mine")
        gan = kerasgan.VanillaGAN((2,), 2, hidden_units=())
        with self.assertRaisesRegex(FileExistsError, "exists already"):
            gan.export(folder)
        self.assertEqual((folder / "note").read_text(), "mine")

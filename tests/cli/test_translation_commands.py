"""The `kerasgan` command with models that translate images."""

import atexit
import functools
import pathlib
import shutil
import tempfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from backends import needs_backend
from cli.test_commands import CommandTestCase, call, contents
from PIL import Image

from kerasgan.callbacks.run_history import read_history

pytestmark = needs_backend(
    "tensorflow", reason="test_commands and test_own_models run the commands there"
)

NARROW = ("--set", "base_width=4", "--set", "receptive_field=16", "--image-size", 16)


def save(path, seed, size=(20, 16)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype="uint8")
    Image.fromarray(pixels).save(path)


@functools.cache
def shared_folder():
    """A folder with pictures, twins/A and twins/B, and a run of each model; only to be read."""
    folder = pathlib.Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    for half in "AB":
        for number in range(4):
            save(folder / "twins" / half / f"{number}.png", number + 10 * (half == "B"))
    for ended in (
        call(*pix2pix(folder), "--epochs", 1, "--out", folder / "pix2pix"),
        call(
            *("train", "cycle_gan", "--data", folder / "twins/A", "--data-b", folder / "twins/B"),
            *(*NARROW, "--set", "residual_blocks=1", "--epochs", 1, "--out", folder / "cycle_gan"),
        ),
        call(*srgan(folder), "--epochs", 1, "--out", folder / "srgan"),
    ):
        if ended.code:
            raise AssertionError(ended)
    return folder


def pix2pix(folder):
    return ("train", "pix2pix", "--data", folder / "twins", *NARROW)


def srgan(folder):
    settings = ("features=None", "base_width=4", "residual_blocks=1", "scale=2")
    chosen = [part for setting in settings for part in ("--set", setting)]
    size = ("--image-size", 16, "--crop", 8, "--batch-size", 2)
    return ("train", "srgan", "--data", folder / "twins/A", *size, *chosen)


class TrainTest(CommandTestCase):
    @pytest.mark.slow
    def test_a_run_folder_holds_what_others_hold(self):
        for name, losses in (
            ("pix2pix", ["l1_loss"]),
            ("cycle_gan", ["cycle_loss", "identity_loss"]),
            ("srgan", ["content_loss"]),
        ):
            run = shared_folder() / name
            self.assertContainsSubset(
                ["model.keras", "run.json", "samples/epoch_0001.png", "samples.gif", "report.html"],
                contents(run),
            )
            self.assertContainsSubset(losses, read_history(run)[1])

    @pytest.mark.slow
    def test_goes_on_exactly(self):
        folder = shared_folder()
        out = shutil.copytree(folder / "pix2pix", self.folder / "run")
        self.assert_works("train", "--resume", "--out", out, "--epochs", 2)
        self.assert_works(*pix2pix(folder), "--epochs", 2, "--out", self.folder / "other")
        self.assert_same_run(out, self.folder / "other")

    @pytest.mark.slow
    def test_pretraining_comes_first_and_is_not_done_again(self):
        out = self.folder / "run"
        options = ("--pretrain-epochs", 2, "--epochs", 1)
        self.assert_works(*srgan(shared_folder()), *options, "--out", out)
        self.assertNotIn("discriminator_loss", read_history(out)[1])
        self.assert_works("train", "--resume", "--out", out, "--epochs", 3)
        history = read_history(out)
        self.assertNotIn("discriminator_loss", history[2])
        self.assertIn("discriminator_loss", history[3])

    def test_the_learning_rate_falls_to_zero(self):
        out = self.folder / "run"
        options = ("--epochs", 2, "--decay-from", 1, "--learning-rate", 0.01)
        self.assert_works(*pix2pix(shared_folder()), *options, "--out", out)
        schedule = (
            keras.saving.load_model(out / "model.keras").optimizer["generator"]._learning_rate
        )
        self.assertEqual((schedule.constant_steps, schedule.decay_steps), (4, 4))
        self.assertAllClose(schedule.initial_learning_rate, 0.01)
        longer = ("train", "--resume", "--out", out, "--epochs", 3)
        self.assert_refused(longer, "fallen to zero at epoch 2")
        options = ("--epochs", 2, "--decay-from", 2, "--out", self.folder / "x")
        self.assert_refused((*pix2pix(shared_folder()), *options), "--decay-from 2 is not before")

    @pytest.mark.slow
    def test_a_discriminator_that_begins_later_ends_at_zero_too(self):
        out = self.folder / "run"
        options = ("--epochs", 4, "--pretrain-epochs", 2, "--decay-from", 2)
        self.assert_works(*srgan(shared_folder()), *options, "--out", out)
        optimizer = keras.saving.load_model(out / "model.keras").optimizer
        for player, updates in (("generator", 8), ("discriminator", 4)):
            self.assertEqual(int(optimizer[player].iterations), updates)
            self.assertEqual(float(optimizer[player].learning_rate), 0.0)

    def test_pairs_are_made_by_a_task(self):
        out = self.folder / "run"
        pictures = shared_folder() / "twins/A"
        task = ("train", "pix2pix", "--data", pictures, "--task", "colorize", *NARROW)
        self.assert_works(*task, "--epochs", 1, "--out", out)
        model = keras.saving.load_model(out / "model.keras")
        self.assertEqual((model.source_channels, model.image_shape), (1, (16, 16, 3)))

    def test_options_that_mean_nothing_are_refused(self):
        folder = shared_folder()
        data = ("--data", folder / "twins/A", "--image-size", 16, "--out", self.folder / "x")
        for arguments, message in (
            (("dcgan", "--task", "colorize"), "--task=colorize: DCGAN cannot use it here"),
            (("srgan", "--source", "B"), "--source=B: SRGAN cannot use it here"),
            (("cycle_gan", "--pretrain-epochs", 1), "--pretrain-epochs=1: CycleGAN cannot use it"),
            (("pix2pix", "--task", "denoise", "--source", "B"), "--source=B: Pix2Pix"),
            (("pix2pix", "--task", "reverse"), "task='reverse'; use one of"),
            (("pix2pix", "--task", "super_resolve"), "is only for the models srgan and esrgan"),
            (("pix2pix", "--crop", 8), "--crop=8: Pix2Pix cannot use it"),
            (("cycle_gan",), "holds one set of images"),
        ):
            self.assert_refused(("train", *arguments, *data), message)
        self.assertFalse((self.folder / "x").exists())


class TranslateTest(CommandTestCase):
    def translate(self, run, *arguments):
        return ("translate", shared_folder() / run, *arguments, "--out", self.folder / "out")

    def test_files_and_folders_of_any_size_keep_size_and_name(self):
        for number, size in enumerate(((13, 50), (64, 64), (100, 7))):
            save(self.folder / "in" / "deep" / f"{number}.jpg", number, size)
        save(self.folder / "alone.bmp", 9, (31, 30))
        for run, scale in (("pix2pix", 1), ("cycle_gan", 1), ("srgan", 2)):
            shutil.rmtree(self.folder / "out", ignore_errors=True)
            inputs = (self.folder / "in", self.folder / "alone.bmp")
            out = self.assert_works(*self.translate(run, *inputs, "--tile", 48))
            self.assertIn("4 pictures in", out)
            sizes = {
                file.relative_to(self.folder / "out").as_posix(): Image.open(file).size
                for file in (self.folder / "out").rglob("*.png")
            }
            expected = {"deep/0.png": (13, 50), "deep/1.png": (64, 64), "deep/2.png": (100, 7)}
            expected["alone.png"] = (31, 30)
            self.assertEqual(
                sizes, {name: (w * scale, h * scale) for name, (w, h) in expected.items()}
            )

    def test_is_what_the_model_makes_of_the_picture(self):
        picture = shared_folder() / "twins/A/0.png"
        for run, direction, to in (
            ("cycle_gan", ("--to", "A"), "A"),
            ("cycle_gan", (), "B"),
            ("pix2pix", ("--seed", 3), None),
        ):
            self.assert_works(*self.translate(run, picture, *direction))
            model = keras.saving.load_model(shared_folder() / run / "model.keras")
            images = np.asarray(Image.open(picture))[None] / np.float32(127.5) - 1
            expected = model.translate(images, to, seed=3)[0]
            found = np.asarray(Image.open(self.folder / "out" / "0.png")) / 127.5 - 1
            self.assertAllClose(found, expected, atol=1.01 / 255 + 1e-4)

    def test_mistakes_are_one_line_and_nothing_is_written(self):
        picture = shared_folder() / "twins/A/0.png"
        (self.folder / "broken.png").write_text("no picture")
        (self.folder / "empty").mkdir()
        twins = (picture, shared_folder() / "twins/B/0.png")
        for arguments, message in (
            ((self.folder / "missing.png",), "missing.png does not exist"),
            ((self.folder / "broken.png",), "broken.png cannot be read as a picture"),
            ((self.folder / "empty",), "holds no pictures"),
            (twins, "would both become"),
            ((picture, "--to", "C"), "to='C': use 'B' or 'A' with CycleGAN"),
            ((picture, "--tile", 4), "tile=4 .* at least 8 pixels"),
        ):
            self.assert_refused(self.translate("cycle_gan", *arguments), message)
        run = shared_folder() / "cycle_gan"
        self.assert_refused(("translate", run, picture, "--out", picture.parent), "would replace")
        self.assert_refused(("sample", run, "--out", "x.png"), "kerasgan translate")
        self.assertFalse((self.folder / "out").exists())

    @needs_backend("tensorflow", reason="only it serves files of any size")
    @pytest.mark.slow
    def test_info_and_export_know_them(self):
        out = self.assert_works("info", shared_folder() / "cycle_gan")
        self.assertRegex(out, r"(?m)^model +CycleGAN$")
        self.assert_works("export", shared_folder() / "cycle_gan", self.folder / "1")
        signatures = tf.saved_model.load(str(self.folder / "1")).signatures
        directions = ["to_A", "to_B"]
        of_files = ["translate", *(f"translate_{direction}" for direction in directions)]
        self.assertCountEqual(signatures, ["serving_default", *directions, *of_files])

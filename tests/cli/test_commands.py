"""The `kerasgan` command: what it writes, prints and answers."""

import atexit
import collections
import contextlib
import errno
import functools
import hashlib
import io
import json
import os
import pathlib
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from importlib import metadata
from unittest import mock

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from backends import BACKEND, needs_backend
from PIL import Image

import kerasgan
from kerasgan import callbacks, cli, pictures
from kerasgan.callbacks.run_history import read_history
from kerasgan.cli import runs
from kerasgan.models import registry
from kerasgan.utils.images import to_uint8

pytestmark = needs_backend("tensorflow", reason="tests/test_own_models.py runs commands elsewhere")

SETTINGS = ("--batch-size", 8, "--set", "hidden_units=8,", "--set", "latent_dim=4")

WGAN_GP = kerasgan.losses.GradientPenalty.wgan_gp()

Ended = collections.namedtuple("Ended", "code, out, err")


def call(*arguments):
    """Runs the command in this process."""
    out, err = io.StringIO(), io.StringIO()
    argv = ["kerasgan", *map(str, arguments)]
    with mock.patch.object(sys, "argv", argv):
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                cli.main()
            except SystemExit as end:
                code = end.code or 0
    return Ended(code, out.getvalue(), err.getvalue())


@functools.cache
def shared_folder():
    """A folder with a data set, images.npz, and a run of two epochs, run; only to be read."""
    folder = pathlib.Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    images = np.random.default_rng(0).integers(0, 256, (32, 8, 8), dtype="uint8")
    np.savez(folder / "images.npz", images=images)
    call(*training(folder / "images.npz"), "--epochs", 2, "--out", folder / "run")
    return folder


def training(data=None):
    return ("train", "vanilla_gan", "--data", data or shared_folder() / "images.npz", *SETTINGS)


def contents(folder):
    """A digest of every file in the folder, by path."""
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file()
    }


def weights(folder):
    """Every array that is saved in the run's model, by name."""
    with zipfile.ZipFile(folder / "model.keras") as archive:
        file = io.BytesIO(archive.read("model.weights.h5"))
    arrays = {}
    with h5py.File(file) as store:
        store.visititems(
            lambda name, item: arrays.update({name: item[()]} if hasattr(item, "dtype") else {})
        )
    return arrays


def epochs_trained(folder):
    return keras.saving.load_model(folder / "model.keras").epochs_trained


def interrupted_in(epoch):
    """Lets Ctrl-C be pressed when that epoch begins."""

    def press(callback, begun, logs=None):
        if begun + 1 == epoch:
            raise KeyboardInterrupt

    return mock.patch.object(callbacks.SampleGrid, "on_epoch_begin", press)


def told_to_end(number, epoch, step):
    """Sends a signal in the middle of that step."""
    run = {}

    def begin_epoch(callback, epoch, logs=None):
        run["epoch"] = epoch + 1

    def begin_step(callback, batch, logs=None):
        if (run["epoch"], batch + 1) == (epoch, step):
            signal.raise_signal(number)

    return mock.patch.multiple(
        callbacks.SampleGrid, on_epoch_begin=begin_epoch, on_train_batch_begin=begin_step
    )


class CommandTestCase(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.get_temp_dir())

    def copy_of_run(self):
        return shutil.copytree(shared_folder() / "run", self.folder / "run")

    def assert_works(self, *arguments):
        ended = call(*arguments)
        self.assertEqual((ended.code, ended.err), (0, ""), ended)
        return ended.out

    def assert_fails(self, ended, code, *patterns):
        """One line on stderr, which holds the patterns."""
        self.assertEqual(ended.code, code, ended)
        self.assertRegex(ended.err, r"\Akerasgan: .+\n\Z")
        self.assertEqual(ended.err.count("\n"), 1, ended.err)
        self.assertNotIn("Traceback", ended.err)
        for pattern in patterns:
            self.assertRegex(ended.err, pattern)

    def assert_refused(self, arguments, *patterns):
        self.assert_fails(call(*arguments), 2, *patterns)

    def assert_same_run(self, folder, other):
        """The same weights, optimizers and random states bit for bit, and the same history."""
        found, expected = weights(folder), weights(other)
        self.assertCountEqual(found, expected)
        self.assertContainsSubset(["vars/seed_0", "vars/generator_optimizer_0"], found)
        differing = [name for name in found if not np.array_equal(found[name], expected[name])]
        self.assertEqual(differing, [])
        self.assertEqual(read_history(folder), read_history(other))


class HelpTest(CommandTestCase):
    def test_models_are_listed_with_their_papers(self):
        out = self.assert_works("models")
        for entry in registry.entries():
            self.assertRegex(out, rf"(?m)^{entry.name} +\S")
            self.assertIn(entry.reference, out)
        self.assertRegex(out, r"(?s)dcgan .*arXiv:1511\.06434.*vanilla_gan .*arXiv:1406\.2661")

    def test_help_and_version_are_printed(self):
        self.assertEqual(
            self.assert_works("--version"), f"kerasgan, version {kerasgan.__version__}\n"
        )
        commands = ("export", "info", "models", "sample", "train", "translate")
        for command in commands:
            self.assertRegex(self.assert_works("--help"), rf"(?m)^  {command} +\S")
            self.assertRegex(self.assert_works(command, "--help"), rf"\AUsage: .* {command} ")

    def test_without_a_command_the_help_is_printed_line_by_line(self):
        ended = call()
        self.assertIn("\nCommands:\n", ended.out + ended.err)

    def test_help_takes_less_than_a_second_and_imports_neither_tensorflow_nor_keras(self):
        seconds = []
        for _ in range(3):
            began = time.monotonic()
            process = subprocess.run(
                [sys.executable, "-X", "importtime", "-m", "kerasgan", "--help"],
                capture_output=True,
                text=True,
                check=True,
            )
            seconds.append(time.monotonic() - began)
        self.assertLess(statistics.median(seconds), 1.0)
        imported = {line.split("|")[-1].strip() for line in process.stderr.splitlines()}
        self.assertIn("click", imported)
        self.assertNoCommonElements(["tensorflow", "keras"], imported)

    def test_the_package_installs_the_command(self):
        (script,) = metadata.entry_points(group="console_scripts", name="kerasgan")
        self.assertIs(script.load(), cli.main)


class TrainTest(CommandTestCase):
    def test_a_run_folder_holds_model_settings_pictures_and_report(self):
        run = shared_folder() / "run"
        self.assertCountEqual(
            contents(run),
            [
                "model.keras",
                "run.json",
                "samples/epoch_0001.png",
                "samples/epoch_0002.png",
                "samples.gif",
                "curves.png",
                "diversity.png",
                "history.csv",
                "report.html",
            ],
        )
        self.assertEqual(epochs_trained(run), 2)
        self.assertEqual(keras.saving.load_model(run / "model.keras").hidden_units, (8,))

    def test_an_existing_folder_is_refused_and_left_as_it_is(self):
        run = self.copy_of_run()
        before = contents(run)
        self.assert_refused([*training(), "--out", run], "--resume", "--overwrite")
        self.assertEqual(contents(run), before)

    def test_overwrite_replaces_a_run(self):
        run = self.copy_of_run()
        (run / "evaluation.json").write_text("{}")
        self.assert_works(*training(), "--epochs", 1, "--out", run, "--overwrite")
        self.assertEqual(epochs_trained(run), 1)
        self.assertEqual(list(read_history(run)), [1])
        self.assertFalse((run / "evaluation.json").exists())
        self.assertEqual([path.name for path in self.folder.iterdir()], ["run"])

    def test_overwrite_refuses_a_folder_that_is_not_of_a_run(self):
        (self.folder / "thesis.txt").write_text("years of work")
        before = contents(self.folder)
        self.assert_refused([*training(), "--out", self.folder, "--overwrite"], "not a run folder")
        self.assertEqual(contents(self.folder), before)

    def test_overwrite_with_a_mistake_in_another_argument_keeps_the_old_run(self):
        mistakes = {
            "data": ("train", "vanilla_gan", "--data", self.folder / "missing.npz"),
            "setting": (*training(), "--set", "depth=3"),
            "value": (*training(), "--set", "latent_dim=0"),
        }
        for name, arguments in mistakes.items():
            with self.subTest(name):
                run = shutil.copytree(shared_folder() / "run", self.folder / name)
                before = contents(run)
                self.assert_refused([*arguments, "--out", run, "--overwrite"])
                self.assertEqual(contents(run), before)

    def test_a_full_disk_is_one_line_and_leaves_a_model_that_loads(self):
        run = self.folder / "run"

        def write_png(path, picture):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

        with mock.patch.object(pictures, "write_png", write_png):
            ended = call(*training(), "--epochs", 1, "--out", run)
            self.assert_fails(
                ended, 1, "no space left on the disk; what was saved before is intact"
            )
            self.assertEqual(epochs_trained(run), 0)
            with self.subTest("--debug"), self.assertRaisesRegex(OSError, "No space left"):
                call("--debug", "train", "--resume", "--out", run)

    def test_a_disk_that_fills_up_changes_nothing_that_was_written_before(self):
        run = self.copy_of_run()
        before = contents(run)

        def replace(source, target):
            raise OSError(errno.ENOSPC, "No space left on device", str(target))

        with mock.patch.object(os, "replace", replace):
            ended = call("train", "--resume", "--out", run, "--epochs", 3)
        self.assert_fails(ended, 1, "no space left on the disk")
        self.assertEqual(contents(run), before)


class ResumeTest(CommandTestCase):
    def test_other_settings_than_those_of_the_run_are_refused(self):
        run = self.copy_of_run()
        before = contents(run)
        shutil.copy(shared_folder() / "images.npz", self.folder / "other.npz")
        for name, arguments in {
            "model": ("dcgan",),
            "data": ("--data", self.folder / "other.npz"),
            "batch_size": ("--batch-size", 4),
            "seed": ("--seed", 1),
            "image_size": ("--image-size", 16),
            "set": ("--set", "latent_dim=5"),
        }.items():
            with self.subTest(name):
                resume = ["train", *arguments, "--out", run, "--resume", "--epochs", 3]
                self.assert_refused(resume, f"has {name}=")
        self.assertEqual(contents(run), before)

    def test_the_settings_of_the_run_may_be_given_again(self):
        run = self.copy_of_run()
        self.assert_works(*training(), "--epochs", 2, "--out", run, "--resume")

    def test_a_run_with_nothing_left_to_do_says_so_and_stays_as_it_is(self):
        run = self.copy_of_run()
        before = contents(run)
        self.assertIn("trained for 2 epochs", self.assert_works("train", "--resume", "--out", run))
        self.assertEqual(contents(run), before)

    def test_a_run_that_goes_on_with_other_software_says_so(self):
        run = self.copy_of_run()
        settings = runs.read_settings(run)
        self.assertEqual(settings["computed_with"]["keras"], keras.__version__)
        other = {**settings["computed_with"], BACKEND: "1.2.3"}
        runs.write_settings(run, {**settings, "computed_with": other})
        ended = call("train", "--resume", "--out", run)
        self.assertEqual(ended.code, 0, ended)
        versions = rf"{BACKEND} 1\.2\.3, and continues with {BACKEND} \S+"
        self.assertRegex(
            ended.err, rf"\Akerasgan: warning: .* {versions}: .* not be the same bit for bit\.\n"
        )

    def test_a_run_of_an_older_version_lacks_settings_and_goes_on(self):
        run = self.copy_of_run()
        settings = runs.read_settings(run)
        for name in ("computed_with", "command", "save_minutes", "skip_damaged", "class_names"):
            settings.pop(name, None)
        runs.write_settings(run, settings)
        self.assert_works("train", "--resume", "--out", run)

    def test_a_run_that_goes_on_with_another_setting_of_onednn_says_how_to_go_on_as_before(self):
        run = self.copy_of_run()
        settings = runs.read_settings(run)
        was = "off" if settings["computed_with"]["oneDNN"] == "on" else "on"
        settings["computed_with"]["oneDNN"] = was
        runs.write_settings(run, settings)
        ended = call("train", "--resume", "--out", run)
        self.assertEqual(ended.code, 0, ended)
        variable = f"TF_ENABLE_ONEDNN_OPTS={int(was == 'on')}"
        self.assertRegex(ended.err, rf"with oneDNN {was}, .* bit for bit; {variable} keeps them")

    def test_a_folder_without_a_run_cannot_be_resumed(self):
        self.assert_refused(["train", "--resume", "--out", self.folder], "not a run folder")
        self.assert_refused(["train", "--resume"], "--out")

    def test_resume_and_overwrite_exclude_each_other(self):
        run = shared_folder() / "run"
        self.assert_refused(
            ["train", "--resume", "--overwrite", "--out", run], "cannot be used together"
        )

    def test_ctrl_c_says_how_to_go_on_and_that_goes_on_exactly(self):
        run = self.folder / "run"
        with interrupted_in(epoch=2):
            ended = call(*training(), "--epochs", 2, "--out", run)
        self.assertEqual((ended.code, ended.err), (130, ""))
        self.assertIn("The model after 1 epoch is saved", ended.out)
        self.assertEqual(Image.open(run / "samples.gif").n_frames, 1)
        self.assertTrue((run / "report.html").exists())
        _, *advice = shlex.split(ended.out.splitlines()[-1])
        self.assertIn("Trained for 2 epochs", self.assert_works(*advice))
        self.assert_same_run(run, shared_folder() / "run")

    def test_the_advice_after_ctrl_c_can_be_pasted_whatever_the_folder_is_called(self):
        run = self.folder / "my first run"
        with interrupted_in(epoch=1):
            ended = call(*training(), "--epochs", 1, "--out", run)
        self.assertEqual(ended.code, 130)
        self.assertIn("Nothing saved yet", ended.out)
        self.assertEqual(
            shlex.split(ended.out.splitlines()[-1]),
            ["kerasgan", "train", "--resume", "--out", str(run)],
        )

    @pytest.mark.slow
    def test_a_run_that_is_ended_within_an_epoch_goes_on_there(self):
        single = ("--set", "steps_per_execution=1", "--epochs", 2)
        whole = self.folder / "whole"
        self.assert_works(*training(), *single, "--out", whole)
        for number, code, epoch, step in ((signal.SIGINT, 130, 1, 3), (signal.SIGTERM, 143, 2, 1)):
            run = self.folder / str(code)
            with told_to_end(number, epoch, step):
                ended = call(*training(), *single, "--out", run)
            self.assertEqual(ended.code, code)
            self.assertIn("saving after this step", ended.err)
            self.assertIn(f"The model at epoch {epoch}, step {step} of 4 is saved", ended.out)
            self.assertLen(read_history(run), epoch - 1)
            for file in ("samples/unfinished.png", "curves.png"):
                self.assertTrue((run / file).exists(), file)
            page = (run / "report.html").read_text()
            self.assertIn(f"epoch {epoch}, step {step} of 4", page)
            self.assertIn("when it was interrupted", page)
            resumed = self.assert_works("train", "--resume", "--out", run)
            self.assertIn(f"Continuing at epoch {epoch}, step {step} of 4", resumed)
            self.assert_same_run(run, whole)
            self.assertEqual(contents(run / "samples"), contents(whole / "samples"))
            self.assertNotIn("when it was interrupted", (run / "report.html").read_text())

    def test_ctrl_c_before_training_is_one_line(self):
        with mock.patch.object(kerasgan.data.loading, "load", side_effect=KeyboardInterrupt):
            ended = call(*training(), "--out", self.folder / "run")
        self.assertEqual((ended.code, ended.err.strip()), (130, "kerasgan: interrupted."))


class GameTest(CommandTestCase):
    """`--loss`, `--penalty`, `--discriminator-steps`, and labels."""

    def train(self, model, *arguments):
        out = self.folder / "run"
        size = ("--set", "base_width=2", "--set", "latent_dim=4", "--epochs", 1, "--batch-size", 40)
        data = self.folder / "images.npz"
        images = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype="uint8")
        np.savez(data, images=images, labels=np.arange(40) % 4)
        self.assert_works("train", model, "--data", data, "--out", out, *size, *arguments)
        return keras.saving.load_model(out / "model.keras")

    @pytest.mark.slow
    def test_the_game_is_what_was_asked_for_and_goes_on_so(self):
        game = ("--loss", "wasserstein", "--penalty", "wgan-gp", "--discriminator-steps", 5)
        gan = self.train("dcgan", *game)
        self.assertIsInstance(gan.adversarial_loss, kerasgan.losses.Wasserstein)
        self.assertEqual([p.get_config() for p in gan.penalties], [WGAN_GP.get_config()])
        self.assertEqual(gan.discriminator_steps, 5)
        updates = {p: int(gan.optimizer[p].iterations) for p in gan.players}
        self.assertEqual(updates, {"discriminator": 5, "generator": 1})
        self.assertIn("gradient_penalty", read_history(self.folder / "run")[1])
        resume = ("train", "--resume", "--out", self.folder / "run", "--epochs", 2)
        self.assert_works(*resume)
        gan = keras.saving.load_model(self.folder / "run" / "model.keras")
        self.assertEqual(int(gan.optimizer["discriminator"].iterations), 10)
        self.assert_refused([*resume, "--loss", "hinge"], "loss", "wasserstein", "hinge")

    def test_several_penalties_are_paid_together(self):
        gan = self.train("dcgan", "--penalty", "r1", "--penalty", "lecam")
        self.assertEqual([p.log_name for p in gan.penalties], ["gradient_penalty", "lecam"])

    def test_an_augmentation_is_part_of_the_run(self):
        gan = self.train("dcgan", "--augmentation", "ada")
        self.assertIsInstance(gan.augmentation, kerasgan.augmentation.ADA)
        self.assertIn("augmentation_p", read_history(self.folder / "run")[1])
        train = [*training(), "--out", self.folder / "other", "--augmentation", "add"]
        self.assert_refused(train, "augmentation='add'.*'ada', 'diffaugment'")

    def test_a_folder_of_copies_is_refused_before_the_run_begins(self):
        (self.folder / "copies").mkdir()
        for name in ("1.png", "2.png"):
            Image.new("RGB", (8, 8), "red").save(self.folder / "copies" / name)
        train = ["train", "dcgan", "--data", self.folder / "copies", "--batch-size", 2]
        run = self.folder / "run"
        self.assert_refused([*train, "--set", "base_width=2", "--out", run], "only copies of one")
        self.assertFalse(run.exists())

    @pytest.mark.slow
    def test_the_papers_penalty_can_be_left_out(self):
        size = ("--set", "max_width=4", "--stage-epochs", 1)
        gan = self.train("progan", *size, "--loss", "least_squares", "--penalty", "none")
        self.assertIsInstance(gan.adversarial_loss, kerasgan.losses.LeastSquares)
        self.assertEqual(gan.penalties, [])
        self.assertNotIn("gradient_penalty", read_history(self.folder / "run")[1])
        resume = ("train", "--resume", "--out", self.folder / "run", "--epochs", 2)
        self.assert_works(*resume)
        gan = keras.saving.load_model(self.folder / "run" / "model.keras")
        self.assertEqual((gan.penalties, gan.epochs_trained), ([], 2))
        self.assert_refused([*resume, "--penalty", "r1"], "penalties")

    def test_a_wrong_name_is_answered_with_the_right_ones(self):
        train = [*training(), "--out", self.folder / "run"]
        self.assert_refused([*train, "--loss", "hing"], "'hing'.*'minimax'.*mean 'hinge'")
        self.assert_refused([*train, "--penalty", "r3"], "'r3'.*'wgan-gp'")
        both = ("--penalty", "none", "--penalty", "r1")
        self.assert_refused([*train, *both], "none cannot be used together with other penalties")
        self.assert_refused([*train, "--discriminator-steps", 0], "discriminator-steps")
        self.assertFalse((self.folder / "run").exists())

    def test_samples_are_of_the_label_that_was_asked_for(self):
        gan = self.train("cgan")
        self.assertEqual(gan.num_classes, 4)
        sample, folder = ("sample", self.folder / "run", "--num", 3), self.folder / "threes"
        self.assert_works(*sample, "--label", 3, "--individual", folder)
        images = [np.asarray(Image.open(file)) for file in sorted(folder.iterdir())]
        expected = to_uint8(gan.generate(3, seed=0, labels=3))
        self.assertAllEqual(images, expected[..., 0])
        self.assertNotAllEqual(gan.generate(3, seed=0, labels=2), gan.generate(3, seed=0, labels=3))
        self.assert_works(*sample, "--label", 3, "--truncation", 0.1, "--individual", folder)
        images = [np.asarray(Image.open(file)) for file in sorted(folder.iterdir())]
        typical = to_uint8(gan.generate(3, seed=0, labels=3, truncation=0.1))
        self.assertNotAllEqual(typical, expected)
        self.assertAllEqual(images, typical[..., 0])
        grid = ("--out", self.folder / "grid.png")
        self.assert_refused([*sample, *grid], "CGAN is conditional", "0 to 3")
        self.assert_refused([*sample, *grid, "--label", 4], "labels are 4", "0 to 3")
        self.assert_refused([*sample, *grid, "--label", -1], "labels are -1", "0 to 3")
        unconditional = ["sample", shared_folder() / "run", *grid, "--label", 3]
        self.assert_refused(unconditional, "VanillaGAN is unconditional")
        self.assertFalse((self.folder / "grid.png").exists())

    def test_a_run_starts_from_the_weights_of_another(self):
        donor = self.train("cgan")
        run = self.folder / "next"
        train = ("train", "cgan", "--data", "digits", "--from", self.folder / "run", "--out", run)
        self.assert_refused(
            ["train", "cgan", "--data", "digits", "--freeze-discriminator", 1, "--out", run],
            "give the model that has them with --from",
        )
        self.assert_refused(
            [*train, "--freeze-discriminator", 9], "discriminator 9: layers=9; use .* 0"
        )
        ended = call(*train, "--freeze-discriminator", 1, "--epochs", 1, "--batch-size", 512)
        self.assertEqual(ended.code, 0, ended.err)
        self.assertRegex(ended.out, r"Took \d+ of \d+ weights, .*\n.* start anew:\n")
        self.assertIn("generator/project/kernel: ", ended.out)  # of 4 classes there, 10 here
        self.assertIn("These layers stay frozen: down0.", ended.out)
        gan = keras.saving.load_model(run / "model.keras")
        self.assertEqual((gan.latent_dim, gan.base_width), (donor.latent_dim, donor.base_width))
        self.assertIn("stay", ended.out)
        self.assertFalse(gan.discriminator.get_layer("down0").trainable)
        self.assertTrue(gan.discriminator.get_layer("logits").trainable)

    def test_classes_keep_their_names(self):
        folder, run = self.folder / "pictures", self.folder / "run"
        for name, gray in {
            "train/ant/1.png": 0,
            "train/bee/1.png": 100,
            "train/cat/1.png": 200,
            "test/bee/1.png": 100,
            "test/cat/1.png": 200,
            "../other/dog/1.png": 0,
        }.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 8), gray).save(folder / name)
        (folder / "train" / "cat" / "2.png").write_text("damaged")
        size = ("--image-size", 8, "--batch-size", 3, "--epochs", 1, "--out", run)
        train = ("train", "cgan", "--data", folder, *size, "--set", "base_width=2")
        ended = call(*train)
        self.assertEqual(ended.code, 2)
        self.assertRegex(ended.err, "(?s)skipped .*cat/2.png: .*example .*2.png.*--skip-damaged")
        self.assertEqual(call(*train, "--skip-damaged").code, 0)
        (folder / "train" / "cat" / "2.png").unlink()
        names = ["ant", "bee", "cat"]
        settings = json.loads((run / "run.json").read_text())
        self.assertEqual((settings["class_names"], settings["skip_damaged"]), (names, True))
        gan = keras.saving.load_model(run / "model.keras")
        self.assertEqual(gan.class_names, tuple(names))
        for label, drawn in (("bee", 1), ("1", 1), ("cat", 2)):
            self.assert_works("sample", run, "--num", 1, "--label", label, "--individual", run)
            image = np.asarray(Image.open(run / "000000.png"))
            self.assertAllEqual(image, to_uint8(gan.generate(1, seed=0, labels=drawn))[0])
        sample = ["sample", run, "--out", self.folder / "grid.png"]
        self.assert_refused([*sample, "--label", "owl"], "labels='owl'", "'ant', 'bee', 'cat'")
        self.assert_refused(sample, "0 to 2, or a name: ant, bee, cat")
        measure = ("evaluate", run, "--metrics", "fid", "--features", "pixels", "--num", 4)
        self.assertEqual(call(*measure, "--data", folder / "test").code, 0)
        self.assert_refused([*measure, "--data", self.folder / "other"], "lacks 'dog'")
        (folder / "train" / "bee" / "1.png").rename(folder / "train" / "cat" / "3.png")
        (folder / "test" / "bee" / "1.png").unlink()
        (folder / "train" / "bee").rmdir()
        self.assert_refused(["train", "--resume", "--out", run, "--epochs", 2], "gone: 'bee'")


@pytest.mark.slow
class OtherProcessTest(CommandTestCase):
    def start(self, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "kerasgan", *map(str, arguments)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def kill_after(self, epochs, process, run):
        deadline = time.monotonic() + 100
        while len(read_history(run)) < epochs:
            self.assertIsNone(process.poll())
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        process.kill()
        process.wait()

    def test_a_continued_and_a_killed_run_end_like_one_that_was_never_interrupted(self):
        # Eight epochs: the killed run may get some way past the second before the signal comes.
        whole, killed = self.folder / "whole", self.folder / "killed"
        uninterrupted = self.start(*training(), "--epochs", 8, "--out", whole)
        endless = self.start(*training(), "--epochs", 100_000, "--out", killed)
        self.kill_after(2, endless, killed)
        self.assertLess(epochs_trained(killed), 8)
        _, errors = uninterrupted.communicate(timeout=100)
        self.assertEqual((uninterrupted.returncode, errors), (0, ""))

        continued = self.copy_of_run()
        for run in (continued, killed):
            with self.subTest(run.name):
                self.assert_works("train", "--resume", "--out", run, "--epochs", 8)
                self.assert_same_run(run, whole)
        self.assertEqual(contents(continued / "samples"), contents(whole / "samples"))
        self.assertEqual(Image.open(continued / "samples.gif").n_frames, 8)


@pytest.mark.slow
class DevicesTest(CommandTestCase):
    def test_two_devices_train_and_one_goes_on(self):
        run = self.folder / "run"
        command = [sys.executable, "-m", "kerasgan", *map(str, training()), "--out", run]
        on_two = [*command, "--epochs", "1", "--devices", "2"]
        subprocess.run(on_two, check=True, capture_output=True)
        self.assertEqual(runs.read_settings(run)["devices"], 2)
        alone = self.folder / "alone"
        self.assert_works(*training(), "--epochs", 1, "--out", alone)
        self.assertNotEqual(read_history(run), read_history(alone))
        self.assert_works("train", "--resume", "--out", run, "--epochs", 2, "--devices", 1)
        self.assertEqual(epochs_trained(run), 2)
        self.assertEqual(runs.read_settings(run)["devices"], 1)

    def test_default_batch_gives_each_update_the_papers_images(self):
        for model, options, batch in (
            ("wgan_gp", (), 320),
            ("wgan_gp", ("--discriminator-steps", 2), 128),
            ("sngan", ("--set", "architecture=dcgan"), 64),
            ("pac_gan", ("--set", "packing=4"), 400),
            ("pix2pix", ("--task", "denoise"), 1),
            ("dcgan", ("--batch-size", 7), 7),
        ):
            with mock.patch("kerasgan.cli.training._train_here") as train:
                self.assert_works(
                    "train", model, "--data", "digits", *options, "--out", self.folder
                )
            _, settings, *_ = train.call_args.args
            self.assertEqual(settings["batch_size"], batch, (model, options))

    def test_batches_that_cannot_be_shared_equally_are_refused(self):
        arguments = [*training(), "--out", self.folder / "run", "--devices", 3]
        self.assert_refused(arguments, "--devices 3 .* batches of 8 .* multiple of 3")
        self.assertFalse((self.folder / "run").exists())


class SampleTest(CommandTestCase):
    def sample(self, run, folder, *arguments):
        self.assert_works("sample", run, "--individual", self.folder / folder, *arguments)
        files = sorted((self.folder / folder).iterdir())
        return [np.asarray(Image.open(file)) for file in files]

    def test_individual_samples_are_files_of_one_image_each(self):
        images = self.sample(shared_folder() / "run", "images", "--num", 5)
        self.assertEqual([image.shape for image in images], [(8, 8)] * 5)
        self.assertGreater(np.std(images, axis=0).max(), 0)

    def test_a_seed_stands_for_its_samples_and_fewer_are_the_first_of_more(self):
        run = shared_folder() / "run"
        five = self.sample(run, "five", "--num", 5, "--seed", 1)
        self.assertAllEqual(self.sample(run, "again", "--num", 5, "--seed", 1), five)
        self.assertAllEqual(self.sample(run, "three", "--num", 3, "--seed", 1), five[:3])
        self.assertNotAllEqual(self.sample(run, "other", "--num", 5, "--seed", 2), five)

    def test_a_run_folder_and_its_keras_file_give_the_same_samples(self):
        run = shared_folder() / "run"
        from_file = self.sample(run / "model.keras", "file", "--num", 3)
        self.assertAllEqual(self.sample(run, "run", "--num", 3), from_file)

    def test_one_picture_shows_all_samples(self):
        run = shared_folder() / "run"
        self.assert_works("sample", run, "--num", 5, "--out", self.folder / "grid.png")
        grid = np.asarray(Image.open(self.folder / "grid.png"))
        samples = keras.saving.load_model(run / "model.keras").generate(5, seed=0)
        self.assertAllEqual(grid, pictures.draw(samples))

    def test_vectors_are_plotted_and_refused_as_files(self):
        gan = kerasgan.VanillaGAN((2,), latent_dim=2, hidden_units=())
        gan.save(self.folder / "points.keras")
        plot, pictures = self.folder / "plot.png", self.folder / "pictures"
        self.assert_works("sample", self.folder / "points.keras", "--out", plot)
        self.assertGreater(np.asarray(Image.open(plot)).std(), 0)
        self.assert_refused(
            ["sample", self.folder / "points.keras", "--individual", pictures], "vectors"
        )
        self.assertFalse(pictures.exists())

    def test_the_place_for_the_samples_has_to_be_said_once(self):
        sample = ["sample", shared_folder() / "run"]
        self.assert_refused(sample, "--out", "--individual")
        both = ["--out", self.folder / "grid.png", "--individual", self.folder]
        self.assert_refused(sample + both, "--out", "--individual")
        self.assert_refused([*sample, "--out", self.folder / "grid.jpg"], r"\.png")
        self.assertEqual(contents(self.folder), {})


class ExportAndInfoTest(CommandTestCase):
    def test_export_writes_a_saved_model_once(self):
        run, directory = shared_folder() / "run", self.folder / "digits" / "1"
        self.assert_works("export", run, directory)
        self.assertTrue((directory / "saved_model.pb").exists())
        before = contents(directory)
        self.assert_refused(["export", run, directory], "exists already")
        self.assertEqual(contents(directory), before)

    def test_export_takes_directions_of_the_run_or_those_given(self):
        run = self.folder / "run"
        shutil.copytree(shared_folder() / "run", run)
        (run / "directions.npz").write_bytes(b"no directions")
        self.assert_refused(
            ["export", run, self.folder / "1"], "does not hold directions of kerasgan"
        )
        given = ["--directions", self.folder / "none.npz"]
        self.assert_refused(["export", run, self.folder / "1", *given], "do not exist")
        width = int(kerasgan.load_model(run).latent_dim)
        vectors, ones = np.eye(2, width, dtype="float32"), np.ones(2, "float32")
        found = kerasgan.control.Directions(("a", "b"), "z", vectors, ones, ones, "linear")
        found.save(run / "directions.npz")
        out = self.assert_works("export", run, self.folder / "1")
        self.assertIn("signatures edit, sample, serving_default", out)

    def test_info_says_what_a_run_is(self):
        run = shared_folder() / "run"
        out = self.assert_works("info", run)
        for line in (
            r"model +VanillaGAN",
            r"epochs trained +2",
            r"makes +8x8x1",
            r"hidden_units +\(8,\)",
            r"generator +616 weights, Adam",
            rf"data +{shared_folder()}/images\.npz",
            r"epochs wanted +2",
        ):
            self.assertRegex(out, f"(?m)^{line}$")
        self.assertRegex(self.assert_works("info", run / "model.keras"), r"(?m)^epochs trained +2$")


class MistakeTest(CommandTestCase):
    def test_a_wrong_argument_is_named(self):
        for arguments, pattern in (
            (["--nonsense"], "--nonsense"),
            (["trian"], "trian"),
            (["train", "--epochs", "many"], "many"),
            (["train"], "MODEL"),
            (["train", "dcgan"], "--data"),
            (["sample", shared_folder() / "run", "--num", "0", "--out", "grid.png"], "num"),
            (["info"], "RUN_OR_FILE"),
        ):
            with self.subTest(arguments):
                self.assert_refused(arguments, pattern)

    def test_a_wrong_model_is_answered_with_a_near_one(self):
        train = ["train", "dcgann", "--data", "digits", "--out", self.folder / "run"]
        self.assert_refused(train, "'dcgann'", "Did you mean 'dcgan'")
        self.assertEqual(contents(self.folder), {})

    def test_a_wrong_data_set_is_answered_with_a_near_one(self):
        train = ["train", "dcgan", "--data", "digitz", "--out", self.folder / "run"]
        self.assert_refused(train, "'digitz'", "Did you mean .*'digits'")
        self.assertEqual(contents(self.folder), {})

    def test_a_file_that_is_missing_or_damaged_is_named(self):
        missing, damaged = self.folder / "missing.npz", self.folder / "damaged.keras"
        damaged.write_text("not a model")
        self.assert_refused(["train", "vanilla_gan", "--data", missing], str(missing))
        for command in (["info"], ["sample", "--out", "grid.png"], ["export", self.folder / "1"]):
            with self.subTest(command[0]):
                name, *options = command
                self.assert_refused(
                    [name, damaged, *options], str(damaged), "damaged, or not a .keras"
                )
                self.assert_refused([name, missing, *options], str(missing), "does not exist")

    def test_a_wrong_setting_is_answered_with_the_right_ones(self):
        train = [*training(), "--out", self.folder / "run"]
        self.assert_refused([*train, "--set", "depth=3"], "depth", "hidden_units", "loss")
        self.assert_refused([*train, "--set", "latent_dim"], "'latent_dim'", "key=value")
        self.assert_refused([*train, "--set", "latent_dim=0"], "latent_dim=0")
        self.assertEqual(contents(self.folder), {})


if __name__ == "__main__":
    tf.test.main()


@pytest.mark.slow
class GrowingTest(CommandTestCase):
    """`--stage-epochs`, and what a model that grows leaves in its folder."""

    def train(self, folder, epochs, *arguments):
        sizes = ("base_width=4", "max_width=4", "latent_dim=4")
        settings = [part for size in sizes for part in ("--set", size)]
        data = self.folder / "images.npz"
        if not data.exists():
            images = np.random.default_rng(0).integers(0, 256, (16, 8, 8), dtype="uint8")
            np.savez(data, images=images)
        given = ("--data", data, "--batch-size", 8, *settings)
        self.assert_works(
            "train", "progan", *given, "--epochs", epochs, "--out", folder, *arguments
        )

    def test_grows_and_goes_on_in_the_middle_of_a_fade(self):
        """8x8 begins with the third epoch, and is half there at the end of that."""
        whole, parts = self.folder / "whole", self.folder / "parts"
        self.train(whole, 8)  # of which by default half are for 8x8 at full strength
        self.train(parts, 3, "--stage-epochs", 2)
        gan = keras.saving.load_model(parts / "model.keras")
        self.assertEqual(gan.image_shape, (8, 8, 1))
        self.assertEqual(float(keras.ops.convert_to_numpy(gan.discriminator.alpha)), 0.25)
        self.assert_works("train", "--resume", "--out", parts, "--epochs", 8)
        first, second = (keras.saving.load_model(f / "model.keras") for f in (whole, parts))
        for one, other in zip(first.weights, second.weights, strict=True):
            self.assertAllEqual(*map(keras.ops.convert_to_numpy, (one, other)))
        frames = [Image.open(file).size for file in sorted((whole / "samples").glob("*.png"))]
        self.assertLen(set(frames), 1)

    def test_is_for_models_that_grow(self):
        train = [*training(), "--out", self.folder / "run", "--stage-epochs", 2]
        self.assert_refused(train, "--stage-epochs", "does not grow")
        self.assertFalse((self.folder / "run").exists())

"""What happens to the folder of a run: `--overwrite`, `--resume` in a damaged one, the lock."""

import contextlib
import errno
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
from unittest import mock

import numpy as np
import tensorflow as tf
from backends import needs_backend
from PIL import Image
from test_commands import (
    SETTINGS,
    CommandTestCase,
    call,
    contents,
    epochs_trained,
    interrupted_in,
    training,
)

import kerasgan
from kerasgan.cli import run_folder, runs
from kerasgan.utils import files

pytestmark = needs_backend(
    "tensorflow", reason="test_commands and test_own_models run the commands there"
)


def write(file, text="x"):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


class RunFolderTestCase(CommandTestCase):
    def setUp(self):
        super().setUp()
        self.run_, self.old = self.folder / "run", self.folder / "run.old"
        self.overwrite = [*training(), "--epochs", 1, "--out", self.run_, "--overwrite"]

    def assert_unchanged(self, before):
        self.assertEqual(contents(self.folder), before)

    def beside(self):
        return sorted(path.name for path in self.folder.iterdir())


class OverwriteTest(RunFolderTestCase):
    def test_the_old_run_stays_until_the_new_one_has_an_epoch(self):
        before = contents(self.copy_of_run())
        ended = call(*self.overwrite, "--learning-rate", 1e30)
        self.assert_fails(ended, 1, "became nan")
        kept = contents(self.old)
        kept.pop(".lock")
        self.assertEqual(kept, before)
        self.assertIn(f"stays in {self.old} until", ended.out)
        self.assertIn(f"{self.old} is the run that was in", ended.out.splitlines()[-1])

        ended = call("info", self.run_)
        self.assertEqual(ended.code, 0)
        self.assertIn(f"note: {self.old} is the run that was in", ended.err)
        self.assert_refused(self.overwrite[:-1], "exists already")

        with interrupted_in(epoch=1):
            self.assertEqual(call(*self.overwrite).code, 130)
        self.assertEqual(self.beside(), ["run", "run.old", "run.old-2"])
        ended = call("train", "--resume", "--out", self.run_)
        self.assertEqual(ended.code, 0, ended)
        self.assertEqual(epochs_trained(self.run_), 1)
        self.assertEqual(self.beside(), ["run"])
        self.assertNoCommonElements([".lock", ".replaces"], contents(self.run_))

    def test_what_came_into_the_old_run_meanwhile_is_not_removed(self):
        self.copy_of_run()
        with interrupted_in(epoch=1):
            call(*self.overwrite)
        write(self.old / "thesis.txt")
        ended = call("train", "--resume", "--out", self.run_)
        self.assertEqual(ended.code, 0, ended)
        self.assertIn("the replaced run stays", ended.err)
        self.assertIn("thesis.txt", ended.err)
        self.assertIn("model.keras", contents(self.old))
        self.assertFalse((self.run_ / ".replaces").exists())

    def test_a_kill_between_the_renames_loses_nothing(self):
        before = contents(self.copy_of_run())
        moved = []

        def move(source, target):
            if pathlib.Path(target) == self.run_:
                raise KeyboardInterrupt
            moved.append(source)
            os.replace(source, target)

        with mock.patch.object(files, "move", move):
            self.assertEqual(call(*self.overwrite).code, 130)
        self.assertFalse(self.run_.exists())
        self.assertEqual({**contents(self.old), ".lock": None}, {**before, ".lock": None})
        self.assertIn(f"note: {self.old} is the run", call("info", self.run_).err)
        self.assert_refused(self.overwrite[:-1], f"{self.old} holds the run", "rename it")
        self.assert_works(*self.overwrite)
        self.assertEqual(self.beside(), ["run"])

    def test_a_link_to_a_folder_stays_one(self):
        self.copy_of_run().rename(self.folder / "disk")
        self.run_.symlink_to(self.folder / "disk")
        self.assert_works(*self.overwrite)
        self.assertTrue(self.run_.is_symlink())
        self.assertEqual(epochs_trained(self.folder / "disk"), 1)
        self.assertEqual(self.beside(), ["disk", "run"])
        self.run_.unlink()  # which the removal of temporary folders would follow

    def test_what_cannot_be_replaced_is_refused_and_stays_as_it_is(self):
        self.copy_of_run()
        write(self.folder / "mine" / "photo.png")

        def cases():
            for inside in (self.run_, self.run_ / "samples"):
                with contextlib.chdir(inside):
                    yield "is the current folder or contains it"
            with contextlib.chdir(self.run_):
                self.overwrite[self.overwrite.index(self.run_)] = "."
                yield "is the current folder or contains it"
                self.overwrite[self.overwrite.index(".")] = self.run_
            for name in ("thesis.txt", "samples/cat.png", "data/0.png", "grid.png"):
                write(self.run_ / name)
                yield name
                (self.run_ / name).unlink()
            (self.run_ / "linked").symlink_to(self.folder / "mine")
            yield "linked"
            (self.run_ / "linked").unlink()
            for text in ("{}", "[]", "{"):
                write(self.run_ / "run.json", text)
                yield r"run.json is damaged.*leaves .* alone"
            (self.run_ / "run.json").unlink()
            yield r"not a run folder.*leaves .* alone"

        for pattern in cases():
            before = contents(self.folder)
            with self.subTest(pattern):
                self.assert_refused(self.overwrite, pattern)
                self.assert_unchanged(before)

    def test_a_folder_that_cannot_be_renamed_stays_as_it_is(self):
        before = contents(self.copy_of_run())
        replace = os.replace

        def busy(source, target):
            if pathlib.Path(source) == self.run_:
                raise OSError(errno.EBUSY, "Device or resource busy", str(source))
            replace(source, target)

        with mock.patch.object(os, "replace", busy):
            self.assert_refused(self.overwrite, "cannot rename", "busy", "nothing was changed")
        self.assertEqual(contents(self.run_), before)
        self.assertEqual(self.beside(), ["run"])

    def test_exports_and_their_configuration_are_kerasgans(self):
        run = self.copy_of_run()
        version = run / "savedmodels" / "digits" / "1"
        for name in ("saved_model.pb", "variables/variables.data-00000-of-00001", "fingerprint.pb"):
            write(version / name)
        (version / "assets").mkdir()
        write(version / "assets.extra" / "model_card.json", '{"kerasgan": "0.1.0"}')
        write(run / "savedmodels" / ".partial-models.config")
        write(run / "savedmodels" / "digits" / ".partial-2" / "saved_model.pb")
        names = ("models.config", "batching_parameters.txt", "monitoring.config")
        for name in (*names, "docker-compose.yml"):
            write(run / "savedmodels" / name, "# Written by `kerasgan serving-config`.\n")
        self.assertEqual(run_folder.foreign_files(run), [])
        compose = run / "savedmodels" / "docker-compose.yml"
        write(compose, "services: {}\n")
        write(version / "notes.txt")
        self.assertEqual(run_folder.foreign_files(run), [version / "notes.txt", compose])
        write(version / "assets.extra" / "model_card.json", "{}")
        self.assertIn(version / "saved_model.pb", run_folder.foreign_files(run))

    def test_names_of_what_is_unfinished_are_those_of_the_writer(self):
        self.assertEqual(runs.PARTIAL, files.PARTIAL)


class LockTest(RunFolderTestCase):
    def test_a_folder_in_use_is_refused_with_the_process(self):
        self.copy_of_run()
        resume = ["train", "--resume", "--out", self.run_, "--epochs", 3]
        with run_folder.locked(self.run_):
            before = contents(self.run_)
            for arguments in (resume, self.overwrite):
                holder = f"in use: process {os.getpid()} on {socket.gethostname()}"
                self.assert_refused(arguments, holder)
            self.assertEqual(contents(self.run_), before)
        self.assertFalse((self.run_ / ".lock").exists())

    def test_a_process_that_dies_lets_go(self):
        self.run_.mkdir()
        program = (
            "import pathlib, time\nfrom kerasgan.cli import run_folder\n"
            f"with run_folder.locked(pathlib.Path({str(self.run_)!r})):\n"
            "    print(flush=True)\n    time.sleep(100)"
        )
        holder = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        self.addCleanup(holder.communicate)
        self.addCleanup(holder.kill)
        holder.stdout.readline()
        with self.assertRaisesRegex(Exception, f"process {holder.pid} "):
            with run_folder.locked(self.run_):
                pass
        holder.kill()
        holder.wait()
        self.assertTrue((self.run_ / ".lock").exists())
        with run_folder.locked(self.run_):
            pass


class ResumeTest(RunFolderTestCase):
    def test_a_damaged_run_is_refused_and_stays_as_it_is(self):
        self.copy_of_run()
        resume = ["train", "--resume", "--out", self.run_, "--epochs", 3]
        settings = json.loads((self.run_ / "run.json").read_text())
        history = (self.run_ / "history.csv").read_text()
        model = (self.run_ / "model.keras").read_bytes()
        other, small = self.folder / "other.keras", self.folder / "small.keras"
        kerasgan.LSGAN((8, 8, 1), base_width=2, latent_dim=4).save(other)
        kerasgan.VanillaGAN((4, 4, 1), latent_dim=4, hidden_units=(8,)).save(small)
        what_to_do = "[Rr]estore (it|the run's)"

        def cases():
            for text in ("", "[]", "null", "{", "3", "\xff"):
                yield "run.json", text.encode("latin-1"), ("run.json is damaged",)
            for name, value in (("epochs", "2"), ("set", []), ("model", 1), ("batch_size", 8.0)):
                damaged = json.dumps({**settings, name: value}).encode()
                yield (
                    "run.json",
                    damaged,
                    (f"run.json is damaged.*not a valid '{name}'", what_to_do),
                )
            damaged = json.dumps({k: v for k, v in settings.items() if k != "data"}).encode()
            yield "run.json", damaged, ("run.json is damaged: it has no 'data'", what_to_do)
            damaged = json.dumps({**settings, "model": "vannila_gan"}).encode()
            yield "run.json", damaged, ("run.json: .*'vannila_gan'.*vanilla_gan",)
            for text in ("", "loss\n1\n", "epoch,loss\n1\n", "epoch,loss\n1,x\n", "\xff\0"):
                damaged = ("history.csv is damaged", what_to_do, "remove it")
                yield "history.csv", text.encode("latin-1"), damaged
            yield "history.csv", history[:-9].encode(), ("history.csv is damaged", what_to_do)
            yield "model.keras", None, ("model.keras is missing", "restore it", "--overwrite")
            for damaged in (b"", model[: len(model) // 2]):
                yield "model.keras", damaged, ("model.keras cannot be loaded.*damaged", what_to_do)
            yield "model.keras", other.read_bytes(), ("LSGAN.*VanillaGAN", what_to_do)
            yield "model.keras", small.read_bytes(), (r"\(4, 4, 1\).*\(8, 8, 1\)", what_to_do)

        for name, damaged, patterns in cases():
            file = self.run_ / name
            whole = file.read_bytes()
            file.unlink() if damaged is None else file.write_bytes(damaged)
            before = contents(self.run_)
            with self.subTest(name, damaged=damaged and damaged[:40]):
                self.assert_refused(resume, *patterns)
                self.assertEqual(contents(self.run_), before)
            file.write_bytes(whole)

    def test_other_classes_are_refused(self):
        data, away = self.folder / "data", self.folder / "away"
        for name in ("cat", "dog", "fox"):
            (data / name).mkdir(parents=True)
            for number in range(4):
                Image.new("L", (8, 8), 50 * number).save(data / name / f"{number}.png")
        train = ("train", "cgan", "--data", data, "--image-size", 8, "--epochs", 1)
        narrow = ("--batch-size", 4, "--set", "base_width=2", "--set", "latent_dim=4")
        self.assert_works(*train, *narrow, "--out", self.run_)
        before = contents(self.run_)
        resume = ["train", "--resume", "--out", self.run_, "--epochs", 2]
        shutil.move(data / "cat", away)
        self.assert_refused(resume, "classes 'cat', 'dog', 'fox'", "gone: 'cat'")
        shutil.copytree(away, data / "cat")
        shutil.move(away, data / "ant")
        self.assert_refused(resume, "classes 'cat', 'dog', 'fox'", "new: 'ant'")
        self.assertEqual(contents(self.run_), before)
        shutil.rmtree(data / "ant")
        self.assert_works(*resume)

    def test_a_damaged_picture_does_not_end_a_training_that_is_complete(self):
        run = self.copy_of_run()
        first = run / "samples" / "epoch_0001.png"
        first.write_bytes(first.read_bytes()[:100])
        write(run / "samples" / "epoch_x.png")
        resume = ("train", "--resume", "--out", run, "--epochs", 3)
        ended = call(*resume)
        self.assertEqual(ended.code, 0, ended)
        self.assertIn("Trained for 3 epochs", ended.out)
        self.assertIn("epoch_0001.png cannot be read as a picture", ended.err)
        self.assertNotIn("Traceback", ended.err)
        self.assertEqual(epochs_trained(run), 3)
        self.assertEqual(Image.open(run / "samples.gif").n_frames, 2)
        self.assertIn("<img", (run / "report.html").read_text())
        ended = call("compare", run, "--out", self.folder / "compare.html")
        self.assertEqual((ended.code, ended.err), (0, ""))

    def test_damaged_axes_are_drawn_anew(self):
        points = ("--data", "ring8", *SETTINGS[:4], "--batch-size", 1000)
        self.assert_works("train", "vanilla_gan", *points, "--epochs", 1, "--out", self.run_)
        write(self.run_ / "samples" / "axes.json", "{")
        self.assert_works("train", "--resume", "--out", self.run_, "--epochs", 2)
        low, high = json.loads((self.run_ / "samples" / "axes.json").read_text())
        self.assertLess(low, high)
        self.assertGreater(np.std(Image.open(self.run_ / "samples" / "epoch_0002.png")), 0)


if __name__ == "__main__":
    tf.test.main()

import os
import pathlib
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend

import kerasgan
from kerasgan import pictures
from kerasgan.callbacks.sample_grid import SampleGrid
from kerasgan.cli import runs
from kerasgan.hype import study as hype
from kerasgan.metrics import FeatureStatistics
from kerasgan.serving import configuration, saved_models
from kerasgan.utils.files import append, atomic_path, make_folder

pytestmark = needs_backend("tensorflow", reason="files only")


class AtomicPathTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "new" / "file.txt"

    def write(self, text):
        with atomic_path(self.path) as temporary:
            self.assertEqual(temporary.suffix, ".txt")
            temporary.write_text(text)

    def test_replaces_what_was_there(self):
        self.write("one")
        self.write("two")
        self.assertEqual(self.path.read_text(), "two")
        self.assertEqual(list(self.path.parent.iterdir()), [self.path])

    def test_a_failure_leaves_the_old_file_and_no_other(self):
        self.write("one")
        for failure in (OSError("disk full"), KeyboardInterrupt()):
            with self.assertRaises(type(failure)), atomic_path(self.path) as temporary:
                temporary.write_text("half of tw")
                raise failure
        with mock.patch.object(os, "fsync", side_effect=OSError(5, "Input/output error")):
            with self.assertRaisesRegex(OSError, "Input/output"):
                self.write("two")
        self.assertEqual(self.path.read_text(), "one")
        self.assertEqual(list(self.path.parent.iterdir()), [self.path])

    def test_what_a_killed_process_left_is_replaced(self):
        self.write("one")
        (self.path.parent / ".partial-file.txt").write_text("half")
        self.write("two")
        self.assertEqual(list(self.path.parent.iterdir()), [self.path])

    def test_folders(self):
        with atomic_path(self.path.parent / "folder") as temporary:
            temporary.mkdir()
            (temporary / "inside").write_text("x")
        self.assertEqual((self.path.parent / "folder" / "inside").read_text(), "x")


class DiskTest(tf.test.TestCase):
    """What is written is on the disk before it gets its name, and its name before anything else."""

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def traced(self, write):
        """The calls `fsync` and `replace` of a function, in their order.

        Each is its name, the number of a file or folder, and for `fsync` the size that was synced.
        """
        calls, fsync, replace = [], os.fsync, os.replace

        def traced_fsync(descriptor):
            status = os.fstat(descriptor)
            calls.append(("fsync", status.st_ino, status.st_size))
            fsync(descriptor)

        def traced_replace(source, target):
            calls.append(("replace", os.stat(source).st_ino, str(target)))
            replace(source, target)

        with mock.patch.object(os, "fsync", traced_fsync):
            with mock.patch.object(os, "replace", traced_replace):
                write()
        return calls

    def assert_on_disk(self, path, write):
        """All of a file or folder was synced, then renamed to its path, then the folder synced."""
        calls = self.traced(write)
        kinds = [(kind, number) for kind, number, _ in calls]
        (*_, renamed) = [n for n, c in enumerate(kinds) if c == ("replace", path.stat().st_ino)]
        for part in (path, *path.rglob("*")):
            before = calls[:renamed]
            if part.is_file():
                self.assertIn(("fsync", part.stat().st_ino, part.stat().st_size), before)
            else:
                self.assertIn(("fsync", part.stat().st_ino), kinds[:renamed])
        self.assertIn(("fsync", path.parent.stat().st_ino), kinds[renamed:])

    def test_everything_of_value(self):
        folder = self.folder
        gan = kerasgan.VanillaGAN((8, 8, 1), hidden_units=(4,), latent_dim=4)
        gan.compile()
        picture = np.zeros((8, 8, 3), "uint8")
        statistics = FeatureStatistics.of(np.zeros((4, 8, 8, 1), "float32"), "pixels")
        for name, write in (
            ("model.keras", gan.save),
            ("new/model.keras", lambda path: gan.save(path, overwrite=False)),
            ("model.weights.h5", gan.save_weights),
            ("run.json", lambda path: runs.write_settings(path.parent, {})),
            ("grid.png", lambda path: pictures.write_png(path, picture)),
            ("grid.gif", lambda path: pictures.write_gif(path, [folder / "grid.png"])),
            ("real.npz", statistics.save),
        ):
            with self.subTest(name):
                self.assert_on_disk(folder / name, lambda n=name, w=write: w(folder / n))

    def test_what_callbacks_write_in_an_epoch(self):
        gan = kerasgan.VanillaGAN((8, 8, 1), hidden_units=(4,), latent_dim=4)
        gan.compile()
        data = kerasgan.data.from_array(
            np.arange(512, dtype="uint8").reshape(8, 8, 8), batch_size=4
        )
        watching = [
            kerasgan.callbacks.CollapseMonitor(data, self.folder),
            SampleGrid(self.folder),
            kerasgan.callbacks.TrainingCurves(self.folder),
            kerasgan.callbacks.RunReport(self.folder),
            keras.callbacks.ModelCheckpoint(self.folder / "best.keras"),
        ]
        calls = self.traced(lambda: gan.fit(data, callbacks=watching, verbose=0))
        synced = {number for kind, number, _ in calls if kind == "fsync"}
        written = [path for path in self.folder.rglob("*") if path.is_file()]
        self.assertLen(written, 7)
        for path in written:
            self.assertIn(path.stat().st_ino, synced, path)

    @needs_backend("tensorflow", reason="the others write the same files more slowly or none")
    def test_exports(self):
        gan = kerasgan.VanillaGAN((8, 8, 1), hidden_units=(4,), latent_dim=4)
        version = self.folder / "savedmodels" / "digits" / "1"
        export = saved_models.export_version
        self.assert_on_disk(version, lambda: export(gan, version.parent))
        config = self.folder / "savedmodels" / "docker-compose.yml"
        self.assert_on_disk(config, lambda: configuration.write_configuration(config.parent))

    def test_answers_of_people(self):
        path = self.folder / "new" / "hype.csv"
        calls = self.traced(lambda: hype.Answers(path, generator="g", data="d"))
        status = path.stat()
        self.assertIn(("fsync", status.st_ino, status.st_size), calls)
        self.assertIn(path.parent.stat().st_ino, [number for _, number, _ in calls])
        calls = self.traced(lambda: append(path, "one more\n"))
        self.assertEqual(calls, [("fsync", status.st_ino, status.st_size + 9)])

    def test_new_folders(self):
        inner = self.folder / "a" / "b"
        calls = self.traced(lambda: make_folder(inner))
        for folder in (self.folder, self.folder / "a"):
            self.assertIn(folder.stat().st_ino, [number for _, number, _ in calls])
        self.assertEqual(self.traced(lambda: make_folder(inner)), [])


if __name__ == "__main__":
    tf.test.main()

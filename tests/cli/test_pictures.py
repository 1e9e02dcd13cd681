"""What the commands make of folders with pictures, and with what is none."""

import contextlib
import io
import os
import pathlib
import types

import click
import numpy as np
import tensorflow as tf
from backends import needs_backend
from cli.test_commands import call
from PIL import Image

from kerasgan.cli import picture_folders, translate

pytestmark = needs_backend(
    "tensorflow", reason="test_commands and test_own_models run the commands there"
)


class Negative:
    """A model that makes a picture's negative."""

    def translator(self, to):
        return types.SimpleNamespace(input_shape=(None, None, None, 1))

    def translate(self, images, to, **how):
        return -images


class PicturesTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.get_temp_dir())
        (self.folder / "in").mkdir()
        for name in ("1.png", "2.webp", "__MACOSX/1.png"):
            path = self.folder / "in" / name
            path.parent.mkdir(exist_ok=True)
            Image.new("L", (4, 4), 100).save(path, lossless=True)
        (self.folder / "in" / "\x1b[2J.png").write_bytes(b"")
        os.mkfifo(self.folder / "in" / "4.png")

    def translate(self, *names, skip_damaged=None):
        with contextlib.redirect_stderr(io.StringIO()) as stderr:
            inputs = [self.folder / name for name in names]
            how = {"to": None, "seed": 0, "tile": 512, "skip_damaged": skip_damaged}
            count = translate.translate_files(Negative(), inputs, self.folder / "out", **how)
        return count, stderr.getvalue()

    def test_translate_skips_what_is_damaged_if_told_so(self):
        with self.assertRaisesRegex(click.UsageError, "cannot be read .* with --skip-damaged"):
            self.translate("in")
        count, stderr = self.translate("in", skip_damaged=True)
        self.assertEqual(count, 2)
        self.assertIn("pipes, sockets or devices: 1 (4.png)", stderr)
        self.assertRegex(stderr, r"skipped .*\\x1b\[2J.png: cannot identify")
        self.assertTrue(stderr.replace("\n", "").isprintable())
        out = sorted((self.folder / "out").iterdir())
        self.assertEqual([file.name for file in out], ["1.png", "2.png"])
        self.assertAllEqual(np.asarray(Image.open(out[1])), np.full((4, 4), 155))

    def test_a_pipe_is_no_picture(self):
        with self.assertRaisesRegex(ValueError, "4.png is not a file"):
            self.translate("in/4.png")
        os.mkfifo(self.folder / "model.keras")
        ended = call("info", self.folder / "model.keras")
        self.assertEqual(ended.code, 2)
        self.assertIn("model.keras is not a file", ended.err)

    def test_a_folder_to_be_measured(self):
        with contextlib.redirect_stderr(io.StringIO()):
            with self.assertRaisesRegex(click.UsageError, "--skip-damaged"):
                picture_folders.open_pictures(self.folder / "in")
            files, read, shape = picture_folders.open_pictures(
                self.folder / "in", skip_damaged=True
            )
        self.assertEqual([file.name for file in files], ["1.png", "2.webp"])
        self.assertEqual(shape, (4, 4, 3))  # WebP knows colours only
        self.assertAllEqual(read(files[1]), np.full((4, 4, 3), 100))

    def test_errors_show_control_characters_escaped(self):
        ended = call("info", self.folder / "\x1b[2J.keras")
        self.assertEqual(ended.code, 2)
        self.assertIn("\\x1b[2J.keras does not exist", ended.err)

"""`kerasgan presets`, and commands that take a preset."""

import pathlib
import shutil

import numpy as np
import tensorflow as tf
from backends import needs_backend
from cli.test_commands import call
from PIL import Image

import kerasgan
from kerasgan.presets import presets

pytestmark = needs_backend("tensorflow", reason="the command line is the same everywhere")


class PresetsCommandTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_lists_all(self):
        listed = call("presets").out.splitlines()[1:]
        self.assertEqual([line.split()[0] for line in listed], list(presets()))
        self.assertRegex(listed[0], r"^cgan_digits +CGAN +16x16x1 +0\.\d MiB$")
        self.assertRegex(listed[-1], r"^\S+ +\S+ +\d+x\d+x3 +-$")

    def test_shows_one(self):
        self.assertIn("## Licence", call("presets", "cgan_digits").out)
        shown = call("presets", "sngan_cifar10").out
        self.assertIn("arXiv:1802.05957", shown)
        self.assertIn('"batch_size": 64', shown)
        ended = call("presets", "sngan_cifar")
        self.assertEqual((ended.code, ended.out), (2, ""))
        self.assertIn("Did you mean 'sngan_cifar10'?", ended.err)

    def test_sample(self):
        drawn = []
        copy = shutil.copytree(presets()["cgan_digits"].folder, self.folder / "copy")
        for which in (("--preset", "cgan_digits"), (f"--preset={copy}",), (copy,)):
            out = self.folder / f"{len(drawn)}.png"
            ended = call("sample", "--num", 4, "--label", 3, *which, "--out", out)
            self.assertEqual((ended.code, ended.err), (0, ""))
            drawn.append(Image.open(out).tobytes())
        self.assertEqual(set(drawn), {drawn[0]})

    def test_export_and_info(self):
        ended = call("export", self.folder / "saved", "--preset", "dcgan_digits")
        self.assertEqual((ended.code, ended.err), (0, ""))
        self.assertTrue((self.folder / "saved" / "1" / "saved_model.pb").exists())
        gan = kerasgan.from_preset("dcgan_digits")
        ended = call("info", "--preset", "dcgan_digits")
        self.assertRegex(ended.out, rf"epochs trained +{gan.epochs_trained}\n")

    def test_control(self):
        picture, found = self.folder / "0.png", self.folder / "found.npz"
        of_preset = ("--preset", "dcgan_digits")
        for arguments in (
            ("interpolate", *of_preset, "--seeds", "0,1", "--num", 2, "--out", picture),
            ("project", *of_preset, picture, "--steps", 1, "--out", found),
        ):
            ended = call(*arguments)
            self.assertEqual((ended.code, ended.err), (0, ""))
        self.assertEqual(np.load(found)["space"], "z")
        for command in ("directions", "edit", "hype"):
            self.assertIn("--preset NAME", call(command, "--help").out)

    def test_without_weights(self):
        ended = call("sample", "--preset", "sngan_cifar10", "--out", self.folder / "x.png")
        self.assertEqual((ended.code, ended.out), (2, ""))
        self.assertRegex(ended.err, "settings of a paper and no weights; .*weights=None")
        self.assertIn("RUN_OR_FILE", call("sample", "--out", self.folder / "x.png").err)
        self.assertIn("--preset NAME", call("sample", "--preset", "x", "--help").out)

"""The commands of docs/recipes.md, and the Poisson step of photo blending."""

import contextlib
import importlib.util
import io
import pathlib
import re
import shlex
import sys
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from backends import needs_backend
from cli.test_commands import CommandTestCase, call
from PIL import Image
from scipy import ndimage

pytestmark = needs_backend("tensorflow", reason="models have tests of their own under the others")

ROOT = pathlib.Path(__file__).parents[1]


def example(name):
    """A script of examples/ as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class BlendingTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.blending = example("blending")
        random = np.random.default_rng(0)
        self.scene, self.object, self.colours = random.uniform(-1, 1, (3, 13, 18, 2))
        self.mask = np.zeros((13, 18), bool)
        self.mask[3:9, 5:12] = True

    def test_a_scene_without_an_object_comes_back(self):
        nothing = np.zeros_like(self.mask)
        found = self.blending.blended(self.scene, self.object, nothing, self.scene)
        self.assertAllClose(found, self.scene, atol=1e-9)

    def test_nothing_is_better(self):
        """The slope of what is minimized, with another program's blur, is 0 in any direction."""

        def cost(x):
            total = 0.0
            for axis in (0, 1):
                of_scene, of_object, of_x = (
                    np.diff(a, axis=axis) for a in (self.scene, self.object, x)
                )
                whole = np.moveaxis(self.mask, axis, 0)
                touches = np.moveaxis(whole[1:] | whole[:-1], 0, axis)[..., None]
                total += np.sum((of_x - np.where(touches, of_object, of_scene)) ** 2)
            other = ndimage.gaussian_filter(
                x - self.colours, (1.5, 1.5, 0), mode="reflect", truncate=8
            )
            return total + 0.7 * np.sum(other**2)

        found = self.blending.blended(
            self.scene, self.object, self.mask, self.colours, weight=0.7, blur=1.5
        )
        random = np.random.default_rng(1)
        for _ in range(10):
            step = 0.01 * random.normal(size=found.shape)
            # It is a parabola: the difference of both sides is 4 times the slope along the step.
            more, less, here = cost(found + step), cost(found - step), cost(found)
            self.assertLess(abs(more - less), 1e-3 * (more + less - 2 * here))
            self.assertGreater(min(more, less), here)


def commands():
    """The commands of the page: list of lists of words."""
    page = (ROOT / "docs" / "recipes.md").read_text()
    return [shlex.split(line) for line in re.findall(r"^    ((?:kerasgan|python) .*)$", page, re.M)]


class CommandsTest(CommandTestCase):
    """Each with tiny folders and networks, one epoch, without graphs: none is used twice."""

    HEAPS = [
        "photos",
        "cartoons",
        "faces",
        "emoji",
        "summer",
        "winter",
        "horses",
        "zebras",
        "young",
        "old",
        "day",
        "night",
    ]
    PAIRS = [
        "views/side",
        "views/front",
        "clothes/worn",
        "clothes/alone",
        "filter/before",
        "filter/after",
    ]
    SMALL = {
        "cycle_gan": ["residual_blocks=1", "base_width=2", "receptive_field=16"],
        "pix2pix": ["base_width=2", "receptive_field=16"],
    }

    def setUp(self):
        super().setUp()
        self.enterContext(contextlib.chdir(self.folder))
        tf.config.run_functions_eagerly(True)
        self.addCleanup(tf.config.run_functions_eagerly, False)

    @pytest.mark.slow
    def test_they_run(self):
        random = np.random.default_rng(0)
        for folder in (*self.HEAPS, *self.PAIRS, "."):
            pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
            names = ("scene.jpg", "flower.jpg", "where.png") if folder == "." else ("1.png",)
            for name in names:
                pixels = random.integers(0, 256, (20, 24, 3), dtype="uint8")
                Image.fromarray(pixels).save(pathlib.Path(folder) / name)
        self.assertLen(commands(), 19)
        for program, command, *words in commands():
            with self.subTest(words=words):
                if program == "python":
                    self.run_blending(words)
                    continue
                if command == "train":
                    words += ["--image-size", "16", "--epochs", "1"]
                    for setting in self.SMALL[words[0]]:
                        words += ["--set", setting]
                ended = call(command, *words)
                self.assertEqual(ended.code, 0, ended.err)
                made = pathlib.Path(words[words.index("--out") + 1])
                if command == "translate":
                    self.assertLen(list(made.glob("*.png")), 1)
                    self.assertEqual(Image.open(made / "1.png").size, (24, 20))

    def run_blending(self, words):
        words[words.index("--minutes") + 1] = "0"
        script = example("blending")
        script.CUTS = 4
        with mock.patch.object(sys, "argv", ["blending.py", *words]):
            with contextlib.redirect_stdout(io.StringIO()):
                script.main()
        shown = Image.open("runs/blending/blended.png")
        self.assertEqual(shown.height, script.SIZE)

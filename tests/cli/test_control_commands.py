"""`kerasgan interpolate`, `directions` and `project`."""

import importlib.util
import itertools

import keras
import numpy as np
import pytest
from backends import needs_backend
from cli.test_commands import CommandTestCase, call
from PIL import Image

import kerasgan
from kerasgan import control

pytestmark = needs_backend(
    "tensorflow", reason="test_commands and test_own_models run the commands there"
)


class ControlCommandsTest(CommandTestCase):
    def setUp(self):
        super().setUp()
        keras.utils.set_random_seed(0)
        self.gan = kerasgan.StyleGAN2((8, 8, 1), latent_dim=4, base_width=4, max_width=4)
        self.file = self.folder / "gan.keras"
        self.gan.save(self.file)

    def outs(self, name, *suffixes):
        files = [self.folder / f"{name}{suffix}" for suffix in suffixes]
        return files, [part for file in files for part in ("--out", file)]

    @pytest.mark.slow
    def test_interpolate(self):
        (png, gif, npz), outs = self.outs("way", ".png", ".gif", ".npz")
        command = ["interpolate", self.file, "--seeds", "3,4,5", "--num", 4, "--space", "z", *outs]
        for _ in range(2):  # what it wrote it may replace
            ended = call(*command)
            self.assertEqual(ended.code, 0, ended)
        ends = [self.gan.latents(1, seed=seed)[0] for seed in (3, 4, 5)]
        ways = [self.gan.interpolate(*pair, 4, "z") for pair in itertools.pairwise(ends)]
        with np.load(npz) as arrays:
            self.assertAllClose(arrays["images"], ways, atol=1e-5)
        with Image.open(gif) as animation:
            self.assertEqual((animation.n_frames, animation.info["loop"]), (7, 0))
        with Image.open(png) as strip:
            self.assertGreater(strip.width, strip.height)
        gif.write_bytes(b"GIF89a of somebody")
        self.assert_refused(command, "way.gif exists already")
        for arguments, message in (
            (["--seeds", "1"], "an interpolation has two ends"),
            (["--seeds", "a,b"], "--seeds a,b: use whole numbers separated by commas"),
            (["--space", "s"], "space='s': StyleGAN2 has no such"),
            (["--path", "x"], "path='x'; use 'lerp' or 'slerp'"),
            (["--picture", png, "--picture", png], "--picture needs a model that can encode"),
        ):
            self.assert_refused(["interpolate", self.file, *arguments, "--out", npz], message)
        self.assert_refused(["interpolate", self.file, "--out", "way.txt"], "the suffix says")
        for given, message in (
            (npz, "way.npz cannot be read as a picture"),
            (self.folder, "is not a"),
        ):
            self.assert_refused(["project", self.file, given, "--out", "found.npz"], message)

    def test_interpolate_between_pictures(self):
        vae = kerasgan.VAE((8, 8, 1), latent_dim=3, hidden_units=(4,))
        vae.save(self.folder / "vae.keras")
        pictures = [self.folder / f"{number}.png" for number in range(2)]
        for number, picture in enumerate(pictures):
            Image.fromarray(np.full((8, 8), 200 * number, "uint8")).save(picture)
        (npz,), out = self.outs("way", ".npz")
        ends = [part for picture in pictures for part in ("--picture", picture)]
        self.assert_works("interpolate", self.folder / "vae.keras", *ends, "--num", 3, *out)
        images = np.stack([np.full((8, 8, 1), 200 * n / 127.5 - 1.0) for n in range(2)])
        with np.load(npz) as arrays:
            self.assertAllClose(arrays["images"][0], vae.interpolate(*images, 3), atol=1e-5)

    @pytest.mark.skipif(importlib.util.find_spec("imageio_ffmpeg") is None, reason="no ffmpeg")
    def test_mp4(self):
        (film,), out = self.outs("way", ".mp4")
        for _ in range(2):
            self.assert_works("interpolate", self.file, *out)
        self.assertEqual(film.read_bytes()[4:8], b"ftyp")

    def test_directions(self):
        own = self.folder / "own.py"
        own.write_text("def corner(images):\n    return images[:, 0, 0, 0]\n")
        (npz, png, gif), outs = self.outs("found", ".npz", ".png", ".gif")
        scores = ["--scores", "ink", "--scores", f"{own}:corner"]
        common = ["directions", self.file, "--method", "linear", "--num", 100]
        ended = call(*common, *scores, *outs)
        self.assertEqual(ended.code, 0, ended)
        self.assertRegex(ended.out, r"ink +\d.\d\d\ncorner +\d.\d\d\n2 directions in ")
        found = control.Directions.load(npz)
        self.assertEqual((found.names, found.space), (("ink", "corner"), "w"))
        with Image.open(gif) as animation:
            self.assertEqual(animation.n_frames, 12)  # there and back
        self.assertTrue(png.exists())
        (other,), out = self.outs("other", ".npz")
        self.assert_works("directions", self.file, "--method", "sefa", "--count", 2, *out)
        self.assertEqual(control.Directions.load(other).names, ("sefa 1", "sefa 2"))
        for arguments, message in (
            ([], "method='logistic' needs scores"),
            (
                ["--scores", "smile"],
                "there is no 'smile'; to name a function in a file, write",
            ),
            (["--scores", f"{own}:other"], "has no function 'other'"),
            (["--method", "pca", "--against", "x.npz"], "x.npz do not exist"),
        ):
            self.assert_refused(["directions", self.file, *arguments, *out], message)

    @pytest.mark.slow
    def test_project(self):
        picture = self.folder / "digit.png"
        Image.fromarray(np.arange(64, dtype="uint8").reshape(8, 8) * 4).save(picture)
        (npz, png), outs = self.outs("found", ".npz", ".png")
        ended = call("project", self.file, picture, picture, "--steps", 3, "--space", "w+", *outs)
        self.assertEqual(ended.code, 0, ended)
        self.assertRegex(ended.out, r"digit.png: distance \d.+\n2 projections in ")
        with np.load(npz) as arrays:
            self.assertEqual(arrays["latents"].shape, (2, 4, 4))
            self.assertEqual(arrays["history"].shape, (2, 3))
        self.assertTrue(png.exists())
        self.assertEqual(list(self.folder.glob("*.unfinished")), [])
        tuned = self.folder / "tuned.keras"
        ended = call("project", self.file, picture, "--steps", 3, "--refine", tuned, *outs)
        self.assertEqual(ended.code, 0, ended)
        with np.load(npz) as arrays:
            points, images = arrays["latents"], arrays["images"]
            noise = [arrays[f"noise_{layer}"] for layer in range(len(arrays.files) - 5)]
        again = keras.saving.load_model(tuned)
        styles = np.repeat(points[:, None], again.style_layers, axis=1)
        self.assertAllClose(again.generate_from_styles(styles, noise), images, atol=1e-4)
        for arguments, message in (
            (
                [picture, "--refine", self.folder / "x.png"],
                "this writes a model, so name it .keras",
            ),
            ([picture, "--features", "smile"], "features='smile' is no such name"),
            ([self.folder / "none.png"], "none.png"),
        ):
            ended = call("project", self.file, *arguments, *outs)
            self.assertNotEqual(ended.code, 0)
            self.assertIn(message, ended.err)

"""What all models that translate have: any size, data of pairs, an endpoint."""

import pathlib
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorflow as tf
from backends import BACKEND, needs_backend

import kerasgan


def cycle_gan():
    return kerasgan.CycleGAN(
        (16, 16, 3), base_width=4, residual_blocks=1, receptive_field=16, seed=0
    )


def images(*shape):
    return np.random.default_rng(0).uniform(-1, 1, shape).astype("float32")


class TranslateTest(tf.test.TestCase):
    def test_images_of_any_size_keep_it(self):
        gan = cycle_gan()
        for height, width in ((16, 16), (1, 1), (30, 17), (70, 33)):
            translated = gan.translate(images(1, height, width, 3), to="B", tile=32, overlap=8)
            self.assertEqual(translated.shape, (1, height, width, 3))
            self.assertAllInRange(translated, -1.0, 1.0)
        self.assertEqual(gan.translate(images(0, 8, 8, 3), to="B").shape, (0, 8, 8, 3))
        colorizer = kerasgan.Pix2Pix((16, 16, 3), 1, base_width=4, receptive_field=16)
        for number in (0, 1):
            self.assertEqual(colorizer.translate(images(number, 9, 8, 1)).shape, (number, 9, 8, 3))

    def test_a_border_that_is_added_is_cut_off_again(self):
        gan = cycle_gan()
        whole = images(1, 32, 32, 3)
        cut = gan.translate(whole[:, :30, :29], to="B")
        mirrored = np.pad(whole[:, :30, :29], ((0, 0), (0, 2), (0, 3), (0, 0)), "symmetric")
        self.assertAllClose(cut, gan.translate(mirrored, to="B")[:, :30, :29], atol=1e-5)

    def test_what_is_no_image_is_refused(self):
        gan = cycle_gan()
        for array, message in (
            (np.zeros((1, 8, 8, 3), "uint8"), "the images are uint8.*images / 127.5 - 1"),
            (images(8, 8, 3), r"shape \(8, 8, 3\); use \(num_images, height, width, 3\)"),
            (images(1, 8, 8, 1), r"shape \(1, 8, 8, 1\)"),
            (images(1, 0, 8, 3), r"shape \(1, 0, 8, 3\)"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                gan.translate(array, to="B")
        with self.assertRaisesRegex(ValueError, "seed=-1"):
            gan.translate(images(1, 8, 8, 3), to="B", seed=-1)

    @pytest.mark.slow
    @needs_backend("tensorflow", reason="it takes a minute")
    def test_a_large_image_takes_less_than_four_gibibytes_and_shows_no_seam(self):
        code = textwrap.dedent("""
            import pathlib, re
            import numpy as np, kerasgan
            gan = kerasgan.CycleGAN((256, 256, 3), base_width=16, residual_blocks=2, seed=0)
            y, x = np.mgrid[0:2000, 0:3000] / 100.0
            waves = [np.sin(x + y), np.cos(x - 0.7 * y), np.sin(1.3 * y)]
            translated = gan.translate(np.stack(waves, -1)[None].astype("float32"), to="B")
            assert translated.shape == (1, 2000, 3000, 3)
            # Not ru_maxrss, which a process inherits from the one that starts it.
            status = pathlib.Path("/proc/self/status").read_text()
            print(int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]) / 2**20)
            for axis in (1, 2):
                steps = np.abs(np.diff(translated, axis=axis)).mean((0, 3 - axis, 3))
                print(steps.max() / np.median(steps))
        """)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        gibibytes, *largest_steps = map(float, done.stdout.split())
        self.assertLess(gibibytes, 4.0)
        # A seam would be a row or column of pixels that differs from the next as no other does.
        self.assertAllInRange(largest_steps, 1.0, 2.0)


@needs_backend("tensorflow", "jax", reason="it cannot write a SavedModel")
class ExportTest(tf.test.TestCase):
    @needs_backend("tensorflow", reason="it serves one size, and compiles for minutes")
    @pytest.mark.slow
    def test_both_directions_are_served_at_any_size(self):
        gan = cycle_gan()
        folder = pathlib.Path(self.create_tempdir().full_path)
        gan.export(folder / "1")
        signatures = tf.saved_model.load(str(folder / "1")).signatures
        files = ["translate", "translate_to_A", "translate_to_B"]  # see test_signatures.py
        self.assertCountEqual(signatures, ["serving_default", "to_A", "to_B", *files])
        for height, width in ((16, 16), (20, 36)):
            batch = images(2, height, width, 3)
            for name, to in (("serving_default", "B"), ("to_A", "A"), ("to_B", "B")):
                served = signatures[name](images=tf.constant(batch))
                self.assertEqual(list(served), ["images"])
                self.assertAllClose(served["images"], gan.translate(batch, to=to), atol=1e-5)

    def test_one_direction_with_noise_is_served(self):
        gan = kerasgan.Pix2Pix((16, 16, 3), 1, base_width=4, receptive_field=16, seed=0)
        folder = pathlib.Path(self.create_tempdir().full_path)
        gan.export(folder / "1")
        signatures = tf.saved_model.load(str(folder / "1")).signatures
        other = "generator" if BACKEND == "jax" else "translate"
        self.assertCountEqual(signatures, ["serving_default", other])
        spec = signatures["serving_default"].structured_input_signature[1]["images"]
        size = [16, 16] if BACKEND == "jax" else [None, None]
        self.assertEqual((spec.shape.as_list(), spec.dtype), ([None, *size, 1], tf.float32))
        width = 16 if BACKEND == "jax" else 48
        served = signatures["serving_default"](images=tf.constant(images(1, 16, width, 1)))
        served = served["images"]
        self.assertEqual(served.shape, (1, 16, width, 3))
        self.assertAllInRange(served, -1.0, 1.0)

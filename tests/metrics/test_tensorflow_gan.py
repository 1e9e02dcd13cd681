"""Our metrics against those of TF-GAN."""

import pathlib
import subprocess
import sys
from functools import partial
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_gan_oracle
from backends import needs_backend
from metric_helpers import gaussian, images, measured

from kerasgan import metrics
from kerasgan.metrics import sliced_wasserstein


@needs_backend("tensorflow", reason="once is enough")
@pytest.mark.skipif(not tensorflow_gan_oracle.is_installed(), reason="TF-GAN is not installed")
class TensorFlowGanTest(tf.test.TestCase):
    @pytest.mark.slow
    def test_the_same_numbers(self):
        noise = images(24, 32, 3, seed=1)
        smooth = 0.5 * (noise + np.roll(noise, 1, axis=2))
        inputs = {
            "real": gaussian(200),
            "fake": gaussian(200, seed=1, mean=0.3, scale=1.2),
            "logits": 2.0 * gaussian(300, 10, seed=2),
            "real_images": images(24, 32, 3),
            "fake_images": smooth,
        }
        folder = pathlib.Path(self.create_tempdir().full_path)
        np.savez(folder / "inputs.npz", **inputs)
        script = pathlib.Path(__file__).with_name("tensorflow_gan_metrics.py")
        command = [sys.executable, script, folder / "inputs.npz", folder / "outputs.npz"]
        ended = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(ended.returncode, 0, ended.stderr[-2000:])
        theirs = dict(np.load(folder / "outputs.npz"))

        pair = inputs["real"], inputs["fake"]
        fid = measured(metrics.FrechetDistance("pixels"), *pair)
        self.assertAllClose(fid, theirs["fid"], rtol=1e-4)
        kid = measured(metrics.KernelDistance("pixels"), *pair)
        self.assertAllClose(kid["kid"], theirs["kid"], rtol=1e-4)
        score = metrics.InceptionScore("pixels", splits=1)
        score.add(inputs["logits"], real=False)
        self.assertAllClose(score.result()["inception_score"], theirs["inception_score"], rtol=1e-5)

        fine, coarse = sliced_wasserstein.laplacian_pyramid(inputs["real_images"])
        inner = (slice(None), slice(4, -4), slice(4, -4))  # borders are mirrored differently
        self.assertAllClose(fine[inner], theirs["level 0"][inner], atol=1e-5)
        self.assertAllClose(coarse[inner], theirs["level 1"][inner], atol=1e-5)
        # They normalize each patch by itself, where the paper's code does each channel of them all;
        # do not multiply by 1000; and draw other patches and directions.
        each = partial(np.mean, axis=(1, 2, 3), keepdims=True)

        def normalized_by_itself(patches):
            patches = patches - each(patches)
            return (patches / np.sqrt(each(patches**2))).reshape(len(patches), -1)

        with mock.patch.object(sliced_wasserstein, "normalized", normalized_by_itself):
            swd = measured(metrics.SlicedWasserstein(), inputs["real_images"], smooth)
        for level, resolution in enumerate((32, 16)):
            ours = swd[f"swd_{resolution}"] / 1000.0
            self.assertAllClose(ours, theirs["swd"][level], rtol=0.1)

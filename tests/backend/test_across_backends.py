"""Under another backend the same model is the same, and its file, too."""

import os
import pathlib
import subprocess
import sys
import tempfile

import keras
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from backend import reference
from backends import needs_backend
from models import zoo

TESTS = pathlib.Path(__file__).parents[1]

every_model = parameterized.named_parameters((entry.name,) * 2 for entry in reference.entries())


@needs_backend("jax", "torch", reason="it is what the others are compared with")
class AcrossBackendsTest(tf.test.TestCase, parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.here, cls.tensorflow = folder / "here", folder / "tensorflow"
        cls.here.mkdir()
        cls.tensorflow.mkdir()
        reference.write(cls.here)
        done = subprocess.run(
            [sys.executable, "-m", "backend.reference", cls.tensorflow, cls.here],
            cwd=TESTS,
            env={**os.environ, "KERAS_BACKEND": "tensorflow"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"under TensorFlow:\n{done.stdout}\n{done.stderr}")

    def assert_agree(self, found, file):
        with np.load(file) as expected:
            self.assertCountEqual(found, expected)
            for name, array in expected.items():
                if name.startswith("state/"):
                    np.testing.assert_array_equal(found[name], array, name)
                else:
                    # The constant is for gradients that are zero but for rounding.
                    tolerance = 1e-4 * np.abs(array).max() + 1e-8
                    np.testing.assert_allclose(
                        found[name], array, 0.0, tolerance, equal_nan=False, err_msg=name
                    )

    @every_model
    def test_files_hold_the_same_whoever_wrote_them(self, name):
        for folder in (self.tensorflow, self.here):
            found = reference.contents(folder / f"{name}.keras")
            self.assert_agree(found, folder / f"{name}.contents.npz")

    @every_model
    def test_losses_and_gradients_agree(self, name):
        found = reference.step(self.tensorflow / f"{name}.keras")
        self.assert_agree(found, self.tensorflow / f"{name}.step.npz")

    @every_model
    def test_training_goes_on(self, name):
        model = keras.saving.load_model(self.tensorflow / f"{name}.keras")
        history = model.fit(*zoo.batch_for(model, 8, seed=2), batch_size=8, verbose=0).history
        self.assertTrue(np.all(np.isfinite(list(history.values()))), history)
        self.assertEqual((model.iterations, model.epochs_trained), (2, 2))

"""Our losses and penalties against those of TF-GAN, the GAN library of TensorFlow 1 and 2."""

import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_gan_oracle
from absl.testing import parameterized
from keras import ops

from kerasgan import backend, losses

# By name: our loss, what TF-GAN calls each half of it and the options that it takes there.
LOSSES = {
    "minimax": (losses.Minimax(), "minimax", {"label_smoothing": 0.0}, {}),
    # TF-GAN smooths towards 1/2, as Keras does, where we count from 1: half of the smoothing.
    "minimax_smoothed": (losses.Minimax(0.125), "minimax", {"label_smoothing": 0.25}, {}),
    "non_saturating": (losses.NonSaturating(), "modified", {"label_smoothing": 0.0}, {}),
    "least_squares": (losses.LeastSquares(), "least_squares", {}, {}),
    "least_squares_with_targets": (
        losses.LeastSquares(1.5, -0.5, 0.25),
        "least_squares",
        {"real_label": 1.5, "fake_label": -0.5},
        {"real_label": 0.25},
    ),
    "wasserstein": (losses.Wasserstein(), "wasserstein", {}, {}),
    "hinge": (losses.Hinge(), "wasserstein_hinge", {}, {}),
    "relativistic_average": (losses.Relativistic(average=True), "relativistic", {}, {}),
}
PENALTIES = {
    "wgan_gp": (losses.GradientPenalty.wgan_gp(3.0), {}),
    "wgan_lp": (losses.GradientPenalty.wgan_lp(3.0), {"one_sided": True}),
    "other_center": (losses.GradientPenalty(3.0, center=0.7), {"target": 0.7}),
}

every_loss = parameterized.named_parameters((name, name) for name in LOSSES)
every_penalty = parameterized.named_parameters((name, name) for name in PENALTIES)


def calls():
    """What the oracle is asked, by name."""
    asked = {}
    for name, (_, prefix, for_discriminator, for_generator) in LOSSES.items():
        asked[name, "discriminator"] = f"{prefix}_discriminator_loss", for_discriminator
        asked[name, "generator"] = f"{prefix}_generator_loss", for_generator
    for name, (_, options) in PENALTIES.items():
        asked[name] = "wasserstein_gradient_penalty", {"epsilon": 1e-12, **options}
    return asked


def inputs():
    rng = np.random.default_rng(0)
    arrays = {
        "discriminator_real_outputs": rng.normal(1.0, 2.0, (9, 1)),
        "discriminator_gen_outputs": rng.normal(-1.0, 2.0, (9, 1)),
        "real_data": rng.normal(0.5, 1.0, (9, 4, 4, 2)),
        "generated_data": rng.normal(-0.5, 1.0, (9, 4, 4, 2)),
        "shares": rng.uniform(size=(9, 1, 1, 1)),
        # Gradients with norms from 0.5 to 1.5 or so: on both sides of the center.
        "hidden": rng.normal(0.0, 0.2, (32, 8)),
        "out": rng.normal(0.0, 0.5, (8, 1)),
    }
    return {name: array.astype("float32") for name, array in arrays.items()}


@pytest.mark.skipif(
    not tensorflow_gan_oracle.is_installed(),
    reason="tensorflow-gan is not installed; the `test` extra of setup.cfg has it",
)
class ParityTest(tf.test.TestCase, parameterized.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        files = folder / "inputs.npz", folder / "outputs.npz"
        cls.inputs = inputs()
        np.savez(files[0], **cls.inputs)
        questions = json.dumps(list(calls().values()))
        done = subprocess.run(
            [sys.executable, tensorflow_gan_oracle.__file__, questions, *files],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"the oracle failed:\n{done.stderr}")
        with np.load(files[1]) as answers:
            cls.answers = dict(answers)

    def expected(self, call, *names):
        """TF-GAN's value, and its gradient with respect to each of the inputs named."""
        index = list(calls()).index(call)
        gradients = [self.answers[f"gradient {index} {name}"] for name in names]
        return [self.answers[f"value {index}"], *gradients]

    def found(self, fn, *names):
        """The same of a function of ours of the inputs named."""
        at = [ops.convert_to_tensor(self.inputs[name]) for name in names]
        results = [fn(*at)]
        for index in range(len(at)):
            results.append(
                backend.input_gradient(lambda x: fn(*at[:index], x, *at[index + 1 :]), at[index])
            )
        return [ops.convert_to_numpy(result) for result in results]

    def assert_agree(self, found, expected):
        for ours, theirs in zip(found, expected, strict=True):
            self.assertAllClose(ours, theirs, rtol=1e-6, atol=1e-6)

    @every_loss
    def test_discriminator(self, name):
        loss = LOSSES[name][0]
        logits = "discriminator_real_outputs", "discriminator_gen_outputs"
        self.assert_agree(
            self.found(loss.discriminator, *logits),
            self.expected((name, "discriminator"), *logits),
        )

    @every_loss
    def test_generator(self, name):
        loss = LOSSES[name][0]
        logits = ["discriminator_gen_outputs"]
        logits += ["discriminator_real_outputs"] * loss.needs_real_logits
        value, *gradients = self.expected((name, "generator"), *logits)
        if isinstance(loss, losses.Minimax):
            # TF-GAN leaves in what the discriminator's loss of real logits, all 1, would be.
            value = value + math.log1p(math.exp(-1.0))
        self.assert_agree(self.found(loss.generator, *logits), [value, *gradients])

    @every_penalty
    def test_gradient_penalty(self, name):
        penalty = PENALTIES[name][0]

        def fn(real, fake, hidden, out):
            def discriminator(images):
                flat = ops.reshape(images, (images.shape[0], -1))
                return ops.matmul(ops.tanh(ops.matmul(flat, hidden)), out)

            return penalty(discriminator, real, fake)

        def shares(shape, **_):
            return ops.convert_to_tensor(self.inputs["shares"].reshape(shape))

        # TF-GAN weighs outside, and counts norms in units of the center.
        scale = penalty.weight * penalty.center**2
        names = "real_data", "generated_data", "hidden", "out"
        with mock.patch.object(keras.random, "uniform", shares):
            found = self.found(fn, *names)
        self.assert_agree(found, [scale * array for array in self.expected(name, *names)])

"""`kerasgan train --metrics`: validation, the best model, TensorBoard, the report."""

import json
import signal
from unittest import mock

import keras
import numpy as np
import pytest
from backends import needs_backend
from cli.test_commands import CommandTestCase, call, read_history

from kerasgan import callbacks
from kerasgan.metrics import features
from kerasgan.training import measuring

pytestmark = needs_backend(
    "tensorflow", reason="test_commands and test_own_models run the commands there"
)


def train(folder, *more):
    return call(
        *("train", "VanillaGAN", "--data", "digits", "--image-size", 8, "--batch-size", 480),
        *("--set", "hidden_units=8,", "--set", "latent_dim=4", "--learning-rate", 0.01),
        *("--out", folder / "run", *more),
    )


class MetricsTest(CommandTestCase):
    @pytest.mark.slow
    def test_metrics_are_logged_and_the_best_epoch_is_kept(self):
        measured = ("--metrics", "swd", "--tensorboard")
        first = train(self.folder, "--epochs", 2, *measured)
        self.assertEqual(first.code, 0, first.err)
        self.assertIn("val_swd", first.out)  # there is no terminal, so lines tell
        run = self.folder / "run"
        # As if it was killed after an epoch was noted, and before it was saved.
        names, *_, last = (run / "history.csv").read_text().splitlines()
        noted = dict(zip(names.split(","), last.split(","), strict=True))
        with open(run / "history.csv", "a") as file:
            print(*{**noted, "epoch": 3, "val_swd": 0.0}.values(), sep=",", file=file)
        self.assertNotEmpty(list((run / "tensorboard").rglob("events.*")))
        more = call("train", "--resume", "--out", run, "--epochs", 4)
        self.assertEqual(more.code, 0, more.err)

        history = read_history(run)
        values = {epoch: row["val_swd"] for epoch, row in history.items()}
        self.assertEqual(sorted(values), [1, 2, 3, 4])
        best = min(values, key=values.get)
        kept = keras.saving.load_model(run / "best.keras")
        self.assertEqual(kept.epochs_trained, best)
        [metric] = kept.generative_metrics
        self.assertEqual(measuring.mode([metric], "swd"), "min")

        page = (run / "report.html").read_text(encoding="utf-8")
        command = json.loads((run / "run.json").read_text())["command"]
        self.assertIn("kerasgan train VanillaGAN --data digits", command)
        self.assertIn("--metrics swd", page)
        self.assertIn("what the generator learns from", page)
        self.assertIn("time since the last start", page)

    def test_ctrl_c_at_the_end_of_an_epoch_loses_no_best_model(self):
        def press(callback, logs=None):
            signal.raise_signal(signal.SIGINT)

        with mock.patch.object(callbacks.SampleGrid, "on_test_end", press):
            ended = train(self.folder, "--epochs", 2, "--metrics", "swd")
        self.assertEqual(ended.code, 130)
        self.assertIn("The model after 1 epoch is saved", ended.out)
        kept = keras.saving.load_model(self.folder / "run" / "best.keras")
        self.assertEqual(kept.epochs_trained, 1)

    def test_a_result_of_a_metric_can_be_the_first(self):
        ended = train(
            self.folder, "--epochs", 1, "--metrics", "recall,precision", "--features", "pixels"
        )
        self.assertEqual(ended.code, 0, ended.err)
        kept = keras.saving.load_model(self.folder / "run" / "best.keras")
        self.assertEqual(kept.epochs_trained, 1)
        self.assertTrue(np.isfinite(read_history(self.folder / "run")[1]["val_recall"]))

    def test_what_cannot_be_measured_is_said_before_training(self):
        cases = {
            ("--metrics", "fidd"): "metrics holds 'fidd'",
            ("--features", "digits"): "--features works only with --metrics",
            ("--metrics", "swd", "--validation-split", "nowhere"): "--validation-split train",
        }
        for options, sentence in cases.items():
            ended = train(self.folder, "--epochs", 1, *options)
            self.assertEqual(ended.code, 2)
            self.assertIn(sentence, ended.err)
            self.assertFalse((self.folder / "run").exists())

    def test_a_network_that_cannot_be_had_leaves_no_run_behind(self):
        failed = OSError("Inception's weights cannot be downloaded.")
        with mock.patch.object(features, "inception_fid", side_effect=failed):
            ended = train(self.folder, "--epochs", 1, "--metrics", "fid")
        self.assertEqual(ended.code, 2, ended.err)
        self.assertIn("--features digits", ended.err)
        self.assertFalse((self.folder / "run").exists())

    def test_names_of_models_as_people_write_them(self):
        for name in ("WGANGP", "wgan-gp", "wgan_gp", "WganGP"):
            ended = call("train", name, "--data", "nowhere", "--out", self.folder / "run")
            self.assertEqual(ended.code, 2)
            self.assertNotIn("there is no model", ended.err)
        self.assertIn("there is no model 'gann'", call("train", "gann", "--data", "digits").err)

"""Keras' own callbacks do with a GAN what they do with any model."""

import csv
import importlib.util
import pathlib
import unittest
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasgan

BATCH_SIZE = 8
POINTS = np.random.default_rng(0).standard_normal((16, 2)).astype("float32")
DATA = kerasgan.data.from_array(POINTS, batch_size=BATCH_SIZE)
has_tensorboard = importlib.util.find_spec("tensorboard") is not None


def tiny_gan():
    keras.utils.set_random_seed(0)
    gan = kerasgan.VanillaGAN((2,), latent_dim=2, hidden_units=(), seed=0)
    gan.compile(keras.optimizers.Adam(0.05))
    return gan


def flat(arrays):
    return np.concatenate([np.ravel(array) for array in arrays])


def state(gan):
    return flat([*gan.variables, *gan.optimizer.variables])


class KerasCallbacksTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.get_temp_dir())

    def train(self, gan, *callbacks, **settings):
        return gan.fit(DATA, callbacks=list(callbacks), verbose=0, **settings)

    def train_on_nan(self, *callbacks, step=3):
        points = np.zeros((40 * BATCH_SIZE, 2), "float32")
        points[(step - 1) * BATCH_SIZE] = np.nan
        gan = tiny_gan()
        gan.check_batch = lambda data: {}  # or the data would be to blame
        return gan.fit(
            points,
            batch_size=BATCH_SIZE,
            shuffle=False,
            epochs=3,
            callbacks=list(callbacks),
            verbose=0,
        )

    def test_csv_logger_writes_the_losses(self):
        logger = keras.callbacks.CSVLogger(self.folder / "log.csv")
        history = self.train(tiny_gan(), logger, epochs=2, validation_data=DATA).history
        with open(self.folder / "log.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([int(row["epoch"]) for row in rows], [0, 1])
        for name in ("discriminator_loss", "generator_loss", "val_generator_loss"):
            self.assertAllClose([float(row[name]) for row in rows], history[name])

    @unittest.skipUnless(has_tensorboard, "TensorBoard is not installed")
    def test_tensorboard_gets_the_losses_and_the_weights(self):
        board = keras.callbacks.TensorBoard(self.folder, histogram_freq=1)
        self.train(tiny_gan(), board, epochs=2)
        (file,) = (self.folder / "train").glob("events*")
        tags = [
            value.tag
            for record in tf.data.TFRecordDataset(str(file))
            for value in tf.compat.v1.Event.FromString(record.numpy()).summary.value
        ]
        self.assertEqual(tags.count("epoch_discriminator_loss"), 2)
        self.assertEqual(tags.count("epoch_generator_loss"), 2)
        self.assertIn("logits/kernel/histogram", tags)

    def test_model_checkpoint_writes_models_that_go_on_exactly(self):
        gan = tiny_gan()
        self.train(gan, keras.callbacks.ModelCheckpoint(self.folder / "{epoch}.keras"), epochs=3)
        self.assertCountEqual(
            [file.name for file in self.folder.iterdir()], ["1.keras", "2.keras", "3.keras"]
        )
        continued = keras.saving.load_model(self.folder / "1.keras")
        self.train(continued, initial_epoch=1, epochs=3)
        self.assertAllEqual(state(continued), state(gan))

    def test_model_checkpoint_writes_weights_that_go_on_exactly(self):
        gan = tiny_gan()
        checkpoint = keras.callbacks.ModelCheckpoint(
            self.folder / "{epoch}.weights.h5", save_weights_only=True
        )
        self.train(gan, checkpoint, epochs=3)
        continued = tiny_gan()
        continued.load_weights(self.folder / "1.weights.h5")
        self.train(continued, initial_epoch=1, epochs=3)
        self.assertAllEqual(state(continued), state(gan))

    def test_model_checkpoint_keeps_the_best_epochs(self):
        checkpoint = keras.callbacks.ModelCheckpoint(
            self.folder / "{epoch}.keras",
            monitor="val_generator_loss",
            mode="min",
            save_best_only=True,
        )
        gan = tiny_gan()
        losses = self.train(gan, checkpoint, epochs=6, validation_data=DATA).history[
            "val_generator_loss"
        ]
        best = [epoch for epoch in range(6) if losses[epoch] == min(losses[: epoch + 1])]
        self.assertBetween(len(best), 2, 5)
        self.assertCountEqual(
            [file.name for file in self.folder.iterdir()], [f"{epoch + 1}.keras" for epoch in best]
        )

    def test_early_stopping_stops_and_restores_the_best_epoch(self):
        gan = tiny_gan()
        after_first_epoch = []

        def remember(epoch, logs):
            if epoch == 0:
                after_first_epoch.extend(gan.get_weights())

        stopping = keras.callbacks.EarlyStopping(
            monitor="discriminator_loss",
            mode="min",
            min_delta=100.0,
            patience=2,
            restore_best_weights=True,
        )
        remembering = keras.callbacks.LambdaCallback(on_epoch_end=remember)
        history = self.train(gan, remembering, stopping, epochs=9)
        self.assertLen(history.epoch, 3)
        self.assertAllEqual(flat(gan.get_weights()), flat(after_first_epoch))

    def test_a_monitored_loss_is_to_be_minimized_without_saying_so(self):
        stopping = keras.callbacks.EarlyStopping(monitor="discriminator_loss")
        checkpoint = keras.callbacks.ModelCheckpoint(
            self.folder / "best.keras", monitor="val_generator_loss", save_best_only=True
        )
        self.train(tiny_gan(), stopping, checkpoint, epochs=1, validation_data=DATA)
        for callback in (stopping, checkpoint):
            self.assertTrue(callback.monitor_op(1.0, 2.0))

    def test_backup_and_restore_goes_on_exactly_after_an_interruption(self):
        uninterrupted = tiny_gan()
        self.train(uninterrupted, epochs=5)

        def fail(epoch, logs):
            if epoch == 2:
                raise RuntimeError("power cut")

        backup = keras.callbacks.BackupAndRestore(self.folder / "backup")
        with self.assertRaisesRegex(RuntimeError, "power cut"):
            self.train(
                tiny_gan(), keras.callbacks.LambdaCallback(on_epoch_end=fail), backup, epochs=5
            )
        restored = tiny_gan()
        history = self.train(
            restored, keras.callbacks.BackupAndRestore(self.folder / "backup"), epochs=5
        )
        self.assertEqual(history.epoch, [2, 3, 4])
        self.assertAllEqual(state(restored), state(uninterrupted))

    @pytest.mark.slow
    def test_backup_and_restore_writes_in_the_chief_process_only(self):
        for is_chief in (True, False):
            for frequency in ("epoch", 1):
                folder = self.folder / f"{is_chief}-{frequency}"
                backup = keras.callbacks.BackupAndRestore(
                    folder, save_freq=frequency, delete_checkpoint=False
                )
                with mock.patch.object(kerasgan.GAN, "is_chief", is_chief):
                    self.train(tiny_gan(), backup, epochs=1)
                self.assertEqual(folder.exists(), is_chief)

    def test_a_loss_that_is_nan_is_an_error_that_names_the_loss_and_the_step(self):
        for step in (3, 35):  # in the first and in the second execution of 32 steps
            with self.subTest(step=step):
                message = f"discriminator_loss became nan at step {step} of epoch 1;"
                with self.assertRaisesRegex(kerasgan.NonFiniteError, message):
                    self.train_on_nan(step=step)

    def test_terminate_on_nan_ends_training_without_an_error(self):
        history = self.train_on_nan(keras.callbacks.TerminateOnNaN())
        self.assertEqual(history.epoch, [0])
        self.assertTrue(np.isnan(history.history["discriminator_loss"][0]))

    def test_terminate_on_nan_ends_training_beside_a_checkpoint_that_keeps_what_it_has(self):
        good = tiny_gan()
        good.save(self.folder / "model.keras")
        history = self.train_on_nan(
            keras.callbacks.TerminateOnNaN(),
            keras.callbacks.ModelCheckpoint(self.folder / "model.keras"),
        )
        self.assertEqual(history.epoch, [0])
        self.assertAllEqual(
            state(keras.saving.load_model(self.folder / "model.keras")), state(good)
        )


if __name__ == "__main__":
    tf.test.main()

import pathlib
import signal

import keras
import numpy as np
import tensorflow as tf

import kerasgan
from kerasgan.callbacks import Autosave


def points(count=40):
    points = np.random.default_rng(0).normal(size=(count, 2))
    return kerasgan.data.from_array(points, batch_size=4)


class Send(keras.callbacks.Callback):
    """Sends signals in the middle of the third step of the second epoch."""

    def __init__(self, *signals):
        super().__init__()
        self.signals = signals

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self.epoch, batch) == (1, 2):
            for number in self.signals:
                signal.raise_signal(number)


class Files(keras.callbacks.Callback):
    """When the file was written: (epoch, batch)."""

    def __init__(self, path):
        super().__init__()
        self.path, self.written, self.before = path, [], None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.path.exists() and self.path.stat().st_mtime_ns != self.before:
            self.before = self.path.stat().st_mtime_ns
            self.written.append((self.epoch, batch))


class AutosaveTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "model.keras"
        self.gan = kerasgan.VanillaGAN((2,), 2, hidden_units=(4,))
        self.gan.compile(steps_per_execution=1, jit_compile=False)

    def fit(self, *callbacks, **arguments):
        self.gan.fit(points(), callbacks=list(callbacks), verbose=0, **{"epochs": 2, **arguments})

    def test_a_signal_saves_after_the_step_and_ends(self):
        before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        for number, error in ((signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)):
            self.gan.compile(steps_per_execution=1, jit_compile=False)
            self.gan.epoch_counter.assign(0)
            with self.assertRaises(error) as raised:
                self.fit(Send(number), Autosave(self.path))
            if error is SystemExit:
                self.assertEqual(raised.exception.code, 143)
            self.assertEqual(
                (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)), before
            )
            saved = keras.saving.load_model(self.path)
            self.assertEqual(saved.how_far(), "at epoch 2, step 3 of 10")
            self.assertIn("at epoch 2, step 3 of 10 is in", self.gan.last_saved_message())
            self.assertAllEqual(saved.generate(3, seed=0), self.gan.generate(3, seed=0))

    def test_the_second_signal_has_its_usual_effect(self):
        class Look(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                self.handlers = {signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}

        look = Look()
        with self.assertRaises(KeyboardInterrupt):
            self.fit(Send(signal.SIGINT), look, Autosave(self.path))
        self.assertEqual(look.handlers, {signal.SIG_DFL})

    def test_handlers_are_given_back_when_training_fails(self):
        before = signal.getsignal(signal.SIGTERM)

        class Fail(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                raise RuntimeError("fails")

        with self.assertRaisesRegex(RuntimeError, "fails"):
            self.fit(Fail(), Autosave(self.path))
        self.assertEqual(signal.getsignal(signal.SIGTERM), before)

    def test_saves_after_epochs_and_within_long_ones(self):
        files = Files(self.path)
        self.fit(Autosave(self.path, minutes=1000), files)
        self.assertEqual(files.written, [(1, 0)])
        self.assertEqual(keras.saving.load_model(self.path).how_far(), "after 2 epochs")
        files = Files(self.path)
        self.fit(Autosave(self.path, minutes=1e-9), files, epochs=1)
        self.assertEqual(files.written, [(0, batch) for batch in range(10)])

    def test_what_cannot_be_had_is_refused(self):
        with self.assertRaisesRegex(ValueError, "filepath='model.h5'.*keras"):
            Autosave("model.h5")
        for minutes in (0, -1.0, float("nan")):
            with self.assertRaisesRegex(ValueError, f"minutes={minutes}"):
                Autosave("model.keras", minutes)

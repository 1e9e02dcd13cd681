"""Saves training so that it can stop at any moment and go on from there."""

import contextlib
import os
import pathlib
import signal
import sys
import threading
import time
from collections.abc import Iterator

import keras


class Autosave(keras.callbacks.Callback):
    """Saves the model after every epoch, within long ones, and when training is told to end.

    It writes what `model.save` writes. Load the file with `keras.saving.load_model` and call `fit`
    to go on exactly from there, even from the middle of an epoch; `AdversarialModel.fit` says which
    data this needs. Each save replaces the file in one step, so it is never half written.

    Ctrl-C and SIGTERM end training after the current step: the callback saves the model, then `fit`
    raises `KeyboardInterrupt` or, after SIGTERM, `SystemExit(143)`, the usual exit code for that
    signal. A second signal ends the process at once.

    Put it after callbacks that work at the end of an epoch, such as
    `kerasgan.callbacks.TrainingCurves`, so that they have finished when the epoch is saved.

    Args:
        filepath: a path that ends in `.keras`.
        minutes: float, the longest time within an epoch without saving. When several workers train
            together they save only after epochs, because their clocks differ and each receives its
            signals separately.

    Raises:
        ValueError: for another file type, or a time that is not above 0.

    Example:

    >>> gan = kerasgan.VanillaGAN((2,), latent_dim=2)
    >>> gan.compile()
    >>> points = kerasgan.data.load("ring8", batch_size=1000)
    >>> autosave = kerasgan.callbacks.Autosave("runs/ring/model.keras", minutes=10)
    >>> history = gan.fit(points, epochs=1, callbacks=[autosave], verbose=0)
    >>> keras.saving.load_model("runs/ring/model.keras").epochs_trained
    1
    """

    def __init__(self, filepath: str | os.PathLike, minutes: float = 10.0):
        super().__init__()
        self.filepath = pathlib.Path(filepath)
        if self.filepath.suffix != ".keras":
            raise ValueError(f"filepath={str(filepath)!r}; use a path that ends in .keras.")
        if not minutes > 0:
            raise ValueError(f"minutes={minutes!r}; use a number above 0.")
        self.seconds = 60.0 * minutes
        self.signal = None  # the one that told training to end
        self.saved = 0.0

    @contextlib.contextmanager
    def during_fit(self) -> Iterator[None]:
        """Context manager around `fit` that lets Ctrl-C and SIGTERM wait for the end of a step."""
        self.signal = None
        if threading.current_thread() is not threading.main_thread():
            yield  # where Python allows no handlers
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        # A signal that the shell made a background process ignore stays ignored.
        before = {n: handler for n, handler in before.items() if handler != signal.SIG_IGN}
        try:
            for number in before:
                signal.signal(number, self._note)
            yield
        finally:
            for number, handler in before.items():
                # None is a handler that was not set from Python.
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _note(self, number, frame):
        self.signal = number
        for again in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(again) == self._note:
                signal.signal(again, signal.SIG_DFL)
        what = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
        print(f"\n{what}: saving after this step. Send it again to end at once.", file=sys.stderr)

    def on_train_begin(self, logs=None):
        self.saved = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        late = time.monotonic() - self.saved >= self.seconds
        # Only then, because reading the model is expensive under JAX.
        if late or self.signal is not None:
            if not self.model.has_several_workers:
                self._save()
            self._end_if_told()

    def on_epoch_end(self, epoch, logs=None):
        self._save()
        self._end_if_told()

    def on_train_end(self, logs=None):
        self._end_if_told()  # while other callbacks did their last work

    def _save(self):
        self.model.save(self.filepath)
        self.saved = time.monotonic()

    def _end_if_told(self):
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        if self.signal is not None:
            raise SystemExit(128 + self.signal)

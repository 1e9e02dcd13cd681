"""A training that can end at any moment, and go on from there."""

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

    What is written is what `model.save` writes, so `keras.saving.load_model` and `fit` go on
    exactly from there, also from the middle of an epoch; see `AdversarialModel.fit` for the data
    that this needs. The file is replaced in one move.

    Ctrl-C and SIGTERM end training after the step at hand: the model is saved, then `fit` raises
    `KeyboardInterrupt`, or `SystemExit(143)`, which ends the process with the code that a shell
    gives to SIGTERM. The second of them ends the process at once.

    Give it after the callbacks whose work belongs to an epoch, such as
    `kerasgan.callbacks.TrainingCurves`, so that these are done when the epoch is saved.

    Args:
        filepath: a path that ends in `.keras`.
        minutes: float, the longest time in an epoch without saving. Several workers save after
            epochs only: each has a clock of its own and is told to end alone.

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
        """What `fit` is run in: Ctrl-C and SIGTERM wait for the end of a step."""
        self.signal = None
        if threading.current_thread() is not threading.main_thread():
            yield  # where Python allows no handlers
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        # What a shell lets a process in the background ignore stays ignored.
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
        print(f"\n{what}: saving after this step; once more ends at once.", file=sys.stderr)

    def on_train_begin(self, logs=None):
        self.saved = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        late = time.monotonic() - self.saved >= self.seconds
        # Only then, because under JAX to look at the model costs much.
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

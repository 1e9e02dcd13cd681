"""Progress of training, printed as lines."""

import time

import keras
import numpy as np


class TrainingLog(keras.callbacks.Callback):
    """Prints a line now and then: step, losses, images per second, and the time left.

    Before the first epoch it prints the size of the model and of the run. Use it with
    `fit(verbose=0)` where nobody sees Keras' progress bar: in a log file, a batch job, or a
    notebook that runs for hours.

    Args:
        batch_size: int, the number of images in a step.
        seconds: float, the shortest time between two lines. The first and the last epoch always
            end with a line.
        within_epochs: whether to print lines within an epoch, too.

    Example:

    >>> gan = kerasgan.VanillaGAN((2,), latent_dim=2)
    >>> gan.compile()
    >>> points = kerasgan.data.load("ring8", batch_size=500)
    >>> log = kerasgan.callbacks.TrainingLog(batch_size=500, seconds=60)
    >>> history = gan.fit(points, epochs=1, callbacks=[log], verbose=0)  # doctest: +ELLIPSIS
    VanillaGAN: 133,892 weights, ... MB in a file.
    1 epoch of 200 steps, 500 images a step. The first step takes longer than the others.
    Epoch 1/1: ...
    """

    chief_only = True  # of several workers

    def __init__(self, batch_size: int, seconds: float = 30.0, within_epochs: bool = True):
        super().__init__()
        self.batch_size = batch_size
        self.seconds = seconds
        self.within_epochs = within_epochs

    def on_train_begin(self, logs=None):
        self.first_epoch = None
        self.began = None  # the time after the first step, which compiles
        self.steps = 0  # since then
        self.printed = time.monotonic()
        model = self.model
        weights = sum(int(np.prod(v.shape)) for v in model.weights)
        variables = [*model.variables, *model.optimizer.variables]
        size = sum(int(np.prod(v.shape)) * _bytes(v.dtype) for v in variables)
        print(f"{type(model).__name__}: {weights:,} weights, {size / 1e6:.1f} MB in a file.")

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch
        self.batch = -1
        if self.first_epoch is None:
            self.first_epoch = epoch
            todo = self.params["epochs"] - epoch
            steps = self.params["steps"]
            of = f" of {steps} step{'s' if steps > 1 else ''}" if steps else ""
            print(
                f"{todo} epoch{'s' if todo > 1 else ''}{of}, {self.batch_size} images a step. "
                "The first step takes longer than the others.",
                flush=True,
            )

    def on_train_batch_end(self, batch, logs=None):
        if self.began is None:
            self.began = time.monotonic()
        else:
            self.steps += batch - self.batch
        self.batch = batch
        if self.within_epochs and self._is_due():
            steps = self.params["steps"]
            self._print(f", step {batch + 1}{f'/{steps}' if steps else ''}", logs)

    def on_epoch_end(self, epoch, logs=None):
        if epoch in (self.first_epoch, self.params["epochs"] - 1) or self._is_due():
            self._print("", logs)

    def _is_due(self):
        return time.monotonic() - self.printed >= self.seconds

    def _print(self, where, logs):
        self.printed = time.monotonic()
        parts = [", ".join(f"{name} {float(value):.4g}" for name, value in (logs or {}).items())]
        if self.steps:
            rate = self.steps / max(self.printed - self.began, 1e-9)
            parts.append(f"{rate * self.batch_size:.3g} images/s")
            if self.params["steps"]:
                epochs = self.params["epochs"] - self.epoch
                left = epochs * self.params["steps"] - self.batch - 1
                if left > 0:
                    parts.append(f"{duration(left / rate)} left")
        print(
            f"Epoch {self.epoch + 1}/{self.params['epochs']}{where}: {'; '.join(parts)}.",
            flush=True,
        )


def duration(seconds):
    """Formats a time for people to read: `"40 s"`, `"5 min"`, `"2 h 10 min"`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def _bytes(dtype):
    return 2 if "16" in str(dtype) else 8 if "64" in str(dtype) else 4

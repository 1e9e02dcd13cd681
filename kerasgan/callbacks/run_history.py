"""The losses and metrics of every epoch of a run, kept in a file across interruptions."""

import csv
import os
import pathlib
import time

import keras

from kerasgan.utils.files import atomic_path


class RunHistory(keras.callbacks.Callback):
    """Keeps `history.csv`: a row for every epoch, with `epoch` and all logged values by name.

    A continued run keeps its earlier rows and replaces those of epochs that it trains again.
    Callbacks that show the course of a run derive from this one and define `write`.

    Args:
        folder: where `history.csv` goes; made if missing.
        seconds: float, the shortest time between two calls of `write` during training.
    """

    chief_only = True  # of several workers

    def __init__(self, folder: str | os.PathLike, seconds: float = 10.0):
        super().__init__()
        self.folder = pathlib.Path(folder)
        self.seconds = seconds
        self.rows: dict[int, dict[str, float]] = {}
        self.written = 0.0

    def write(self) -> None:
        """Shows the course of the run so far. There is at least one row."""

    def on_train_begin(self, logs=None):
        self.rows = read_history(self.folder)
        self.written = time.monotonic()

    def on_epoch_begin(self, epoch, logs=None):
        # A new run in a used folder must not inherit the rows of the old one.
        self.rows = {number: row for number, row in self.rows.items() if number <= epoch}

    def on_epoch_end(self, epoch, logs=None):
        self.rows[epoch + 1] = {name: float(value) for name, value in (logs or {}).items()}
        names = list(dict.fromkeys(name for row in self.rows.values() for name in row))
        with atomic_path(self.folder / "history.csv") as temporary:
            with open(temporary, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, ["epoch", *names])
                writer.writeheader()
                writer.writerows({"epoch": n, **row} for n, row in sorted(self.rows.items()))
        if time.monotonic() - self.written >= self.seconds:
            self.write()
            self.written = time.monotonic()

    def on_train_end(self, logs=None):
        if self.rows:
            self.write()

    def write_unfinished(self, logs: dict) -> None:
        """Shows the course of a run that was interrupted in the middle of an epoch.

        Args:
            logs: the losses of that epoch so far, by name. They do not go to `history.csv`.
        """
        if self.model.position.step:
            number = self.model.position.epoch + 1
            self.rows[number] = {name: float(value) for name, value in logs.items()}
        self.on_train_end()


def read_history(folder):
    """The rows of `folder/history.csv`: dict from epoch (from 1) to dict of floats by name.

    Raises:
        ValueError: when the file is damaged.
    """
    path = pathlib.Path(folder) / "history.csv"
    if not path.exists():
        return {}
    try:
        text = path.read_text(encoding="utf-8")
        lines = csv.reader(text.splitlines())
        first, *names = next(lines, [None])
        if first != "epoch":
            raise ValueError("it does not begin with the column epoch")
        if not text.endswith("\n"):
            raise ValueError("its last line is not complete")
        rows = {}
        for epoch, *values in lines:
            named = zip(names, values, strict=True)
            rows[int(epoch)] = {name: float(value) for name, value in named if value}
        return rows
    except (ValueError, csv.Error) as error:
        raise ValueError(
            f"{path} is damaged ({error}). Restore it from a copy, or remove it: the run then "
            "continues, but its curves begin at that point."
        ) from error

"""The report of a run as one HTML page."""

import datetime
import os
import platform
import time

import keras
import numpy as np

import kerasgan
from kerasgan import pictures
from kerasgan.callbacks.epoch_pictures import EpochPictures
from kerasgan.callbacks.run_history import RunHistory
from kerasgan.callbacks.training_curves import draw_panels
from kerasgan.callbacks.training_log import duration
from kerasgan.pictures import page
from kerasgan.utils.files import atomic_path


class RunReport(RunHistory):
    """Writes `report.html`: settings, curves, sample grids and final metrics of a run.

    The page is a single file that contains its pictures, so you can open it or send it as it is. It
    is written at the end of training and, so that you can watch a long run, after an epoch at most
    every `seconds`.

    Args:
        folder: the run's folder, where a `SampleGrid` or `TranslationGrid` with the same folder
            puts its pictures.
        settings: dict from names to values: what else the page should say about the run.
        real: None, or real images to show beside the samples, (n, height, width, channels) in
            [-1, 1].
        command: str, the command that starts this training again, or None.
        seconds: float, the shortest time between two writes of the page.

    Example:

    >>> gan = kerasgan.DCGAN((16, 16, 1), base_width=8)
    >>> gan.compile()
    >>> report = kerasgan.callbacks.RunReport("runs/digits", settings={"data": "digits"})
    >>> digits = kerasgan.data.load("digits", image_size=16)
    >>> history = gan.fit(digits, epochs=1, callbacks=[report], verbose=0)
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        settings: dict | None = None,
        real: np.ndarray | None = None,
        command: str | None = None,
        seconds: float = 30.0,
    ):
        super().__init__(folder, seconds)
        self.settings = dict(settings or {})
        self.real = real
        self.command = command
        self.began = 0.0
        self.epochs_here = 0

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self.began = time.monotonic()
        self.epochs_here = 0

    def on_epoch_end(self, epoch, logs=None):
        self.epochs_here += 1
        super().on_epoch_end(epoch, logs)

    def write(self) -> None:
        """Writes the page for the run so far."""
        title = f"{type(self.model).__name__}: {self.folder.name}"
        sections = {
            "Final figures": [page.table(self._figures().items())],
            "Samples": self._samples(),
            **({} if self.real is None else {"Real images": [self._real_images()]}),
            "Curves": [
                page.figure(drawn, f"{title} by epoch", "chart")
                for title, drawn in draw_panels(self.rows).items()
            ],
            "Settings": [page.table(self._settings().items())],
        }
        if self.command is not None:
            sections["How to repeat this training"] = [page.code(self.command)]
        with atomic_path(self.folder / "report.html") as temporary:
            temporary.write_text(page.page(title, sections), encoding="utf-8")

    def _figures(self):
        last, position = max(self.rows), self.model.position
        figures = {"interrupted at": str(position)} if position.step else {"epochs": last}
        if self.epochs_here:
            took = time.monotonic() - self.began
            now = datetime.datetime.now().astimezone()
            figures["last epoch finished"] = f"{now:%Y-%m-%d %H:%M %Z}"
            figures["time since the last start"] = duration(took)
            figures["seconds per epoch (since the last start)"] = f"{took / self.epochs_here:.2f}"
        return figures | {name: f"{value:.4g}" for name, value in self.rows[last].items()}

    def _samples(self):
        pictures_so_far = EpochPictures(self.folder)
        pictures_so_far.epoch = max(self.rows)
        frames = pictures_so_far.frames()
        chosen = [frames[i * len(frames) // 3] for i in range(3) if frames] + frames[-1:]
        if pictures_so_far.unfinished.exists():
            chosen.append(pictures_so_far.unfinished)
        if not chosen:
            return [
                page.paragraph("No samples were drawn; kerasgan.callbacks.SampleGrid draws them.")
            ]
        shown = [
            page.figure(picture, _epoch_of(frame))
            for frame in dict.fromkeys(chosen)
            if (picture := pictures.read(frame)) is not None
        ]
        return [page.paragraph("Every picture shows the same latents or images."), *shown]

    def _real_images(self):
        return page.figure(pictures.draw(self.real), "what the generator learns from")

    def _settings(self):
        model = self.model
        settings = {"model": type(model).__name__, **self.settings}
        for name, value in model.get_config().items():
            if not isinstance(value, dict):
                settings[name] = value
        for player in model.parts:
            count = sum(int(np.prod(v.shape)) for v in model.part_variables(player))
            settings[f"{player}: weights"] = f"{count:,}"
            optimizer = model.optimizer[player]
            shown = {k: v for k, v in optimizer.get_config().items() if k in _OPTIMIZER_SETTINGS}
            listed = ", ".join(f"{k}={_short(v)}" for k, v in shown.items())
            settings[f"{player}: optimizer"] = f"{type(optimizer).__name__}({listed})"
        compiled = model.compile_arguments()
        if "loss" in compiled:
            settings["loss"] = type(compiled["loss"]).__name__
        settings["backend"] = f"{keras.backend.backend()}, Keras {keras.__version__}"
        settings["kerasgan"] = kerasgan.__version__
        settings["Python"] = platform.python_version()
        return settings


_OPTIMIZER_SETTINGS = ("learning_rate", "beta_1", "beta_2", "momentum", "rho")


def _short(value):
    return f"{value:.4g}" if isinstance(value, float) else value


def _epoch_of(frame):
    if frame.stem == "unfinished":
        return "when it was interrupted"
    return f"epoch {int(frame.stem.removeprefix('epoch_'))}"

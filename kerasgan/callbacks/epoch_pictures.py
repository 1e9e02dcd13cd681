"""The base of callbacks that draw a picture every few epochs, and a GIF of them all."""

import os
import pathlib
import re

import keras
import numpy as np

from kerasgan import checks, pictures


class EpochPictures(keras.callbacks.Callback):
    """Writes `samples/epoch_0010.png` and so on, and at the end of training `samples.gif`.

    When a run is continued in the same folder, the earlier pictures stay and become part of the
    GIF. A subclass defines `picture()`.

    Args:
        folder: where `samples/` and `samples.gif` go; made if missing.
        every: epochs between two pictures. The first and the last epoch are always drawn.
        num_images: how many images a picture shows, or None.
        gif: whether to write the GIF.
        tensorboard: None, or the log folder to write the pictures to as TensorBoard images, too.

    Raises:
        ValueError: when `every` or `num_images` is not a whole number of at least 1.
    """

    chief_only = True  # of several workers

    def __init__(
        self,
        folder: str | os.PathLike,
        every: int = 1,
        num_images: int | None = None,
        gif: bool = True,
        tensorboard: str | os.PathLike | None = None,
    ):
        super().__init__()
        checks.whole_number("every", every, 1)
        if num_images is not None:
            checks.whole_number("num_images", num_images, 1)
        self.folder = pathlib.Path(folder)
        self.every = every
        self.num_images = num_images
        self.gif = gif
        self.tensorboard = tensorboard
        self.epoch = 0
        self.drawn = 0

    def picture(self) -> np.ndarray:
        """Draws what the model makes now: uint8 array (height, width, 3)."""
        raise NotImplementedError

    def frames(self) -> list[pathlib.Path]:
        """The pictures of this run so far, in the order of their epochs."""
        frames = (self.folder / "samples").glob("epoch_*.png")
        matches = ((re.fullmatch(r"epoch_(\d+)", frame.stem), frame) for frame in frames)
        numbered = [(int(match[1]), frame) for match, frame in matches if match]
        # Pictures that a longer run left in this folder are not part of this one.
        return [frame for number, frame in sorted(numbered) if number <= self.epoch]

    def on_epoch_end(self, epoch, logs=None):
        self.epoch = epoch + 1
        self.unfinished.unlink(missing_ok=True)
        if self.epoch == 1 or self.epoch % self.every == 0:
            self.draw()

    def on_train_end(self, logs=None):
        if self.epoch and self.drawn != self.epoch:
            self.draw()
        self.write_gif()

    def draw(self) -> None:
        """Writes the picture of the current epoch."""
        self.drawn = self.epoch
        picture = self.picture()
        pictures.write_png(self.folder / "samples" / f"epoch_{self.epoch:04d}.png", picture)
        if self.tensorboard is not None:
            from kerasgan.pictures.tensorboard import write_image_summary

            write_image_summary(self.tensorboard, "samples", picture, self.epoch)

    @property
    def unfinished(self) -> pathlib.Path:
        """The file of the picture of an epoch that was interrupted."""
        return self.folder / "samples" / "unfinished.png"

    def draw_unfinished(self) -> None:
        """Writes `samples/unfinished.png`, what the model makes in the middle of an epoch."""
        pictures.write_png(self.unfinished, self.picture())

    def write_gif(self) -> None:
        """Writes `samples.gif` of the pictures so far, if there are any."""
        frames = self.frames()
        if self.gif and frames:
            pictures.write_gif(self.folder / "samples.gif", frames)

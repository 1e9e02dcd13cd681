"""Pictures of the same images and their translations as the model learns."""

import os

import keras
import numpy as np

from kerasgan import pictures, roles
from kerasgan.callbacks.epoch_pictures import EpochPictures


class TranslationGrid(EpochPictures):
    """Draws what the model makes of the same images, every few epochs.

    For a model that translates one way the rows are source, translation and target. For one that
    translates both ways they are images of A and their translations, then images of B and theirs.
    Writes `samples/epoch_0010.png` and so on, and at the end of training `samples.gif`, which shows
    them one after another. When a run is continued in the same folder, the earlier pictures stay
    and become part of the GIF.

    Args:
        data: what `fit` takes: a data set of pairs of batches, or a tuple of two arrays. The
            callback draws its first images, so give a data set that does not shuffle.
        folder: where `samples/` and `samples.gif` go; made if missing.
        every: epochs between two pictures. The first and the last epoch are always drawn.
        num_images: how many images a row shows.
        seed: int, the seed of the noise, for models that use noise.
        gif: whether to write the GIF.
        tensorboard: None, or the log folder to write the pictures to as TensorBoard images, too.

    Raises:
        ValueError: when `every` or `num_images` is not a whole number of at least 1.

    Example:

    >>> gan = kerasgan.Pix2Pix((16, 16, 1), base_width=4, receptive_field=16)
    >>> gan.compile()
    >>> digits = kerasgan.data.load("digits", image_size=16, batch_size=8)
    >>> pairs = kerasgan.data.paired(digits, "inpaint")
    >>> grid = kerasgan.callbacks.TranslationGrid(pairs, "runs/inpaint", every=5)
    >>> history = gan.fit(pairs, epochs=1, callbacks=[grid], verbose=0)
    """

    def __init__(
        self,
        data,
        folder: str | os.PathLike,
        every: int = 1,
        num_images: int = 8,
        seed: int = 0,
        gif: bool = True,
        tensorboard: str | os.PathLike | None = None,
    ):
        super().__init__(folder, every, num_images, gif, tensorboard)
        self.data = data
        self.seed = seed
        self.halves: tuple = ()

    def on_train_begin(self, logs=None):
        instead = "Use SampleGrid for models that make images from noise."
        roles.require(self.model, roles.Translates, "TranslationGrid", instead)
        if not self.halves:  # the same ones when training goes on
            self.halves = first_pairs(self.data, self.num_images)
            self.model.check_batch(self.halves)  # now rather than after an epoch

    def picture(self) -> np.ndarray:
        first, second = self.halves
        networks = self.model.networks_by_direction
        rows = []
        for number, to in enumerate(networks):
            images = (first, second)[number]
            rows += [images, self.model.translate(images, to, seed=self.seed)]
        return pictures.strip(rows if len(networks) == 2 else [*rows, second])


def first_pairs(data, count):
    """The first images of both halves of what `fit` takes: two arrays (n, ...), n <= count."""
    found = [], []
    for batch in [data] if isinstance(data, tuple) else data:
        for half, images in zip(found, batch, strict=True):
            half.append(keras.ops.convert_to_numpy(images))
        if sum(map(len, found[0])) >= count:
            break
    halves = [np.concatenate(half) for half in found]
    count = min(count, *map(len, halves))  # one of the two domains can have fewer
    return tuple(half[:count] for half in halves)

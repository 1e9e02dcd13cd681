"""Pictures of the same images and their reconstructions as an autoencoder learns."""

import os

import keras
import numpy as np

from kerasgan import pictures, roles
from kerasgan.callbacks.epoch_pictures import EpochPictures


class ReconstructionGrid(EpochPictures):
    """Draws the same images, with their reconstructions below, every few epochs.

    Writes `samples/epoch_0010.png` and so on, and at the end of training `samples.gif`, which
    shows them one after another. When a run is continued in the same folder, the earlier pictures
    stay and become part of the GIF. For a denoising autoencoder a third row, in the middle, shows
    the noisy images that it restores.

    Args:
        data: what `fit` takes: a data set of batches, or an array. The callback draws its first
            images, so give a data set that does not shuffle.
        folder: where `samples/` and `samples.gif` go; made if missing.
        every: epochs between two pictures. The first and the last epoch are always drawn.
        num_images: how many images a row shows.
        gif: whether to write the GIF.
        tensorboard: None, or the log folder to write the pictures to as TensorBoard images, too.

    Raises:
        ValueError: when `every` or `num_images` is not a whole number of at least 1; when training
            begins, for a model that does not encode images.

    Example:

    >>> autoencoder = kerasgan.Autoencoder((8, 8, 1), latent_dim=8)
    >>> autoencoder.compile()
    >>> digits = kerasgan.data.load("digits", shuffle=False)
    >>> grid = kerasgan.callbacks.ReconstructionGrid(digits, "runs/autoencoder", every=5)
    >>> history = autoencoder.fit(digits, epochs=1, callbacks=[grid], verbose=0)
    """

    def __init__(
        self,
        data,
        folder: str | os.PathLike,
        every: int = 1,
        num_images: int = 8,
        gif: bool = True,
        tensorboard: str | os.PathLike | None = None,
    ):
        super().__init__(folder, every, num_images, gif, tensorboard)
        self.data = data
        self.images: np.ndarray | None = None

    def on_train_begin(self, logs=None):
        instead = "Use SampleGrid for models that make images from noise."
        roles.require(self.model, roles.Encodes, "ReconstructionGrid", instead)
        if self.images is None:  # the same ones when training goes on
            self.images = first_images(self.data, self.num_images)

    def picture(self) -> np.ndarray:
        assert self.images is not None  # on_train_begin has found them
        seen = keras.ops.convert_to_numpy(self.model.noisy(self.images, seed=0))
        rows = [self.images] if np.array_equal(seen, self.images) else [self.images, seen]
        return pictures.strip([*rows, self.model.reconstruct(seen)])


def first_images(data, count):
    """The first images of what `fit` takes: array (n, height, width, channels), n <= count."""
    found = []
    for batch in [data] if hasattr(data, "shape") else data:
        images, *_ = keras.utils.unpack_x_y_sample_weight(batch)
        found.append(keras.ops.convert_to_numpy(images))
        if sum(map(len, found)) >= count:
            break
    return np.concatenate(found)[:count]

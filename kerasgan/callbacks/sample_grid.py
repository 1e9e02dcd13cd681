"""Pictures of what the generator makes from the same latents as it learns."""

import json
import os

import numpy as np
from numpy.typing import ArrayLike

from kerasgan import pictures, roles
from kerasgan.callbacks.epoch_pictures import EpochPictures
from kerasgan.utils.files import atomic_path


class SampleGrid(EpochPictures):
    """Draws what the generator makes from the same latents, every few epochs.

    Writes `samples/epoch_0010.png` and so on, and at the end of training `samples.gif`, which
    shows them one after another. It draws images as a grid and vectors as a scatter plot, with the
    same axes in every picture. When a run is continued in the same folder, the earlier pictures
    stay and become part of the GIF.

    Args:
        folder: where `samples/` and `samples.gif` go; made if missing.
        every: epochs between two pictures. The first and the last epoch are always drawn.
        num_images: how many samples a picture shows; None means 100 images or 2,000 vectors.
        seed: int, the seed of the latents.
        labels: for conditional models, the labels to generate, one or `num_images` of them; None
            gives all classes in turn.
        gif: whether to write the GIF.
        tensorboard: None, or the log folder to write the pictures to as TensorBoard images, too.

    Raises:
        ValueError: when `every` or `num_images` is not a whole number of at least 1; when training
            begins, for labels that the model does not have.

    Example:

    >>> gan = kerasgan.DCGAN((16, 16, 1), base_width=8)
    >>> gan.compile()
    >>> grid = kerasgan.callbacks.SampleGrid("runs/digits", every=5)
    >>> digits = kerasgan.data.load("digits", image_size=16)
    >>> history = gan.fit(digits, epochs=1, callbacks=[grid], verbose=0)
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        every: int = 1,
        num_images: int | None = None,
        seed: int = 0,
        labels: ArrayLike | None = None,
        gif: bool = True,
        tensorboard: str | os.PathLike | None = None,
    ):
        super().__init__(folder, every, num_images, gif, tensorboard)
        self.seed = seed
        self.labels = labels
        self.limits = None

    def on_train_begin(self, logs=None):
        instead = (
            "Use TranslationGrid for models that translate, ReconstructionGrid for those that "
            "encode."
        )
        roles.require(self.model, roles.GeneratesImages, "SampleGrid", instead)
        if self.labels is not None:  # now rather than after an epoch
            self.model.checked_labels(self.labels, self._count())

    def _count(self):
        return self.num_images or (2000 if self.model.compares_vectors else 100)

    def picture(self) -> np.ndarray:
        vectors = self.model.compares_vectors
        count = self._count()
        labels = self.model.all_classes(count) if self.labels is None else self.labels
        samples = self.model.generate(count, seed=self.seed, labels=labels)
        if vectors and self.limits is None:
            self.limits = self._limits(samples)
        if not vectors:  # images of a model that grows, in one size from frame to frame
            zoom = self.model.real_image_shape[0] // samples.shape[1]
            samples = samples.repeat(zoom, axis=1).repeat(zoom, axis=2)
        return pictures.draw(samples, limits=self.limits)

    def _limits(self, samples):
        file = self.folder / "samples" / "axes.json"
        if self.epoch > 1:  # a run that is continued keeps its axes
            try:
                low, high = json.loads(file.read_text(encoding="utf-8"))
                return (float(low), float(high))
            except (OSError, TypeError, ValueError):  # missing or damaged: new ones will do
                pass
        # Room for what the points may become; an untrained generator huddles around zero.
        bound = max(1.5, 1.5 * float(np.abs(samples).max()))
        with atomic_path(file) as temporary:
            temporary.write_text(json.dumps([-bound, bound]), encoding="utf-8")
        return (-bound, bound)

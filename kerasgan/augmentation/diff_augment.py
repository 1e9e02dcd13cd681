"""DiffAugment, Zhao et al. 2020: changes every image a little."""

import keras
import numpy as np
from keras import ops

from kerasgan.augmentation.base import Augmentation, along, constant

CHANGES = ("flip", "color", "translation", "cutout")
DRAWS = {"flip": 1, "color": 3, "translation": 2, "cutout": 2}


@keras.saving.register_keras_serializable(package="kerasgan")
class DiffAugment(Augmentation):
    """Changes every image: its colour, its position, and a square that is cut out.

    - `"color"`: brightness, by U(-0.5, 0.5); saturation, by a factor from U(0, 2) on the distance
      from the mean of the channels; contrast, by a factor from U(0.5, 1.5) on the distance from the
      mean of the image;
    - `"translation"`: a shift of up to an eighth of the size, filled with zeros;
    - `"cutout"`: sets a square of half the size to zeros, anywhere, also across the border;
    - `"flip"`: a mirror flip half of the time. It is not in the paper, whose code mirrors the data.

    Args:
        policy: str, names from this list, separated by commas; they are applied in the order above.

    Raises:
        ValueError: for an unknown name.

    Example:

    >>> augment = kerasgan.augmentation.DiffAugment("translation,cutout")
    >>> augment(np.zeros((4, 16, 16, 1), "float32"), seed=0).shape
    TensorShape([4, 16, 16, 1])

    Reference: Differentiable Augmentation for Data-Efficient GAN Training, Zhao et al., 2020,
    arXiv:2006.10738.
    """

    def __init__(self, policy: str = "color,translation,cutout", **kwargs):
        names = [name.strip() for name in str(policy).split(",")]
        unknown = [name for name in names if name not in CHANGES]
        if unknown:
            raise ValueError(
                f"policy={policy!r} has the unknown change {unknown[0]!r}; use one or more of "
                f"{', '.join(CHANGES)}, separated by commas."
            )
        super().__init__(**kwargs)
        self.policy = policy
        self.changes = [name for name in CHANGES if name in names]

    @property
    def num_draws(self):
        return sum(DRAWS[name] for name in self.changes)

    def change(self, images, draws):
        images, draws = ops.cast(images, "float32"), ops.convert_to_tensor(draws)
        start = 0
        for name in self.changes:
            numbers = ops.unstack(draws[:, start : start + DRAWS[name]], DRAWS[name], axis=1)
            images = globals()[f"_{name}"](images, *(n[:, None] for n in numbers))
            start += DRAWS[name]
        return images

    def get_config(self):
        return {**super().get_config(), "policy": self.policy}


def _flip(images, chance):
    return ops.where(chance[:, :, None, None] < 0.5, ops.flip(images, axis=2), images)


def _color(images, brightness, saturation, contrast):
    brightness, saturation, contrast = (
        number[:, :, None, None] for number in (brightness, saturation, contrast)
    )
    images = images + brightness - 0.5
    mean = ops.mean(images, axis=3, keepdims=True)
    images = mean + (images - mean) * (2.0 * saturation)
    mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
    return mean + (images - mean) * (contrast + 0.5)


def _translation(images, y, x):
    for axis, number in ((1, y), (2, x)):
        length = images.shape[axis]
        most = int(length * 0.125 + 0.5)
        shift = ops.floor(number * (2 * most + 1)) - most
        places = constant(np.arange(length))
        comes_from = places[None, :, None] + shift[:, :, None]
        images = along(axis, ops.cast(comes_from == places, "float32"), images)
    return images


def _cutout(images, y, x):
    cut = []
    for axis, number in ((1, y), (2, x)):
        length = images.shape[axis]
        size = int(length * 0.5 + 0.5)
        first = ops.floor(number * (length + 1 - size % 2)) - size // 2
        places = constant(np.arange(length))
        cut.append((places >= first) & (places < first + size))
    hole = ops.logical_and(cut[0][:, :, None], cut[1][:, None, :])
    return images * ops.cast(ops.logical_not(hole), "float32")[..., None]

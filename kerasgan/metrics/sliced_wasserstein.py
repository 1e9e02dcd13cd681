"""The sliced Wasserstein distance between local patches, Karras et al. 2018."""

import keras
import numpy as np
from scipy import ndimage, stats

from kerasgan.checks import whole_number
from kerasgan.metrics.feature_metric import FeatureMetric
from kerasgan.training import measuring

LEAST_RESOLUTION = 16


@measuring.register("swd")
@keras.saving.register_keras_serializable(package="kerasgan")
class SlicedWasserstein(FeatureMetric):
    """SWD: the distance between the distributions of small patches of real and generated images.

    Every image becomes a Laplacian pyramid down to 16 pixels, from each level of which patches of
    7x7 pixels are taken at random places. The patches of a level are normalized to mean 0 and
    deviation 1 in each channel, then projected on random directions. The distance is the mean over
    directions of the Wasserstein distance between the projections, times 1000 as in the paper. Fine
    levels measure sharpness and noise, coarse levels structure. No network is involved.

    The metric keeps all patches in memory: 128 patches of an image with three channels take 75 kB
    per level, those of 8,192 images 620 MB. So it uses only the first `max_images` of either kind;
    the paper uses 16,384.

    Args:
        patches: int, the number of patches per image and level.
        directions: int, the number of random directions.
        seed: int, the seed of the places and directions.
        max_images: int, how many real and how many generated images are used at most. If there are
            more, shuffle data that is ordered, for example by class.
        name: str.
        **kwargs: as for `keras.metrics.Metric`.

    Returns:
        `result()` is a dict: `swd_<resolution>` for each level, and `swd`, their mean.

    Raises:
        ValueError: for an argument out of range, for images below 7 pixels or not square, and at
            `result()` without real or generated images.

    Example:

    >>> images = np.random.default_rng(0).uniform(-1, 1, (64, 32, 32, 1))
    >>> metric = kerasgan.metrics.SlicedWasserstein()
    >>> metric.update_state(images, 0.5 * (images + np.roll(images, 1, axis=1)))
    >>> sorted(metric.result())
    ['swd', 'swd_16', 'swd_32']

    Reference: Progressive Growing of GANs for Improved Quality, Stability, and Variation, Karras,
    Aila, Laine & Lehtinen, 2018, arXiv:1710.10196, section 5.
    """

    size = 7
    lower_is_better = ("",)

    def __init__(
        self,
        patches: int = 128,
        directions: int = 512,
        seed: int = 0,
        max_images: int = 8192,
        name: str = "swd",
        **kwargs,
    ):
        numbers = {"patches": patches, "directions": directions, "max_images": max_images}
        for argument, value in numbers.items():
            whole_number(argument, value, 1)
        self.patches, self.directions, self.seed = patches, directions, seed
        self.max_images = max_images
        super().__init__("pixels", name, **kwargs)

    def reset_state(self):
        super().reset_state()
        self._rng = np.random.default_rng(self.seed)
        self._patches = {True: {}, False: {}}
        self._taken = {True: 0, False: 0}  # how many images

    def look(self, examples):
        return examples

    def add(self, images, real):
        if images.ndim != 4 or images.shape[1] != images.shape[2] or images.shape[1] < self.size:
            raise ValueError(
                f"the images have shape {images.shape[1:]}; SlicedWasserstein takes squares of at "
                f"least {self.size} pixels."
            )
        images = images[: self.max_images - self._taken[real]]
        self._taken[real] += len(images)
        if not len(images):
            return
        for level in laplacian_pyramid(images):
            found = random_patches(level, self.size, self.patches, self._rng)
            self._patches[real].setdefault(level.shape[1], []).append(found)

    def counts(self) -> tuple[int, int]:
        return self._taken[True], self._taken[False]

    def result(self) -> dict[str, float]:
        real, fake = self._patches[True], self._patches[False]
        self.need(1, real=len(real), generated=len(fake))
        if set(real) != set(fake):
            raise ValueError(
                f"the real images have {max(real)} pixels, but the generated ones have "
                f"{max(fake)}; compare images of the same size."
            )
        rng = np.random.default_rng(self.seed + 1)
        result = {}
        for resolution in real:
            sets = [normalized(np.concatenate(of[resolution])) for of in (real, fake)]
            directions = rng.standard_normal((self.directions, sets[0].shape[1]), "float32")
            directions /= np.linalg.norm(directions, axis=1, keepdims=True)
            distances = [
                wasserstein_distance(*(patches @ direction for patches in sets))
                for direction in directions
            ]
            result[f"{self.name}_{resolution}"] = 1000.0 * float(np.mean(distances))
        return result | {self.name: float(np.mean(list(result.values())))}

    def get_config(self) -> dict:
        own = ("patches", "directions", "max_images", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}


def laplacian_pyramid(images):
    """The Laplacian pyramid: differences between each size and the next, and the smallest size.

    Args:
        images: float array (n, size, size, channels).

    Returns:
        List of float32 arrays, from the finest to the coarsest.
    """
    levels, images = [], np.asarray(images, "float32")
    while images.shape[1] % 2 == 0 and images.shape[1] // 2 >= LEAST_RESOLUTION:
        half = _blurred(images)[:, ::2, ::2]
        doubled = np.zeros_like(images)
        doubled[:, ::2, ::2] = 4.0 * half
        levels.append(images - _blurred(doubled))
        images = half
    return [*levels, images]


def _blurred(images):
    """Convolves with the binomial filter of five taps in both directions, with mirrored borders."""
    for axis in (1, 2):
        images = ndimage.convolve1d(images, np.array([1, 4, 6, 4, 1]) / 16.0, axis, mode="mirror")
    return images


def random_patches(images, size, count, rng):
    """`count` patches of each image: float32 (n * count, size, size, channels)."""
    number = np.repeat(np.arange(len(images)), count)[:, None, None]
    rows, columns = (rng.integers(0, images.shape[axis] - size + 1, len(number)) for axis in (1, 2))
    rows = rows[:, None, None] + np.arange(size)[None, :, None]
    columns = columns[:, None, None] + np.arange(size)[None, None, :]
    return images[number, rows, columns]


def normalized(patches):
    """Patches as vectors (n, d), with mean 0 and deviation 1 in each channel over all of them."""
    patches = patches - patches.mean(axis=(0, 1, 2), dtype="float64").astype("float32")
    deviation = patches.std(axis=(0, 1, 2), dtype="float64").astype("float32")
    patches = patches / np.where(deviation > 0.0, deviation, 1.0)
    return patches.reshape(len(patches), -1)


def wasserstein_distance(first, second):
    """The Wasserstein distance between two samples of numbers (n,) and (m,)."""
    if len(first) == len(second):  # ten times faster than SciPy, which allows for any numbers
        return np.abs(np.sort(first) - np.sort(second)).mean(dtype="float64")
    return stats.wasserstein_distance(first, second)

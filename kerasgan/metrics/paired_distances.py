"""Distances between paired generated and real images: of pixels, and of features."""

import os

import keras
import numpy as np

from kerasgan.metrics.batches import checked_pair
from kerasgan.metrics.feature_metric import FeatureMetric
from kerasgan.metrics.features import Extractor, Features
from kerasgan.metrics.lpips import FORM, LPIPSNetwork
from kerasgan.metrics.lpips import LPIPS as PREFIX
from kerasgan.training import measuring

PIXELS = 2**18  # per batch: each has many features


class _PairedDistance(FeatureMetric):
    """The mean of a distance over pairs; a subclass defines `distances(real, fake)`."""

    paired = True  # images made from noise have no partners
    lower_is_better = ("",)

    def update_state(self, real, fake, sample_weight=None):
        """Adds images as `FeatureMetric.update_state`; real and generated image i are a pair."""
        super().update_state(*checked_pair(real, fake, type(self).__name__))

    def reset_state(self):
        super().reset_state()
        self._real, self._total, self._count = None, 0.0, 0

    def add(self, features, real):
        if real:
            self._real = features
            return
        distances = self.distances(self._real.astype("float64"), features.astype("float64"))
        self._total += float(distances.sum())
        self._count += len(distances)

    def result(self) -> float:
        self.need(1, generated=self._count)
        return self._total / self._count


@measuring.register("pixel_distance")
@keras.saving.register_keras_serializable(package="kerasgan")
class PixelDistance(_PairedDistance):
    """The mean absolute difference of pixels, from 0 to 2, between paired images.

    It is useful for translation with known targets. As a measure of similarity it fails: to people
    an image shifted by one pixel looks the same, but this distance often finds it farther away than
    a different image.

    Args:
        name: str.
        **kwargs: as for `keras.metrics.Metric`.

    Returns:
        `result()` is a float.

    Raises:
        ValueError: for images that are not in pairs.

    Example: a stripe shifted by its width is farther away than no stripe at all.

    >>> stripe = np.full((1, 8, 8, 1), -1.0)
    >>> stripe[:, :, 3] = 1.0
    >>> metric = kerasgan.metrics.PixelDistance()
    >>> metric.update_state(stripe, np.roll(stripe, 1, axis=2))
    >>> shifted = metric.result()
    >>> metric.reset_state()
    >>> metric.update_state(stripe, np.full((1, 8, 8, 1), -1.0))
    >>> shifted, metric.result()
    (0.5, 0.25)
    """

    def __init__(self, name: str = "pixel_distance", **kwargs):
        super().__init__("pixels", name, **kwargs)

    def distances(self, real, fake):
        return np.abs(real - fake).mean(axis=1)


@measuring.register("feature_distance")
@keras.saving.register_keras_serializable(package="kerasgan")
class FeatureDistance(_PairedDistance):
    """The mean Euclidean distance of features between paired images.

    Features of a network trained to recognize what images show hardly change when an image is
    shifted.

    Args:
        features: as for `kerasgan.metrics.features.extractor`.
        name: str.
        **kwargs: as for `keras.metrics.Metric`.

    Returns:
        `result()` is a float, whose scale depends on the network.

    Raises:
        ValueError: for images that are not in pairs.

    Example: digits shifted by one pixel of 32, and other digits.

    >>> digits = kerasgan.data.load("digits", "test", image_size=32, batch_size=100, shuffle=False)
    >>> images = np.asarray(next(iter(digits)))
    >>> def of(metric, other):
    ...     metric.reset_state()
    ...     metric.update_state(images, other)
    ...     return metric.result()
    >>> shifted, other = np.roll(images, 1, axis=2), np.roll(images, 1, axis=0)
    >>> metric = kerasgan.metrics.FeatureDistance(features="digits")
    >>> of(metric, shifted) < 0.3 * of(metric, other)
    True
    """

    def __init__(self, features: Features = "inception", name: str = "feature_distance", **kwargs):
        super().__init__(features, name, **kwargs)

    def distances(self, real, fake):
        return np.sqrt(np.square(real - fake).sum(axis=1))


@measuring.register("lpips")
@keras.saving.register_keras_serializable(package="kerasgan")
class LPIPS(_PairedDistance):
    """Learned perceptual image patch similarity, the mean over pairs: 0 for equal images.

    LPIPS weighs the differences of a network's feature maps so that they agree with people's
    judgements of how similar two patches are. Nothing is downloaded: you give the two weight files.
    Distances of different backbones cannot be compared.

    Args:
        backbone, heads: paths, as for `kerasgan.metrics.features.lpips`.
        features: instead of both, `"lpips:BACKBONE,HEADS"`, or the network that
            `kerasgan.metrics.features.lpips` returns.
        name: str.
        **kwargs: as for `keras.metrics.Metric`.

    Returns:
        `result()` is a float.

    Raises:
        ValueError: without files; for images that are not in pairs, or too small for the network.
        FileNotFoundError: for files that do not exist.

    Example:

        metric = kerasgan.metrics.LPIPS("vgg16-397923af.pth", "vgg.pth")
        metric.update_state(real, generated)
        print(metric.result())

    Reference: The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, Zhang, Isola,
    Efros, Shechtman & Wang, 2018, arXiv:1801.03924. As in other metrics here, images are rounded to
    8 bits first.
    """

    def __init__(
        self,
        backbone: str | os.PathLike | None = None,
        heads: str | os.PathLike | None = None,
        features: Features | None = None,
        name: str = "lpips",
        **kwargs,
    ):
        files = [each for each in (backbone, heads) if each is not None]
        if len(files) == 2 and features is None:
            features = f"{PREFIX}{os.fspath(files[0])},{os.fspath(files[1])}"
        network = features.network if isinstance(features, Extractor) else features
        named = isinstance(network, str) and network.startswith(PREFIX)
        if len(files) == 1 or not (named or isinstance(network, LPIPSNetwork)):
            raise ValueError(
                f"LPIPS was given backbone={backbone!r}, heads={heads!r}, features={features!r}; "
                "use LPIPS(backbone, heads), torchvision's file of AlexNet, VGG16 or SqueezeNet "
                f"and that of the package lpips with its weights, or features={FORM}."
            )
        super().__init__(features, name, **kwargs)

    def update_state(self, real, fake, sample_weight=None):
        real, fake = checked_pair(real, fake, type(self).__name__)
        if real.ndim != 4:
            raise ValueError(f"LPIPS compares images, not vectors of shape {real.shape}.")
        some = max(1, PIXELS // (real.shape[1] * real.shape[2]))
        for start in range(0, len(real), some):
            rows = slice(start, start + some)
            super().update_state(real[rows], fake[rows])

    def distances(self, real, fake):
        return np.square(real - fake).sum(axis=1)

"""The Fréchet inception distance, Heusel et al. 2017, and its value for infinitely many images."""

import functools
import os
from typing import Any

import keras
import numpy as np

from kerasgan.metrics.dinov2 import DINOV2, FRECHET, DINOv2
from kerasgan.metrics.feature_metric import VECTORS, FeatureMetric
from kerasgan.metrics.features import Extractor, Features
from kerasgan.metrics.lpips import LPIPS, LPIPSNetwork
from kerasgan.metrics.mobilenet import MOBILENET
from kerasgan.metrics.statistics import FeatureStatistics
from kerasgan.training import measuring


@measuring.register("fid")
@measuring.register("frechet_distance", name="frechet_distance")
@measuring.register(FRECHET, name=FRECHET)
@measuring.register("fid_infinity", infinity=True)
@keras.saving.register_keras_serializable(package="kerasgan")
class FrechetDistance(FeatureMetric):
    """FID: the Fréchet distance between Gaussians with the features' means and covariances.

    `|mu_r - mu_g|^2 + tr(C_r + C_g - 2 (C_r C_g)^(1/2))`; 0 is the best. The trace of the root is
    the sum of the square roots of the eigenvalues of the symmetric `C_r^(1/2) C_g C_r^(1/2)`, so it
    is real even for singular covariances. Images are rounded to 8 bits first, as they would be in
    files. With fewer images than features there is a `SampleSizeWarning`. At any number n of
    generated images the distance is too large by about c / n, so compare only distances with the
    same n.

    Published numbers use `features="inception"`, mostly with 50,000 generated images and all real
    ones.

    Args:
        features: as for `kerasgan.metrics.features.extractor`.
        reference: None to take the real images from the data; or the real images' statistics: a
            `FeatureStatistics`, the path of an `.npz` file with `mu` and `sigma`, or that pair. The
            metric then ignores the real images of the data.
        infinity: whether to extrapolate to infinitely many generated images as well, with a line in
            1 / n through the distances of 5 to 10 tenths of them. `result()` is then a dict.
        name: str, or None for `"fid"`, for `"fd_dinov2"` with DINOv2, and for `"frechet_distance"`
            with `"mobilenet_v2"` and LPIPS, whose distances are not what people call FID.
        **kwargs: as for `keras.metrics.Metric`.

    Returns:
        `result()` is a float, or a dict of `fid` and `fid_infinity`.

    Raises:
        ValueError: for an invalid reference or one of other features, and at `result()` for fewer
            than two images.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> metric = kerasgan.metrics.FrechetDistance(features="pixels")
    >>> metric.update_state(rng.normal(size=(9000, 2)), rng.normal([3.0, 0.0], 1.0, (9000, 2)))
    >>> 8.8 < metric.result() < 9.2
    True

    References: GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium,
    Heusel et al., 2017, arXiv:1706.08500. Effectively Unbiased FID and Inception Score and where to
    find them, Chong & Forsyth, 2020, arXiv:1911.07023; they draw new subsets of 15 sizes; this
    metric keeps the statistics of ten parts and joins them, so that it need not keep the features.
    """

    parts = 10
    usual_name = "fid"
    lower_is_better = ("", "infinity")

    def __init__(
        self,
        features: Features = "inception",
        reference: str | os.PathLike | tuple | FeatureStatistics | None = None,
        infinity: bool = False,
        name: str | None = None,
        **kwargs,
    ):
        self.reference, self.infinity = reference, infinity
        if not isinstance(reference, (str, os.PathLike)):  # a file is read when it is needed
            self._given = _given(reference)
        default = _default_name(features)
        if name == FRECHET != default:
            raise ValueError(
                f"{FRECHET} needs DINOv2's features, not features={features!r}; use "
                "features='dinov2:PRESET_OR_FOLDER'."
            )
        super().__init__(features, name or default, **kwargs)

    @functools.cached_property
    def _given(self):
        return _given(self.reference)

    def prepare(self, vectors: bool = False) -> None:
        super().prepare(vectors)
        if self._given is not None and not vectors:
            self._check_reference(self.extractor)

    def reset_state(self):
        super().reset_state()
        self._real = FeatureStatistics()
        self._fake = [FeatureStatistics() for _ in range(self.parts if self.infinity else 1)]
        self._seen = 0

    def looks_at(self, real: bool) -> bool:
        return not real or self._given is None

    def add(self, features, real):
        if real:
            self._real.update(features)
            return
        if self._given is not None:
            self._check_reference(self.looked_through)
        if self._given is not None and features.shape[1] != len(self._given.mean):
            raise ValueError(
                f"{self.name}: the reference has {len(self._given.mean)} features, but "
                f"{self.looked_through.name} makes {features.shape[1]}; use a reference that was "
                "made with these features."
            )
        parts = len(self._fake)
        for number, part in enumerate(self._fake):
            part.update(features[(number - self._seen) % parts :: parts])
        self._seen = (self._seen + len(features)) % parts

    def _check_reference(self, network):
        made_by = self._given.made_by
        if made_by is not None and network is not VECTORS and made_by[1] != network.digest:
            raise ValueError(
                f"{self.name}: the reference was made with features={made_by[0]}, and "
                f"features={network.name} here is another network, or resizes differently; use "
                "the same features, or make the reference again."
            )

    def counts(self) -> tuple[int, int]:
        real, generated = super().counts()
        return real if self._given is None else self._given.count, generated

    def result(self) -> float | dict[str, float]:
        real = self._given or self._real
        if self._given is None:
            self.need(2, real=real.count)
        self.need(2 * len(self._fake), generated=sum(part.count for part in self._fake))
        fake = joined(self._fake)
        fewest = min(fake.count, real.count or fake.count)
        if fewest <= len(fake.mean):
            self.warn_of_few(
                f"{fewest} images for {len(fake.mean)} features: the covariance is singular and "
                "the distance much too large. Use more images, or compare it only with distances "
                "of the same number of images."
            )
        root = factor(real.covariance)
        distance = distance_from_factor(real, root, fake)
        if not self.infinity:
            return distance
        sizes, distances = [fake.count], [distance]
        for parts in range(self.parts // 2, self.parts):
            # The parts take turns, so that no tenth weighs more than another.
            for turn in range(0, self.parts, 2):
                some = joined(np.roll(self._fake, -turn)[:parts])
                sizes.append(some.count)
                distances.append(distance_from_factor(real, root, some))
        line = np.polynomial.Polynomial.fit(1.0 / np.array(sizes), distances, 1)
        return {self.name: distance, f"{self.name}_infinity": float(line(0.0))}

    def get_config(self) -> dict:
        reference: Any = self.reference
        if isinstance(reference, os.PathLike):
            reference = os.fspath(reference)
        elif reference is not None and not isinstance(reference, str):
            moments = (self._given.mean, self._given.covariance)
            reference = [moment.tolist() for moment in moments]
        return {**super().get_config(), "reference": reference, "infinity": self.infinity}


def _default_name(features):
    """The default name of the distance."""
    network = features.network if isinstance(features, Extractor) else features
    name = network if isinstance(network, str) else ""
    if isinstance(network, DINOv2) or name.startswith(DINOV2):
        return FRECHET
    others = name == MOBILENET or name.startswith(LPIPS) or isinstance(network, LPIPSNetwork)
    return "frechet_distance" if others else "fid"


def _given(reference):
    if isinstance(reference, FeatureStatistics) and reference.mean is None:
        raise ValueError("reference holds no statistics: nothing was added to it.")
    if reference is None or isinstance(reference, FeatureStatistics):
        return reference
    if isinstance(reference, (str, os.PathLike)):
        return FeatureStatistics.load(reference)
    if isinstance(reference, (tuple, list)) and len(reference) == 2:
        return FeatureStatistics.of_moments(*reference)
    raise ValueError(
        f"reference={reference!r}; use None, FeatureStatistics, an .npz file or (mu, sigma)."
    )


def joined(parts):
    """Joins several statistics into those of all their examples."""
    whole = FeatureStatistics()
    for part in parts:
        whole.merge(part)
    return whole


def frechet_distance(first, second):
    """The Fréchet distance between two `FeatureStatistics`: float, at least 0.

    Example:

    >>> of_moments = kerasgan.metrics.FeatureStatistics.of_moments
    >>> wide, narrow = of_moments([0.0], [[4.0]]), of_moments([2.0], [[1.0]])
    >>> kerasgan.metrics.frechet_distance.frechet_distance(wide, narrow)
    5.0
    """
    return distance_from_factor(first, factor(first.covariance), second)


def factor(covariance):
    """A matrix L whose `L L^T` is the covariance, which may have eigenvalues of 0.

    Any such L can take the place of the root in the formula: `L^T C L` has the eigenvalues of `C_r
    C`.
    """
    try:
        return np.linalg.cholesky(covariance)  # ten times faster than eigenvectors
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        return vectors * np.sqrt(np.maximum(values, 0.0))


def distance_from_factor(first, root, second):
    """`frechet_distance` with the `factor` of the first covariance."""
    values = np.linalg.eigvalsh(root.T @ second.covariance @ root)
    of_roots = np.sqrt(np.maximum(values, 0.0)).sum()
    traces = np.trace(first.covariance) + np.trace(second.covariance)
    return float(max(np.sum((first.mean - second.mean) ** 2) + traces - 2.0 * of_roots, 0.0))

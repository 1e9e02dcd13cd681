"""Mean and covariance of features, accumulated batch by batch and saved in a file."""

import contextlib
import os
import pathlib
import zipfile
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from kerasgan.metrics.batches import checked
from kerasgan.metrics.features import Features, extractor
from kerasgan.utils.files import atomic_path

MOST = 2**15  # features: a covariance of more has more than 8 GiB
BLOCK = 500  # examples added at a time, so that the covariance is read and written once for all


class FeatureStatistics:
    """The mean and covariance of features, in float64, without keeping the features.

    Examples are added with the update of Chan, Golub & LeVeque, which stays accurate when the mean
    is large: it adds the scatter around their own mean and the difference of the two means. They
    are added 500 at a time, because adding a few costs as much.

    Attributes:
        count: int, the number of examples; None for a file that does not contain it.
        mean: float64 (d,), None before the first batch.
        covariance: float64 (d, d), divided by count - 1.
        made_by: pair of str, the name and the digest of the `Extractor` that computed the features;
            None where that is unknown, such as in a file of pytorch-fid.

    Example:

    >>> digits = kerasgan.data.load("digits", image_size=16, shuffle=False)
    >>> real = kerasgan.metrics.FeatureStatistics.of(digits, features="digits")
    >>> real.count, real.mean.shape
    (1437, (64,))
    >>> real.save("digits.npz")
    >>> metric = kerasgan.metrics.FrechetDistance(features="digits", reference="digits.npz")

    Reference: Algorithms for Computing the Sample Variance: Analysis and Recommendations, Chan,
    Golub & LeVeque, 1983, The American Statistician 37(3).
    """

    def __init__(self):
        self._count, self._mean, self._scatter = 0, None, None
        self._waiting = []  # arrays of features
        self.made_by = None

    @classmethod
    def of(cls, data, features: Features = "inception") -> Self:
        """Computes the statistics of images.

        Args:
            data: array (n, height, width, channels) in [-1, 1], or an iterable of such batches,
                such as `kerasgan.data.load(..., shuffle=False)` returns; labels are ignored.
            features: as for `kerasgan.metrics.features.extractor`.

        Returns:
            `FeatureStatistics`.

        Raises:
            ValueError: for images of another shape or range, other features, or more features than
                a covariance can hold.
            OSError: when weights are not available.
        """
        statistics, network = cls(), extractor(features)
        for batch in [data] if hasattr(data, "shape") else data:
            images = batch[0] if isinstance(batch, (tuple, list)) else batch
            images = checked(images, "the images")
            statistics.update(network(images))
            if images.ndim == 4:
                statistics.made_by = (network.name, network.digest)
        return statistics

    @classmethod
    def of_moments(cls, mean: ArrayLike, covariance: ArrayLike, count: int | None = None) -> Self:
        """Creates statistics from a known mean and covariance; see the attributes.

        Raises:
            ValueError: when they do not fit each other, are not finite, or the covariance is not
                symmetric or has negative eigenvalues.
        """
        mean, covariance = (np.asarray(value, "float64") for value in (mean, covariance))
        if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
            raise ValueError(
                f"mu has shape {mean.shape} and sigma {covariance.shape}; they have to be (d,) and "
                "(d, d)."
            )
        if not (np.all(np.isfinite(mean)) and np.all(np.isfinite(covariance))):
            raise ValueError("mu and sigma hold NaN or infinite numbers.")
        apart = np.abs(covariance - covariance.T).max(initial=0.0)
        if apart > 1e-3 * np.abs(covariance).max(initial=0.0):
            raise ValueError(
                "sigma is not symmetric (two numbers that should be equal differ by "
                f"{apart:.3g}), so it is not a covariance; make the statistics again."
            )
        lowest, highest = _eigenvalues(covariance)
        if lowest < -1e-3 * highest:  # rounding makes some a little negative
            raise ValueError(
                f"sigma has eigenvalues from {lowest:.3g} to {highest:.3g}, but those of a "
                "covariance are at least 0; make the statistics again."
            )
        statistics = cls()
        statistics._count, statistics._mean = count, mean
        statistics._scatter = covariance * (1 if count is None else count - 1)
        return statistics

    def update(self, features: np.ndarray) -> None:
        """Adds features, float (n, d).

        Raises:
            ValueError: for more features than a covariance can hold.
        """
        if features.shape[1] > MOST:
            raise ValueError(
                f"{features.shape[1]} features have a covariance of "
                f"{features.shape[1] ** 2 * 8 / 2**30:.0f} GiB; use a network with at most {MOST}, "
                "or a metric that compares single images, such as precision or feature_distance."
            )
        features = np.array(features)  # a copy: the caller may fill the array anew
        if not len(features):
            return
        self._need_count()
        self._waiting.append(features)
        if sum(map(len, self._waiting)) >= BLOCK:
            self._add_waiting()

    def merge(self, other: Self) -> None:
        """Adds the examples of other statistics.

        Raises:
            ValueError: when it is unknown how many examples these have.
        """
        self._need_count()
        other._need_count()
        self._add_waiting()
        if other.count:
            self._add(other.count, other.mean, other._scatter)

    def _need_count(self):
        if self._count is None:
            raise ValueError(
                "the statistics do not say how many examples they were made from (a file without "
                "count), so nothing can be added."
            )

    def _add_waiting(self):
        if self._waiting:
            features = np.concatenate(self._waiting).astype("float64")
            self._waiting = []
            mean = features.mean(axis=0)
            features -= mean
            self._add(len(features), mean, features.T @ features)

    def _add(self, count, mean, scatter):
        if self._mean is None:
            self._count, self._mean, self._scatter = count, mean, scatter
            return
        both = self._count + count
        apart = mean - self._mean
        self._scatter = self._scatter + scatter
        self._scatter += np.outer(apart, apart) * (self._count * count / both)
        self._mean = self._mean + apart * (count / both)
        self._count = both

    @property
    def count(self) -> int | None:
        self._add_waiting()
        return self._count

    @property
    def mean(self) -> np.ndarray | None:
        self._add_waiting()
        return self._mean

    @property
    def covariance(self) -> np.ndarray:
        if self.count is None:  # reading it adds the waiting examples
            return self._scatter
        if self.count < 2:
            raise ValueError(
                f"a covariance of {self.count} example{'s' * (self.count != 1)} does not exist; "
                "give at least 2, better many more than there are features."
            )
        return self._scatter / (self.count - 1)

    def save(self, path: str | os.PathLike) -> None:
        """Writes an `.npz` file with pytorch-fid's `mu` and `sigma`, and `count` and `made_by`.

        Args:
            path: file to write.

        Raises:
            ValueError: when there are fewer than two examples.
        """
        if self.mean is None:
            raise ValueError("there are no statistics to save: nothing was added.")
        more: dict[str, Any] = {"count": self.count or 0}
        if self.made_by is not None:
            more["made_by"] = np.array(self.made_by)
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, mu=self.mean, sigma=self.covariance, **more)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """Reads a file that `save` or pytorch-fid wrote.

        Args:
            path: the file.

        Returns:
            `FeatureStatistics`.

        Raises:
            FileNotFoundError: when there is no such file.
            ValueError: when it is damaged or holds something else.
        """
        with opened(path) as file:
            if not {"mu", "sigma"} <= set(file.files):
                found = ", ".join(file.files) or "nothing"
                raise ValueError(f"it holds {found}, but statistics are `mu` and `sigma`.")
            mu, sigma = (np.asarray(file[name], "float64") for name in ("mu", "sigma"))
            count = int(file["count"]) if "count" in file.files else 0
            made_by = tuple(map(str, file["made_by"])) if "made_by" in file.files else None
        statistics = cls.of_moments(mu, sigma, count or None)
        statistics.made_by = made_by
        return statistics


def _eigenvalues(covariance):
    """The lowest and the highest eigenvalue, (0, 0) where all are above 0."""
    try:
        np.linalg.cholesky(covariance)  # ten times faster, and only then
        return 0.0, 0.0
    except np.linalg.LinAlgError:
        values = np.linalg.eigvalsh(covariance)
        return float(values[0]), float(np.abs(values).max())


@contextlib.contextmanager
def opened(path):
    """Opens an `.npz` file: its arrays by name, each read when it is accessed.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is damaged or not an `.npz` file.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"the statistics {path} do not exist, or are not a file.")
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise ValueError("it holds a single array without a name.")
        with loaded as file:
            yield file
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is not an .npz file of this kind, or is damaged: {error}"
        ) from error

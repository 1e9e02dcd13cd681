"""Metrics based on nearest neighbours: improved precision and recall, density and coverage."""

import keras
import numpy as np
from keras import ops

from kerasgan.checks import whole_number
from kerasgan.metrics.feature_metric import KeptFeatures
from kerasgan.metrics.features import Features
from kerasgan.training import measuring

BLOCK = 512  # rows of the distance matrix in memory at a time: 100 MB for 50,000 columns


class _Neighbours(KeptFeatures):
    """Base class of metrics that draw balls around examples: k, equal numbers, and result names.

    A subclass defines `compare(real, fake, reach)`, which takes features and the radii of the real
    ones and returns the results in the order of `higher_is_better`.
    """

    default_k = 3

    def __init__(
        self,
        features: Features = "inception",
        k: int | None = None,
        seed: int = 0,
        name: str | None = None,
        **kwargs,
    ):
        k = self.default_k if k is None else k
        whole_number("k", k, 1)
        self.k, self.seed, self.prefix = k, seed, "" if name is None else f"{name}_"
        super().__init__(features, name or type(self).__name__, **kwargs)

    def counts(self) -> tuple[int, int]:
        return (min(super().counts()),) * 2

    def result(self) -> dict[str, float]:
        both = self.kept(self.k + 1)
        fewest = min(map(len, both))
        rng = np.random.default_rng(self.seed)
        real, fake = (x if len(x) == fewest else x[rng.permutation(len(x))[:fewest]] for x in both)
        found = self.compare(real, fake, radii(real, self.k))
        names = (f"{self.prefix}{name}" for name in self.higher_is_better)
        return dict(zip(names, map(float, found), strict=True))

    def compare(self, real, fake, reach):
        raise NotImplementedError

    def get_config(self) -> dict:
        name = self.name if self.prefix else None
        return {**super().get_config(), "k": self.k, "seed": self.seed, "name": name}


@measuring.register("precision", "recall")
@keras.saving.register_keras_serializable(package="kerasgan")
class PrecisionRecall(_Neighbours):
    """Improved precision and recall: how realistic generated images are, and how much they cover.

    The manifold of a set is the union of balls around its features that reach to the k-th nearest
    neighbour, their borders included. Precision is the share of generated images in the real
    manifold, recall the share of real images in the generated one. Both depend on the number of
    images; papers use 50,000 of each with Inception or VGG16. When there are more images of one
    kind, a random subset of them is used, as large as the other set. Distances are computed in
    blocks, so that the full matrix of 50,000 by 50,000 never exists.

    Args:
        features: as for `kerasgan.metrics.features.extractor`.
        k: int, which nearest neighbour sets the radius of a ball; 3 in the paper.
        seed: int, of the choice.
        name: str, put before the names of the results; None for nothing.
        **kwargs: as for `keras.metrics.Metric`.

    Returns:
        `result()` is a dict of `precision` and `recall`, from 0 to 1.

    Raises:
        ValueError: for a k out of range, and at `result()` for fewer than k + 1 images.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> square, half = rng.uniform(size=(2000, 2)), rng.uniform(size=(2000, 2)) * [0.5, 1.0]
    >>> metric = kerasgan.metrics.PrecisionRecall(features="pixels")
    >>> metric.update_state(square, half)
    >>> result = metric.result()
    >>> result["precision"] > 0.95, 0.45 < result["recall"] < 0.6
    (True, True)

    Reference: Improved Precision and Recall Metric for Assessing Generative Models, Kynkäänniemi et
    al., 2019, arXiv:1904.06991.
    """

    higher_is_better = ("precision", "recall")

    def compare(self, real, fake, reach):
        fake_reach = radii(fake, self.k)
        precision, recall = np.zeros(len(fake), bool), np.zeros(len(real), bool)
        for block, distances in squared_distances(fake, real):
            precision[block] = np.any(distances <= reach, axis=1)
            recall |= np.any(distances <= fake_reach[block, None], axis=0)
        return precision.mean(), recall.mean()


@measuring.register("density", "coverage")
@keras.saving.register_keras_serializable(package="kerasgan")
class DensityCoverage(_Neighbours):
    """Density and coverage: counterparts of precision and recall that are robust to outliers.

    Density is the number of balls around real images that a generated image lies in, divided by k;
    it can be above 1, and has mean 1 for equal distributions. Coverage is the share of real images
    whose ball, which reaches to the k-th nearest real neighbour, holds a generated image. A ball
    does not include its border, as in the authors' code. When there are more images of one kind, a
    random subset of them is used, as large as the other set.

    Args:
        features: as for `kerasgan.metrics.features.extractor`.
        k: int, which nearest neighbour sets the radius of a ball; 5 in the paper.
        seed: int, of the choice.
        name: str, put before the names of the results; None for nothing.
        **kwargs: as for `keras.metrics.Metric`.

    Returns:
        `result()` is a dict of `density`, at least 0, and `coverage`, from 0 to 1.

    Raises:
        ValueError: for a k out of range, and at `result()` for fewer than k + 1 images.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> metric = kerasgan.metrics.DensityCoverage(features="pixels")
    >>> metric.update_state(rng.normal(size=(1000, 4)), rng.normal(size=(1000, 4)))
    >>> {name: round(value, 1) for name, value in metric.result().items()}
    {'density': 1.0, 'coverage': 1.0}

    Reference: Reliable Fidelity and Diversity Metrics for Generative Models, Naeem et al., 2020,
    arXiv:2002.09797.
    """

    default_k = 5
    higher_is_better = ("density", "coverage")

    def compare(self, real, fake, reach):
        balls, covered = 0, np.zeros(len(real), bool)
        for _, distances in squared_distances(fake, real):
            inside = distances < reach
            balls += np.count_nonzero(inside)
            covered |= np.any(inside, axis=0)
        return balls / (self.k * len(fake)), covered.mean()


def squared_distances(rows, columns):
    """Yields the squared Euclidean distances in blocks of rows, with the slice of each.

    Args:
        rows, columns: float32 or float64 arrays (n, d) and (m, d).

    Yields:
        Slice of rows, float32 array (at most BLOCK, m).
    """
    # Relative to a point in their midst squared distances lose fewer digits. The point is one of
    # the examples, so that whole numbers, whose distances are often equal, stay whole.
    from_mean = np.square(columns - columns.mean(axis=0, dtype="float64").astype(columns.dtype))
    origin = columns[np.argmin(from_mean.sum(axis=1))]
    transposed = ops.convert_to_tensor((columns - origin).T, "float32")
    squares = ops.sum(ops.square(transposed), axis=0)
    for start in range(0, len(rows), BLOCK):
        block = slice(start, start + BLOCK)
        some = ops.convert_to_tensor(rows[block] - origin, "float32")
        distances = ops.sum(ops.square(some), axis=1, keepdims=True) + squares[None]
        distances = ops.maximum(distances - 2.0 * ops.matmul(some, transposed), 0.0)
        yield block, ops.convert_to_numpy(distances)


def radii(features, k):
    """The squared distance of each to its k-th nearest neighbour among the others: float32 (n,)."""
    reach = np.empty(len(features), "float32")
    for block, distances in squared_distances(features, features):
        reach[block] = np.partition(distances, k, axis=1)[:, k]  # the nearest is the point itself
    return reach

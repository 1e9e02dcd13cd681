"""Whether a generator copies its training images."""

import dataclasses
from collections.abc import Callable

import numpy as np
from scipy import stats

from kerasgan.checks import whole_number
from kerasgan.metrics.batches import BLOCK, blocks, outputs
from kerasgan.metrics.features import Features
from kerasgan.utils.images import to_uint8


@dataclasses.dataclass(frozen=True, eq=False)
class MemorizationReport:
    """The results of `memorization_report`.

    Attributes:
        distances: float64 (generated,), from each generated image to its nearest training image.
        indices: int64 (generated,), which training image that is.
        exact_copies: int, how many generated images equal a training image in 8 bits.
        held_out_distances: float64 (held out,), from held-out images to their nearest training
            image, or None.
        probability: float, the probability that a generated image is nearer to the training images
            than a held-out image is, with equal distances counted half; or None.
        z_score: float, the z-score of the Mann-Whitney test of that, negative for copies; or None.
        suspects: float32 (2, num_shown, height, width, channels): the generated images nearest to
            training images, nearest first, and those training images.
    """

    distances: np.ndarray
    indices: np.ndarray
    exact_copies: int
    held_out_distances: np.ndarray | None
    probability: float | None
    z_score: float | None
    suspects: np.ndarray

    def reading(self) -> str:
        """What the z-score means by the paper, at the 5 % level of the two-sided test: str."""
        if self.z_score is None:
            return "without held-out images there is no telling how near is too near"
        if self.z_score < -1.96:
            return "nearer to the training images than new real ones: copying"
        if self.z_score > 1.96:
            return "farther from the training images than new real ones: underfitting"
        return "as near to the training images as new real ones: no sign of copying"

    def table(self) -> str:
        """The report as text: distances, the test, and its interpretation."""
        lines = ["distance to the nearest training image    images   lowest   median  highest"]
        for name, distances in (
            ("generated", self.distances),
            ("held out", self.held_out_distances),
        ):
            if distances is not None:
                numbers = (distances.min(), np.median(distances), distances.max())
                figures = " ".join(f"{number:8.3f}" for number in numbers)
                lines.append(f"{name:<38}{len(distances):10} {figures}")
        lines.append(f"exact copies (in 8 bits): {self.exact_copies} of {len(self.distances)}")
        if self.z_score is not None:
            lines.append(f"generated nearer than held out: probability {self.probability:.3f}")
            lines.append(f"Mann-Whitney z-score: {self.z_score:+.2f}")
        return "\n".join([*lines, self.reading()])

    def picture(self) -> np.ndarray:
        """Draws the suspects, the worst first, with the nearest training image below each.

        Returns:
            uint8 array (height, width, 3).
        """
        from kerasgan import pictures  # here: it takes a while to import

        return pictures.strip(list(self.suspects))

    def to_dict(self) -> dict:
        """The report as numbers and strings that `json` can write."""
        held_out = self.held_out_distances
        return {
            "num_generated": len(self.distances),
            "num_held_out": None if held_out is None else len(held_out),
            "median_distance": float(np.median(self.distances)),
            "median_held_out_distance": None if held_out is None else float(np.median(held_out)),
            "exact_copies": self.exact_copies,
            "probability": self.probability,
            "z_score": self.z_score,
            "reading": self.reading(),
        }


def memorization_report(
    generated,
    training,
    held_out=None,
    *,
    features: Features | Callable | None = None,
    num_shown: int = 8,
) -> MemorizationReport:
    """Finds each generated image's nearest training image, and tests whether they are too near.

    The test is the three-sample test of Meehan et al. in its global form: a generated image should
    be as far from the training set as a new real image is. The probability that it is nearer is
    then 1/2; near 1 means copies, near 0 images unlike the data. The z-score says how significant
    that is; it grows with the number of images, the probability does not.

    The test has limits. A generator that copies some images and draws the rest badly can have a
    probability of 1/2 (the paper repeats the test in cells of the space for this), so look at the
    picture and at the exact copies, too. Held-out images must follow the distribution of the
    training images: if they show groups that the training set lacks, they are far from it, and the
    generator seems to copy.

    Args:
        generated: float images (n, height, width, channels) in [-1, 1], such as `generate` returns,
            or an iterable of batches of them.
        training: the images that the generator was trained on, likewise; batches may have labels,
            which are ignored.
        held_out: None, or real images that it was not trained on, likewise. Give data sets that can
            be read in full: `kerasgan.data.load(..., shuffle=False)`.
        features: None for the Euclidean distance of pixels; what
            `kerasgan.metrics.features.extractor` takes, such as `"digits"`; or a function from
            images to features (n, ...).
        num_shown: int, how many pairs the picture shows.

    Returns:
        `MemorizationReport`, with `table()`, `picture()` and `to_dict()`.

    Raises:
        ValueError: for images or features that cannot be compared.

    Example:

    >>> random = np.random.default_rng(0)
    >>> real = random.uniform(-1, 1, (300, 4, 4, 1)).astype("float32")
    >>> copies = real[:100] * 0.98
    >>> report = kerasgan.metrics.memorization_report(copies, real[:200], real[200:])
    >>> print(report.reading())
    nearer to the training images than new real ones: copying
    >>> report.exact_copies, bool(np.all(report.indices == np.arange(100)))
    (0, True)

    Reference: A Non-Parametric Test to Detect Data-Copying in Generative Models (at AISTATS: A
    Three Sample Hypothesis Test for Evaluating Generative Models), Meehan, Chaudhuri & Dasgupta,
    2020, arXiv:2004.05675. The variance is corrected for ties, which exact copies cause; without
    ties the z-score is the paper's.
    """
    whole_number("num_shown", num_shown, 1)
    training = _gathered(training, "the training images")
    like = {"shape": training.shape[1:], "wants": "the training images have"}
    generated = _gathered(generated, "the generated images", **like)
    if held_out is not None:
        held_out = _gathered(held_out, "the held-out images", **like)

    index = _Nearest(training, features)
    distances, indices = index.of(generated)
    held_out_distances = probability = z_score = None
    if held_out is not None:
        held_out_distances, _ = index.of(held_out)
        probability, z_score = compare_distances(distances, held_out_distances)
    worst = np.argsort(distances, kind="stable")[:num_shown]
    return MemorizationReport(
        distances=distances,
        indices=indices,
        exact_copies=_exact_copies(generated, training),
        held_out_distances=held_out_distances,
        probability=probability,
        z_score=z_score,
        suspects=np.stack([generated[worst], training[indices[worst]]]),
    )


def compare_distances(generated, held_out):
    """The Mann-Whitney test for two sets of distances.

    Args:
        generated, held_out: float arrays (m,) and (n,).

    Returns:
        Two floats: the probability that the first is smaller, with equal ones counted half, and the
        z-score of U, the number of pairs in which the first is larger. When all distances are equal
        the z-score is 0.
    """
    m, n = len(generated), len(held_out)
    # Not mannwhitneyu: it gives a p-value only, which is 0 for every z-score beyond 38.
    ranks = stats.rankdata(np.concatenate([generated, held_out]))
    u = ranks[:m].sum() - m * (m + 1) / 2.0
    variance = m * n * (m + n + 1) / 12.0 * stats.tiecorrect(ranks)
    z_score = (u - m * n / 2.0) / np.sqrt(variance) if variance > 0.0 else 0.0
    return float(1.0 - u / (m * n)), float(z_score)


class _Nearest:
    """Finds the nearest of the training images, by pixels or by features."""

    def __init__(self, training, features):
        from sklearn.neighbors import NearestNeighbors

        self.features = features
        self.points = self.flat(training)
        # Brute force in blocks: no matrix of all distances, and no tree, which fails in many
        # dimensions.
        self.neighbors = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(self.points)

    def of(self, images):
        """Distances float64 (n,) and indices int64 (n,)."""
        points = self.flat(images)
        indices = self.neighbors.kneighbors(points, return_distance=False)[:, 0]
        # Recomputed from the differences, so that a copy is at exactly 0, without rounding errors.
        differences = points.astype("float64") - self.points[indices]
        return np.linalg.norm(differences, axis=1), indices.astype("int64")

    def flat(self, images):
        """The points (n, d) of images."""
        if self.features is None:
            return images.reshape(len(images), -1)
        found = []
        for start in range(0, len(images), BLOCK):
            block = images[start : start + BLOCK]
            points = np.asarray(outputs(self.features, block, "features"), "float32")
            if not points.shape or len(points) != len(block) or not np.all(np.isfinite(points)):
                raise ValueError(
                    f"features returned shape {points.shape} for {len(block)} images, or values "
                    "that are not finite; it has to return finite features of shape "
                    f"({len(block)}, ...)."
                )
            found.append(points.reshape(len(block), -1))
        return np.concatenate(found)


def _gathered(data, what, shape=None, wants=None):
    return np.concatenate([images for images, _ in blocks(data, what, shape, wants)])


def _exact_copies(generated, training):
    """How many generated images equal a training image in 8 bits."""
    wanted = _as_bytes(generated)
    candidates = set(wanted)
    found = set()
    for start in range(0, len(training), BLOCK):
        found |= candidates.intersection(_as_bytes(training[start : start + BLOCK]))
    return sum(image in found for image in wanted)


def _as_bytes(images):
    return [image.tobytes() for image in to_uint8(images)]

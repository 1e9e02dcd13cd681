"""Measures of disentanglement: what directions and codes change in images."""

import dataclasses
from typing import NamedTuple

import keras
import numpy as np
from numpy.typing import ArrayLike

from kerasgan.checks.arguments import as_floats, whole_number
from kerasgan.checks.images import as_numpy
from kerasgan.control.directions import Directions
from kerasgan.control.scoring import Scores, scored
from kerasgan.roles.base import require
from kerasgan.roles.generates_images import HasLatents

BINS = 20  # of a code, to measure its mutual information
LEAST_EXAMPLES = 10  # of which some are left to judge what trees have learned


@dataclasses.dataclass(frozen=True)
class Changes:
    """How each direction changes each attribute, and how attributes correlate in random images.

    Attributes:
        attributes: tuple of m str, the rows.
        directions: tuple of k str, the columns.
        changes: float64 array (m, k): how much each attribute changes, in its own standard
            deviations.
        correlations: float64 array (m, m), Pearson correlations of the attributes in random images.
    """

    attributes: tuple[str, ...]
    directions: tuple[str, ...]
    changes: np.ndarray
    correlations: np.ndarray

    def __str__(self) -> str:
        width = max(map(len, self.attributes))
        head = " ".join(f"{name:>9.9}" for name in self.directions)
        rows = [
            f"{name:{width}} " + " ".join(f"{value:9.2f}" for value in row)
            for name, row in zip(self.attributes, self.changes, strict=True)
        ]
        return "\n".join([f"{'':{width}} {head}", *rows])


def change_table(
    model: keras.Model,
    found: Directions,
    scores: Scores,
    deviations: float = 2.0,
    num_points: int = 500,
    *,
    labels: ArrayLike | None = None,
    seed: int = 1,
) -> Changes:
    """Measures which direction changes which attribute, as a table.

    It moves random points along each direction. An entry is the mean change of an attribute,
    divided by its standard deviation before the move. The column of a direction that changes a
    single attribute has a single large entry. Attributes that are correlated in the data mostly
    change together (`correlations`).

    Args:
        model: a model with latents.
        found: its `Directions`.
        scores: as for `kerasgan.control.directions`.
        deviations: float, how far to move points, in standard deviations.
        num_points: int, the number of random points.
        labels: for a conditional model, as for `generate`.
        seed: int, the seed of the points.

    Returns:
        `Changes`, which prints as a table.

    Raises:
        ValueError: for a model without latents, directions of another space, or invalid scores.

    Example:

    >>> gan = kerasgan.VanillaGAN((8, 8, 1), latent_dim=4, hidden_units=(16,))
    >>> scores = {"ink": lambda images: images.mean((1, 2, 3))}
    >>> found = kerasgan.control.directions(gan, scores, "linear", num_points=100)
    >>> changes = kerasgan.control.change_table(gan, found, scores, num_points=50)
    >>> changes.attributes, changes.directions, changes.changes.shape
    (('ink',), ('ink',), (1, 1))
    """
    require(model, HasLatents, "kerasgan.control.change_table")
    if not isinstance(found, Directions):
        raise ValueError(
            f"found is a {type(found).__name__}; use the Directions that "
            "kerasgan.control.directions returns, or Directions.load(FILE)."
        )
    whole_number("num_points", num_points, 2)
    space = model.checked_space(found.space)
    latents = model.latents(num_points, seed=seed)
    points = model.points(latents, space, labels=labels)
    of_points = labels if space == "z" else None

    def values(points, varied=True):
        images = model.generate_from_points(points, space, labels=of_points)
        by_name = scored(scores, images, varied)
        return {name: array.astype("float64") for name, array in by_name.items()}

    before = values(points)
    # After the move all may have become alike.
    columns = [values(found.move(points, name, deviations), False) for name in found.names]
    changes = [
        [(column[name] - array).mean() / array.std() for column in columns]
        for name, array in before.items()
    ]
    correlations = np.atleast_2d(np.corrcoef(list(before.values())))
    return Changes(tuple(before), found.names, np.array(changes), correlations)


def linear_separability(
    model: keras.Model,
    scores: Scores,
    space: str | None = None,
    num_points: int = 10_000,
    *,
    labels: ArrayLike | None = None,
    seed: int = 0,
) -> float:
    """How well planes in a space separate attributes: `exp(sum_i H(Y_i | X_i))`, at least 1.

    Section 4.2 of StyleGAN: the images of random points are classified, and the half that is
    classified with more confidence is kept. A linear support vector machine then learns the classes
    from the points. The conditional entropy of the class, given the prediction of the support
    vector machine, is summed over attributes. 1 means that planes separate all attributes
    perfectly. Attributes that few images have count little, because their entropy is small.

    Args:
        model: a model with latents.
        scores: as for `kerasgan.control.directions`: numbers that are above 0 for images with the
            attribute and more certain the farther they are from 0, such as the logit of a binary
            classifier; or bools, with which all images are kept.
        space: str, one of the model's `spaces`; None for the first.
        num_points: int, the number of random points; the paper uses 200,000.
        labels: for a conditional model, as for `generate`.
        seed: int, the seed of the points.

    Returns:
        float, at least 1; lower is better. It depends on `num_points`.

    Raises:
        ValueError: for a model without latents or without such a space, or for invalid scores, as
            `kerasgan.control.directions`.

    Example:

    >>> gan = kerasgan.VanillaGAN((8, 8, 1), latent_dim=4, hidden_units=(16,))
    >>> scores = {"ink": lambda images: images.mean((1, 2, 3))}
    >>> kerasgan.control.linear_separability(gan, scores, num_points=100) >= 1.0
    True

    Reference: A Style-Based Generator Architecture for Generative Adversarial Networks, Karras,
    Laine & Aila, 2019, arXiv:1812.04948, section 4.2.
    """
    from sklearn.svm import LinearSVC

    require(model, HasLatents, "kerasgan.control.linear_separability")
    whole_number("num_points", num_points, 20)
    space = model.checked_space(space)
    points = model.points(model.latents(num_points, seed=seed), space, labels=labels)
    of_points = labels if space == "z" else None
    values = scored(scores, model.generate_from_points(points, space, labels=of_points))
    flat = points.reshape(num_points, -1)
    total = 0.0
    for score in values.values():
        rows = np.arange(num_points)
        if score.dtype != bool:
            rows = np.argsort(-np.abs(score), kind="stable")[: num_points // 2]
        classes, given = score[rows] > 0, flat[rows]
        if len(set(classes.tolist())) == 2:  # a single class has no entropy
            plane = LinearSVC(random_state=0, max_iter=10_000).fit(given, classes)
            total += _conditional_entropy(classes, plane.predict(given))
    return float(np.exp(total))


def _conditional_entropy(of, given):
    """H(of | given) in nats, of two arrays of classes."""
    from sklearn.metrics import mutual_info_score

    shares = np.unique(of, return_counts=True)[1] / len(of)
    return max(0.0, float(-(shares * np.log(shares)).sum() - mutual_info_score(given, of)))


# With known factors -----------------------------------------------------------------------------


class DCI(NamedTuple):
    """Three numbers from 0 to 1; higher is better. See `dci`.

    Attributes:
        disentanglement: float, how far each code matters for only one factor.
        completeness: float, how far only one code matters for each factor.
        informativeness: float, how well the codes predict the factors.
    """

    disentanglement: float
    completeness: float
    informativeness: float


def dci(codes: ArrayLike, factors: ArrayLike, seed: int = 0) -> DCI:
    """Disentanglement, completeness and informativeness of codes, for known factors.

    Trees learn each factor from all codes, on four fifths of the examples. The importances of codes
    for factors form a matrix: a code that matters for only one factor is disentangled, and a factor
    for which only one code matters is complete. Informativeness is how well the trees predict the
    remaining examples: the mean of the accuracy for classes and the coefficient of determination,
    at least 0, for numbers.

    Args:
        codes: float array (n, k), such as those that `InfoGAN.recognize` predicts from images.
        factors: array (n, m) of the known factors of the images; whole numbers are classes.
        seed: int, the seed of the trees.

    Returns:
        `DCI`.

    Raises:
        ValueError: for other shapes, numbers that are not finite, codes and factors that are all
            constant, and fewer than 10 examples.

    Example:

    >>> factors = np.random.default_rng(0).normal(size=(400, 2))
    >>> [round(float(number), 1) for number in kerasgan.control.dci(factors, factors)]
    [1.0, 1.0, 1.0]

    Reference: A Framework for the Quantitative Evaluation of Disentangled Representations, Eastwood
    & Williams, 2018, International Conference on Learning Representations; random forests are one
    of the paper's two kinds of regressors.
    """
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    whole_number("seed", seed, 0)
    known, columns = _known(codes, factors)
    if len(known) < LEAST_EXAMPLES:
        raise ValueError(
            f"codes and factors have {len(known)} examples; dci learns from four fifths of them, "
            f"so use at least {LEAST_EXAMPLES}."
        )
    learn = np.random.default_rng(seed).random(len(known)) < 0.8
    importance, told = [], []
    for column in columns:
        kind = RandomForestClassifier if column.dtype.kind in "iu" else RandomForestRegressor
        trees = kind(100, random_state=seed).fit(known[learn], column[learn])
        importance.append(trees.feature_importances_)
        told.append(max(0.0, trees.score(known[~learn], column[~learn])))
    matrix = np.stack(importance, axis=1)  # codes x factors
    if not matrix.any():
        raise ValueError("no code tells about any factor; use codes and factors that vary.")
    by_code, by_factor = matrix.sum(axis=1), matrix.sum(axis=0)
    of_codes = 1.0 - _entropies(matrix, axis=1)
    of_factors = 1.0 - _entropies(matrix, axis=0)
    return DCI(
        float((of_codes * by_code).sum() / by_code.sum()),
        float((of_factors * by_factor).sum() / by_factor.sum()),
        float(np.mean(told)),
    )


def _entropies(matrix, axis):
    """The normalized entropy of shares along an axis: 1 if all are equal, 0 for a single share."""
    count = matrix.shape[axis]
    shares = matrix / np.maximum(matrix.sum(axis=axis, keepdims=True), 1e-12)
    entropies = -(shares * np.log(np.maximum(shares, 1e-12))).sum(axis=axis)
    return entropies / np.log(count) if count > 1 else np.zeros_like(entropies)


def mig(codes: ArrayLike, factors: ArrayLike) -> float:
    """The mutual information gap: how much more the best code tells about a factor than the next.

    For each factor it takes the mutual information with the best code minus that with the second
    best, divided by the factor's entropy, and averages over factors. Numbers that are not whole are
    put into 20 bins of equal width.

    Args:
        codes, factors: as for `dci`.

    Returns:
        float from 0 to 1; higher is better.

    Raises:
        ValueError: for other shapes, numbers that are not finite, or a factor that is constant.

    Example:

    >>> factors = np.random.default_rng(0).integers(0, 4, (400, 2))
    >>> kerasgan.control.mig(factors, factors) > 0.9
    True

    Reference: Isolating Sources of Disentanglement in Variational Autoencoders, Chen, Li, Grosse &
    Duvenaud, 2018, arXiv:1802.04942.
    """
    from sklearn.metrics import mutual_info_score

    known, columns = _known(codes, factors)
    binned = [_binned(code) for code in known.T]
    gaps = []
    for column in map(_binned, columns):
        told = sorted((mutual_info_score(column, code) for code in binned), reverse=True)
        entropy = mutual_info_score(column, column)
        if not entropy:
            raise ValueError(
                "factors: one factor has the same value for all examples; leave it out."
            )
        gaps.append((told[0] - (told[1] if len(told) > 1 else 0.0)) / entropy)
    return float(np.mean(gaps))


def _binned(numbers):
    """Converts numbers to classes."""
    if np.all(numbers == np.round(numbers)):
        return numbers.astype("int64")
    edges = np.linspace(numbers.min(), numbers.max(), BINS + 1)[1:-1]
    return np.digitize(numbers, edges)


def _known(codes, factors):
    """Codes, float64 (n, k), and the list of factors, each int64 or float64 (n,)."""
    codes, factors = as_floats("codes", codes, "float64"), np.asarray(as_numpy(factors))
    if factors.dtype.kind not in "biuf":
        raise ValueError(
            f"factors are {factors.dtype}; use numbers. np.unique(names, return_inverse=True)[1] "
            "numbers the names of classes."
        )
    sizes = codes.size and factors.size
    if codes.ndim != 2 or factors.ndim != 2 or len(codes) != len(factors) or not sizes:
        raise ValueError(
            f"codes have shape {codes.shape} and factors {factors.shape}; use shapes (n, k) and "
            "(n, m)."
        )
    if not (np.all(np.isfinite(codes)) and np.all(np.isfinite(factors.astype("float64")))):
        raise ValueError("codes or factors hold NaN or infinite numbers.")
    whole = [np.all(column == np.round(column)) for column in factors.T]
    pairs = zip(factors.T, whole, strict=True)
    return codes, [column.astype("int64" if is_whole else "float64") for column, is_whole in pairs]

"""Finds directions in the spaces of a model along which one attribute of its images changes."""

import dataclasses
import os
import pathlib
import zipfile
from typing import Self

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from kerasgan.backend import private
from kerasgan.checks.arguments import as_floats, whole_number
from kerasgan.control.scoring import Scores, scored
from kerasgan.roles import base
from kerasgan.roles.generates_images import HasLatents
from kerasgan.roles.has_styles import HasStyles
from kerasgan.utils.files import atomic_path

METHODS = ("logistic", "linear", "sefa", "pca")
EXTREMES = 0.2  # shares of images with the highest, and with the lowest, scores that are used
# The inverse regularization strength of logistic regression. With less regularization the plane
# separates as well, but its normal leads to where w seldom is, and changes half as much on the way
# (benchmarks/control.py).
REGULARIZATION = 1e-3
HELD_OUT = 0.25  # share of the images on which a direction is evaluated


@dataclasses.dataclass(frozen=True)
class Directions:
    """Named directions in a space of a model, as unit vectors.

    Attributes:
        names: tuple of k str.
        space: str, the space of the model.
        vectors: float32 array (k, *shape), each of length 1.
        deviations: float32 array (k,), the standard deviation of random points along each
            direction.
        quality: float32 array (k,): for `"logistic"` the balanced accuracy, for `"linear"` the
            coefficient of determination, both on held-out images; for `"pca"` each direction's
            share of the variance, for `"sefa"` its share of the squared weights.
        method: str, the method that found them.

    Example:

    >>> gan = kerasgan.VanillaGAN((8, 8, 1), latent_dim=4, hidden_units=(16,))
    >>> found = kerasgan.control.directions(gan, method="sefa", num_points=50, num_directions=2)
    >>> found.names, found.vectors.shape
    (('sefa 1', 'sefa 2'), (2, 4))
    >>> found.save("directions.npz")
    >>> same = kerasgan.control.Directions.load("directions.npz")
    >>> same.move(gan.latents(3, seed=0), "sefa 1", 2.0).shape
    (3, 4)
    """

    names: tuple[str, ...]
    space: str
    vectors: np.ndarray
    deviations: np.ndarray
    quality: np.ndarray
    method: str

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str | int) -> int:
        """The position of a direction, by its name or position.

        Args:
            name: str, or int.

        Returns:
            int, at least 0.

        Raises:
            ValueError: for an unknown direction.
        """
        if name in self.names:
            return self.names.index(str(name))
        if isinstance(name, (int, np.integer)) and 0 <= name < len(self):
            return int(name)
        raise ValueError(f"there is no direction {name!r}; these are {', '.join(self.names)}.")

    def move(self, points: np.ndarray, name: str | int, deviations: ArrayLike) -> np.ndarray:
        """Moves points along a direction.

        Args:
            points: float array (n, *shape) of points of the space.
            name: str, or the position of the direction.
            deviations: float, or a float for each point: how far to move, in standard deviations.

        Returns:
            float32 array (n, *shape).

        Raises:
            ValueError: for an unknown direction, points of another shape, or deviations that are
                not finite or of another number.
        """
        number = self.index(name)
        vector = self.vectors[number]
        points = as_floats("points", points)
        if points.ndim != 1 + vector.ndim or points.shape[1:] != vector.shape:
            wanted = ", ".join(map(str, ("n", *vector.shape)))
            raise ValueError(
                f"points have shape {points.shape}; use ({wanted}), points in {self.space} of the "
                "model that the directions were found for."
            )
        steps = as_floats("deviations", deviations)
        if steps.shape not in ((), (len(points),)) or not np.all(np.isfinite(steps)):
            found = steps if steps.ndim == 0 else f"an array of shape {steps.shape}"
            raise ValueError(
                f"deviations is {found}; use a finite number, or one for each of the "
                f"{len(points)} points."
            )
        steps = (
            np.broadcast_to(steps, len(points)).reshape(-1, *(1 for _ in vector.shape))
            * self.deviations[number]
        )
        return points + steps * vector

    def save(self, path: str | os.PathLike) -> None:
        """Writes the attributes to an `.npz` file; the vectors are called `directions`.

        Args:
            path: file to write.
        """
        values = {**vars(self), "directions": self.vectors, "names": np.array(self.names)}
        del values["vectors"]
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **values)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Self:
        """Reads a file that `save` wrote.

        Args:
            path: the file.

        Returns:
            `Directions`.

        Raises:
            FileNotFoundError: when there is no such file.
            ValueError: when it is damaged or holds something else.
        """
        if not pathlib.Path(path).is_file():
            raise FileNotFoundError(f"the directions {path} do not exist, or are not a file.")
        try:
            with np.load(path, allow_pickle=False) as file:
                found = dict(file)
            names = tuple(map(str, found["names"]))
            deviations, quality = (found[n].astype("float32") for n in ("deviations", "quality"))
            vectors = found["directions"].astype("float32")
            space, method = str(found["space"]), str(found["method"])
        except (ValueError, OSError, EOFError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{path} does not hold directions of kerasgan, or is damaged; write it again with "
                "Directions.save or kerasgan directions."
            ) from error
        if not len(names) == len(vectors) == len(deviations) == len(quality):
            raise ValueError(f"{path} is damaged: the numbers of names and directions differ.")
        return cls(names, space, vectors, deviations, quality, method)


def directions(
    model: keras.Model,
    scores: Scores | None = None,
    method: str = "logistic",
    *,
    space: str | None = None,
    against: "Directions | ArrayLike | None" = None,
    num_points: int = 5000,
    num_directions: int = 10,
    labels: ArrayLike | None = None,
    seed: int = 0,
) -> Directions:
    """Finds directions in a space of a model along which one attribute of its images changes.

    - `"logistic"` (InterFaceGAN): the normal of the plane that separates images with an attribute
      from those without, by logistic regression on random points. Scores are bools, or numbers, of
      which the highest and the lowest fifth are used.
    - `"linear"`: the gradient of a linear function that predicts the score, by linear regression.
    - `"sefa"`: the directions to which the first layer after the points responds most, the
      eigenvectors of `A^T A` with the largest eigenvalues; in w, A holds the weights of all layers
      that take styles. It needs no images and no scores. It is not available in `"styles"`, which
      these layers compute.
    - `"pca"` (GANSpace): the principal components of random points of w or of styles. In z, those
      of the features of the first layer, brought back to z by linear regression. It needs no
      scores.

    Args:
        model: a model with latents.
        scores: dict from names to functions of images, float arrays (n, height, width, channels) in
            [-1, 1], to n numbers or bools; or one such function, or one to a dict of such.
        method: `"logistic"`, `"linear"`, `"sefa"` or `"pca"`; see above.
        space: str, one of the model's `spaces`; None for the first, which is w for models with
            styles.
        against: `Directions`, or vectors (k, *shape), to which the new directions are made
            orthogonal, so that moving along them does not change these (InterFaceGAN's conditional
            manipulation).
        num_points: int, how many random points to learn from and to measure deviations with.
        num_directions: int, how many directions `"sefa"` and `"pca"` return, if there are as many.
        labels: for a conditional model, as for `generate`: one for all points, or one for each.
        seed: int, the seed of the points.

    Returns:
        `Directions`, named after the scores, or "sefa 1" and so on.

    Raises:
        ValueError: for a model without latents or without such a space, for another method, for
            scores that are missing, not finite or the same for all images, and for `against` of
            another shape.

    Example:

    >>> gan = kerasgan.DCGAN((8, 8, 1), latent_dim=8, base_width=8)
    >>> scores = {"ink": lambda images: images.mean((1, 2, 3))}
    >>> found = kerasgan.control.directions(gan, scores, "linear", num_points=200)
    >>> z = gan.latents(4, seed=0)
    >>> gan.generate_from_points(found.move(z, "ink", 2.0)).shape
    (4, 8, 8, 1)

    References: `"logistic"`, `against`: Interpreting the Latent Space of GANs for Semantic Face
    Editing, Shen, Gu, Tang & Zhou, 2020, arXiv:1907.10786, which fits support vector machines to
    the 2% of highest and lowest scores. `"sefa"`: Closed-Form Factorization of Latent Semantics in
    GANs, Shen & Zhou, 2021, arXiv:2007.06600. `"pca"`: GANSpace: Discovering Interpretable GAN
    Controls, Harkonen, Hertzmann, Lehtinen & Paris, 2020, arXiv:2004.02546. The space `"styles"`:
    StyleSpace Analysis: Disentangled Controls for StyleGAN Image Generation, Wu, Lischinski &
    Shechtman, 2021, arXiv:2011.12799.
    """
    base.require(model, HasLatents, "kerasgan.control.directions")
    if method not in METHODS:
        raise ValueError(f"method={method!r}; use one of {', '.join(map(repr, METHODS))}.")
    space = model.checked_space(space)
    whole_number("num_points", num_points, 20)
    whole_number("num_directions", num_directions, 1)
    learns = method in ("logistic", "linear")
    if learns and scores is None:
        raise ValueError(f"method={method!r} needs scores; give scores, or use 'sefa' or 'pca'.")
    if not learns and scores is not None:
        raise ValueError(
            f"method={method!r} takes no scores; leave them out, or use 'logistic' or 'linear'."
        )
    if method == "sefa" and space == "styles":
        raise ValueError("method='sefa' looks at the layers that make styles; use space='w'.")
    kept = _orthonormal(against, model.point_shape(space), space)
    latents = model.latents(num_points, seed=seed)
    points = model.points(latents, space, labels=labels)
    flat = points.reshape(num_points, -1)
    if scores is not None:
        of_points = None if space != "z" else labels
        images = model.generate_from_points(points, space, labels=of_points)
        values = scored(scores, images)
        fit = {"logistic": _logistic, "linear": _linear}[method]
        found = {name: fit(flat, value, name) for name, value in values.items()}
        names, fits = tuple(found), list(found.values())
        vectors = np.stack([vector for vector, _ in fits])
        quality = np.array([number for _, number in fits])
    else:
        number = min(num_directions, flat.shape[1])
        vectors, quality = {"sefa": _sefa, "pca": _pca}[method](model, space, flat, labels, number)
        names = tuple(f"{method} {n}" for n in range(1, len(vectors) + 1))
    vectors = vectors.astype("float64")
    vectors -= (vectors @ kept.T) @ kept
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    for name, length in zip(names, lengths[:, 0], strict=True):
        if length < 1e-6 * np.abs(flat).max():
            raise ValueError(
                f"against: nothing is left of {name!r}, which is a combination of these directions."
            )
    vectors = (vectors / lengths).astype("float32")
    return Directions(
        names,
        space,
        vectors.reshape(-1, *model.point_shape(space)),
        (flat @ vectors.T).std(axis=0).astype("float32"),
        quality.astype("float32"),
        method,
    )


def _orthonormal(against, shape, space):
    """An orthonormal basis, float64 (k, n), of the vectors to which directions are orthogonal."""
    size = int(np.prod(shape))
    if against is None:
        return np.zeros((0, size))
    given = against.vectors if isinstance(against, Directions) else against
    vectors = as_floats("against", given, "float64")
    other = isinstance(against, Directions) and against.space != space
    if vectors.ndim != 1 + len(shape) or vectors.shape[1:] != shape or other:
        found = f"{against.space}, {vectors.shape}" if other else vectors.shape
        wanted = ", ".join(map(str, ("k", *shape)))
        raise ValueError(f"against has {found}; use directions in {space} of shape ({wanted}).")
    if not np.all(np.isfinite(vectors)):
        raise ValueError("against holds NaN or infinite numbers; check where it comes from.")
    basis, triangle = np.linalg.qr(vectors.reshape(-1, size).T)
    return basis.T[np.abs(np.diag(triangle)) > 1e-9]


# With scores ------------------------------------------------------------------------------------


def _logistic(points, scores, name):
    """The normal of the plane between two kinds of points, and its balanced accuracy."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score

    if scores.dtype != bool:
        few = max(1, round(EXTREMES * len(scores)))
        order = np.argsort(scores, kind="stable")
        chosen = np.sort(np.concatenate([order[:few], order[-few:]]))
        points, scores = points[chosen], scores[chosen] > np.median(scores)
    learn, judge = _parts(len(points))
    for rows in (learn, judge):
        if len(set(scores[rows].tolist())) < 2:
            few = int(min(scores.sum(), (~scores).sum()))
            raise ValueError(
                f"scores: only {few} of {len(scores)} images are on one side of {name!r}, too few "
                "to learn from; use more num_points, or other scores."
            )
    plane = LogisticRegression(class_weight="balanced", max_iter=1000, C=REGULARIZATION)
    plane.fit(points[learn], scores[learn])
    found = balanced_accuracy_score(scores[judge], plane.predict(points[judge]))
    return plane.coef_[0], found


def _linear(points, scores, name):
    """The gradient of the linear function that predicts scores, and its R2."""
    from sklearn.linear_model import Ridge

    learn, judge = _parts(len(points))
    line = Ridge().fit(points[learn], scores[learn].astype("float64"))
    return line.coef_, line.score(points[judge], scores[judge])


def _parts(count):
    """The rows to train on, and those to evaluate on; points are random already."""
    held_out = max(1, round(HELD_OUT * count))
    return slice(held_out, None), slice(0, held_out)


# Without scores ---------------------------------------------------------------------------------


def _sefa(model, space, flat, labels, number):
    """The eigenvectors of `A^T A` for the weights A of the first layers, and their shares."""
    if space == "z":
        weights = [first_kernel(model)]
    else:
        affines = model.sampling_generator.synthesis.affines
        weights = [_numbers(affine.layer) for _, affine in affines]
    # (outputs, inputs), each output's weights of length 1, as in the authors' code.
    rows = np.concatenate([w / np.linalg.norm(w, axis=0, keepdims=True) for w in weights], 1).T
    values, vectors = np.linalg.eigh(rows.T @ rows)
    vectors, values = vectors.T[::-1][:number], values[::-1]
    if space == "w+":
        vectors = np.tile(vectors, (1, model.style_layers))
    return _one_sign(vectors), values[:number] / values.sum()


def _pca(model, space, flat, labels, number):
    """The principal components, brought back to the space, and their shares of the variance."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LinearRegression

    features = flat
    if space == "z" and base.has(model, HasStyles):
        features = model.points(flat, "w", labels=labels)
    elif space == "z":
        features = flat @ first_kernel(model)
    number = min(number, flat.shape[1], features.shape[1], len(features))
    components = PCA(number, random_state=0)
    coordinates = components.fit_transform(features)
    vectors = components.components_
    if space == "z":
        vectors = LinearRegression().fit(coordinates, flat).coef_.T
    return _one_sign(vectors), components.explained_variance_ratio_


def first_kernel(model: keras.Model) -> np.ndarray:
    """The weights of a generator's first dense layer that multiply the latents.

    Args:
        model: a model with latents; for one with styles the layer is the mapping network's.

    Returns:
        float32 array (latent_dim, outputs).

    Raises:
        ValueError: when there is no such layer.
    """
    network = model.sampling_generator
    network = network.mapping if base.has(model, HasStyles) else network
    for layer in _layers(network):
        kernel = _numbers(layer)
        # Inputs that are joined to the latents, such as a label, come after them.
        if len(kernel) >= model.latent_dim:
            return kernel[: model.latent_dim]
    raise ValueError(
        f"{type(model).__name__} has no dense layer that takes whole latents, which 'sefa' and "
        "'pca' look at; use 'logistic' or 'linear'."
    )


def _layers(network):
    """The dense layers of a network that its first input reaches, in order."""
    # Not those inside other layers, which see that layer's output instead of latents; but a layer
    # may be wrapped, and a network may be a part of another one.
    inputs = getattr(network, "inputs", None)  # of one that is a graph
    for layer in network.layers:
        inner = getattr(layer, "layer", layer)
        if isinstance(inner, keras.layers.Dense):
            if not inputs or _reached(layer.input, inputs[0]):
                yield inner
        elif isinstance(inner, keras.Model) and getattr(inner, "inputs", None):
            yield from _layers(inner)


def _reached(tensor, start):
    return tensor is start or any(_reached(each, start) for each in private.made_from(tensor))


def _numbers(dense):
    return ops.convert_to_numpy(dense.kernel).astype("float32")


def _one_sign(vectors):
    """Flips vectors so that their largest number is above 0: an eigenvector's sign is arbitrary."""
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1)
    return vectors * np.sign(largest)

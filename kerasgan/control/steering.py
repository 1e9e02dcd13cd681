"""Moves latents along the gradient of an objective."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from kerasgan import backend
from kerasgan.checks.arguments import above_zero, whole_number
from kerasgan.roles.base import require
from kerasgan.roles.generates_images import HasLatents
from kerasgan.sampling.compiled import compiled

AT_ONCE = 64  # latents that are moved together
SAMPLES = 1000  # random points, to choose the length of a step


def steer(
    model: keras.Model,
    latents: np.ndarray,
    objective: Callable,
    steps: int = 30,
    keep: Sequence[Callable] = (),
    *,
    space: str = "z",
    rate: float = 1.0,
    labels: ArrayLike | None = None,
) -> np.ndarray:
    """Moves latents so that their images get more of something, and keep something else.

    Each step follows the gradient of the objective. In z it stays on the sphere of the latent's
    length, where N(0, I) lies; in another space it is free, so it can go further, even to where the
    model draws no good images. The first step is `rate` long, and the length falls linearly to 0:
    long steps escape a small peak of the objective, and short ones end on top of a high one. With
    `keep` a step follows the part of the gradient that changes none of these to first order, and a
    step of Newton's method undoes the change that remains. The weights of the model, and of a
    classifier in the objective, do not change.

    Args:
        model: a model with latents.
        latents: float array (n, latent_dim), or points of another space, (n, *shape).
        objective: function from images, a float32 tensor (n, height, width, channels) in [-1, 1] or
            slightly outside, to a tensor (n,) that steering increases; written with `keras.ops` or
            a network. With a classifier use the logarithm of a probability: it still has a gradient
            where that of the probability vanishes.
        steps: int.
        keep: functions as `objective`, whose results should not change.
        space: str, one of the model's `spaces`, to which the latents belong.
        rate: float, the length of the first step in z, where each component of a latent has
            standard deviation 1. In another space the step is scaled to how far random points are
            from their mean.
        labels: for a conditional model, as for `generate`.

    Returns:
        float32 array as the latents, for `model.generate_from_points`.

    Raises:
        ValueError: for a model without latents or such a space, for latents of another shape, and
            for an `objective` or `keep` function that returns another shape or has no gradient.

    Example:

    >>> gan = kerasgan.DCGAN((8, 8, 1), latent_dim=8, base_width=8)
    >>> ink = lambda images: keras.ops.mean(images, axis=(1, 2, 3))
    >>> z = gan.latents(4, seed=0)
    >>> moved = kerasgan.control.steer(gan, z, ink, steps=5)
    >>> bool(np.all(ink(gan.generate_from(moved)) > ink(gan.generate_from(z))))
    True

    Reference: as activation maximization, Synthesizing the preferred inputs for neurons in neural
    networks via deep generator networks, Nguyen, Dosovitskiy, Yosinski, Brox & Clune, 2016,
    arXiv:1605.09304; `keep` and the sphere are not in that paper.
    """
    steering = Steering(model, objective, keep, space=space, rate=rate)
    return steering(latents, steps, labels)


class Steering:
    """`steer` for several calls with a single compilation.

    Args:
        model, objective, keep, space, rate: as for `steer`.
    """

    def __init__(self, model, objective, keep=(), *, space="z", rate=1.0):
        require(model, HasLatents, "kerasgan.control.steer")
        above_zero("rate", rate)
        if not isinstance(keep, (list, tuple)):
            found = "a function" if callable(keep) else repr(keep)
            raise ValueError(f"keep is {found}; use a list of functions, [function].")
        self.model, self.objective, self.keep = model, objective, list(keep)
        self.space, self.rate = model.checked_space(space), rate
        self.shape = model.point_shape(self.space)
        self.on_sphere = self.space == "z"
        self.length_of_step = None  # which is known once there are labels, at the first call
        networks = [model.sampling_generator]
        self.step = compiled(self._step, networks, backend.compiles_by_default())
        self.look = compiled(self._look, networks, False)

    def __call__(self, latents, steps, labels=None):
        """Moves latents; see `steer`."""
        whole_number("steps", steps, 1)
        model, space = self.model, self.space
        latents = model.checked_points(latents, space)
        classes = model.checked_labels(labels, len(latents))
        if not len(latents):
            return latents
        if self.length_of_step is None:
            own = None if classes is None else classes[:2]
            some = model.generate_from_points(latents[:2], space, labels=own)
            kept_names = {f"keep[{number}]": each for number, each in enumerate(self.keep)}
            for name, function in {"objective": self.objective, **kept_names}.items():
                check_gradient(some, function, name)
            spread = 1.0 if self.on_sphere else _spread(model, space, classes)
            self.length_of_step = self.rate * spread
        found = []
        flat = latents.reshape(len(latents), -1)
        for start in range(0, len(flat), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            moved, own_labels = flat[some], [] if classes is None else [classes[some]]
            lengths = np.linalg.norm(moved, axis=1, keepdims=True)
            kept = list(self.look([moved, *own_labels])) if self.keep else []
            for step in range(steps):
                share = np.full((len(moved), 1), 1.0 - step / steps, "float32")
                moved = self.step([moved, lengths, share, *kept, *own_labels])
            found.append(moved)
        return np.concatenate(found).reshape(latents.shape)

    def _value_of(self, function, latents, labels):
        points = ops.reshape(latents, (-1, *self.shape))
        images = self.model.images_from_points(points, self.space, *labels)
        return ops.cast(function(ops.cast(images, "float32")), "float32")

    def _both(self, function, latents, labels):
        def of(latents):
            value = self._value_of(function, latents, labels)
            return value, value

        return backend.value_and_gradient(of, latents)

    def _look(self, latents, *labels):
        return [self._value_of(function, latents, labels) for function in self.keep]

    def _step(self, latents, lengths, share, *given):
        kept, labels = given[: len(self.keep)], given[len(self.keep) :]
        farthest = self.length_of_step
        _, gradient = self._both(self.objective, latents, labels)
        normals = [latents / _length(latents)] if self.on_sphere else []
        back = ops.zeros_like(latents)
        for function, was in zip(self.keep, kept, strict=True):
            value, normal = self._both(function, latents, labels)
            own = _without(normal, normals)
            length = _length(own)
            own = own / length
            # How far to go along its own normal to restore the value.
            change = (was - value)[:, None] / length
            back += ops.clip(change, -farthest, farthest) * own
            normals.append(own)
        gradient = _without(gradient, normals)
        moved = latents + share * farthest * gradient / _length(gradient) + back
        return moved * lengths / _length(moved) if self.on_sphere else moved


def _spread(model, space, labels):
    """The RMS distance of random points from their mean, in units of sqrt(latent_dim)."""
    labels = None if labels is None else labels[np.arange(SAMPLES) % len(labels)]
    points = model.points(model.latents(SAMPLES, seed=0), space, labels=labels)
    squares = np.square(points - points.mean(axis=0)).reshape(SAMPLES, -1).sum(axis=1)
    return np.sqrt(squares.mean() / model.latent_dim)


def check_gradient(images, function, name):
    """Checks that a function of images has a gradient.

    Args:
        images: float32 array (n, height, width, channels).
        function: the objective or `keep` function.
        name: str, its name in errors.

    Raises:
        ValueError: when it returns anything but a tensor (n,), or has no gradient.
    """
    if not callable(function):
        raise ValueError(f"{name}={function!r}; use a function of images, written with keras.ops.")
    advice = "write it with keras.ops, or with a network, not with NumPy, and without rounding"
    images = ops.convert_to_tensor(images)
    try:
        value = function(images)
    except ValueError as error:
        if not isinstance(function, keras.Model):
            raise
        raise ValueError(
            f"{name}: {function.name} takes {function.input_shape[1:]}, but not the model's "
            f"images, {tuple(images.shape[1:])}; use a network that takes these."
        ) from error
    if not ops.is_tensor(value):
        raise ValueError(f"{name} returns {type(value).__name__}, which has no gradient; {advice}.")
    if tuple(value.shape) != (len(images),):
        raise ValueError(
            f"{name} returns shape {tuple(value.shape)} for {len(images)} images; it has to "
            f"return one number for each, shape ({len(images)},)."
        )

    def both(images):
        value = ops.cast(function(images), "float32")
        return value, value

    try:
        gradient = ops.convert_to_numpy(backend.value_and_gradient(both, images)[1])
    except (TypeError, RuntimeError, NotImplementedError) as error:
        raise ValueError(f"{name} has no gradient; {advice}: {error}") from error
    if not np.all(np.isfinite(gradient)):
        raise ValueError(f"{name} has a gradient that is NaN or infinite; check what it computes.")
    if not gradient.any():
        raise ValueError(f"{name} has no gradient with respect to the images; {advice}.")


def _length(vectors):
    return ops.sqrt(ops.sum(ops.square(vectors), axis=1, keepdims=True) + 1e-20)


def _without(vectors, normals):
    """The part of vectors that is orthogonal to normals, which are orthonormal."""
    for normal in normals:
        vectors = vectors - ops.sum(vectors * normal, axis=1, keepdims=True) * normal
    return vectors

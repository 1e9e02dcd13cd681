"""Projection: finds points of a generator's space whose images are nearest to given ones."""

import dataclasses
import hashlib
import math
import os
import pathlib
import time
import zipfile
from typing import Any

import keras
import numpy as np
import tqdm
from keras import ops

from kerasgan import backend
from kerasgan.checks.arguments import as_floats
from kerasgan.sampling.compiled import compiled
from kerasgan.sampling.normals import standard_normal
from kerasgan.utils.files import atomic_path
from kerasgan.utils.image_numbers import numbers_of_images

# Of the paper's appendix D and the authors' code.
SAMPLES = 10_000  # whose mean is the start, and whose deviation the measure of noise
LEARNING_RATE = 0.1
RAMP_UP, RAMP_DOWN = 0.05, 0.25  # the shares of the steps in which the rate rises, and falls
NOISE, NOISE_UNTIL = 0.05, 0.75  # added to points, in deviations; the share of steps in which it is
NOISE_WEIGHT = 1e5
SMALLEST_NOISE = 8  # pixels, the coarsest noise that is regularized
LARGEST_SEEN = 256  # pixels of a side that features are shown
BETAS, EPSILON = (0.9, 0.999), 1e-8  # of Adam
CANDIDATES = 1000  # images of which the nearest is the start in z
SAVE_SECONDS = 60.0
DRAWN = 64  # steps whose random numbers are drawn together, which costs little more than those of 1


@dataclasses.dataclass(frozen=True)
class Projection:
    """The result of `project`.

    Attributes:
        latents: float32 array (n, *shape), points of `space`.
        images: float32 array (n, height, width, channels), the images of these points and this
            noise.
        distance: float32 array (n,), the distance of each image from the given one.
        history: float32 array (n, steps), the distance at each step, for points with added noise.
        space: str.
        noise: list of float32 arrays (n, *shape), the noise of the layers; empty for models without
            noise.
        model: the model that generates these images; with `refine` a fine-tuned copy.
    """

    latents: np.ndarray
    images: np.ndarray
    distance: np.ndarray
    history: np.ndarray
    space: str
    noise: list[np.ndarray]
    model: keras.Model

    def save(self, path: str | os.PathLike) -> None:
        """Writes an `.npz` file of all but the model, with the noise as `noise_0` and so on."""
        values: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("latents", "images", "distance", "history", "space")
        }
        values |= {f"noise_{number}": array for number, array in enumerate(self.noise)}
        with atomic_path(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **values)


def rates(step, steps):
    """The learning rate and the strength of noise, in deviations, of a step: two floats."""
    t = step / steps
    fall = min(1.0, (1.0 - t) / RAMP_DOWN)
    rate = LEARNING_RATE * (0.5 - 0.5 * math.cos(math.pi * fall)) * min(1.0, t / RAMP_UP)
    return rate, NOISE * max(0.0, 1.0 - t / NOISE_UNTIL) ** 2


def corrections(step):
    """What Adam multiplies its moments with at a step, counted from 0: two floats."""
    return [1.0 / (1.0 - beta ** (step + 1)) for beta in BETAS]


def adam(x, first, second, gradient, numbers):
    """One step of Adam on a tensor that is no variable.

    Args:
        x, first, second, gradient: tensors of one shape: what is moved, its moments, its gradient.
        numbers: tensor (3,), the learning rate and `corrections`.

    Returns:
        The new x, first and second.

    Reference: Adam: A Method for Stochastic Optimization, Kingma & Ba, 2015, arXiv:1412.6980.
    """
    first = BETAS[0] * first + (1.0 - BETAS[0]) * gradient
    second = BETAS[1] * second + (1.0 - BETAS[1]) * ops.square(gradient)
    deviation = ops.sqrt(second * numbers[2]) + EPSILON
    return x - numbers[0] * first * numbers[1] / deviation, first, second


def smaller(images, factor):
    """Images with the mean of each square of pixels: tensor.

    Args:
        images: tensor (batch, height, width, channels).
        factor: int, the side of a square.
    """
    _, height, width, channels = images.shape
    squares = (-1, height // factor, factor, width // factor, factor, channels)
    return ops.mean(ops.reshape(images, squares), axis=(2, 4))


def by_size(maps):
    """Maps of noise, those of one size together, which takes fewer operations.

    Args:
        maps: list of tensors (batch, size, size, n).

    Returns:
        dict from a size, the largest first, to a tensor (batch, size, size, m).
    """
    groups: dict[int, list] = {}
    for each in sorted(maps, key=lambda each: -each.shape[1]):
        groups.setdefault(each.shape[1], []).append(each)
    return {size: ops.concatenate(group, axis=-1) for size, group in groups.items()}


def roughness(maps):
    """How much neighbours in maps of noise resemble each other, at all scales: tensor (batch,).

    Args:
        maps: list of tensors (batch, size, size, 1).
    """
    total = 0.0
    while maps:
        groups = by_size(maps)
        size, largest = next(iter(groups.items()))
        for axis in (1, 2):
            alike = ops.mean(largest * ops.roll(largest, 1, axis), axis=(1, 2))
            total += ops.sum(ops.square(alike), axis=-1)
        maps = [group for other, group in groups.items() if other < size]
        if size > SMALLEST_NOISE:
            maps.append(smaller(largest, 2))
    return total


class Distance:
    """How far images are from others: of pixels, and of features if there are any.

    The first is the mean of squared differences of pixels; the second is added, the squared
    distance of features that are scaled to length 1 (from 0 to 4), or as they are where the network
    says that their `squares_are_distances`, as LPIPS does.

    Args:
        features: None, a `keras.Model`, or a function, from images (batch, height, width, channels)
            in [-1, 1] to a tensor (batch, ...), or a dict with `features`.
    """

    def __init__(self, features):
        if isinstance(features, str) or not (features is None or callable(features)):
            raise ValueError(
                f"features={features!r}; use None for pixels alone, or a keras.Model such as "
                "kerasgan.metrics.features.digits_classifier()."
            )
        self.features = features

    @property
    def networks(self):
        return [self.features] if isinstance(self.features, keras.Model) else []

    def of(self, images):
        """What of images is compared: tensor (batch, n)."""
        if self.features is None:
            return ops.zeros((ops.shape(images)[0], 1))
        shrink = max(1, images.shape[1] // LARGEST_SEEN)
        if shrink > 1:
            images = smaller(images, shrink)
        wanted = getattr(self.features, "input_shape", None)  # a function has none
        if images.shape[-1] == 1 and wanted is not None and wanted[-1] == 3:
            images = ops.repeat(images, 3, axis=-1)
        arguments = {"training": False} if self.networks else {}
        found = self.features(images, **arguments)
        if isinstance(found, dict) and "features" in found:
            found = found["features"]
        if not ops.is_tensor(found) or len(found.shape) < 2:
            is_tensor = ops.is_tensor(found)
            what = f"shape {tuple(found.shape)}" if is_tensor else type(found).__name__
            raise ValueError(
                f"features returns {what}; it has to return a tensor (n, ...), written with "
                "keras.ops or a network, or a dict with 'features'."
            )
        found = ops.reshape(found, (ops.shape(found)[0], -1))
        if getattr(self.features, "squares_are_distances", False):
            return found
        length = ops.sqrt(ops.sum(ops.square(found), axis=1, keepdims=True) + 1e-10)
        return found / length

    def check(self, image_shape):
        """Raises a ValueError for features that images of this shape cannot be compared by."""
        images = ops.zeros((1, *image_shape))
        try:
            self.of(images)
        except ValueError as error:
            if not self.networks:
                raise
            raise ValueError(
                f"features: {self.features.name} takes {self.features.input_shape[1:]}, but not "
                f"the model's images, {tuple(image_shape)}; use a network that takes these."
            ) from error

    def between(self, images, others, features):
        """Tensor (batch,); `features` are those of the others."""
        pixels = ops.mean(ops.square(images - others), axis=(1, 2, 3))
        if self.features is None:
            return pixels
        return pixels + ops.sum(ops.square(self.of(images) - features), axis=1)


class Projector:
    """One compiled step for points, and the noise of layers, of one space of a model.

    Args:
        model: a model with latents.
        space: str, one of its spaces.
        features: as for `Distance`.
    """

    def __init__(self, model, space, features):
        self.model, self.space = model, space
        self.distance = Distance(features)
        self.distance.check(model.image_shape)
        self.shape = model.point_shape(space)
        self.noise_shapes = model.noise_shapes[1:]
        networks = [model.sampling_generator, *self.distance.networks]
        self.step = compiled(self._step, networks, backend.compiles_by_default())
        self.look = compiled(lambda images: self.distance.of(images), networks, False)
        self.render = compiled(self._render, networks, False)

    def split(self, flat):
        """Points and the list of maps of noise of one array (batch, n)."""
        sizes = [math.prod(shape) for shape in (self.shape, *self.noise_shapes)]
        ends = np.cumsum(sizes)[:-1].tolist()
        parts = ops.split(flat, ends, axis=1) if ends else [flat]
        points = ops.reshape(parts[0], (-1, *self.shape))
        pairs = zip(parts[1:], self.noise_shapes, strict=True)
        return points, [ops.reshape(part, (-1, *shape)) for part, shape in pairs]

    def _images(self, flat, added, labels):
        points, noise = self.split(flat)
        images = self.model.images_from_points(points + added, self.space, labels, noise or None)
        return ops.cast(images, "float32"), noise

    def _render(self, flat, *labels):
        zeros = ops.zeros((1, *self.shape))
        return self._images(flat, zeros, *(labels or (None,)))[0]

    def _step(self, flat, first, second, numbers, added, lengths, images, features, *labels):
        """One of Adam, with what follows it; `numbers` are rate and corrections of moments."""

        def cost(flat):
            made, noise = self._images(flat, added, *(labels or (None,)))
            distance = self.distance.between(made, images, features)
            return distance + NOISE_WEIGHT * roughness(noise), distance

        distance, gradient = backend.value_and_gradient(cost, flat)
        flat, first, second = adam(flat, first, second, gradient, numbers)
        return [self._corrected(flat, lengths), first, second, distance]

    def _corrected(self, flat, lengths):
        """Noise of mean 0 and variance 1; latents of the length that they began with."""
        points, noise = self.split(flat)
        batch = ops.shape(flat)[0]
        if self.space == "z":
            length = ops.sqrt(ops.sum(ops.square(points), axis=1, keepdims=True))
            points = points * lengths / length
        normal = {}
        for size, maps in by_size(noise).items():
            maps = maps - ops.mean(maps, axis=(1, 2), keepdims=True)
            maps = maps * ops.rsqrt(ops.mean(ops.square(maps), axis=(1, 2), keepdims=True))
            normal[size] = iter(ops.split(maps, maps.shape[-1], axis=-1))
        noise = [next(normal[size]) for size, _, _ in self.noise_shapes]
        parts = [ops.reshape(part, (batch, -1)) for part in (points, *noise)]
        return ops.concatenate(parts, axis=1)

    def fit(self, images, start, deviation, labels, numbers, steps, state, watch):
        """Moves points so that their images come near to others.

        Args:
            images: float32 array (n, height, width, channels).
            start: float32 array (n, *shape) of points.
            deviation: float32 array (n, 1), of random points, the measure of noise.
            labels: int32 array (n,) or None.
            numbers: int64 array (n,), of the random numbers of each image.
            steps: int.
            state: dict of what a `fit` before has come to, or empty; it is kept up to date.
            watch: function without arguments, called after each step.

        Returns:
            Arrays: points and noise in one (n, m); distances of all steps (n, steps).
        """
        count = len(images)
        features = self.look([images])
        lengths = np.ones((count, 1), "float32")
        if self.space == "z":
            lengths = np.linalg.norm(start, axis=1, keepdims=True).astype("float32")
        if not state:
            noise = [
                standard_normal(numbers, shape, stream).reshape(count, -1)
                for stream, shape in enumerate(self.noise_shapes, 1)
            ]
            flat = np.concatenate([start.reshape(count, -1), *noise], axis=1).astype("float32")
            state |= {
                "flat": flat,
                "first": np.zeros_like(flat),
                "second": np.zeros_like(flat),
                "history": np.zeros((count, 0), "float32"),
            }
        # One deviation for all layers of a point.
        wide = (1,) * (len(self.shape) - 1) + self.shape[-1:]
        shape = (count, *(1 for _ in self.shape))
        given = [lengths, images, features, *([] if labels is None else [labels])]
        streams, normal = 1 + len(self.noise_shapes), None
        for step in range(state["history"].shape[1], steps):
            rate, strength = rates(step, steps)
            added = np.zeros((count, *wide), "float32")
            if strength:
                number = step % DRAWN
                if normal is None or not number:
                    stream = streams + step // DRAWN
                    normal = standard_normal(numbers, (DRAWN, *wide), stream)
                added = normal[:, number] * (strength * deviation).reshape(shape)
                added = added.astype("float32")
            scalars = np.array([rate, *corrections(step)], "float32")
            moved = [state["flat"], state["first"], state["second"]]
            *moved, distance = self.step([*moved, scalars, added, *given])
            history = np.concatenate([state["history"], distance[:, None]], axis=1)
            state |= dict(zip(("flat", "first", "second"), moved, strict=True), history=history)
            watch()
        return state["flat"], state["history"]


class Progress:
    """The file in which an unfinished projection is kept.

    Args:
        path: the file, or None for no file.
        identity: str that is the same for the same projection.
    """

    def __init__(self, path, identity):
        self.path = None if path is None else pathlib.Path(path)
        self.identity = identity
        self.done: list[dict] = []  # what each batch came to
        self.state: dict[str, np.ndarray] = {}  # of the batch that is moved now
        self._saved = time.monotonic()
        if self.path is not None and self.path.exists():
            self._load()

    def _load(self):
        try:
            with np.load(self.path, allow_pickle=False) as file:
                found = dict(file)
            identity, count = str(found.pop("identity")), int(found.pop("done"))
        except (ValueError, OSError, EOFError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"file={str(self.path)!r} holds no unfinished projection, or is damaged; remove "
                "it, or choose another name."
            ) from error
        if identity != self.identity:
            raise ValueError(
                f"file={str(self.path)!r} is of another projection, with other images, weights or "
                "arguments; use the same ones again, or remove the file."
            )
        groups: list[dict] = [{} for _ in range(count + 1)]
        for name, array in found.items():
            number, _, key = name.partition("_")
            groups[int(number)][key] = array
        *self.done, self.state = groups

    def keep(self, at_once=False):
        """Writes the file, at most once a minute unless it is to be written at once."""
        now = time.monotonic()
        if self.path is None or (not at_once and now - self._saved < SAVE_SECONDS):
            return
        self._saved = now
        arrays = {
            f"{number}_{name}": array
            for number, group in enumerate([*self.done, self.state])
            for name, array in group.items()
        }
        with atomic_path(self.path) as temporary, open(temporary, "wb") as file:
            np.savez(file, identity=self.identity, done=len(self.done), **arrays)

    def remove(self):
        if self.path is not None:
            self.path.unlink(missing_ok=True)


def identity_of(model, arrays, settings):
    """A str that is the same for the same weights, arrays and settings."""
    digest = hashlib.blake2b(repr(settings).encode(), digest_size=16)
    weights = (ops.convert_to_numpy(w) for w in model.sampling_generator.weights)
    for array in (*arrays, *weights):
        digest.update(repr(np.shape(array)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def project_all(projector, images, start, deviation, labels, *, steps, seed, batch_size, kept, bar):
    """`Projector.fit` of a few images at a time; see there. Returns two arrays."""
    starts = range(0, len(images), batch_size)
    total = steps * len(starts)
    with tqdm.tqdm(None, "projecting", total, leave=False, disable=None if bar else True) as done:
        found = [(group["flat"], group["history"]) for group in kept.done]
        done.update(steps * len(found))
        if kept.state:
            done.update(kept.state["history"].shape[1])

        def watch():
            done.update()
            kept.keep()

        try:
            for first in starts[len(found) :]:
                some = np.arange(first, min(first + batch_size, len(images)))
                # Batches of one size, or what is compiled, and its rounding, would differ.
                rows = np.resize(some, min(batch_size, len(images)))
                numbers = numbers_of_images(seed, range(len(images)))[rows]
                own_labels = None if labels is None else labels[rows]
                given = (images[rows], start[rows], deviation[rows], own_labels, numbers)
                of_rows = projector.fit(*given, steps, kept.state, watch)
                flat, history = (array[: len(some)] for array in of_rows)
                found.append((flat, history))
                kept.done.append({"flat": flat, "history": history})
                kept.state = {}
        except BaseException:
            kept.keep(at_once=True)
            raise
    return tuple(map(np.concatenate, zip(*found, strict=True)))


def starts_of(model, space, start, images, labels, seed):
    """Where points begin, and how far random points are from their mean.

    Args:
        model, space: as for `Projector`.
        start: None, an array of points, or a network from images to points.
        images: float32 array (n, height, width, channels).
        labels: int32 array (n,) or None.
        seed: int.

    Returns:
        float32 arrays (n, *point_shape) and (n, 1).
    """
    shape = model.point_shape(space)
    points = np.empty((len(images), *shape), "float32")
    deviation = np.empty((len(images), 1), "float32")
    groups = np.zeros(len(images), "int32")
    if labels is not None:
        _, groups = np.unique(labels, axis=0, return_inverse=True)
    for group in np.unique(groups):
        own = groups.reshape(-1) == group
        of_label = None if labels is None else labels[own][0]
        latents = model.latents(SAMPLES, seed=seed)
        samples = model.points(latents, space, labels=of_label)
        if space == "w+":
            samples = samples[:, 0]
        mean = samples.mean(axis=0)
        # Noise has many numbers in the space of styles, and is to move points as far as in w.
        share = model.latent_dim / samples.shape[1]
        deviation[own] = np.sqrt(share * np.square(samples - mean).sum(axis=1).mean())
        if space == "z":
            points[own] = nearest(model, latents[:CANDIDATES], images[own], of_label)
        else:
            points[own] = mean
    if isinstance(start, keras.Model):
        takes = tuple(start.input_shape[1:])
        if takes != images.shape[1:]:
            raise ValueError(
                f"start is a network that takes images of shape {takes}, but the model makes "
                f"{images.shape[1:]}; train an encoder for this model."
            )
        start = backend.predict(start, images)
    if start is not None:
        given = as_floats("start", start)
        if given.shape != points.shape:
            raise ValueError(
                f"start has shape {given.shape}; use {points.shape}, one point of {space} for "
                "each image, or a network from images to such points."
            )
        points = model.checked_points(given, space)
        if space == "z" and not points.any(axis=1).all():
            raise ValueError("start has a latent of zeros, which has no direction; use another.")
    return points, deviation


def nearest(model, latents, images, label):
    """Those latents whose images are the nearest, by pixels: array (n, latent_dim)."""
    made = model.generate_from(latents, labels=label).reshape(len(latents), -1)
    wanted = images.reshape(len(images), -1)
    squares = (made**2).sum(axis=1) - 2.0 * wanted @ made.T
    return latents[squares.argmin(axis=1)]


def result(projector, flat, history, images, labels, batch_size):
    """A `Projection` of what `project_all` returned."""
    made, distance = [], []
    for first in range(0, len(images), batch_size):
        some = slice(first, first + batch_size)
        own_labels = [] if labels is None else [labels[some]]
        own = np.clip(projector.render([flat[some], *own_labels]), -1.0, 1.0)
        features = [projector.look([batch]) for batch in (images[some], own)]
        apart = np.square(own - images[some]).mean(axis=(1, 2, 3))
        distance.append(apart + np.square(features[0] - features[1]).sum(axis=1))
        made.append(own)
    points, noise = map_numpy(projector.split(flat))
    arrays = np.concatenate(made), np.concatenate(distance), history
    return Projection(points, *arrays, projector.space, noise, projector.model)


def map_numpy(tensors):
    return keras.tree.map_structure(ops.convert_to_numpy, tensors)

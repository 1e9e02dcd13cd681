"""PULSE, Menon et al. 2020: finds images of a generator that downscale to a given small image."""

import dataclasses

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from kerasgan import backend
from kerasgan.checks.arguments import whole_number
from kerasgan.checks.images import as_numpy, check_images
from kerasgan.roles.base import has, require
from kerasgan.roles.generates_images import HasLatents
from kerasgan.roles.has_styles import HasStyles
from kerasgan.sampling.compiled import compiled
from kerasgan.sampling.projection import adam, corrections, smaller

# From the authors' code.
PIXELS_WEIGHT, CROSS_WEIGHT = 100.0, 0.05
LEARNING_RATE = 0.4


@dataclasses.dataclass(frozen=True)
class Upsampled:
    """Some of the many images that downscale to a small image; none of them is the true one.

    Attributes:
        images: float32 array (n, height, width, channels), the nearest first.
        latents: float32 array (n, latent_dim), or with styles (n, style_layers, latent_dim), a
            latent for each layer.
        distance: float32 array (n,), the mean squared difference between each downscaled image and
            the given one.
    """

    images: np.ndarray
    latents: np.ndarray
    distance: np.ndarray


def upsample(
    model: keras.Model,
    small_image: np.ndarray,
    num_answers: int = 8,
    steps: int = 100,
    *,
    labels: ArrayLike | None = None,
    seed: int = 0,
) -> Upsampled:
    """Finds images of a generator that downscale to a given small image.

    It does not recover the original image. Many images downscale to the same small one; this finds
    those that the generator makes, and prefers the ones that it makes often. A person of a kind
    that is rare in the data becomes someone else (docs/control.md measures this on digits). So it
    returns several answers, from different starts. Look at all of them, and take none for the
    person or thing that was in front of the camera.

    Section 3 of the paper: latents move on the sphere of radius `sqrt(latent_dim)`, where N(0, I)
    lies, along the gradient of the squared difference of small images. In a model with styles each
    layer has a latent of its own, and a further loss, the squared angles between these, keeps them
    close to each other. The weights of the two losses are 100 and 0.05, the optimizer is Adam with
    a rate of 0.4, as in the authors' code.

    Departures: images are downscaled by averaging blocks of pixels (the paper: bicubic); latents go
    through the mapping network itself, while the paper uses a normal distribution of w before its
    last leaky ReLU; noise is fixed, while the paper moves that of five layers.

    Args:
        model: a model with latents.
        small_image: float array (height, width, channels) in [-1, 1], whose height and width divide
            those of the model's images.
        num_answers: int, how many images to find.
        steps: int.
        labels: for a conditional model, as for `generate`.
        seed: int, the seed of the starts.

    Returns:
        `Upsampled`: images, latents, distance.

    Raises:
        ValueError: for a model without latents, for an image whose sides do not divide those of the
            model's images, or of other channels or range, and for labels that are missing or
            unexpected.

    Example:

    >>> gan = kerasgan.StyleGAN2((8, 8, 1), latent_dim=8, base_width=8)
    >>> found = kerasgan.control.upsample(gan, np.zeros((4, 4, 1), "float32"), 3, steps=5)
    >>> found.images.shape, found.distance.shape
    ((3, 8, 8, 1), (3,))

    Reference: PULSE: Self-Supervised Photo Upsampling via Latent Space Exploration of Generative
    Models, Menon, Damian, Hu, Ravi & Rudin, 2020, arXiv:2003.03808.
    """
    require(model, HasLatents, "kerasgan.control.upsample")
    whole_number("num_answers", num_answers, 1)
    whole_number("steps", steps, 1)
    small = np.asarray(as_numpy(small_image))
    shape = model.image_shape
    if len(shape) != 3:
        raise ValueError(f"{type(model).__name__} makes vectors of shape {shape}, not images.")
    divides = small.ndim == 3 and all(
        0 < own < whole and whole % own == 0
        for own, whole in zip(small.shape[:2], shape[:2], strict=True)
    )
    if (
        not divides
        or small.shape[2] != shape[2]
        or shape[0] * small.shape[1] != (shape[1] * small.shape[0])
    ):
        raise ValueError(
            f"small_image has shape {small.shape}; use (height, width, {shape[2]}), the model's "
            f"{shape[0]}x{shape[1]} divided by a whole number, such as ({shape[0] // 2}, "
            f"{shape[1] // 2}, {shape[2]})."
        )
    check_images(small[None], "the pixels of the small image")
    labels = model.checked_labels(labels, num_answers)
    search = _Search(model, small.astype("float32"), labels)
    return search.run(num_answers, steps, seed)


def crossing(latents):
    """The mean squared angle between the latents of an image: tensor (batch,).

    Args:
        latents: tensor (batch, layers, latent_dim).
    """
    units = latents * ops.rsqrt(ops.sum(ops.square(latents), axis=2, keepdims=True))
    cosines = ops.einsum("nid,njd->nij", units, units)
    # At 1 the derivative of the arc cosine is infinite.
    angles = ops.arccos(ops.clip(cosines, -1.0 + 1e-6, 1.0 - 1e-6))
    return ops.mean(ops.square(angles), axis=(1, 2))


class _Search:
    def __init__(self, model, small, labels):
        self.model, self.small, self.labels = model, small, labels
        self.layers = model.style_layers if has(model, HasStyles) else 1
        self.factor = model.image_shape[0] // small.shape[0]
        networks = [model.sampling_generator]
        self.step = compiled(self._step, networks, backend.compiles_by_default())
        self.look = compiled(self._look, networks, False)

    def images(self, latents, labels):
        if self.layers == 1:
            return self.model.images_from_points(latents[:, 0], "z", *labels)
        flat = ops.reshape(latents, (-1, latents.shape[-1]))
        each = [ops.repeat(label, self.layers) for label in labels]
        mapping = self.model.sampling_generator.mapping
        styles = mapping(self.model.with_labels(flat, *(each or (None,))))
        styles = ops.reshape(styles, (-1, self.layers, latents.shape[-1]))
        return self.model.images_from_points(styles, "w+")

    def _apart(self, latents, labels):
        images = ops.cast(self.images(latents, labels), "float32")
        apart = smaller(images, self.factor) - ops.convert_to_tensor(self.small[None])
        return images, ops.mean(ops.square(apart), axis=(1, 2, 3))

    def _look(self, latents, *labels):
        return list(self._apart(latents, labels))

    def _step(self, latents, first, second, numbers, *labels):
        dim = latents.shape[-1]

        def cost(latents):
            _, apart = self._apart(latents, labels)
            total = PIXELS_WEIGHT * apart
            if self.layers > 1:
                total += CROSS_WEIGHT * dim / 8.0 * crossing(latents)
            return total, apart

        _, gradient = backend.value_and_gradient(cost, latents)
        latents, first, second = adam(latents, first, second, gradient, numbers)
        lengths = ops.sqrt(ops.sum(ops.square(latents), axis=2, keepdims=True))
        return [latents * np.sqrt(dim).astype("float32") / lengths, first, second]

    def run(self, count, steps, seed):
        dim = self.model.latent_dim
        latents = np.stack(
            [self.model.latents(count, seed=seed + layer) for layer in range(self.layers)], axis=1
        )
        latents *= np.sqrt(dim) / np.linalg.norm(latents, axis=2, keepdims=True)
        first = second = np.zeros_like(latents)
        labels = [] if self.labels is None else [self.labels]
        for step in range(steps):
            numbers = np.array([LEARNING_RATE, *corrections(step)], "float32")
            latents, first, second = self.step([latents, first, second, numbers, *labels])
        images, distance = self.look([latents, *labels])
        order = np.argsort(distance, kind="stable")
        points = latents[:, 0] if self.layers == 1 else latents
        return Upsampled(np.clip(images, -1.0, 1.0)[order], points[order], distance[order])

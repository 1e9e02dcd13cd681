"""How much an image changes when its latent changes, Karras et al. 2019."""

import pathlib
from collections.abc import Callable
from typing import Literal, Self

import keras
import numpy as np
from keras import ops

from kerasgan import roles
from kerasgan.checks.arguments import whole_number
from kerasgan.metrics.features import Extractor, Features, extractor
from kerasgan.sampling.latents import spherical
from kerasgan.training.optimizers import all_layers


@keras.saving.register_keras_serializable(package="kerasgan")
class PerceptualPathLength(keras.metrics.Metric):
    """PPL: `E[d(G(at t), G(at t + epsilon)) / epsilon^2]` on the path between two random latents.

    Section 4.1 of the paper: t is uniform on (0, 1); in z the path is the great circle, in w the
    straight line between the styles. Lower is smoother: an image changes less along the path, and
    features that neither end has do not come and go.

    The distance d is the squared Euclidean distance between the features of the two images. The
    paper uses LPIPS with VGG16, which is `features="lpips:BACKBONE,HEADS"` here; results of
    different networks cannot be compared. The paper crops faces, this metric does not. As in the
    authors' code, `result()` is the mean of the distances from the 1st to the 99th percentile;
    otherwise a few paths across a gap would dominate it.

    Args:
        features: what `kerasgan.metrics.features.extractor` takes, such as `"inception"` or a
            `keras.Model`, which gets the images without rounding to 8 bits; or a function from
            images (n, height, width, channels) in [-1, 1] to features (n, ...); or None for the
            pixels, which do not reflect human perception.
        epsilon: float, the step.
        name, **kwargs: as for `keras.metrics.Metric`.

    Raises:
        ValueError: for an epsilon out of range, or unknown features.
        OSError: when the weights of features are not available.

    Example:

    >>> gan = kerasgan.DCGAN((8, 8, 1), latent_dim=8, base_width=8)
    >>> metric = kerasgan.metrics.PerceptualPathLength()
    >>> metric.measure(gan, num_paths=100, space="z", seed=0) > 0.0
    True

    Reference: A Style-Based Generator Architecture for Generative Adversarial Networks, Karras,
    Laine & Aila, 2019, arXiv:1812.04948.
    """

    def __init__(
        self,
        features: Features | Callable | None = None,
        epsilon: float = 1e-4,
        name: str = "perceptual_path_length",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        if not epsilon > 0.0:
            raise ValueError(f"epsilon={epsilon!r}; use a number above 0.")
        self.features, self.epsilon = features, epsilon
        self._look = _function(features)
        self.reset_state()

    def reset_state(self):
        self._distances = []  # arrays (n,)

    def update_state(self, at, beside, sample_weight=None):
        """Adds pairs of images (n, ...): at t, and at t + epsilon.

        Raises:
            ValueError: when they are not in pairs, or contain NaN.
        """
        ends = [ops.cast(ops.convert_to_tensor(images), "float32") for images in (at, beside)]
        ends = [ops.convert_to_numpy(self._look(images)).astype("float32") for images in ends]
        if ends[0].shape != ends[1].shape:
            raise ValueError(
                f"at has shape {np.shape(at)}, beside {np.shape(beside)}; give pairs of images."
            )
        squares = np.square((ends[1] - ends[0]).astype("float64"))
        distances = squares.reshape(len(squares), -1).sum(axis=1) / self.epsilon**2
        if not np.all(np.isfinite(distances)):
            raise ValueError("the images, or their features, hold NaN or infinite numbers.")
        self._distances.append(distances)

    def result(self) -> float:
        if not self._distances:
            return 0.0
        distances = np.concatenate(self._distances)
        low = np.percentile(distances, 1, method="lower")
        high = np.percentile(distances, 99, method="higher")
        return float(distances[(low <= distances) & (distances <= high)].mean())

    def measure(
        self,
        gan: keras.Model,
        num_paths: int = 1000,
        space: Literal["z", "w"] = "w",
        ends: bool = False,
        seed: int = 0,
        batch_size: int = 64,
    ) -> float:
        """Resets the metric and computes the path length of a model.

        Args:
            gan: a `kerasgan` model; for `space="w"` one with styles, such as `StyleGAN`.
            num_paths: int, the number of pairs of latents.
            space: `"z"` or `"w"`.
            ends: whether t is 0 rather than uniform, as for the paper's "end" figures.
            seed: int, the seed of the latents and of t.
            batch_size: int, images at a time.

        Returns:
            float.

        Raises:
            ValueError: for another space, a model without styles, or one that computes in half
                precision, whose rounding errors exceed the change in a step of epsilon.
        """
        whole_number("num_paths", num_paths, 1)
        if space not in ("z", "w"):
            raise ValueError(f"space={space!r}; use 'z' or 'w'.")
        roles.require(gan, roles.HasLatents, "PerceptualPathLength")
        if space == "w":
            roles.require(gan, roles.HasStyles, "space='w'", "Use space='z'.")
        half = _half_precision(gan)
        if half:
            raise ValueError(
                f"the generator computes in {half}, which rounds away what a step of "
                f"epsilon={self.epsilon} changes; measure a model with dtype='float32' that has "
                "been given its weights: copy.set_weights(gan.get_weights())."
            )
        self.reset_state()
        latents = gan.latents(2 * num_paths, seed=seed)
        times = np.random.default_rng(seed + 1).uniform(0.0, 1.0 - self.epsilon, (num_paths, 1))
        times = (0.0 if ends else 1.0) * times
        for start in range(0, num_paths, batch_size):
            rows = slice(start, start + batch_size)
            first, second = latents[0::2][rows], latents[1::2][rows]
            images = [
                way(gan, space, first, second, times[rows] + step) for step in (0.0, self.epsilon)
            ]
            self.update_state(*images)
        return self.result()

    def get_config(self) -> dict:
        features = self.features
        if isinstance(features, Extractor):
            features = "pixels" if features.network is None else features.network
        if isinstance(features, pathlib.Path):
            features = str(features)
        if features is not None:
            features = keras.saving.serialize_keras_object(features)
        return {**super().get_config(), "features": features, "epsilon": self.epsilon}

    @classmethod
    def from_config(cls, config: dict) -> Self:
        if config.get("features") is not None:
            config = config | {
                "features": keras.saving.deserialize_keras_object(config["features"])
            }
        return cls(**config)


def _function(features):
    """The function from images to features for an argument `features`."""
    if features is None:
        return lambda images: images
    if callable(features) and not isinstance(features, (keras.Model, Extractor)):
        return features
    look = extractor(features)
    return lambda images: look.unrounded(ops.convert_to_numpy(images))


def _half_precision(gan):
    """The half precision that the generator computes in, or None."""
    layers = all_layers([gan.sampling_generator])
    return next((x.compute_dtype for x in layers if x.compute_dtype.endswith("float16")), None)


def way(gan, space, first, second, times):
    """The images of points at fractions `times` (n, 1) of the path between latents (n, n)."""
    if space == "z":
        return gan.generate_from(spherical(first, second, times))
    times = times[:, :, None].astype("float32")
    return gan.generate_from_styles((1.0 - times) * gan.styles(first) + times * gan.styles(second))

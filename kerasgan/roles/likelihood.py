"""The role of models that tell how likely an image is."""

import math

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from kerasgan import checks
from kerasgan.export.saved_model import Computation, Exports
from kerasgan.losses import likelihoods
from kerasgan.roles.takes_images import TakesImages
from kerasgan.utils.rows import some_at_a_time

BINARIZATIONS = ("dynamic", "fixed")


class HasLikelihood(TakesImages):
    """A model that computes the likelihood of an image, or a lower bound, and is trained with it.

    The values of an image are discrete: 256 equal steps from -1 to 1, or as many as `levels` says.
    With two levels images are black and white. Gray pixels are then drawn as black or white, with
    their brightness as the probability of white: anew in each training step, and identically in
    each `evaluate` (dynamic binarization). With `binarization = "fixed"` every pixel above 0 is
    white. Likelihoods of the two binarizations belong to different data; do not compare them.

    A step minimizes `nll`, the negative log-likelihood in nats per image, and logs `bits_per_dim`,
    the same in bits per value of the image.

    A subclass must define, besides what `TakesImages` requires:

    - `log_likelihood_of(images, labels=None, training=False)`: written with `keras.ops`, from
      float32 images (batch, height, width, channels) in [-1, 1], each value one of the `levels`, to
      nats per image, float32 (batch,). `labels` is an int32 tensor (batch,) if the model is
      conditional.

    It may set `levels` and `binarization`, or define its own `batch_loss`. For data that is not
    images, such as points in the plane, `levels` is None and nats are those of a density.
    """

    can = "tell the likelihood of images"
    owes = {"log_likelihood_of": "a method from images to the nats of each"}
    loss_names: tuple[str, ...] = ("loss", "nll", "bits_per_dim")
    levels: int | None = 256
    binarization: str = "dynamic"

    def batch_loss(self, data, training=True):
        images, labels = self.real_batch(data)
        seed = self.seed_generator if training else self.evaluation_seed
        images = self.in_levels(images, lambda: _uniform(ops.shape(images), seed))
        nll = -ops.mean(self.log_likelihood_of(images, labels, training))
        regularization = sum(sum(n.losses) for networks in self.parts.values() for n in networks)
        return nll + regularization, {"nll": nll, "bits_per_dim": nll / self._nats_per_bit}

    def in_levels(self, images, uniform):
        """Images with values of the `levels`: gray becomes black or white if there are two.

        Args:
            images: float32 tensor (batch, height, width, channels) in [-1, 1].
            uniform: function without arguments that draws a number from 0 to 1 for each value of an
                image, for dynamic binarization.
        """
        if self.levels != 2:
            return images
        limit = uniform() if self.binarization == "dynamic" else 0.5
        return 2.0 * ops.cast(limit < 0.5 * (images + 1.0), "float32") - 1.0

    def _scored(self, images, labels=None):
        """`log_likelihood_of` images whose gray is drawn with the same numbers for each image."""
        numbers = np.random.default_rng(0).random(self.image_shape, "float32")
        images = self.in_levels(images, lambda: ops.convert_to_tensor(numbers))
        return self.log_likelihood_of(images, labels)

    @property
    def _nats_per_bit(self):
        return math.prod(self.image_shape) * math.log(2.0)

    def check_batch(self, data) -> dict:
        ends = super().check_batch(data)
        images, *_ = keras.utils.unpack_x_y_sample_weight(data)
        self._check_levels(images, "the real images")
        return ends

    def _check_levels(self, images, what):
        if self.levels in (None, 2) or not isinstance(images, np.ndarray):
            return
        for image in images:  # one by one: a copy of all might not fit into memory
            values = likelihoods.to_values(np.float32(image), self.levels)
            off = np.abs(values - np.round(values)).max(initial=0.0)
            if off > 0.02:
                raise ValueError(
                    f"{what} hold numbers between the {self.levels} values from -1 to 1 for which "
                    f"{type(self).__name__} computes a likelihood; round them: np.round((images + "
                    f"1) * {(self.levels - 1) / 2:g}) / {(self.levels - 1) / 2:g} - 1."
                )

    def log_likelihood(self, images: np.ndarray, *, labels: ArrayLike | None = None) -> np.ndarray:
        """Computes the log-likelihood of images.

        Args:
            images: float array (num_images, height, width, channels) in [-1, 1]. A model of black
                and white images draws gray pixels with the same random numbers for each image.
            labels: int for all images, or a sequence of num_images ints, or names of classes
                instead; required for conditional models, and only for these.

        Returns:
            float32 array (num_images,) of nats.

        Raises:
            ValueError: for images of another shape, outside [-1, 1] or between the `levels`; for
                labels that are missing, unexpected or out of range.

        Example:

        >>> model = kerasgan.PixelCNN((4, 4, 1), base_width=4, num_blocks=1, levels=2)
        >>> nats = model.log_likelihood(np.ones((2, 4, 4, 1)))
        >>> nats.shape, bool(np.all(nats < 0.0))
        ((2,), True)
        """
        images = checks.as_numpy(images)
        checks.check_images(images, "the images", self.image_shape)
        self._check_levels(images, "the images")
        labels = self.checked_labels(labels, len(images))

        def nats(images, *labels):
            return ops.convert_to_numpy(
                self._scored(*map(ops.convert_to_tensor, (images, *labels)))
            )

        images = images.astype("float32")
        return some_at_a_time(nats, images, *([] if labels is None else [labels]))

    def bits_per_dimension(self, images: np.ndarray, *, labels: ArrayLike | None = None) -> float:
        """The mean negative `log_likelihood` in bits per value of an image.

        Args:
            images, labels: as for `log_likelihood`.

        Returns:
            float; lower is better.

        Raises:
            ValueError: as `log_likelihood`.
        """
        return float(-self.log_likelihood(images, labels=labels).mean() / self._nats_per_bit)

    def exports(self) -> Exports:
        """Adds `log_likelihood`, from `images`, and `label` if conditional, to `nats`, float32."""
        exports = super().exports()
        inputs = {"images": keras.InputSpec(shape=(None, *self.image_shape), dtype="float32")}
        if self.num_classes is not None:
            inputs["label"] = keras.InputSpec(shape=(None,), dtype="int32")

        def signatures(functions):
            from kerasgan.export.endpoints import likelihood

            return likelihood(functions["likelihood"], self.image_shape, self.condition)

        networks = [n for n in self.networks_and_averages if n not in exports.networks]
        exports.networks += networks
        exports.computations["likelihood"] = Computation(self._scored, inputs)
        exports.signatures.append(signatures)
        exports.card |= {"image_shape": self.image_shape}
        return exports


def _uniform(shape, seed):
    return keras.random.uniform(shape, dtype="float32", seed=seed)

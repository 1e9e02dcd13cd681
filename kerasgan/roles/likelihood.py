"""The role of models that tell how likely an image is."""

import math

import keras
import numpy as np
from keras import ops

from kerasgan import checks
from kerasgan.export.saved_model import Computation, Exports
from kerasgan.roles.takes_images import TakesImages
from kerasgan.utils.rows import some_at_a_time


class HasLikelihood(TakesImages):
    """A model that gives the likelihood of an image, or a lower bound of it.

    A subclass owes, besides what `TakesImages` wants:

    - `log_likelihood_of(images)`: written with `keras.ops`, from float32 images (batch, height,
      width, channels) in [-1, 1] to nats, float32 (batch,): of the whole image, as whole numbers
      from 0 to 255.
    """

    can = "tell the likelihood of images"
    owes = {"log_likelihood_of": "a method from images to the nats of each"}

    def log_likelihood(self, images: np.ndarray) -> np.ndarray:
        """The logarithm of the likelihood of images.

        Args:
            images: float array (num_images, height, width, channels) in [-1, 1].

        Returns:
            float32 array (num_images,) of nats.

        Raises:
            ValueError: for images of another shape, or not in [-1, 1].
        """
        images = checks.as_numpy(images)
        checks.check_images(images, "the images", self.image_shape)
        images = images.astype("float32")
        return some_at_a_time(
            lambda some: ops.convert_to_numpy(self.log_likelihood_of(some)), images
        )

    def bits_per_dimension(self, images: np.ndarray) -> float:
        """The mean of the negative `log_likelihood` in bits for each number of an image: float."""
        numbers = math.prod(self.image_shape)
        return float(-self.log_likelihood(images).mean() / (numbers * math.log(2.0)))

    def exports(self) -> Exports:
        """Adds `log_likelihood`, from `images` to `nats`, float32 (batch)."""
        exports = super().exports()
        spec = keras.InputSpec(shape=(None, *self.image_shape), dtype="float32")

        def signatures(functions):
            from kerasgan.export.endpoints import likelihood

            return likelihood(functions["likelihood"], self.image_shape)

        networks = [n for n in self.networks_and_averages if n not in exports.networks]
        exports.networks += networks
        exports.computations["likelihood"] = Computation(self.log_likelihood_of, {"images": spec})
        exports.signatures.append(signatures)
        exports.card |= {"image_shape": self.image_shape}
        return exports

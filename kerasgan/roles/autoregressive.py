"""The role of autoregressive models, which draw each pixel given the pixels before it."""

import math
from collections.abc import Callable

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from kerasgan import backend, checks
from kerasgan.losses import likelihoods
from kerasgan.roles.generates_images import GeneratesImages, image_numbers
from kerasgan.roles.likelihood import HasLikelihood
from kerasgan.sampling.compiled import compiled
from kerasgan.sampling.normals import erf, standard_normal
from kerasgan.sampling.pixels import draw_naively, draw_with_caches

MANY = 16  # the number of images from which on compiling with XLA is worth it


class Autoregressive(HasLikelihood, GeneratesImages):
    """An autoregressive model, which predicts each value of an image from the values before it.

    The likelihood of an image is the product of those of its values, each given the ones before.

    Pixels are drawn row by row from the top left, and the channels of a pixel one after the other.
    Each value is drawn by inverting its cumulative distribution at a uniform number, so an image
    depends only on its own random numbers. Drawing caches what layers have computed for earlier
    pixels; with `caches = False` it computes the whole network for each pixel, which draws the same
    images but is very slow.

    A subclass must define, besides what `TakesImages` requires:

    - `network`: a built `kerasgan.layers.causal.CausalNetwork`.

    By default its parameters are the logits of all `levels` of each channel, (batch, height, width,
    channels * levels), and the likelihood is that of a softmax. A model with another distribution
    overrides

    - `log_likelihood_of_parameters(images, parameters)`: from images and the network's parameters
      for them to nats (batch,);
    - `log_probabilities(parameters, pixel, channel)`: from the parameters at one pixel (batch, n),
      its channels (batch, channels) as far as they are known, and the number of a channel, to the
      log-probability of each value of that channel, up to a constant: (batch, levels).
    """

    can = "complete images"
    owes = {"network": "the network from images to the parameters of each pixel's distribution"}
    caches = True
    at_once = 256
    _samplers: dict[bool, Callable] | None = None  # from whether XLA compiles it

    def log_likelihood_of_parameters(self, images, parameters):
        logits = ops.reshape(parameters, (-1, *self.image_shape, self.levels))
        values = ops.cast(ops.round(likelihoods.to_values(images, self.levels)), "int32")
        nats = ops.sparse_categorical_crossentropy(values, logits, from_logits=True)
        return -ops.sum(nats, axis=(1, 2, 3))

    def log_probabilities(self, parameters, pixel, channel):
        return ops.reshape(parameters, (-1, self.image_shape[-1], self.levels))[:, channel]

    def log_likelihood_of(self, images, labels=None, training=False):
        inputs = images if labels is None else [images, labels]
        parameters = self.network(inputs, training=training)
        return self.log_likelihood_of_parameters(images, parameters)

    # Drawing -----------------------------------------------------------------------------------

    @property
    def noise_shapes(self) -> tuple[tuple[int, ...], ...]:
        return (self.image_shape,)

    @property
    def sampling_networks(self) -> list[keras.Model]:
        return [self.network]

    def images_from_noise(self, noise, labels=None, truncation=None):
        none = ops.zeros_like(noise[0])
        return self._pixel_by_pixel(noise[0], none[..., :1] + 1.0, none, none, labels)

    def draw(self, noise, labels=None, truncation=None):
        return self._drawn(noise[0], 1.0, labels=labels)

    def _drawn(self, noise, temperature, known=None, given=None, labels=None):
        known = np.zeros_like(noise) if known is None else known
        given = np.zeros_like(noise) if given is None else given
        temperatures = np.full((*noise.shape[:-1], 1), temperature, "float32")
        inputs = [noise, temperatures, known, given, *([] if labels is None else [labels])]
        # For a few images, compiling with XLA takes longer than drawing without it.
        with_xla = self.caches and len(noise) >= MANY and not backend.reason_for_single_steps()
        if self._samplers is None:
            self._samplers = {}
        if with_xla not in self._samplers:
            self._samplers[with_xla] = compiled(
                self._pixel_by_pixel, [self.network], with_xla or "auto"
            )
        values = np.round(likelihoods.to_values(self._samplers[with_xla](inputs), self.levels))
        # The same to the last bit for a value, however it was compiled.
        return likelihoods.to_images(values, self.levels).astype("float32")

    def _pixel_by_pixel(self, noise, temperature, known, given, labels=None):
        uniform = 0.5 * (1.0 + erf(noise * np.float32(math.sqrt(0.5))))
        draw = draw_with_caches if self.caches else draw_naively
        per_pixel = [uniform, temperature, known, given]
        return draw(self.network, self._next_pixel, per_pixel, labels)

    def _next_pixel(self, parameters_of, uniform, temperature, known, given):
        channels = []
        pixel = known * given
        for channel in range(self.image_shape[-1]):
            if channel == 0 or self.network.sees_channels:
                parameters = parameters_of(pixel)
            logits = self.log_probabilities(parameters, pixel, channel) / temperature
            up_to = ops.cumsum(ops.softmax(logits), axis=-1)
            # Rounded probabilities do not sum to exactly 1.
            passed = up_to <= uniform[:, channel, None] * up_to[:, -1:]
            value = ops.sum(ops.cast(passed, "float32"), axis=-1)
            value = ops.minimum(value, float(self.levels - 1))
            drawn = likelihoods.to_images(value, self.levels)
            kept = known[:, channel] > 0.0
            channels.append(ops.where(kept, given[:, channel], drawn))
            pixel = ops.stack([*channels, *_columns(pixel)[channel + 1 :]], axis=-1)
        return pixel

    def generate(
        self,
        num_images: int,
        *,
        seed: int | None = None,
        labels: ArrayLike | None = None,
        truncation: float | None = None,
        temperature: float = 1.0,
    ) -> np.ndarray:
        """Draws images.

        Args:
            num_images, seed, labels: as for other models that generate images.
            truncation: None; these models do not support truncation.
            temperature: float above 0, by which log-probabilities are divided: below 1 likely
                values become more likely.

        Returns:
            float32 array (num_images, height, width, channels) in [-1, 1].

        Raises:
            ValueError: for an argument out of range, or for labels that are missing or unexpected.
        """
        if truncation is not None:
            raise ValueError(
                f"truncation={truncation!r}: {type(self).__name__} has no latents; use "
                "temperature, a number above 0."
            )
        checks.above_zero("temperature", temperature)
        numbers = image_numbers(num_images, seed)
        labels = self.checked_labels(labels, num_images)

        def draw(numbers, *labels):
            noise = standard_normal(numbers, self.image_shape)
            return self._drawn(noise, temperature, labels=labels[0] if labels else None)

        return self.some_at_a_time(draw, *([numbers] if labels is None else [numbers, labels]))

    def complete(
        self,
        images: np.ndarray,
        mask: np.ndarray,
        *,
        seed: int | None = None,
        temperature: float = 1.0,
        labels: ArrayLike | None = None,
    ) -> np.ndarray:
        """Completes images: draws their unknown pixels.

        Each pixel is drawn given the known and drawn pixels before it; known pixels after it have
        no influence. So use it to complete what lies below or to the right of known pixels, as in
        the paper's figures.

        Args:
            images: float array (num_images, height, width, channels) in [-1, 1]; the values of
                unknown pixels do not matter. A model of black and white images treats gray above 0
                as white.
            mask: array of bool or of 0 and 1, (height, width) for all images or (num_images,
                height, width): True where a pixel is known and should not change.
            seed: int, or None for new pixels at each call. With a seed, the result for image i does
                not depend on the other images.
            temperature, labels: as for `generate`.

        Returns:
            float32 array of the shape of `images`.

        Raises:
            ValueError: for images of another shape, outside [-1, 1] or between the `levels`; for a
                mask of another shape; as `generate`.

        Example:

        >>> model = kerasgan.PixelCNN((8, 8, 1), base_width=4, num_blocks=1, levels=2)
        >>> images = np.ones((3, 8, 8, 1), "float32")
        >>> upper_half = np.arange(8)[:, None] < 4
        >>> model.complete(images, np.tile(upper_half, (1, 8)), seed=0).shape
        (3, 8, 8, 1)
        """
        images, mask = checks.as_numpy(images), np.asarray(mask)
        height, width, _ = self.image_shape
        # Their values are checked where they are known.
        checks.check_images(np.zeros(images.shape, "float32"), "the images", self.image_shape)
        if mask.shape not in ((height, width), (len(images), height, width)):
            raise ValueError(
                f"mask has shape {mask.shape}; use ({height}, {width}) for all images or "
                f"({len(images)}, {height}, {width}), True where a pixel is known."
            )
        if not np.isin(mask, (0, 1)).all():
            raise ValueError("mask holds other values than True and False, or 1 and 0.")
        checks.above_zero("temperature", temperature)
        mask = np.broadcast_to(mask.astype(bool)[..., None], images.shape)
        known = np.where(mask, images, -1.0).astype("float32")
        checks.check_images(known, "the images", self.image_shape)
        self._check_levels(known, "the known pixels")
        labels = self.checked_labels(labels, len(images))
        numbers = image_numbers(len(images), seed)
        seen = np.where(known > 0.0, 1.0, -1.0).astype("float32") if self.levels == 2 else known

        def draw(numbers, mask, seen, *labels):
            noise = standard_normal(numbers, self.image_shape)
            labels = labels[0] if labels else None
            return self._drawn(noise, temperature, mask.astype("float32"), seen, labels)

        others = [] if labels is None else [labels]
        return np.where(mask, known, self.some_at_a_time(draw, numbers, mask, seen, *others))


def _columns(pixel):
    return [pixel[:, channel] for channel in range(pixel.shape[-1])]

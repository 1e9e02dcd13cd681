"""Normalizing flows: models with exact codes and exact densities."""

import math
from collections.abc import Callable

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from kerasgan import checks
from kerasgan.core.generative_model import GenerativeModel
from kerasgan.layers.precision import dtype_policy
from kerasgan.layers.reversible import Inverse, Reversible
from kerasgan.losses import likelihoods
from kerasgan.roles.encodes import Encodes
from kerasgan.roles.generates_images import HasLatents
from kerasgan.roles.likelihood import HasLikelihood
from kerasgan.training.optimizers import adam

ALPHA = 0.05  # how far from 0 and 1 the numbers stay whose logit is taken


class Flow(HasLatents, HasLikelihood, Encodes, GenerativeModel):
    """A normalizing flow: an invertible network from images, or vectors, to codes from N(0, I).

    The log-likelihood of an image x with code z is `log N(z; 0, I) + log |det dz/dx|`, whose mean
    training maximizes. 8-bit values are whole numbers, for which a density is unbounded: without
    noise a flow would put spikes on the 256 values, and its bits could become arbitrarily low. So a
    random number from 0 to 1 is added to each value (uniform dequantization): anew in each training
    step, identically in each `evaluate`, and the same for each image in `log_likelihood`. The
    result is, on average, a lower bound of the log-likelihood of the whole numbers, so you can
    compare its nats and bits with those of models that compute it exactly.

    `encode` adds no noise; it uses the centre of each value's interval. `decode` does not round to
    8-bit values; `generate` does.

    Layers with data-dependent initialization (`kerasgan.layers.reversible.ActNorm`) use the first
    batch of the first `fit`, or the images that you pass to `start_at`.

    Args:
        image_shape: (height, width, channels), or (n,) for vectors, whose likelihood is that of a
            density.
        networks: function without arguments that returns a `kerasgan.layers.reversible.Reversible`
            from images to flat codes.
        seed: int or None, the seed of the random numbers in training.
        dtype: None or a dtype policy.
        **kwargs: `name`, as for `keras.Model`.

    Raises:
        ValueError: for an image_shape of neither one nor three numbers, or for vectors of one
            number.
    """

    def __init__(
        self,
        image_shape: tuple[int, ...],
        networks: Callable[[], Reversible],
        *,
        seed: int | None = None,
        dtype: str | None = None,
        **kwargs,
    ):
        shape = tuple(image_shape)
        if len(shape) not in (1, 3):
            raise ValueError(
                f"image_shape={image_shape!r}; use (height, width, channels), or (n,) for vectors."
            )
        if shape == (1,):
            raise ValueError("image_shape=(1,); a coupling needs vectors of two numbers or more.")
        with dtype_policy(dtype):
            super().__init__(seed=seed, **kwargs)
            transform = networks()
            transform.build((None, *shape))
            images = keras.Input(shape, dtype=transform.compute_dtype, name="images")
            codes, nats = transform(images)
            latents = keras.Input(codes.shape[1:], dtype=transform.compute_dtype, name="codes")
            decoded = Inverse(transform, name="inverse")(latents)
        self.image_shape, self.latent_dim = shape, math.prod(shape)
        self.levels = None if len(shape) == 1 else 256
        self.transform = transform
        self.network = keras.Model(images, [codes, nats], name="flow")
        self.encoder = keras.Model(images, codes, name="encoder")
        drawn = decoded
        if self.levels is not None:
            decoded = ops.clip(decoded, -1.0, 1.0)
            values = ops.round(likelihoods.to_values(decoded, self.levels))
            drawn = likelihoods.to_images(values, self.levels)
        self.decoder = keras.Model(latents, decoded, name="decoder")
        self.sampling_generator = keras.Model(latents, drawn, name="sampling_generator")
        self.start_flag = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False, name="started"
        )

    def images_from_points(self, points, space, labels=None, noise=None):
        return self.decoder(points, training=False)  # what is rounded has no gradient

    @property
    def parts(self) -> dict:
        return {"flow": [self.network]}

    def default_optimizers(self) -> dict:
        return {"flow": adam(1e-3)}

    # The likelihood ------------------------------------------------------------------------------

    def in_levels(self, images, uniform):
        """Dequantizes images: adds a random offset within the interval of each value."""
        if self.levels is None:
            return images
        return images + (uniform() - 0.5) * (2.0 / (self.levels - 1))

    def log_likelihood_of(self, images, labels=None, training=False):
        """Nats (batch,) of images to which `in_levels` has added noise."""
        codes, nats = self.network(images, training=training)
        zero = ops.cast(0.0, codes.dtype)
        nats = nats + likelihoods.normal_log_density(codes, zero, zero)
        if self.levels is not None:  # a density of values, of which one is so far from the next
            nats = nats + self.latent_dim * math.log(2.0 / (self.levels - 1))
        return nats

    # Starting ------------------------------------------------------------------------------------

    @property
    def started(self) -> bool:
        """Whether the layers with data-dependent initialization are initialized: bool."""
        return bool(ops.convert_to_numpy(self.start_flag))

    def start_at(self, images: np.ndarray) -> None:
        """Initializes the data-dependent layers from images, as `fit` does with its first batch.

        Call it before the first `fit` if that batch is not typical, or differs between workers. A
        few hundred images are enough; all are in memory at once.

        Args:
            images: float array (num_images, height, width, channels) in [-1, 1], or (num_images, n)
                for vectors.

        Raises:
            ValueError: for images of another shape, not in [-1, 1] or not of 8 bits.
        """
        images = checks.as_numpy(images)
        self.check_batch(images)
        random = np.random.default_rng(0)
        images = self.in_levels(
            images.astype("float32"), lambda: random.random(images.shape, "float32")
        )
        self.transform.start(ops.convert_to_tensor(images, self.transform.compute_dtype))
        self.start_flag.assign(1)

    def prepare_networks(self, first_batch: Callable) -> None:
        if not self.started:
            images, *_ = keras.utils.unpack_x_y_sample_weight(first_batch())
            self.start_at(images)

    def train_on_batch(self, x, y=None, **kwargs):
        self.prepare_networks(lambda: x)
        return super().train_on_batch(x, y, **kwargs)

    # Drawing -------------------------------------------------------------------------------------

    def generate(
        self,
        num_images: int,
        *,
        seed: int | None = None,
        labels: ArrayLike | None = None,
        truncation: float | None = None,
        temperature: float = 1.0,
    ) -> np.ndarray:
        """Draws images with 8-bit values.

        Args:
            num_images, seed, labels, truncation: as for `kerasgan.roles.GeneratesImages`.
            temperature: float above 0, by which the latents are multiplied: smaller values give
                more typical and less varied images. Glow's authors show 0.7.

        Returns:
            float32 array (num_images, height, width, channels) in [-1, 1], or (num_images, n)
            for vectors.

        Raises:
            ValueError: for an argument out of range, or labels.
        """
        checks.above_zero("temperature", temperature)
        latents = self.latents(num_images, seed=seed, truncation=truncation)
        return self.generate_from(np.float32(temperature) * latents, labels=labels)

    def get_config(self) -> dict:
        return {**super().get_config(), "image_shape": self.image_shape}


def scales_of(model: str, image_shape: tuple, scales: int | None, halvings_before: int) -> int:
    """The number of scales of a flow of images.

    Args:
        model: str, its name, for errors.
        image_shape: (height, width, channels).
        scales: int, or None for as many as the sides can be halved, at most 3.
        halvings_before: int, 1 if the first scale halves the sides, 0 if the second does.

    Raises:
        ValueError: for sides that are odd where they are to be halved.
    """
    height, width, _ = image_shape
    if scales is None:
        common = math.gcd(height, width, 8)
        scales = max(min(common.bit_length() - halvings_before, 3), 2 - halvings_before)
    checks.whole_number("scales", scales, 1)
    multiple = 2 ** (scales - 1 + halvings_before)
    if height % multiple or width % multiple:
        raise ValueError(
            f"image_shape={tuple(image_shape)}: with scales={scales} {model} halves the sides "
            f"{scales - 1 + halvings_before} times, so height and width have to be multiples of "
            f"{multiple}; resize the data (kerasgan.data: image_size=...) or use fewer scales."
        )
    return scales

"""InfoGAN, Chen et al. 2016: codes that the image has to give away."""

import math
from collections.abc import Callable

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import ArrayLike

from kerasgan import checks
from kerasgan.core.image_gan import ImageGAN
from kerasgan.layers.convolutional import convolutional_discriminator, convolutional_generator
from kerasgan.layers.precision import dtype_policy
from kerasgan.layers.shapes import doublings_to
from kerasgan.sampling.normals import erf
from kerasgan.training.optimizers import adam


@keras.saving.register_keras_serializable(package="kerasgan")
class InfoGAN(ImageGAN):
    """GAN that finds classes and factors of variation without labels.

    Part of the generator's input are codes c: categorical ones, and continuous ones from U(-1, 1),
    like the noise. A third player, the recognizer Q, predicts them from the image. Equation 6 of
    the paper:

        min_{G,Q} max_D  V(D, G) - lambda L_I(G, Q),  L_I = E[log Q(c | G(z, c))] + H(c)

    where Q(c | x) is a softmax for a categorical code and a normal distribution with standard
    deviation 1 for a continuous one (as in the authors' code; the paper's text learns it, and gives
    continuous codes a lambda of their own). Q is a small network on the last features of the
    discriminator (section 6). As in the authors' code these shared layers also learn to predict the
    codes, so the discriminator's loss has the further term `-lambda L_I`.

    Up to 28 pixels the networks are those of appendix C.1 for MNIST: DCGAN's with a dense layer of
    1,024 in both networks, without which the codes do not find the digits; for larger images, as
    for SVHN, without this layer. LeakyReLU of 0.1; Adam with beta_1=0.5, 1e-3 for the generator and
    2e-4 for the others; batches of 128, of which the paper's MNIST takes 5,000. It logs
    `recognizer_loss`, which is `-L_I` without its constants.

    Departures: Q is updated after the generator, on the same images, rather than together with the
    discriminator; widths halve with the resolution at all sizes, while the paper's for SVHN start
    from 2x2x448. `recognize` normalizes with moving averages over real and generated images, but Q
    learned on batches of generated ones: its codes for real images are reliable only once training
    has converged.

    Args:
        image_shape, base_width: as for `kerasgan.ImageGAN`.
        latent_dim: int, length of the generator's whole input: noise, then one-hot vectors of the
            categorical codes, then the continuous codes.
        categorical: sequence of int, the sizes of the categorical codes.
        continuous: int, how many continuous codes.
        information_weight: float, lambda.
        ema_decay, seed, dtype, name: as for `kerasgan.ImageGAN`.

    Raises:
        ValueError: when there are no codes, or when `latent_dim` leaves no room for noise.

    Example:

    >>> gan = kerasgan.InfoGAN((16, 16, 1), base_width=8)
    >>> gan.compile()
    >>> history = gan.fit(kerasgan.data.load("digits", image_size=16), epochs=1, verbose=0)
    >>> images = gan.generate(10, seed=0, categories=range(10), continuous=[0.0, 1.0])
    >>> gan.recognize(images)[0].shape  # which category Q sees
    (10, 1)

    Reference: InfoGAN: Interpretable Representation Learning by Information Maximizing Generative
    Adversarial Nets, Chen, Duan, Houthooft, Schulman, Sutskever & Abbeel, 2016, arXiv:1606.03657.
    """

    default_batch_size = 128
    networks_version = 2
    normal_latents = False

    def __init__(
        self,
        image_shape: tuple[int, ...],
        latent_dim: int = 74,
        base_width: int = 64,
        *,
        categorical: tuple[int, ...] = (10,),
        continuous: int = 2,
        information_weight: float = 1.0,
        ema_decay: float | None = None,
        seed: int | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ):
        sizes = [*categorical] if isinstance(categorical, (tuple, list)) else [None]
        if (
            any(not isinstance(size, int) or size < 2 for size in sizes)
            or not isinstance(continuous, int)
            or continuous < 0
            or not (sizes or continuous)
        ):
            raise ValueError(
                f"categorical={categorical!r}, continuous={continuous!r}; use a tuple of sizes of "
                "at least 2 and a number of at least 0, and one code or more."
            )
        num_codes = sum(sizes) + continuous
        if latent_dim <= num_codes:
            raise ValueError(
                f"latent_dim={latent_dim}; the codes take {num_codes} of these numbers; use more, "
                "so that there is room for the noise."
            )
        super().__init__(
            image_shape,
            latent_dim,
            base_width,
            ema_decay=ema_decay,
            seed=seed,
            dtype=dtype,
            name=name,
        )
        self.categorical = tuple(categorical)
        self.continuous = continuous
        self.information_weight = information_weight
        features = self.discriminator.outputs[1].shape[1:]
        with dtype_policy(dtype):
            self.recognizer = recognizer(features, num_codes)

    @staticmethod
    def networks() -> tuple[Callable, Callable]:
        return generator, discriminator_with_features

    @property
    def players(self) -> dict[str, list]:
        return {**super().players, "recognizer": [self.recognizer]}

    def default_optimizers(self) -> dict[str, keras.Optimizer]:
        rates = {"discriminator": 2e-4, "generator": 1e-3, "recognizer": 2e-4}
        return {player: adam(rates[player], beta_1=0.5) for player in self.players}

    # The game ----------------------------------------------------------------------------------

    def discriminate(self, images, labels, training):
        return self.discriminator(self.seen(images), training=training)[0]

    def discriminator_loss(self, real, fake, labels, latents, training=True):
        real_logits = self.discriminate(real, labels, training)
        fake_logits, features = self.discriminator(self.seen(fake), training=training)
        loss = self.judging_loss(real_logits, fake_logits)
        loss += self.information_weight * self.code_loss(features, latents, training)
        return self.with_penalties(loss, real, fake, labels, training)

    def generator_loss(self, real, fake, labels, latents, training=True):
        fake_logits, features = self.discriminator(self.seen(fake), training=training)
        loss = self.fooling_loss(fake_logits, self.real_logits(real, labels, training))
        return loss + self.information_weight * self.code_loss(features, latents, training), {}

    def recognizer_loss(self, real, fake, labels, latents, training=True):
        """The recognizer's loss and logs: `(loss, logs)`."""
        _, features = self.discriminator(self.seen(fake), training=training)
        return self.code_loss(features, latents, training), {}

    def code_loss(self, features, latents, training):
        """The mean of `-log Q(c | x)` without constants: float32 scalar.

        Args:
            features: (batch, n), the second output of the discriminator.
            latents: (batch, latent_dim), with the codes that the images were made from.
            training: whether Q normalizes with the statistics of this batch.
        """
        found = self.split_codes(self.recognizer(features, training=training))
        codes = self.split_codes(latents[:, -self.num_codes :])
        loss = 0.5 * ops.mean(ops.sum(ops.square(codes[-1] - found[-1]), axis=-1))
        for one_hot, logits in zip(codes[:-1], found[:-1], strict=True):
            loss += ops.mean(ops.categorical_crossentropy(one_hot, logits, from_logits=True))
        return loss

    # The codes ---------------------------------------------------------------------------------

    @property
    def num_codes(self) -> int:
        """How many components of a latent are codes."""
        return sum(self.categorical) + self.continuous

    def split_codes(self, codes):
        """(batch, num_codes) as a list: an array for each categorical code, then the continuous."""
        ends = np.cumsum(self.categorical).tolist()
        return ops.split(codes, ends, axis=-1) if ends else [codes]

    def with_codes(self, normal):
        """Turns N(0, I) into latents: (batch, latent_dim) to the same.

        The largest of k normal numbers is each of them equally often, and their distribution
        function makes them uniform.
        """
        normal = ops.convert_to_tensor(normal)
        *categorical, continuous = self.split_codes(normal[:, -self.num_codes :])
        one_hot = [
            ops.one_hot(ops.argmax(code, axis=-1), code.shape[-1], dtype="float32")
            for code in categorical
        ]
        noise, numbers = (
            erf(part / math.sqrt(2.0)) for part in (normal[:, : -self.num_codes], continuous)
        )
        return ops.concatenate([noise, *one_hot, numbers], axis=-1)

    def to_latents(self, normal, truncation=None):
        """Turns N(0, I) into one-hot vectors between numbers from U(-1, 1)."""
        return self.with_codes(super().to_latents(normal, truncation))

    def latents(
        self,
        num_images: int,
        *,
        seed: int | None = None,
        truncation: float | None = None,
        categories: ArrayLike | None = None,
        continuous: ArrayLike | None = None,
    ) -> np.ndarray:
        """The latents that `generate` turns into images.

        Args:
            num_images, seed, truncation, categories, continuous: as for `generate`.

        Returns:
            float32 array (num_images, latent_dim).

        Raises:
            ValueError: as `generate`.
        """
        latents = np.array(super().latents(num_images, seed=seed, truncation=truncation))
        codes = latents[:, -self.num_codes :]
        if categories is not None:
            chosen = self._checked_categories(categories, num_images).T
            start = 0
            for size, category in zip(self.categorical, chosen, strict=True):
                codes[:, start : start + size] = np.eye(size)[category]
                start += size
        if continuous is not None:
            codes[:, sum(self.categorical) :] = self._checked_continuous(continuous, num_images)
        return latents

    def generate(
        self,
        num_images: int,
        *,
        seed: int | None = None,
        labels: ArrayLike | None = None,
        truncation: float | None = None,
        categories: ArrayLike | None = None,
        continuous: ArrayLike | None = None,
    ) -> np.ndarray:
        """Draws images with given codes; codes that are not given are random.

        Args:
            num_images, seed, truncation: as for `kerasgan.GAN.generate`.
            labels: None; there are no labels.
            categories: int for all images, or num_images ints; with several categorical codes
                (num_images, codes).
            continuous: a number for each continuous code, for all images, or an array (num_images,
                codes); in training they are from -1 to 1.

        Returns:
            float32 array (num_images, height, width, channels) in [-1, 1].

        Raises:
            ValueError: for an argument out of range or of another shape.
        """
        latents = self.latents(
            num_images,
            seed=seed,
            truncation=truncation,
            categories=categories,
            continuous=continuous,
        )
        return self.generate_from(latents, labels=labels)

    def recognize(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predicts the codes of images with Q.

        Args:
            images: float array (num_images, height, width, channels) in [-1, 1].

        Returns:
            int array (num_images, categorical codes), float array (num_images, continuous codes).

        Raises:
            ValueError: for images of another shape, or not in [-1, 1].
        """
        images = checks.as_numpy(images)
        checks.check_images(images, "the images", self.image_shape)
        _, features = self.discriminator(images.astype("float32"), training=False)
        *categorical, continuous = self.split_codes(self.recognizer(features, training=False))
        chosen = [ops.convert_to_numpy(ops.argmax(code, axis=-1)) for code in categorical]
        categories = np.stack(chosen, axis=-1) if chosen else np.empty((len(images), 0), "int32")
        return categories, ops.convert_to_numpy(continuous)

    def _checked_categories(self, categories, num_images):
        array = np.asarray(categories)
        shape = (num_images, len(self.categorical))
        if array.ndim == 0 or (array.shape == (num_images,) and len(self.categorical) == 1):
            array = np.broadcast_to(array[..., None], shape)
        if (
            array.dtype.kind not in "iu"
            or array.shape != shape
            or not self.categorical
            or np.any((array < 0) | (array >= self.categorical))
        ):
            raise ValueError(
                f"categories={categories!r}; the categorical codes have the sizes "
                f"{self.categorical}: use whole numbers from 0 to below these, for each of "
                f"{num_images} images."
            )
        return array

    def _checked_continuous(self, continuous, num_images):
        array = np.asarray(continuous, "float32")
        if array.shape not in ((self.continuous,), (num_images, self.continuous)):
            raise ValueError(
                f"continuous={continuous!r} has shape {array.shape}; use ({self.continuous},) or "
                f"({num_images}, {self.continuous})."
            )
        return array

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "categorical": self.categorical,
            "continuous": self.continuous,
            "information_weight": self.information_weight,
        }


def generator(
    image_shape: tuple[int, ...], latent_dim: int = 74, base_width: int = 64, **_
) -> keras.Model:
    """The generator of appendix C: latents to images."""
    hidden_units = dense_width(image_shape, base_width)
    return convolutional_generator(image_shape, latent_dim, base_width, hidden_units=hidden_units)


def discriminator_with_features(
    image_shape: tuple[int, ...], base_width: int = 64, **_
) -> keras.Model:
    """The discriminator of appendix C: images to logits, and to the features that Q looks at."""
    hidden_units = dense_width(image_shape, base_width)
    network = convolutional_discriminator(
        image_shape, base_width, hidden_units=hidden_units, slope=0.1
    )
    features = network.get_layer("hidden_relu" if hidden_units else "flatten").output
    return keras.Model(network.input, [network.output, features], name="discriminator")


def dense_width(image_shape, base_width):
    """The width of the dense layers that the networks for MNIST have, of 1,024 units; or None."""
    _, doublings = doublings_to(image_shape)
    return 16 * base_width if doublings <= 2 else None


def recognizer(features, num_codes):
    """Q: features of the discriminator to logits of categories and means of continuous codes."""
    inputs = keras.Input(features, name="features")
    x = layers.Dense(128, use_bias=False, kernel_initializer=_normal(), name="hidden")(inputs)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="hidden_norm")(x)
    x = layers.LeakyReLU(0.1, name="hidden_relu")(x)
    codes = layers.Dense(num_codes, kernel_initializer=_normal(), dtype="float32", name="codes")(x)
    return keras.Model(inputs, codes, name="recognizer")


def _normal():
    return keras.initializers.RandomNormal(0.0, 0.02)

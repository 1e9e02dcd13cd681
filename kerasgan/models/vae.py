"""VAE, Kingma & Welling 2014: an encoder and a decoder that bound the likelihood of images."""

import math
from functools import partial
from numbers import Real

import keras
import numpy as np
from keras import ops

from kerasgan import backend, checks
from kerasgan.core.generative_model import GenerativeModel
from kerasgan.layers import autoencoding
from kerasgan.layers.precision import dtype_policy
from kerasgan.losses import likelihoods
from kerasgan.roles.encodes import Encodes
from kerasgan.roles.generates_images import HasLatents
from kerasgan.sampling.latents import drawn_code
from kerasgan.training.optimizers import adam
from kerasgan.utils.rows import some_at_a_time

LIKELIHOODS = ("bernoulli", "gaussian")
ROWS_AT_ONCE = 4096  # codes that are decoded together for `log_likelihood`


@keras.saving.register_keras_serializable(package="kerasgan")
class VAE(HasLatents, Encodes, GenerativeModel):
    """Variational autoencoder: codes from N(0, I), and a bound of the likelihood that is trained.

    The encoder computes a normal distribution q(z|x) of the code z of an image x, the decoder a
    distribution p(x|z). Training maximizes the lower bound of log p(x) from section 2.2,

    `elbo = E[log p(x|z)] - KL(q(z|x) || N(0, I))`,

    with the divergence in closed form (appendix B) and one code drawn for each image. Both terms
    are **sums** over pixels and code units and means over the batch, so they are in nats per image.
    A step logs `reconstruction`, minus the first term; `kl`, the second; `elbo`, which is better
    when higher; and the `loss`, which it minimizes,

    `loss = reconstruction + beta * sum(max(kl of a code, free_bits))`.

    There are two likelihoods: `"bernoulli"`, for black and white pixels, and `"gaussian"`, a
    density of pixels in [-1, 1] with a fixed `deviation`. With `"bernoulli"` gray pixels are drawn
    anew at each use as black or white, with their brightness as the probability of white (dynamic
    binarization), so that the bound is a bound of a probability. With `binarize=False` they are
    used as targets directly. This is common and trains as well, but then the values are not
    likelihoods.

    `generate`, `decode` and `reconstruct` return the mean of p(x|z), not samples from it. The model
    does not have the role `HasLikelihood`, because its bound is random and not for 256 values per
    pixel. It has its own method `log_likelihood`.

    The networks are created for an image shape, by default those of Burda et al. 2016 with one
    stochastic layer; or you give them.

    Args:
        image_shape: (height, width, channels); leave it out if you give networks. For
            `convolutional=True` (size, size, channels), size 4, 6 or 7 doubled once or more often.
        latent_dim: int, the length of a code.
        hidden_units: tuple of int, the widths of the encoder's dense layers; the decoder has them
            in reverse order.
        activation: str, the activation of these layers.
        convolutional: bool, whether to use strided convolutions and an upsampling decoder instead.
        base_width: int, feature maps of the convolution next to the image.
        encoder: built Keras model from images to a list of two outputs (batch, n), the mean and the
            logarithm of the variance of the code; with `decoder` only.
        decoder: built Keras model from codes (batch, n) to (batch, height, width, channels): the
            log-odds of white for `"bernoulli"` (no sigmoid), the mean for `"gaussian"`.
        likelihood: `"bernoulli"` or `"gaussian"`.
        deviation: float above 0, the standard deviation of `"gaussian"`, where pixels are from -1
            to 1.
        binarize: bool, for `"bernoulli"`; see above.
        beta: float of at least 0, the weight of the divergence; with 1 the loss is minus the bound.
        free_bits: float of at least 0, in nats per code unit: the mean divergence of each unit is
            not penalized below this value.
        warmup_steps: int, updates over which the weight of the divergence rises from 0 to `beta`.
        seed: int or None, the seed of the random numbers in training.
        dtype: None or a dtype policy such as `"mixed_bfloat16"`, for both networks.
        **kwargs: `name`, as for `keras.Model`.

    Raises:
        ValueError: for an argument out of range, or networks whose shapes do not match.

    Example:

    >>> vae = kerasgan.VAE(image_shape=(8, 8, 1), latent_dim=4, hidden_units=(32,))
    >>> vae.compile()
    >>> digits = kerasgan.data.load("digits")
    >>> history = vae.fit(digits, epochs=1, verbose=0)
    >>> sorted(history.history)
    ['elbo', 'kl', 'loss', 'reconstruction']
    >>> images = vae.generate(4, seed=0)
    >>> vae.encode(images).shape, vae.reconstruct(images).shape
    ((4, 4), (4, 8, 8, 1))
    >>> vae.log_likelihood(images, samples=10).shape
    (4,)

    Reference: Auto-Encoding Variational Bayes, Kingma & Welling, 2014, arXiv:1312.6114.

    `beta` is from beta-VAE, Higgins et al. 2017 (ICLR). `log_likelihood` and the networks are from
    Importance Weighted Autoencoders, Burda et al., 2016, arXiv:1509.00519; `free_bits` is from
    Improving Variational Inference with Inverse Autoregressive Flow, Kingma et al., 2016,
    arXiv:1606.04934; `warmup_steps` is from Ladder Variational Autoencoders, Sonderby et al., 2016,
    arXiv:1602.02282.
    """

    loss_names = ("loss", "elbo", "kl", "reconstruction")
    higher_is_better = ("elbo",)
    default_batch_size = 100
    image_axes = 3

    def __init__(
        self,
        image_shape: tuple[int, ...] | None = None,
        latent_dim: int = 50,
        hidden_units: tuple[int, ...] = (200, 200),
        *,
        activation: str = "tanh",
        convolutional: bool = False,
        base_width: int = 32,
        encoder: keras.Model | None = None,
        decoder: keras.Model | None = None,
        likelihood: str = "bernoulli",
        deviation: float = 0.2,
        binarize: bool = True,
        beta: float = 1.0,
        free_bits: float = 0.0,
        warmup_steps: int = 0,
        seed: int | None = None,
        dtype: str | None = None,
        **kwargs,
    ):
        if likelihood not in LIKELIHOODS:
            accepted = " or ".join(map(repr, LIKELIHOODS))
            raise ValueError(f"likelihood={likelihood!r}; use {accepted}.")
        if not isinstance(deviation, Real) or not 0.0 < deviation < math.inf:
            raise ValueError(f"deviation={deviation!r}; use a number above 0.")
        for name, value in (("beta", beta), ("free_bits", free_bits)):
            if not isinstance(value, Real) or not 0.0 <= value < math.inf:
                raise ValueError(f"{name}={value!r}; use a number of at least 0.")
        checks.whole_number("warmup_steps", warmup_steps, 0)
        self._check_widths(hidden_units)
        given = checks.check_autoencoder(encoder, decoder, image_shape, code_outputs=2)
        with dtype_policy(dtype):
            super().__init__(seed=seed, **kwargs)
            if given is None:
                image_shape, hidden_units = tuple(image_shape), tuple(hidden_units)
                encoder, decoder = _networks(
                    image_shape,
                    int(latent_dim),
                    hidden_units,
                    activation,
                    base_width if convolutional else None,
                    None if likelihood == "bernoulli" else "tanh",
                )
            else:
                image_shape, latent_dim = given
                if likelihood == "bernoulli":
                    checks.check_logits(decoder, "decoder", "the likelihood")
                else:
                    checks.check_generator(decoder, image_shape)
        self.networks_given = given is not None
        self.image_shape, self.latent_dim = image_shape, int(latent_dim)
        self.hidden_units, self.activation = hidden_units, activation
        self.convolutional, self.base_width = convolutional, base_width
        self.likelihood, self.deviation, self.binarize = likelihood, float(deviation), binarize
        self.beta, self.free_bits, self.warmup_steps = float(beta), float(free_bits), warmup_steps
        self.posterior_network, self.pixel_network = encoder, decoder
        self.encoder = keras.Model(encoder.inputs, encoder.outputs[0], name="encoder")
        images = self._mean_images(decoder.outputs[0])
        self.decoder = keras.Model(decoder.inputs, images, name="decoder")

    @staticmethod
    def _check_widths(hidden_units):
        if not isinstance(hidden_units, (tuple, list)):
            raise ValueError(
                f"hidden_units={hidden_units!r}; use a tuple of whole numbers such as (200, 200)."
            )
        for width in hidden_units:
            checks.whole_number("hidden_units", width, 1)

    @property
    def parts(self) -> dict:
        return {"autoencoder": [self.posterior_network, self.pixel_network]}

    @property
    def sampling_generator(self) -> keras.Model:
        return self.decoder

    def default_optimizers(self) -> dict:
        return {"autoencoder": adam(1e-3)}

    # The bound ---------------------------------------------------------------------------------

    def batch_loss(self, data, training=True):
        images, _ = self.real_batch(data)
        seed = self.seed_generator if training else self.evaluation_seed
        images = self._targets(images, lambda shape: keras.random.uniform(shape, seed=seed))
        mean, log_variance = self.posterior_network(images, training=training)
        decoded = self.pixel_network(drawn_code(mean, log_variance, seed), training=training)
        reconstruction = -ops.mean(self.log_probability(images, decoded))
        divergences = likelihoods.kl_from_standard_normal(mean, log_variance)
        kl = ops.mean(ops.sum(divergences, axis=-1))
        paid = kl
        if self.free_bits:
            paid = ops.sum(ops.maximum(ops.mean(divergences, axis=0), self.free_bits))
        weight = self.beta * self._warmth() if training else self.beta
        networks = (self.posterior_network, self.pixel_network)
        loss = reconstruction + weight * paid + sum(sum(n.losses) for n in networks)
        return loss, {"elbo": -reconstruction - kl, "kl": kl, "reconstruction": reconstruction}

    def log_probability(self, images, decoded):
        """log p(x|z): nats (batch,).

        Args:
            images: float32 tensor (batch, height, width, channels) in [-1, 1].
            decoded: what the given or made decoder returns for the codes, of the same shape.
        """
        if self.likelihood == "bernoulli":
            return likelihoods.bernoulli_log_likelihood(0.5 * (images + 1.0), decoded)
        log_variance = ops.cast(2.0 * math.log(self.deviation), "float32")
        return likelihoods.normal_log_density(images, decoded, log_variance)

    def _targets(self, images, uniform):
        """The images that the bound is of: black or white where that is so wanted."""
        if self.likelihood != "bernoulli" or not self.binarize:
            return images
        images, chance = map(ops.convert_to_tensor, (images, uniform(ops.shape(images))))
        white = chance < 0.5 * (images + 1.0)
        return 2.0 * ops.cast(white, images.dtype) - 1.0

    def _warmth(self):
        """How much of `beta` this update pays: from 0 to 1."""
        if not self.warmup_steps:
            return 1.0
        updates = ops.cast(self.optimizer["autoencoder"].iterations, "float32")
        return ops.minimum(updates / float(self.warmup_steps), 1.0)

    def _mean_images(self, decoded):
        """The mean of p(x|z) as images in [-1, 1]."""
        if self.likelihood == "bernoulli":
            return ops.tanh(0.5 * decoded)  # 2 sigmoid - 1
        return ops.clip(decoded, -1.0, 1.0)

    # Using what was trained ----------------------------------------------------------------------

    def start_at_mean(self, images: np.ndarray) -> None:
        """Sets the last bias so that an untrained model decodes a code of 0 to the mean image.

        Call it before `fit`, as the code of Burda et al. does; otherwise the first epochs are spent
        on learning the background.

        Args:
            images: float array (num_images, height, width, channels) in [-1, 1], those of training.

        Raises:
            ValueError: for images of another shape, or outside [-1, 1], and for a model whose
                networks were given.
        """
        if self.networks_given:
            raise ValueError(
                "start_at_mean is only for networks that the VAE makes; set the last bias of your "
                "own decoder yourself."
            )
        images = self._checked(images)
        layer = self.pixel_network.get_layer("images" if self.convolutional else "pixels")
        mean = images.mean((0, 1, 2) if self.convolutional else 0).ravel()
        before_tanh = np.arctanh(np.clip(mean, -0.998, 0.998))
        layer.bias.assign(before_tanh * (2.0 if self.likelihood == "bernoulli" else 1.0))

    def posterior(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean and the standard deviation of q(z|x).

        Args:
            images: float array (num_images, height, width, channels) in [-1, 1].

        Returns:
            Two float32 arrays (num_images, latent_dim); the first is `encode(images)`.

        Raises:
            ValueError: for images of another shape, or not in [-1, 1].
        """
        mean, log_variance = self._moments(self._checked(images))
        return mean, np.exp(0.5 * log_variance)

    def log_likelihood(self, images: np.ndarray, samples: int = 100, seed: int = 0) -> np.ndarray:
        """An estimate of log p(x) by importance weighting, `log mean(p(x|z) p(z) / q(z|x))`.

        Its expectation is a lower bound that rises with `samples` towards log p(x). With one sample
        it is the `elbo`. Gray pixels are drawn as black or white, as in training.

        Args:
            images: float array (num_images, height, width, channels) in [-1, 1].
            samples: int, how many codes to draw from q(z|x) for each image.
            seed: int, the seed of the codes. An estimate depends on the position of its image in
                `images`, but not on the other images.

        Returns:
            float32 array (num_images,) of nats: of the probability of all pixels for
            `"bernoulli"`, of a density of pixels in [-1, 1] for `"gaussian"`.

        Raises:
            ValueError: for images of another shape, or not in [-1, 1]; for `samples` below 1.
        """
        images = self._checked(images)
        checks.whole_number("samples", samples, 1)
        return np.concatenate(
            [
                self._log_likelihood_of_some(images[start : start + 64], start, samples, seed)
                for start in range(0, max(len(images), 1), 64)
            ]
        )

    def _log_likelihood_of_some(self, images, start, samples, seed):
        random = [np.random.default_rng((seed, start + row)) for row in range(len(images))]
        uniform = np.array([r.random(self.image_shape, "float32") for r in random], "float32")
        uniform = uniform.reshape(images.shape)
        images = ops.convert_to_numpy(self._targets(images, lambda shape: uniform))
        mean, log_variance = self._moments(images)
        mean, log_variance = mean[:, None], log_variance[:, None]
        total = np.full(len(images), -np.inf)
        at_once = ROWS_AT_ONCE // 64
        for first in range(0, samples, at_once):
            count = min(at_once, samples - first)
            shape = (count, self.latent_dim)
            noise = np.array([r.standard_normal(shape, "float32") for r in random], "float32")
            noise = noise.reshape(len(images), *shape)
            codes = mean + np.exp(0.5 * log_variance) * noise
            decoded = backend.predict(self.pixel_network, codes.reshape(-1, self.latent_dim))
            targets = map(ops.convert_to_tensor, (np.repeat(images, count, axis=0), decoded))
            nats = self.log_probability(*targets)
            nats = ops.convert_to_numpy(nats).astype("float64").reshape(len(images), count)
            # Of log p(z) - log q(z|x) the constants cancel.
            nats += 0.5 * (noise**2 - codes**2 + log_variance).sum(-1, dtype="float64")
            total = np.logaddexp(total, np.logaddexp.reduce(nats, axis=1))
        return (total - math.log(samples)).astype("float32")

    def _checked(self, images):
        images = checks.as_numpy(images)
        checks.check_images(images, "the images", self.image_shape)
        return images.astype("float32")

    def _moments(self, images):
        return some_at_a_time(partial(backend.predict, self.posterior_network), images)

    def get_config(self) -> dict:
        config = {
            **super().get_config(),
            "likelihood": self.likelihood,
            "deviation": self.deviation,
            "binarize": self.binarize,
            "beta": self.beta,
            "free_bits": self.free_bits,
            "warmup_steps": self.warmup_steps,
        }
        if self.networks_given:
            return {
                **config,
                "encoder": keras.saving.serialize_keras_object(self.posterior_network),
                "decoder": keras.saving.serialize_keras_object(self.pixel_network),
            }
        return {
            **config,
            "image_shape": self.image_shape,
            "latent_dim": self.latent_dim,
            "hidden_units": self.hidden_units,
            "activation": self.activation,
            "convolutional": self.convolutional,
            "base_width": self.base_width,
        }


def _networks(image_shape, latent_dim, units, activation, base_width, last):
    """The encoder and the decoder for an image shape; dense ones if `base_width` is None."""
    if base_width is None:
        inputs, features = autoencoding.dense_features(image_shape, units, activation)
        decoder = autoencoding.dense_decoder(image_shape, latent_dim, units[::-1], activation, last)
    else:
        inputs, features = autoencoding.convolutional_features(image_shape, base_width)
        decoder = autoencoding.upsampling_decoder(image_shape, latent_dim, base_width, last)
    return autoencoding.posterior_network(inputs, features, latent_dim), decoder

"""Autoencoders, after Hinton & Salakhutdinov 2006: codes from which images can be restored."""

import math
from numbers import Real

import keras
from keras import ops

from kerasgan import checks
from kerasgan.core.generative_model import GenerativeModel
from kerasgan.layers import autoencoding
from kerasgan.layers.precision import dtype_policy
from kerasgan.roles.encodes import Reconstructs
from kerasgan.training.optimizers import adam

LOSSES = ("mse", "binary_crossentropy")
SPARSITIES = ("l1", "kl")
NOISES = ("gaussian", "masking", "salt_and_pepper")


@keras.saving.register_keras_serializable(package="kerasgan")
class Autoencoder(Reconstructs, GenerativeModel):
    """Autoencoder: an encoder and a decoder that restore images from codes.

    The kinds of autoencoders in textbooks are settings of this class:

    - undercomplete: `latent_dim` below the number of pixels; overcomplete: above;
    - deep: `depth` of four or five;
    - convolutional: `convolutional=True`;
    - sparse: `sparsity="l1"` or `"kl"`;
    - denoising: `noise`. The network sees the noisy image and has to restore the clean one. The
      noise is drawn anew at each step, so `fit` takes only clean images.

    A step logs `reconstruction`, the mean error over pixels, where black is 0 and white is 1;
    `sparsity`, if it is set, summed over the code and averaged over images; and `loss`, their sum
    with `sparsity_weight`.

    There is no `generate`, because the codes do not follow a known distribution to draw from.
    `kerasgan.VAE` adds that.

    Args:
        image_shape: (height, width, channels); leave it out if you give networks. For
            `convolutional=True` (size, size, channels), size 4, 6 or 7 doubled once or more often.
        latent_dim: int, the length of a code.
        depth: int, the number of dense layers in the encoder and in the decoder, including the
            output layer. The hidden layers are `base_width` wide next to the image and halve
            towards the code.
        convolutional: bool, whether to use strided convolutions and an upsampling decoder instead
            of dense layers.
        base_width: int, the width of the layer next to the image; None for 512, or 32 with
            convolutions.
        sparsity: None; `"l1"`, the sum of the absolute values of a code, which then is at least 0;
            `"kl"`, the divergence from `sparsity_target` of the mean activity of each code unit
            over the batch, with codes from 0 to 1.
        sparsity_weight: float of at least 0.
        sparsity_target: float between 0 and 1, for `"kl"`.
        noise: None; `"gaussian"`, added and clipped to the range of images; `"masking"`, pixels
            made black; `"salt_and_pepper"`, pixels made black or white.
        noise_level: float above 0: the standard deviation for `"gaussian"`, where black is 0 and
            white is 1; for the others the share of the pixels, at most 1.
        loss: `"mse"` or `"binary_crossentropy"`.
        encoder: built Keras model from images to codes (batch, n); with `decoder` only.
        decoder: built Keras model from codes to images (batch, height, width, channels) in [-1, 1],
            or for `"binary_crossentropy"` to the log-odds of white (no sigmoid).
        seed: int or None, the seed of the noise in training.
        dtype: None or a dtype policy such as `"mixed_bfloat16"`, for both networks.
        **kwargs: `name`, as for `keras.Model`.

    Raises:
        ValueError: for an argument out of range, or networks whose shapes do not match.

    Example:

    >>> autoencoder = kerasgan.Autoencoder(image_shape=(8, 8, 1), latent_dim=8)
    >>> autoencoder.compile()
    >>> digits = kerasgan.data.load("digits")
    >>> history = autoencoder.fit(digits, epochs=1, verbose=0)
    >>> sorted(history.history)
    ['loss', 'reconstruction']
    >>> images = np.zeros((3, 8, 8, 1), "float32")
    >>> autoencoder.encode(images).shape, autoencoder.reconstruct(images).shape
    ((3, 8), (3, 8, 8, 1))

    Reference: Reducing the Dimensionality of Data with Neural Networks, Hinton & Salakhutdinov,
    2006, Science 313; the kinds are those of the survey Autoencoders, Bank, Koenigstein & Giryes,
    2020, arXiv:2003.05991.

    Noise on the input is from Extracting and Composing Robust Features with Denoising Autoencoders,
    Vincent et al., 2008 (ICML).
    """

    default_batch_size = 100
    image_axes = 3

    def __init__(
        self,
        image_shape: tuple[int, ...] | None = None,
        latent_dim: int = 32,
        *,
        depth: int = 1,
        convolutional: bool = False,
        base_width: int | None = None,
        sparsity: str | None = None,
        sparsity_weight: float = 1e-3,
        sparsity_target: float = 0.05,
        noise: str | None = None,
        noise_level: float = 0.3,
        loss: str = "mse",
        encoder: keras.Model | None = None,
        decoder: keras.Model | None = None,
        seed: int | None = None,
        dtype: str | None = None,
        **kwargs,
    ):
        words: dict[str, tuple] = {
            "loss": (loss, LOSSES),
            "sparsity": (sparsity, (None, *SPARSITIES)),
            "noise": (noise, (None, *NOISES)),
        }
        for name, (word, known) in words.items():
            if word not in known:
                *others, last = map(repr, known)
                raise ValueError(f"{name}={word!r}; use {', '.join(others)} or {last}.")
        checks.whole_number("depth", depth, 1)
        if convolutional and depth != 1:
            raise ValueError(
                f"depth={depth} counts dense layers; with convolutional=True leave it out."
            )
        most_noise = math.inf if noise == "gaussian" else 1.0
        for name, value, fits, accepted in (
            ("sparsity_weight", sparsity_weight, lambda v: 0.0 <= v < math.inf, "at least 0"),
            ("sparsity_target", sparsity_target, lambda v: 0.0 < v < 1.0, "between 0 and 1"),
            (
                "noise_level",
                noise_level,
                lambda v: 0.0 < v <= most_noise and v < math.inf,
                "above 0, and at most 1 if it is a share of the pixels",
            ),
        ):
            if not isinstance(value, Real) or not fits(value):
                raise ValueError(f"{name}={value!r}; use a number {accepted}.")
        given = checks.check_autoencoder(encoder, decoder, image_shape)
        with dtype_policy(dtype):
            super().__init__(seed=seed, **kwargs)
            if given is None:
                image_shape = tuple(image_shape or ())
                activation = {None: None, "l1": "relu", "kl": "sigmoid"}[sparsity]
                ending = "tanh" if loss == "mse" else None
                make = _convolutional if convolutional else _dense
                width = base_width or (32 if convolutional else 512)
                encoder, decoder = make(
                    image_shape, int(latent_dim), width, depth, activation, ending
                )
            else:
                image_shape, latent_dim = given
                if loss == "mse":
                    checks.check_generator(decoder, image_shape)
                else:
                    checks.check_logits(decoder, "decoder", "binary_crossentropy")
        assert decoder is not None  # given, or made
        if sparsity == "kl":
            checks.check_shares(encoder, "encoder", 'sparsity="kl"')
        self.networks_given = given is not None
        self.image_shape, self.latent_dim = image_shape, int(latent_dim)
        self.depth, self.convolutional, self.base_width = depth, convolutional, base_width
        self.sparsity, self.sparsity_weight = sparsity, float(sparsity_weight)
        self.sparsity_target = float(sparsity_target)
        self.noise, self.noise_level = noise, float(noise_level)
        self.loss_name = loss
        self.encoder, self.pixel_network = encoder, decoder
        images = decoder.outputs[0]
        if loss == "binary_crossentropy":
            images = ops.tanh(0.5 * images)  # 2 sigmoid - 1
        self.decoder = keras.Model(decoder.inputs, ops.clip(images, -1.0, 1.0), name="decoder")

    @property
    def loss_names(self) -> tuple[str, ...]:
        return ("loss", "reconstruction", *(["sparsity"] if self.sparsity else []))

    @property
    def parts(self) -> dict:
        return {"autoencoder": [self.encoder, self.pixel_network]}

    def default_optimizers(self) -> dict:
        return {"autoencoder": adam(1e-3)}

    def check_batch(self, data) -> dict:
        images, second, _ = keras.utils.unpack_x_y_sample_weight(data)
        if second is not None and len(second.shape) == len(images.shape):
            raise ValueError(
                "the data is pairs of images, but an Autoencoder makes the noisy images itself; "
                "give only the clean ones, and noise='gaussian'."
            )
        return super().check_batch(data)

    # The loss ----------------------------------------------------------------------------------

    def batch_loss(self, data, training=True):
        images, _ = self.real_batch(data)
        seed = self.seed_generator if training else self.evaluation_seed
        codes = self.encoder(self.noisy(images, seed), training=training)
        reconstruction = self._error(images, self.pixel_network(codes, training=training))
        loss, logs = reconstruction, {"reconstruction": reconstruction}
        if self.sparsity:
            logs["sparsity"] = self._activity(codes)
            loss = reconstruction + self.sparsity_weight * logs["sparsity"]
        return loss + sum(sum(n.losses) for n in (self.encoder, self.pixel_network)), logs

    def _error(self, images, decoded):
        """The mean error of a pixel, where black is 0 and white is 1."""
        if self.loss_name == "mse":
            return ops.mean(ops.square(0.5 * (images - decoded)))
        pixels = 0.5 * (images + 1.0)
        return ops.mean(ops.softplus(decoded) - pixels * decoded)

    def _activity(self, codes):
        """The sparsity penalty: the sum over the code."""
        if self.sparsity == "l1":
            return ops.mean(ops.sum(ops.abs(codes), axis=-1))
        target = self.sparsity_target
        share = ops.clip(ops.mean(codes, axis=0), 1e-6, 1.0 - 1e-6)
        own = target * (math.log(target) - ops.log(share))
        rest = (1.0 - target) * (math.log(1.0 - target) - ops.log(1.0 - share))
        return ops.sum(own + rest)

    def noisy(self, images, seed: int | keras.random.SeedGenerator = 0):
        """Adds the noise of training to images, as the encoder sees them.

        Args:
            images: float32 tensor or array (num_images, height, width, channels) in [-1, 1].
            seed: int, or a `keras.random.SeedGenerator`.

        Returns:
            float32 tensor in [-1, 1]; the images themselves without `noise`.
        """
        if self.noise is None:
            return images
        images = ops.convert_to_tensor(images)
        shape = ops.shape(images)
        if self.noise == "gaussian":
            noise = keras.random.normal(shape, dtype="float32", seed=seed)
            return ops.clip(images + 2.0 * self.noise_level * noise, -1.0, 1.0)
        # All channels of a pixel at once.
        chance = keras.random.uniform((*shape[:-1], 1), dtype="float32", seed=seed)
        black = self.noise_level * (1.0 if self.noise == "masking" else 0.5)
        images = ops.where(chance < black, -1.0, images)
        if self.noise == "salt_and_pepper":
            images = ops.where(chance > 1.0 - black, 1.0, images)
        return images

    def get_config(self) -> dict:
        config = {
            **super().get_config(),
            "sparsity": self.sparsity,
            "sparsity_weight": self.sparsity_weight,
            "sparsity_target": self.sparsity_target,
            "noise": self.noise,
            "noise_level": self.noise_level,
            "loss": self.loss_name,
        }
        if self.networks_given:
            return {
                **config,
                "encoder": keras.saving.serialize_keras_object(self.encoder),
                "decoder": keras.saving.serialize_keras_object(self.pixel_network),
            }
        return {
            **config,
            "image_shape": self.image_shape,
            "latent_dim": self.latent_dim,
            "depth": self.depth,
            "convolutional": self.convolutional,
            "base_width": self.base_width,
        }


def _dense(image_shape, latent_dim, width, depth, activation, last):
    units = [max(width // 2**number, 1) for number in range(depth - 1)]
    inputs, features = autoencoding.dense_features(image_shape, units, "relu")
    decoder = autoencoding.dense_decoder(image_shape, latent_dim, units[::-1], "relu", last)
    return autoencoding.code_network(inputs, features, latent_dim, activation), decoder


def _convolutional(image_shape, latent_dim, width, depth, activation, last):
    inputs, features = autoencoding.convolutional_features(image_shape, width)
    decoder = autoencoding.upsampling_decoder(image_shape, latent_dim, width, last)
    return autoencoding.code_network(inputs, features, latent_dim, activation), decoder

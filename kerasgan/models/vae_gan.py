"""VAE-GAN, Larsen et al. 2016: a VAE whose likelihood is that of learned features."""

import math
from numbers import Real

import keras
import numpy as np
from keras import ops

from kerasgan import backend, losses
from kerasgan.core.adversarial_model import AdversarialModel
from kerasgan.layers import autoencoding
from kerasgan.layers.convolutional import convolutional_discriminator, convolutional_generator
from kerasgan.layers.precision import dtype_policy
from kerasgan.layers.shapes import doublings_to
from kerasgan.losses import likelihoods
from kerasgan.losses.adversarial import AdversarialLoss
from kerasgan.roles.encodes import Encodes
from kerasgan.roles.generates_images import HasLatents
from kerasgan.sampling.latents import drawn_code


@keras.saving.register_keras_serializable(package="kerasgan")
class VAEGAN(HasLatents, Encodes, AdversarialModel):
    """VAE-GAN: the VAE's decoder is the GAN's generator, and errors are measured on features.

    Three players, as in the authors' program (github.com/andersbll/autoencoding_beyond_pixels).
    With D_l for the discriminator's last convolution, after its activation,

    `likelihood = 1/2 sum (D_l(x) - D_l(reconstruction))^2`,

    which is the negative log-likelihood of features with a standard deviation of 1, up to a
    constant. In the adversarial loss real and generated images have a weight of a half each, shared
    equally by reconstructions and samples among the generated ones,

    `game = 1/2 (-log D(x)) + 1/4 (-log(1 - D(reconstruction))) + 1/4 (-log(1 - D(sample)))`:

    - the encoder minimizes `KL(q(z|x) || N(0, I)) + likelihood`: it gets no gradient of `game`;
    - the generator minimizes `gamma * likelihood - game`: there is no pixel loss;
    - the discriminator minimizes `game`: it gets no gradient of `likelihood`.

    Divergence and likelihood are sums over codes and features, and means over the batch. A step
    logs the players' losses, `kl`, and the likelihood as `reconstruction`.

    With `balance` a network pauses when it is ahead. The discriminator pauses at a step where one
    of the losses, `-log D(x)` or the mean of those for generated images, is below 0.68 - 0.35; the
    generator when one is above 0.68 + 0.35; if both would pause, both are updated.
    `discriminator_pauses` and `generator_pauses` log the shares of paused steps. The loss of a
    paused network is multiplied by 0, so an optimizer with momentum still moves it.

    Departures: the networks are those of DCGAN with kernels of 4 instead of 5, the encoder has the
    same form, and there are no dense layers between. As in the authors' code, the discriminator's
    update uses the images from before the other networks were updated, and the generator's update
    the codes from before the encoder was updated.

    Args:
        image_shape: (size, size, channels): size is 4, 6 or 7 doubled once or more often (8, 12,
            14, 16, 24, 28, 32, 48, 56, 64, ...), channels is 1 or 3.
        latent_dim: int, the length of a code.
        base_width: int, feature maps of the layer next to the image; each halving of the resolution
            doubles it.
        gamma: float of at least 0, the weight of the likelihood for the generator. It is small
            because the likelihood is a sum over all features; 5e-5 and, for CelebA, 1e-6 in the
            authors' code.
        balance: bool, whether networks pause when they are ahead.
        seed: int or None, the seed of the codes in training.
        dtype: None or a dtype policy such as `"mixed_bfloat16"`, for all networks.
        **kwargs: `name`, as for `keras.Model`.

    Raises:
        ValueError: for an image_shape that the networks cannot generate, or a negative gamma; from
            `compile`, for a loss without probabilities if `balance` is True.

    Example:

    >>> gan = kerasgan.VAEGAN(image_shape=(8, 8, 1), latent_dim=8, base_width=8)
    >>> gan.compile()
    >>> digits = kerasgan.data.load("digits")
    >>> history = gan.fit(digits, epochs=1, verbose=0)
    >>> images = gan.generate(4, seed=0)
    >>> gan.encode(images).shape, gan.reconstruct(images).shape
    ((4, 8), (4, 8, 8, 1))

    Reference: Autoencoding beyond pixels using a learned similarity metric, Larsen, Sonderby,
    Larochelle & Winther, 2016, arXiv:1512.09300.
    """

    default_loss = "minimax"
    equilibrium, margin = 0.68, 0.35  # of the costs, in the authors' program

    def __init__(
        self,
        image_shape: tuple[int, ...],
        latent_dim: int = 128,
        base_width: int = 64,
        *,
        gamma: float = 5e-5,
        balance: bool = True,
        seed: int | None = None,
        dtype: str | None = None,
        **kwargs,
    ):
        if not isinstance(gamma, Real) or not 0.0 <= gamma < math.inf:
            raise ValueError(f"gamma={gamma!r}; use a number of at least 0.")
        with dtype_policy(dtype):
            super().__init__(seed=seed, **kwargs)
            self.image_shape, self.latent_dim = tuple(image_shape), int(latent_dim)
            inputs, features = autoencoding.convolutional_features(
                self.image_shape, base_width, batch_norm=True
            )
            self.posterior_network = autoencoding.posterior_network(
                inputs, features, self.latent_dim
            )
            self.generator = convolutional_generator(self.image_shape, self.latent_dim, base_width)
            judge = convolutional_discriminator(self.image_shape, base_width)
        _, halvings = doublings_to(self.image_shape)
        features = judge.get_layer(f"down{halvings - 1}_relu").output
        self.discriminator = keras.Model(
            judge.inputs, [judge.outputs[0], features], name="discriminator"
        )
        mean, _ = self.posterior_network.outputs
        self.encoder = keras.Model(self.posterior_network.inputs, mean, name="encoder")
        self.base_width, self.gamma, self.balance = base_width, float(gamma), balance

    @property
    def decoder(self) -> keras.Model:
        """The generator, by the name that it has in an autoencoder."""
        return self.generator

    @property
    def sampling_generator(self) -> keras.Model:
        return self.generator

    @property
    def players(self) -> dict:
        return {
            "encoder": [self.posterior_network],
            "generator": [self.generator],
            "discriminator": [self.discriminator],
        }

    @property
    def loss_names(self) -> tuple[str, ...]:
        pauses = ["discriminator_pauses", "generator_pauses"] if self.balance else []
        return (*super().loss_names, "kl", "reconstruction", *pauses)

    def default_optimizers(self) -> dict:
        # 3e-4 is of the paper's text.
        return {player: keras.optimizers.RMSprop(3e-4, epsilon=1e-8) for player in self.players}

    def compile(
        self,
        optimizer: str | keras.Optimizer | dict | None = None,
        loss: str | AdversarialLoss | None = None,
        *,
        metrics: list | None = None,
        jit_compile: bool | str = "auto",
        steps_per_execution: int | str = "auto",
    ) -> None:
        """Prepares for training; see `AdversarialModel.compile`.

        Args:
            optimizer, loss, metrics, jit_compile, steps_per_execution: as there.

        Raises:
            ValueError: as there, and with `balance=True` for a loss other than `"minimax"` and
                `"non_saturating"`.
        """
        chosen = losses.get(self.default_loss if loss is None else loss)
        if self.balance and not isinstance(chosen, (losses.Minimax, losses.NonSaturating)):
            raise ValueError(
                f"loss={loss!r} gives no probabilities, which balance=True needs to see which "
                "network is ahead; use 'minimax' or 'non_saturating', or a VAEGAN with "
                "balance=False."
            )
        super().compile(
            optimizer,
            chosen,
            metrics=metrics,
            jit_compile=jit_compile,
            steps_per_execution=steps_per_execution,
        )

    # The game ----------------------------------------------------------------------------------

    def train_step(self, data):
        """Updates each player, on the networks as they were when the step began."""
        images, _ = self.real_batch(data)
        shape = (ops.shape(images)[0], self.latent_dim)
        samples_of = keras.random.normal(shape, dtype="float32", seed=self.seed_generator)
        logs = {}

        def update(player, loss_fn):
            loss, found = backend.update(
                loss_fn, self.part_variables(player), self.optimizer[player]
            )
            logs[f"{player}_loss"] = loss
            logs.update(found)

        update("encoder", lambda: self.encoder_loss(images))
        codes = logs.pop("codes")

        def of_generator():
            loss, found = self.generator_loss(images, codes, samples_of)
            # What is logged is the loss itself.
            return self._counted(loss, found, "generator"), {**found, "its_loss": loss}

        update("generator", of_generator)
        logs["generator_loss"] = logs.pop("its_loss")
        made = logs.pop("made")

        def of_discriminator():
            loss, found = self.discriminator_loss(images, *made)
            return self._counted(loss, logs, "discriminator"), {**found, "its_loss": loss}

        update("discriminator", of_discriminator)
        logs["discriminator_loss"] = logs.pop("its_loss")
        return self.track(logs)

    def test_step(self, data):
        """The losses of a batch; the pauses are those that this batch would cause."""
        images, _ = self.real_batch(data)
        shape, seed = (ops.shape(images)[0], self.latent_dim), self.evaluation_seed
        samples_of = keras.random.normal(shape, dtype="float32", seed=seed)
        loss, logs = self.encoder_loss(images, training=False)
        logs["encoder_loss"], codes = loss, logs.pop("codes")
        loss, found = self.generator_loss(images, codes, samples_of, training=False)
        logs |= {**found, "generator_loss": loss}
        loss, found = self.discriminator_loss(images, *logs.pop("made"), training=False)
        return self.track({**logs, **found, "discriminator_loss": loss})

    def encoder_loss(self, real, training=True):
        """The encoder's loss and logs, which include the codes that it drew."""
        mean, log_variance = self.posterior_network(real, training=training)
        seed = self.seed_generator if training else self.evaluation_seed
        codes = drawn_code(mean, log_variance, seed)
        divergence = likelihoods.kl_from_standard_normal(mean, log_variance)
        kl = ops.mean(ops.sum(divergence, axis=-1))
        _, features = self.discriminator(real, training=training)
        _, of_made = self.discriminator(self.generator(codes, training=training), training=training)
        error = feature_error(features, of_made)
        return kl + error, {"kl": kl, "reconstruction": error, "codes": codes}

    def generator_loss(self, real, codes, samples_of, training=True):
        """The generator's loss and logs: `(loss, logs)`.

        Args:
            real: images.
            codes: the codes that the encoder drew for them.
            samples_of: as many codes from N(0, I).
            training: False in evaluation.
        """
        made = [self.generator(z, training=training) for z in (codes, samples_of)]
        real_logits, features = self.discriminator(real, training=training)
        found = [self.discriminator(images, training=training) for images in made]
        error = feature_error(features, found[0][1])
        game = sum(0.25 * self.fooling_loss(logits, lambda: real_logits) for logits, _ in found)
        logs = {"made": made}
        if self.balance:
            logs |= self._pauses(real_logits, [logits for logits, _ in found])
        return self.gamma * error + game, logs

    def discriminator_loss(self, real, reconstructions, samples, training=True):
        """The discriminator's loss and logs: `(loss, logs)`."""
        real_logits, _ = self.discriminator(real, training=training)
        loss = 0.0
        for images in (reconstructions, samples):
            logits, _ = self.discriminator(images, training=training)
            loss += 0.25 * self.adversarial_loss.discriminator(real_logits, logits)
        return loss, {}

    def _pauses(self, real_logits, made_logits):
        """Which players pause at this step: dict of float32 scalars, 0 or 1."""
        real, *made = (ops.cast(logits, "float32") for logits in (real_logits, *made_logits))
        of_real = ops.mean(ops.softplus(-real))
        of_made = sum(ops.mean(ops.softplus(logits)) for logits in made) / len(made)
        low, high = self.equilibrium - self.margin, self.equilibrium + self.margin
        discriminator = ops.logical_or(of_real < low, of_made < low)
        generator = ops.logical_or(of_real > high, of_made > high)
        one = ops.logical_not(ops.logical_and(discriminator, generator))
        return {
            "discriminator_pauses": ops.cast(ops.logical_and(discriminator, one), "float32"),
            "generator_pauses": ops.cast(ops.logical_and(generator, one), "float32"),
        }

    def _counted(self, loss, logs, player):
        """The loss, or 0 of it while the player pauses; the update itself has no condition."""
        return (1.0 - logs[f"{player}_pauses"]) * loss if self.balance else loss

    def posterior(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The mean and the standard deviation of q(z|x); see `kerasgan.VAE.posterior`."""
        mean = self.encode(images)  # which checks them
        some = (np.asarray(images[i : i + 64], "float32") for i in range(0, max(len(mean), 1), 64))
        found = [backend.predict(self.posterior_network, images)[1] for images in some]
        return mean, np.exp(0.5 * np.concatenate(found))

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "latent_dim": self.latent_dim,
            "base_width": self.base_width,
            "gamma": self.gamma,
            "balance": self.balance,
        }


def feature_error(features, of_made):
    """Half the squared differences of features, summed over each image: the mean over the batch."""
    differences = ops.cast(features, "float32") - ops.cast(of_made, "float32")
    return 0.5 * ops.mean(ops.sum(ops.square(differences), axis=(1, 2, 3)))

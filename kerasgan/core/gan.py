"""Generative adversarial networks, Goodfellow et al. 2014."""

from numbers import Real
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from kerasgan import backend, checks
from kerasgan.augmentation.base import Augmentation
from kerasgan.core.adversarial_model import AdversarialModel
from kerasgan.layers.minibatch import split_batch
from kerasgan.losses.adversarial import AdversarialLoss
from kerasgan.losses.penalties import GradientPenalty, Penalty
from kerasgan.roles.generates_images import HasLatents
from kerasgan.training import ema
from kerasgan.training.discriminating import Discriminates


class Shown(NamedTuple):
    """The data that both players get in a training step.

    Attributes:
        real, fake: as many real as generated images.
        labels: their labels, or None if the game is unconditional.
        latents: what `fake` was made from.
    """

    real: Any
    fake: Any
    labels: Any
    latents: Any


@keras.saving.register_keras_serializable(package="kerasgan")
class GAN(HasLatents, Discriminates, AdversarialModel):
    """A generator and a discriminator of any architecture, trained against each other.

    Each batch of `fit` is one round of Algorithm 1 of the paper: `discriminator_steps` updates
    of the discriminator, each on its own part of the batch and as many generated images, then
    one update of the generator. The models of the zoo are this class with a paper's networks.

    Two things differ from the algorithm. The generator is updated on the images that the
    discriminator saw last, judged again by the updated discriminator, while the paper draws new
    images: this has the same expectation, and saves a forward pass. And the optimizer is Adam.

    With `num_classes` the model is conditional: the data is (images, labels), and both networks
    take the label as a second input. Generated images get the labels of the real ones in their
    batch. The attribute `class_names` names the classes: a tuple of str that `fit` takes from the
    data if it has names (`kerasgan.data.class_names`), or that you set. It is saved and exported
    with the model. `generate` accepts names as labels, and data with other names raises an error.

    Args:
        generator: Keras model, latents (batch, latent_dim) to images (batch, height, width,
            channels) in [-1, 1], or to vectors (batch, n) of any range. If conditional,
            [latents, int labels (batch,)] to images.
        discriminator: Keras model, images to logits (no sigmoid) of any shape. If conditional,
            [images, labels] to logits.
        latent_dim: int, length of the noise vector, which is drawn from N(0, I).
        num_classes: None, or int: the labels are 0 to num_classes - 1.
        ema_decay: None, or the decay of an exponential moving average of the generator's weights,
            e.g. 0.999. With it `generate`, `evaluate` and `export` use the averaged copy. In every
            model the decay after n updates is at most (1 + n) / (10 + n); otherwise the average of
            a short run would be mostly its random initial weights. Papers instead start averaging
            late (BigGAN after 20,000 updates), or keep the decay constant.
        seed: int or None, the seed of the latents in training.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: when the shapes of the networks do not match each other or `latent_dim`.

    Example:

    >>> generator = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
    >>> discriminator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> gan = kerasgan.GAN(generator, discriminator, latent_dim=8)
    >>> gan.compile()
    >>> history = gan.fit(kerasgan.data.load("ring8", batch_size=500), epochs=1, verbose=0)
    >>> gan.generate(4, seed=0).shape
    (4, 2)

    Reference: Generative Adversarial Networks, Goodfellow et al., 2014, arXiv:1406.2661.
    """

    default_discriminator_steps = 1
    discriminator_takes_labels = True  # if the game is conditional

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        latent_dim: int,
        *,
        num_classes: int | None = None,
        ema_decay: float | None = None,
        seed: int | None = None,
        **kwargs,
    ):
        is_number = isinstance(ema_decay, Real)
        if ema_decay is not None and not (is_number and 0.0 < ema_decay < 1.0):
            raise ValueError(f"ema_decay={ema_decay!r}; use None or a number between 0 and 1.")
        if not isinstance(latent_dim, (int, np.integer)) or latent_dim < 1:
            raise ValueError(f"latent_dim={latent_dim!r}; use a whole number of at least 1.")
        if num_classes is not None and (not isinstance(num_classes, int) or num_classes < 2):
            raise ValueError(f"num_classes={num_classes!r}; use None or a number of at least 2.")
        super().__init__(seed=seed, **kwargs)
        self.layers_of_game: list = []  # those of penalties and of the augmentation
        self.latent_dim = int(latent_dim)
        self.num_classes = num_classes
        self.ema_decay = ema_decay
        self.generator = generator
        self.discriminator = discriminator
        self.image_shape = self._connect()
        self.ema_generator = (
            ema.copy_network(generator, self._symbolic_inputs((self.latent_dim,)))
            if ema_decay is not None
            else None
        )

    def _symbolic_inputs(self, shape):
        image_or_latents = keras.Input(shape)
        return self.with_labels(image_or_latents, self._symbolic_condition())

    def _symbolic_condition(self):
        if self.condition is None:
            return None
        return keras.Input(self.condition.shape, dtype=self.condition.dtype)

    def _connect(self):
        """Checks that the networks match; returns the shape of the generator's output."""
        latents = (self.latent_dim,)
        # Models that are conditioned on a vector check their inputs themselves.
        labelled = self.condition is None or self.condition.num_classes is not None
        classes = {"num_classes": self.num_classes} if labelled else {"any_number": True}
        checks.check_inputs(self.generator, "generator", latents, "latents", **classes)
        image_shape = tuple(self.generator(self._symbolic_inputs(latents)).shape[1:])
        classes = classes if self.discriminator_takes_labels else {"any_number": True}
        what = "what the generator makes"
        checks.check_inputs(self.discriminator, "discriminator", image_shape, what, **classes)
        self.discriminate(keras.Input(image_shape), self._symbolic_condition(), training=False)
        checks.check_generator(self.generator, image_shape)
        checks.check_discriminator(self.discriminator)
        return image_shape

    @property
    def players(self) -> dict[str, list]:
        return {"discriminator": [self.discriminator], "generator": [self.generator]}

    @property
    def networks_and_averages(self) -> list[keras.Model]:
        average = [] if self.ema_generator is None else [self.ema_generator]
        return [*super().networks_and_averages, *average]

    @property
    def further_players(self) -> list[str]:
        """The names of the players besides these two; most models have none."""
        return [player for player in self.players if player not in ("discriminator", "generator")]

    @classmethod
    def batch_size_for(cls, /, **settings) -> int:
        """The batch size of `fit` that gives each update as many examples as in the paper: int.

        Args:
            **settings: arguments of the constructor and of `compile` that are not the defaults.

        Example:

        >>> kerasgan.WGANGP.batch_size_for()  # five updates of the critic, 64 images each
        320
        >>> kerasgan.WGANGP.batch_size_for(discriminator_steps=2)
        128
        """
        steps = settings.get("discriminator_steps")
        if not isinstance(steps, int) or steps < 1:  # None, or what `compile` refuses
            steps = cls.default_discriminator_steps
        return cls.default_batch_size // cls.default_discriminator_steps * steps

    def compile(
        self,
        optimizer: str | keras.Optimizer | dict | None = None,
        loss: str | AdversarialLoss | None = None,
        *,
        penalties: str | Penalty | list | None = None,
        augmentation: str | Augmentation | None = None,
        discriminator_steps: int | None = None,
        metrics: list | None = None,
        jit_compile: bool | str = "auto",
        steps_per_execution: int | str = "auto",
    ) -> None:
        """Prepares for training; see `AdversarialModel.compile` for the other arguments.

        Args:
            penalties: the penalties to add to the discriminator's loss: None for the paper's
                gradient penalties, one or a list of `kerasgan.losses.Penalty` or their names, `[]`
                for none.
            augmentation: how to augment the images that the discriminator sees in training: None
                for no augmentation, `"ada"`, `"diffaugment"`, or a
                `kerasgan.augmentation.Augmentation`. Use it when you have few images.
            discriminator_steps: updates of the discriminator per update of the generator (k in the
                paper), or None for the paper's number. Each sees its own part of the batch, so
                choose a batch size that many times larger; `batch_size_for` returns the paper's.

        Raises:
            ValueError: when `discriminator_steps` is not a whole number of at least 1; for an
                unknown penalty or augmentation, or an augmentation that cannot change the model's
                images.
        """
        if discriminator_steps is None:
            discriminator_steps = self.default_discriminator_steps
        if not isinstance(discriminator_steps, int) or discriminator_steps < 1:
            raise ValueError(
                f"discriminator_steps={discriminator_steps!r}; use a whole number of at least 1."
            )
        self.choose_game(self.default_penalties() if penalties is None else penalties, augmentation)
        super().compile(
            optimizer,
            loss,
            metrics=metrics,
            jit_compile=jit_compile,
            steps_per_execution=steps_per_execution,
        )
        self.discriminator_steps = discriminator_steps

    def compile_arguments(self) -> dict:
        return {
            **super().compile_arguments(),
            "penalties": list(self.penalties),
            "augmentation": self.augmentation,
            "discriminator_steps": self.discriminator_steps,
        }

    def updates_per_batch(self, part: str) -> float:
        return self.discriminator_steps if part == "discriminator" else 1

    def default_penalties(self) -> GradientPenalty | list:
        """The paper's gradient penalties; by default none."""
        return []

    @property
    def loss_names(self) -> tuple[str, ...]:
        return (*super().loss_names, *self.penalties_by_name, *self.augmentation_logs())

    def train_step(self, data):
        """Runs a round of Algorithm 1 on a batch of real images; returns the mean losses so far.

        Further players are updated after these two, each on its `<player>_loss`.
        """
        images, labels = self.real_batch(data)
        updates_before = self.optimizer["generator"].iterations + 0  # a copy: it is counted up
        steps = self.discriminator_steps
        self.power_iteration("generator")
        logs = []
        for part in zip(split_batch(images, steps), split_batch(labels, steps), strict=True):
            shown, generated = self.show(*part)
            logs.append(self.move("discriminator", shown))
        logs = {name: sum(log[name] for log in logs) / steps for name in logs[0]}
        logs |= self.move("generator", shown, generated)
        for player in self.further_players:
            logs |= self.move(player, shown)
        if self.ema_generator is not None:
            updates = self.optimizer["generator"].iterations
            average, weights = map(self.averaged_weights, (self.ema_generator, self.generator))
            moved = updates > updates_before  # or gradients were only accumulated
            decay = self.ema_decay_after(updates, ops.shape(images)[0] * backend.replicas())
            ema.update_average(average, weights, decay, updates, moved)
        return self.track(logs | self.augmentation_logs())

    def show(self, real, labels):
        """Generates images to show to the discriminator beside real ones.

        Returns:
            A `Shown`, and the result of `backend.forward`: the images with the generator's
            regularization losses, and how gradients flow back through them.
        """
        latents = self.sample_latents(ops.shape(real)[0])
        generated = backend.forward(
            lambda: self.generate_like(real, latents, labels), self.part_variables("generator")
        )
        (fake, _), _ = generated
        return Shown(real, fake, labels, latents), generated

    def move(self, player, shown, generated=None):
        """Updates a player on its loss; returns the logs.

        Args:
            player: str.
            shown: `Shown`.
            generated: for the generator, the second result of `show`.
        """
        player_loss = getattr(self, f"{player}_loss")

        def of_generated(images_and_regularization):
            fake, regularization = images_and_regularization
            loss, logs = player_loss(shown.real, fake, shown.labels, shown.latents)
            return loss + regularization, logs

        if generated is None:
            self.power_iteration(player)
        with self.looking():
            loss, logs = backend.update(
                (lambda: player_loss(*shown)) if generated is None else of_generated,
                self.part_variables(player),
                self.optimizer[player],
                forwarded=generated,
            )
        return {f"{player}_loss": loss, **logs}

    def ema_decay_after(self, updates, batch_size):
        """The decay of the averaged copy after so many updates of the generator: constant."""
        return self.ema_decay

    def averaged_weights(self, network: keras.Model) -> list:
        """The weights of a generator that the averaged copy follows; by default all."""
        return network.weights

    def discriminator_loss(self, real, fake, labels, latents, training=True):
        """The discriminator's loss and logs: `(loss, logs)`.

        Args:
            real, fake: as many real as generated images.
            labels: their labels, or None if the game is unconditional.
            latents: what `fake` was made from.
            training: False in evaluation.
        """
        real_logits = self.discriminate(real, labels, training=training)
        fake_logits = self.discriminate(fake, labels, training=training)
        loss = self.judging_loss(real_logits, fake_logits)
        return self.with_penalties(loss, real, fake, labels, training)

    def generator_loss(self, real, fake, labels, latents, training=True):
        """The generator's loss and logs: `(loss, logs)`; see `discriminator_loss`."""
        fake_logits = self.discriminate(fake, labels, training=training)
        return self.fooling_loss(fake_logits, self.real_logits(real, labels, training)), {}

    def real_logits(self, real, labels, training):
        """A function that returns the logits of real images, for `fooling_loss`."""
        return lambda: self.discriminate(real, labels, training=training)

    def discriminate(self, images, labels, training):
        """The discriminator's logits; only conditional models use `labels`."""
        inputs = self.with_labels(self.seen(images), labels)
        return self.discriminator(inputs, training=training)

    def generate_like(self, real, latents, labels):
        """Images of the form of `real`, and the generator's regularization losses."""
        fake = self.generator(self.with_labels(latents, labels), training=True)
        fake = ops.cast(fake, real.dtype)
        return fake, sum(self.generator.losses, start=ops.zeros((), "float32"))

    def sample_latents(self, num_images, seed=None):
        """Latents (num_images, latent_dim) from N(0, I), as training draws them."""
        seed = self.seed_generator if seed is None else seed
        shape = (num_images, self.latent_dim)
        return self.to_latents(keras.random.normal(shape, dtype="float32", seed=seed))

    def test_step(self, data):
        """The losses of a batch of real images and as many generated ones."""
        real, labels = self.real_batch(data)
        latents = self.sample_latents(ops.shape(real)[0], seed=self.evaluation_seed)
        fake = self.sampling_generator(self.with_labels(latents, labels), training=False)
        shown = Shown(real, ops.cast(fake, real.dtype), labels, latents)
        logs = {}
        for player in ("discriminator", "generator", *self.further_players):
            loss, other = getattr(self, f"{player}_loss")(*shown, training=False)
            logs |= {f"{player}_loss": loss, **other}
        logs["generator_loss"] += sum(self.generator.losses)
        return self.track(logs | self.augmentation_logs())

    # Using what was trained ----------------------------------------------------------------------

    @property
    def sampling_generator(self) -> keras.Model:
        """The network that draws samples: the averaged copy if there is one."""
        return self.generator if self.ema_generator is None else self.ema_generator

    def call(self, inputs, training=False):
        """Latents (batch, latent_dim), or [latents, labels], to images by `sampling_generator`."""
        network = self.generator if training else self.sampling_generator
        return network(inputs, training=training)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "generator": keras.saving.serialize_keras_object(self.generator),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
            "latent_dim": self.latent_dim,
            **({} if self.num_classes is None else {"num_classes": self.num_classes}),
            "ema_decay": self.ema_decay,
        }

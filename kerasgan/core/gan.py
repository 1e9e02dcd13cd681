"""Generative adversarial networks, Goodfellow et al. 2014: the game of two players."""

from numbers import Real

import keras
import numpy as np
from keras import ops

from kerasgan import backend, checks, losses
from kerasgan.checks import class_names as naming
from kerasgan.checks import float_images
from kerasgan.core.adversarial_model import AdversarialModel
from kerasgan.export.saved_model import Computation, export_model
from kerasgan.layers.minibatch import split_batch
from kerasgan.sampling.normals import erf, erfinv, standard_normal
from kerasgan.training import ema
from kerasgan.training.optimizers import adam
from kerasgan.utils.image_numbers import numbers_of_images


@keras.saving.register_keras_serializable(package="kerasgan")
class GAN(AdversarialModel):
    """A generator and a discriminator, of any architecture, that play against each other.

    Each batch of `fit` is one round of Algorithm 1 of the paper: `discriminator_steps` updates
    of the discriminator, each on its own part of the batch and as many generated images, then
    one update of the generator. The models of the zoo are this class with a paper's networks.

    Two things differ from the algorithm box. The generator is updated on the images that the
    discriminator was last shown, judged anew by the updated discriminator, where the paper draws
    new ones: the same expectation, and a forward pass less. And the optimizers are Adam's.

    With `num_classes` the game is conditional: the data is (images, labels), and both networks take
    the label as a second input. Generated images get the labels of the real ones of their batch.
    Its attribute `class_names` says what the labels stand for: a tuple of str that `fit` takes from
    data that has one (`kerasgan.data.class_names`), or that you set. It is saved and exported with
    the model; `generate` takes names as labels; data with other names is refused.

    Args:
        generator: Keras model, latents (batch, latent_dim) to images (batch, height, width,
            channels) in [-1, 1], or to vectors (batch, n) of any range. If conditional,
            [latents, int labels (batch,)] to images.
        discriminator: Keras model, images to logits (no sigmoid) of any shape. If conditional,
            [images, labels] to logits.
        latent_dim: int, length of the noise vector, which is drawn from N(0, I).
        num_classes: None, or int: the labels are 0 to num_classes - 1.
        ema_decay: None, or the share that the averaged copy of the generator keeps of itself at
            each update, e.g. 0.999. With it `generate`, `evaluate` and `export` use the copy. After
            n updates the share is at most (1 + n) / (10 + n), in every model: else the average of a
            short run would be its random initial weights. Papers rather begin to average late
            (BigGAN after 20,000 updates), or keep the share.
        seed: int or None, where the latents of training start.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        ValueError: when the networks do not fit each other or `latent_dim`.

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
    truncation_limits = None  # what endpoints take as truncation, where the paper has it
    noise_shapes = ()  # of an image's noise, where the generator has layers that add some

    def __init__(
        self,
        generator,
        discriminator,
        latent_dim,
        *,
        num_classes=None,
        ema_decay=None,
        seed=None,
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
        self.latent_dim = int(latent_dim)
        self.num_classes = num_classes
        self._class_names = None
        self.ema_decay = ema_decay
        self.generator = generator
        self.discriminator = discriminator
        self.image_shape = self._connect()
        self.ema_generator = (
            ema.copy_network(generator, self._inputs((self.latent_dim,)))
            if ema_decay is not None
            else None
        )

    @property
    def class_names(self):
        """The names of the classes, the name of label i at position i, or None: tuple of str."""
        return self._class_names

    @class_names.setter
    def class_names(self, names):
        if names is not None and self.num_classes is None:
            raise ValueError(
                f"class_names={names!r}: this {type(self).__name__} is unconditional, it has no "
                "classes."
            )
        self._class_names = None if names is None else naming.checked(names, self.num_classes)

    def agree_on_classes(self, data, learn=False):
        names = naming.of_data(data)
        if self.num_classes is None or names is None:
            return
        if self.class_names is None and len(names) > self.num_classes:
            raise ValueError(
                f"the data has {len(names)} classes ({naming.listed(names)}), and "
                f"{type(self).__name__} num_classes={self.num_classes}; make a model with "
                f"num_classes={len(names)}, or choose other data."
            )
        naming.compare(self.class_names, names, f"this {type(self).__name__}", "the data")
        if learn and self.class_names is None:
            others = range(len(names), self.num_classes)
            self.class_names = (*names, *(f"unnamed {label}" for label in others))

    def _inputs(self, shape):
        image_or_latents = keras.Input(shape)
        if self.num_classes is None:
            return image_or_latents
        return [image_or_latents, keras.Input((), dtype="int32")]

    def _connect(self):
        """Checks that the networks fit each other; returns the shape that the generator makes."""
        _check_input(self.generator, "generator", (self.latent_dim,), "latents")
        self._check_number_of_inputs(self.generator, "generator")
        image_shape = tuple(self.generator(self._inputs((self.latent_dim,))).shape[1:])
        _check_input(self.discriminator, "discriminator", image_shape, "what the generator makes")
        if type(self).discriminate is GAN.discriminate:  # others may tell it no label
            self._check_number_of_inputs(self.discriminator, "discriminator")
        label = None if self.num_classes is None else keras.Input((), dtype="int32")
        self.discriminate(keras.Input(image_shape), label, training=False)
        checks.check_generator(self.generator, image_shape)
        checks.check_discriminator(self.discriminator)
        return image_shape

    def _check_number_of_inputs(self, network, role):
        inputs = getattr(network, "inputs", None) or []
        wanted = 1 if self.num_classes is None else 2
        if inputs and len(inputs) != wanted:
            raise ValueError(
                f"the {role} has {len(inputs)} inputs; with num_classes={self.num_classes} it has "
                f"to have {wanted}: {'no label' if wanted == 1 else 'the second is the label'}."
            )

    @property
    def players(self):
        return {"discriminator": [self.discriminator], "generator": [self.generator]}

    @property
    def networks_and_averages(self):
        average = [] if self.ema_generator is None else [self.ema_generator]
        return [*super().networks_and_averages, *average]

    @property
    def further_players(self):
        """The names of the players beyond those two, of which most games have none."""
        return [player for player in self.players if player not in ("discriminator", "generator")]

    @classmethod
    def batch_size_for(cls, /, **settings):
        """The batch of `fit` with which each update sees as many examples as in the paper: int.

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

    def default_optimizers(self):
        """Adam(2e-4, beta_1=0.5) for both, the setting of Radford et al. 2016."""
        return {player: adam(2e-4, beta_1=0.5) for player in self.players}

    def compile(
        self,
        optimizer=None,
        loss=None,
        *,
        penalties=None,
        discriminator_steps=None,
        metrics=None,
        jit_compile="auto",
        steps_per_execution="auto",
    ):
        """Prepares for training; see `AdversarialModel.compile` for the other arguments.

        Args:
            penalties: gradient penalties that the discriminator pays: None for the paper's, one or
                a list of `kerasgan.losses.GradientPenalty` or their names, `[]` for none.
            discriminator_steps: updates of the discriminator for one of the generator (k in the
                paper), or None for the paper's number. Each sees its own part of the batch, so
                choose the batch size that many times larger; `batch_size_for` says the paper's.

        Raises:
            ValueError: when it is not a whole number of at least 1.
        """
        if discriminator_steps is None:
            discriminator_steps = self.default_discriminator_steps
        if not isinstance(discriminator_steps, int) or discriminator_steps < 1:
            raise ValueError(
                f"discriminator_steps={discriminator_steps!r}; use a whole number of at least 1."
            )
        self.penalties = losses.get_penalties(
            self.default_penalties() if penalties is None else penalties
        )
        super().compile(
            optimizer,
            loss,
            metrics=metrics,
            jit_compile=jit_compile,
            steps_per_execution=steps_per_execution,
        )
        self.discriminator_steps = discriminator_steps
        for metric in self.generative_metrics:
            if getattr(metric, "paired", False):
                raise ValueError(
                    f"metrics holds {type(metric).__name__}, which compares images in pairs; "
                    "images made from noise have no partners. It is for models that translate."
                )

    def compile_arguments(self):
        return {
            **super().compile_arguments(),
            "penalties": list(self.penalties),
            "discriminator_steps": self.discriminator_steps,
        }

    def default_penalties(self):
        """The paper's gradient penalties; none."""
        return []

    @property
    def loss_names(self):
        return (*super().loss_names, *(["gradient_penalty"] if self.penalties else []))

    # The game ----------------------------------------------------------------------------------

    def train_step(self, data):
        """One round of Algorithm 1 on a batch of real images; returns the mean losses so far.

        Players beyond the two move after them, each on its `<player>_loss`.
        """
        images, labels = self.real_batch(data)
        updates_before = self.optimizer["generator"].iterations + 0  # a copy: it is counted up
        steps = self.discriminator_steps
        logs = []
        self.improve_estimates("generator")
        for real, labels in zip(  # noqa: B020
            split_batch(images, steps), split_batch(labels, steps), strict=True
        ):
            latents = self.sample_latents(ops.shape(real)[0])
            generated, pullback = backend.forward(
                lambda: self.generate_like(real, latents, labels),
                self.player_variables("generator"),
            )
            fake = generated[0]
            self.improve_estimates("discriminator")
            loss, other = backend.update(
                lambda: self.discriminator_loss(real, fake, labels, latents),
                self.player_variables("discriminator"),
                self.optimizer["discriminator"],
            )
            logs.append({"discriminator_loss": loss, **other})
        logs = {name: sum(log[name] for log in logs) / steps for name in logs[0]}

        def generator_loss(generated):
            fake, regularization = generated
            loss, other = self.generator_loss(real, fake, labels, latents)
            return loss + regularization, other

        loss, other = backend.update(
            generator_loss,
            self.player_variables("generator"),
            self.optimizer["generator"],
            forwarded=(generated, pullback),
        )
        logs |= {"generator_loss": loss, **other}
        for player in self.further_players:
            self.improve_estimates(player)
            player_loss = getattr(self, f"{player}_loss")
            loss, other = backend.update(
                lambda: player_loss(real, fake, labels, latents),
                self.player_variables(player),
                self.optimizer[player],
            )
            logs |= {f"{player}_loss": loss, **other}
        if self.ema_generator is not None:
            updates = self.optimizer["generator"].iterations
            average, weights = map(self.averaged_weights, (self.ema_generator, self.generator))
            moved = updates > updates_before  # or gradients were only accumulated
            decay = self.ema_decay_after(updates)
            ema.update_average(average, weights, decay, updates, moved)
        return self.track(logs)

    def ema_decay_after(self, updates):
        """The decay of the averaged copy after so many updates of the generator: constant."""
        return self.ema_decay

    def averaged_weights(self, network):
        """Those weights of a generator that the averaged copy follows: all."""
        return network.weights

    def discriminator_loss(self, real, fake, labels, latents, training=True):
        """What the discriminator minimizes, and logs: `(loss, logs)`.

        Args:
            real, fake: as many real as generated images.
            labels: their labels, or None if the game is unconditional.
            latents: what `fake` was made from.
            training: False in evaluation.
        """
        real_logits = self.discriminate(real, labels, training=training)
        fake_logits = self.discriminate(fake, labels, training=training)
        loss = self.adversarial_loss.discriminator(real_logits, fake_logits)
        return self.with_penalties(loss, real, fake, labels, training)

    def generator_loss(self, real, fake, labels, latents, training=True):
        """What the generator minimizes, and logs: `(loss, logs)`; see `discriminator_loss`."""
        fake_logits = self.discriminate(fake, labels, training=training)
        return self.fooling_loss(fake_logits, real, labels, training), {}

    def fooling_loss(self, fake_logits, real, labels, training):
        """The generator's adversarial loss; real images are judged only if it looks at them."""
        real_logits = None
        if self.adversarial_loss.needs_real_logits:
            real_logits = self.discriminate(real, labels, training=training)
        return self.adversarial_loss.generator(fake_logits, real_logits)

    def with_penalties(self, loss, real, fake, labels, training):
        """The discriminator's loss with what its weights and gradients cost: `(loss, logs)`."""
        loss += sum(self.discriminator.losses)
        if not self.penalties:
            return loss, {}
        penalty = self.gradient_penalty(real, fake, labels, training)
        return loss + penalty, {"gradient_penalty": penalty}

    def gradient_penalty(self, real, fake, labels, training):
        """The sum of the penalties that `compile` was given: float32 scalar.

        In training it is what this update pays, with `every` taken into account; in evaluation the
        mean of what updates pay.
        """
        updates = self.optimizer["discriminator"].iterations

        def logits(images):
            return self.discriminate(images, labels, training=False)

        if training:
            costs = [p(logits, real, fake, self.seed_generator, updates) for p in self.penalties]
        else:
            points = [p.points(real, fake, self.evaluation_seed) for p in self.penalties]
            costs = [p.at_points(logits, x) for p, x in zip(self.penalties, points, strict=True)]
        return sum(costs)

    def discriminate(self, images, labels, training):
        """The discriminator's logits; `labels` are looked at by conditional models only."""
        return self.discriminator(self.with_labels(images, labels), training=training)

    def with_labels(self, images_or_latents, labels):
        """What a network takes: the labels as well if the game is conditional."""
        return images_or_latents if self.num_classes is None else [images_or_latents, labels]

    def generate_like(self, real, latents, labels):
        """Images in the form of `real`, and the generator's regularization losses."""
        fake = self.generator(self.with_labels(latents, labels), training=True)
        fake = ops.cast(fake, real.dtype)
        return fake, sum(self.generator.losses, start=ops.zeros((), "float32"))

    def sample_latents(self, num_images, seed=None):
        """Latents (num_images, latent_dim) from N(0, I), as training draws them."""
        seed = self.seed_generator if seed is None else seed
        return keras.random.normal((num_images, self.latent_dim), dtype="float32", seed=seed)

    def test_step(self, data):
        """Losses of a batch of real images and as many generated ones."""
        real, labels = self.real_batch(data)
        latents = self.sample_latents(ops.shape(real)[0], seed=self.evaluation_seed)
        fake = self.sampling_generator(self.with_labels(latents, labels), training=False)
        fake = ops.cast(fake, real.dtype)
        logs = {}
        for player in ("discriminator", "generator", *self.further_players):
            player_loss = getattr(self, f"{player}_loss")
            loss, other = player_loss(real, fake, labels, latents, training=False)
            logs |= {f"{player}_loss": loss, **other}
        logs["generator_loss"] += sum(self.generator.losses)
        return self.track(logs)

    def comparisons(self, batches, num_generated=None, seed=0):
        all_labels = np.zeros(0, "int32")
        start = 0

        def generate(stop):
            number = np.arange(start, stop) % max(len(all_labels), 1)
            labels = None if self.num_classes is None else all_labels[number]
            numbers = numbers_of_images(seed, range(start, stop))
            fake = self.generate_numbers(numbers, labels=labels)
            if fake.ndim != 4:
                return fake
            # One that grows makes smaller ones at first.
            zoom = self.real_image_shape[0] // fake.shape[1]
            fake = fake.repeat(zoom, axis=1).repeat(zoom, axis=2)
            return np.clip(fake, -1.0, 1.0)  # as a file would

        real = None
        for batch in batches:
            _, labels = self.real_batch(batch)
            real, *_ = keras.utils.unpack_x_y_sample_weight(batch)
            real = np.asarray(ops.convert_to_numpy(real), "float32")
            if labels is not None:
                all_labels = np.concatenate([all_labels, ops.convert_to_numpy(labels)])
            stop = start + len(real)
            if num_generated is not None:
                stop = min(stop, num_generated)
            yield real, generate(stop)
            start = stop
        if real is None:
            raise ValueError("the data holds no real images; the metrics compare with them.")
        while start < (num_generated or 0):
            stop = min(start + 256, num_generated)
            yield real[:0], generate(stop)
            start = stop

    def check_batch(self, data):
        images, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
        checks.refuse_weights(sample_weight=weights)
        if labels is not None and self.num_classes is None:
            raise ValueError(
                f"{type(self).__name__} is unconditional and takes images alone, but the data is "
                "(images, labels); leave the labels out (kerasgan.data: labels=False)."
            )
        if labels is None and self.num_classes is not None:
            raise ValueError(
                f"{type(self).__name__} is conditional and takes (images, labels), but the data is "
                "images alone; add the labels (kerasgan.data: labels=True)."
            )
        what = "the real images"
        ends = checks.check_images(images, what, self.real_image_shape, "the generator makes")
        if labels is not None:
            checks.check_labels(labels, "the labels", self.num_classes)
        return {what: ends} if ends and len(self.real_image_shape) == 3 else {}

    @property
    def batch_limits(self):
        limits = [checks.limits(self.real_image_shape)]
        return limits if self.num_classes is None else [*limits, (0, self.num_classes - 1)]

    def real_batch(self, data):
        """The images and labels (None if unconditional) of a batch that `fit` was given.

        Raises:
            ValueError: for what `check_batch` refuses.
        """
        self.check_batch(data)
        images, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        return self.real_images(images), None if labels is None else ops.cast(labels, "int32")

    @property
    def real_image_shape(self):
        """The shape of the images that `fit` and `evaluate` take."""
        return self.image_shape

    def real_images(self, images):
        """The images of a batch as float32.

        Raises:
            ValueError: for integers, for another image shape.
        """
        return float_images(images, self.real_image_shape, "the real images", "the generator makes")

    # Using what was trained ----------------------------------------------------------------------

    @property
    def sampling_generator(self):
        """The network that samples are drawn from: the average if there is one."""
        return self.generator if self.ema_generator is None else self.ema_generator

    def call(self, inputs, training=False):
        """Latents (batch, latent_dim), or [latents, labels], to images, by the average if any."""
        network = self.generator if training else self.sampling_generator
        return network(inputs, training=training)

    def latents(self, num_images, *, seed=None, truncation=None):
        """The latents that `generate` turns into images.

        Args:
            num_images: int, at least 0.
            seed: int, or None for new ones at each call (`keras.utils.set_random_seed` makes
                these reproducible, too). Row i of a seed does not depend on `num_images`.
            truncation: None, or the largest absolute value wanted: latents then follow the
                normal distribution truncated there. Each row moves continuously with it.

        Returns:
            float32 array (num_images, latent_dim).
        """
        return self.latents_of(self._numbers(num_images, seed), truncation)

    def _numbers(self, num_images, seed):
        if not isinstance(num_images, (int, np.integer)) or num_images < 0:
            raise ValueError(f"num_images={num_images!r}; use a whole number of at least 0.")
        seed = np.random.randint(2**31) if seed is None else seed
        return numbers_of_images(seed, range(num_images))

    def latents_of(self, numbers, truncation=None):
        """The latents of the images of these numbers; see `latents` and `generate_numbers`."""
        is_number = isinstance(truncation, Real)
        if truncation is not None and not (is_number and truncation > 0):
            raise ValueError(f"truncation={truncation!r}; use None or a number above 0.")
        normal = standard_normal(numbers, (self.latent_dim,))
        return ops.convert_to_numpy(self.latents_from_normal(normal, truncation))

    def latents_from_normal(self, normal, truncation=None):
        """Turns N(0, I) into latents: tensor (batch, latent_dim) to the same.

        Args:
            normal: float32 tensor or array.
            truncation: None, or a number or tensor (batch, 1).
        """
        return normal if truncation is None else _truncate(normal, truncation)

    def generate(self, num_images, *, seed=None, labels=None, truncation=None):
        """Draws images.

        Args:
            num_images: int, how many.
            seed: int, or None for new images at each call. Image i of a seed does not depend on
                `num_images`.
            labels: int for all images, or a sequence of num_images ints, or names of classes
                instead; only, and always, for conditional models.
            truncation: None, or the largest absolute value of a latent: smaller values give
                more typical and less varied images.

        Returns:
            float32 array (num_images, height, width, channels) in [-1, 1], or (num_images, n)
            for vectors.

        Raises:
            ValueError: for an argument out of range, labels that are missing or unexpected.

        Reference: the truncation trick is of Large Scale GAN Training for High Fidelity Natural
        Image Synthesis, Brock et al., 2019, arXiv:1809.11096, who draw again what falls outside;
        here the same distribution comes from the inverse of its cumulative distribution.
        """
        numbers = self._numbers(num_images, seed)
        return self.generate_numbers(numbers, labels=labels, truncation=truncation)

    def generate_numbers(self, numbers, *, labels=None, truncation=None):
        """Draws the images that have these numbers among all that the model can make.

        `generate(n, seed=s)` makes those from s * 2**32 on. Endpoints call the numbers seeds.

        Args:
            numbers: sequence of int from 0 to 2**63 - 1.
            labels, truncation: as for `generate`.

        Returns:
            As `generate`.
        """
        return self.generate_from(self.latents_of(numbers, truncation), labels=labels)

    def images_from_normal(self, normal, *others):
        """What `generate_numbers` does with random numbers, as a function of tensors.

        Args:
            normal: float32 tensor (batch, latent_dim).
            *others: `label`, int32 (batch,), if conditional; `truncation`, float32 (batch,), if
                there are `truncation_limits`; tensors (batch, *shape) of noise for `noise_shapes`.

        Returns:
            Tensor of images, or vectors.
        """
        labels = None if self.num_classes is None else others[0]
        truncation = None if self.truncation_limits is None else others[-1][:, None]
        latents = self.latents_from_normal(normal, truncation)
        return self.sampling_generator(self.with_labels(latents, labels), training=False)

    def generate_from(self, latents, *, labels=None):
        """Turns given latents into images; see `generate`.

        Args:
            latents: float array (num_images, latent_dim), such as `latents` returns.
            labels: as for `generate`.

        Returns:
            float32 array (num_images, height, width, channels) in [-1, 1], or (num_images, n)
            for vectors.

        Raises:
            ValueError: for latents of another shape, labels that are missing, unexpected or out of
                range.
        """
        latents = np.asarray(latents, "float32")
        if latents.ndim != 2 or latents.shape[1] != self.latent_dim:
            raise ValueError(
                f"latents has shape {latents.shape}; use (num_images, {self.latent_dim})."
            )
        num_images = len(latents)
        inputs = [latents]
        if labels is not None or self.num_classes is not None:
            inputs.append(self.checked_labels(labels, num_images))
        images = np.empty((num_images, *self.image_shape), "float32")
        for start in range(0, num_images, 64):
            chunk = slice(start, start + 64)
            of_chunk = [array[chunk] for array in inputs]
            images[chunk] = backend.predict(
                self.sampling_generator, of_chunk if len(of_chunk) > 1 else of_chunk[0]
            )
        return images

    def checked_labels(self, labels, num_images):
        """`labels` as `generate` takes them, as int32 array (num_images,).

        Raises:
            ValueError: for labels that are missing, unexpected, not whole, or out of range.
        """
        name = type(self).__name__
        if self.num_classes is None:
            raise ValueError(f"{name} is unconditional: generate takes no labels.")
        classes = f"0 to {self.num_classes - 1}"
        if labels is None:
            raise ValueError(
                f"{name} is conditional: generate needs labels, one for all images or one each, "
                f"from {classes}."
            )
        array = np.asarray(naming.to_numbers(labels, self.class_names))
        array = np.broadcast_to(array, (num_images,)) if array.ndim == 0 else array
        checks.check_labels(array, "the labels", self.num_classes, num_images)
        return array.astype("int32")

    def export(self, filepath, *, jit_compile=False, model_card=None):
        """Writes a SavedModel that TensorFlow Serving loads.

        It needs neither kerasgan nor Keras. Its signatures:

        - `serving_default`: `latent`, float32 (batch, latent_dim), and if conditional `label`,
          int32 (batch), to `images`, float32 (batch, height, width, channels) in [-1, 1].
        - `sample`, of models that make images: `seed`, int64 (batch), `label` if conditional, and
          `truncation`, float32 (batch), -1 for none, of models whose papers have it, to
          `image_bytes`, a PNG file each. The seeds are what `generate_numbers` takes, so those from
          s * 2**32 on give the images of `generate(n, seed=s)`. An image depends on its own seed
          only.

        A label, seed or truncation that is out of range is an INVALID_ARGUMENT. Exported under JAX,
        the file also shows the networks alone, as `generator` and `sampler`, which check nothing.

        `assets.extra/model_card.json` in it tells what the model is.

        Args:
            filepath: a folder that does not exist or is empty. TensorFlow Serving wants its last
                part to be a version number: `savedmodels/digits/1`.
            jit_compile: whether XLA compiles the networks where they are served, for each batch
                size anew. For GPUs: on a CPU it makes convolutions slower.
            model_card: dict of what else the model card is to tell.

        Raises:
            FileExistsError: when the folder holds something.
            RuntimeError: under PyTorch, which cannot write a SavedModel.
        """
        label = {"label": keras.InputSpec(shape=(None,), dtype="int32")}
        label = {} if self.num_classes is None else label
        latent = {"latent": keras.InputSpec(shape=(None, self.latent_dim), dtype="float32")}
        truncation = {"truncation": keras.InputSpec(shape=(None,), dtype="float32")}
        noise = {
            f"noise_{number}": keras.InputSpec(shape=(None, *shape), dtype="float32")
            for number, shape in enumerate(self.noise_shapes)
        }
        network = self.sampling_generator

        def generator(*inputs):
            return network(list(inputs) if label else inputs[0], training=False)

        sampler = {**latent, **label, **(truncation if self.truncation_limits else {}), **noise}
        card = {
            "latent_dim": self.latent_dim,
            "num_classes": self.num_classes,
            "class_names": self.class_names,
            "image_shape": self.image_shape,
            "truncation": self.truncation_limits,
        }

        def signatures(functions):
            from kerasgan.export.endpoints import noise_to_image

            return noise_to_image(
                functions,
                self.image_shape,
                self.latent_dim,
                self.num_classes,
                self.truncation_limits,
                self.noise_shapes,
            )

        export_model(
            filepath,
            [network],
            {
                "generator": Computation(generator, {**latent, **label}),
                "sampler": Computation(self.images_from_normal, sampler),
            },
            signatures,
            {**self.model_card(), **card, **(model_card or {})},
            jit_compile,
        )

    def get_config(self):
        return {
            **super().get_config(),
            "generator": keras.saving.serialize_keras_object(self.generator),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
            "latent_dim": self.latent_dim,
            **({} if self.num_classes is None else {"num_classes": self.num_classes}),
            **({} if self.class_names is None else {"class_names": self.class_names}),
            "ema_decay": self.ema_decay,
        }

    @classmethod
    def from_config(cls, config):
        for network in {"generator", "discriminator"} & set(config):
            config = {
                **config,
                network: keras.saving.deserialize_keras_object(config[network]),
            }
        names = config.get("class_names")
        config = {name: value for name, value in config.items() if name != "class_names"}
        model = super().from_config(config)
        model.class_names = names
        return model


def _check_input(network, role, shape, what):
    inputs = getattr(network, "inputs", None)  # a subclassed network has none
    expected = tuple(inputs[0].shape[1:]) if inputs else shape
    if not _compatible(expected, shape):
        raise ValueError(
            f"the {role} takes inputs of shape {expected}, but {what} have shape {shape}; give it "
            "that input shape."
        )


def _compatible(expected, shape):
    return len(expected) == len(shape) and all(
        e is None or e == s for e, s in zip(expected, shape, strict=True)
    )


def _truncate(normal, bound):
    """Maps N(0, 1) to the normal distribution truncated to [-bound, bound], monotonically."""
    root2 = np.sqrt(2.0).astype("float32")
    bound = ops.cast(bound, "float32")
    inside = erfinv(erf(normal / root2) * erf(bound / root2)) * root2
    # From there on nothing changes, but that float32 takes large numbers for infinite ones.
    return ops.clip(ops.where(bound > 5.0, normal, inside), -bound, bound)

"""Augmentation and penalties of a GAN's discriminator."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from keras import ops

from kerasgan import augmentation as augmentations
from kerasgan import losses
from kerasgan.augmentation.base import Augmentation
from kerasgan.losses.penalties import GradientPenalty, Penalty
from kerasgan.training.transfer import layers_from_image

if TYPE_CHECKING:
    from keras import Model as _Beside  # it uses what the model beside it has
else:
    _Beside = object


class Discriminates(_Beside):
    """The methods of `kerasgan.GAN` for augmentation and penalties.

    Attributes:
        penalties: list of `kerasgan.losses.Penalty`, once it is compiled.
        layers_of_game: list of the layers that these and the augmentation are, or have.
    """

    _view = None  # what the discriminator sees of images, a function, in updates

    def choose_game(
        self, penalties: str | Penalty | list, augmentation: str | Augmentation | None
    ) -> None:
        """Takes penalties and an augmentation as `compile` was given them.

        Raises:
            ValueError: for an unknown one, or an augmentation that cannot change the images.
        """
        augmentation = augmentations.get(augmentation)
        if augmentation is not None:
            augmentation.check_image_shape(self.real_image_shape)
        self.penalties = losses.get_penalties(penalties)
        # Keras forgets what leaves a list, but not what an attribute held before.
        self.layers_of_game.clear()
        self.layers_of_game.extend(p.state for p in self.penalties if p.state is not None)
        self.layers_of_game.extend([] if augmentation is None else [augmentation])

    @property
    def augmentation(self) -> Augmentation | None:
        """What changes the images that the discriminator sees in training, or None."""
        return next((x for x in self.layers_of_game if isinstance(x, Augmentation)), None)

    def augmentation_logs(self) -> dict:
        """What the augmentation logs, by name."""
        return {} if self.augmentation is None else self.augmentation.logs()

    def look_back(self) -> None:
        if self.augmentation is not None:
            self.augmentation.look_back()

    def freeze_discriminator(self, layers: int) -> list[str]:
        """FreezeD: freezes the discriminator's layers nearest to the image.

        These layers extract general features of images, which a small data set would only spoil.
        Use it on a trained model, from `kerasgan.load_model` or `kerasgan.transfer`. A compiled
        model is compiled again with the same arguments; its optimizers start anew.

        Args:
            layers: int, how many layers to freeze: at least 0, and less than the number of the
                discriminator's layers with weights. 0 unfreezes all layers.

        Returns:
            The names of the frozen layers, starting at the image.

        Raises:
            ValueError: for a number out of range, or for a discriminator whose layers have no fixed
                order, such as one that grows.

        Reference: Freeze the Discriminator: a Simple Baseline for Fine-Tuning GANs, Mo, Cho & Shin,
        2020, arXiv:2002.10964.
        """
        ordered = layers_from_image(self.discriminator)
        if not isinstance(layers, int) or not 0 <= layers < len(ordered):
            raise ValueError(
                f"layers={layers!r}; use a whole number from 0 to {len(ordered) - 1}: the "
                f"discriminator has {len(ordered)} layers with weights, and one has to learn."
            )
        for index, layer in enumerate(ordered):
            layer.trainable = index >= layers
        if self.compiled:
            self.compile(**self.compile_arguments())
        return [layer.name for layer in ordered[:layers]]

    # Seeing --------------------------------------------------------------------------------------

    def seen(self, images):
        """What the discriminator sees of images: in updates they are changed by the augmentation.

        Whatever shows images to the discriminator passes them through this.
        """
        return images if self._view is None else self._view(images)

    @contextlib.contextmanager
    def looking(self, view: Callable | None = None) -> Iterator[None]:
        """A context in which the discriminator sees changed images, as in an update.

        Args:
            view: function from images to what is seen; None for new changes at each look.
        """
        before, self._view = self._view, view or self._newly_changed
        try:
            yield
        finally:
            self._view = before

    def _newly_changed(self, images):
        return images if self.augmentation is None else self.augmentation(images)

    def judging_loss(self, real_logits, fake_logits):
        """The adversarial loss of who judges images; an augmentation looks on in updates."""
        if self._view is not None and self.augmentation is not None:
            self.augmentation.look(real_logits)
        return self.adversarial_loss.discriminator(real_logits, fake_logits)

    # Paying --------------------------------------------------------------------------------------

    @property
    def penalties_by_name(self) -> dict[str, list[Penalty]]:
        """The penalties that the discriminator pays, by the name under which they are logged."""
        names = dict.fromkeys(penalty.log_name for penalty in self.penalties)
        return {name: [p for p in self.penalties if p.log_name == name] for name in names}

    def with_penalties(self, loss, real, fake, labels, training):
        """The discriminator's loss with what its weights and gradients cost: `(loss, logs)`."""
        loss += sum(self.discriminator.losses)
        logs = {}
        for name, penalties in self.penalties_by_name.items():
            if name == GradientPenalty.log_name:
                logs[name] = self.gradient_penalty(real, fake, labels, training)
            else:
                logs[name] = self.paid(penalties, real, fake, labels, training)
        return loss + sum(logs.values()), logs

    def gradient_penalty(self, real, fake, labels, training):
        """The sum of the gradient penalties that `compile` was given; see `paid`."""
        penalties = self.penalties_by_name.get(GradientPenalty.log_name, [])
        return self.paid(penalties, real, fake, labels, training)

    def paid(self, penalties, real, fake, labels, training):
        """The sum of penalties: float32 scalar.

        In training it is what this update pays, with `every` taken into account; in evaluation the
        mean of what updates pay.
        """
        updates = self.optimizer["discriminator"].iterations

        def logits(images):
            return self.discriminate(images, labels, training=False)

        if not training:
            seed = self.evaluation_seed
            return sum(p.in_evaluation(logits, real, fake, seed) for p in penalties)
        here = filter(self.pays_in_loss, penalties)
        with self.looking(self._changed_once(real)):
            costs = [p(logits, real, fake, self.seed_generator, updates) for p in here]
        return sum(costs, start=ops.zeros((), "float32"))

    def pays_in_loss(self, penalty: Penalty) -> bool:
        """Whether a penalty is part of the loss of each update: bool."""
        return True

    def _changed_once(self, images):
        """Changes that are drawn now: a penalty may be in a branch, where nothing can be drawn."""
        if self.augmentation is None:
            return None
        draws = self.augmentation.draw(images)
        return lambda images: self.augmentation.change(images, draws)

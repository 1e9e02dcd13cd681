"""Lazy regularization: expensive penalties in updates of their own, Karras et al. 2020."""

from collections.abc import Callable
from typing import NamedTuple

import keras
from keras import ops

from kerasgan import backend
from kerasgan.augmentation.base import Augmentation
from kerasgan.core.image_gan import ImageGAN
from kerasgan.losses.adversarial import AdversarialLoss
from kerasgan.losses.penalties import Penalty


class LazyCost(NamedTuple):
    """A regularization term that a player minimizes in one of `every` steps.

    Attributes:
        name: str, the name under which it is logged.
        every: int of at least 2.
        of: function from a `kerasgan.core.gan.Shown` to a float32 scalar.
    """

    name: str
    every: int
    of: Callable


class LazilyRegularizedGAN(ImageGAN):
    """An `ImageGAN` with lazy regularization: some penalties have updates of their own.

    Karras et al. 2020, section 3.1: penalties on gradients change slowly and are expensive. In one
    of `every` steps the player's ordinary update is followed by an update on the penalty times
    `every`. Adam then makes k + 1 updates instead of k, so its learning rate is multiplied by c = k
    / (k + 1), and its betas are raised to the power c: `lazy_adam`.

    Which updates a step has depends only on the number of steps before it. So `fit` chooses among
    compiled steps, one for each combination, outside their graphs: a condition inside would trace
    an optimizer update that may not take place, and compute its state anyway. The number of steps
    is saved with the model.

    Gradient penalties with `every` above 1 are such penalties of the discriminator. A subclass adds
    others in `lazy_costs`.

    Args:
        As for `kerasgan.ImageGAN`.

    Reference: Analyzing and Improving the Image Quality of StyleGAN, Karras et al., 2020,
    arXiv:1912.04958, section 3.1 and appendix B.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.steps_trained = self.add_weight(
            (),
            "zeros",
            "int32",
            trainable=False,
            aggregation="only_first_replica",
            name="steps_trained",
        )
        self._step_number: int | None = None  # of the next step, once `fit` has looked
        self._due: tuple[bool, ...] | None = None

    def lazy_costs(self, player: str) -> list[LazyCost]:
        """The terms that a player minimizes in some steps only: list of `LazyCost`."""
        if player != "discriminator":
            return []
        return [
            LazyCost("gradient_penalty", p.every, lambda shown, p=p: self._penalty(p, shown))
            for p in self.penalties
            if p.every > 1
        ]

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
        """Prepares for training; see `kerasgan.GAN.compile`.

        Args:
            optimizer: as there; your own optimizers are used without correction.
            loss, penalties, augmentation, discriminator_steps, metrics, jit_compile: as there.
            steps_per_execution: 1 or `"auto"`, because steps differ here.

        Raises:
            ValueError: for more steps, or an optimizer that accumulates gradients.
        """
        if steps_per_execution not in (1, "auto"):
            raise ValueError(
                f"steps_per_execution={steps_per_execution!r}: the steps of {type(self).__name__} "
                "differ, as some have further updates; use 1 or 'auto'."
            )
        own = list(optimizer.values()) if isinstance(optimizer, dict) else [optimizer]
        for each in own:
            each = getattr(each, "inner_optimizer", each)
            accumulated = getattr(each, "gradient_accumulation_steps", None) or 1
            if accumulated > 1:
                raise ValueError(
                    f"optimizer accumulates the gradients of {accumulated} steps, but "
                    f"{type(self).__name__} cannot do this, because some steps have further "
                    "updates; use larger batches."
                )
        super().compile(
            optimizer,
            loss,
            penalties=penalties,
            augmentation=augmentation,
            discriminator_steps=discriminator_steps,
            metrics=metrics,
            jit_compile=jit_compile,
            steps_per_execution=1,
        )

    def lazy_adam(
        self, player: str, learning_rate: float, beta_1: float = 0.0, beta_2: float = 0.99
    ) -> keras.Optimizer:
        """Adam, corrected for a player's additional updates."""
        ordinary = 1.0 / (1.0 + self._further_updates(player))
        return keras.optimizers.Adam(
            learning_rate * ordinary, beta_1**ordinary, beta_2**ordinary, epsilon=1e-8
        )

    def updates_per_batch(self, part: str) -> float:
        """How often the part's optimizer moves it for a batch of `fit`, in the mean."""
        return super().updates_per_batch(part) * (1.0 + self._further_updates(part))

    def _further_updates(self, player):
        """How many there are for each ordinary one."""
        return sum(1.0 / cost.every for cost in self.lazy_costs(player))

    # The steps -----------------------------------------------------------------------------------

    def make_train_function(self, force=False):
        super().make_train_function(force)
        self._step_number = None

    def make_step(self) -> Callable:
        made, make = {}, super().make_step

        def step(*arguments):
            if self._step_number is None:
                self._step_number = self.iterations
            self._due = self._due_at(self._step_number)
            if self._due not in made:
                chooser = self.train_function  # which Keras replaces with what it makes
                made[self._due] = make()
                self.train_function = chooser
            result = made[self._due](*arguments)
            self._step_number += 1
            return result

        return step

    @property
    def iterations(self) -> int:
        return int(ops.convert_to_numpy(self.steps_trained))

    def _all_lazy_costs(self):
        return [(player, cost) for player in self.players for cost in self.lazy_costs(player)]

    def _due_at(self, number):
        return tuple(number % cost.every == 0 for _, cost in self._all_lazy_costs())

    def train_step(self, data):
        """One round of the game; see `kerasgan.GAN.train_step`."""
        logs = super().train_step(data)
        self.steps_trained.assign_add(1)
        return logs

    def move(self, player, shown, generated=None):
        logs = super().move(player, shown, generated)
        due = self._due_at(0) if self._due is None else self._due
        for is_due, (payer, cost) in zip(due, self._all_lazy_costs(), strict=True):
            if payer == player:
                paid = self._pay(player, cost, shown) if is_due else ops.zeros((), "float32")
                logs[cost.name] = logs.get(cost.name, 0.0) + paid
                logs[f"{player}_loss"] = logs[f"{player}_loss"] + paid
        return logs

    def _pay(self, player, cost, shown):
        variables = self.part_variables(player)

        def loss():
            # A gradient of zero rather than none, as JAX has it, for the last layer's bias.
            all_used = sum(ops.sum(ops.cast(v, "float32")) for v in variables)
            return cost.every * cost.of(shown) + 0.0 * all_used, {}

        with self.looking():
            paid, _ = backend.update(loss, variables, self.optimizer[player])
        return paid

    def _penalty(self, penalty, shown):
        points = penalty.points(shown.real, shown.fake, self.seed_generator)
        return penalty.at_points(
            lambda images: self.discriminate(images, shown.labels, training=False), points
        )

    def pays_in_loss(self, penalty: Penalty) -> bool:
        return penalty.every == 1

"""The base class of models whose networks are trained against each other."""

import keras

from kerasgan import losses
from kerasgan.core.generative_model import GenerativeModel
from kerasgan.losses.adversarial import AdversarialLoss
from kerasgan.training.optimizers import adam


class AdversarialModel(GenerativeModel):
    """A `GenerativeModel` whose parts are **players**: networks that play against each other.

    A subclass must define:

    - `players`: dict from a player's name to the list of its networks, which must be built;
    - `train_step(data)` and `test_step(data)`, which return `self.track(logs)`.

    By convention the loss of each player is a method `<player>_loss` that takes real data, then
    generated data, and `training`, and returns `(loss, logs)`.

    It may set:

    - `default_optimizers()`: the paper's optimizers, a dict by player name;
    - `default_loss`: the name of the paper's loss, if it is not `"non_saturating"`;
    - `loss_names`: the names of the logs of a step, if these are more than `<player>_loss` for
      each;
    - `default_batch_size`: the paper's images per update, times the updates that share a batch.

    Args:
        seed: int or None, the seed of the model's own random numbers; see `GenerativeModel`.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Reference: Generative Adversarial Networks, Goodfellow et al., 2014, arXiv:1406.2661.
    """

    owes = {"players": "a property: dict from a player's name to the list of its networks"}
    default_loss: str | AdversarialLoss = "non_saturating"

    @property
    def parts(self) -> dict[str, list]:
        """The players."""
        return self.players

    @property
    def loss_names(self) -> tuple[str, ...]:
        """Names of the losses that a step logs."""
        return tuple(f"{player}_loss" for player in self.players)

    def default_optimizers(self) -> dict[str, keras.Optimizer]:
        """Adam(2e-4, beta_1=0.5) for each player, the setting of Radford et al. 2016."""
        return {player: adam(2e-4, beta_1=0.5) for player in self.players}

    def compile(
        self,
        optimizer: str | keras.Optimizer | dict | None = None,
        loss: str | AdversarialLoss | None = None,
        *,
        metrics: list | None = None,
        jit_compile: bool | str = "auto",
        steps_per_execution: int | str = "auto",
    ) -> None:
        """Prepares for training; see `GenerativeModel.compile` for the other arguments.

        Args:
            loss: an adversarial loss or its name (see `kerasgan.losses`); None for the paper's.

        Raises:
            ValueError: for an unknown loss.
        """
        adversarial_loss = losses.get(self.default_loss if loss is None else loss)
        super().compile(
            optimizer,
            metrics=metrics,
            jit_compile=jit_compile,
            steps_per_execution=steps_per_execution,
        )
        self.adversarial_loss = adversarial_loss

    def compile_arguments(self) -> dict:
        return {**super().compile_arguments(), "loss": self.adversarial_loss}

    def fooling_loss(self, fake_logits, real_logits):
        """The adversarial loss of the network that generated the images: float32 scalar.

        Args:
            fake_logits: the discriminator's logits for them.
            real_logits: function without arguments that returns its logits for real images; called
                only by losses that use them.
        """
        needed = self.adversarial_loss.needs_real_logits
        return self.adversarial_loss.generator(fake_logits, real_logits() if needed else None)

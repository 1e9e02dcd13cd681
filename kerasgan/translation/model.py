"""The base class of adversarial translation models."""

import numpy as np

from kerasgan import backend
from kerasgan.core.adversarial_model import AdversarialModel
from kerasgan.roles.translates import Translates
from kerasgan.training.optimizers import all_layers


class TranslationModel(Translates, AdversarialModel):
    """An `AdversarialModel` whose generators translate images.

    A subclass must define what `AdversarialModel` and `kerasgan.roles.Translates` require and,
    unless it overrides `train_step`:

    - `generated(first, second, training)`: the outputs of the generators for a pair of batches, a
      tuple;
    - `generator_loss` and `discriminator_loss`: from a pair of batches, the generated images and
      `training` to `(loss, logs)`.
    """

    default_batch_size = 1
    takes = "pairs"

    def train_step(self, data):
        """One round on a batch of pairs; returns the mean losses so far."""
        pair = self.image_pair(data)
        generated, backward = backend.forward(
            lambda: self.generated(*pair, training=True), self.part_variables("generator")
        )
        discriminator_loss, others = backend.update(
            lambda: self.discriminator_loss(*pair, *generated),
            self.part_variables("discriminator"),
            self.optimizer["discriminator"],
        )
        generator_loss, logs = backend.update(
            lambda generated: self.generator_loss(*pair, *generated),
            self.part_variables("generator"),
            self.optimizer["generator"],
            forwarded=(generated, backward),
        )
        losses = {"generator_loss": generator_loss, "discriminator_loss": discriminator_loss}
        return self.track({**logs, **others, **losses})

    def test_step(self, data):
        """Losses of a batch of pairs."""
        pair = self.image_pair(data)
        generated = self.generated(*pair, training=False)
        logs = {}
        for player in self.players:
            player_loss = getattr(self, f"{player}_loss")
            loss, others = player_loss(*pair, *generated, training=False)
            logs |= {f"{player}_loss": loss, **others}
        return self.track(logs)

    def draw_noise_from(self, seed: int) -> None:
        for networks in self.players.values():
            for index, layer in enumerate(all_layers(networks)):
                if hasattr(layer, "sampling_seed"):
                    layer.sampling_seed.state.assign(np.array([seed, index], "uint32"))

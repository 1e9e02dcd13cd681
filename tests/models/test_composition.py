"""Any loss with any penalty, any conditioning, any network."""

import itertools
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend

import kerasgan
from kerasgan.losses.adversarial import _BY_NAME

PENALTIES = (None, "wgan-gp", "r1-lazy", "dragan")
CONDITIONINGS = (None, "one_hot", "projection")
NETWORKS = {
    "dcgan": lambda **of_labels: kerasgan.DCGAN((8, 8, 1), latent_dim=4, base_width=4, **of_labels),
    "resnet": lambda **of_labels: kerasgan.SNGAN(
        (8, 8, 1), latent_dim=4, base_width=4, **of_labels
    ),
}


@pytest.mark.slow
class CompositionTest(tf.test.TestCase, parameterized.TestCase):
    def batch(self, model):
        random = np.random.default_rng(0)
        images = random.uniform(-1.0, 1.0, (8, 8, 8, 1)).astype("float32")
        if model.num_classes is None:
            return (images,)
        return images, random.integers(3, size=8).astype("int32")

    # Eagerly, since making 72 graphs would take a quarter of an hour.
    @parameterized.product(network=list(NETWORKS), conditioning=CONDITIONINGS)
    @needs_backend("tensorflow", reason="parts agree, so what they are put together to does")
    def test_combinations_train_and_come_back_from_their_files(self, network, conditioning):
        """Half of them: each conditioning with every loss and penalty, in one of the networks."""
        of_labels = {"num_classes": 3, "conditioning": conditioning} if conditioning else {}
        model = NETWORKS[network](seed=0, **of_labels)
        batch = self.batch(model)
        path = pathlib.Path(self.create_tempdir().full_path) / "model.keras"
        half = (list(NETWORKS).index(network) + CONDITIONINGS.index(conditioning)) % 2
        for loss, penalty in itertools.product(_BY_NAME, PENALTIES[half::2]):
            with self.subTest(loss=loss, penalty=penalty):
                penalties = [] if penalty is None else penalty
                model.compile(loss=loss, penalties=penalties, discriminator_steps=1)
                model.run_eagerly = True
                before = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
                for _ in range(2):
                    logs = model.train_on_batch(*batch, return_dict=True)
                    self.assertTrue(all(np.isfinite(float(v)) for v in logs.values()), logs)
                self.assertEqual("gradient_penalty" in logs, penalty is not None)
                for player in model.players:
                    moved = [
                        not np.array_equal(old, keras.ops.convert_to_numpy(v))
                        for old, v in zip(before, model.trainable_variables, strict=True)
                        if any(v is own for own in model.part_variables(player))
                    ]
                    # All but biases that batch norm or a constant kernel makes inconsequential.
                    self.assertGreater(np.mean(moved), 0.6, player)
                model.save(path)
                copy = keras.saving.load_model(path)
                self.assertEqual(copy.get_compile_config(), model.get_compile_config())
                ours, theirs = (
                    {**dict(enumerate(each.weights)), **each.optimizer.state()}
                    for each in (model, copy)
                )
                self.assertEqual(list(ours), list(theirs))
                for name in ours:
                    pair = map(keras.ops.convert_to_numpy, (theirs[name], ours[name]))
                    np.testing.assert_array_equal(*pair, str(name))

    @parameterized.parameters(*zip(_BY_NAME, itertools.cycle(PENALTIES[1:]), strict=False))
    def test_every_loss_and_penalty_is_compiled(self, loss, penalty):
        gan = kerasgan.DCGAN((8, 8, 1), latent_dim=4, base_width=4, num_classes=3, seed=0)
        gan.compile(loss=loss, penalties=penalty)
        history = gan.fit(*self.batch(gan), batch_size=4, epochs=2, verbose=0).history
        self.assertTrue(np.all(np.isfinite(list(history.values()))), history)
        # A lazy penalty is due at the first of four updates: 16 times as large there.
        self.assertGreater(history["gradient_penalty"][0], 0.0)
        if penalty == "r1-lazy":
            self.assertEqual(history["gradient_penalty"][1], 0.0)

"""TrainingLog: lines where nobody sees a progress bar."""

import contextlib
import io
import re
import time
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend

import kerasgan
from kerasgan.callbacks import TrainingLog
from kerasgan.callbacks.training_log import duration

pytestmark = needs_backend("tensorflow", reason="it prints what it is given")

POINTS = kerasgan.data.from_array(
    np.random.default_rng(0).standard_normal((32, 2)), batch_size=8, shuffle=False
)


class TrainingLogTest(tf.test.TestCase):
    def lines(self, log, epochs, **settings):
        gan = kerasgan.VanillaGAN((2,), latent_dim=2, hidden_units=(), seed=0)
        gan.compile(keras.optimizers.SGD(0.1), steps_per_execution=1)
        gan.run_eagerly = True  # the callback does not care, and tracing takes longer
        with contextlib.redirect_stdout(io.StringIO()) as out:
            gan.fit(POINTS, epochs=epochs, verbose=0, callbacks=[log], **settings)
        self.gan = gan
        return out.getvalue().splitlines()

    def test_before_the_first_epoch_it_says_what_there_is_to_do(self):
        lines = self.lines(TrainingLog(batch_size=8, seconds=1e9), 3)
        weights = 2 * 2 + 2 + 2 + 1 + 1  # both players, and the count of epochs
        self.assertRegex(lines[0], rf"^VanillaGAN: {weights} weights, 0\.0 MB in a file\.$")
        self.assertStartsWith(lines[1], "3 epochs of 4 steps, 8 images a step.")

    def test_the_first_and_the_last_epoch_end_with_a_line_and_others_when_it_is_time(self):
        found = [line.split(":")[0] for line in self.lines(TrainingLog(8, seconds=1e9), 3)[2:]]
        self.assertEqual(found, ["Epoch 1/3", "Epoch 3/3"])
        found = [line.split(":")[0] for line in self.lines(TrainingLog(8, 0.0), 2)[2:]]
        of_steps = [f"Epoch 1/2, step {n}/4" for n in (1, 2, 3, 4)]
        self.assertEqual(found[:5], [*of_steps, "Epoch 1/2"])
        found = [line.split(":")[0] for line in self.lines(TrainingLog(8, 0.0, False), 2)[2:]]
        self.assertEqual(found, ["Epoch 1/2", "Epoch 2/2"])

    def test_losses_speed_and_time_left(self):
        # A clock that runs a tenth of a second a look: two looks a step of 8 images.
        ticks = iter(np.arange(1e4) * 0.1)
        with mock.patch.object(time, "monotonic", side_effect=ticks):
            line = self.lines(TrainingLog(8, seconds=1e9, within_epochs=False), 2)[2]
        numbers = (
            r"Epoch 1/2: discriminator_loss \S+, generator_loss \S+; (\S+) images/s; (\d+) s left"
        )
        speed, left = map(float, re.match(numbers, line).groups())
        self.assertAllClose(left, 4 * 8 / speed, atol=0.51)  # 4 of 8 steps are left
        losses = self.gan.history.history
        self.assertIn(f"discriminator_loss {losses['discriminator_loss'][0]:.4g}", line)

    def test_durations(self):
        for seconds, words in ((4.4, "4 s"), (99, "99 s"), (301, "5 min"), (7800, "2 h 10 min")):
            self.assertEqual(duration(seconds), words)

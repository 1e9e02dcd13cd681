import keras
import numpy as np
import tensorflow as tf
from keras import ops

import kerasgan


class WGANTest(tf.test.TestCase):
    def test_settings_are_those_of_algorithm_1(self):
        gan = kerasgan.WGAN((8, 8, 1), base_width=4)
        gan.compile()
        self.assertEqual(gan.discriminator_steps, 5)
        for player in gan.players:
            self.assertIsInstance(gan.optimizer[player], keras.optimizers.RMSprop)
            self.assertAllClose(gan.optimizer[player].learning_rate, 5e-5)
        loss = gan.adversarial_loss
        self.assertIsInstance(loss, kerasgan.losses.Wasserstein)

    def test_all_weights_of_the_critic_are_clipped_after_each_update(self):
        gan = kerasgan.WGAN((8, 8, 1), latent_dim=3, base_width=4, clip=0.02, seed=0)
        gan.compile(keras.optimizers.RMSprop(0.1), discriminator_steps=2)
        gan.train_on_batch(np.random.default_rng(0).uniform(-1, 1, (8, 8, 8, 1)).astype("float32"))
        for weight in gan.discriminator.trainable_variables:
            self.assertAllInRange(ops.convert_to_numpy(weight), -0.02, 0.02)
        largest = max(np.abs(w).max() for w in gan.generator.get_weights())
        self.assertGreater(largest, 0.02)

    def test_clip_is_kept_and_checked(self):
        gan = kerasgan.WGAN((8, 8, 1), base_width=4, clip=0.05)
        copy = kerasgan.WGAN.from_config(gan.get_config())
        self.assertEqual(copy.discriminator.trainable_variables[0].constraint.limit, 0.05)
        with self.assertRaisesRegex(ValueError, "limit=0"):
            kerasgan.WGAN((8, 8, 1), base_width=4, clip=0)

import numpy as np
import pytest
import tensorflow as tf
from backends import needs_backend

import kerasgan


class CGANTest(tf.test.TestCase):
    def test_the_label_is_a_vector_for_one_and_matrices_for_the_other(self):
        gan = kerasgan.CGAN((8, 8, 1), num_classes=3, latent_dim=4, base_width=4)
        project = gan.generator.get_layer("project").kernel
        self.assertEqual(project.shape[0], 4 + 3)
        self.assertEqual(gan.discriminator.get_layer("down0").kernel.shape[2], 1 + 3)

    @needs_backend("tensorflow", reason="losses and gradients agree, so what they teach does")
    @pytest.mark.slow
    def test_learns_to_draw_the_digit_that_it_is_told(self):
        """A generated digit is nearest to the mean of real digits of its class."""
        digits = kerasgan.data.load("digits", labels=True)
        gan = kerasgan.CGAN((8, 8, 1), 10, latent_dim=16, base_width=32, ema_decay=0.98, seed=0)
        gan.compile()
        for optimizer in gan.optimizer.optimizers:
            optimizer.learning_rate = 1e-3
        gan.fit(digits, epochs=12, verbose=0)
        batches = list(kerasgan.data.load("digits", labels=True, shuffle=False).as_numpy_iterator())
        images = np.concatenate([images for images, _ in batches])
        labels = np.concatenate([labels for _, labels in batches])
        means = np.stack([images[labels == digit].mean(0) for digit in range(10)])

        def right(fake, of_fake):
            distances = ((fake[:, None] - means[None]) ** 2).sum((2, 3, 4))
            return np.mean(distances.argmin(1) == of_fake)

        wanted = np.arange(200) % 10
        self.assertGreater(right(gan.generate(200, seed=0, labels=wanted), wanted), 0.6)
        self.assertGreater(right(images, labels), 0.85)  # the yardstick itself

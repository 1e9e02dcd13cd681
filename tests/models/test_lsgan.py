import numpy as np
import tensorflow as tf

import kerasgan


class LSGANTest(tf.test.TestCase):
    def test_loss_is_equation_9(self):
        gan = kerasgan.LSGAN((8, 8, 1), base_width=4, seed=0)
        gan.compile()
        real, fake = np.array([[0.5], [2.0]], "float32"), np.array([[1.0], [-1.0]], "float32")
        d = 0.5 * ((0.5**2 + 1.0**2) / 2 + (1.0**2 + 1.0**2) / 2)
        g = 0.5 * (0.0**2 + 2.0**2) / 2
        self.assertAllClose(gan.adversarial_loss.discriminator(real, fake), d)
        self.assertAllClose(gan.adversarial_loss.generator(fake), g)
        self.assertEqual((gan.discriminator_steps, list(gan.penalties)), (1, []))

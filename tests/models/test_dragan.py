import tensorflow as tf

import kerasgan


class DRAGANTest(tf.test.TestCase):
    def test_settings_are_the_papers(self):
        gan = kerasgan.DRAGAN((8, 8, 1), base_width=4)
        gan.compile()
        (penalty,) = gan.penalties
        self.assertEqual((penalty.weight, penalty.at, penalty.center), (10.0, "around_real", 1.0))
        self.assertIsInstance(gan.adversarial_loss, kerasgan.losses.NonSaturating)
        self.assertEqual(gan.discriminator_steps, 1)

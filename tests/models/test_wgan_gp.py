import tensorflow as tf
from keras import layers

import kerasgan


class WGANGPTest(tf.test.TestCase):
    def test_settings_are_those_of_algorithm_1(self):
        gan = kerasgan.WGANGP((16, 16, 1), base_width=4)
        gan.compile()
        self.assertEqual(gan.discriminator_steps, 5)
        (penalty,) = gan.penalties
        self.assertEqual((penalty.weight, penalty.at, penalty.center), (10.0, "interpolates", 1.0))
        for player in gan.players:
            adam = gan.optimizer[player]
            self.assertAllClose([adam.learning_rate, adam.beta_1, adam.beta_2], [1e-4, 0.0, 0.9])

    def test_the_critic_has_no_batch_norm_and_the_generator_has(self):
        gan = kerasgan.WGANGP((16, 16, 1), base_width=4)
        norms = [
            sum(isinstance(layer, layers.BatchNormalization) for layer in network.layers)
            for network in (gan.discriminator, gan.generator)
        ]
        self.assertEqual(norms, [0, 2])

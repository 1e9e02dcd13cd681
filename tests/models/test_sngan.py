import numpy as np
import tensorflow as tf
from backends import needs_backend
from keras import ops

import kerasgan
from kerasgan.layers import SpectralNormalization


class SNGANTest(tf.test.TestCase):
    def test_every_weight_of_the_discriminator_is_normalized(self):
        for architecture in ("resnet", "dcgan"):
            gan = kerasgan.SNGAN((16, 16, 1), base_width=8, architecture=architecture)
            wrapped = [x for x in gan.discriminator.layers if isinstance(x, SpectralNormalization)]
            inside = {id(v) for layer in wrapped for v in layer.layer.trainable_variables}
            self.assertEqual({id(v) for v in gan.discriminator.trainable_variables}, inside)
            generator = gan.generator.layers
            self.assertFalse(any(isinstance(x, SpectralNormalization) for x in generator))

    def test_resnet_has_the_parameters_of_table_4(self):
        """CIFAR-10: 256 feature maps in the generator, 128 in the discriminator."""
        gan = kerasgan.SNGAN((32, 32, 3))
        first = 9 * 3 * 128 + 128 + 9 * 128 * 128 + 128 + 3 * 128 + 128
        down = 2 * (9 * 128 * 128 + 128) + 128 * 128 + 128
        same = 2 * (9 * 128 * 128 + 128)
        count = sum(int(np.prod(v.shape)) for v in gan.discriminator.trainable_variables)
        self.assertEqual(count, first + down + 2 * same + 128 + 1)
        up = 2 * (9 * 256 * 256 + 256) + 256 * 256 + 256 + 4 * 256
        count = sum(int(np.prod(v.shape)) for v in gan.generator.trainable_variables)
        expected = 128 * 16 * 256 + 16 * 256 + 3 * up + 2 * 256 + 9 * 256 * 3 + 3
        self.assertEqual(count, expected)

    @needs_backend("tensorflow", reason="settings are the same everywhere")
    def test_widths_of_the_paper_are_the_defaults(self):
        for size, architecture, width in (
            (32, "resnet", 128),
            (48, "resnet", 64),
            (64, "resnet", 64),
            (32, "dcgan", 64),
        ):
            network = kerasgan.SNGAN((size, size, 3), architecture=architecture)
            self.assertEqual(network.base_width, width)

    def test_settings_of_both_architectures(self):
        for architecture, loss, steps, betas in (
            ("resnet", kerasgan.losses.Hinge, 5, [0.0, 0.9]),
            ("dcgan", kerasgan.losses.NonSaturating, 1, [0.5, 0.999]),
        ):
            gan = kerasgan.SNGAN((8, 8, 1), base_width=8, architecture=architecture)
            gan.compile()
            self.assertIsInstance(gan.adversarial_loss, loss)
            self.assertEqual(gan.discriminator_steps, steps)
            adam = gan.optimizer["generator"]
            self.assertAllClose([adam.learning_rate, adam.beta_1, adam.beta_2], [2e-4, *betas])
        with self.assertRaisesRegex(ValueError, "architecture='vgg'.*'resnet', 'dcgan'"):
            kerasgan.SNGAN((8, 8, 1), architecture="vgg")

    def test_the_discriminator_is_lipschitz_per_layer(self):
        gan = kerasgan.SNGAN((8, 8, 1), base_width=8, architecture="dcgan", seed=0)
        for _ in range(50):
            gan.power_iteration("discriminator")
        for layer in gan.discriminator.layers:
            if isinstance(layer, SpectralNormalization):
                matrix = ops.convert_to_numpy(layer._matrix(layer.layer.kernel)) / float(
                    layer.sigma()
                )
                self.assertAllClose(np.linalg.svd(matrix)[1].max(), 1.0, atol=0.05)

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend
from keras import layers

import kerasgan


class DCGANTest(tf.test.TestCase):
    def test_follows_the_guidelines_of_the_paper(self):
        gan = kerasgan.DCGAN((64, 64, 3))
        for network, convolution in (
            (gan.generator, layers.Conv2DTranspose),
            (gan.discriminator, layers.Conv2D),
        ):
            convolutions = [x for x in network.layers if isinstance(x, convolution)]
            self.assertLen(convolutions, 4)
            self.assertTrue(all(c.strides == (2, 2) for c in convolutions))
            # Normalized everywhere but at the image: three convolutions each, and z's projection.
            norms = [x for x in network.layers if isinstance(x, layers.BatchNormalization)]
            self.assertLen(norms, 4 if network is gan.generator else 3)
            dense = [x for x in network.layers if isinstance(x, layers.Dense)]
            self.assertLen(dense, 1)
        widths = [x.filters for x in gan.generator.layers if hasattr(x, "filters")]
        self.assertEqual(widths, [256, 128, 64, 3])
        widths = [x.filters for x in gan.discriminator.layers if hasattr(x, "filters")]
        self.assertEqual(widths, [64, 128, 256, 512])

    def test_parameter_counts_by_hand(self):
        gan = kerasgan.DCGAN((32, 32, 1))
        generator = (
            100 * 4 * 4 * 256 + 16 * (256 * 128 + 128 * 64 + 64 * 1) + 1 + 2 * (256 + 128 + 64)
        )
        discriminator = (
            16 * (1 * 64 + 64 * 128 + 128 * 256) + 64 + 2 * (128 + 256) + 4 * 4 * 256 + 1
        )
        for network, count in ((gan.generator, generator), (gan.discriminator, discriminator)):
            self.assertEqual(sum(np.prod(v.shape) for v in network.trainable_variables), count)

    def test_initialization_and_optimizers_are_the_papers(self):
        gan = kerasgan.DCGAN((32, 32, 1))
        gan.compile()
        for name in ("up1", "to_image"):
            kernel = gan.generator.get_layer(name).kernel.numpy()
            self.assertAllClose([kernel.mean(), kernel.std()], [0.0, 0.02], atol=2e-3)
        for player in ("generator", "discriminator"):
            optimizer = gan.optimizer[player]
            self.assertAllClose([optimizer.learning_rate, optimizer.beta_1], [2e-4, 0.5])

    def test_every_size_that_doubling_reaches(self):
        for size in (8, 14, 16, 28, 32, 48, 56):
            gan = kerasgan.DCGAN((size, size, 3), latent_dim=4, base_width=2)
            images = gan.generate(2, seed=0)
            self.assertEqual(images.shape, (2, size, size, 3))
            self.assertAllInRange(images, -1.0, 1.0)

    def test_other_shapes_are_named(self):
        for shape in ((30, 30, 1), (4, 4, 1), (32, 16, 1), (32, 32, 2), (32, 32)):
            with self.assertRaisesRegex(ValueError, r"image_shape=.*doubling from 4, 6 or 7"):
                kerasgan.DCGAN(shape)

    @needs_backend("tensorflow", reason="losses and gradients agree, so what they teach does")
    def test_learns_digits(self):
        """After seconds, samples are much nearer to real digits than at the start.

        With the paper's momentum and an average, the distance is 0.54 to 0.58 of what it was,
        whatever the seed and the backend. With Adam's own 0.9 it jumps between 0.55 and 0.9 from
        one epoch to the next.
        """
        digits = kerasgan.data.load("digits", batch_size=64)
        real = np.concatenate([b.numpy() for b in kerasgan.data.load("digits", shuffle=False)])
        gan = kerasgan.DCGAN((8, 8, 1), latent_dim=16, base_width=32, ema_decay=0.98, seed=0)
        gan.compile(keras.optimizers.Adam(1e-3, beta_1=0.5))

        def distance():
            fake = gan.generate(200, seed=0)
            differences = fake[:, None] - real[None]
            return float(np.sqrt((differences**2).mean((2, 3, 4))).min(1).mean())

        untrained = distance()
        gan.fit(digits, epochs=8, verbose=0)
        self.assertLess(distance(), 0.6 * untrained)
        # All of them near the same digit would not count as learning.
        spread = gan.generate(200, seed=0).std(0).mean()
        self.assertGreater(spread, 0.7 * real.std(0).mean())

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend

import kerasgan


class VanillaGANTest(tf.test.TestCase):
    def test_images_are_bounded_and_vectors_are_not(self):
        images = kerasgan.VanillaGAN((4, 5, 3), latent_dim=2, hidden_units=(8,)).generate(3, seed=0)
        self.assertEqual(images.shape, (3, 4, 5, 3))
        self.assertAllInRange(images, -1.0, 1.0)
        gan = kerasgan.VanillaGAN((2,), latent_dim=2, hidden_units=(8,))
        gan.generator.get_layer("output").bias.assign([50.0, -50.0])
        self.assertGreater(np.abs(gan.generate(3, seed=0)).min(), 40.0)

    def test_without_hidden_layers_both_networks_are_one_dense_layer(self):
        gan = kerasgan.VanillaGAN((2, 2, 1), latent_dim=1, hidden_units=())
        self.assertEqual([v.shape for v in gan.generator.weights], [(1, 4), (4,)])
        self.assertEqual([v.shape for v in gan.discriminator.weights], [(4, 1), (1,)])

    def test_bad_shape_is_named(self):
        with self.assertRaisesRegex(ValueError, r"image_shape=\(2, 3\)"):
            kerasgan.VanillaGAN((2, 3))

    @needs_backend("tensorflow", reason="losses and gradients agree, so what they teach does")
    def test_learns_where_a_blob_of_points_is(self):
        points = np.random.default_rng(0).normal([2.0, -1.0], 0.2, size=(4096, 2))
        gan = kerasgan.VanillaGAN((2,), 2, hidden_units=(32, 32), ema_decay=0.98, seed=0)
        # A discriminator as slow as the generator leaves some seeds' points far spread out.
        rates = {"generator": 1e-3, "discriminator": 4e-3}
        gan.compile({p: keras.optimizers.Adam(rate, beta_1=0.5) for p, rate in rates.items()})
        gan.fit(kerasgan.data.from_array(points, batch_size=128), epochs=20, verbose=0)
        made = gan.generate(2000, seed=0)
        self.assertAllClose(made.mean(0), [2.0, -1.0], atol=0.25)
        self.assertAllInRange(made.std(0), 0.01, 0.5)

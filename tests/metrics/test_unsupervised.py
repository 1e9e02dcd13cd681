"""Features of a discriminator, without labels."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

import kerasgan
from kerasgan.metrics.unsupervised import activations, pooled


class FeaturesTest(tf.test.TestCase):
    def test_they_are_the_pooled_activations_of_all_convolutions(self):
        gan = kerasgan.DCGAN((28, 28, 1), latent_dim=4, base_width=4, seed=0)
        images = np.random.default_rng(0).uniform(-1.0, 1.0, (3, 28, 28, 1)).astype("float32")
        found = kerasgan.features(gan, images)
        x, expected = images, []
        for layer in gan.discriminator.layers[1:]:
            if isinstance(layer, layers.Flatten):
                break
            x = layer(x, training=False) if "norm" in layer.name else layer(x)
            if isinstance(layer, layers.LeakyReLU):
                expected.append(ops.convert_to_numpy(x))
        self.assertEqual([x.shape[1] for x in expected], [14, 7])
        # PyTorch's adaptive pooling: from floor(i n / 4) to ceil((i + 1) n / 4).
        by_hand = []
        for x in expected:
            n = x.shape[1]
            edges = [(int(np.floor(i * n / 4)), int(np.ceil((i + 1) * n / 4))) for i in range(4)]
            by_hand.append([x[:, a:b, c:d].max((1, 2)) for a, b in edges for c, d in edges])
        joined = np.concatenate([np.stack(x, 1).reshape(3, -1) for x in by_hand], axis=1)
        self.assertAllClose(found, joined, atol=1e-6)
        self.assertAllClose(kerasgan.features(gan.discriminator, images), found, atol=1e-6)

    def test_small_layers_are_taken_whole(self):
        x = np.arange(2 * 3 * 4 * 1.0).reshape(2, 3, 4, 1)
        self.assertAllEqual(pooled(x), x.reshape(2, -1))

    def test_a_label_at_the_end_does_no_harm(self):
        gan = kerasgan.ProjectionGAN((32, 32, 3), latent_dim=4, base_width=4, num_classes=3)
        self.assertNotEmpty(activations(gan.discriminator))
        self.assertEqual(kerasgan.features(gan, np.zeros((1, 32, 32, 3))).shape[0], 1)

    def test_what_has_no_such_layers_is_refused(self):
        gan = kerasgan.VanillaGAN((2,), latent_dim=2)
        with self.assertRaisesRegex(ValueError, "no convolutions with activations"):
            kerasgan.features(gan, np.zeros((1, 2)))
        conditional = kerasgan.DCGAN((8, 8, 1), latent_dim=4, base_width=4, num_classes=3)
        with self.assertRaisesRegex(ValueError, "no convolutions .* unconditional"):
            kerasgan.features(conditional, np.zeros((1, 8, 8, 1)))
        gan = kerasgan.DCGAN((8, 8, 1), latent_dim=4, base_width=4)
        for images, message in (
            (np.zeros((1, 9, 8, 1)), r"images have shape \(9, 8, 1\), the discriminator sees \(8,"),
            (np.full((1, 8, 8, 1), 255.0), "the images go from 255 to 255; use images in"),
            (np.zeros((1, 8, 8, 1), "uint8"), "the images are uint8"),
            (np.zeros((0, 8, 8, 1)), "the images are none; give at least one"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                kerasgan.features(gan, images)
        with self.assertRaisesRegex(ValueError, "no convolutions"):
            kerasgan.features(keras.Sequential(), np.zeros((1, 8, 8, 1)))


if __name__ == "__main__":
    tf.test.main()

import numpy as np
import tensorflow as tf
from backends import needs_backend
from keras import layers, ops

import kerasgan
from kerasgan.layers import (
    ConditionalBatchNormalization,
    SelfAttention2D,
    SpectralNormalization,
)
from kerasgan.training.optimizers import all_layers


def attention_sizes(gan):
    """Of the maps that are attended to, in the generator and in the discriminator."""
    return [
        [x.input.shape[1] for x in network.layers if isinstance(x, SelfAttention2D)]
        for network in (gan.generator, gan.discriminator)
    ]


def small_gan(**kwargs):
    return kerasgan.SAGAN((8, 8, 1), latent_dim=4, base_width=4, seed=0, **kwargs)


class SAGANTest(tf.test.TestCase):
    def test_attention_is_at_the_size_asked_for_in_both_players(self):
        for asked, size in ((None, 8), (4, 4)):
            gan = kerasgan.SAGAN((16, 16, 1), latent_dim=4, base_width=2, attention_size=asked)
            self.assertEqual(attention_sizes(gan), [[size], [size]])
            self.assertEqual(gan.attention_size, size)
        copy = kerasgan.SAGAN.from_config(gan.get_config())
        self.assertEqual(attention_sizes(copy), [[4], [4]])

    @needs_backend("tensorflow", "torch", reason="it compiles for a minute")
    def test_the_papers_networks_for_128_pixels(self):
        """Attention at 32x32; maps from 16 times the width at 4x4 to once at 128x128."""
        gan = kerasgan.SAGAN((128, 128, 3), latent_dim=4, base_width=1)
        self.assertEqual(attention_sizes(gan), [[32], [32]])
        self.assertEqual(gan.generator.get_layer("reshape").output.shape[1:], (4, 4, 16))
        blocks = [gan.generator.get_layer(f"block{b}").output.shape[1:] for b in range(5)]
        sizes, widths = (8, 16, 32, 64, 128), (16, 8, 4, 2, 1)
        self.assertEqual(blocks, list(zip(sizes, sizes, widths, strict=True)))
        blocks = [gan.discriminator.get_layer(f"block{b}").output.shape[1:] for b in range(6)]
        sizes, widths = (64, 32, 16, 8, 4, 4), (1, 2, 4, 8, 16, 16)
        self.assertEqual(blocks, list(zip(sizes, sizes, widths, strict=True)))

    def test_attention_begins_as_the_identity(self):
        gan = small_gan(num_classes=3)
        latents = gan.latents(2, seed=0)
        before = gan.generate_from(latents, labels=1)
        self.assertEqual(gan.generator.get_layer("attention").gamma.shape, ())
        for network in (gan.generator, gan.discriminator):
            attention = network.get_layer("attention")
            self.assertEqual(float(ops.convert_to_numpy(attention.gamma)), 0.0)
            self.assertTrue(any(v is attention.gamma for v in network.trainable_variables))
        gan.generator.get_layer("attention").gamma.assign(2.0)
        self.assertGreater(np.abs(gan.generate_from(latents, labels=1) - before).max(), 1e-3)

    def test_every_weight_of_both_players_is_normalized(self):
        """Except what is linear anyway: the scales and shifts of batch norm, and gamma."""
        gan = small_gan(num_classes=3)
        for network in (gan.generator, gan.discriminator):
            inside, plain = set(), set()
            for layer in all_layers([network]):
                if isinstance(layer, SpectralNormalization):
                    inside |= {id(v) for v in layer.layer.trainable_variables}
                elif isinstance(layer, (ConditionalBatchNormalization, layers.BatchNormalization)):
                    plain |= {id(v) for v in layer.trainable_variables}
                elif isinstance(layer, SelfAttention2D):
                    plain.add(id(layer.gamma))
            self.assertEqual({id(v) for v in network.trainable_variables} - plain, inside)
            self.assertFalse(inside & plain)

    def test_the_estimates_of_each_player_are_improved_by_a_power_iteration(self):
        gan = small_gan(num_classes=3)
        for player, network in (("generator", gan.generator), ("discriminator", gan.discriminator)):
            normalized = [x for x in all_layers([network]) if isinstance(x, SpectralNormalization)]
            expected = []
            for layer in normalized:
                kernel = ops.convert_to_numpy(layer.layer.trainable_variables[0])
                matrix = kernel.reshape(-1, kernel.shape[-1])
                u = np.ones(layer.u.shape, "float32")
                layer.u.assign(u)
                v = u @ matrix
                u = v @ matrix.T
                expected.append(u / np.linalg.norm(u))
            gan.power_iteration(player)
            for layer, u in zip(normalized, expected, strict=True):
                self.assertAllClose(ops.convert_to_numpy(layer.u), u, atol=1e-4, msg=layer.name)

    def test_two_rates(self):
        gan = small_gan()
        gan.compile()
        self.assertIsInstance(gan.adversarial_loss, kerasgan.losses.Hinge)
        self.assertEqual(gan.discriminator_steps, 1)
        for player, rate in (("discriminator", 4e-4), ("generator", 1e-4)):
            adam = gan.optimizer[player]
            self.assertAllClose([adam.learning_rate, adam.beta_1, adam.beta_2], [rate, 0.0, 0.9])

    def test_classes_are_projected_unless_asked_otherwise(self):
        for kwargs, norms, projected in (
            ({"num_classes": 3}, 2, True),
            ({"num_classes": 3, "conditioning": "one_hot"}, 0, False),
            ({}, 0, False),
        ):
            gan = small_gan(**kwargs)
            found = [
                x for x in gan.generator.layers if isinstance(x, ConditionalBatchNormalization)
            ]
            self.assertLen(found, norms)
            names = [layer.name for layer in gan.discriminator.layers]
            self.assertEqual("projection" in names, projected)

    def test_sizes_that_no_feature_map_has(self):
        for size in (16, 5, 2):
            with self.assertRaisesRegex(ValueError, f"attention_size={size}; .* have: 4, 8"):
                kerasgan.SAGAN((16, 16, 1), attention_size=size)
        with self.assertRaisesRegex(ValueError, "attention_size=7; .* have: 14"):
            kerasgan.SAGAN((28, 28, 1), attention_size=7)

    def test_an_image_shape_that_cannot_be_made_is_named(self):
        with self.assertRaisesRegex(ValueError, "image_shape"):
            kerasgan.SAGAN((30, 30, 1))

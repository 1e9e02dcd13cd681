import pathlib
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

import kerasgan


def arrays(variables):
    return [keras.ops.convert_to_numpy(v).copy() for v in variables]


def points():
    points = np.random.default_rng(0).normal(size=(16, 2)).astype("float32")
    return kerasgan.data.from_array(points, batch_size=8)


class LayerSettingsTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "gan.keras"

    def copy(self, gan, **how):
        gan.save(self.path)
        return keras.saving.load_model(self.path, **how)

    def test_frozen_layers_stay_frozen_and_training_goes_on_bit_for_bit(self):
        gan = kerasgan.VanillaGAN((2,), 2, hidden_units=(4, 4), ema_decay=0.9, seed=0)
        first = gan.discriminator.layers[1]
        first.trainable = False
        gan.compile(steps_per_execution=1, jit_compile=False)
        before = arrays(first.weights)
        gan.fit(points(), verbose=0)
        copy = self.copy(gan)
        self.assertEqual(
            len(copy.discriminator.trainable_variables), len(gan.discriminator.trainable_variables)
        )
        for model in (gan, copy):
            model.fit(points(), verbose=0)
            self.assertAllEqual(arrays(model.discriminator.layers[1].weights), before)
        for ours, theirs in zip(
            arrays([*copy.weights, *copy.optimizer.variables]),
            arrays([*gan.weights, *gan.optimizer.variables]),
            strict=True,
        ):
            np.testing.assert_array_equal(ours, theirs)

    def test_layers_that_nobody_changed_are_not_made_anew(self):
        """Some, such as those of StyleGAN, cannot be made from their configurations."""
        gan = kerasgan.VanillaGAN((2,), 2, hidden_units=(4,), seed=0)
        with mock.patch.object(keras.layers.LeakyReLU, "from_config") as made:
            self.copy(gan)
        made.assert_not_called()

    def test_layers_frozen_after_the_first_fit_do_not_move(self):
        gan = kerasgan.VanillaGAN((2,), 2, hidden_units=(4,), seed=0)
        gan.compile(steps_per_execution=1, jit_compile=False)
        gan.fit(points(), verbose=0)
        first = gan.discriminator.layers[1]
        first.trainable = False
        frozen, other = arrays(first.weights), arrays(gan.discriminator.layers[-1].weights)
        gan.fit(points(), verbose=0)
        self.assertAllEqual(arrays(first.weights), frozen)
        self.assertNotAllEqual(arrays(gan.discriminator.layers[-1].weights)[0], other[0])
        # The optimizer has state for what was trained when it was made.
        copy = self.copy(gan)
        self.assertFalse(copy.discriminator.layers[1].trainable)
        for ours, theirs in zip(copy.optimizer.variables, gan.optimizer.variables, strict=True):
            self.assertAllEqual(ours, theirs)

    def test_at_any_depth_of_any_model(self):
        progan = kerasgan.ProGAN((8, 8, 1), latent_dim=4, base_width=4)
        cycle = kerasgan.CycleGAN((16, 16, 1), 4, residual_blocks=1, receptive_field=16)
        sngan = kerasgan.SNGAN((8, 8, 1), latent_dim=4, base_width=4)
        info = kerasgan.InfoGAN((8, 8, 1), latent_dim=16, base_width=4)
        style = kerasgan.StyleGAN((8, 8, 1), latent_dim=4, base_width=4)
        style.compile()
        for gan in (progan, cycle, sngan, info, style):
            networks = gan.networks_and_averages
            # Every third layer, a weight of its own, and a whole network but one layer.
            for layer in networks[0]._flatten_layers(include_self=False):
                if layer.weights and not layer._layers and len(layer.name) % 3 == 0:
                    layer.trainable = False
            networks[1].trainable = False
            networks[1]._flatten_layers()[-1].trainable = True
            networks[0].weights[-1].trainable = False
            if gan is progan:
                gan.grow_to(0, batch_size=2)
            copy = self.copy(gan)
            if gan is progan:
                self.assertEqual(copy.batch_size, 2)
            for own, theirs in zip(networks, copy.networks_and_averages, strict=True):
                self.assertEqual(
                    [layer.trainable for layer in own._flatten_layers()],
                    [layer.trainable for layer in theirs._flatten_layers()],
                )
                self.assertEqual(
                    [w.trainable for w in own.weights], [w.trainable for w in theirs.weights]
                )
            self.assertEqual(copy.get_config(), gan.get_config())

    def test_other_settings_of_layers_are_kept(self):
        gan = kerasgan.DCGAN((8, 8, 1), latent_dim=4, base_width=4)
        norm, relu = (
            next(x for x in gan.generator.layers if isinstance(x, kind))
            for kind in (keras.layers.BatchNormalization, keras.layers.ReLU)
        )
        norm.momentum, norm.epsilon = 0.5, 0.125
        relu.negative_slope = 0.25
        image = gan.generator.get_layer("images")
        image.activation = keras.activations.sigmoid
        gan.compile()
        self.assertFalse(norm.synchronized)  # as compile chooses on one device
        norm.synchronized = True
        for how in ({}, {"compile": False}):
            copy = self.copy(gan, **how)
            theirs = copy.generator.get_layer(norm.name)
            self.assertEqual((theirs.momentum, theirs.epsilon), (0.5, 0.125))
            self.assertEqual(theirs.synchronized, not how)
            self.assertEqual(copy.generator.get_layer(relu.name).negative_slope, 0.25)
            self.assertAllEqual(copy.generate(4, seed=0), gan.generate(4, seed=0))
            self.assertAllInRange(copy.generate(4, seed=0), 0.0, 1.0)

    def test_a_network_that_was_replaced_is_named(self):
        gan = kerasgan.DCGAN((8, 8, 1), latent_dim=4, base_width=4)
        gan.discriminator = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
        with self.assertRaisesRegex(ValueError, "settings of other layers.*kerasgan.GAN"):
            self.copy(gan)

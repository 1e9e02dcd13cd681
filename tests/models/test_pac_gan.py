import keras
import numpy as np
import tensorflow as tf
from keras import ops

import kerasgan


def count(network):
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def values(x):
    return ops.convert_to_numpy(x)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def packed(x, degree):
    return np.concatenate([x[index::degree] for index in range(degree)], axis=-1)


def maxout_by_hand(network, packs):
    """Three layers of maxout units with five pieces each, and a linear one."""
    x = packs
    for index in range(3):
        kernel, bias = network.get_layer(f"hidden{index}").get_weights()
        x = (x @ kernel + bias).reshape(-1, 5, 200).max(1)
    kernel, bias = network.get_layer("logits").get_weights()
    return x @ kernel + bias


class VectorsTest(tf.test.TestCase):
    def test_networks_have_the_parameters_of_section_4_1(self):
        for packing in (1, 2, 4):
            gan = kerasgan.PacGAN((2,), packing=packing, latent_dim=2)
            hidden = 2 * 400 + 3 * 400 * 400 + 4 * (400 + 400)  # batch norm, and no biases
            self.assertEqual(count(gan.generator), hidden + 400 * 2 + 2)
            first = 2 * packing * 1000 + 1000
            maxout = first + 2 * (200 * 1000 + 1000)
            self.assertEqual(count(gan.discriminator), maxout + 200 + 1)

    def test_weights_start_from_n_0_002_as_in_the_program(self):
        gan = kerasgan.PacGAN((2,), packing=2, latent_dim=2)
        for network in (gan.generator, gan.discriminator):
            kernels = [v for v in network.trainable_variables if len(v.shape) == 2]
            stds = [float(ops.std(v)) for v in kernels if np.prod(v.shape) > 1000]
            self.assertAllClose(stds, np.full(len(stds), 0.02), atol=1e-3)

    def test_the_logit_is_that_of_the_joined_examples(self):
        for packing in (1, 2, 3):
            gan = kerasgan.PacGAN((2,), packing=packing, latent_dim=2)
            x = normal(6, 2)
            found = values(gan.discriminator(x))
            self.assertEqual(found.shape, (6 // packing, 1))
            expected = maxout_by_hand(gan.discriminator, packed(x, packing))
            self.assertAllClose(found, expected, rtol=1e-4, atol=1e-5)

    def test_losses_are_means_over_packs(self):
        gan = kerasgan.PacGAN((2,), packing=2, latent_dim=2)
        gan.compile()
        real, fake, latents = normal(8, 2), normal(8, 2, seed=1), normal(8, 2, seed=2)
        of_real, of_fake = (maxout_by_hand(gan.discriminator, packed(x, 2)) for x in (real, fake))
        loss, logs = gan.discriminator_loss(real, fake, None, latents)
        softplus = np.logaddexp(0.0, -of_real).mean() + np.logaddexp(0.0, of_fake).mean()
        self.assertAllClose(values(loss), softplus, rtol=1e-5)
        self.assertEqual(logs, {})
        loss, _ = gan.generator_loss(real, fake, None, latents)
        self.assertAllClose(values(loss), np.logaddexp(0.0, -of_fake).mean(), rtol=1e-5)

    def test_packs_give_a_collapsed_generator_away(self):
        """By |a - b|, pairs of one point differ from pairs of two that one by one look alike."""
        gan = kerasgan.PacGAN((1,), packing=2, latent_dim=2)
        network = gan.discriminator
        network.set_weights([np.zeros_like(w) for w in network.get_weights()])

        def first_of(layer, value):
            kernel, bias = network.get_layer(layer).get_weights()
            kernel[:, 0], kernel[:, 200] = value, -np.array(value)  # two pieces of unit 0
            network.get_layer(layer).set_weights([kernel, bias])

        first_of("hidden0", [1.0, -1.0])
        for layer in ("hidden1", "hidden2"):
            first_of(layer, np.eye(200)[0])
        network.get_layer("logits").kernel.assign(np.eye(200)[:, :1])
        various = np.array([[-1.0], [1.0], [1.0], [-1.0]], "float32")
        collapsed = np.array([[-1.0], [-1.0], [1.0], [1.0]], "float32")
        self.assertAllClose(values(network(various)), [[2.0], [2.0]])
        self.assertAllClose(values(network(collapsed)), [[0.0], [0.0]])

    def test_optimizers(self):
        for shape, rate, beta in (((2,), 1e-4, 0.8), ((8, 8, 1), 2e-4, 0.5)):
            gan = kerasgan.PacGAN(shape, base_width=4)
            gan.compile()
            for player in ("discriminator", "generator"):
                adam = gan.optimizer[player]
                self.assertAllClose([adam.learning_rate, adam.beta_1], [rate, beta])


class ImagesTest(tf.test.TestCase):
    def test_the_logit_is_that_of_the_images_stacked_along_the_channels(self):
        gan = kerasgan.PacGAN((8, 8, 1), packing=2, latent_dim=4, base_width=4)
        network = gan.discriminator
        self.assertEqual(network.get_layer("down0").kernel.shape[2], 2)
        after = keras.Model(network.get_layer("pack").output, network.output)
        images = normal(6, 8, 8, 1)
        found = values(network(images))
        self.assertAllClose(found, values(after(packed(images, 2))), atol=1e-6)
        swapped = values(after(packed(images[[1, 0, 3, 2, 5, 4]], 2)))
        self.assertNotAllClose(found, swapped, atol=1e-6)

    def test_without_packing_it_is_dcgan(self):
        packs_of_one = kerasgan.PacGAN((8, 8, 1), packing=1, latent_dim=4, base_width=4)
        dcgan = kerasgan.DCGAN((8, 8, 1), latent_dim=4, base_width=4)
        for ours, theirs in (
            (packs_of_one.generator, dcgan.generator),
            (packs_of_one.discriminator, dcgan.discriminator),
        ):
            self.assertEqual(
                [(layer.name, layer.output.shape) for layer in ours.layers],
                [(layer.name, layer.output.shape) for layer in theirs.layers],
            )


class PacGANTest(tf.test.TestCase):
    def test_batches_that_packs_do_not_divide(self):
        gan = kerasgan.PacGAN((2,), packing=4, latent_dim=2)
        gan.compile(steps_per_execution=1)
        history = gan.fit(normal(13, 2), batch_size=6, verbose=0).history  # 6, 6 and 1
        self.assertTrue(np.all(np.isfinite(list(history.values()))))
        self.assertEqual(gan.iterations, 3)

    def test_configuration(self):
        for shape in ((2,), (8, 8, 1)):
            gan = kerasgan.PacGAN(shape, packing=3, latent_dim=4, base_width=4)
            copy = kerasgan.PacGAN.from_config(gan.get_config())
            self.assertEqual((copy.packing, copy.image_shape), (3, shape))
            self.assertEqual(copy.discriminator.get_layer("pack").degree, 3)
            self.assertEqual(count(copy.discriminator), count(gan.discriminator))

    def test_packing_out_of_range(self):
        for shape in ((2,), (8, 8, 1)):
            with self.assertRaisesRegex(ValueError, "=0; use a whole number of at least 1"):
                kerasgan.PacGAN(shape, packing=0)

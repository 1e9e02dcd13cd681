import pathlib

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend
from keras import layers, ops

import kerasgan


def labelled_gan(**kwargs):
    """Three classes of points in the plane, with networks that are told the class."""
    z, label = keras.Input((4,)), keras.Input((), dtype="int32")
    joined = layers.Concatenate()([z, kerasgan.layers.OneHot(3)(label)])
    generator = keras.Model([z, label], layers.Dense(2)(layers.Dense(16, "relu")(joined)))
    point, label = keras.Input((2,)), keras.Input((), dtype="int32")
    joined = layers.Concatenate()([point, kerasgan.layers.OneHot(3)(label)])
    hidden = layers.Dense(32, "relu")(layers.Dense(32, "relu")(joined))
    discriminator = keras.Model([point, label], layers.Dense(1)(hidden))
    return kerasgan.GAN(generator, discriminator, 4, num_classes=3, seed=0, **kwargs)


def labelled_points(num, seed=0):
    random = np.random.default_rng(seed)
    labels = random.integers(3, size=num).astype("int32")
    points = np.array([[2.0, 0.0], [-1.0, 2.0], [-1.0, -2.0]])[labels]
    return (points + 0.1 * random.normal(size=(num, 2))).astype("float32"), labels


class ConditionalTest(tf.test.TestCase):
    @needs_backend("tensorflow", reason="losses and gradients agree, so what they teach does")
    def test_learns_what_each_class_looks_like(self):
        gan = labelled_gan(ema_decay=0.98)
        gan.compile(keras.optimizers.Adam(2e-3, beta_1=0.5))
        points, labels = labelled_points(6400)
        gan.fit(kerasgan.data.from_array(points, labels, batch_size=64), epochs=8, verbose=0)
        for label, center in enumerate([[2.0, 0.0], [-1.0, 2.0], [-1.0, -2.0]]):
            mean = gan.generate(200, seed=0, labels=label).mean(0)
            self.assertAllClose(mean, center, atol=0.5)

    def test_generated_images_have_the_labels_of_their_batch_in_every_part(self):
        gan = labelled_gan()
        gan.compile(discriminator_steps=2, penalties="r1")
        seen = []
        original = gan.discriminator_loss

        def remember(real, fake, labels, latents):
            seen.append([ops.convert_to_numpy(x) for x in (real, labels)])
            return original(real, fake, labels, latents)

        gan.discriminator_loss = remember
        gan.run_eagerly = True
        points, labels = labelled_points(8)
        gan.train_on_batch(points, labels)
        for index, (real, of_real) in enumerate(seen):
            self.assertAllEqual(real, points[index::2])
            self.assertAllEqual(of_real, labels[index::2])

    def test_labels_that_generate_cannot_use_are_named(self):
        gan = labelled_gan()
        for labels, message in (
            (None, "is conditional: generate needs labels.* 0 to 2"),
            (3, "labels are 3; use whole numbers from 0 to 2"),
            ([0, -1], "labels go from -1 to 0; use whole numbers from 0 to 2"),
            ([0, 1, 2], "for each of the 2 images"),
            (0.5, "use whole numbers from 0 to 2"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                gan.generate(2, seed=0, labels=labels)
        one_each = gan.generate(2, seed=0, labels=[1, 2])
        self.assertAllClose(one_each[0], gan.generate(1, seed=0, labels=1)[0], atol=1e-6)

    def test_data_of_the_wrong_kind_is_named(self):
        gan = labelled_gan()
        gan.compile()
        points, _ = labelled_points(4)
        with self.assertRaisesRegex(ValueError, r"conditional and takes \(images, labels\).*True"):
            gan.fit(points, verbose=0)

    def test_goes_on_from_its_file_and_evaluates(self):
        gan = labelled_gan(ema_decay=0.9)
        gan.compile(loss="hinge", penalties=["wgan-gp", "r2"], discriminator_steps=2)
        data = labelled_points(64)
        gan.fit(*data, batch_size=16, shuffle=False, verbose=0)
        path = pathlib.Path(self.create_tempdir().full_path) / "gan.keras"
        gan.save(path)
        copy = keras.saving.load_model(path)
        self.assertEqual((copy.num_classes, len(copy.penalties)), (3, 2))
        self.assertEqual(copy.penalties[1].get_config(), gan.penalties[1].get_config())
        results = copy.evaluate(*data, verbose=0, return_dict=True)
        names = ("discriminator_loss", "generator_loss", "gradient_penalty")
        self.assertCountEqual(results, names)
        for each in (gan, copy):
            each.fit(*data, batch_size=16, shuffle=False, verbose=0)
        for ours, theirs in zip(gan.get_weights(), copy.get_weights(), strict=True):
            self.assertAllEqual(ours, theirs)


class PenaltyTest(tf.test.TestCase):
    def test_the_step_adds_the_penalty_to_the_loss(self):
        """With linear networks the gradient is the weight, so R1 is weight decay."""

        def trained(penalties):
            keras.utils.set_random_seed(0)
            generator = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
            critic = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
            gan = kerasgan.GAN(generator, critic, 2, seed=0)
            gan.compile(keras.optimizers.SGD(0.1), "wasserstein", penalties=penalties)
            before = gan.discriminator.get_weights()[0]
            logs = gan.train_on_batch(labelled_points(16)[0], return_dict=True)
            return before, gan.discriminator.get_weights()[0], logs

        before, free, _ = trained([])
        _, decayed, logs = trained(kerasgan.losses.GradientPenalty.r1(gamma=3.0))
        self.assertAllClose(logs["gradient_penalty"], 1.5 * np.sum(before**2), rtol=1e-5)
        self.assertAllClose(free - decayed, 0.1 * 3.0 * before, rtol=1e-4, atol=1e-6)

    def test_a_lazy_penalty_costs_as_much_on_the_whole(self):
        generator = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
        critic = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
        gan = kerasgan.GAN(generator, critic, 2, seed=0)
        lazy = kerasgan.losses.GradientPenalty.r1(gamma=2.0, every=4)
        gan.compile(keras.optimizers.SGD(0.0), penalties=lazy, steps_per_execution=1)
        expected = np.sum(critic.get_weights()[0] ** 2)
        losses = [
            gan.train_on_batch(labelled_points(8)[0], return_dict=True)["gradient_penalty"]
            for _ in range(8)
        ]
        self.assertAllClose(losses, [4 * expected, 0, 0, 0] * 2, rtol=1e-5)

    def test_clipped_weights_stay_clipped(self):
        gan = labelled_gan()
        for weight in gan.discriminator.trainable_variables:
            weight.constraint = kerasgan.layers.ClipWeights(0.01)
        gan.compile(keras.optimizers.RMSprop(0.1), "wasserstein")
        gan.fit(*labelled_points(64), batch_size=16, verbose=0)
        largest = max(np.abs(w).max() for w in gan.discriminator.get_weights())
        self.assertAllClose(largest, 0.01)
        self.assertGreater(max(np.abs(w).max() for w in gan.generator.get_weights()), 0.01)


class SpectralTest(tf.test.TestCase):
    def test_one_power_iteration_an_update_and_one_sigma_for_real_and_fake(self):
        spectral = kerasgan.layers.SpectralNormalization(layers.Dense(1))
        critic = keras.Sequential([keras.Input((2,)), spectral])
        generator = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
        gan = kerasgan.GAN(generator, critic, 2, seed=0)
        # A learning rate of 0: the kernel stays, so the estimate after n iterations is known.
        gan.compile(keras.optimizers.SGD(0.0), discriminator_steps=3)
        kernel, u = (ops.convert_to_numpy(w) for w in (spectral.layer.kernel, spectral.u))
        for _ in range(3):
            v = u @ kernel / np.linalg.norm(u @ kernel)
            u = v @ kernel.T / np.linalg.norm(v @ kernel.T)
        gan.train_on_batch(labelled_points(12)[0])
        self.assertAllClose(ops.convert_to_numpy(spectral.u), u, atol=1e-6)
        self.assertAllClose(ops.convert_to_numpy(spectral.v), v, atol=1e-6)

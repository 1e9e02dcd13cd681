import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend
from keras import ops

import kerasgan

LABELS = np.array([2, 0, 1, 2, 2, 0], "int32")


def values(x):
    return ops.convert_to_numpy(x)


def images(seed):
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (6, 8, 8, 1)).astype("float32")


def minus_log_likelihood(labels, logits):
    """Of the softmax, written out."""
    logits = logits.astype("float64")
    each = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(labels)), labels]
    return each.mean()


def small_gan(**kwargs):
    gan = kerasgan.ACGAN((8, 8, 1), 3, latent_dim=4, base_width=4, seed=0, **kwargs)
    for name in ("logits", "classes"):  # so that the outputs are not all near 0
        kernel = gan.discriminator.get_layer(name).kernel
        kernel.assign(500.0 * kernel)
    return gan


class ACGANTest(tf.test.TestCase):
    def test_networks(self):
        """The generator is told the class, the discriminator is not, and has two outputs."""
        gan = small_gan()
        self.assertEqual(gan.generator.get_layer("project").kernel.shape[0], 4 + 3)
        self.assertLen(gan.discriminator.inputs, 1)
        shapes = [tuple(output.shape) for output in gan.discriminator.outputs]
        self.assertEqual(shapes, [(None, 1), (None, 3)])
        flat = gan.discriminator.get_layer("flatten").output
        features = values(keras.Model(gan.discriminator.input, flat)(images(0)))
        for name, output in zip(("logits", "classes"), gan.discriminator(images(0)), strict=True):
            kernel, bias = gan.discriminator.get_layer(name).get_weights()
            self.assertAllClose(values(output), features @ kernel + bias, rtol=1e-4, atol=1e-5)

    def test_losses_by_hand(self):
        """Section 3: both players add -L_C, and it is of real and of generated images."""
        real, fake, latents = images(0), images(1), np.zeros((6, 4), "float32")
        for weight in (1.0, 0.3):
            gan = small_gan(classification_weight=weight)
            gan.compile()
            for training in (False, True):
                (s_real, c_real), (s_fake, c_fake) = (
                    [values(y) for y in gan.discriminator(x, training=training)]
                    for x in (real, fake)
                )
                source = np.logaddexp(0.0, -s_real).mean() + np.logaddexp(0.0, s_fake).mean()
                of_fake = minus_log_likelihood(LABELS, c_fake)
                of_both = minus_log_likelihood(LABELS, c_real) + of_fake
                self.assertGreater(abs(of_both - 2.0 * np.log(3.0)), 0.01)
                loss, logs = gan.discriminator_loss(real, fake, LABELS, latents, training)
                self.assertAllClose(values(loss), source + weight * of_both, rtol=1e-4)
                self.assertAllClose(values(logs["classification_loss"]), of_both, rtol=1e-4)

                loss, logs = gan.generator_loss(real, fake, LABELS, latents, training)
                fooling = np.logaddexp(0.0, -s_fake).mean()
                self.assertAllClose(values(loss), fooling + weight * of_fake, rtol=1e-4)
                found = values(logs["generator_classification_loss"])
                self.assertAllClose(found, of_fake, rtol=1e-4)

    def test_another_loss_and_penalties_take_the_place_of_the_source(self):
        gan = small_gan()
        gan.compile(loss="hinge", penalties="r1")
        real, fake, latents = images(0), images(1), np.zeros((6, 4), "float32")
        (s_real, c_real), (s_fake, c_fake) = (
            [values(y) for y in gan.discriminator(x, training=False)] for x in (real, fake)
        )
        loss, logs = gan.discriminator_loss(real, fake, LABELS, latents, training=False)
        source = np.maximum(0.0, 1.0 - s_real).mean() + np.maximum(0.0, 1.0 + s_fake).mean()
        classes = minus_log_likelihood(LABELS, c_real) + minus_log_likelihood(LABELS, c_fake)
        penalty = values(logs["gradient_penalty"])
        self.assertGreater(penalty, 0.01)
        self.assertAllClose(values(loss), source + classes + penalty, rtol=1e-4)

    @needs_backend("tensorflow", reason="names are the same everywhere")
    def test_logs_of_training_and_evaluation(self):
        gan = small_gan()
        gan.compile()
        gan.run_eagerly = True
        logs = gan.train_on_batch(images(0), LABELS, return_dict=True)
        results = gan.evaluate(images(0), LABELS, return_dict=True, verbose=0)
        names = ["discriminator_loss", "generator_loss"]
        names += ["classification_loss", "generator_classification_loss"]
        for found in (logs, results):
            self.assertCountEqual(found, names)
            for ours in ("classification_loss", "generator_classification_loss"):
                self.assertGreater(found[ours], 0.0)

    def test_settings(self):
        gan = small_gan()
        gan.compile()
        self.assertIsInstance(gan.adversarial_loss, kerasgan.losses.NonSaturating)
        for player in ("discriminator", "generator"):
            adam = gan.optimizer[player]
            self.assertAllClose([adam.learning_rate, adam.beta_1], [2e-4, 0.5])

    def test_configuration(self):
        gan = small_gan(classification_weight=0.3)
        copy = kerasgan.ACGAN.from_config(gan.get_config())
        self.assertEqual((copy.classification_weight, copy.num_classes), (0.3, 3))

    @needs_backend("tensorflow", reason="losses and gradients agree, so what they teach does")
    def test_learns_to_draw_the_digit_that_it_is_told(self):
        """The class is told by the nearest mean of real digits, not by the discriminator."""
        data = kerasgan.data.load("digits", labels=True)
        gan = kerasgan.ACGAN((8, 8, 1), 10, latent_dim=16, base_width=16, ema_decay=0.98, seed=0)
        gan.compile()
        for optimizer in gan.optimizer.optimizers:
            optimizer.learning_rate = 1e-3
        gan.fit(data, epochs=4, verbose=0)
        batches = list(data.as_numpy_iterator())
        digits = np.concatenate([x for x, _ in batches])
        labels = np.concatenate([y for _, y in batches])
        means = np.stack([digits[labels == digit].mean(0) for digit in range(10)])
        wanted = np.arange(200) % 10
        drawn = gan.generate(200, seed=0, labels=wanted)
        distances = ((drawn[:, None] - means[None]) ** 2).sum((2, 3, 4))
        self.assertGreater(np.mean(distances.argmin(1) == wanted), 0.6)

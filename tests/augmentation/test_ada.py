"""Augmentations in the game: what sees them, what moves them, and what is in a file."""

import warnings
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from backends import in_step, needs_backend
from keras import layers, ops

import kerasgan
from kerasgan.augmentation import ADA, Augmentation, OverfittingWarning, Pipeline


def small(**kwargs):
    return kerasgan.DCGAN((8, 8, 1), latent_dim=3, base_width=4, seed=0, **kwargs)


def images(count=16):
    return np.random.default_rng(0).uniform(-1, 1, (count, 8, 8, 1)).astype("float32")


class ControlTest(tf.test.TestCase, parameterized.TestCase):
    def test_p_follows_the_signs_of_the_logits(self):
        ada = ADA(target=0.5, images=100, every=2, max_p=0.3)

        def look(*logits):
            for values in logits:
                in_step(lambda v=values: ada.look(ops.convert_to_tensor(v)), ada.variables)
            return [float(ops.convert_to_numpy(v)) for v in (ada.p, ada.overfitting)]

        sure, unsure = np.ones((10, 1), "float32"), -np.ones((10, 1), "float32")
        self.assertAllClose(look(sure), [0.0, 0.0])  # not yet
        self.assertAllClose(look(sure), [0.2, 1.0])  # 20 images of 100
        self.assertAllClose(look(sure, sure), [0.3, 1.0])  # no further
        self.assertAllClose(look(sure, unsure), [0.1, 0.0])
        self.assertAllClose(look(unsure, unsure), [0.0, -1.0])

    def test_a_limit_that_is_reached_is_told_once(self):
        ada = ADA(images=10, every=1, max_p=0.5)
        in_step(lambda: ada.look(ops.ones((10, 1))), ada.variables)
        with self.assertWarnsRegex(
            OverfittingWarning, "has reached max_p=0.5.*overfitting is 1.00"
        ):
            ada.look_back()
        with warnings.catch_warnings():
            warnings.simplefilter("error", OverfittingWarning)
            ada.look_back()

    @parameterized.parameters(
        ({"target": 2.0}, "target=2.0; use a number from -1 to 1"),
        ({"images": 0}, "images=0; use a whole number"),
        ({"max_p": 1.5}, "max_p=1.5"),
        ({"p": 0.9}, "p=0.9; use a number from 0 to 0.8"),
        ({"p": 0.4, "max_p": 0.3}, r"p=0.4; use a number from 0 to 0.3 \(max_p\)"),
        ({"max_p": 0}, "max_p=0; use a number above 0"),
        ({"every": True}, "every=True; use a whole number"),
        ({"pipeline": "bgc"}, "pipeline='bgc'; use a kerasgan.augmentation.Pipeline"),
    )
    def test_arguments_out_of_range(self, arguments, message):
        with self.assertRaisesRegex(ValueError, message):
            ADA(**arguments)


class Shift(Augmentation):
    """Adds 10, so that what has passed it is known."""

    num_draws = 1

    def change(self, images, draws):
        return images + 10.0


class GameTest(tf.test.TestCase):
    def test_the_discriminator_sees_changed_images_in_updates_only(self):
        discriminator = keras.Sequential(
            [keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(1)]
        )
        discriminator.layers[-1].kernel.assign(np.full((64, 1), 1.0 / 64.0))
        generator = keras.Sequential(
            [keras.Input((3,)), layers.Dense(64, "tanh"), layers.Reshape((8, 8, 1))]
        )
        gan = kerasgan.GAN(generator, discriminator, latent_dim=3, seed=0)
        penalty = kerasgan.losses.GradientPenalty.r1(every=2)
        gan.compile(
            optimizer=keras.optimizers.SGD(0.0),
            loss="wasserstein",
            augmentation=Shift(),
            penalties=[penalty],
        )
        gan.run_eagerly = True
        seen, judge = [], gan.discriminate

        def watched(images, labels, training):
            logits = judge(images, labels, training)
            difference = ops.mean(logits) - ops.mean(images)
            if keras.backend.backend() != "jax":  # there the step is traced all the same
                seen.append(float(ops.convert_to_numpy(ops.stop_gradient(difference))))
            return logits

        with mock.patch.object(gan, "discriminate", watched):
            gan.train_on_batch(images())
            self.assertAllClose(seen, [10.0] * len(seen), atol=1e-4)
            if keras.backend.backend() != "jax":
                self.assertGreaterEqual(len(seen), 4)  # real, fake, penalty; fake of the generator
            seen.clear()
            gan.test_on_batch(images())
            self.assertAllClose(seen, [0.0] * len(seen), atol=1e-4)

    @pytest.mark.slow
    def test_everything_together_trains_and_goes_on_from_its_file_bit_for_bit(self):
        gan = small()
        ada = ADA(target=-0.99, images=40, pipeline=Pipeline(filter=1.0, cutout=1.0), every=1)
        gan.compile(augmentation=ada, penalties=["r1-lazy", "lecam"])
        history = gan.fit(images(), batch_size=8, epochs=2, verbose=0).history
        self.assertContainsSubset(
            ["augmentation_p", "overfitting", "gradient_penalty", "lecam"], history
        )
        self.assertTrue(np.all(np.isfinite(list(history.values()))), history)
        path = self.create_tempdir().full_path + "/model.keras"
        gan.save(path)
        copy = keras.saving.load_model(path)
        self.assertIsInstance(copy.augmentation, ADA)
        for each in (gan, copy):
            each.fit(images(), batch_size=8, epochs=1, verbose=0)
        for ours, theirs in zip(gan.weights, copy.weights, strict=True):
            np.testing.assert_array_equal(
                *(ops.convert_to_numpy(v) for v in (ours, theirs)), ours.path
            )
        self.assertGreater(float(ops.convert_to_numpy(copy.augmentation.p)), 0.0)

    @needs_backend("tensorflow", reason="it is where the gradient begins")
    def test_off_is_the_same_training_bit_for_bit(self):
        weights = []
        for augmentation in (None, Pipeline(0.0)):
            keras.utils.set_random_seed(0)
            gan = small()
            gan.compile(augmentation=augmentation)
            gan.fit(images(8), batch_size=8, verbose=0)
            weights.append([v.numpy() for v in gan.trainable_variables])
        for ours, theirs in zip(*weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)

    def test_what_cannot_be_changed_is_refused(self):
        with self.assertRaisesRegex(ValueError, "augmentation=ADA changes batches.*not of .2,"):
            kerasgan.VanillaGAN((2,), 2).compile(augmentation="ada")
        with self.assertRaisesRegex(ValueError, "augmentation='adda'.*Did you mean 'ada'"):
            small().compile(augmentation="adda")
        with self.assertRaisesRegex(ValueError, "Did you mean 'ada'"):
            small().compile(augmentation="ADA")
        with self.assertRaisesRegex(ValueError, r"no argument 'augmentation'.*to compile\(\)"):
            small(augmentation="ada")

    def test_without_it_nothing_of_it_is_left(self):
        gan = small()
        count = len(gan.weights)
        gan.compile(augmentation="ada", penalties="lecam")
        self.assertLen(gan.weights, count + 7)
        gan.compile()
        self.assertLen(gan.weights, count)


class PenaltiesTest(tf.test.TestCase):
    def test_consistency_is_the_formula(self):
        x = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, 1)).astype("float32")
        penalty = kerasgan.losses.ConsistencyPenalty(2.0, 3.0, augmentation=Shift())

        def judge(images):
            return 0.1 * ops.sum(images, axis=(1, 2, 3))

        # Each logit moves by 0.1 * 64 * 10.
        self.assertAllClose(penalty(judge, x, -x, seed=0), (2.0 + 3.0) * 64.0**2, rtol=1e-4)

    def test_lecam_is_the_formula_and_its_averages_move(self):
        penalty = kerasgan.losses.LeCamPenalty(weight=0.5, decay=0.9)
        real, fake = np.float32([[1.0], [3.0]]), np.float32([[-2.0], [0.5]])

        def cost():
            return in_step(
                lambda: penalty(lambda x: ops.convert_to_tensor(x), real, fake),
                penalty.state.variables,
            )

        expected = 0.5 * (np.mean([1.0, 9.0]) + np.mean([4.0, 0.0]))
        self.assertAllClose(cost(), expected)
        a_real, a_fake = 0.1 * 2.0, 0.1 * -0.75
        expected = 0.5 * (
            np.mean([(1.0 - a_fake) ** 2, (3.0 - a_fake) ** 2])
            + np.mean([(a_real + 2.0) ** 2, max(a_real - 0.5, 0.0) ** 2])
        )
        self.assertAllClose(cost(), expected)

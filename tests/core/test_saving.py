import os
import pathlib
import subprocess
import sys
import textwrap
import zipfile
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from backends import BACKEND, needs_backend

import kerasgan

# What each process of the continuation test begins with: two models that hold every kind of
# state, and their data.
PRELUDE = """
    import os, signal, sys
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras, numpy as np, tensorflow as tf
    import kerasgan
    from keras import layers

    # Keras' unseeded Dropout draws from PyTorch's global generator, which is in no file.
    DROPOUT_SEED = 5 if keras.backend.backend() == "torch" else None

    def images_gan():
        generator = keras.Sequential([
            keras.Input((5,)), layers.Dense(16), layers.BatchNormalization(), layers.ReLU(),
            layers.Reshape((4, 4, 1)), layers.Conv2DTranspose(1, 4, 2, "same", activation="tanh"),
        ])
        discriminator = keras.Sequential([
            keras.Input((8, 8, 1)), layers.Conv2D(4, 4, 2, "same"), layers.LeakyReLU(),
            layers.Dropout(0.3, seed=DROPOUT_SEED), layers.Flatten(), layers.Dense(1),
        ])
        gan = kerasgan.GAN(generator, discriminator, 5, ema_decay=0.9, seed=3)
        gan.compile(discriminator_steps=2, metrics=None)
        return gan, kerasgan.data.load("digits", batch_size=128, augment_flip=True)

    def points_gan():
        gan = kerasgan.VanillaGAN((2,), 2, hidden_units=(8,), seed=4)
        schedule = keras.optimizers.schedules.ExponentialDecay(1e-3, 5, 0.9)
        gan.compile({"generator": keras.optimizers.RMSprop(schedule, clipnorm=1.0)}, "minimax")
        points = np.random.default_rng(0).normal(size=(90, 2))
        return gan, kerasgan.data.from_array(points, batch_size=8)

    def fresh(make):
        keras.backend.clear_session()
        keras.utils.set_random_seed(0)
        return make()

    def dump(gan, path):
        arrays = [*gan.get_weights(), *(v.numpy() for v in gan.optimizer.variables)]
        arrays += [v.numpy() for v in gan._seed_states()]
        np.savez(path, *arrays)

    MAKERS = {"images": images_gan, "points": points_gan}
"""

UNINTERRUPTED = """
    for name, make in MAKERS.items():
        gan, data = fresh(make)
        gan.fit(data, epochs=4, verbose=0)
        dump(gan, f"{name}-uninterrupted.npz")
"""

# Killed in the middle of the third epoch, from within.
KILLED = """
    gan, data = fresh(MAKERS[sys.argv[1]])

    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if self.epoch == 2:
                os.kill(os.getpid(), signal.SIGKILL)

    name = sys.argv[1]
    gan.fit(data, epochs=4, verbose=0, callbacks=[
        keras.callbacks.ModelCheckpoint(f"{name}.keras"),
        keras.callbacks.ModelCheckpoint(f"{name}.weights.h5", save_weights_only=True),
        keras.callbacks.BackupAndRestore(f"{name}-backup"),
        Kill(),
    ])
"""

CONTINUED = """
    for name, make in MAKERS.items():
        _, data = fresh(make)
        keras.backend.clear_session()
        gan = keras.saving.load_model(f"{name}.keras")
        gan.fit(data, initial_epoch=2, epochs=4, verbose=0)
        dump(gan, f"{name}-model.npz")

        _, data = fresh(make)
        keras.backend.clear_session()
        gan = keras.saving.load_model(f"{name}.keras")
        gan.fit(data, epochs=2, verbose=0)  # the model knows which epochs come next
        dump(gan, f"{name}-counted.npz")

        gan, data = fresh(make)
        gan.load_weights(f"{name}.weights.h5")
        gan.fit(data, initial_epoch=2, epochs=4, verbose=0)
        dump(gan, f"{name}-weights.npz")

        gan, data = fresh(make)
        backup = keras.callbacks.BackupAndRestore(f"{name}-backup")
        gan.fit(data, epochs=4, verbose=0, callbacks=[backup])
        dump(gan, f"{name}-backup.npz")
"""


class ContinuationTest(tf.test.TestCase):
    def run_python(self, code, *arguments):
        script = textwrap.dedent(PRELUDE) + textwrap.dedent(code)
        return subprocess.run(
            [sys.executable, "-c", script, *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    @pytest.mark.slow
    @needs_backend("tensorflow", reason="files are written alike everywhere")
    def test_a_killed_run_continues_bit_for_bit(self):
        self.folder = self.create_tempdir().full_path
        done = self.run_python(UNINTERRUPTED)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in ("images", "points"):
            killed = self.run_python(KILLED, name)
            self.assertEqual(killed.returncode, -9, killed.stderr)
        done = self.run_python(CONTINUED)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in ("images", "points"):
            expected = np.load(f"{self.folder}/{name}-uninterrupted.npz")
            self.assertGreater(len(expected), 10)
            for way in ("model", "counted", "weights", "backup"):
                found = np.load(f"{self.folder}/{name}-{way}.npz")
                self.assertEqual(len(found), len(expected))
                for array in expected:
                    np.testing.assert_array_equal(found[array], expected[array], f"{name} {way}")


def points_gan(**kwargs):
    return kerasgan.VanillaGAN((2,), 2, hidden_units=(4,), **kwargs)


def points(count=16):
    return np.random.default_rng(0).normal(size=(count, 2)).astype("float32")


class SavingTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def test_load_model_brings_back_configuration_and_compilation(self):
        gan = kerasgan.DCGAN((14, 14, 3), latent_dim=7, base_width=4, ema_decay=0.5, name="mine")
        optimizer = keras.optimizers.SGD(0.25, momentum=0.5)
        steps = 1 if BACKEND == "torch" else 2
        gan.compile(
            {"discriminator": optimizer},
            kerasgan.losses.Minimax(0.1),
            discriminator_steps=3,
            jit_compile=False,
            steps_per_execution=steps,
        )
        gan.save(self.folder / "gan.keras")
        copy = keras.saving.load_model(self.folder / "gan.keras")
        self.assertIsInstance(copy, kerasgan.DCGAN)
        self.assertEqual(copy.get_config(), gan.get_config())
        self.assertEqual((copy.name, copy.latent_dim, copy.ema_decay), ("mine", 7, 0.5))
        self.assertEqual((copy.discriminator_steps, copy.steps_per_execution), (3, steps))
        self.assertEqual(copy.adversarial_loss.label_smoothing, 0.1)
        self.assertIsInstance(copy.optimizer["discriminator"], keras.optimizers.SGD)
        self.assertIsInstance(copy.optimizer["generator"], keras.optimizers.Adam)
        self.assertAllEqual(copy.generate(4, seed=0), gan.generate(4, seed=0))

    def test_own_networks_come_back(self):
        generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        discriminator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        gan = kerasgan.GAN(generator, discriminator, 3)
        gan.save(self.folder / "gan.keras")
        copy = keras.saving.load_model(self.folder / "gan.keras")
        self.assertFalse(copy.compiled)
        self.assertAllEqual(copy.generate(4, seed=0), gan.generate(4, seed=0))

    def test_a_learning_rate_changed_by_hand_is_kept(self):
        gan = points_gan()
        gan.compile()
        gan.optimizer["generator"].learning_rate = 0.125
        gan.save(self.folder / "gan.keras")
        copy = keras.saving.load_model(self.folder / "gan.keras")
        self.assertAllClose(copy.optimizer["generator"].learning_rate, 0.125)

    def test_the_dtype_policy_is_the_models_own(self):
        before = keras.config.dtype_policy()
        gan = kerasgan.DCGAN((8, 8, 1), base_width=4, dtype="mixed_bfloat16")
        self.assertEqual(keras.config.dtype_policy(), before)
        gan.save(self.folder / "gan.keras")
        copy = keras.saving.load_model(self.folder / "gan.keras")
        for model in (gan, copy):
            self.assertEqual(model.generator.get_layer("to_image").compute_dtype, "bfloat16")
            self.assertEqual(model.generator.get_layer("images").compute_dtype, "float32")

    def test_networks_of_any_layers_can_be_averaged(self):
        class Own(keras.layers.Layer):
            def call(self, x):
                return x * 2.0

        class Network(keras.Model):
            def __init__(self, units=2, **kwargs):
                super().__init__(**kwargs)
                self.dense = keras.layers.Dense(units)

            def call(self, x):
                return self.dense(x)

        discriminator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        for generator in (
            keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), Own()]),
            Network(),
        ):
            gan = kerasgan.GAN(generator, discriminator, 3, ema_decay=0.5)
            latents = gan.latents(4, seed=0)
            expected = keras.ops.convert_to_numpy(generator(latents))
            self.assertAllClose(gan.generate(4, seed=0), expected, atol=1e-6)

    def test_loss_scales_are_kept(self):
        keras.config.set_dtype_policy("mixed_float16")
        try:
            gan = points_gan()
        finally:
            keras.config.set_dtype_policy("float32")
        gan.compile()
        gan.fit(points(), verbose=0)
        gan.save(self.folder / "gan.keras")
        copy = keras.saving.load_model(self.folder / "gan.keras")
        for ours, theirs in zip(gan.optimizer.variables, copy.optimizer.variables, strict=True):
            self.assertAllEqual(ours, theirs)
        self.assertIsInstance(copy.optimizer["generator"], keras.optimizers.LossScaleOptimizer)

    def test_a_file_of_other_networks_is_refused(self):
        """Its weights would fit, and compute something else."""
        folder = self.create_tempdir().full_path
        small = {"base_width": 2, "residual_blocks": 1, "receptive_field": 16}
        gan = kerasgan.CycleGAN((16, 16, 1), **small)
        paths = f"{folder}/model.keras", f"{folder}/model.weights.h5"
        with mock.patch.object(kerasgan.CycleGAN, "networks_version", 1):
            gan.save(paths[0])
            gan.save_weights(paths[1])
        said = "1 of CycleGAN's networks, and this kerasgan has version 2.*train the model again"
        for load, path in zip((keras.saving.load_model, gan.load_weights), paths, strict=True):
            with self.assertRaisesRegex(ValueError, said):
                load(path)

    @needs_backend("tensorflow", reason="networks are built by Keras alone")
    def test_models_whose_networks_changed(self):
        """InfoGAN at 32 pixels, among others, has the shapes that it had, and other activations."""
        size = {"image_shape": (32, 32, 1), "base_width": 1}
        changed = (
            kerasgan.InfoGAN(**size),
            kerasgan.SNGAN(**size),
            kerasgan.ProjectionGAN(num_classes=2, **size),
            kerasgan.PacGAN((2,)),
        )
        same = (kerasgan.SNGAN(architecture="dcgan", **size), kerasgan.PacGAN(**size))
        self.assertEqual([gan.networks_version for gan in changed], [2] * len(changed))
        self.assertEqual([gan.networks_version for gan in same], [1] * len(same))

    def test_an_optimizer_that_cannot_be_restored_is_an_error(self):
        gan = points_gan()
        gan.compile()
        gan.save_weights(self.folder / "gan.weights.h5")
        other = points_gan()
        other.compile({"generator": "sgd"})
        with self.assertRaisesRegex(ValueError, "state of the generator's optimizer: SGD"):
            other.load_weights(self.folder / "gan.weights.h5")
        uncompiled = points_gan()
        uncompiled.load_weights(self.folder / "gan.weights.h5")
        self.assertAllEqual(uncompiled.generate(3, seed=0), gan.generate(3, seed=0))
        uncompiled.save_weights(self.folder / "bare.weights.h5")
        with self.assertRaisesRegex(ValueError, "the file has 0 for this part"):
            gan.load_weights(self.folder / "bare.weights.h5")

    def test_an_interrupted_save_leaves_the_old_file(self):
        gan = points_gan()
        path = self.folder / "gan.keras"
        gan.save(path)
        before = path.read_bytes()
        original = zipfile.ZipFile.writestr

        def full_disk(*args, **kwargs):
            original(*args, **kwargs)
            raise OSError(28, "No space left on device")

        with (
            self.assertRaises(OSError),
            mock.patch.object(zipfile.ZipFile, "writestr", full_disk),
        ):
            gan.save(path)
        self.assertEqual(path.read_bytes(), before)
        self.assertEqual(os.listdir(self.folder), ["gan.keras"])

    def test_weights_that_are_not_numbers_do_not_replace_a_file(self):
        gan = points_gan()
        path = self.folder / "gan.keras"
        gan.save(path)
        before = path.read_bytes()
        gan.generator.trainable_variables[0].assign(np.full((2, 4), np.nan))
        with self.assertRaisesRegex(kerasgan.NonFiniteError, "weight .*gan.keras was not written"):
            gan.save(path)
        self.assertEqual(path.read_bytes(), before)


class NonFiniteTest(tf.test.TestCase):
    def unchecked_gan(self):
        gan = points_gan()
        gan.check_batch = lambda data: {}  # or the data would be to blame
        return gan

    def broken_data(self, bad_batch):
        data = points(80)
        data[bad_batch * 8] = np.nan
        return tf.data.Dataset.from_tensor_slices(data).batch(8)

    def test_names_loss_step_and_the_last_checkpoint_which_is_intact(self):
        path = pathlib.Path(self.create_tempdir().full_path) / "gan.keras"
        for steps_per_execution in (1,) if BACKEND == "torch" else (1, 4):
            gan = self.unchecked_gan()
            gan.compile(steps_per_execution=steps_per_execution)
            checkpoint = keras.callbacks.ModelCheckpoint(path)
            gan.fit(points(80), batch_size=8, epochs=2, callbacks=[checkpoint], verbose=0)
            saved = path.read_bytes()
            message = (
                r"discriminator_loss became nan at step 6 of epoch 3.*after 2 epochs is in "
                + str(path)
            )
            with self.assertRaisesRegex(kerasgan.NonFiniteError, message):
                gan.fit(
                    self.broken_data(5),
                    initial_epoch=2,
                    epochs=4,
                    callbacks=[checkpoint],
                    verbose=0,
                )
            self.assertEqual(path.read_bytes(), saved)
            self.assertAllInRange(keras.saving.load_model(path).generate(4, seed=0), -1e3, 1e3)

    def test_says_so_when_nothing_was_saved(self):
        gan = self.unchecked_gan()
        gan.compile()
        with self.assertRaisesRegex(kerasgan.NonFiniteError, "step 1 of epoch 1.*Autosave"):
            gan.fit(self.broken_data(0), verbose=0)

    def test_terminate_on_nan_decides_if_it_is_there(self):
        gan = self.unchecked_gan()
        gan.compile(steps_per_execution=1)
        stopped = gan.fit(
            self.broken_data(3),
            epochs=5,
            callbacks=[keras.callbacks.TerminateOnNaN()],
            verbose=0,
        )
        self.assertEqual(len(stopped.history["generator_loss"]), 1)

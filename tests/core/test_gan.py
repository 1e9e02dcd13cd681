import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from backends import BACKEND, needs_backend

import kerasgan
from kerasgan import backend
from kerasgan.core.gan import split_batch

LEARNING_RATE = 0.1


def dense(inputs, *units):
    return keras.Sequential(
        [
            keras.Input((inputs,)),
            *(keras.layers.Dense(u, "tanh") for u in units[:-1]),
            keras.layers.Dense(units[-1]),
        ]
    )


def points_gan(**kwargs):
    return kerasgan.GAN(dense(3, 8, 2), dense(2, 8, 1), latent_dim=3, seed=1, **kwargs)


def points(count=64):
    return np.random.default_rng(0).normal(size=(count, 2)).astype("float32")


class MinMeanMetric(keras.metrics.Metric):
    """A generative metric that is easy to work out: difference of means, and counts."""

    def __init__(self, name="mean_difference"):
        super().__init__(name=name)
        self.real = self.add_weight(shape=(), initializer="zeros")
        self.fake = self.add_weight(shape=(), initializer="zeros")
        self.count = self.add_weight(shape=(), initializer="zeros")

    def update_state(self, real, fake):
        self.real.assign_add(keras.ops.sum(real))
        self.fake.assign_add(keras.ops.sum(fake))
        self.count.assign_add(keras.ops.cast(keras.ops.shape(real)[0], "float32"))

    def result(self):
        return (self.real - self.fake) / self.count


class TrainStepTest(tf.test.TestCase):
    def test_is_algorithm_1_of_the_paper(self):
        """One fit step against the updates written out, with the latents that it drew."""
        gan = points_gan()
        gan.compile(keras.optimizers.SGD(LEARNING_RATE), "non_saturating")
        generator, discriminator = dense(3, 8, 2), dense(2, 8, 1)
        generator.set_weights(gan.generator.get_weights())
        discriminator.set_weights(gan.discriminator.get_weights())
        real = points(16)
        latents = keras.random.normal((16, 3), seed=keras.random.SeedGenerator(1))

        logs = gan.train_on_batch(real, return_dict=True)

        bce = keras.losses.BinaryCrossentropy(from_logits=True)
        fake = generator(latents)
        d_loss = self.descend(
            lambda d: bce(np.ones((16, 1)), d(real)) + bce(np.zeros((16, 1)), d(fake)),
            discriminator,
        )
        g_loss = self.descend(lambda g: bce(np.ones((16, 1)), discriminator(g(latents))), generator)
        self.assertAllClose(
            logs, {"discriminator_loss": d_loss, "generator_loss": g_loss}, rtol=1e-5
        )
        for ours, by_hand in zip(
            gan.generator.get_weights() + gan.discriminator.get_weights(),
            generator.get_weights() + discriminator.get_weights(),
            strict=True,
        ):
            self.assertAllClose(ours, by_hand, rtol=1e-5, atol=1e-6)

    def descend(self, loss, network):
        """One step of gradient descent on `loss(network)`; returns the loss before it."""
        values = [keras.ops.convert_to_tensor(w) for w in network.get_weights()]

        def loss_at(index, value):
            changed = [*values[:index], value, *values[index + 1 :]]
            return loss(lambda x: network.stateless_call(changed, [], x)[0])

        gradients = [
            backend.input_gradient(lambda value, i=i: loss_at(i, value), v)
            for i, v in enumerate(values)
        ]
        before = float(keras.ops.convert_to_numpy(loss(network)))
        for variable, value, gradient in zip(
            network.trainable_variables, values, gradients, strict=True
        ):
            variable.assign(value - LEARNING_RATE * gradient)
        return before

    def test_regularization_losses_of_both_networks_count(self):
        def trained(l2):
            keras.utils.set_random_seed(0)
            regularizer = keras.regularizers.L2(l2)
            g = keras.Sequential(
                [keras.Input((3,)), keras.layers.Dense(2, kernel_regularizer=regularizer)]
            )
            d = keras.Sequential(
                [keras.Input((2,)), keras.layers.Dense(1, kernel_regularizer=regularizer)]
            )
            gan = kerasgan.GAN(g, d, 3, seed=0)
            gan.compile(keras.optimizers.SGD(LEARNING_RATE))
            before = g.get_weights()[0], d.get_weights()[0]
            gan.train_on_batch(points(8))
            return before, (g.get_weights()[0], d.get_weights()[0])

        (g0, d0), (g_plain, d_plain) = trained(0.0)
        _, (g_decayed, d_decayed) = trained(0.5)
        self.assertAllClose(d_plain - d_decayed, LEARNING_RATE * 2 * 0.5 * d0, atol=1e-6)
        # The generator's step also sees another discriminator, so only its own share is certain.
        self.assertNotAllClose(g_plain, g_decayed)
        self.assertLess(np.sum(np.abs(g_decayed) - np.abs(g_plain)), 0.0)
        self.assertEqual(g0.shape, g_decayed.shape)

    def test_several_discriminator_steps_see_different_images(self):
        seen = []
        gan = points_gan()
        gan.compile(discriminator_steps=4)
        original = gan.discriminator_loss
        gan.discriminator_loss = lambda real, *others: (seen.append(real), original(real, *others))[
            1
        ]
        gan.run_eagerly = True
        real = points(32)
        gan.train_on_batch(real)
        for index, part in enumerate(seen):
            self.assertAllEqual(keras.ops.convert_to_numpy(part), real[index::4])
        self.assertEqual(int(gan.optimizer["discriminator"].iterations), 4)
        self.assertEqual(int(gan.optimizer["generator"].iterations), 1)

    def test_a_batch_smaller_than_the_discriminator_steps_is_used_again(self):
        parts = split_batch(keras.ops.arange(3), 5)
        self.assertTrue(all(part.shape == (1,) for part in parts))
        parts = [keras.ops.convert_to_numpy(part) for part in split_batch(keras.ops.arange(7), 3)]
        self.assertAllEqual(parts, [[0, 3], [1, 4], [2, 5]])

    def test_batch_norm_and_dropout_are_in_training_mode(self):
        gan = kerasgan.DCGAN((8, 8, 1), base_width=4)
        gan.compile()
        before = gan.generator.get_layer("project_norm").moving_variance.numpy()
        gan.train_on_batch(np.zeros((4, 8, 8, 1), "float32"))
        self.assertNotAllClose(before, gan.generator.get_layer("project_norm").moving_variance)

    def test_mixed_precision_trains_without_nan(self):
        for policy in ("mixed_bfloat16", "mixed_float16"):
            keras.config.set_dtype_policy(policy)
            try:
                gan = kerasgan.DCGAN((8, 8, 1), base_width=4, seed=0)
                own = kerasgan.GAN(dense(3, 8, 2), dense(2, 8, 1), 3)
            finally:
                keras.config.set_dtype_policy("float32")
            images = np.random.default_rng(0).uniform(-1, 1, (32, 8, 8, 1)).astype("float32")
            for model, data in ((gan, images), (own, points(32))):
                model.compile()
                history = model.fit(data, batch_size=8, epochs=2, verbose=0).history
                self.assertTrue(np.all(np.isfinite(history["generator_loss"])))
                scaled = isinstance(
                    model.optimizer["generator"], keras.optimizers.LossScaleOptimizer
                )
                self.assertEqual(scaled, policy == "mixed_float16")
                self.assertEqual(model.generate(2).dtype, np.float32)
            self.assertEqual(gan.generator.trainable_variables[0].dtype, "float32")

    def test_accepts_data_as_arrays_datasets_and_pydatasets(self):
        class Batches(keras.utils.PyDataset):
            def __len__(self):
                return 2

            def __getitem__(self, index):
                return (points(8),)

        for data in (
            points(16),
            tf.data.Dataset.from_tensor_slices(points(16)).batch(8),
            Batches(),
        ):
            gan = points_gan()
            gan.compile(steps_per_execution=1)
            gan.fit(data, batch_size=8 if isinstance(data, np.ndarray) else None, verbose=0)
            self.assertEqual(gan.iterations, 2)


class ConstructionTest(tf.test.TestCase):
    def test_networks_that_do_not_fit_name_both_shapes(self):
        with self.assertRaisesRegex(ValueError, r"generator.*\(4,\).*latents have shape \(3,\)"):
            kerasgan.GAN(dense(4, 2), dense(2, 1), latent_dim=3)
        with self.assertRaisesRegex(ValueError, r"discriminator.*\(5,\).*\(2,\)"):
            kerasgan.GAN(dense(3, 2), dense(5, 1), latent_dim=3)

    def test_unbuilt_and_subclassed_networks_are_built(self):
        class Network(keras.Model):
            def __init__(self, units):
                super().__init__()
                self.dense = keras.layers.Dense(units)

            def call(self, x):
                return self.dense(x)

        gan = kerasgan.GAN(Network(2), keras.Sequential([keras.layers.Dense(1)]), latent_dim=3)
        gan.compile()
        gan.train_on_batch(points(4))
        self.assertEqual(gan.image_shape, (2,))

    def test_bad_arguments(self):
        for kwargs, message in (
            ({"latent_dim": 0}, "latent_dim=0"),
            ({"latent_dim": 2.5}, "latent_dim=2.5"),
            ({"latent_dim": 3, "ema_decay": 1.0}, "ema_decay=1.0"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                kerasgan.GAN(dense(3, 2), dense(2, 1), **kwargs)

    def test_bad_compile_arguments(self):
        gan = points_gan()
        for kwargs, message in (
            ({"discriminator_steps": 0}, "discriminator_steps=0"),
            ({"loss": "wgan"}, "loss='wgan' is not known"),
            ({"optimizer": {"critic": "adam"}}, r"parts \['critic'\].*'discriminator'"),
            ({"jit_compile": "yes"}, "jit_compile='yes'"),
            ({"metrics": ["accuracy"]}, "metrics holds 'accuracy'"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                gan.compile(**kwargs)

    def test_bad_data_is_named_before_training(self):
        gan = points_gan()
        gan.compile()
        for data, message in (
            ((points(8), np.zeros(8)), "unconditional"),
            ((points(8)[:, :1],), r"shape \(1,\), the generator makes \(2,\)"),
            ((points(8).astype("int32"),), "real images are.*int32"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                gan.fit(*data, verbose=0)
        self.assertEqual(gan.iterations, 0)


class StepsTest(tf.test.TestCase):
    def test_steps_per_epoch_is_kept_though_several_run_at_once(self):
        gan = points_gan()
        gan.compile()
        data = tf.data.Dataset.from_tensor_slices(points(8)).batch(8).repeat()
        gan.fit(
            data, steps_per_epoch=12, epochs=2, validation_data=data, validation_steps=3, verbose=0
        )
        self.assertEqual(gan.iterations, 24)
        self.assertEqual(gan.steps_per_execution, 1)
        gan.compile(metrics=[MinMeanMetric()])
        gan.evaluate(data, steps=6, verbose=0)
        self.assertEqual(float(gan.generative_metrics[0].count), 48)

    @needs_backend("tensorflow", "jax", reason="it runs one step at a time")
    def test_single_batches_train_a_model_that_runs_several_steps_at_once(self):
        gan = points_gan()
        gan.compile(jit_compile=True, steps_per_execution=4)
        gan.fit(points(40), batch_size=8, verbose=0)
        gan.train_on_batch(points(8))
        self.assertEqual(gan.iterations, 6)

    def test_metrics_are_not_asked_before_they_have_seen_anything(self):
        class Impatient(MinMeanMetric):
            def result(self):
                if not float(self.count):
                    raise AssertionError("asked too early")
                return super().result()

        gan = points_gan()
        gan.compile(metrics=[Impatient()])
        history = gan.fit(points(8), validation_data=(points(8),), verbose=0).history
        self.assertIn("val_mean_difference", history)

    def test_a_callback_list_can_be_used_again(self):
        gan = points_gan()
        gan.compile()
        callbacks = keras.callbacks.CallbackList(add_history=True, model=gan)
        for _ in range(2):
            gan.fit(points(8), callbacks=callbacks, verbose=0)
        self.assertEqual(gan.epochs_trained, 2)


class OptimizerTest(tf.test.TestCase):
    def test_learning_rate_callbacks_reach_every_player(self):
        gan = points_gan()
        gan.compile()
        halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
        plateau = keras.callbacks.ReduceLROnPlateau(monitor="generator_loss", factor=0.5)
        history = gan.fit(points(8), callbacks=[halve, plateau], verbose=0).history
        for player in gan.players:
            self.assertAllClose(gan.optimizer[player].learning_rate, 1e-4)
            self.assertAllClose(history[f"learning_rate_{player}"], [1e-4])

    def test_one_for_all_one_each_and_the_papers(self):
        gan = points_gan()
        gan.compile()
        self.assertAllClose(gan.optimizer["generator"].learning_rate, 2e-4)
        self.assertEqual(gan.optimizer["generator"].beta_1, 0.5)
        gan.compile(keras.optimizers.RMSprop(1e-3))
        g, d = gan.optimizer["generator"], gan.optimizer["discriminator"]
        self.assertIsInstance(g, keras.optimizers.RMSprop)
        self.assertIsNot(g, d)
        mine = keras.optimizers.SGD(0.5)
        gan.compile({"generator": mine})
        self.assertIs(gan.optimizer["generator"], mine)
        self.assertIsInstance(gan.optimizer["discriminator"], keras.optimizers.Adam)

    def test_learning_rate_schedules_advance_each_player(self):
        gan = points_gan()
        schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.0, 1.0])
        gan.compile({"generator": keras.optimizers.SGD(schedule)})
        before = gan.generator.get_weights()
        gan.train_on_batch(points(4))
        self.assertAllClose(before, gan.generator.get_weights())
        gan.train_on_batch(points(4))
        gan.train_on_batch(points(4))
        self.assertNotAllClose(before[0], gan.generator.get_weights()[0])


class GenerateTest(tf.test.TestCase):
    def test_seeded_and_independent_of_the_number(self):
        gan = points_gan()
        many = gan.generate(100, seed=7)
        self.assertAllClose(gan.generate(3, seed=7), many[:3], atol=1e-6)
        self.assertAllEqual(gan.generate(100, seed=7), many)
        self.assertNotAllClose(gan.generate(3, seed=8), many[:3])
        self.assertNotAllClose(gan.generate(3), gan.generate(3))
        self.assertEqual(gan.generate(0).shape, (0, 2))

    def test_latents_are_standard_normal(self):
        latents = points_gan().latents(4000, seed=0)
        self.assertGreater(scipy.stats.kstest(latents.ravel(), "norm").pvalue, 0.01)

    def test_truncation_gives_the_truncated_normal_distribution(self):
        gan = points_gan()
        for bound in (0.3, 2.0, 8.0):
            latents = gan.latents(4000, seed=0, truncation=bound)
            self.assertLessEqual(np.abs(latents).max(), bound)
            expected = scipy.stats.truncnorm(-bound, bound)
            self.assertGreater(scipy.stats.kstest(latents.ravel(), expected.cdf).pvalue, 0.01)
        self.assertAllClose(
            gan.latents(9, seed=3, truncation=50.0), gan.latents(9, seed=3), atol=1e-3
        )

    def test_given_latents_become_the_images_that_generate_makes_of_them(self):
        gan = points_gan(ema_decay=0.9)
        gan.ema_generator.set_weights([w + 0.1 for w in gan.generator.get_weights()])
        latents = gan.latents(130, seed=3)  # more than a chunk
        images = gan.generate_from(latents)
        by_hand = keras.ops.convert_to_numpy(gan.ema_generator(latents))
        self.assertAllClose(images, by_hand, atol=1e-6)
        self.assertAllClose(gan.generate(130, seed=3), images, atol=1e-6)
        self.assertAllClose(gan.generate_from(latents[::-1].tolist()), images[::-1], atol=1e-6)
        self.assertEqual(gan.generate_from(latents[:0]).shape, (0, 2))
        self.assertEqual(images.dtype, "float32")

    def test_given_latents_and_labels(self):
        gan = kerasgan.CGAN((8, 8, 1), num_classes=3, latent_dim=4, base_width=4)
        latents, labels = gan.latents(6, seed=0), np.array([2, 0, 1, 1, 0, 2])
        images = gan.generate_from(latents, labels=labels)
        self.assertAllClose(images, gan.generate(6, seed=0, labels=labels), atol=1e-6)
        for index, label in enumerate(labels):
            alone = gan.generate_from(latents[index : index + 1], labels=int(label))
            self.assertAllClose(alone[0], images[index], atol=1e-5)
        for kwargs, message in (
            ({}, "generate needs labels"),
            ({"labels": 3}, "labels are 3; .*0 to 2"),
            ({"labels": [0, 1]}, "each of the 6 images"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                gan.generate_from(latents, **kwargs)

    def test_given_latents_of_another_shape(self):
        gan = points_gan()
        for shape in ((3,), (2, 4), (2, 3, 1)):
            with self.assertRaisesRegex(ValueError, r"latents has shape .*use \(num_images, 3\)"):
                gan.generate_from(np.zeros(shape))
        with self.assertRaisesRegex(ValueError, "unconditional"):
            gan.generate_from(np.zeros((2, 3)), labels=0)

    def test_drawing_does_not_disturb_training(self):
        def trained(draw):
            keras.backend.clear_session()
            keras.utils.set_random_seed(0)
            gan = points_gan()
            gan.compile()
            for _ in range(2):
                gan.train_on_batch(points(8))
                if draw:
                    gan.generate(5)
                    gan.evaluate(points(8), verbose=0)
            return gan.get_weights()

        for with_drawing, without in zip(trained(True), trained(False), strict=True):
            self.assertAllEqual(with_drawing, without)

    def test_bad_arguments(self):
        gan = points_gan()
        for kwargs, message in (
            ({"num_images": -1}, "num_images=-1"),
            ({"num_images": 2, "labels": [0, 1]}, "unconditional"),
            ({"num_images": 2, "truncation": 0.0}, "truncation=0.0"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                gan.generate(**kwargs)


class AverageTest(tf.test.TestCase):
    def test_average_follows_the_formula_batch_norm_statistics_included(self):
        gan = kerasgan.DCGAN((8, 8, 1), base_width=4, ema_decay=0.3)
        gan.compile()
        mean = [np.array(w) for w in gan.generator.get_weights()]
        for update in range(1, 4):
            gan.train_on_batch(np.zeros((4, 8, 8, 1), "float32"))
            decay = min(0.3, (1 + update) / (10 + update))
            mean = [
                decay * m + (1 - decay) * w
                for m, w in zip(mean, gan.generator.get_weights(), strict=True)
            ]
        for average, by_hand in zip(gan.ema_generator.get_weights(), mean, strict=True):
            self.assertAllClose(average, by_hand, rtol=1e-5, atol=1e-6)

    def test_average_is_what_generates_and_is_not_trained(self):
        gan = points_gan(ema_decay=0.9)
        gan.ema_generator.set_weights([np.zeros_like(w) for w in gan.generator.get_weights()])
        self.assertAllEqual(gan.generate(3, seed=0), np.zeros((3, 2)))
        self.assertAllEqual(gan(np.ones((3, 3), "float32")), np.zeros((3, 2)))
        trainable = {id(v) for v in gan.trainable_variables}
        self.assertFalse(trainable & {id(v) for v in gan.ema_generator.weights})


class EvaluateTest(tf.test.TestCase):
    def test_metrics_see_real_and_as_many_generated_images(self):
        gan = points_gan()
        gan.compile(metrics=[MinMeanMetric()])
        real = points(70)
        results = gan.evaluate(real, batch_size=32, verbose=0, return_dict=True)
        self.assertEqual(float(gan.generative_metrics[0].count), 70)
        fake = float(gan.generative_metrics[0].fake)
        self.assertAllClose(results["mean_difference"], (real.sum() - fake) / 70, rtol=1e-5)
        self.assertEqual(list(results), ["discriminator_loss", "generator_loss", "mean_difference"])
        self.assertEqual(gan.evaluate(real, batch_size=32, verbose=0, return_dict=True), results)
        self.assertAllClose(gan.evaluate(real, batch_size=32, verbose=0), list(results.values()))

    def test_fit_reports_and_callbacks_watch_them(self):
        gan = points_gan()
        gan.compile(metrics=[MinMeanMetric()])
        stop = keras.callbacks.EarlyStopping(monitor="val_mean_difference", mode="min", patience=0)
        history = gan.fit(
            points(64),
            batch_size=32,
            validation_data=(points(32),),
            epochs=50,
            callbacks=[stop],
            verbose=0,
        ).history
        self.assertIn("val_discriminator_loss", history)
        values = history["val_mean_difference"]
        self.assertLess(len(values), 50)
        self.assertGreaterEqual(values[-1], min(values))


class ExecutionTest(tf.test.TestCase):
    def chosen(self, gan, **kwargs):
        gan.compile(**kwargs)
        return gan.step_options

    def test_choice_depends_on_the_networks_and_the_backend(self):
        # Whether it is compiled, how many steps run at once.
        dense, convolutional = {
            "tensorflow": ((False, 32), (False, 1)),
            "jax": ((True, 32), (True, 1)),
            "torch": ((False, 1), (False, 1)),
        }[BACKEND]
        for gan, expected in (
            (points_gan(), dense),
            (kerasgan.DCGAN((8, 8, 1), base_width=4), convolutional),
        ):
            chosen = self.chosen(gan)
            self.assertEqual((chosen.jit_compile, chosen.steps_per_execution), expected)

    def test_what_was_asked_for_is_done(self):
        steps = 1 if BACKEND == "torch" else 5
        for jit_compile in (True, False):
            asked = self.chosen(points_gan(), jit_compile=jit_compile, steps_per_execution=steps)
            self.assertEqual((asked.jit_compile, asked.steps_per_execution), (jit_compile, steps))

    @needs_backend("torch", reason="it can run several steps at once")
    def test_several_steps_at_once_are_refused(self):
        with self.assertRaisesRegex(ValueError, "steps_per_execution=4: .*PyTorch.*use 1"):
            self.chosen(points_gan(), steps_per_execution=4)

    @needs_backend("tensorflow", "jax", reason="it runs one step at a time")
    @pytest.mark.slow
    def test_ways_of_execution_agree(self):
        def trained(**kwargs):
            keras.utils.set_random_seed(0)
            gan = points_gan()
            gan.compile(keras.optimizers.SGD(LEARNING_RATE), **kwargs)
            # 6 batches and a smaller one: no multiple of 4.
            gan.fit(points(50), batch_size=8, epochs=2, shuffle=False, verbose=0)
            self.assertEqual(gan.iterations, 14)
            return gan

        gans = [
            trained(jit_compile=jit, steps_per_execution=steps)
            for jit in (False, True)
            for steps in (1, 4)
        ]
        # TensorFlow draws other latents under XLA, so those with and without it are compared.
        for group in (gans[:2], gans[2:]) if BACKEND == "tensorflow" else (gans,):
            for other in group[1:]:
                for a, b in zip(group[0].get_weights(), other.get_weights(), strict=True):
                    self.assertAllClose(a, b, rtol=1e-4, atol=1e-5)

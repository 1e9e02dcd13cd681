import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from backends import BACKEND, needs_backend
from growing_helpers import (
    assert_equal_states,
    enlarged,
    growing,
    images,
    made,
    randomize,
    reduced,
    shared,
    state,
    synthesis,
    trainable,
    values,
)
from keras import ops

import kerasgan
from kerasgan.growing.networks import stage_widths

both = parameterized.named_parameters(("progan", "ProGAN"), ("stylegan", "StyleGAN"))


def set_alpha(gan, alpha):
    for network in gan.growing_networks:
        network.alpha.assign(alpha)


def change(layer):
    for weight in layer.weights:
        weight.assign_add(np.full(weight.shape, 0.1, "float32"))


class FadeTest(tf.test.TestCase, parameterized.TestCase):
    @both
    def test_at_alpha_0_the_generator_makes_the_enlarged_images_of_before(self, name):
        gan = randomize(shared(name))
        latents = gan.latents(3, seed=0)
        for stage in (1, 2):
            gan.grow_to(stage - 1)
            before = enlarged(made(gan, latents))
            gan.grow_to(stage, fade_images=100)
            self.assertAllClose(made(gan, latents), before, atol=1e-6)
            set_alpha(gan, 1.0)
            after = made(gan, latents)
            self.assertNotAllClose(after, before, atol=1e-3)
            # Between them it is linear, if nothing is cut off.
            self.assertLess(max(np.abs(before).max(), np.abs(after).max()), 1.0)
            set_alpha(gan, 0.25)
            self.assertAllClose(made(gan, latents), 0.75 * before + 0.25 * after, atol=1e-5)

    @both
    def test_in_training_the_images_are_faded_as_well(self, name):
        gan = randomize(shared(name))
        network = synthesis(gan.generator)
        for weight in network.trainable_weights:
            if weight.path.endswith("strength"):  # of noise, which is drawn anew
                weight.assign(np.zeros(weight.shape))
        latents = gan.latents(3, seed=0)
        inputs = latents if name == "ProGAN" else gan.styles(latents)
        gan.grow_to(0)
        before = values(network(inputs, training=True))
        gan.grow_to(1, fade_images=100)
        self.assertAllClose(values(network(inputs, training=True)), enlarged(before), atol=1e-6)

    @both
    def test_at_alpha_0_the_discriminator_judges_as_before_images_of_half_the_size(self, name):
        gan = randomize(shared(name))
        network = gan.discriminator
        for stage in (1, 2):
            x = reduced(images(gan, 4), 2 - stage)
            gan.grow_to(stage - 1)
            before = values(network(reduced(x)))
            gan.grow_to(stage, fade_images=100)
            self.assertAllClose(values(network(x)), before, rtol=1e-4, atol=1e-5)
            set_alpha(gan, 1.0)
            self.assertNotAllClose(values(network(x)), before, rtol=1e-3, atol=1e-4)

    @both
    def test_at_alpha_1_the_stage_before_has_no_part_in_it(self, name):
        gan = randomize(shared(name))
        latents, x = gan.latents(3, seed=0), images(gan, 4)

        def outputs():
            logits = gan.discriminator(reduced(x, 2 - gan.stage))
            return made(gan, latents), values(logits)

        both_ends = synthesis(gan.sampling_generator).to_image, gan.discriminator.from_image
        for stage in (1, 2):
            gan.grow_to(stage)
            before = outputs()
            for layers in both_ends:
                change(layers[stage - 1])
            for a, b in zip(outputs(), before, strict=True):
                self.assertAllEqual(a, b)
            for layers in both_ends:
                change(layers[stage])
            for a, b in zip(outputs(), before, strict=True):
                self.assertNotAllClose(a, b, atol=1e-4)

    @both
    def test_at_the_first_stage_there_is_nothing_to_fade_from(self, name):
        gan = randomize(shared(name))
        gan.grow_to(0)
        latents, x = gan.latents(3, seed=0), reduced(images(gan, 4), 2)
        before = made(gan, latents), values(gan.discriminator(x))
        gan.grow_to(0, fade_images=100)
        self.assertAllEqual(made(gan, latents), before[0])
        self.assertAllEqual(values(gan.discriminator(x)), before[1])

    def test_in_half_precision_nothing_is_added_at_alpha_0(self):
        gan = randomize(growing("ProGAN", dtype="mixed_bfloat16"))
        self.assertEqual(gan.generator.blocks[0].get_layer("conv_eq").compute_dtype, "bfloat16")
        latents = gan.latents(3, seed=0)
        gan.grow_to(0)
        before = made(gan, latents)
        gan.grow_to(1, fade_images=100)
        self.assertAllClose(made(gan, latents), enlarged(before), atol=1e-6)
        self.assertGreater(before.std(), 1e-3)


class RealImagesTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.gan = shared("ProGAN")
        self.images = images(self.gan, 3)

    def at_stage(self):
        return values(self.gan.at_stage(ops.convert_to_tensor(self.images)))

    def test_without_a_fade_are_the_means_of_squares(self):
        self.assertAllEqual(self.at_stage(), self.images)
        for stage in (0, 1, 2):
            self.gan.grow_to(stage)
            self.assertAllClose(self.at_stage(), reduced(self.images, 2 - stage), atol=1e-6)

    def test_fade_as_the_generated_ones_do(self):
        for stage in (1, 2):
            self.gan.grow_to(stage, fade_images=100)
            now = reduced(self.images, 2 - stage)
            before = enlarged(reduced(now))
            for alpha in (0.0, 0.25, 1.0):
                set_alpha(self.gan, alpha)
                mixed = (1.0 - alpha) * before + alpha * now
                self.assertAllClose(self.at_stage(), mixed, atol=1e-6)

    def test_are_so_in_training_and_evaluation(self):
        self.gan.grow_to(1, fade_images=100)
        found, labels = self.gan.real_batch((ops.convert_to_tensor(self.images),))
        self.assertIsNone(labels)
        self.assertAllClose(values(found), enlarged(reduced(self.images, 2)), atol=1e-6)

    def test_of_another_resolution_are_refused_whatever_the_stage(self):
        self.gan.grow_to(1)
        self.assertEqual(self.gan.real_image_shape, (16, 16, 1))
        with self.assertRaisesRegex(ValueError, r"have shape \(8, 8, 1\).*\(16, 16, 1\)"):
            self.gan.real_batch((ops.convert_to_tensor(reduced(self.images)),))


class GrowToTest(tf.test.TestCase, parameterized.TestCase):
    @both
    def test_the_stage_is_that_of_every_network(self, name):
        gan = shared(name)
        self.assertEqual((gan.stage, gan.last_stage), (2, 2))
        for stage, size in ((0, 4), (2, 16), (1, 8)):
            gan.grow_to(stage)
            self.assertEqual(gan.image_shape, (size, size, 1))
            self.assertEqual(gan.generate(2, seed=0).shape, (2, size, size, 1))
            self.assertEqual(gan(gan.latents(2)).shape, (2, size, size, 1))
            self.assertLen(gan.growing_networks, 3)
            self.assertEqual({network.stage for network in gan.growing_networks}, {stage})

    def test_a_new_model_is_an_ordinary_one_of_the_final_resolution(self):
        gan = growing("ProGAN")
        self.assertEqual(gan.generate(2).shape, (2, 16, 16, 1))
        self.assertEqual([float(values(n.alpha)) for n in gan.growing_networks], [1.0] * 3)

    def test_a_stage_that_does_not_exist(self):
        gan = shared("ProGAN")
        for stage in (-1, 3):
            with self.assertRaisesRegex(ValueError, f"stage={stage}; use a number from 0 to 2"):
                gan.grow_to(stage)
        self.assertEqual(gan.stage, 2)

    def test_image_shapes_that_cannot_be_reached(self):
        for shape in ((4, 4, 1), (12, 12, 1), (28, 28, 1), (16, 8, 1), (16, 16, 2)):
            with self.assertRaisesRegex(ValueError, "cannot be made"):
                growing("ProGAN", image_shape=shape)

    def test_configuration(self):
        gan = growing("ProGAN", max_width=5)
        gan.grow_to(0)
        copy = kerasgan.ProGAN.from_config(gan.get_config())
        self.assertEqual(copy.get_config(), gan.get_config())
        self.assertEqual(copy.final_image_shape, (16, 16, 1))
        shapes = [[w.shape for w in each.weights] for each in (gan, copy)]
        self.assertEqual(*shapes)

    def test_optimizers_keep_their_moments_unless_they_are_reset(self):
        gan = trainable()
        gan.grow_to(0)
        gan.train_on_batch(images(gan, 4))
        gan.optimizer["generator"].learning_rate = 0.125
        before = {name: values(v).copy() for name, v in gan.optimizer.state().items()}
        self.assertGreater(sum(np.count_nonzero(array) for array in before.values()), 100)
        gan.grow_to(1, fade_images=16)
        after = {name: values(v) for name, v in gan.optimizer.state().items()}
        for name, array in before.items():
            np.testing.assert_array_equal(after[name], array, name)

        gan.grow_to(2, fade_images=16, reset_optimizers=True)
        self.assertEqual(gan.iterations, 0)
        for player, rate in (("generator", 0.125), ("discriminator", 1e-3)):
            optimizer = gan.optimizer[player]
            self.assertAllClose(values(optimizer.learning_rate), rate)
            self.assertEqual(int(values(optimizer.iterations)), 0)
            for slot in (*optimizer._momentums, *optimizer._velocities):
                self.assertAllEqual(values(slot), np.zeros(slot.shape))

    def test_loss_scales_are_no_moments(self):
        """A loss that is multiplied by 0 has no gradient."""
        gan = trainable(dtype="mixed_float16")
        scales = [float(values(o.dynamic_scale)) for o in gan.optimizer.optimizers]
        gan.grow_to(1, reset_optimizers=True)
        after = [float(values(o.dynamic_scale)) for o in gan.optimizer.optimizers]
        self.assertEqual(after, scales)

    def test_before_compile_there_is_no_optimizer_to_reset(self):
        gan = shared("ProGAN")
        gan.grow_to(1, reset_optimizers=True)
        self.assertEqual(gan.stage, 1)

    def test_weights_can_be_set_at_another_stage(self):
        """As `EarlyStopping(restore_best_weights=True)` does."""
        gan = randomize(growing("ProGAN"))
        gan.grow_to(1)
        copy = shared("ProGAN")
        copy.generate(2)
        copy.set_weights(gan.get_weights())
        self.assertEqual(copy.generate(3, seed=0).shape, (3, 8, 8, 1))
        self.assertAllEqual(copy.generate(3, seed=0), gan.generate(3, seed=0))


def in_use(gan):
    """The ids of the weights that a stage uses, and of those that it does not."""
    used, idle = set(), set()
    for network in gan.growing_networks:
        ends = getattr(network, "from_image", None) or network.to_image
        layers = network.blocks[: gan.stage + 1] + ends[max(0, gan.stage - 1) : gan.stage + 1]
        used |= {id(w) for layer in layers for w in layer.weights}
        every = {id(w) for layer in (*network.blocks, *ends) for w in layer.weights}
        idle |= every - used
    return used, idle


class Recorder(keras.metrics.Metric):
    """Keeps the shapes that a metric is shown."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.shapes = []

    def update_state(self, real, fake):
        self.shapes.append((tuple(real.shape[1:]), tuple(fake.shape[1:])))

    def result(self):
        return keras.ops.zeros(())


class TrainingTest(tf.test.TestCase, parameterized.TestCase):
    def test_alpha_is_the_share_of_the_fade_that_the_model_has_seen(self):
        gan = trainable()
        gan.run_eagerly = False  # a graph that had it as a number would not move it
        gan.images_seen.assign(1000)  # only those from the growth on count
        gan.grow_to(1, fade_images=10)
        for step in range(4):
            gan.train_on_batch(images(gan, 4, seed=step))
            self.assertEqual(int(values(gan.images_seen)), 1004 + 4 * step)
            for network in gan.growing_networks:
                self.assertAllClose(values(network.alpha), min(1.0, 4 * step / 10))

    @both
    def test_weights_move_if_and_only_if_their_stage_is_in_use(self, name):
        gan = trainable(name)
        if name == "ProGAN":
            gan.run_eagerly = False  # a graph of the stage before would move the weights of that
        weights = {id(w): w for network in gan.growing_networks for w in network.weights}
        kept = {key: [weight] for key, weight in weights.items()}
        for optimizer in gan.optimizer.optimizers:
            for index, variable in enumerate(optimizer._trainable_variables):
                slots = [optimizer._momentums[index], optimizer._velocities[index]]
                kept.setdefault(id(variable), [variable]).extend(slots)

        def snapshot():
            return {key: [values(v).copy() for v in each] for key, each in kept.items()}

        def moved(key, before, after):
            pairs = zip(before[key], after[key], strict=True)
            return [not np.array_equal(a, b) for a, b in pairs]

        for stage in (0, 2):
            gan.grow_to(stage, fade_images=8 if stage else 0)
            used, idle = in_use(gan)
            before = snapshot()
            gan.train_on_batch(images(gan, 4))
            between = snapshot()
            if stage:
                # The first step is taken at alpha 0, where new layers have no part in anything.
                new = synthesis(gan.generator).to_image[2], gan.discriminator.from_image[2]
                for weight in (w for layer in new for w in layer.trainable_weights):
                    self.assertEqual(moved(id(weight), before, between), [False] * 3)
                gan.train_on_batch(images(gan, 4, seed=1))
            after = snapshot()
            for key in idle:
                self.assertFalse(any(moved(key, before, after)), weights[key].path)
            own = {id(w) for w in gan.trainable_weights} & used
            # No gradient is not the same as none that an optimizer knows of, whose slots decay.
            given = {id(v) for player in gan.players for v in gan.part_variables(player)}
            self.assertEqual(given, {id(w) for w in gan.trainable_weights} - idle)
            averaged = {id(w) for w in gan.ema_generator.weights} & used
            self.assertTrue(idle and own and averaged)
            for key in own:
                self.assertEqual(moved(key, before, after), [True] * 3, weights[key].path)
            for key in averaged:
                if not weights[key].path.endswith("noise"):  # a map that was drawn once
                    self.assertTrue(any(moved(key, before, after)), weights[key].path)

    def test_evaluation_is_in_full_size_at_every_stage(self):
        """So that a number of one stage can be compared with that of another."""
        recorder = Recorder()
        gan = growing("ProGAN")
        gan.compile(penalties=[], metrics=[recorder])
        size = gan.real_image_shape[0]
        for stage in (0, 1):
            gan.grow_to(stage)
            gan.evaluate(images(gan, 4), batch_size=4, verbose=0)
            self.assertEqual(recorder.shapes[-1], ((size, size, 1), (size, size, 1)))

    def test_in_half_precision_with_loss_scaling(self):
        """Below the last stage, where an optimizer moves some of its variables only."""
        gan = trainable(dtype="mixed_float16")
        gan.grow_to(0)
        block = gan.generator.blocks[0].trainable_weights
        before = [values(w).copy() for w in block]
        if BACKEND == "jax":
            with self.assertRaisesRegex(NotImplementedError, "mixed_bfloat16"):
                gan.train_on_batch(images(gan, 4))
            return
        for _ in range(4):  # dynamic scaling leaves out the first ones, until its scale fits
            logs = gan.train_on_batch(images(gan, 4), return_dict=True)
            self.assertTrue(np.all(np.isfinite(list(logs.values()))), logs)
        for weight, old in zip(block, before, strict=True):
            self.assertNotAllEqual(values(weight), old)


class RoundsTest(tf.test.TestCase):
    def growing_to(self, *args, **growth):
        gan = trainable()
        gan.grow_to(*args, **growth)
        return gan

    def fit(self, gan, x, batch_size=8):
        gan.fit(x, batch_size=batch_size, shuffle=False, verbose=0)

    def test_are_the_updates_that_smaller_batches_would_give(self):
        divided = self.growing_to(1, fade_images=16, batch_size=4)
        x = images(divided, 8)
        self.fit(divided, x)
        self.assertEqual((divided.iterations, int(values(divided.images_seen))), (2, 8))
        self.assertAllClose(values(divided.discriminator.alpha), 4 / 16)
        small = self.growing_to(1, fade_images=16)
        for part in (x[::2], x[1::2]):
            small.train_on_batch(part)
        self.assertEqual(small.iterations, 2)
        for ours, theirs in zip(divided.weights, small.weights, strict=True):
            if not ours.path.endswith("epochs_trained"):
                self.assertAllClose(values(ours), values(theirs), atol=1e-5, msg=ours.path)

    def test_of_single_batches(self):
        """Of which a smaller one, as the last of an epoch can be, is one round."""
        gan = self.growing_to(0, batch_size=4)
        gan.train_on_batch(images(gan, 8))
        self.assertEqual((gan.iterations, int(values(gan.images_seen))), (2, 8))
        gan.train_on_batch(images(gan, 2))
        self.assertEqual((gan.iterations, int(values(gan.images_seen))), (3, 10))

    def test_of_a_size_that_does_not_divide_the_batch(self):
        gan = self.growing_to(0, batch_size=3)
        before = [values(w).copy() for w in gan.weights]
        with self.assertRaisesRegex(ValueError, "batch_size=3 at 4x4, but .* batches of 8"):
            self.fit(gan, images(gan, 8))
        for weight, old in zip(gan.weights, before, strict=True):
            self.assertAllEqual(values(weight), old)

    @needs_backend("tensorflow", reason="the size of a batch is always known")
    def test_of_batches_whose_size_is_not_known(self):
        gan = self.growing_to(0, batch_size=4)
        gan.run_eagerly = False
        for data in (
            tf.data.Dataset.from_tensor_slices(images(gan, 8)).batch(8),
            tf.data.Dataset.from_tensor_slices(images(gan, 12)).batch(8),
        ):
            with self.assertRaisesRegex(ValueError, "batch_size=4.*unknown size.*drop_remainder"):
                gan.fit(data, verbose=0)
        data = tf.data.Dataset.from_tensor_slices(images(gan, 8)).batch(8, drop_remainder=True)
        gan.fit(data, verbose=0)
        self.assertEqual(gan.iterations, 2)

    @needs_backend("tensorflow", reason="the size of a batch is always known")
    def test_of_arrays_whose_last_batch_is_smaller(self):
        """What is refused, and what the message advises."""
        gan = self.growing_to(0, batch_size=4)
        gan.run_eagerly = False
        x = images(gan, 12)
        with self.assertRaisesRegex(ValueError, "batch_size=4.*kerasgan.data.from_array for arr"):
            self.fit(gan, x)
        gan.run_eagerly = True
        self.fit(gan, kerasgan.data.from_array(x, batch_size=8), batch_size=None)
        self.assertEqual(gan.iterations, 2)


class FilesTest(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)

    def in_a_fade(self, name):
        gan = trainable(name)
        gan.grow_to(1, fade_images=10)
        for step in range(2):
            gan.train_on_batch(images(gan, 4, seed=step))
        return gan

    def assert_is_in_the_fade(self, copy, gan):
        self.assertEqual((copy.stage, copy.image_shape), (1, (8, 8, 1)))
        self.assertEqual({n.stage for n in copy.growing_networks}, {1})
        for network in copy.growing_networks:
            self.assertAllClose(values(network.alpha), 4 / 10)
        self.assertEqual(int(values(copy.images_seen)), 8)
        self.assertEqual(copy.generate(3, seed=0).shape, (3, 8, 8, 1))
        self.assertAllEqual(copy.generate(3, seed=0), gan.generate(3, seed=0))

    def assert_go_on(self, gan, copies):
        for each in (gan, *copies):
            each.train_on_batch(images(gan, 4, seed=2))
        self.assertAllClose(values(gan.discriminator.alpha), 8 / 10)
        for copy in copies:
            assert_equal_states(self, state(copy), state(gan))

    @both
    @pytest.mark.slow
    def test_a_model_goes_on_bit_for_bit_in_the_middle_of_a_fade(self, name):
        gan = self.in_a_fade(name)
        gan.save(self.folder / "gan.keras")
        copy = keras.saving.load_model(self.folder / "gan.keras")
        copy.run_eagerly = gan.run_eagerly
        self.assert_is_in_the_fade(copy, gan)
        self.assert_go_on(gan, [copy])

    def test_weights_go_into_models_that_were_at_another_stage(self):
        gan = self.in_a_fade("ProGAN")
        gan.save_weights(self.folder / "gan.weights.h5")
        unused, used = trainable(), trainable()
        used.grow_to(0)
        used.train_on_batch(images(gan, 4))
        used.generate(2)
        for copy in (unused, used):
            copy.load_weights(self.folder / "gan.weights.h5")
            self.assert_is_in_the_fade(copy, gan)
        self.assert_go_on(gan, [unused, used])

    def test_styles_go_into_a_model_that_was_at_another_stage(self):
        gan = randomize(shared("StyleGAN"))
        gan.grow_to(1)
        expected = gan.generate(3, seed=0)
        gan.save_weights(self.folder / "gan.weights.h5")
        gan = shared("StyleGAN")
        self.assertEqual(gan.generate(3, seed=0).shape, (3, 16, 16, 1))
        gan.load_weights(self.folder / "gan.weights.h5")
        self.assertEqual(gan.style_layers, 4)
        self.assertAllEqual(gan.generate(3, seed=0), expected)

    @both
    @needs_backend("tensorflow", reason="JAX takes long and PyTorch has no SavedModel")
    def test_export_is_of_the_stage(self, name):
        gan = randomize(shared(name))
        gan.grow_to(1, fade_images=100)
        set_alpha(gan, 0.5)
        gan.export(self.folder / "1")
        serve = tf.saved_model.load(str(self.folder / "1")).signatures["serving_default"]
        latents = gan.latents(3, seed=0)
        served = serve(latent=tf.constant(latents))["images"].numpy()
        self.assertEqual(served.shape, (3, 8, 8, 1))
        self.assertAllClose(served, gan.generate_from(latents), atol=1e-6)


class WidthsTest(tf.test.TestCase):
    def test_double_at_each_halving_up_to_a_limit(self):
        self.assertEqual(stage_widths((64, 64, 3), 3, 20), [20, 20, 12, 6, 3])
        self.assertEqual(stage_widths((8, 8, 1), 4, 8), [8, 4])

    def test_are_those_of_the_networks(self):
        gan = growing("ProGAN", base_width=3, max_width=10)
        generator, discriminator = gan.generator, gan.discriminator
        for layers, widths in (
            (generator.blocks, [10, 6, 3]),
            (generator.to_image, [1, 1, 1]),
            (discriminator.from_image, [10, 6, 3]),
            (discriminator.blocks[1:], [10, 6]),
        ):
            self.assertEqual([layer.output_shape[-1] for layer in layers], widths)

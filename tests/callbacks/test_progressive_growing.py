import contextlib
import io
import pathlib
import shutil
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend
from growing_helpers import assert_equal_states, growing, images, state, trainable, values

import kerasgan
from kerasgan.callbacks import ProgressiveGrowing, Stage
from kerasgan.callbacks import progressive_growing as module

BATCH = 8


def drive(gan, callback, epochs, steps=4, batch=BATCH):
    """Calls a callback as `fit` does, with steps that do nothing but count images.

    Returns what the model was at each step: the images seen, its stage, the length of its fade and
    where that began.
    """
    callback.set_model(gan)
    callback.on_train_begin()
    found = []
    for epoch in range(epochs):
        callback.on_epoch_begin(epoch)
        for step in range(steps):
            callback.on_train_batch_begin(step)
            counters = gan.images_seen, gan.fade_images, gan.fade_start
            seen, length, start = (int(values(counter)) for counter in counters)
            found.append((seen, gan.stage, length, start))
            gan.images_seen.assign_add(batch)
            callback.on_train_batch_end(step)
        gan.epoch_counter.assign_add(1)
        callback.on_epoch_end(epoch)
    callback.on_train_end()
    return found


def quiet(schedule, **arguments):
    return ProgressiveGrowing(schedule, **{"verbose": 0, **arguments})


def summary(callback):
    return [
        (stage["resolution"], stage["images_seen"], stage["fade_images"])
        for stage in callback.stages
    ]


class Driven(tf.test.TestCase, parameterized.TestCase):
    """Has a model, which is not trained."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.gan = growing("ProGAN")
        cls.gan.compile(penalties=[])

    def setUp(self):
        super().setUp()
        self.anew()

    def anew(self):
        gan = self.gan
        gan.grow_to(gan.last_stage)
        counters = gan.images_seen, gan.fade_start, gan.fade_images, gan.images_an_epoch
        for counter in (*counters, gan.epoch_counter):
            counter.assign(0)


class ScheduleTest(Driven):
    def test_in_images(self):
        growing = quiet({4: Stage(0, 24), 8: Stage(16, 8), 16: Stage(40, 0)})
        found = drive(self.gan, growing, 3)
        self.assertEqual(summary(growing), [(4, 0, 0), (8, 24, 16), (16, 48, 40)])
        expected = [(seen, 0, 0, 0) for seen in (0, 8, 16)]
        expected += [(seen, 1, 16, 24) for seen in (24, 32, 40)]
        expected += [(seen, 2, 40, 48) for seen in range(48, 96, 8)]
        self.assertEqual(found, expected)

    def test_a_stage_begins_with_the_first_batch_after_the_end_of_the_one_before(self):
        growing = quiet({4: Stage(0, 20), 8: Stage(16, 8), 16: Stage(1, 0)})
        drive(self.gan, growing, 3)
        # The second stage ends at 20 + 16 + 8: what the first was longer is not added.
        self.assertEqual(summary(growing), [(4, 0, 0), (8, 24, 16), (16, 48, 1)])

    def test_one_stage_for_all_fades_all_but_the_first(self):
        growing = quiet(Stage(16, 8))
        drive(self.gan, growing, 2)
        self.assertEqual(summary(growing), [(4, 0, 0), (8, 8, 16), (16, 32, 16)])

    def test_in_epochs(self):
        """Of 4 steps of 8 images."""
        growing = quiet(Stage(0.5, 1.0, unit="epochs"))
        drive(self.gan, growing, 4)
        self.assertEqual(summary(growing), [(4, 0, 0), (8, 32, 16), (16, 80, 16)])
        self.assertEqual(int(values(self.gan.images_an_epoch)), 32)

    def test_in_epochs_the_first_stage_lasts_until_it_is_known_what_an_epoch_is(self):
        growing = quiet(Stage(0.5, 0.5, unit="epochs"))
        drive(self.gan, growing, 3)
        self.assertEqual(summary(growing), [(4, 0, 0), (8, 32, 16), (16, 48, 16)])

    def test_in_both_units(self):
        """16 images are over before it is known how long a quarter of an epoch is."""
        growing = quiet({4: Stage(0, 16), 8: Stage(0.25, 1, unit="epochs"), 16: Stage(16, 0)})
        drive(self.gan, growing, 3)
        resolutions, _, fades = zip(*summary(growing), strict=True)
        self.assertEqual((resolutions, fades), ((4, 8, 16), (0, 8, 16)))

    def test_resolutions_that_are_left_out_are_passed_over(self):
        for schedule, expected in (
            ({16: Stage(16, 8)}, [(16, 0, 0)]),
            ({8: Stage(16, 8), 16: Stage(16, 0)}, [(8, 0, 0), (16, 8, 16)]),
            ({16: Stage(24, 0), 4: Stage(0, 16)}, [(4, 0, 0), (16, 16, 24)]),
        ):
            self.anew()
            growing = quiet(schedule)
            drive(self.gan, growing, 2)
            self.assertEqual(summary(growing), expected)
            self.assertEqual(self.gan.stage, 2)

    def test_stages_of_no_length(self):
        growing = quiet({4: Stage(0, 0), 8: Stage(0, 0), 16: Stage(16, 0)})
        drive(self.gan, growing, 1)
        self.assertEqual(summary(growing), [(16, 0, 16)])

    def test_with_several_steps_an_execution(self):
        growing = quiet({4: Stage(0, 24), 8: Stage(16, 8), 16: Stage(40, 0)})
        drive(self.gan, growing, 4, batch=4 * BATCH, steps=2)
        self.assertEqual(summary(growing), [(4, 0, 0), (8, 32, 16), (16, 64, 40)])

    def test_last_batches_that_are_smaller(self):
        """So that steps are not a measure of images."""
        for batches, expected in (
            ((8, 8, 8, 4), [(4, 0, 0), (8, 64, 8), (16, 108, 8)]),
            ((8, 4), [(4, 0, 0), (8, 60, 8), (16, 104, 8)]),
        ):
            self.anew()
            growing = quiet({4: Stage(0, 60), 8: Stage(8, 36), 16: Stage(8, 0)})
            growing.set_model(self.gan)
            growing.on_train_begin()
            for epoch in range(10):
                growing.on_epoch_begin(epoch)
                for step, batch in enumerate(batches):
                    growing.on_train_batch_begin(step)
                    self.gan.images_seen.assign_add(batch)
                    growing.on_train_batch_end(step)
                self.gan.epoch_counter.assign_add(1)
                growing.on_epoch_end(epoch)
            self.assertEqual(summary(growing), expected)

    def test_goes_on_as_if_it_had_not_been_interrupted(self):
        for schedule in (
            {4: Stage(0, 24), 8: Stage(16, 24), 16: Stage(40, 0)},
            {4: Stage(0, 32), 8: Stage(16, 48), 16: Stage(40, 0)},  # with the ends of epochs
            Stage(0.5, 1.0, unit="epochs"),
            {8: Stage(1, 0.3, unit="epochs"), 16: Stage(2, 1, unit="epochs")},
        ):
            self.anew()
            expected = drive(self.gan, quiet(schedule), 4)
            for epochs in (1, 2, 3):
                self.anew()
                found = drive(self.gan, quiet(schedule), epochs)
                found += drive(self.gan, quiet(schedule), 4 - epochs)
                self.assertEqual(found, expected, f"{schedule} after {epochs}")

    def test_of_a_file_from_within_the_first_epoch_an_epoch_is_as_long_as_ever(self):
        for seen in (0, 24):
            self.anew()
            self.gan.images_seen.assign(seen)
            if seen:
                self.gan.grow_to(0)
            drive(self.gan, quiet(Stage(0.5, 1.0, unit="epochs")), 2, steps=5)
            self.assertEqual(int(values(self.gan.images_an_epoch)), 5 * BATCH)

    def test_the_counter_is_seldom_read(self):
        """The host would wait for the device at every step."""
        growing = quiet({4: Stage(0, 50 * BATCH), 8: Stage(0, 50 * BATCH), 16: Stage(0, 0)})
        with mock.patch.object(growing, "_seen", wraps=growing._seen) as read:
            drive(self.gan, growing, 2, steps=100)
        self.assertEqual([first for _, first, _ in summary(growing)], [0, 400, 800])
        self.assertLess(read.call_count, 12)


class GrowthTest(Driven):
    def test_batch_sizes_are_those_of_the_stage(self):
        schedule = {4: Stage(0, 24, batch_size=2), 8: Stage(0, 24), 16: Stage(0, 0, batch_size=4)}
        found = []

        class Growing(ProgressiveGrowing):
            def on_train_batch_end(self, batch, logs=None):
                super().on_train_batch_end(batch, logs)
                found.append(self.model.batch_size)

        growing = Growing(schedule, verbose=0)
        drive(self.gan, growing, 2)
        self.assertEqual(found, [2] * 3 + [None] * 3 + [4] * 2)
        self.gan.batch_size = None  # which is not in a file
        growing = quiet(schedule)
        growing.set_model(self.gan)
        growing.on_train_begin()
        growing.on_epoch_begin(2)
        self.assertEqual(self.gan.batch_size, 4)

    def test_optimizers_are_reset_where_there_is_something_to_forget(self):
        for reset in (False, True):
            self.anew()
            grow_to = self.gan.grow_to

            def without(stage, reset_optimizers, grow_to=grow_to, **arguments):
                grow_to(stage, **arguments)

            with mock.patch.object(self.gan, "grow_to", side_effect=without) as called:
                drive(self.gan, quiet(Stage(0, 8), reset_optimizers=reset), 1)
            found = [call.kwargs["reset_optimizers"] for call in called.call_args_list]
            self.assertEqual(found, [False, reset, reset])

    def says(self, **arguments):
        growing = ProgressiveGrowing(
            {4: Stage(0, 1000), 8: Stage(1500, 8), 16: Stage(0, 0)}, **arguments
        )
        clock = mock.Mock(side_effect=[10.0, 12.5, *np.arange(100.0)])
        printed = io.StringIO()
        with (
            contextlib.redirect_stdout(printed),
            mock.patch.object(module.time, "perf_counter", clock),
        ):
            drive(self.gan, growing, 2, batch=500)
        return growing, printed.getvalue()

    def test_the_seconds_of_the_first_steps_are_kept_and_told(self):
        growing, printed = self.says()
        self.assertEqual(summary(growing), [(4, 0, 0), (8, 1000, 1500), (16, 3000, 0)])
        self.assertEqual([s["first_step_seconds"] for s in growing.stages], [2.5, 1.0, 1.0])
        lines = [line for line in printed.splitlines() if line]
        self.assertLen(lines, 6)
        self.assertIn("4x4 from image 0 on.", lines[0])
        self.assertIn("first step at 4x4, compilation included, took 2.5 s", lines[1])
        self.assertIn("8x8 from image 1,000 on, fading in over 1,500 images.", lines[2])
        self.assertIn("first step at 8x8", lines[3])
        self.assertIn("16x16 from image 3,000 on.", lines[4])

    def test_a_stage_that_is_continued_is_told_and_timed(self):
        schedule = {4: Stage(0, 16), 8: Stage(1000, 9000), 16: Stage(0, 0)}
        drive(self.gan, quiet(schedule), 2, batch=500)
        self.assertEqual(self.gan.stage, 1)
        self.gan.discriminator.alpha.assign(0.75)  # as steps do
        growing = ProgressiveGrowing(schedule)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            drive(self.gan, growing, 1)
        lines = [line for line in printed.getvalue().splitlines() if line]
        self.assertLen(lines, 2)
        self.assertIn("continues at 8x8, alpha 0.75, from image 4,000 on.", lines[0])
        self.assertIn("first step at 8x8", lines[1])
        self.assertEqual(summary(growing), [(8, 4000, 1000)])
        self.assertGreater(growing.stages[0]["first_step_seconds"], 0.0)

    def test_nothing_is_told_if_not_wanted(self):
        growing, printed = self.says(verbose=0)
        self.assertEqual(printed, "")
        self.assertEqual([s["first_step_seconds"] for s in growing.stages], [2.5, 1.0, 1.0])


class FitTest(tf.test.TestCase):
    @pytest.mark.slow
    def test_continued_from_any_epoch_is_the_uninterrupted_run_bit_for_bit(self):
        """After 12 images in the first stage, after 24 and 36 in the fade of the second."""
        folder = pathlib.Path(self.create_tempdir().full_path)
        schedule = {4: Stage(0, 18, batch_size=2), 8: Stage(20, 0)}
        gan = trainable(image_shape=(8, 8, 1))
        gan.run_eagerly = False
        x = images(gan, 12)
        growing = quiet(schedule)
        checkpoint = keras.callbacks.ModelCheckpoint(folder / "{epoch}.keras")
        arguments = {"batch_size": 4, "shuffle": False, "verbose": 0}
        gan.fit(x, epochs=4, callbacks=[growing, checkpoint], **arguments)
        self.assertEqual(summary(growing), [(4, 0, 0), (8, 20, 20)])
        self.assertEqual(gan.iterations, 10 + 7)
        self.assertTrue(all(stage["first_step_seconds"] > 0 for stage in growing.stages))
        self.assertEqual(gan.generate(2).shape, (2, 8, 8, 1))
        expected = state(gan)
        for epochs, stage, alpha in ((1, 0, 1.0), (2, 1, 0.0), (3, 1, 12 / 20)):
            copy = keras.saving.load_model(folder / f"{epochs}.keras")
            self.assertEqual((copy.stage, copy.epochs_trained), (stage, epochs))
            self.assertAllClose(values(copy.discriminator.alpha), alpha)
            growing = quiet(schedule)
            copy.fit(x, epochs=4 - epochs, callbacks=[growing], **arguments)
            begun = {1: [(4, 12, 0), (8, 20, 20)], 2: [(8, 24, 20)], 3: [(8, 36, 20)]}
            self.assertEqual(summary(growing), begun[epochs])
            assert_equal_states(self, state(copy), expected)
        self.assertAllClose(values(gan.discriminator.alpha), 1.0)

    @pytest.mark.slow
    def test_continued_from_the_middle_of_an_epoch(self):
        """Of the first, which tells how many images an epoch has, and of one in the fade."""
        folder = pathlib.Path(self.create_tempdir().full_path)
        schedule = {4: Stage(0, 0.5, unit="epochs"), 8: Stage(2, 0, unit="epochs")}
        gan = trainable(image_shape=(8, 8, 1))
        x = images(gan, 12)

        class Save(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                gan.save(folder / f"{self.model.epochs_trained}.{batch + 1}.keras")

        arguments = {"batch_size": 4, "epochs": 2, "verbose": 0}
        gan.fit(x, callbacks=[quiet(schedule), Save()], **arguments)
        expected = state(gan)
        self.assertEqual(int(values(gan.images_an_epoch)), 12)
        for name, seen in (("0.2", 8), ("1.1", 16)):
            copy = keras.saving.load_model(folder / f"{name}.keras")
            copy.run_eagerly = gan.run_eagerly
            self.assertEqual(int(values(copy.images_seen)), seen)
            begin = copy.epochs_trained
            copy.fit(x, callbacks=[quiet(schedule)], initial_epoch=begin, **arguments)
            assert_equal_states(self, state(copy), expected)
            self.assertEqual((copy.epochs_trained, copy.stage), (2, 1))

    @pytest.mark.slow
    def test_continued_from_a_backup_in_any_order_of_callbacks(self):
        """Restored before the stage is looked at or after; in the fade of the second."""
        folder = pathlib.Path(self.create_tempdir().full_path)
        schedule = {4: Stage(0, 8), 8: Stage(20, 0, batch_size=2)}

        def fit(backup, order, *others):
            gan, growing = trainable(image_shape=(8, 8, 1)), quiet(schedule)
            restore = keras.callbacks.BackupAndRestore(folder / backup)
            callbacks = [*[growing, restore][::order], *others]
            arguments = {"batch_size": 4, "shuffle": False, "verbose": 0}
            gan.fit(images(gan, 8), epochs=3, callbacks=callbacks, **arguments)
            return summary(growing), state(gan)

        def keep(epoch, logs):
            if epoch == 2:
                for copy in "ab":
                    shutil.copytree(folder / "all", folder / copy)

        keeping = keras.callbacks.LambdaCallback(on_epoch_begin=keep)
        begun, expected = fit("all", 1, keeping)
        self.assertEqual(begun, [(4, 0, 0), (8, 8, 20)])
        for copy, order in (("a", 1), ("b", -1)):
            begun, found = fit(copy, order)
            self.assertEqual(begun, [(8, 16, 20)])
            assert_equal_states(self, found, expected)

    @needs_backend("tensorflow", reason="it compiles for long")
    def test_with_data_of_our_own_and_other_callbacks(self):
        gan = trainable(image_shape=(8, 8, 1))
        folder = pathlib.Path(self.create_tempdir().full_path)
        digits = kerasgan.data.load("digits", image_size=8, batch_size=599)
        growing = quiet(Stage(0.5, 0.5, unit="epochs", batch_size=599))
        shapes = []
        shape = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: shapes.append(gan.generate(1).shape[1])
        )
        samples = kerasgan.callbacks.SampleGrid(folder)
        gan.fit(digits, epochs=2, callbacks=[growing, shape, samples], verbose=0)
        self.assertEqual(shapes, [4, 8])


class RefusalTest(Driven):
    def test_schedules_that_are_none(self):
        for schedule in (None, {}, 4, "fast", [Stage(0, 1)], {4: 10, 16: Stage(0, 1)}, Stage):
            with self.assertRaisesRegex(ValueError, "use a kerasgan.callbacks.Stage, or a dict"):
                ProgressiveGrowing(schedule)

    def test_stages_out_of_range(self):
        for arguments, message in (
            ({"fade_in": -1}, "fade_in=-1; use a number of at least 0"),
            ({"stabilize": -0.5}, "stabilize=-0.5; use a number of at least 0"),
            ({"stabilize": float("inf")}, "stabilize=inf"),
            ({"fade_in": float("nan")}, "fade_in=nan"),
            ({"unit": "steps"}, "unit='steps'; use one of 'images', 'epochs'"),
            ({"batch_size": 0}, "batch_size=0; use None or a whole number"),
            ({"batch_size": 2.0}, "batch_size=2.0"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                Stage(**{"fade_in": 1, "stabilize": 1, **arguments})

    def test_resolutions_that_the_model_does_not_have(self):
        for schedule in (
            {4: Stage(0, 8), 12: Stage(0, 8), 16: Stage(0, 8)},
            {16: Stage(0, 8), 32: Stage(0, 8)},
            {0: Stage(0, 8), 16: Stage(0, 8)},
        ):
            with self.assertRaisesRegex(ValueError, r"resolutions .*; use some of \[4, 8, 16\]"):
                self.gan.fit(images(self.gan, 8), callbacks=[quiet(schedule)], verbose=0)
            self.assertEqual((self.gan.iterations, self.gan.stage), (0, 2))

    def test_schedules_without_the_final_resolution(self):
        with self.assertRaisesRegex(ValueError, "including the last one"):
            self.gan.fit(
                images(self.gan, 8),
                callbacks=[quiet({4: Stage(0, 8), 8: Stage(8, 8)})],
                verbose=0,
            )
        self.assertEqual(self.gan.iterations, 0)

    def test_models_that_have_grown_beyond_the_schedule(self):
        self.anew()
        drive(self.gan, quiet({4: Stage(0, 8), 8: Stage(8, 24), 16: Stage(0, 0)}), 1)
        self.assertEqual(self.gan.stage, 1)
        longer = {4: Stage(0, 40), 8: Stage(0, 8), 16: Stage(0, 0)}
        with self.assertRaisesRegex(ValueError, r"32 images .* at 4x4, .* to 8x8; .*grow_to\(0\)"):
            drive(self.gan, quiet(longer), 1)
        self.assertEqual(self.gan.stage, 1)
        self.gan.grow_to(0)
        growing = quiet(longer)
        drive(self.gan, growing, 1)
        self.assertEqual(summary(growing), [(4, 32, 0), (8, 40, 0), (16, 48, 0)])

    def test_models_of_one_resolution(self):
        gan = kerasgan.DCGAN((8, 8, 1), latent_dim=2, base_width=2)
        gan.compile()
        with self.assertRaisesRegex(
            ValueError, "needs a model that can grow; DCGAN can.*ProGAN and StyleGAN can"
        ):
            gan.fit(np.zeros((4, 8, 8, 1), "float32"), callbacks=[quiet(Stage(1, 1))], verbose=0)
        self.assertEqual(gan.iterations, 0)

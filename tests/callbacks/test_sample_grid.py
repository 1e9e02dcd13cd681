"""SampleGrid: pictures of the same latents as the generator learns."""

import pathlib

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

import kerasgan
from kerasgan import pictures
from kerasgan.callbacks import SampleGrid
from kerasgan.pictures.drawing import GAP

IMAGES = kerasgan.data.from_array(
    np.random.default_rng(0).integers(0, 256, (8, 8, 8), dtype="uint8"), batch_size=8
)


def tiny_gan(image_shape=(8, 8, 1), learning_rate=1.0):
    keras.utils.set_random_seed(0)
    gan = kerasgan.VanillaGAN(image_shape, latent_dim=2, hidden_units=(), seed=0)
    gan.compile(keras.optimizers.SGD(learning_rate))
    gan.run_eagerly = True  # the callbacks do not care, and tracing takes most of a short run
    return gan


def place(gan, x, y):
    """Lets a generator of points make (x, y) of every latent."""
    output = gan.generator.get_layer("output")
    output.set_weights([np.zeros(output.kernel.shape), np.array([x, y])])


class SampleGridTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.get_temp_dir())

    def train(self, gan, epochs, initial_epoch=0, callbacks=(), **settings):
        grid = SampleGrid(self.folder, **settings)
        gan.fit(
            IMAGES,
            initial_epoch=initial_epoch,
            epochs=epochs,
            callbacks=[grid, *callbacks],
            verbose=0,
        )

    def draw(self, grid, gan, epoch):
        grid.set_model(gan)
        grid.on_epoch_end(epoch - 1)
        return self.picture(epoch)

    def picture(self, epoch):
        return np.asarray(Image.open(self.folder / "samples" / f"epoch_{epoch:04d}.png"))

    def drawn_epochs(self):
        frames = (self.folder / "samples").iterdir()
        return sorted(int(frame.stem.removeprefix("epoch_")) for frame in frames)

    def num_gif_frames(self):
        return Image.open(self.folder / "samples.gif").n_frames

    def test_draws_the_first_the_last_and_every_nth_epoch(self):
        self.train(tiny_gan(), epochs=5, every=2)
        self.assertEqual(self.drawn_epochs(), [1, 2, 4, 5])

    def test_draws_the_last_epoch_of_a_run_that_is_stopped(self):
        gan = tiny_gan()

        def stop(epoch, logs):
            gan.stop_training = epoch == 2

        stopper = keras.callbacks.LambdaCallback(on_epoch_end=stop)
        self.train(gan, epochs=9, every=50, callbacks=[stopper])
        self.assertEqual(self.drawn_epochs(), [1, 3])

    def test_the_picture_changes_only_if_the_generator_does(self):
        for learning_rate, same in ((0.0, True), (1.0, False)):
            self.train(tiny_gan(learning_rate=learning_rate), epochs=2)
            self.assertEqual(np.array_equal(self.picture(1), self.picture(2)), same)

    def test_a_picture_is_the_generated_images_row_by_row(self):
        gan = tiny_gan()
        picture = self.draw(SampleGrid(self.folder, num_images=5, seed=3), gan, epoch=1)
        size = (picture.shape[1] - 2 * GAP) // 3
        self.assertEqual(picture.shape, (2 * size + GAP, 3 * size + 2 * GAP, 3))
        for index, image in enumerate(gan.generate(5, seed=3)):
            top, left = np.array(divmod(index, 3)) * (size + GAP)
            pixels = np.round((image + 1) * 127.5)
            enlarged = np.kron(pixels, np.ones((size // 8, size // 8, 3)))
            self.assertAllEqual(picture[top : top + size, left : left + size], enlarged)

    def test_the_gif_has_a_frame_for_every_picture_and_rests_on_the_last(self):
        self.train(tiny_gan(), epochs=3)
        self.assertEqual(self.num_gif_frames(), 3)
        gif = Image.open(self.folder / "samples.gif")
        durations = []
        for frame in range(3):
            gif.seek(frame)
            durations.append(gif.info["duration"])
        self.assertEqual(durations[0], durations[1])
        self.assertGreater(durations[2], durations[1])

    def test_without_gif_there_is_none(self):
        self.train(tiny_gan(), epochs=1, gif=False)
        self.assertEqual(self.drawn_epochs(), [1])
        self.assertFalse((self.folder / "samples.gif").exists())

    def test_a_continued_run_keeps_its_earlier_frames(self):
        gan = tiny_gan()
        self.train(gan, epochs=2)
        first = self.picture(1)
        self.train(gan, initial_epoch=2, epochs=4)
        self.assertEqual(self.drawn_epochs(), [1, 2, 3, 4])
        self.assertEqual(self.num_gif_frames(), 4)
        self.assertAllEqual(self.picture(1), first)

    def test_pictures_that_a_longer_run_left_behind_are_not_in_the_gif(self):
        self.train(tiny_gan(), epochs=4)
        self.train(tiny_gan(), epochs=2)
        self.assertEqual(self.num_gif_frames(), 2)

    def test_vectors_become_points_of_a_plot(self):
        gan = tiny_gan(image_shape=(2,))
        grid = SampleGrid(self.folder)
        centres = []
        for epoch, point in enumerate([(-1, -1), (1, -1), (1, 1)], start=1):
            place(gan, *point)
            picture = self.draw(grid, gan, epoch).astype(int)
            rows, columns = np.nonzero(picture[..., 2] - picture[..., 0] > 50)
            centres.append((columns.mean(), rows.mean()))
        left_below, right_below, right_above = centres
        self.assertGreater(right_below[0], left_below[0] + 100)
        self.assertAllClose(right_below[1], left_below[1], atol=1)
        self.assertLess(right_above[1], right_below[1] - 100)

    def test_the_axes_of_a_plot_stay_as_they_are_in_the_first_picture(self):
        gan = tiny_gan(image_shape=(2,))
        place(gan, 3, 0)
        grid = SampleGrid(self.folder)
        self.draw(grid, gan, epoch=1)
        place(gan, 1, 0)
        before = self.draw(grid, gan, epoch=2)
        with self.subTest("fresh folder: the axes fit what is there"):
            fresh = SampleGrid(self.create_tempdir().full_path)
            fresh.set_model(gan)
            fresh.on_epoch_end(0)
            frame = next(iter(fresh.frames()))
            self.assertNotAllEqual(np.asarray(Image.open(frame)), before)
        with self.subTest("continued run: the axes are those of the run"):
            self.assertAllEqual(self.draw(SampleGrid(self.folder), gan, epoch=3), before)

    def test_writes_the_pictures_for_tensorboard_too(self):
        log_folder = self.folder / "logs"
        self.train(tiny_gan(), epochs=2, tensorboard=str(log_folder))
        logged = {}
        for file in sorted(log_folder.iterdir()):
            for record in tf.data.TFRecordDataset(str(file)):
                event = tf.compat.v1.Event.FromString(record.numpy())
                for value in event.summary.value:
                    logged[event.step] = tf.io.decode_png(value.tensor.string_val[2]).numpy()
        self.assertEqual(sorted(logged), [1, 2])
        for epoch, image in logged.items():
            self.assertAllEqual(image, self.picture(epoch))

    def test_refuses_an_every_or_num_images_that_is_not_a_whole_number_from_one(self):
        for name, values in {
            "every": (0, -1, 1.5, "2", None),
            "num_images": (0, -1, 1.5, "2"),
        }.items():
            for value in values:
                with self.subTest(name, value=value):
                    with self.assertRaisesRegex(ValueError, f"{name}={value!r}"):
                        SampleGrid(self.folder, **{name: value})


if __name__ == "__main__":
    tf.test.main()

    def test_other_numbers_of_channels_are_shown_in_colours(self):
        one = np.array([0.0, 1.0, -1.0, 0.5, 0.5]).reshape(1, 1, 1, 5)
        for channels, colour in ((1, [128] * 3), (2, [128, 255, 0]), (5, [128, 255, 0])):
            found = pictures.draw(one[..., :channels])
            self.assertAllEqual(np.unique(found.reshape(-1, 3), axis=0), [colour])

    def test_what_cannot_be_drawn_is_refused_before_training(self):
        grid = SampleGrid(self.folder, labels=3)
        with self.assertRaisesRegex(ValueError, "unconditional: generate takes no labels"):
            tiny_gan().fit(IMAGES, callbacks=[grid], verbose=0)
        translator = kerasgan.Pix2Pix((8, 8, 1), base_width=1, receptive_field=1)
        translator.compile()
        pairs = np.zeros((2, 8, 8, 1), "float32")
        with self.assertRaisesRegex(ValueError, "Pix2Pix makes them from images; use Translation"):
            translator.fit(pairs, pairs, callbacks=[SampleGrid(self.folder)], verbose=0)

import pathlib
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from backends import needs_backend
from keras import ops

import kerasgan


def small_gan(**kwargs):
    settings = {"text_dim": 3, "latent_dim": 4, "base_width": 4, "text_width": 5, "seed": 0}
    return kerasgan.TextGAN((8, 8, 1), **{**settings, **kwargs})


def log_sigmoid(x):
    return -np.logaddexp(0.0, -np.asarray(x, "float64"))


class TextGANTest(tf.test.TestCase):
    def test_losses_are_those_of_algorithm_1(self):
        """With a discriminator that is known: the image's mean times the text's first number."""
        real, fake = (np.array(m).reshape(4, 1, 1, 1) for m in ([2, -1, 3, 1.0], [1, 5, -2, 0.5]))
        texts = np.array([[1.0, 0.0], [-2.0, 0.0], [0.5, 0.0], [0.5, 0.0]])

        def judge(images, texts, training):
            return ops.mean(images, axis=(1, 2, 3))[:, None] * texts[:, :1]

        # Each image with the text of its neighbour. The third and the fourth are the same text, so
        # for the fourth, whose neighbour is the third, s_f stands in the place of s_w.
        r, f = real[:, 0, 0, 0] * texts[:, 0], fake[:, 0, 0, 0] * texts[:, 0]
        w = real[:, 0, 0, 0] * np.array([0.5, 1.0, -2.0, 0.5])
        w[3] = f[3]
        log_one_minus = log_sigmoid(-w) + log_sigmoid(-f)
        expected = -np.mean(log_sigmoid(r) + log_one_minus / 2.0)

        gan = kerasgan.TextGAN((8, 8, 1), 2, 4, 4, interpolation=True, seed=0)
        gan.compile(jit_compile=False)
        given = [ops.convert_to_tensor(x, "float32") for x in (real, fake, texts)]
        with mock.patch.object(gan, "discriminate", judge):
            loss, _ = gan.discriminator_loss(*given, None)
            self.assertAllClose(ops.convert_to_numpy(loss), expected, rtol=1e-6)
            loss, _ = gan.generator_loss(*given, None, training=False)
            self.assertAllClose(ops.convert_to_numpy(loss), -np.mean(log_sigmoid(f)), rtol=1e-6)

            # GAN-INT: as many images of midpoints, judged with the midpoints.
            both = ops.concatenate([given[1], given[0]])
            loss, _ = gan.generator_loss(given[0], both, given[2], None)
            middle = np.array([0.75, -0.5, -0.75, 0.5])
            added = -np.mean(log_sigmoid(real[:, 0, 0, 0] * middle))
            expected = -np.mean(log_sigmoid(f)) + added
            self.assertAllClose(ops.convert_to_numpy(loss), expected, rtol=1e-6)
            # The discriminator looks at those of texts alone.
            loss, _ = gan.discriminator_loss(given[0], both, given[2], None)
            again, _ = gan.discriminator_loss(*given, None)
            self.assertAllClose(ops.convert_to_numpy(loss), ops.convert_to_numpy(again))

    def test_networks_compress_the_text_and_see_it_everywhere(self):
        gan = small_gan()
        inner = gan.generator.get_layer("generator")
        self.assertEqual(inner.get_layer("project").kernel.shape[0], 4 + 5)
        mix = gan.discriminator.get_layer("mix")
        self.assertEqual(mix.kernel.shape, (1, 1, 4 + 5, 4))
        maps = gan.discriminator.get_layer("text_maps").output
        compressed = gan.discriminator.get_layer("compress_relu").output
        look = keras.Model(gan.discriminator.inputs, [maps, compressed])
        shown, text = look.predict_on_batch(
            [np.zeros((2, 8, 8, 1), "float32"), np.eye(3, dtype="float32")[:2]]
        )
        self.assertEqual(shown.shape, (2, 4, 4, 5))
        self.assertAllClose(shown, np.broadcast_to(text[:, None, None], shown.shape))
        self.assertNotAllClose(text[0], text[1])

    def test_midpoints_are_drawn_in_training_and_in_its_file(self):
        gan = small_gan(interpolation=True, text_dim=None, vocabulary=["thin", "thick", "one"])
        gan.compile()
        random = np.random.default_rng(0)
        images = random.uniform(-1.0, 1.0, (8, 8, 8, 1)).astype("float32")
        texts = gan.encode_text(["a thin one", "a thick one"] * 4)
        gan.fit(images, texts, batch_size=8, verbose=0)
        kept = gan.all_classes(70)  # 64 are, of 8, in turn
        self.assertAllEqual(kept[64:], kept[:6])
        self.assertAllEqual(kept[8:16], kept[:8])
        self.assertAllEqual(np.sort(kept[:8], axis=0), np.sort(texts, axis=0))
        path = pathlib.Path(self.create_tempdir().full_path) / "gan.keras"
        gan.save(path)
        copy = keras.saving.load_model(path)
        self.assertTrue(copy.interpolation)
        self.assertEqual(copy.text_width, 5)
        drawn = [each.generate(2, text="a thick one", seed=0) for each in (gan, copy)]
        self.assertAllEqual(*drawn)
        one_each = copy.generate(2, text=["a thin one", "a thick one"], seed=0)
        self.assertAllClose(one_each[1], drawn[0][1], atol=1e-6)
        self.assertGreater(np.abs(one_each[0] - drawn[0][0]).max(), 1e-6)
        given = copy.generate(2, text=copy.encode_text(["a thick one"])[0], seed=0)
        self.assertAllEqual(given, drawn[0])

    def test_texts_that_cannot_be_drawn_are_named(self):
        gan = small_gan()
        for text, message in (
            (None, "draws what a text says: give text="),
            (3, r"embeddings of shape \(\); use one text for all"),
            (["a one", 3], "text is a list; use an array of numbers"),
            ("a one", "set its attribute encode_text"),
            (np.zeros(4), r"shape \(2, 4\); use one text for all.*of 3 numbers"),
            (np.zeros((3, 3)), "for each of the 2 images"),
            (np.full(3, np.nan), "the embeddings of texts"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                gan.generate(2, text=text)
        with self.assertRaisesRegex(ValueError, "the same here"):
            gan.generate(2, text=np.zeros(3), labels=np.zeros(3))
        gan.encode_text = lambda texts: np.ones((len(texts), 3))
        self.assertEqual(gan.generate(2, text="a one").shape, (2, 8, 8, 1))
        gan.compile()
        images = np.zeros((8, 8, 8, 1)) - 0.5
        for data, message in (
            ((images,), r"takes \(images, embeddings\)"),
            ((images, np.zeros((8, 2))), r"embeddings of texts have shape .*2.*3"),
            ((images, np.zeros(8, "int32")), "embeddings of texts are int32"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                gan.fit(*data, verbose=0)
        for wrong, message in (
            ({}, "give the length of the embeddings"),
            ({"text_dim": 3, "vocabulary": ["one"]}, "the vocabulary has 1 words"),
            ({"text_dim": 0}, "text_dim=0"),
            ({"text_dim": 3, "text_width": 0}, "text_width=0"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                kerasgan.TextGAN((8, 8, 1), **wrong)

    @needs_backend("tensorflow", reason="losses and gradients agree, so what they teach does")
    def test_learns_to_draw_what_a_text_says(self):
        """Two words that are independent: which half of the image is bright, and how bright."""
        random = np.random.default_rng(0)
        left, bright = random.integers(2, size=(2, 1280)).astype(bool)
        images = np.full((1280, 8, 8, 1), -0.9, "float32")
        images[left, :, :4] = images[~left, :, 4:] = 0.0
        images += np.where(images > -0.5, bright[:, None, None, None] * 0.8, 0.0)
        images += random.normal(0.0, 0.05, images.shape)
        images = np.clip(images, -1.0, 1.0)
        texts = [
            f"{'left' if a else ''} {'bright' if b else ''}"
            for a, b in zip(left, bright, strict=True)
        ]
        gan = kerasgan.TextGAN(
            (8, 8, 1), None, 8, 16, text_width=16, vocabulary=["left", "bright"], seed=0
        )
        gan.compile()
        for optimizer in gan.optimizer.optimizers:
            optimizer.learning_rate = 1e-3
        gan.fit(images, gan.encode_text(texts), batch_size=64, epochs=8, verbose=0)
        halves = {}
        for text in ("left", "left bright", "", "bright"):
            drawn = gan.generate(50, text=gan.encode_text([text])[0], seed=0)
            halves[text] = drawn[:, :, :4].mean(), drawn[:, :, 4:].mean()
        for text, (first, second) in halves.items():
            lit, dark = (first, second) if "left" in text else (second, first)
            self.assertLess(dark, -0.5, text)
            self.assertAllClose(lit, 0.8 if "bright" in text else 0.0, atol=0.35, msg=text)

import importlib.util

import numpy as np
import pytest
import tensorflow as tf
from backends import needs_backend
from keras import ops
from served_models import roughen

import kerasgan
from kerasgan.metrics.clip import DEVIATION, MEAN, cosines

needs_keras_hub = pytest.mark.skipif(
    importlib.util.find_spec("keras_hub") is None,
    reason="keras-hub is not installed (pip install kerasgan[text])",
)
TEXTS = ["a thin one", "a two", "a thick one"]


class Table:
    """A CLIP whose embeddings are known: of an image its first pixels, of a text a row."""

    rows = {"a thin one": [3.0, 0.0], "a two": [0.0, -2.0], "a thick one": [1.0, 1.0]}

    def encode_images(self, images):
        return 7.0 * images[:, 0, :2, 0]

    def encode_texts(self, texts):
        return np.array([self.rows[text.removeprefix("A photo depicts ")] for text in texts])


class Arrays(Table):
    """One that gives no tensors."""

    def encode_images(self, images):
        return ops.convert_to_numpy(images)[:, 0, :2, 0]


def of_pixels(*pairs):
    """Images (n, 2, 2, 1) that begin with these two pixels."""
    images = np.zeros((len(pairs), 2, 2, 1), "float32")
    images[:, 0, :, 0] = pairs
    return images


class CLIPScoreTest(tf.test.TestCase):
    def test_is_the_formula_of_the_paper(self):
        images = of_pixels([0.6, 0.8], [0.3, 0.4], [-0.1, 0.7])
        metric = kerasgan.metrics.CLIPScore(Table())
        # 2.5 max(cos, 0): 2.5 * 0.6; of (0.3, 0.4) and (0, -2) less than 0; and by hand.
        third = 2.5 * (-0.1 + 0.7) / (np.sqrt(0.5) * np.sqrt(2.0))
        self.assertAllClose(metric.each(images, TEXTS), [1.5, 0.0, third], rtol=1e-6)
        for rows in (slice(0, 2), slice(2, 3)):
            metric.update_state(images[rows], TEXTS[rows])
        self.assertAllClose(metric.result(), (1.5 + third) / 3.0, rtol=1e-6)
        metric.reset_state()
        with self.assertRaisesRegex(ValueError, "has seen no images"):
            metric.result()
        other = kerasgan.metrics.CLIPScore(Table(), weight=1.0, prompt="{}")
        self.assertAllClose(other.each(images, TEXTS)[0], 0.6, rtol=1e-6)

    def test_what_it_cannot_compare_is_named(self):
        metric, images = kerasgan.metrics.CLIPScore(Table()), of_pixels([1.0, 0.0])
        for texts in ("a two", [], ["a two"] * 2):
            with self.assertRaisesRegex(ValueError, "there are 1 images; give one text for each"):
                metric.update_state(images, texts)
        with self.assertRaisesRegex(ValueError, "in 0..1|in \\[-1, 1\\]"):
            metric.update_state(images + 5.0, ["a two"])
        with self.assertRaisesRegex(ValueError, "use a str with {}"):
            kerasgan.metrics.CLIPScore(Table(), prompt="a photo")
        with self.assertRaisesRegex(ValueError, "clip is a str, which has no method encode_images"):
            kerasgan.metrics.CLIPScore("clip")
        with self.assertRaisesRegex(ValueError, r"texts=\[1\]; use a list of str"):
            kerasgan.metrics.CLIPScore(Table()).each(np.zeros((1, 2, 2, 1), "float32"), [1])
        with self.assertRaisesRegex(ValueError, "prompts: 1 is no text; use a str"):
            kerasgan.metrics.ZeroShot(Table(), [1, 2])
        broken = Table()
        broken.encode_texts = lambda texts: np.zeros((len(texts), 3))
        with self.assertRaisesRegex(ValueError, "2 numbers and encode_texts of 3"):
            cosines(broken, images, ["a two"])
        broken.encode_images = lambda images: np.full((len(images), 2), np.nan)
        with self.assertRaisesRegex(ValueError, "encode_images returns.*finite"):
            cosines(broken, images, ["a two"])


class ZeroShotTest(tf.test.TestCase):
    def test_probabilities_are_the_softmax_of_cosines(self):
        classify = kerasgan.metrics.ZeroShot(Table(), TEXTS, scale=3.0)
        # cosines of (0.6, 0.8) with (1, 0), (0, -1) and (1, 1)
        odds = np.exp(3.0 * np.array([0.6, -0.8, 1.4 / np.sqrt(2.0)]))
        found = classify(of_pixels([0.6, 0.8], [-0.6, -0.8]))
        self.assertAllClose(found[0], odds / odds.sum(), rtol=1e-6)
        self.assertAllClose(found.sum(1), [1.0, 1.0])
        scores = classify.scores(of_pixels([0.6, 0.8]))
        self.assertEqual(list(scores), TEXTS)
        self.assertAllClose(scores["a two"], found[:1, 1])
        # Of several prompts the mean of the embeddings, at length 1: (1, 0) and (1, 1) / sqrt 2.
        several = {"one": ["a thin one", "a thick one"], "two": "a two"}
        of_one = np.array([1.0 + np.sqrt(0.5), np.sqrt(0.5)])
        classify = kerasgan.metrics.ZeroShot(Table(), several)
        self.assertAllClose(classify.weights[0], of_one / np.linalg.norm(of_one))
        self.assertEqual(classify.scale, 100.0)
        for prompts in ("one two", ["one"], {}):
            with self.assertRaisesRegex(ValueError, "at least two classes"):
                kerasgan.metrics.ZeroShot(Table(), prompts)

    @needs_backend("tensorflow", reason="it is control's, and NumPy")
    def test_words_are_the_scores_of_directions(self):
        """In a model whose latents are the first two pixels, around (0.5, 0)."""
        import keras

        z = keras.Input((2,))
        pixels = keras.layers.Dense(4, "tanh", kernel_initializer="zeros", name="pixels")(z)
        generator = keras.Model(z, keras.layers.Reshape((2, 2, 1))(pixels))
        judge = keras.Sequential(
            [keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(1)]
        )
        generator.get_layer("pixels").kernel.assign([[0.1, 0.0, 0, 0], [0.0, 0.1, 0, 0]])
        generator.get_layer("pixels").bias.assign([0.5, 0.0, 0, 0])
        gan = kerasgan.GAN(generator, judge, latent_dim=2)
        classify = kerasgan.metrics.ZeroShot(Table(), TEXTS[:2], scale=1.0)
        found = kerasgan.control.directions(gan, classify.scores, "linear", num_points=500)
        # There the cosine with (1, 0) is at its largest; that with (0, -1) falls with the second.
        self.assertEqual(found.names, ("a thin one", "a two"))
        self.assertGreater(found.vectors[0][1], 0.95)
        self.assertLess(found.vectors[1][1], -0.95)


def keras_hub_clip(seed=0):
    """A CLIP of keras-hub with random weights, for images of 16x16 and 20 tokens."""
    import keras
    import keras_hub

    keras.utils.set_random_seed(seed)
    sizes = {"hidden_dim": 8, "num_layers": 2, "num_heads": 2, "intermediate_dim": 16}
    vision = keras_hub.models.CLIPVisionEncoder(patch_size=8, image_shape=(16, 16, 3), **sizes)
    text = keras_hub.models.CLIPTextEncoder(
        vocabulary_size=20, embedding_dim=8, max_sequence_length=5, **sizes
    )
    return keras_hub.models.CLIPBackbone(vision, text, projection_dim=6)


def tokens_of(texts):
    """Numbers of words, with keras-hub's order: a start, words, and the end, the largest."""
    words = {"a": 2, "thin": 3, "thick": 4, "one": 5, "two": 6}
    rows = [[1, *(words[word] for word in text.split()), 19] for text in texts]
    return np.array([row + [0] * (5 - len(row)) for row in rows])


@needs_keras_hub
class KerasHubCLIPTest(tf.test.TestCase):
    def test_cosines_are_those_of_the_backbone(self):
        backbone = keras_hub_clip()
        clip = kerasgan.metrics.KerasHubCLIP(backbone, tokens_of)
        images = np.random.default_rng(0).uniform(-1.0, 1.0, (4, 16, 16, 3)).astype("float32")
        normalized = ((images + 1.0) / 2.0 - np.float32(MEAN)) / np.float32(DEVIATION)
        given = {"images": normalized, "token_ids": tokens_of(TEXTS)}
        # Its head gives the cosines divided by 0.07.
        logits = ops.convert_to_numpy(backbone(given)["vision_logits"])
        found = cosines(clip, images, TEXTS)
        self.assertAllClose(found, 0.07 * logits, atol=1e-4)
        self.assertGreater(found.std(), 1e-3)
        score = kerasgan.metrics.CLIPScore(clip, prompt="{}")
        expected = 2.5 * np.maximum(0.07 * np.diag(logits), 0.0)
        self.assertAllClose(score.each(images[:3], TEXTS), expected, atol=1e-4)

    def test_gray_images_of_another_size_are_made_what_it_takes(self):
        clip = kerasgan.metrics.KerasHubCLIP(keras_hub_clip(), tokens_of)
        large = np.full((1, 32, 32, 1), 0.2, "float32")
        same = np.full((1, 16, 16, 3), 0.2, "float32")
        self.assertAllClose(clip.encode_images(large), clip.encode_images(same), atol=1e-5)
        # As the framework's own resizing has it.
        large = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 24, 40, 3)).astype("float32")
        own = {"antialias": True, "data_format": "channels_last"}
        small = ops.convert_to_numpy(ops.image.resize(large, (16, 16), "bicubic", **own))
        self.assertAllClose(clip.encode_images(large), clip.encode_images(small), atol=1e-4)

    def test_a_text_steers_latents(self):
        gan = kerasgan.DCGAN((16, 16, 1), latent_dim=6, base_width=4)
        roughen(gan)
        clip = kerasgan.metrics.KerasHubCLIP(keras_hub_clip(), tokens_of)
        z = gan.latents(3, seed=0)
        alike = kerasgan.metrics.text_likeness(clip, "a thick one")
        moved = kerasgan.control.steer(gan, z, alike, steps=4, rate=0.2)
        before, after = (cosines(clip, gan.generate_from(x), ["a thick one"]) for x in (z, moved))
        self.assertAllGreater(after - before, 1e-3)
        found = alike(ops.convert_to_tensor(gan.generate_from(z)))
        self.assertAllClose(ops.convert_to_numpy(found), before[:, 0], atol=1e-5)

    def test_a_clip_of_arrays_does_not_steer(self):
        gan = kerasgan.DCGAN((8, 8, 1), latent_dim=6, base_width=4)
        alike = kerasgan.metrics.text_likeness(Arrays(), "a two")
        with self.assertRaisesRegex(ValueError, "objective returns ndarray, which has no gradient"):
            kerasgan.control.steer(gan, gan.latents(1, seed=0), alike)

    @needs_backend("tensorflow", reason="keras-hub's preprocessors are TensorFlow's")
    def test_a_preprocessor_of_keras_hub_makes_the_tokens(self):
        import keras_hub

        vocabulary = {"<|startoftext|>": 18, "<|endoftext|>": 19, "a</w>": 2, "one</w>": 5}
        vocabulary |= {"a": 0, "o": 1, "n": 3, "e": 4, "on": 6, "e</w>": 7}
        tokenizer = keras_hub.models.CLIPTokenizer(vocabulary, ["o n", "on e</w>"])
        preprocessor = keras_hub.models.CLIPPreprocessor(tokenizer, sequence_length=5)
        backbone = keras_hub_clip()
        found = kerasgan.metrics.KerasHubCLIP(backbone, preprocessor).encode_texts(["a One", "one"])
        tokens = np.array([[18, 2, 5, 19, 0], [18, 5, 19, 0, 0]])
        expected = backbone.get_text_embeddings(tokens)
        self.assertAllClose(found, ops.convert_to_numpy(expected), atol=1e-6)
        folder = self.create_tempdir().full_path
        backbone.save_to_preset(folder)
        preprocessor.save_to_preset(folder)
        again = kerasgan.metrics.KerasHubCLIP.from_preset(folder)
        self.assertAllClose(again.encode_texts(["a One", "one"]), found, atol=1e-6)
        with self.assertRaisesRegex(ValueError, "/none is not a CLIP of keras-hub"):
            kerasgan.metrics.KerasHubCLIP.from_preset(folder + "/none")

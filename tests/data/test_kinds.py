"""The kinds of data: what each loads, and what it says of a model."""

import pathlib
import types

import numpy as np
import tensorflow as tf
from backends import needs_backend
from PIL import Image

import kerasgan
from kerasgan.data import KINDS, kind_of

pytestmark = needs_backend("tensorflow", reason="data is read by TensorFlow everywhere")

SETTINGS = {"split": "train", "batch_size": 2, "seed": 0}


class KindsTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.get_temp_dir())
        rng = np.random.default_rng(0)
        for half in "AB":
            for number in range(4):
                path = self.folder / half / f"{number}.png"
                path.parent.mkdir(exist_ok=True)
                pixels = rng.integers(0, 256, (16, 16, 3), dtype="uint8")
                Image.fromarray(pixels).save(path)

    def load(self, kind, training=True, **settings):
        return KINDS[kind].load({"data": self.folder, **SETTINGS, **settings}, training)

    def test_images_with_and_without_labels(self):
        images = self.load("images", data="digits", image_size=8)
        self.assertEqual(KINDS["images"].arguments(None, images), {"image_shape": (8, 8, 1)})
        labelled = self.load("images", data="digits", image_size=8, labels=True)
        expected = {"image_shape": (8, 8, 1), "num_classes": 10}
        self.assertEqual(KINDS["images"].arguments(None, labelled), expected)
        for examples in (images, labelled):
            shown = KINDS["images"].real_images(examples, count=1)
            self.assertEqual(shown.shape, (1, 8, 8, 1))
        points = self.load("images", data="ring8", batch_size=1000)
        self.assertEqual(KINDS["images"].arguments(None, points), {"image_shape": (2,)})
        self.assertIsNone(KINDS["images"].real_images(points))

    def test_to_look_at_images_are_neither_shuffled_nor_cropped(self):
        whole = kerasgan.data.load(self.folder / "A", image_size=16, batch_size=4, shuffle=False)
        how = {"data": self.folder / "A", "image_size": 16, "batch_size": 4, "crop": 8}
        self.assertAllEqual(next(iter(self.load("images", False, **how))), next(iter(whole)))
        self.assertEqual(next(iter(self.load("images", True, **how))).shape, (4, 8, 8, 3))

    def test_pictures_of_any_size_become_squares_that_suit_most_of_them(self):
        for number, size in enumerate([(20, 300), (40, 33), (70, 35)]):
            Image.new("RGB", size).save(self.folder / "B" / f"any{number}.png")
        (self.folder / "B" / "damaged.png").write_text("")
        images = KINDS["images"]
        self.assertEqual(images.image_size({"data": str(self.folder / "A")})[0], 16)
        size, why = images.image_size({"data": str(self.folder / "B")})
        self.assertEqual((size, why[-15:]), (16, "16 to 35 pixels"))
        self.assertEqual(images.image_size({"data": "digits"}), (None, ""))

    def test_mirrored_images_are_half_of_those_trained_on(self):
        how = {"data": self.folder / "A", "image_size": 16, "batch_size": 4, "mirror": True}
        whole = next(iter(self.load("images", False, **how))).numpy()
        same = {"once": 0, "mirrored": 0}
        for batch in self.load("images", True, **how).repeat(8):
            for image in batch.numpy():
                same["once"] += any(np.array_equal(image, x) for x in whole)
                same["mirrored"] += any(np.array_equal(image[:, ::-1], x) for x in whole)
        self.assertEqual(sum(same.values()), 32)
        self.assertBetween(same["mirrored"], 6, 26)

    def test_pairs_have_a_size_of_their_own(self):
        pairs = self.load("pairs")
        self.assertEqual([h.shape[1] for h in pairs.element_spec], [256, 256])
        first, second = next(iter(self.load("pairs", False, image_size=16, batch_size=4)))
        for half, images in (("A", first), ("B", second)):
            pixels = np.asarray(Image.open(self.folder / half / "0.png"))
            self.assertAllClose(images[0], pixels / 127.5 - 1.0, atol=1e-6)
        swapped = next(iter(self.load("pairs", False, image_size=16, batch_size=4, source="B")))
        self.assertAllEqual(swapped[0], second)

    def test_unpaired_and_made_pairs(self):
        how = {"data": self.folder / "A", "image_size": 16}
        both = self.load("unpaired", data_b=self.folder / "B", **how)
        self.assertEqual([h.shape[1:] for h in both.element_spec], [(16, 16, 3)] * 2)
        gray = self.load("pairs", task="colorize", **how)
        self.assertEqual([h.shape[-1] for h in gray.element_spec], [1, 3])
        arguments = KINDS["pairs"].arguments(kerasgan.Pix2Pix, gray)
        self.assertEqual(arguments["image_shape"], (16, 16, 3))
        for scale in (2, 4):
            small = self.load("super_resolve", set={"scale": scale}, crop=8, **how)
            self.assertEqual([h.shape[1] for h in small.element_spec], [8 // scale, 8])
        with self.assertRaisesRegex(ValueError, "the models srgan and esrgan"):
            self.load("pairs", task="super_resolve", **how)

    def test_what_means_something_depends_on_the_other_settings(self):
        self.assertEqual(KINDS["pairs"].uses({}), {"source"})
        self.assertEqual(KINDS["pairs"].uses({"task": "edges"}), {"task", "crop"})
        self.assertEqual(KINDS["unpaired"].uses({"task": "edges"}), {"data_b"})

    def test_settings_that_fit_a_model(self):
        model = types.SimpleNamespace(
            real_image_shape=(16, 16, 1), num_classes=None, class_names=None
        )
        fitted = KINDS["images"].fitted(model, {"data": "x", "image_size": 32})
        self.assertEqual([fitted[n] for n in ("image_size", "channels", "labels")], [16, 1, False])
        with self.assertRaisesRegex(ValueError, r"image_size=32, but \w+ makes \(16, 16, 1\)"):
            KINDS["images"].fitted(model, {}, 32)
        model.real_image_shape = (16, 8, 1)
        with self.assertRaisesRegex(ValueError, "becomes squares"):
            KINDS["images"].fitted(model, {})
        model = types.SimpleNamespace(pair_shapes=((4, 4, 3), (8, 8, 3)), scale=2)
        for wanted, trained, size in ((32, 16, 32), (None, 16, 16), (None, None, 8)):
            fitted = KINDS["super_resolve"].fitted(model, {"image_size": trained}, wanted)
            self.assertEqual((fitted["image_size"], fitted["set"]), (size, {"scale": 2}))

    def test_a_model_has_to_say_which_data_it_takes(self):
        self.assertIs(kind_of(kerasgan.SRGAN), KINDS["super_resolve"])
        self.assertIs(kind_of(kerasgan.VanillaGAN((2,), latent_dim=2)), KINDS["images"])
        with self.assertRaisesRegex(ValueError, "takes=None: GenerativeModel has to say"):
            kind_of(kerasgan.GenerativeModel)

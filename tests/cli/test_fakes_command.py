"""Triplets for detectors, written in a shell."""

import csv

import numpy as np
from backends import needs_backend
from cli.test_commands import CommandTestCase, call

import kerasgan
from kerasgan.data import captions
from kerasgan.utils.images import png, to_uint8

pytestmark = needs_backend("tensorflow", reason="test_commands runs the command there")


class FakesCommandTest(CommandTestCase):
    def test_a_generator_of_classes(self):
        gan = kerasgan.CGAN((8, 8, 1), latent_dim=4, base_width=4, num_classes=10, seed=0)
        gan.class_names = tuple(map(str, range(10)))
        gan.save(self.folder / "cgan.keras")
        out = self.folder / "fakes"
        command = ["fakes", self.folder / "cgan.keras", "--data", "digits", "--out", out]
        ended = call(*command, "--num", 70, "--caption", "the digit {label}")
        self.assertEqual(ended.code, 0, ended.err)
        self.assertIn("70 triplets in", ended.out)
        found = kerasgan.data.triplets(out)
        batches = kerasgan.data.load("digits", "test", labels=True, shuffle=False)
        images, labels = map(np.concatenate, zip(*batches.as_numpy_iterator(), strict=True))
        self.assertEqual(len(found), 70)
        self.assertAllClose(found.original, images[:70], atol=1 / 255)
        self.assertEqual(list(found.captions), [f"the digit {label}" for label in labels[:70]])
        made = gan.generate(70, seed=0, labels=labels[:70])
        self.assertAllClose(found.generated, to_uint8(made) / 127.5 - 1.0, atol=1e-6)
        self.assert_refused(command, "holds CGAN-000000 already")
        self.assert_refused([*command, "--source", "left"], "--source=left: CGAN cannot use it")
        self.assertEqual(len(kerasgan.data.triplets(out)), 70)
        self.assert_works(*command, "--num", 5, "--name", "again", "--jpeg", 50)
        self.assertEqual(len(kerasgan.data.triplets(out)), 75)

    def test_a_model_that_translates(self):
        gan = kerasgan.Pix2Pix((16, 16, 3), base_width=4, receptive_field=16, seed=0)
        gan.save(self.folder / "pix2pix.keras")
        pictures = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype="uint8")
        np.savez(self.folder / "pictures.npz", x_test=pictures, x_train=pictures)
        out = self.folder / "fakes"
        command = ["fakes", self.folder / "pix2pix.keras", "--out", out, "--image-size", 16]
        data = ["--data", self.folder / "pictures.npz", "--task", "denoise"]
        ended = call(*command, *data, "--caption", "a façade")
        self.assertEqual(ended.code, 0, ended.err)
        found = kerasgan.data.triplets(out)
        self.assertAllClose(found.original, pictures / 127.5 - 1.0, atol=1e-6)
        self.assertEqual(found.captions, ("a façade",) * 4)
        self.assertNotAllClose(found.generated, found.original)


class AugmentCommandTest(CommandTestCase):
    def test_every_class_gets_a_folder_that_is_data(self):
        gan = kerasgan.CGAN((8, 8, 1), latent_dim=4, base_width=4, num_classes=3, seed=0)
        gan.class_names = ("ant", "bee", "cat")
        gan.save(self.folder / "cgan.keras")
        out = self.folder / "more"
        self.assert_works("augment", self.folder / "cgan.keras", "--per-class", 2, "--out", out)
        how = {"channels": 1, "labels": True, "image_size": 8, "shuffle": False}
        images, labels = next(iter(kerasgan.data.load(out, **how)))
        self.assertAllEqual(labels, [0, 0, 1, 1, 2, 2])
        for label in range(3):
            made = to_uint8(gan.generate(2, seed=0, labels=label)) / 127.5 - 1.0
            self.assertAllClose(images[2 * label : 2 * label + 2], made, atol=1e-6)
        (out / "bee" / "000001.png").write_text("mine")
        command = ["augment", self.folder / "cgan.keras", "--per-class", 2, "--out", out]
        self.assert_refused(command, "000001.png exists already and is not a picture")
        kerasgan.DCGAN((8, 8, 1), latent_dim=4, base_width=4).save(self.folder / "dcgan.keras")
        command[1] = self.folder / "dcgan.keras"
        self.assert_refused(command, "this DCGAN has no classes")
        kerasgan.TextGAN((8, 8, 1), 6, 4, 4).save(self.folder / "dcgan.keras")
        self.assert_refused(command, "this TextGAN draws texts, not classes; use kerasgan sample")


class FromCaptionsTest(CommandTestCase):
    def setUp(self):
        super().setUp()
        pixels = np.random.default_rng(0).integers(0, 256, (20, 24, 32, 3), dtype="uint8")
        self.originals = pixels[:, :, 4:28]  # the square in the middle
        rows = [["file", "caption"]]
        for number, picture in enumerate(pixels):
            (self.folder / "photos").mkdir(exist_ok=True)
            (self.folder / "photos" / f"{number}.png").write_bytes(png(picture))
            rows.append([f"{number}.png", f"photo {number}, bright"])
        with open(self.folder / "captions.csv", "w", newline="") as file:
            csv.writer(file).writerows(rows)
        self.out = self.folder / "fakes"
        self.options = ["--from-captions", self.folder / "captions.csv", "--out", self.out]
        self.options += ["--data", self.folder / "photos"]

    def test_any_function_of_texts_draws_the_other_side(self):
        """It makes larger pictures, whose brightness is the number in the caption."""
        (self.folder / "mine.py").write_text(
            "import numpy as np\n"
            "def draw(texts):\n"
            "    assert len(texts) <= 16\n"
            "    levels = [int(text.split()[1].strip(',')) for text in texts]\n"
            "    levels = np.uint8(levels)[:, None, None, None]\n"
            "    return levels * np.ones((len(texts), 48, 48, 3), 'uint8')\n"
            "def wrong(texts):\n"
            "    return np.zeros((1, 8, 8))\n"
        )
        command = ["fakes", f"{self.folder / 'mine.py'}:draw", *self.options]
        self.assert_works(*command, "--image-size", 24)
        found = kerasgan.data.triplets(self.out)
        self.assertAllClose(found.original, self.originals / 127.5 - 1.0, atol=1e-6)
        levels = np.arange(20)[:, None, None, None] / 127.5 - 1.0
        self.assertAllClose(found.generated, np.broadcast_to(levels, (20, 24, 24, 3)), atol=1e-6)
        self.assertEqual(found.captions[3], "photo 3, bright")
        self.assertEqual(set(found.generators), {"draw"})
        self.assert_works(*command, "--num", 3, "--name", "large", "--jpeg", 80)
        wrong = ["fakes", f"{self.folder / 'mine.py'}:wrong", *self.options]
        self.assert_refused(wrong, r"has to return images of shape \(16, height, width, 1 or 3\)")
        for option in (["--task", "denoise"], ["--caption", "a photo"], ["--skip-damaged"]):
            self.assert_refused(
                [*command, *option], f"{option[0]} has no effect with --from-captions"
            )
        self.assert_refused(["fakes", "x.keras", "--out", self.out], "--data, or --from-captions")

    def test_a_text_gan_draws_it(self):
        gan = kerasgan.TextGAN((8, 8, 3), None, 4, 4, vocabulary=["bright", "3"], seed=0)
        gan.save(self.folder / "text.keras")
        self.assert_works("fakes", self.folder / "text.keras", *self.options, "--seed", 2)
        found = kerasgan.data.triplets(self.out)
        made = gan.generate(20, text=list(found.captions), seed=2)
        self.assertAllClose(found.generated, to_uint8(made) / 127.5 - 1.0, atol=1.01 / 127.5)
        self.assertGreater(found.generated.std(0).mean(), 1e-3)
        # Of digits the captions are made, and are those of the data.
        gan = kerasgan.TextGAN(
            (16, 16, 1), None, 4, 4, vocabulary=captions.digit_words().vocabulary
        )
        gan.save(self.folder / "digits.keras")
        out = self.folder / "digits"
        command = ["fakes", self.folder / "digits.keras", "--data", "digits", "--out", out]
        self.assert_works(*command, "--num", 70, "--caption", "a {label}")
        found = kerasgan.data.triplets(out)
        made = gan.generate(70, text=list(found.captions), seed=0)
        self.assertAllClose(found.generated, to_uint8(made) / 127.5 - 1.0, atol=1.01 / 127.5)
        labels = kerasgan.data.load("digits", "test", labels=True, shuffle=False, image_size=16)
        labels = np.concatenate([label for _, label in labels])[:70]
        expected = [captions.DIGITS[label] for label in labels]
        self.assertEqual([caption.split()[-1] for caption in found.captions], expected)
        kerasgan.TextGAN((16, 16, 1), 14, 4, 4).save(self.folder / "wordless.keras")
        command[1] = self.folder / "wordless.keras"
        self.assert_refused(command, "this TextGAN has no vocabulary")
        other = kerasgan.DCGAN((8, 8, 3), latent_dim=4, base_width=4, seed=0)
        other.save(self.folder / "other.keras")
        refused = ["fakes", self.folder / "other.keras", *self.options]
        self.assert_refused(
            refused, "needs a model that draws images from texts, but DCGAN does not"
        )
        (self.folder / "captions.csv").write_text("picture,caption\na,b\n")
        refused = ["fakes", self.folder / "text.keras", *self.options]
        self.assert_refused(refused, "has no column 'file'")

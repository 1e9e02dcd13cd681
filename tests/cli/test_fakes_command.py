"""Triplets for detectors, written in a shell."""

import numpy as np
from backends import needs_backend
from cli.test_commands import CommandTestCase, call

import kerasgan
from kerasgan.utils.images import to_uint8

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
        self.assert_refused(command, "000001.png is there already and not a picture")
        kerasgan.DCGAN((8, 8, 1), latent_dim=4, base_width=4).save(self.folder / "dcgan.keras")
        command[1] = self.folder / "dcgan.keras"
        self.assert_refused(command, "this DCGAN has no classes")

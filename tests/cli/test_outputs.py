"""No command writes over a file of another kind than it writes."""

import pathlib
import shutil

import numpy as np
import tensorflow as tf
from backends import needs_backend
from PIL import Image
from test_commands import CommandTestCase, call, contents, shared_folder

import kerasgan
from kerasgan.serving import configuration, saved_models

pytestmark = needs_backend(
    "tensorflow", reason="test_commands and test_own_models run the commands there"
)


class OutputsTest(CommandTestCase):
    def setUp(self):
        super().setUp()
        self.run_ = self.copy_of_run()
        evaluate = ("evaluate", self.run_, "--data", shared_folder() / "images.npz", "--num", 40)
        pixels = ("--features", "pixels", "--metrics", "fid", "--out")
        hype = ("hype", self.run_, "--real", shared_folder() / "images.npz", "--port", 0, "--out")
        self.commands = {
            ".html": ("compare", self.run_, "--out"),
            ".json": (*evaluate, *pixels),
            ".png": ("sample", self.run_, "--num", 2, "--out"),
            ".csv": hype,
        }

    def test_files_of_another_kind_are_refused_and_stay_as_they_are(self):
        others = {
            ".html": ["model.keras", "report.html", "page.html"],
            ".json": ["model.keras", "run.json", "settings.json", "list.json"],
            ".png": ["model.keras", "curves.png", "samples/epoch_0001.png", "photo.png"],
            ".csv": ["model.keras", "history.csv", "table.csv"],
        }
        (self.run_ / "page.html").write_text("<!DOCTYPE html><title>My page</title>")
        (self.run_ / "settings.json").write_text('{"kerasgan": "0.1.0"}')
        (self.run_ / "list.json").write_text("[]")
        (self.run_ / "table.csv").write_text("a,b\n1,2\n")
        Image.new("RGB", (8, 8)).save(self.run_ / "photo.png")
        for suffix in self.commands:  # another kind by its content alone
            shutil.copy(self.run_ / "model.keras", self.run_ / f"model{suffix}")
            others[suffix].append(f"model{suffix}")
        before = contents(self.folder)
        for suffix, command in self.commands.items():
            for name in others[suffix]:
                with self.subTest(command[0], name=name):
                    self.assert_refused([*command, self.run_ / name], name)
        self.assert_refused([*self.commands[".png"], self.run_ / "samples"], r"\.png|is a folder")
        self.assertEqual(contents(self.folder), before)

    def test_files_of_the_same_kind_are_written_anew(self):
        for suffix in (".html", ".json", ".png"):
            file = self.folder / f"out{suffix}"
            file.touch()  # nothing is in it that could be lost
            for _ in range(2):
                ended = call(*self.commands[suffix], file)
                self.assertEqual(ended.code, 0, ended)
            self.assertGreater(file.stat().st_size, 0)

    def test_pictures_in_a_folder(self):
        folder = self.folder / "pictures"
        individual = ["sample", self.run_, "--num", 3, "--individual"]
        for _ in range(2):
            self.assert_works(*individual, folder)
        Image.fromarray(np.zeros((8, 8), "uint8")).save(folder / "000002.png")
        before = contents(folder)
        self.assert_refused([*individual, folder], "000002.png exists already")
        self.assertEqual(contents(folder), before)
        self.assert_refused([*individual, self.run_ / "model.keras"], "is a file; name a folder")

    def test_translations_do_not_replace_pictures_of_others(self):
        gan = kerasgan.Pix2Pix((16, 16, 1), base_width=2, receptive_field=16)
        gan.save(self.folder / "pix2pix.keras")
        for domain in ("A", "B"):
            (self.folder / domain).mkdir()
            Image.new("L", (16, 16), 9).save(self.folder / domain / "1.png")
        before = contents(self.folder / "B")
        translate = ["translate", self.folder / "pix2pix.keras", self.folder / "A", "--out"]
        self.assert_refused([*translate, self.folder / "B"], "1.png exists already")
        self.assertEqual(contents(self.folder / "B"), before)
        for _ in range(2):
            ended = call(*translate, self.folder / "C")
            self.assertEqual(ended.code, 0, ended)
        self.assert_refused([*translate, self.run_ / "model.keras"], "is a file; name a folder")

    @needs_backend("tensorflow", "jax", reason="it cannot write a SavedModel")
    def test_exports(self):
        models = self.folder / "savedmodels"
        gan = kerasgan.VanillaGAN((8, 8, 1), hidden_units=(4,), latent_dim=4)
        version = saved_models.export_version(gan, models / "digits")
        (models / "docker-compose.yml").write_text("services: {}\n")
        before = contents(models)
        with self.assertRaisesRegex(ValueError, "docker-compose.yml was not written by"):
            configuration.write_configuration(models)
        (version / "notes.txt").write_text("the best one")
        with self.assertRaisesRegex(ValueError, "keep=1 would remove .*notes.txt"):
            saved_models.export_version(gan, models / "digits", keep=1)
        (version / "notes.txt").unlink()
        self.assertEqual(contents(models), before)
        saved_models.export_version(gan, models / "digits", keep=1)
        self.assertEqual([p.name for p in (models / "digits").iterdir()], ["2"])
        with self.assertRaisesRegex(ValueError, "is a file; name a folder"):
            saved_models.export_version(gan, pathlib.Path(self.run_, "model.keras"))


if __name__ == "__main__":
    tf.test.main()

import contextlib
import io
import os
import pathlib
import socket

import numpy as np
import tensorflow as tf
from backends import needs_backend
from data_helpers import as_bytes, everything
from PIL import Image

from kerasgan import data
from kerasgan.data import folders

pytestmark = needs_backend("tensorflow", reason="files and tf.data are the same everywhere")


class FoldersTestCase(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.get_temp_dir(), "pictures")
        self.folder.mkdir()

    def save(self, name, gray=0, **options):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), gray).save(path, **options)

    def load(self, *arguments, path="", **keywords):
        """Gray levels, labels (None without any), names of classes, and what stderr was told."""
        with contextlib.redirect_stderr(io.StringIO()) as stderr:
            keywords = {"image_size": 4, "shuffle": False, **keywords}
            dataset = data.load(self.folder / path, *arguments, **keywords)
            images = everything(dataset)
        images, labels = images if isinstance(images, tuple) else (images, None)
        labels = None if labels is None else labels.tolist()
        grays = as_bytes(images[:, 0, 0, 0]).tolist()
        return grays, labels, data.class_names(dataset), stderr.getvalue()


class ClassesTest(FoldersTestCase):
    def test_a_class_has_one_number_in_all_splits(self):
        for name, gray in {
            "train/ant/1.png": 1,
            "train/bee/1.png": 2,
            "train/cat/1.png": 3,
            "test/bee/1.png": 4,
            "test/cat/1.png": 5,
            "val/dog/1.png": 6,
        }.items():
            self.save(name, gray)
        (self.folder / "test" / "ant").mkdir()
        names = ("ant", "bee", "cat", "dog")
        for cache in (True, False):
            found = {
                split: self.load(split, labels=True, cache=cache)[:3]
                for split in ("train", "test", "validation")
            }
            self.assertEqual(found["train"], ([1, 2, 3], [0, 1, 2], names))
            self.assertEqual(found["test"], ([4, 5], [1, 2], names))
            self.assertEqual(found["validation"], ([6], [3], names))
        # A folder by itself knows its own classes only, unless it is told.
        self.assertEqual(self.load(path="test", labels=True)[1:3], ([0, 1], ("bee", "cat")))
        told = {"labels": True, "class_names": ("cat", "ant", "bee")}
        for cache in (True, False):
            found = self.load(path="test", cache=cache, **told)
            self.assertEqual(found[:3], ([4, 5], [2, 0], ("cat", "ant", "bee")))
        with self.assertRaisesRegex(
            ValueError, "classes 'ant', .*lacks 'dog'; add these names, or remove"
        ):
            self.load(**told)

    def test_a_class_folder_without_pictures_is_named(self):
        self.save("cat/1.png")
        self.save("dog/1.png")
        (self.folder / "bee").mkdir()
        _, labels, names, stderr = self.load(labels=True)
        self.assertEqual((labels, names), ([0, 1], ("cat", "dog")))
        self.assertIn("folders without pictures: 1 (bee)", stderr)


class SplitsTest(FoldersTestCase):
    def test_splits_have_many_names(self):
        for number, name in enumerate(("Train", "TEST", "val")):
            self.save(f"{name}/x/1.png", number)
        for split, gray in (
            ("train", 0),
            ("training", 0),
            ("test", 1),
            ("validation", 2),
            ("val", 2),
            ("Valid", 2),
        ):
            self.assertEqual(self.load(split, labels=True)[:3], ([gray], [0], ("x",)))
        with self.assertRaisesRegex(ValueError, "split='dev'.*it has Train, TEST, val"):
            self.load("dev")
        self.save("Valid/x/1.png", 3)
        with self.assertRaisesRegex(ValueError, "Valid and .*val would both be split='validation'"):
            self.load()

    def test_what_is_beside_the_splits_is_named(self):
        self.save("train/1.png")
        self.save("loose.png")
        self.save("extra/1.png")
        self.assertIn("beside the splits: 2 (extra, loose.png)", self.load()[3])

    def test_of_pairs_too(self):
        for half in ("trainA", "trainB", "ValidA", "validb", "__MACOSX/trainA"):
            self.save(f"{half}/1.png", len(half))
        (self.folder / "results").mkdir()
        how = {"image_size": 4, "augment": False}
        for split, gray in (("train", 6), ("val", 6)):
            pairs = data.load_pairs(self.folder, split, **how)
            self.assertEqual(as_bytes(everything(pairs)[1])[0, 0, 0, 0], gray)
        for half in ("A", "B", ".cache", "__MACOSX"):
            self.save(f"halves/{half}/1.png")
        (self.folder / "halves" / "empty").mkdir()
        self.assertLen(data.load_pairs(self.folder / "halves", **how), 1)
        self.save("halves/C/1.png")
        with self.assertRaisesRegex(ValueError, "exactly two subfolders with pictures"):
            data.load_pairs(self.folder / "halves", **how)


class LeftOutTest(FoldersTestCase):
    def test_formats_that_are_read(self):
        for gray, suffix in enumerate((".bmp", ".gif", ".PNG", ".tif", ".tiff")):
            self.save(f"{gray}{suffix}", gray)
        self.save("5.webp", 5, lossless=True)
        self.assertEqual(self.load()[0], [0, 1, 2, 3, 4, 5])

    def test_what_is_left_out_is_counted_and_named(self):
        self.save("1.png")
        for name in ("a.heic", "b.HEIC", "c.heic", "d.heic", "notes"):
            (self.folder / name).write_text("no picture")
        (self.folder / "gone.png").symlink_to(self.folder / "nowhere.png")
        grays, _, _, stderr = self.load()
        self.assertEqual(grays, [0])
        for kind in (
            "files .heic: 4 (a.heic, b.HEIC, c.heic, ...)",
            "files without a suffix: 1 (notes)",
            "broken links: 1 (gone.png)",
        ):
            self.assertIn(kind, stderr)

    def test_what_systems_leave_behind_is_passed_over(self):
        self.save("cat/1.png", 1)
        for name in (
            "__MACOSX/cat/._1.png",
            ".ipynb_checkpoints/1.png",
            "cat/.1.png",
            "cat/__MACOSX/1.png",
        ):
            self.save(name)
        for name in (".DS_Store", "cat/Thumbs.db", "desktop.ini"):
            (self.folder / name).write_text("no picture")
        self.assertEqual(self.load(labels=True), ([1], [0], ("cat",), ""))

    def test_links_are_followed_and_loops_refused(self):
        self.save("store/dog/1.png", 7)
        self.save("data/cat/1.png", 8)
        (self.folder / "data" / "dog").symlink_to(self.folder / "store" / "dog")
        (self.folder / "data" / "cat" / "2.png").symlink_to(self.folder / "store/dog/1.png")
        found = self.load(path="data", labels=True)
        self.assertEqual(found, ([8, 7, 7], [0, 0, 1], ("cat", "dog"), ""))
        (self.folder / "data" / "dog" / "back").symlink_to(self.folder / "data")
        with self.assertRaisesRegex(ValueError, "back is a link to a folder that contains it"):
            self.load(path="data")

    def test_pipes_and_sockets_do_not_hang(self):
        self.save("1.png", 1)
        os.mkfifo(self.folder / "2.png")
        with contextlib.chdir(self.folder), socket.socket(socket.AF_UNIX) as listening:
            listening.bind("3.png")
            grays, _, _, stderr = self.load()
        self.assertEqual(grays, [1])
        self.assertIn("pipes, sockets or devices: 2 (2.png, 3.png)", stderr)
        os.mkfifo(self.folder / "arrays.npz")
        with self.assertRaisesRegex(ValueError, "arrays.npz is not a file"):
            data.load(self.folder / "arrays.npz")

    def test_control_characters_are_shown_escaped(self):
        self.save("1.png")
        (self.folder / "\x1b[2Jno\n\u202e.txt").write_text("no picture")
        (self.folder / "\x1b[2J.png").write_text("damaged")
        with contextlib.redirect_stderr(io.StringIO()) as stderr:
            with self.assertRaises(ValueError) as raised:
                data.load(self.folder, image_size=4)
        for text in (stderr.getvalue(), str(raised.exception)):
            self.assertIn("\\x1b[2J", text)
            self.assertTrue(text.replace("\n", "").isprintable(), text)
        self.assertIn("\\x1b[2Jno\\n\\u202e.txt", stderr.getvalue())


class DamagedTest(FoldersTestCase):
    def setUp(self):
        super().setUp()
        for number in range(3):
            self.save(f"A/{number}.png", number)
            self.save(f"B/{number}.png", 10 + number)
        (self.folder / "A" / "1.png").write_bytes(b"")

    def test_they_can_be_skipped(self):
        with self.assertRaisesRegex(ValueError, "1 of 6 .*A/1.png; remove.*skip_damaged=True"):
            self.load()
        grays, labels, _, stderr = self.load(skip_damaged=True, labels=True)
        self.assertEqual((grays, labels), ([0, 2, 10, 11, 12], [0, 0, 1, 1, 1]))
        self.assertRegex(stderr, "(?s)skipped .*A/1.png: .*skipped 1 of 6 files")
        how = {"image_size": 4, "augment": False, "shuffle": False}
        with self.assertRaisesRegex(ValueError, "1 of 3 .*A/1.png and .*B/1.png"):
            data.load_pairs(self.folder, **how)
        source, target = everything(data.load_pairs(self.folder, skip_damaged=True, **how))
        self.assertEqual(as_bytes(source)[:, 0, 0, 0].tolist(), [0, 2])
        self.assertEqual(as_bytes(target)[:, 0, 0, 0].tolist(), [10, 12])
        unpaired = data.load_unpaired(self.folder, skip_damaged=True, **how)
        self.assertLen(unpaired, 2)

    def test_but_not_all_of_them(self):
        (self.folder / "A" / "0.png").unlink()
        (self.folder / "A" / "2.png").unlink()
        with self.assertRaisesRegex(ValueError, "1 of 1 .*remove or repair them.$"):
            self.load(path="A", skip_damaged=True)

    def test_pixels_of_32_bits_are_not_guessed(self):
        path = self.folder / "B" / "1.tif"
        for array in (np.full((4, 4), 0.5, "float32"), np.full((4, 4), 70_000, "int32")):
            Image.fromarray(array).save(path)
            self.assertIn("1.tif: its pixels are 32-bit", self.load(skip_damaged=True)[3])


class FunctionsTest(FoldersTestCase):
    def test_a_folder_of_no_pictures_has_none(self):
        self.save("a/b/1.png")
        (self.folder / "c").mkdir()
        self.assertTrue(folders.has_pictures(self.folder))
        self.assertFalse(folders.has_pictures(self.folder / "c"))

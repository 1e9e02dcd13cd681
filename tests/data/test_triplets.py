"""Folders of originals and generated pictures, and that nothing but these tells them apart."""

import csv
import pathlib

import numpy as np
import tensorflow as tf
from backends import needs_backend
from PIL import Image

import kerasgan
from kerasgan.data.triplets import through_jpeg, write

pytestmark = needs_backend("tensorflow", reason="files and arrays only")


def pictures(count=10, seed=0, channels=3):
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (count, 8, 8, channels))


class TripletsTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.get_temp_dir()) / "fakes"

    def test_what_is_written_is_read(self):
        original, generated = pictures(seed=0), pictures(seed=1)
        captions = [f"picture {n}, red" for n in range(10)]
        write(self.folder, original, generated, captions, generator="a")
        write(self.folder, original, -generated, captions, generator="b")
        found = kerasgan.data.triplets(self.folder)
        self.assertAllClose(found.original[10:], original, atol=1 / 255)
        self.assertAllClose(found.generated, np.concatenate([generated, -generated]), atol=1 / 255)
        self.assertEqual(found.captions, (*captions, *captions))
        self.assertEqual([name for name, _ in found.by_generator()], ["a", "b"])
        self.assertEqual(dict(found.by_generator())["b"].ids, found.ids[10:])
        parts = {n: kerasgan.data.triplets(self.folder, n) for n in ("train", "validation", "test")}
        self.assertEqual([len(part) for part in parts.values()], [14, 2, 4])
        # An original is in one split only, whatever generators it is beside.
        self.assertEqual(parts["test"].ids, ("a-000008", "a-000009", "b-000008", "b-000009"))

    def test_both_sides_go_the_same_way(self):
        """A generator that returned the originals, which were JPEG files, could not be told."""
        photo = np.stack([through_jpeg(p, 60) for p in np.uint8(pictures() * 127 + 127)])
        images = photo / 127.5 - 1.0
        for name, jpeg in (("plain", None), ("jpeg", 70)):
            write(self.folder, images, images, [""] * 10, generator=name, jpeg=jpeg)
        for file in (self.folder / "original").iterdir():
            twin = self.folder / "generated" / file.name
            self.assertEqual(file.read_bytes(), twin.read_bytes())
            with Image.open(file) as picture:
                self.assertEqual((picture.format, picture.mode), ("PNG", "RGB"))
                self.assertEmpty(picture.info)

    def test_gray_pictures_have_one_channel(self):
        gray = pictures(2, channels=1)
        write(self.folder, gray, gray, ["", ""], generator="g", jpeg=90)
        self.assertEqual(kerasgan.data.triplets(self.folder).original.shape, (2, 8, 8, 1))
        sized = kerasgan.data.triplets(self.folder, image_size=4, channels=3)
        self.assertEqual(sized.generated.shape, (2, 4, 4, 3))

    def test_mistakes_are_named(self):
        with self.assertRaisesRegex(FileNotFoundError, "captions.csv does not exist"):
            kerasgan.data.triplets(self.folder)
        write(self.folder, pictures(), pictures(), [""] * 10, generator="a")
        with self.assertRaisesRegex(ValueError, "holds a-000000 already"):
            write(self.folder, pictures(), pictures(), [""] * 10, generator="a")
        with self.assertRaisesRegex(ValueError, "and there are 1 captions"):
            write(self.folder, pictures(), pictures(), [""], generator="b")
        with self.assertRaisesRegex(ValueError, "split='tests'; use one of 'train'"):
            kerasgan.data.triplets(self.folder, "tests")
        Image.new("RGB", (9, 9)).save(self.folder / "original" / "a-000000.png")
        with self.assertRaisesRegex(ValueError, "several sizes .*give image_size"):
            kerasgan.data.triplets(self.folder)
        (self.folder / "original" / "a-000000.png").unlink()
        with self.assertRaisesRegex(FileNotFoundError, "original/a-000000.png does not exist"):
            kerasgan.data.triplets(self.folder)
        for rows, message in (
            ([("id", "caption")], "no column 'split'"),
            ([("id", "caption", "split"), ("x", "", "all")], "line 2: split='all'"),
            ([("id", "caption", "split"), ("../x", "", "test")], "line 2: id='../x'"),
            ([("id", "caption", "split"), *[("x", "", "test")] * 2], "line 3: id='x'"),
            ([("id", "caption", "split")], "lists no triplets"),
        ):
            with open(self.folder / "captions.csv", "w", newline="") as file:
                csv.writer(file).writerows(rows)
            with self.assertRaisesRegex(ValueError, message):
                kerasgan.data.triplets(self.folder)


if __name__ == "__main__":
    tf.test.main()

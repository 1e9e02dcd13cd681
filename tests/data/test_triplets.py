"""Folders of originals and generated pictures, and that nothing but these tells them apart."""

import csv
import importlib.util
import pathlib

import numpy as np
import pytest
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
        (self.folder / "captions.csv").write_bytes(
            "id,caption,split\nx,\xe9,test\n".encode("latin-1")
        )
        with self.assertRaisesRegex(
            ValueError, "captions.csv is not a table in UTF-8: .*; save it"
        ):
            kerasgan.data.triplets(self.folder)
        for arguments, message in (
            ({"image_size": 0}, "image_size=0; use a whole number of at least 1"),
            ({"channels": 2}, "channels=2; use 1, 3 or None"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                kerasgan.data.triplets(self.folder, **arguments)

    def test_what_cannot_be_written_is_refused(self):
        good = {"original": pictures(2), "generated": pictures(2), "captions": ["", ""]}
        for arguments, message in (
            ({"generator": "../x"}, "generator='../x': file names begin with it, so use a str wit"),
            ({"generator": None}, "generator=None: file names begin"),
            ({"jpeg": 200}, "jpeg=200; use a quality from 1 to 100"),
            ({"original": 127.5 * pictures(2)}, "the originals go from .* use images in"),
            ({"generated": np.zeros((2, 8, 8, 3), "uint8")}, "the generated images are uint8"),
        ):
            with self.assertRaisesRegex(ValueError, message):
                write(self.folder, **{**good, "generator": "a", **arguments})
        self.assertFalse(self.folder.exists())
        write(self.folder, **good, generator="é")
        (self.folder / "generated" / "é-000001.png").write_text("no picture")
        with self.assertRaisesRegex(ValueError, "é-000001.png cannot be read as a picture"):
            kerasgan.data.triplets(self.folder)


if __name__ == "__main__":
    tf.test.main()


@pytest.mark.skipif(
    importlib.util.find_spec("keras_hub") is None,
    reason="keras-hub is not installed (pip install kerasgan[text])",
)
class StableDiffusionTest(tf.test.TestCase):
    def test_a_stable_diffusion_of_keras_hub_draws_captions(self):
        """With random weights: that its pictures, and no others, come into the folder."""
        file = pathlib.Path(__file__).parents[2] / "examples" / "stable_diffusion.py"
        spec = importlib.util.spec_from_file_location("stable_diffusion", file)
        example = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(example)
        model = example.small_model(image_size=16)
        model.run_eagerly = True
        folder = pathlib.Path(self.create_tempdir().full_path)
        photos = pictures(2, channels=3)
        rows = [["file", "caption"], ["0.png", "a thick one"], ["1.png", "two"]]
        for number, photo in enumerate(photos):
            Image.fromarray(np.uint8(photo * 127 + 127)).save(folder / f"{number}.png")
        with open(folder / "captions.csv", "w", newline="") as table:
            csv.writer(table).writerows(rows)
        draw = example.text_to_image(model, steps=1, guidance=2.0, seed=4)
        count = kerasgan.data.write_from_captions(
            folder / "fakes", draw, folder / "captions.csv", generator="sd3"
        )
        self.assertEqual(count, 2)
        found = kerasgan.data.triplets(folder / "fakes")
        self.assertEqual(found.captions, ("a thick one", "two"))
        same = model.generate(["a thick one", "two"], num_steps=1, guidance_scale=2.0, seed=5)
        self.assertAllClose(found.generated, same / 127.5 - 1.0, atol=1e-6)
        self.assertGreater(found.generated.std(), 0.1)

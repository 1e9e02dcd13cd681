import pathlib

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from backends import needs_backend
from data_helpers import as_bytes, everything, in_epoch, same_from_the_middle
from PIL import Image

from kerasgan import data

pytestmark = needs_backend("tensorflow", reason="files and tf.data are the same everywhere")


def random_picture(seed, size=(12, 12)):
    """A picture that does not change much when it is resized."""
    coarse = np.random.default_rng(seed).integers(0, 256, (2, 2, 3), dtype="uint8")
    return Image.fromarray(coarse).resize(size, Image.Resampling.NEAREST)


class PairsTestCase(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.get_temp_dir(), "pairs")

    def save(self, name, picture):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)

    def save_grays(self, **grays):
        """Pictures of one gray: `train__A__1=7` is train/A/1.png."""
        for name, gray in grays.items():
            self.save(name.replace("__", "/") + ".png", Image.new("L", (6, 6), gray))

    def load(self, *arguments, **keywords):
        keywords = {"image_size": 4, "shuffle": False, "augment": False, **keywords}
        return data.load_pairs(self.folder, *arguments, **keywords)

    def grays(self, dataset):
        """The grays of an epoch, of both halves."""
        return [as_bytes(half[:, 0, 0, 0]).tolist() for half in everything(dataset)]


class LoadPairsTest(PairsTestCase):
    def test_halves_side_by_side(self):
        for number in range(3):
            both = Image.new("RGB", (13, 6), (100, 100, 100))  # a column between them
            both.paste((10 * number, 0, 0), (0, 0, 6, 6))
            both.paste((0, 10 * number + 5, 0), (7, 0, 13, 6))
            self.save(f"{number}.png", both)
        source, target = everything(self.load())
        self.assertEqual((source.shape, source.dtype), ((3, 4, 4, 3), np.float32))
        self.assertAllEqual(as_bytes(source)[:, 2, 2], [[0, 0, 0], [10, 0, 0], [20, 0, 0]])
        self.assertAllEqual(as_bytes(target)[:, 2, 2], [[0, 5, 0], [0, 15, 0], [0, 25, 0]])
        swapped = everything(self.load(source="right"))
        self.assertAllEqual(swapped[0], target)
        self.assertAllEqual(swapped[1], source)

    def test_twin_folders_are_matched_by_name(self):
        self.save_grays(A__b=1, A__a=2, A__sub__c=3)
        for name, gray in (("a", 12), ("b", 11), ("sub/c", 13)):
            self.save(f"B/{name}.bmp", Image.new("L", (9, 9), gray))
        self.assertEqual(self.grays(self.load()), [[2, 1, 3], [12, 11, 13]])
        self.assertEqual(self.grays(self.load(source="B")), [[12, 11, 13], [2, 1, 3]])

    def test_splits_are_folders_or_parts_of_their_names(self):
        self.save_grays(train__x__1=1, train__y__1=2, test__x__1=3, test__y__1=4)
        self.assertEqual(self.grays(self.load("test", source="y")), [[4], [3]])
        self.folder = self.folder / "named"
        self.save_grays(trainA__1=5, trainB__1=6, testA__1=7, testB__1=8)
        self.assertEqual(self.grays(self.load()), [[5], [6]])
        self.assertEqual(self.grays(self.load("test", source="B")), [[8], [7]])

    def test_files_without_a_partner_are_listed(self):
        self.save_grays(A__1=1, A__2=2, A__4=4, B__1=1, B__3=3)
        with self.assertRaisesRegex(ValueError, "in .*A only: 2, 4; in .*B only: 3"):
            self.load()
        self.save("A/2.bmp", Image.new("L", (4, 4)))
        with self.assertRaisesRegex(ValueError, "2.bmp and .*2.png have the same name"):
            self.load()

    def test_a_split_that_there_is_not_is_never_taken_for_another(self):
        self.save_grays(train__A__1=1, train__B__1=2, test__A__1=3, test__B__1=4)
        for load in (data.load_pairs, data.load_unpaired):
            with self.assertRaisesRegex(ValueError, "split='val': the folder .* has no subfolder"):
                load(self.folder, split="val", image_size=4)
            with self.assertRaisesRegex(ValueError, "split='test'"):
                load(self.folder / "train", split="test", image_size=4)

    def test_single_images_are_no_pairs(self):
        for load in (data.load_pairs, data.load_unpaired):
            with self.assertRaisesRegex(ValueError, "no pairs of images.*paired.*--data-b"):
                load("digits", image_size=4)
        with self.assertRaisesRegex(ValueError, "'facdes' is neither a folder"):
            data.load_pairs("facdes")

    def test_a_size_is_needed(self):
        self.save_grays(A__1=1, B__1=1)
        for load in (data.load_pairs, data.load_unpaired):
            for arguments in ({"image_size": None}, {"channels": None}):
                (name,) = arguments
                with self.assertRaisesRegex(ValueError, f"{name}=None; pairs and domains need"):
                    load(self.folder, **arguments)

    def test_read_again_in_each_epoch_they_are_the_same(self):
        self.save_grays(A__1=1, A__2=2, B__1=11, B__2=12)
        self.assertEqual(self.grays(self.load(cache=False)), [[1, 2], [11, 12]])

    def test_what_cannot_be_had_is_named(self):
        self.save_grays(A__1=1, B__1=1)
        for arguments, message in (
            ({"source": "C"}, "source='C': .*has 'A' and 'B'"),
            ({"image_size": None}, "image_size"),
            ({"batch_size": 2, "shuffle": True}, "batch_size=2 is more than the 1 examples"),
            ({"split": "test"}, "split='test'.*no subfolder test.*testA and testB"),
        ):
            if "split" in arguments:
                self.save_grays(C__1=1)
            with self.assertRaisesRegex(ValueError, message):
                self.load(**arguments)
        with self.assertRaisesRegex(FileNotFoundError, "nowhere does not exist"):
            data.load_pairs("/nowhere")


class AugmentationTest(PairsTestCase):
    def setUp(self):
        super().setUp()
        for number in range(8):
            left = random_picture(number, (64, 64))
            both = Image.new("RGB", (128, 64))
            both.paste(left, (0, 0))
            both.paste(Image.eval(left, lambda v: 255 - v), (64, 0))
            self.save(f"{number}.png", both)

    def test_both_halves_are_mirrored_and_cut_alike(self):
        pairs = self.load(image_size=64, augment=True, shuffle=True, batch_size=4)
        source, target = everything(pairs)
        # The right half was the negative of the left one, wherever it was cut and mirrored.
        self.assertAllClose(source, -target, atol=2.5 / 255)
        other_source, _ = everything(pairs)
        self.assertNotAllClose(np.sort(source.ravel()), np.sort(other_source.ravel()))

    def test_images_are_enlarged_by_286_to_256_cut_out_and_half_of_them_mirrored(self):
        plain, _ = everything(self.load(image_size=64))
        found = {"mirrored": 0, "moved": set()}
        for epoch in range(6):
            augmented, _ = everything(in_epoch(self.load(image_size=64, augment=True), epoch))
            for image, cut in zip(plain, augmented, strict=True):
                # The border between the four fields, at 32 of 64 pixels, is at 36 of 72, less the
                # place of the cut, 0 to 8.
                places = {}
                for mirrored, view in ((False, cut), (True, cut[:, ::-1])):
                    if np.abs(view[0, 0] - image[0, 0]).max() < 0.05:
                        border = np.abs(np.diff(view[2], axis=0)).sum(-1).argmax()
                        places[mirrored] = border
                self.assertLen(places, 1)
                ((mirrored, place),) = places.items()
                found["mirrored"] += mirrored
                found["moved"].add(64 - place if mirrored else place)
        self.assertAllInRange(found["mirrored"], 12, 36)  # of 48
        self.assertGreaterEqual(len(found["moved"]), 5)
        self.assertAllInRange(list(found["moved"]), 26, 37)

    def test_is_a_function_of_seed_and_epoch(self):
        def epoch_of(dataset, epoch):
            return everything(in_epoch(dataset, epoch))[0]

        arguments = {"image_size": 64, "augment": True, "shuffle": True}
        first, again = (epoch_of(self.load(**arguments), 3) for _ in range(2))
        self.assertAllEqual(first, again)
        self.assertNotAllEqual(first, epoch_of(self.load(**arguments), 4))
        self.assertNotAllEqual(first, epoch_of(self.load(**arguments, seed=1), 3))
        self.assertTrue(same_from_the_middle(self.load(**arguments)))


class TinyFacades(tfds.core.GeneratorBasedBuilder):
    """Two domains, as cycle_gan/facades has them."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "label": tfds.features.ClassLabel(names=["A", "B"]),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            disable_shuffling=True,  # or each split would have an order of its own
        )

    def _split_generators(self, dl_manager):
        return {f"train{half}": self._generate_examples(half) for half in "AB"}

    def _generate_examples(self, half):
        for number in range(5):
            gray = 10 * number + (half == "B")
            image = np.full((6, 6, 3), gray, "uint8")
            yield number, {"image": image, "label": half}


class TensorFlowDatasetsTest(PairsTestCase):
    def setUp(self):
        super().setUp()
        self.data_dir = self.get_temp_dir()
        TinyFacades(data_dir=self.data_dir).download_and_prepare()

    def test_records_of_both_splits_are_pairs(self):
        for name in ("tiny_facades", "tfds:tiny_facades"):
            pairs = data.load_pairs(
                name,
                image_size=4,
                source="B",
                shuffle=False,
                augment=False,
                data_dir=self.data_dir,
            )
            source, target = self.grays(pairs)
            self.assertEqual(target, [0, 10, 20, 30, 40])
            self.assertEqual(source, [gray + 1 for gray in target])

    def test_both_splits_are_domains(self):
        both = data.load_unpaired("tiny_facades", image_size=4, data_dir=self.data_dir)
        a, b = self.grays(both)
        self.assertCountEqual(a, [0, 10, 20, 30, 40])
        self.assertCountEqual(b, [1, 11, 21, 31, 41])
        self.assertNotEqual(b, [gray + 1 for gray in a])


class LoadUnpairedTest(PairsTestCase):
    def test_an_epoch_is_as_long_as_the_smaller_domain(self):
        self.save_grays(a__1=1, a__2=2, b__1=11, b__2=12, b__3=13, b__4=14)
        how = {"image_size": 4, "augment": False}
        both = data.load_unpaired(self.folder / "a", self.folder / "b", **how)
        self.assertEqual(int(both.cardinality()), 2)
        seen = set()
        for _ in range(8):
            a, b = self.grays(both)
            self.assertCountEqual(a, [1, 2])
            seen |= set(b)
        self.assertEqual(seen, {11, 12, 13, 14})
        self.assertTrue(same_from_the_middle(both))
        # One folder with both, named by their order.
        a, b = self.grays(data.load_unpaired(self.folder, **how))
        self.assertCountEqual(a, [1, 2])

    def test_one_domain_alone_is_refused(self):
        self.save_grays(a__1=1)
        with self.assertRaisesRegex(ValueError, "holds one set of images; give the other one as b"):
            data.load_unpaired(self.folder, image_size=4)

"""What the page of `kerasgan edit` is answered, against what the models do."""

import base64
import io
import json
import pathlib
import urllib.error
import urllib.request
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from backends import needs_backend
from editing_page import Brightness, classes, colours, served, styled, texts
from PIL import Image
from served_models import decoded, encoded

import kerasgan
from kerasgan.editing import editors
from kerasgan.editing.requests import Edit
from kerasgan.utils.images import to_uint8

pytestmark = needs_backend("tensorflow", reason="it calls methods that have tests of their own")


class LiveEditorTest(tf.test.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.gan, cls.directions = styled()
        cls.editor = editors.LiveEditor(cls.gan, cls.directions, "a run")

    def image(self, way=0.0, **values):
        return self.editor.images(Edit(**values), [way])[0]

    def assert_same(self, image, images):
        self.assertGreater(np.ptp(image), 20)
        self.assertAllClose(np.int32(image), np.int32(to_uint8(images[0])), atol=1)

    def test_an_image_that_nothing_was_done_to_is_that_of_generate(self):
        self.assert_same(self.image(seed=7), self.gan.generate(1, seed=7))
        cut = self.gan.generate(1, seed=7, truncation=0.4)
        self.assert_same(self.image(seed=7, truncation=0.4, offsets=[0.0, 0.0]), cut)

    def test_offsets_move_styles_by_deviations(self):
        styles = self.gan.styles(self.gan.latents(1, seed=7))
        styles[..., 0] += 2.0 * 1.5
        styles[..., 1] += -1.0 * 0.5
        moved = self.image(seed=7, offsets=[2.0, -1.0], noise=False)
        noise = [np.zeros((1, *shape), "float32") for shape in self.gan.noise_shapes[1:]]
        self.assert_same(moved, self.gan.generate_from_styles(styles, noise))
        self.assertGreater(np.abs(moved - np.float32(self.image(seed=7, noise=False))).max(), 5)

    def test_styles_of_the_second_seed_take_the_place_of_the_firsts(self):
        whole = self.image(seed=7, other=8, mix=["coarse", "middle", "fine"], noise=False)
        self.assertAllEqual(whole, self.image(seed=8, noise=False))
        part = self.image(seed=7, other=8, mix=["coarse"], noise=False)
        for seed in (7, 8):
            self.assertNotAllEqual(part, self.image(seed=seed, noise=False))

    def test_the_way_ends_at_the_second_seed(self):
        first, _, last = self.editor.images(Edit(seed=7, other=8, noise=False), [0.0, 0.5, 1.0])
        self.assertAllEqual(first, self.image(seed=7, noise=False))
        self.assertAllEqual(last, self.image(seed=8, noise=False))

    def test_a_point_takes_the_place_of_the_seed(self):
        styles = self.gan.styles(self.gan.latents(1, seed=9))
        values = {"point": base64.b64encode(styles.astype("<f4").tobytes()).decode()}
        edit = Edit.of({"seed": 7, "noise": False, **values})
        (image,) = self.editor.images(edit, [0.0])
        self.assertAllEqual(image, self.image(seed=9, noise=False))
        with self.assertRaisesRegex(ValueError, "belongs to another model"):
            self.image(point=styles.ravel()[1:])

    def test_what_the_model_has_not_is_refused(self):
        for message, values in (
            ("2 offsets|takes 2", {"offsets": [1.0]}),
            ("truncation=1.5", {"truncation": 1.5}),
            ("unconditional", {"label": 1}),
        ):
            with self.assertRaisesRegex(ValueError, message):
                self.image(**values)
        for message, values in (
            ("seed: use", {"seed": -1}),
            ("way: use", {"way": 2}),
            ("mix: use", {"mix": ["all"]}),
            ("offsets: use", {"offsets": [float("nan")]}),
            ("JSON object", {"sead": 1}),
            ("base64", {"point": "!!!!"}),
        ):
            with self.assertRaisesRegex(ValueError, message):
                Edit.of(values)

    def test_models_without_styles_walk_in_z(self):
        gan = classes()
        editor = editors.LiveEditor(gan, None, "a run")
        (image,) = editor.images(Edit(seed=7, label=2), [0.0])
        self.assert_same(image, gan.generate(1, seed=7, labels=2))
        (image,) = editor.images(Edit(seed=7, other=8, label=2), [1.0])
        self.assert_same(image, gan.generate(1, seed=8, labels=2))
        with self.assertRaisesRegex(ValueError, "needs labels"):
            editor.images(Edit(seed=7), [0.0])
        # A picture is found again, nearer than another image is.
        target = to_uint8(gan.generate(1, seed=3, labels=2)[0])
        with mock.patch.object(editors, "STEPS", 20):
            point, distance = editor.project(encoded(target), 2)
        (found,) = editor.images(Edit(seed=7, label=2, point=point), [0.0])
        off = np.mean((np.float32(found) - target) ** 2) / 127.5**2
        self.assertAllClose(off, distance, atol=0.01)
        self.assertLess(off, 0.5 * np.mean((np.float32(image) - target) ** 2) / 127.5**2)

    def test_a_text_is_the_class_of_a_model_of_texts(self):
        gan = texts()
        editor = editors.LiveEditor(gan, None, "a run")
        self.assertEqual(editor.settings["caption"], "thick one")
        images = [
            editor.images(Edit(seed=7, label=text), [0.0])[0] for text in ("a thick one", "thin")
        ]
        self.assert_same(images[0], gan.generate(1, seed=7, text="a thick one"))
        self.assert_same(images[1], gan.generate(1, seed=7, text="thin"))
        self.assertNotAllEqual(*images)
        with mock.patch.object(editors, "STEPS", 2):
            point, _ = editor.project(encoded(images[0]), "thick")
        self.assertEqual(point.shape, (4,))
        for message, label in (("give text", None), ("up to 300", "x" * 301), ("up to 300", " ")):
            with self.assertRaisesRegex(ValueError, message):
                editor.images(Edit(seed=7, label=label), [0.0])
        gan.encode_text = None
        with self.assertRaisesRegex(
            ValueError, "encoder of texts that is not in the file; if .* give"
        ):
            editors.LiveEditor(gan, None, "a run")


class ResembleTest(tf.test.TestCase):
    def test_an_image_becomes_more_like_words_from_what_is_seen_on(self):
        gan, directions = styled()
        of_styles = {"offsets": (1.0, 0.0), "mix": ("fine",), "truncation": 0.8}
        cases = (
            (gan, directions, of_styles, "white", 1.0),
            (texts(), None, {"way": 0.5, "label": "thick"}, "black", -1.0),
        )
        for model, found, values, text, sign in cases:
            editor = editors.LiveEditor(model, found, "a run", clip=Brightness())
            self.assertTrue(editor.settings["words"])
            edit = Edit(seed=7, **values)
            (seen,) = editor.images(edit, [edit.way])
            point, before, after = editor.resemble(edit, text)
            self.assertGreater(after, before, type(model))
            (image,) = editor.images(Edit(seed=7, label=edit.label, point=point), [0.0])
            self.assertGreater(sign * (image.mean() - seen.mean()), 0.0, type(model))
            # Without a step the point is what was seen.
            with mock.patch.object(editors, "TEXT_STEPS", 0):
                start, _, _ = editor.resemble(edit, text)
            (image,) = editor.images(Edit(seed=7, label=edit.label, point=start), [0.0])
            self.assertAllClose(np.int32(image), np.int32(seen), atol=1)
            many = model.points(model.latents(1000, seed=0), editor.space)
            spread = np.sqrt(np.square(many - many.mean(0)).reshape(1000, -1).sum(1).mean())
            self.assertBetween(np.linalg.norm(point - start), 1e-3, 0.51 * spread)

    def test_directions_in_z_and_in_styles(self):
        keras.utils.set_random_seed(0)
        gan = kerasgan.StyleGAN2((8, 8, 1), latent_dim=6, base_width=4, max_width=8)
        for space, keeps in (("z", False), ("styles", True)):
            found = kerasgan.control.directions(gan, method="pca", space=space, num_points=50)
            editor = editors.LiveEditor(gan, found, "a run", clip=Brightness())
            self.assertEqual(editor.settings["keeps_offsets"], keeps)
            offsets = (1.0, *(0.0 for _ in found.names[1:]))
            edit = Edit(seed=7, offsets=offsets)
            point, before, after = editor.resemble(edit, "white")
            self.assertGreater(after, before)
            moved = Edit(seed=7, point=point, offsets=offsets if keeps else ())
            before, after = (editor.images(e, [0.0]).mean() for e in (edit, moved))
            self.assertGreater(after, before)
        points = (
            gan.channels(gan.styles(gan.latents(1, seed=7)))
            + found.deviations[0] * (found.vectors[:1])
        )
        noise = [np.zeros((1, *shape), "float32") for shape in gan.noise_shapes[1:]]
        expected = to_uint8(gan.generate_from_styles(points, noise))
        image = editor.images(Edit(seed=7, offsets=offsets, noise=False), [0.0])
        self.assertAllClose(np.int32(image), np.int32(expected), atol=1)

    def test_needs_a_clip(self):
        editor = editors.LiveEditor(classes(), None, "a run")
        self.assertFalse(editor.settings["words"])
        with self.assertRaisesRegex(ValueError, "only a CLIP .* give one with --clip"):
            editor.resemble(Edit(label=1), "white")


class ServedEditorTest(tf.test.TestCase):
    def test_a_saved_model_of_texts_knows_its_words(self):
        gan = texts()
        folder = pathlib.Path(self.create_tempdir().full_path) / "1"
        gan.export(folder)
        editor = editors.served(folder, "m")
        self.assertEqual(editor.settings["caption"], "one")
        (image,) = editor.images(Edit(seed=7, label="a thick one"), [0.0])
        expected = to_uint8(gan.generate(1, seed=7, text="thick one")[0])
        self.assertAllClose(np.int32(image), np.int32(expected), atol=1)
        with self.assertRaisesRegex(ValueError, "label: use a text"):
            editor.images(Edit(label=1), [0.0])
        with self.assertRaisesRegex(ValueError, "cannot be steered by a text"):
            editor.resemble(Edit(label="one"), "one")

    @pytest.mark.slow
    def test_a_saved_model_shows_what_the_run_does(self):
        gan, directions = styled()
        folder = pathlib.Path(self.create_tempdir().full_path) / "1"
        gan.export(folder, directions=directions)
        editor, live = editors.served(folder, "m"), editors.LiveEditor(gan, directions, "m")
        self.assertEqual(editor.settings["directions"], ["wide", "<b>tall</b>"])
        for edit in (Edit(seed=7), Edit(seed=7, truncation=0.5, offsets=(2.0, -1.0))):
            found, expected = editor.images(edit, [0.0]), live.images(edit, [0.0])
            self.assertAllClose(np.int32(found), np.int32(expected), atol=1)
        with self.assertRaisesRegex(ValueError, "neither mix"):
            editor.images(Edit(mix=("fine",)), [0.0])


class ServerTest(tf.test.TestCase):
    def post(self, url, path, values, origin=None):
        headers = {"Content-Type": "application/json", "Origin": origin or url.rstrip("/")}
        request = urllib.request.Request(url + path, json.dumps(values).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())["error"]

    def test_a_drawing_is_translated(self):
        model = colours()
        rng = np.random.default_rng(0)
        drawing = rng.integers(0, 256, (16, 16, model.pair_shapes[0][-1]), "uint8")
        picture = base64.b64encode(encoded(drawing)).decode()
        with served(editors.live_painter(model, "m")) as url:
            status, file = self.post(url, "translations", {"picture": picture, "to": None})
            self.assertEqual(status, 200)
            images = drawing[None] / np.float32(127.5) - 1.0
            expected = to_uint8(model.translate(images, seed=0)[0])
            self.assertAllClose(np.int32(decoded(file)), np.int32(expected), atol=1)
            wide = io.BytesIO()
            Image.new("RGB", (80, 40), (255, 0, 0)).save(wide, "PNG")
            given = {"picture": base64.b64encode(wide.getvalue()).decode(), "to": None}
            status, body = self.post(url, "sources", given)
            found = json.loads(body)
            self.assertEqual(decoded(base64.b64decode(found["picture"])).shape[:2], (16, 16))
            self.assertLen(found["brushes"], 1)
            wrong = ({**given, "to": "B"}, {**given, "picture": "AAAA"}, given, {"to": None}, [])
            for values in wrong:
                status, _ = self.post(url, "translations", values)
                self.assertEqual(status, 400)
            status, _ = self.post(url, "translations", given, origin="http://elsewhere")
            self.assertEqual(status, 403)

    def test_the_saved_model_translates_alike(self):
        model = colours()
        folder = pathlib.Path(self.create_tempdir().full_path) / "1"
        model.export(folder)
        painters = [
            editors.live_painter(model, "m"),
            editors.served(folder, "m"),
        ]
        file = encoded(np.random.default_rng(0).integers(0, 256, (16, 16, 1), "uint8"))
        found, expected = (decoded(painter.translate(file, None)) for painter in painters)
        self.assertAllClose(np.int32(found), np.int32(expected), atol=1)

    def test_what_is_wrong_is_one_line(self):
        gan, directions = styled()
        with served(editors.LiveEditor(gan, directions, "m")) as url:
            status, file = self.post(url, "pictures", {"seed": 7})
            self.assertEqual((status, decoded(file).shape), (200, gan.image_shape))
            status, body = self.post(url, "strips", {"seed": 7})
            self.assertLen(json.loads(body)["pictures"], 9)
            for path, values in (
                ("pictures", {"seed": "7"}),
                ("pictures", {"point": "AAAA"}),
                ("projections", {"picture": "AAAA", "label": None}),
                ("projections", {"picture": "AAAA"}),
            ):
                status, message = self.post(url, path, values)
                self.assertEqual(status, 400)
                self.assertNotIn("\n", message)

    def test_models_of_other_kinds_are_refused(self):
        with self.assertRaisesRegex(ValueError, "vectors"):
            points = kerasgan.VanillaGAN((2,), 3, hidden_units=(8,))
            editors.LiveEditor(points, None, "m")

"""The pages of `kerasgan edit`, in a browser."""

import base64
import io
import pathlib

import numpy as np
import tensorflow as tf
from backends import needs_backend
from browser import needs_chromium, open_page
from editing_page import Brightness, classes, colours, served, styled, texts
from PIL import Image
from served_models import decoded, encoded

from kerasgan.editing import editors
from kerasgan.editing.requests import Edit

pytestmark = needs_backend("tensorflow", reason="a page does not know what made its images")

# The pixels of the picture that is shown: height, width, and values of red.
SHOWN = """() => {
  const image = document.querySelector("#picture"), canvas = document.createElement("canvas");
  Object.assign(canvas, { width: image.naturalWidth, height: image.naturalHeight });
  const pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0);
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
  return [canvas.height, canvas.width, ...data];
}"""


def served_classes(folder):
    """The editor of a SavedModel of the small model of classes."""
    classes().export(f"{folder}/1")
    return editors.served(pathlib.Path(folder) / "1", "m")


class PageTestCase(tf.test.TestCase):
    def shown(self, page):
        height, width, *values = page.evaluate(SHOWN)
        return np.reshape(values, (height, width, 4))[..., :3]

    def wait(self, page, pattern=r"pixels in \d+ ms"):
        """Until the page has said something new that is so."""
        page.wait_for_function(
            """pattern => new RegExp(pattern).test(document.querySelector("#message").innerText)""",
            arg=pattern,
        )

    def after(self, page, act):
        """What is shown after something was done."""
        page.evaluate("say('…')")
        act()
        self.wait(page)
        return self.shown(page)

    def assert_narrow(self, page):
        page.set_viewport_size({"width": 390, "height": 800})
        self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 390)


@needs_chromium
class SlidersTest(PageTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        gan, directions = styled()
        cls.editor = editors.LiveEditor(gan, directions, "a run", "what <b>these</b> are")

    def assert_shows(self, pixels, way=0.0, **values):
        (expected,) = self.editor.images(Edit(**values), [way])
        self.assertGreater(np.ptp(pixels), 20)
        self.assertAllClose(pixels, np.repeat(np.int32(expected), 3, axis=-1), atol=1)

    def test_controls_decide_the_image_and_a_link_shows_it_again(self):
        with served(self.editor) as url, open_page(url) as page:
            self.wait(page)
            self.assert_shows(self.shown(page))
            names = page.locator("#sliders .row span").all_inner_texts()
            self.assertEqual(names, ["wide", "<b>tall</b>"])
            self.assertEqual(page.inner_text("#hint"), "what <b>these</b> are")

            pixels = self.after(page, lambda: page.fill("#seed", "5"))
            self.assert_shows(pixels, seed=5)
            slider = page.locator("[data-direction='0']")
            slider.focus()
            pixels = self.after(page, lambda: page.keyboard.press("ArrowRight"))
            self.assert_shows(pixels, seed=5, offsets=[0.1, 0.0])
            self.after(page, lambda: slider.fill("2"))
            self.after(page, lambda: page.check("#parts input[value=fine]"))
            self.after(page, lambda: page.fill("#truncation", "0.5"))
            pixels = self.after(page, lambda: page.uncheck("#noise"))
            values = {"seed": 5, "mix": ["fine"], "truncation": 0.5, "noise": False}
            values["offsets"] = [2.0, 0.0]
            self.assert_shows(pixels, **values)

            page.click("#strips")
            page.locator("#strip button").nth(8).wait_for()
            pixels = self.after(page, lambda: page.locator("#strip button").nth(4).click())
            self.assert_shows(pixels, way=0.5, **values)
            self.assertEqual(page.input_value("#way"), "0.5")
            with page.expect_download() as waiting:
                page.click("#download")
            self.assertEqual(waiting.value.suggested_filename, "seed5.png")
            self.assert_narrow(page)
            link = page.url

            page.goto("about:blank")
            page.goto(link)
            self.wait(page)
            self.assertAllEqual(self.shown(page), pixels)
            page.locator("#strip button").nth(8).wait_for()
            self.assertEqual(slider.input_value(), "2")

            reset = self.after(page, lambda: page.click("#reset"))
            self.assert_shows(reset, seed=5)
            page.locator("body").click(position={"x": 1, "y": 1})
            self.after(page, lambda: page.keyboard.press("r"))
            self.assertNotEqual(page.input_value("#seed"), "5")
            page.fill("#seed", "-1")
            self.wait(page, "Seeds are whole numbers")
            self.assertEqual(page.get_attribute("#message", "class"), "error")

    def test_a_picture_is_projected_and_edited(self):
        styles = self.editor.model.styles(self.editor.model.latents(1, seed=9))[0]
        asked = []

        def project(file, label):
            asked.append(decoded(file))
            return styles, 0.01

        editor = editors.LiveEditor(self.editor.model, self.editor.directions, "a run")
        editor.project = project
        pixels = np.arange(64, dtype="uint8").reshape(8, 8, 1)
        file = {"name": "a.png", "mimeType": "image/png", "buffer": encoded(pixels)}
        with served(editor) as url, open_page(url) as page:
            self.wait(page)
            found = self.after(page, lambda: page.set_input_files("#file", file))
            self.assertAllEqual(asked, [pixels])
            self.assert_shows(found, point=styles.ravel())
            page.reload()
            self.wait(page)
            self.assertAllEqual(self.shown(page), found)
            back = self.after(page, lambda: page.click("#back"))
            self.assert_shows(back)

    def test_the_first_class_is_one_too(self):
        editor = editors.LiveEditor(classes(), None, "a run")
        for opened in (editor, served_classes(self.create_tempdir().full_path)):
            with served(opened) as url, open_page(url) as page:
                self.wait(page)
                (expected,) = editor.images(Edit(label=0), [0.0])
                expected = np.repeat(np.int32(expected), 3, axis=-1)
                self.assertAllClose(self.shown(page), expected, atol=1)

    def test_what_is_no_picture_is_said_so(self):
        file = {"name": "a.png", "mimeType": "image/png", "buffer": b"nothing"}
        with served(self.editor) as url, open_page(url) as page:
            self.wait(page)
            page.set_input_files("#file", file)
            self.wait(page, "The file cannot be read as a picture; use one")

    def test_words_move_what_is_seen_and_the_link_holds_it(self):
        model, directions = self.editor.model, self.editor.directions
        editor = editors.LiveEditor(model, directions, "a run", clip=Brightness())
        with served(editor) as url, open_page(url) as page:
            self.wait(page)
            self.after(page, lambda: page.locator("[data-direction='0']").fill("1"))
            before = self.shown(page)
            page.click("#resemble")
            self.wait(page, "Write what the image should look like")
            page.fill("#words", "white r")  # R makes no new image here
            page.keyboard.press("r")
            self.assertEqual(page.input_value("#seed"), "0")
            page.keyboard.press("Enter")
            self.wait(page, r"Likeness to “white rr”: 0\.\d+, now 0\.\d+")
            brighter = self.shown(page)
            self.assertGreater(brighter.mean(), before.mean())
            self.assertEqual(page.locator("[data-direction='0']").input_value(), "0")
            page.evaluate("say('…')")
            page.click("#resemble")
            self.wait(page, "Likeness")
            brightest = self.shown(page)
            self.assertGreater(brightest.mean(), brighter.mean())
            self.assert_narrow(page)
            page.reload()
            self.wait(page)
            self.assertAllEqual(self.shown(page), brightest)
            self.assertAllEqual(self.after(page, lambda: page.click("#back")), self.first(editor))

    def first(self, editor):
        return np.repeat(np.int32(editor.images(Edit(), [0.0])[0]), 3, axis=-1)

    def test_a_caption_is_drawn(self):
        editor = editors.LiveEditor(texts(), None, "a run")
        with served(editor) as url, open_page(url) as page:
            self.wait(page)
            self.assertEqual(page.input_value("#caption"), "thick one")
            self.assertFalse(page.is_visible("#label") or page.is_visible("#words"))
            for caption in ("thick one", "a thin one"):
                pixels = self.after(page, lambda c=caption: page.fill("#caption", c))
                (expected,) = editor.images(Edit(label=caption), [0.0])
                self.assertAllClose(pixels, np.repeat(np.int32(expected), 3, axis=-1), atol=1)
            page.reload()
            self.wait(page)
            self.assertEqual(page.input_value("#caption"), "a thin one")
            self.assertAllEqual(self.shown(page), pixels)
            page.fill("#caption", "")
            self.wait(page, "Write what the image should show")

    def test_what_a_saved_model_cannot_do_is_not_shown(self):
        editor = editors.LiveEditor(self.editor.model, self.editor.directions, "a SavedModel")
        cannot = {"parts": [], "noise": False, "mixes": False, "projects": "It cannot."}
        editor.settings |= cannot
        with served(editor) as url, open_page(url) as page:
            self.wait(page)
            for name in ("#noise", "#other", "#parts", "#file", "#label"):
                self.assertFalse(page.is_visible(name), name)
            self.assertTrue(page.is_visible("#truncation"))
            self.assertEqual(page.inner_text("#cannot"), "It cannot.")


@needs_chromium
class DrawingTest(PageTestCase):
    def test_what_is_drawn_is_translated_at_once(self):
        model = colours()
        start = np.full((1, 16, 16, 1), 255, "uint8")
        start[:, :4] = 0
        editor = editors.live_painter(model, "a run", {None: start})

        def expected(drawing):
            return decoded(editor.translate(encoded(drawing), None))

        with served(editor) as url, open_page(url) as page:
            self.wait(page)
            drawing = start[0].copy()
            self.assertAllClose(self.shown(page), np.int32(expected(drawing)), atol=1)
            box = page.locator("#canvas").bounding_box()
            unit = box["width"] / 16

            def at(column, row):
                return box["x"] + (column + 0.5) * unit, box["y"] + (row + 0.5) * unit

            def drag():
                page.mouse.move(*at(5, 6))
                page.mouse.down()
                page.mouse.move(*at(9, 8))
                page.mouse.up()

            page.keyboard.press("2")  # black, which is less frequent
            page.keyboard.press("e")
            drawing[6:9, 5:10] = 0
            last = np.int32(expected(drawing))
            found = self.after(page, drag)
            for _ in range(100):  # until the last of several translations is shown
                if np.allclose(found, last, atol=1):
                    break
                page.wait_for_timeout(100)
                found = self.shown(page)
            self.assertAllClose(found, last, atol=1)
            page.keyboard.press("f")
            page.keyboard.press("1")
            found = self.after(page, lambda: page.mouse.click(*at(7, 7)))
            drawing[6:9, 5:10] = 255
            self.assertAllClose(found, np.int32(expected(drawing)), atol=1)
            page.keyboard.press("b")
            page.keyboard.press("2")
            page.fill("#size", "1")
            found = self.after(page, lambda: page.mouse.click(*at(12, 12)))
            drawing[12, 12] = 0
            self.assertAllClose(found, np.int32(expected(drawing)), atol=1)

            page.reload()  # at the same link
            self.wait(page)
            self.assertAllEqual(self.shown(page), found)
            red = io.BytesIO()
            Image.new("RGB", (40, 40), (90, 90, 90)).save(red, "PNG")
            file = {"name": "a.png", "mimeType": "image/png", "buffer": red.getvalue()}
            found = self.after(page, lambda: page.set_input_files("#file", file))
            self.assertEqual(page.locator("#swatches input").count(), 1)
            drawing[:] = 90
            self.assertAllClose(found, np.int32(expected(drawing)), atol=1)
            wrong = {**file, "buffer": base64.b64decode("AAAA")}
            page.set_input_files("#file", wrong)
            page.locator("#message.error").wait_for()
            self.assert_narrow(page)

    def test_where_holes_are_filled_the_first_brush_erases(self):
        editor = editors.live_painter(colours(), "a run", erases=True)
        with served(editor) as url, open_page(url) as page:
            self.wait(page)
            self.assertTrue(page.is_visible("#erases"))
            first = page.locator("#swatches input").first
            self.assertEqual(first.get_attribute("aria-label"), "erase")
            self.assertEqual(first.get_attribute("value"), "#808080")

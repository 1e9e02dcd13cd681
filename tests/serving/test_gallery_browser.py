"""The gallery, in a browser."""

import base64
import contextlib
import functools
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from backends import needs_backend
from browser import needs_chromium, open_page
from editing.editing_page import texts
from served_models import NUM_CLASSES, SIZE, decoded, differences, encoded, pixels, served

from kerasgan.serving import Client

pytestmark = needs_backend("tensorflow", reason="a server does not know what wrote its SavedModels")

CONTROLS = ("seed", "num", "label", "text", "truncation", "files", "direction")
stack = contextlib.ExitStack()


@functools.cache
def server():
    return stack.enter_context(served(request_images=20))


def tearDownModule():
    stack.close()


@needs_chromium
class GalleryTest(tf.test.TestCase):
    @contextlib.contextmanager
    def gallery(self, model):
        with open_page(server().url) as page:
            page.locator("#images li").nth(15).wait_for()  # of the first model
            if model != page.input_value("#model"):
                page.select_option("#model", model)
            with Client(server().url, model) as self.client:
                yield page

    def show(self, page):
        """Asks for images; returns what the page says."""
        page.click("#go")
        page.locator("#go:enabled").wait_for()
        return page.inner_text("#message")

    def images(self, page):
        """The images that the page shows."""
        urls = page.eval_on_selector_all("#images a img", "all => all.map(image => image.src)")
        self.assertTrue(all(url.startswith("data:image/png;base64,") for url in urls), urls)
        sizes = page.eval_on_selector_all("#images a img", "all => all.map(i => i.naturalWidth)")
        files = [decoded(base64.b64decode(url.partition(",")[2])) for url in urls]
        self.assertEqual(sizes, [image.shape[1] for image in files])
        return np.stack(files)

    def visible(self, page):
        return [name for name in CONTROLS if page.is_visible(f"#{name}")]

    def assert_shows(self, page, num, **arguments):
        self.assertRegex(self.show(page), rf"^{num} images in \d+ ms$")
        images = self.images(page)
        self.assertLessEqual(differences(images, self.client.sample(num, **arguments)), 1)
        return images

    def test_a_model_of_texts_has_a_caption(self):
        gan = texts()
        folder = pathlib.Path(self.create_tempdir().full_path)
        gan.export(folder / "texts" / "1")
        with served(folder) as own, open_page(own.url) as page, Client(own.url, "texts") as client:
            page.locator("#images li").nth(15).wait_for()
            self.assertEqual(self.visible(page), ["seed", "num", "text"])
            self.assertEqual(page.input_value("#text"), "one")
            page.fill("#text", "A THICK one, or 11")
            page.fill("#num", "3")
            self.show(page)
            images = self.images(page)
            self.assertLessEqual(differences(images, client.sample(3, text="thick one")), 1)
            expected = gan.generate(3, text="thick one", seed=0)
            self.assertLessEqual(differences(images, pixels(expected)), 1)

    def test_each_model_has_the_controls_that_it_takes(self):
        with self.gallery("classes") as page:
            self.assertEqual(
                page.locator("#model option").all_inner_texts(),
                [f"{name} (version 1)" for name in ("classes", "colours", "styles")],
            )
            self.assertEqual(self.visible(page), ["seed", "num", "label"])
            self.assertEqual(
                page.locator("#label option").all_inner_texts(),
                ["all", *map(str, range(NUM_CLASSES))],
            )
            page.select_option("#model", "styles")
            self.assertEqual(self.visible(page), ["seed", "num", "truncation"])
            page.select_option("#model", "colours")
            self.assertEqual(self.visible(page), ["files"])
            page.select_option("#model", "classes")
            self.assertEqual(self.visible(page), ["seed", "num", "label"])

    @pytest.mark.slow
    def test_a_model_shows_its_pictures_as_soon_as_it_is_chosen(self):
        with self.gallery("classes") as page:
            page.select_option("#model", "styles")
            page.locator("#images li").nth(15).wait_for()
            self.wait_for_message(page, r"^16 images in \d+ ms$")
            with Client(server().url, "styles") as client:
                self.assertLessEqual(differences(self.images(page), client.sample(16)), 1)
            self.assertEqual(self.captions(page), [str(number) for number in range(16)])
            page.select_option("#model", "colours")
            self.assertEqual(page.inner_text("#message"), "Choose pictures, then press Show.")
            picture = {"name": "a.png", "mimeType": "image/png"}
            file = encoded(np.zeros((16, 16, 1), "uint8"))
            page.set_input_files("#files", {**picture, "buffer": file})
            page.select_option("#model", "classes")
            page.select_option("#model", "colours")  # while the answer of the other is on its way
            self.wait_for_message(page, "^1 images")
            self.assertEqual(self.captions(page), ["a.png"])

    def test_captions_are_the_names_of_the_classes(self):
        def with_names(route):
            found = route.fetch().json()
            found["served"]["classes"]["card"]["class_names"] = ["a cat", "a dog", "a <b>owl</b>"]
            route.fulfill(json=found)

        with self.gallery("classes") as page:
            self.assertEqual(self.captions(page), [str(n % NUM_CLASSES) for n in range(16)])
            page.route("**/gallery.json", with_names)
            page.reload()
            page.locator("#images li").nth(15).wait_for()
            self.assertEqual(self.captions(page)[:4], ["a cat", "a dog", "a <b>owl</b>", "a cat"])
            page.select_option("#label", label="a dog")
            self.show(page)
            self.assertEqual(set(self.captions(page)), {"a dog"})

    def test_models_appear_as_they_are_loaded(self):
        answers = [
            {"served": {}, "loading": ["classes", "styles"]},
            {"served": ["styles"], "loading": ["classes"]},
            {"served": ["classes", "styles"], "loading": []},
        ]

        def partly(route):
            found = route.fetch().json()
            answer = answers.pop(0) if answers else self.fail("asked for too often")
            answer["served"] = {name: found["served"][name] for name in answer["served"]}
            route.fulfill(json=answer)

        with self.gallery("classes") as page:
            page.route("**/gallery.json", partly)
            page.reload()
            self.wait_for_message(page, "^Loading classes, styles …$")
            self.wait_for_message(page, "^16 images")
            self.assertEqual(page.input_value("#model"), "styles")
            page.locator("#model option").nth(1).wait_for(state="attached")
            self.assertEqual(page.input_value("#model"), "styles")
            self.assertEmpty(answers)

    def test_a_phone_shows_it_without_scrolling_sideways(self):
        with self.gallery("classes") as page:
            page.set_viewport_size({"width": 390, "height": 800})
            for model in ("classes", "styles", "colours"):
                page.select_option("#model", model)
                self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 390)

    def captions(self, page):
        return page.locator("#images .caption").all_inner_texts()

    def wait_for_message(self, page, pattern):
        page.wait_for_function(
            "pattern => new RegExp(pattern).test(document.querySelector('#message').innerText)",
            arg=pattern,
        )

    def test_seed_number_and_label_decide_the_images(self):
        with self.gallery("classes") as page:
            labels = np.arange(16) % NUM_CLASSES
            first = self.images(page)
            self.assertLessEqual(differences(first, self.client.sample(16, labels=labels)), 1)
            page.fill("#seed", str(2**31 - 1))
            second = self.assert_shows(page, 16, seed=2**31 - 1, labels=labels)
            self.assertGreater(differences(second, first), 1)
            page.fill("#num", "3")
            page.select_option("#label", "2")
            third = self.assert_shows(page, 3, seed=2**31 - 1, labels=2)
            self.assertGreater(differences(third, second[:3]), 1)

    def test_truncation_is_the_servers_to_judge(self):
        with self.gallery("styles") as page:
            without = self.assert_shows(page, 16)
            page.fill("#truncation", "0.3")
            self.assertGreater(differences(self.assert_shows(page, 16, truncation=0.3), without), 1)
            page.fill("#truncation", "1.5")
            self.assertRegex(self.show(page), "truncation: use numbers from 0.0 to 1.0")
            self.assertEqual(page.get_attribute("#message", "class"), "error")
            page.select_option("#model", "classes")
            self.assertRegex(self.show(page), "^16 images")
            self.assertEqual(page.get_attribute("#message", "class"), "")

    def test_what_a_browser_does_not_send_is_not_sent(self):
        with self.gallery("classes") as page:
            before = self.images(page)
            page.fill("#num", "21")
            page.click("#go")
            self.assertFalse(page.evaluate("document.querySelector('#num').checkValidity()"))
            self.assertAllEqual(self.images(page), before)
            page.fill("#num", "20")
            self.assertRegex(self.show(page), "^20 images")
            # What is not to be seen keeps another model from nothing.
            page.fill("#num", "21")
            page.select_option("#model", "colours")
            picture = {"name": "a.png", "mimeType": "image/png"}
            page.set_input_files("#files", {**picture, "buffer": encoded(before[0])})
            self.assertRegex(self.show(page), "^1 images")

    def test_a_picture_is_downloaded_as_it_was_sent(self):
        with self.gallery("classes") as page:
            page.fill("#seed", "7")
            page.fill("#num", "2")
            page.select_option("#label", "1")
            self.show(page)
            with page.expect_download() as started:
                page.locator("#images a").nth(1).click()
            self.assertEqual(started.value.suggested_filename, "classes-seed7-1.png")
            file = pathlib.Path(started.value.path()).read_bytes()
            self.assertStartsWith(file, b"\x89PNG")
            url = page.locator("#images a img").nth(1).get_attribute("src")
            self.assertEqual(file, base64.b64decode(url.partition(",")[2]))
            expected = self.client.sample(2, seed=7, labels=1)[1]
            self.assertEqual(decoded(file).shape, (SIZE, SIZE, 1))
            self.assertLessEqual(differences(decoded(file), expected), 1)

    def test_pictures_are_translated(self):
        pictures = np.random.default_rng(0).integers(0, 256, (2, 20, 28, 1), dtype="uint8")
        folder = pathlib.Path(self.create_tempdir().full_path)
        for name, picture in zip(("one.png", "two.b.png"), pictures, strict=True):
            (folder / name).write_bytes(encoded(picture))
        (folder / "bad.png").write_text("no picture")
        with self.gallery("colours") as page:
            self.assertEqual(self.show(page), "Choose pictures first.")
            page.set_input_files("#files", [folder / "one.png", folder / "two.b.png"])
            self.assertRegex(
                self.show(page), r"^2 images in \d+ ms; the originals are on the left$"
            )
            self.assertEqual(self.captions(page), ["one.png", "two.b.png"])
            originals = page.eval_on_selector_all(
                "#images img.original", "all => all.map(i => [i.naturalWidth, i.naturalHeight])"
            )
            self.assertEqual(originals, [[28, 20]] * 2)
            expected = np.stack(self.client.translate(pictures))
            self.assertLessEqual(differences(self.images(page), expected), 1)
            names = page.eval_on_selector_all("#images a", "all => all.map(a => a.download)")
            self.assertEqual(names, ["one.png", "two.b.png"])
            page.set_input_files("#files", [folder / "bad.png"])
            self.show(page)
            self.assertEqual(page.get_attribute("#message", "class"), "error")
            self.assertNotEmpty(page.inner_text("#message"))

    def test_nothing_comes_from_elsewhere_and_a_server_that_is_gone_is_told(self):
        requests = []
        with self.gallery("classes") as page:
            page.on("request", lambda request: requests.append(request.url))
            page.reload()
            page.locator("#images li").nth(15).wait_for()
            self.assertTrue(all(r.startswith((server().url, "data:")) for r in requests), requests)
            self.assertIn(f"{server().url}gallery.json", requests)
            page.route("**/*:predict", lambda route: route.abort())
            self.assertNotEmpty(self.show(page))
            self.assertEqual(page.get_attribute("#message", "class"), "error")

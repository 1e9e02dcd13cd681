"""HYPE from the first key to the result, in a browser."""

import pathlib
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from backends import needs_backend
from browser import needs_chromium, open_page
from hype_study import SIZE, make_study, read_csv, served, truth_of

from kerasgan.hype.statistics import Staircase
from kerasgan.hype.study import error_rates, exposure_threshold, whole_blocks

pytestmark = needs_backend("tensorflow", reason="a page does not know what made its images")

# Notes when the page draws an image, when noise, and when nothing.
WATCH = """
window.drawn = [];
const prototype = CanvasRenderingContext2D.prototype;
for (const name of ["drawImage", "clearRect"]) {
  const original = prototype[name];
  prototype[name] = function (...all) {
    const what = {ImageBitmap: "image", OffscreenCanvas: "noise"}[all[0].constructor.name];
    window.drawn.push([what ?? "nothing", performance.now()]);
    return original.apply(this, all);
  };
}
"""
KEYS = {"generated": "f", "real": "j"}
ARROWS = {"generated": "ArrowLeft", "real": "ArrowRight"}
OTHER = {"generated": "real", "real": "generated"}


@pytest.mark.slow
@needs_chromium
class BrowserTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "answers.csv"

    def begin(self, page, name="ada"):
        """Fills in the first screen; returns a list that gets the truth of each image shown."""
        seen = []

        def look(route):
            reply = route.fetch()
            seen.append(truth_of(reply.body()))
            route.fulfill(response=reply)

        page.route("**/images/*", look)
        page.fill("#name", name)
        page.keyboard.press("Enter")
        return seen

    def wait_for_image(self, page):
        page.wait_for_selector("#real:enabled, #pause:not([hidden])")
        if page.is_visible("#pause"):
            page.keyboard.press("Enter")
            page.wait_for_selector("#real:enabled")

    def judge_all(self, page, num, press, name="ada"):
        """`press(truth)` for every image; returns the result that the page shows."""
        seen = self.begin(page, name)
        for trial in range(1, num + 1):
            self.wait_for_image(page)
            self.assertEqual(page.inner_text("#note"), f"{trial} of {num}")
            self.assertLen(seen, trial)
            press(seen[-1])
        page.wait_for_selector("#result:not([hidden])")
        return page.inner_text("#headline"), page.inner_text("#text")

    def assert_says_what_the_file_says(self, headline, text):
        rate = error_rates(read_csv(self.path))["all"]
        self.assertEqual(headline, f"{100 * rate.value:.1f} % wrong")
        self.assertIn(f"interval: {100 * rate.low:.1f} % to {100 * rate.high:.1f} %.", text)

    def test_who_is_always_right_has_0_percent(self):
        with served(make_study(self.path)) as url, open_page(url) as page:
            result = self.judge_all(page, 12, lambda t: page.keyboard.press(KEYS[t]), "Jörg")
            self.assertEqual(result[0], "0.0 % wrong")
            self.assert_says_what_the_file_says(*result)
        rows = read_csv(self.path)
        self.assertEqual([row["correct"] for row in rows], ["1"] * 12)
        self.assertEqual({row["participant"] for row in rows}, {"Jörg"})

    def test_who_is_always_wrong_has_100_percent(self):
        with served(make_study(self.path)) as url, open_page(url) as page:
            result = self.judge_all(page, 12, lambda t: page.keyboard.press(ARROWS[OTHER[t]]))
            self.assertEqual(result[0], "100.0 % wrong")
            self.assert_says_what_the_file_says(*result)
        self.assertEqual([row["correct"] for row in read_csv(self.path)], ["0"] * 12)

    def test_buttons_do_it_too_and_the_next_participant_begins_anew(self):
        with served(make_study(self.path, channels=3)) as url, open_page(url) as page:
            result = self.judge_all(page, 12, lambda _: page.click("#generated"), "")
            self.assertEqual(result[0], "50.0 % wrong")
            self.assert_says_what_the_file_says(*result)
            page.click("#again")
            page.wait_for_selector("#start:not([hidden])")
            self.begin(page, "bob")
            self.wait_for_image(page)
            page.click("#real")
            self.wait_for_image(page)
        self.assertEqual(
            [row["participant"] for row in read_csv(self.path)], ["participant 1"] * 12 + ["bob"]
        )

    def test_a_key_answers_once_and_other_keys_never(self):
        with served(make_study(self.path)) as url, open_page(url) as page:
            self.begin(page)
            self.wait_for_image(page)
            for key in ("a", "Enter", "Space", "Control+f", "ArrowUp"):
                page.keyboard.press(key)
            self.assertEqual(read_csv(self.path), [])
            for _ in range(4):  # held down: all but the first repeat
                page.keyboard.down("j")
            page.keyboard.up("j")
            page.locator("#note", has_text="2 of 12").wait_for()
            page.wait_for_timeout(200)
        self.assertEqual([row["answer"] for row in read_csv(self.path)], ["real"])

    def test_images_are_shown_pixel_by_pixel_and_nothing_comes_from_elsewhere(self):
        study = make_study(self.path)
        requests = []
        with served(study) as url, open_page(url) as page:
            page.on("request", lambda request: requests.append(request.url))
            page.reload()
            seen = self.begin(page)
            self.wait_for_image(page)
            box = page.locator("#picture").bounding_box()
            self.assertEqual((box["width"] % SIZE, box["height"]), (0, box["width"]))
            self.assertGreater(box["width"], 4 * SIZE)
            shown = page.evaluate(f"Array.from(context.getImageData(0, 0, {SIZE}, {SIZE}).data)")
            (kind,) = seen
            shown = np.reshape(shown, (SIZE, SIZE, 4))[..., :1]
            self.assertTrue(any(np.array_equal(shown, image) for image in study.images[kind]))
        self.assertTrue(all(request.startswith((url, "data:")) for request in requests), requests)

    def test_in_hype_time_images_are_shown_as_long_as_the_staircase_says(self):
        # From 100 to 1000 ms in few answers: up by 450 when wrong, down by 150 when right.
        steps = {"BEGIN": 100, "UP": 450, "DOWN": 150}
        with (
            mock.patch.multiple(Staircase, **steps),
            served(make_study(self.path, "time")) as url,
            open_page(url) as page,
        ):
            page.add_init_script(WATCH)
            page.reload()
            self.judge_all(page, 12, lambda t: page.keyboard.press(KEYS[OTHER[t]]))
            drawn = page.evaluate("window.drawn")
        rows = read_csv(self.path)
        self.assertEqual([int(row["exposure_ms"]) for row in rows], [100, 550, 1000, 1000] * 3)
        images = [index for index, (name, _) in enumerate(drawn) if name == "image"]
        self.assertLen(images, 12)
        measured, noise = [], []
        for index in images:
            names = [name for name, _ in drawn[index : index + 6]]
            self.assertEqual(names, ["image", *["noise"] * 4, "nothing"])
            measured.append(drawn[index + 1][1] - drawn[index][1])
            noise.append(drawn[index + 5][1] - drawn[index + 1][1])
        # A screen has a new picture every 17 ms, and a busy machine leaves some out: hence medians.
        exposures = np.array([int(row["exposure_ms"]) for row in rows])
        shown = np.array([int(row["shown_ms"]) for row in rows])
        self.assertLess(np.median(np.abs(measured - exposures)), 34, measured)
        self.assertLess(np.median(np.abs(measured - shown)), 34, measured)
        self.assertBetween(np.median(noise), 90, 200)

    def test_in_hype_time_the_result_is_what_the_file_says(self):
        for name, keys, rate, exposure in (
            ("right", KEYS, 0.0, "495 ms"),
            ("wrong", {"generated": "j", "real": "f"}, 1.0, "515 ms"),
        ):
            self.path = self.path.with_name(f"{name}.csv")
            with served(make_study(self.path, "time", num=6)) as url, open_page(url) as page:
                headline, text = self.judge_all(page, 6, lambda t: page.keyboard.press(keys[t]))
            rows = read_csv(self.path)
            threshold = exposure_threshold(whole_blocks(rows))
            self.assertEqual((headline, headline), (exposure, f"{threshold.value:.0f} ms"))
            self.assertIn(f"{threshold.low:.0f} ms to {threshold.high:.0f} ms", text)
            self.assertEqual(error_rates(rows)["all"].value, rate)

    def test_in_hype_time_no_key_counts_before_the_noise_and_the_verdict_follows(self):
        with served(make_study(self.path, "time", num=6)) as url, open_page(url) as page:
            seen = self.begin(page)
            page.locator("#sign", has_text="+").wait_for()
            page.keyboard.press("j")
            page.locator("#sign:empty").wait_for(state="attached")
            page.keyboard.press("j")
            self.wait_for_image(page)
            self.assertEqual(read_csv(self.path), [])
            blank = page.evaluate(f"context.getImageData(0, 0, {SIZE}, {SIZE}).data.some(x => x)")
            self.assertFalse(blank)
            (truth,) = seen
            page.keyboard.press("f")
            verdict = "Right" if truth == "generated" else "Wrong"
            page.locator("#note", has_text=f"{verdict}: it was {truth}.").wait_for()

    def test_a_server_that_is_gone_is_told(self):
        with served(make_study(self.path)) as url, open_page(url) as page:
            self.begin(page)
            self.wait_for_image(page)
            page.route("**/answers", lambda route: route.abort())
            page.keyboard.press("j")
            page.wait_for_selector("#problem:not([hidden])")
            self.assertIn("server does not answer", page.inner_text("#problem"))

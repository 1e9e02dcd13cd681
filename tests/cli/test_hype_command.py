"""`kerasgan hype`: what it serves, prints and refuses."""

import contextlib
import csv
import functools
import json
import re
import signal
import subprocess
import sys
import urllib.request
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from backends import needs_backend
from cli.test_commands import CommandTestCase, call, shared_folder
from editing.editing_page import texts
from PIL import Image

import kerasgan
from kerasgan.cli import hype
from kerasgan.hype import study as serving
from kerasgan.serving import web

pytestmark = needs_backend(
    "tensorflow", reason="test_commands and test_own_models run the commands there"
)


def save_pictures(folder, count, size=(8, 8), mode="L"):
    folder.mkdir(exist_ok=True)
    for number in range(count):
        Image.new(mode, size, number if mode == "L" else (number, 0, 0)).save(
            folder / f"{number:02d}.png"
        )
    return folder


@functools.cache
def conditional_run():
    folder = shared_folder() / "conditional"
    kerasgan.CGAN((8, 8, 1), num_classes=10, base_width=4).save(folder.with_suffix(".keras"))
    return folder.with_suffix(".keras")


def post(url, path, data):
    request = urllib.request.Request(
        url + path,
        json.dumps(data).encode(),
        {"Content-Type": "application/json", "Origin": url.rstrip("/")},
    )
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)


@pytest.mark.slow
class ProcessTest(CommandTestCase):
    @contextlib.contextmanager
    def started(self, *arguments):
        """The command as a process of its own, and the URL that it prints."""
        command = [sys.executable, "-m", "kerasgan", "hype", *map(str, arguments)]
        with subprocess.Popen(
            [*command, "--port", "0", "--out", self.folder / "answers.csv"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                line = process.stdout.readline()
                found = re.fullmatch(r"Open (http://127\.0\.0\.1:\d+/) in .*Ctrl-C.*\n", line)
                self.assertIsNotNone(found, line or process.stderr.read)
                yield process, found.group(1)
            finally:
                process.kill()

    def end(self, process, how):
        process.send_signal(how)
        out, err = process.communicate(timeout=30)
        self.assertEqual((process.returncode, err), (0, ""))
        return out

    def take_part(self, url, name, count):
        reply = post(url, "participants", {"name": name})
        session = reply["session"]
        for trial in range(1, count + 1):
            with urllib.request.urlopen(f"{url}images/{reply['next']['image']}") as image:
                self.assertEqual(Image.open(image).size, (8, 8))
            answer = {"session": session, "trial": trial, "answer": "real", "milliseconds": 9}
            shown = 500 if "exposure_ms" in reply["next"] else None
            reply = post(url, "answers", {**answer, "shown_ms": shown})

    def test_a_run_is_judged_until_ctrl_c_and_summed_up(self):
        run = shared_folder() / "run"
        with self.started(run, "--real", "digits", "--num", 4) as (process, url):
            self.take_part(url, "ada", 4)
            self.take_part(url, "bob", 4)
            self.take_part(url, "ada", 1)
            out = self.end(process, signal.SIGINT)
        with open(self.folder / "answers.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertLen(rows, 9)
        self.assertEqual({row["generator"] for row in rows}, {str(run)})
        wrong = 100 * np.mean([row["truth"] == "generated" for row in rows])
        score = rf"HYPE-infinity: wrong answers +{wrong:.1f} % +\d+\.\d % to \d+\.\d % +2 +9\n"
        self.assertRegex(out, score)
        self.assertRegex(out, r"of generated images +100\.0 % +100\.0 % to 100\.0 % +2 +\d\n")
        self.assertRegex(out, r"of real images +0\.0 % +0\.0 % to 0\.0 % +2 +\d\n")
        self.assertIn("Every answer is in", out)

    def test_a_folder_is_judged_until_it_is_ended(self):
        folder = save_pictures(self.folder / "pictures", 20)
        arguments = (folder, "--real", "digits", "--mode", "time", "--num", 6)
        with self.started(*arguments) as (process, url):
            self.take_part(url, "ada", 5)
            self.take_part(url, "bob", 6)
            out = self.end(process, signal.SIGTERM)
        self.assertRegex(out, r"HYPE-time: wrong answers .* 2 +11\n")
        # Of ada two of three blocks are whole.
        self.assertRegex(out, r"HYPE-time: exposure +\d+ ms +\d+ ms to \d+ ms +2 +10\n")


class ImagesTest(CommandTestCase):
    def test_a_models_images_are_those_that_it_generates(self):
        run = shared_folder() / "run"
        shape, generate, *_ = hype._generator(run, 6, seed=3, label=None, image_size=None)
        expected = hype.runs.load_run(run)[0].generate(6, seed=3)
        self.assertEqual(shape, (8, 8, 1))
        self.assertAllEqual(generate(), np.round((expected + 1) * 127.5))
        shape, generate, *_ = hype._generator(run, 6, seed=3, label=None, image_size=16)
        self.assertEqual((shape, generate().shape), ((16, 16, 1), (6, 16, 16, 1)))

    def test_a_conditional_model_is_asked_for_all_classes_or_for_one(self):
        gan = hype.runs.load_run(conditional_run())[0]
        for label, labels in ((None, [*range(10), 0, 1]), ("7", 7)):
            made = hype._generator(conditional_run(), 12, 0, label, None)
            expected = gan.generate(12, seed=0, labels=labels)
            self.assertAllEqual(made.generate(), np.round((expected + 1) * 127.5))
            self.assertEqual(made.label, None if label is None else 7)

    def test_a_model_of_texts_draws_those_of_its_data(self):
        gan = texts()
        gan.save(self.folder / "texts.keras")
        made = hype._generator(self.folder / "texts.keras", 4, 0, None, None).generate()
        expected = gan.generate(4, seed=0, text=["thick one", "thin one"] * 2)
        self.assertAllClose(np.int32(made), np.round((expected + 1) * 127.5), atol=1)
        with self.assertRaisesRegex(
            ValueError, "takes texts and has no classes; leave --label out"
        ):
            hype._generator(self.folder / "texts.keras", 4, 0, "thin", None)

    def test_a_class_is_that_of_the_model_by_name_or_number(self):
        gan = hype.runs.load_run(conditional_run())[0]
        gan.class_names = tuple("9876543210")
        gan.save(self.folder / "named.keras")
        made = hype._generator(self.folder / "named.keras", 2, 0, "4", None)
        self.assertEqual((made.label, made.class_names), (5, gan.class_names))
        shown = hype._real_images("digits", 20, made, split="test", seed=0)
        made = made._replace(label=4, class_names=None)
        self.assertAllEqual(shown, hype._real_images("digits", 20, made, split="test", seed=0))

    def test_pictures_are_drawn_from_a_folder(self):
        folder = save_pictures(self.folder / "grey", 30)
        shape, generate, *_ = hype._generator(folder, 12, seed=0, label=None, image_size=None)
        self.assertEqual((shape, generate().shape), ((8, 8, 1), (12, 8, 8, 1)))
        self.assertLen(np.unique(generate()), 12)
        self.assertAllEqual(hype._generator(folder, 12, 0, None, None)[1](), generate())
        self.assertNotAllEqual(hype._generator(folder, 12, 1, None, None)[1](), generate())
        self.assertAllEqual(hype._generator(folder, 99, 0, None, None)[1]()[:, 0, 0, 0], range(30))
        folder = save_pictures(self.folder / "colour", 3, (9, 12), "RGB")
        self.assertEqual(hype._generator(folder, 3, 0, None, 8)[0], (8, 8, 3))

    def test_real_images_are_drawn_from_the_data_in_the_same_shape(self):
        def draw(seed=0, label=None, shape=(8, 8, 1)):
            made = hype.Generator(shape, None, label)
            return hype._real_images("digits", 20, made, split="test", seed=seed)

        digits = kerasgan.data.load("digits", "test", labels=True, batch_size=360, shuffle=False)
        images, labels = next(iter(digits))
        known = {
            image.tobytes(): int(label)
            for image, label in zip(np.uint8(np.round((images + 1) * 127.5)), labels, strict=True)
        }
        self.assertEqual(draw().shape, (20, 8, 8, 1))
        self.assertGreater(len({known[image.tobytes()] for image in draw()}), 5)
        self.assertEqual({known[image.tobytes()] for image in draw(label=4)}, {4})
        self.assertAllEqual(draw(), draw())
        self.assertNotAllEqual(draw(), draw(seed=1))
        self.assertEqual(draw(shape=(16, 16, 3)).shape, (20, 16, 16, 3))
        self.assertEqual(draw(label=11).shape, (0, 8, 8, 1))


class RefusalTest(CommandTestCase):
    def hype(self, run=None, *more, real="digits"):
        run = run or shared_folder() / "run"
        return ("hype", run, "--real", real, "--port", 0, "--out", self.folder / "a.csv", *more)

    def test_mistakes_are_one_line(self):
        small = save_pictures(self.folder / "small", 3)
        mixed = save_pictures(self.folder / "mixed", 3)
        Image.new("L", (9, 9)).save(mixed / "9.png")
        broken = save_pictures(self.folder / "broken", 3)
        (broken / "0.png").write_text("no picture")
        for arguments, message in (
            (self.hype(self.folder / "x"), "x does not exist"),
            (self.hype(small), "num=100 needs 50 generated images, and there are 3; use at most 6"),
            (self.hype(mixed), "squares of one size .* give --image-size"),
            (self.hype(broken), "broken.* cannot be read as a picture"),
            (self.hype(save_pictures(self.folder / "wide", 1, (9, 8))), "9x8.*; give --image-size"),
            (self.hype(real="digitz"), "Did you mean 'digits'"),
            (self.hype(real="ring8"), "holds 2-D points"),
            (
                self.hype(None, "--num", 7),
                "num=7: half of the images has to be real; use a multiple of 2",
            ),
            (self.hype(None, "--mode", "time", "--num", 8), "use a multiple of 6"),
            (self.hype(None, "--num", 10_000), "needs 5000 real images, and there are 1437"),
            (self.hype(None, "--label", 3), "generate takes no labels"),
            (self.hype(conditional_run(), "--label", 12), "whole numbers from 0 to 9|there are 0"),
            (self.hype(None, "--host", "nowhere.invalid"), "--host nowhere.invalid"),
        ):
            with self.subTest(message):
                self.assert_refused(arguments, message)

    def test_models_that_make_no_images_from_noise_are_refused(self):
        points = kerasgan.VanillaGAN((2,), latent_dim=2, hidden_units=(4,))
        points.save(self.folder / "points.keras")
        self.assert_refused(self.hype(self.folder / "points.keras"), "makes vectors here")
        translator = kerasgan.Pix2Pix((16, 16, 3), base_width=4, receptive_field=16)
        translator.save(self.folder / "pix2pix.keras")
        message = "Pix2Pix can translate images.* kerasgan translate"
        self.assert_refused(self.hype(self.folder / "pix2pix.keras"), message)

    def test_an_empty_folder_is_neither_a_run_nor_pictures(self):
        (self.folder / "empty").mkdir()
        message = r"empty holds neither model\.keras nor pictures"
        self.assert_refused(self.hype(self.folder / "empty"), message)

    def test_answers_about_another_generator_are_not_mixed_in(self):
        answers = serving.Answers(self.folder / "a.csv", "other", "digits (train)")
        answers.append(session=1, trial=1)
        self.assert_refused(self.hype(), "holds answers about other, not .*run; use another")

    def test_a_port_in_use_is_found_before_anything_is_loaded(self):
        listening = web.listen("127.0.0.1", 0)
        self.addCleanup(listening.close)
        port = listening.getsockname()[1]
        with mock.patch.object(hype, "_generator", side_effect=AssertionError):
            self.assert_refused(self.hype(None, "--port", port), f"--port {port} .* is in use")

    def test_what_is_not_installed_is_named(self):
        for package in ("flask", "waitress"):
            with mock.patch.dict(sys.modules, {package: None}):
                self.assert_refused(
                    self.hype(), f"needs {package}, which is not .* pip install 'kerasgan\\[web\\]'"
                )

    def test_help(self):
        self.assertRegex(self.assert_works("--help"), r"(?m)^  hype +Let people tell")
        self.assertIn("--real DATA", call("hype", "--help").out)


class SummaryTest(tf.test.TestCase):
    def test_without_answers_there_is_nothing_to_sum_up(self):
        answers = serving.Answers(self.create_tempfile().full_path, "run", "digits")
        self.assertStartsWith(hype.summary(answers), "Nobody has answered yet.")

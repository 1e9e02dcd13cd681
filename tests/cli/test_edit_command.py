"""`kerasgan edit`: what stands behind its page, and what it refuses."""

import json
import pathlib
import re
import signal
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from backends import needs_backend
from cli.test_commands import CommandTestCase
from editing.editing_page import classes, colours, styled
from metrics.test_clip import keras_hub_clip, needs_keras_hub
from served_models import decoded

import kerasgan
from kerasgan.cli import editing
from kerasgan.cli.arguments import preset_folder
from kerasgan.editing.requests import Edit
from kerasgan.utils.images import to_uint8

pytestmark = needs_backend("tensorflow", reason="the page is tested there")


class EditCommandTest(CommandTestCase):
    def saved(self, model, name):
        path = pathlib.Path(self.folder / f"{name}.keras")
        model.save(path)
        return path

    def test_a_page_is_served_until_ctrl_c(self):
        gan = classes()
        path = self.saved(gan, "classes")
        command = [sys.executable, "-m", "kerasgan", "edit", str(path), "--port", "0"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, **pipes) as process:
            try:
                line = process.stdout.readline()
                found = re.fullmatch(r"Open (http://127\.0\.0\.1:\d+/) in .*Ctrl-C.*\n", line)
                url = found.group(1)
                headers = {"Content-Type": "application/json", "Origin": url.rstrip("/")}
                body = json.dumps({"seed": 7, "label": 2}).encode()
                request = urllib.request.Request(url + "pictures", body, headers)
                with urllib.request.urlopen(request, timeout=60) as reply:
                    image = decoded(reply.read())
                with urllib.request.urlopen(url, timeout=60) as reply:
                    self.assertIn("sefa 1", reply.read().decode())
                process.send_signal(signal.SIGINT)
                _, err = process.communicate(timeout=30)
                self.assertEqual((process.returncode, err), (0, ""))
            finally:
                process.kill()
        expected = to_uint8(gan.generate(1, seed=7, labels=2)[0])
        self.assertAllClose(np.int32(image), np.int32(expected), atol=1)

    @pytest.mark.slow
    def test_directions_are_those_of_the_run_given_or_the_models_own(self):
        gan, directions = styled()
        self.saved(gan, "model")
        own = editing._editor(self.folder / "model.keras", None)
        self.assertEqual(own.settings["directions"][0], "pca 1")
        self.assertIn("kerasgan directions", own.settings["hint"])
        directions.save(self.folder / "directions.npz")
        of_run = editing._editor(self.folder, None)
        self.assertEqual(of_run.settings["directions"], list(directions.names))
        self.assertEqual(of_run.settings["hint"], "")
        edit = Edit(offsets=(1.0, 0.0))
        given = editing._editor(self.folder, self.folder / "directions.npz")
        self.assertAllEqual(given.images(edit, [0.0]), of_run.images(edit, [0.0]))

    def test_of_a_saved_model_the_newest_version_is_edited(self):
        served = pathlib.Path(self.folder / "served")
        self.assertIsNone(editing._saved_model(served))
        for number in ("9", "10"):
            (served / number).mkdir(parents=True)
            (served / number / "saved_model.pb").write_bytes(b"")
        self.assertEqual(editing._saved_model(served), served / "10")
        self.assertEqual(editing._saved_model(served / "9"), served / "9")
        self.assert_refused(["edit", served, "--port", "0"], "cannot be loaded")
        given = ["--directions", self.folder / "any.npz"]
        self.assert_refused(
            ["edit", served, "--port", "0", *given], "already contains its directions"
        )

    def test_a_model_that_translates_has_brushes(self):
        painter = editing._editor(self.saved(colours(), "colours"), None)
        self.assertEqual(painter.settings["directions"][0]["brushes"][0], "#000000")
        given = ["--directions", self.folder / "any.npz"]
        command = ["edit", self.folder / "colours.keras", "--port", "0", *given]
        self.assert_refused(command, "translates images")

    def test_a_clip_is_that_of_a_function_or_a_folder(self):
        classed = self.saved(classes(), "classes")
        (self.folder / "mine.py").write_text(
            "from editing.editing_page import Brightness\n"
            "def bright():\n    return Brightness()\n"
            "def wrong():\n    return 3\n"
            "def asks(images):\n    return 3\n"
        )
        mine = str(self.folder / "mine.py")
        editor = editing._editor(classed, None, f"{mine}:bright")
        _, before, after = editor.resemble(Edit(label=1), "white")
        self.assertGreater(after, before)
        for clip, message in (
            (f"{mine}:wrong", "returns int, which has no method encode_images"),
            (f"{mine}:none", "has no function 'none'"),
            (f"{mine}:asks", "missing a required argument.*; name a function without arguments"),
        ):
            self.assert_refused(["edit", classed, "--port", "0", "--clip", clip], message)
        painter = self.saved(colours(), "colours")
        command = ["edit", painter, "--port", "0", "--clip", f"{mine}:bright"]
        self.assert_refused(command, "translates what you draw")

    @needs_keras_hub
    def test_a_folder_of_keras_hub_steers(self):
        import keras_hub

        folder = str(self.folder / "clip")
        backbone = keras_hub_clip()
        vocabulary = {"<|startoftext|>": 18, "<|endoftext|>": 19, "a</w>": 2, "one</w>": 5}
        vocabulary |= {"a": 0, "o": 1, "n": 3, "e": 4, "on": 6, "e</w>": 7}
        tokenizer = keras_hub.models.CLIPTokenizer(vocabulary, ["o n", "on e</w>"])
        backbone.save_to_preset(folder)
        keras_hub.models.CLIPPreprocessor(tokenizer, sequence_length=5).save_to_preset(folder)
        editor = editing._editor(self.saved(classes(), "classes"), None, folder)
        _, before, after = editor.resemble(Edit(label=1), "a one")
        self.assertGreater(after, before)
        # A model of texts that has no encoder of its own takes the CLIP's.
        gan = kerasgan.TextGAN((8, 8, 1), 6, 4, 4)
        editor = editing._editor(self.saved(gan, "text"), None, folder)
        self.assertEqual(editor.settings["caption"], "a photo")
        embedding = editor.clip.encode_texts(["a one"])
        (found,) = editor.images(Edit(seed=7, label="a one"), [0.0])
        expected = to_uint8(editor.model.generate(1, seed=7, labels=embedding))[0]
        self.assertAllClose(np.int32(found), np.int32(expected), atol=1)
        command = ["edit", self.folder / "text.keras", "--port", "0"]
        self.assert_refused(
            command, "encoder of texts that is not in the file; if .* give it with --clip"
        )

    def test_directions_without_names_say_where_named_ones_go(self):
        hint = editing._editor(self.saved(styled()[0], "styled"), None).settings["hint"]
        self.assertEndsWith(hint, f"--scores ink --out {self.folder / 'directions.npz'}")
        preset = preset_folder("dcgan_digits")
        settings = editing._editor(preset, None).settings
        self.assertEqual(settings["name"], "dcgan_digits")
        self.assertIn("directions --preset dcgan_digits --scores ink --out dir", settings["hint"])

    def test_what_cannot_be_edited_is_refused(self):
        points = self.saved(kerasgan.VanillaGAN((2,), 3, hidden_units=(8,)), "points")
        self.assert_refused(["edit", points, "--port", "0"], "makes vectors")
        self.assert_refused(["edit", self.folder / "none", "--port", "0"], "does not exist")
        classed = self.saved(classes(), "classes")
        missing = ["--directions", self.folder / "none.npz"]
        self.assert_refused(["edit", classed, "--port", "0", *missing], "do not exist")

"""`kerasgan evaluate` and `kerasgan compare`."""

import functools
import json
import os
import shutil

import keras
import lpips_files
import numpy as np
import pytest
from backends import needs_backend
from cli import test_translation_commands
from cli.test_commands import CommandTestCase, call, shared_folder
from PIL import Image

import kerasgan
from kerasgan import metrics
from kerasgan.cli.evaluate import is_asked_for
from kerasgan.metrics import FeatureStatistics

pytestmark = needs_backend(
    "tensorflow", reason="test_commands and test_own_models run the commands there"
)

METRICS = ("--features", "pixels", "--metrics", "fid,kid,recall")


@functools.cache
def images():
    """The path of 32 images of 8x8 pixels, uint8, and these."""
    path = shared_folder() / "images.npz"
    with np.load(path) as file:
        return path, file["images"]


def evaluate(what, *arguments, data=None):
    return call("evaluate", what, "--data", data or images()[0], *METRICS, *arguments)


def as_floats(pixels):
    return pixels[..., None].astype("float32") / 127.5 - 1.0


class EvaluateTest(CommandTestCase):
    def run_copy(self):
        gan = keras.saving.load_model(shared_folder() / "run" / "model.keras")
        return gan, shared_folder() / "run" / "model.keras"

    def test_a_run_a_file_and_a_folder_of_its_samples_have_the_same_numbers(self):
        folder = self.folder
        gan, file = self.run_copy()
        results = []
        ended = evaluate(file, "--num", 40, "--out", folder / "run.json")
        self.assertEqual(ended.code, 0, ended.err)
        results.append(json.loads((folder / "run.json").read_text()))
        call("sample", file, "--num", 40, "--individual", folder / "samples")
        ended = evaluate(folder / "samples")
        self.assertEqual(ended.code, 0, ended.err)
        results.append(json.loads((folder / "samples" / "evaluation.json").read_text()))
        values = [{row["metric"]: row["value"] for row in of["results"]} for of in results]
        self.assertAllClose(values[0], values[1], rtol=1e-5)
        self.assertEqual(list(values[0]), ["fid", "kid", "kid_std", "recall"])

        fid = metrics.FrechetDistance("pixels")
        fid.update_state(as_floats(images()[1]), gan.generate(40, seed=0))
        self.assertAllClose(values[0]["fid"], fid.result(), rtol=1e-5)
        self.assertEqual(results[0]["real"], 32)
        self.assertEqual(results[0]["generated"], 40)
        self.assertEqual(results[0]["made by"], "VanillaGAN")
        self.assertEqual(results[1]["made by"], "pictures")

    def test_the_table_says_of_how_many_and_what_looked(self):
        out = self.folder / "e.json"
        _, file = self.run_copy()
        ended = evaluate(file, "--num", 40, "--features", "digits", "--out", out)
        lines = ended.out.splitlines()
        self.assertEqual(lines[0].split(), ["metric", "value", "real", "generated", "network"])
        self.assertEqual(lines[1].split()[0], "fid")
        self.assertEqual(lines[1].split()[-3:], ["32", "40", "digits"])
        self.assertIn("+-", lines[2])
        self.assertEqual(lines[-1], f"Written to {out}")
        self.assertIn("fid: 32 images for 64 features", ended.err)
        self.assertLen(ended.err.strip().splitlines(), 1)

    def test_what_the_real_images_are_is_said_and_whether_the_model_knows_them(self):
        run = self.copy_of_run()
        settings = json.loads((run / "run.json").read_text())
        out = self.folder / "e.json"
        np.savez(self.folder / "both.npz", x_train=images()[1], x_test=images()[1])
        os.symlink(self.folder / "both.npz", self.folder / "linked.npz")
        (run / "run.json").write_text(
            json.dumps({**settings, "data": str(self.folder / "linked.npz"), "split": "train"})
        )
        known = ", which the model was trained on; --split chooses others."
        for path, split, trained, end in (
            (run, "train", True, known),
            (run / "model.keras", "train", True, known),
            (run, "test", False, "."),
            (self.copy_of_model(run), "train", None, "."),
        ):
            data = self.folder / "both.npz"
            ended = evaluate(path, "--num", 40, "--split", split, "--out", out, data=data)
            self.assertEqual(ended.code, 0, ended.err)
            self.assertEqual(ended.out.splitlines()[-2], f"Real images: {data}, split {split}{end}")
            written = json.loads(out.read_text())
            self.assertEqual((written["split"], written["trained on these"]), (split, trained))

    def copy_of_model(self, run):
        (self.folder / "alone").mkdir()
        return shutil.copy(run / "model.keras", self.folder / "alone" / "model.keras")

    def test_each_row_says_of_how_many_it_is(self):
        out = self.folder / "e.json"
        _, file = self.run_copy()
        measures = "fid,precision,coverage,inception_score,c2st"
        more = ("--metrics", measures, "--features", "digits", "--out", out)
        np.savez(self.folder / "more.npz", images=np.concatenate([images()[1]] * 2)[:52])
        ended = evaluate(file, "--num", 61, *more, data=self.folder / "more.npz")
        self.assertEqual(ended.code, 0, ended.err)
        rows = {line.split()[0]: line.split() for line in ended.out.splitlines()[1:-1]}
        expected = {
            "fid": ["52", "61"],
            "precision": ["52", "52"],
            "coverage": ["52", "52"],
            "inception_score": ["-", "61"],
            "c2st": ["52", "52"],
        }
        for name, counts in expected.items():
            self.assertEqual(rows[name][-3:-1], counts, name)
        written = {row["metric"]: row for row in json.loads(out.read_text())["results"]}
        self.assertEqual(written["precision"]["generated"], 52)
        self.assertEqual(written["inception_score"]["real"], 0)

    def test_mixed_folders_are_warned_of(self):
        gray, colour = np.zeros((8, 8), "uint8"), np.zeros((8, 8, 3), "uint8")
        alpha = np.full((8, 8, 4), 100, "uint8")
        for name, pictures, message in (
            ("gray", [gray, gray], None),
            ("mixed", [gray, colour], "mixed holds gray pictures beside coloured ones"),
            ("alpha", [colour, alpha], "alpha holds pictures with transparent parts, which become"),
        ):
            (self.folder / name).mkdir()
            for number, picture in enumerate(pictures):
                Image.fromarray(picture).save(self.folder / name / f"{number}.png")
            ended = evaluate(self.folder / name, "--metrics", "kid")
            self.assertEqual(ended.code, 0, ended.err)
            if message is None:
                self.assertEqual(ended.err, "")
            else:
                self.assertLen(ended.err.strip().splitlines(), 1)
                self.assertIn(message, ended.err)

    def test_statistics_replace_real_images(self):
        folder = self.folder
        real = as_floats(images()[1])
        metrics.FeatureStatistics.of(real, "pixels").save(folder / "real.npz")
        _, file = self.run_copy()
        out = folder / "e.json"
        both = []
        for data in (None, folder / "real.npz"):
            ended = evaluate(file, "--metrics", "fid", "--num", 40, "--out", out, data=data)
            self.assertEqual(ended.code, 0, ended.err)
            both.append(json.loads(out.read_text()))
        self.assertAllClose(*(of["results"][0]["value"] for of in both), rtol=1e-5)
        self.assertEqual(both[1]["real"], 32)
        # As pytorch-fid writes them, without a count.
        moments = FeatureStatistics.load(folder / "real.npz")
        np.savez(folder / "real.npz", mu=moments.mean, sigma=moments.covariance)
        run = self.copy_of_run()
        model = run / "model.keras"
        ended = evaluate(model, "--metrics", "fid", "--num", 40, data=folder / "real.npz")
        self.assertEqual(ended.out.splitlines()[1].split()[2], "?")
        self.assertTrue((run / "evaluation.json").exists())
        ended = call("compare", run, "--out", folder / "page.html")
        self.assertEqual(ended.code, 0, ended.err)
        self.assertIn("40 generated, ? of", (folder / "page.html").read_text())
        self.assert_refused(
            evaluate(file, data=folder / "real.npz"), "holds statistics, not images", "kid, recall"
        )

    def assert_refused(self, ended, *messages):
        self.assertEqual(ended.code, 2, ended)
        self.assertLen(ended.err.strip().splitlines(), 1)
        for message in messages:
            self.assertIn(message, ended.err)
        self.assertNotIn("Written", ended.out)

    @pytest.mark.slow
    def test_conditional_models_and_vectors(self):
        folder = self.folder
        gan = kerasgan.CGAN((8, 8, 1), num_classes=3, base_width=4)
        gan.save(folder / "cgan.keras")
        labels = np.arange(32) % 3
        np.savez(folder / "labelled.npz", images=images()[1], labels=labels)
        ended = evaluate(folder / "cgan.keras", "--num", 20, data=folder / "labelled.npz")
        self.assertEqual(ended.code, 0, ended.err)
        self.assertTrue((folder / "cgan.evaluation.json").exists())
        data, cas = folder / "labelled.npz", ("--metrics", "cas", "--num", 20)
        ended = evaluate(folder / "cgan.keras", *cas, data=data)
        self.assertEqual(ended.code, 0, ended.err)
        self.assertRegex(ended.out, r"cas +[01]\.\d+ +32 +20 +-")
        _, file = self.run_copy()
        self.assert_refused(evaluate(file, *cas, data=data), "cas compares classes")
        kerasgan.VanillaGAN((2,), latent_dim=2).save(folder / "points.keras")
        split = ("--split", "test", "--metrics", "fid")
        ended = evaluate(folder / "points.keras", *split, "--num", 100, data="ring8")
        self.assertEqual(ended.code, 0, ended.err)
        self.assertIn("none, vectors", ended.out)

    def test_results_of_another_name_are_shown(self):
        """Those of fid through MobileNetV2 are not called FID."""
        distance = metrics.FrechetDistance(features="mobilenet_v2", infinity=True)
        found = {
            asked: [n for n in results if is_asked_for(n, distance, [asked])]
            for results in [("frechet_distance", "frechet_distance_infinity")]
            for asked in ("fid", "fid_infinity", "frechet_distance", "kid")
        }
        both = ["frechet_distance", "frechet_distance_infinity"]
        wanted = {"fid": both, "fid_infinity": both[1:], "frechet_distance": both, "kid": []}
        self.assertEqual(found, wanted)
        distance = metrics.FrechetDistance(features="dinov2:dinov2_large", infinity=True)
        for asked in ("fid", "fd_dinov2", "fid_infinity"):
            self.assertTrue(is_asked_for("fd_dinov2_infinity", distance, [asked]))
        distance = metrics.FrechetDistance(infinity=True)
        self.assertTrue(is_asked_for("fid_infinity", distance, ["fid_infinity"]))
        self.assertFalse(is_asked_for("fid", distance, ["fid_infinity"]))

    @pytest.mark.slow
    def test_translators(self):
        run = test_translation_commands.shared_folder()
        out = self.folder / "e.json"
        for model, metric, features in (
            ("pix2pix", "psnr", "pixels"),
            ("cycle_gan", "fid", "pixels"),
            ("srgan", "feature_distance", "pixels"),
            ("pix2pix", "lpips", lpips_files.named("vgg16")),
        ):
            data = run / "twins" / ("A" if model == "srgan" else "")
            more = ("--metrics", f"{metric},pixel_distance", "--features", features, "--out", out)
            ended = call("evaluate", run / model, "--data", data, *more)
            self.assertEqual(ended.code, 0, ended.err)
            written = json.loads(out.read_text())
            self.assertEqual((written["real"], written["generated"]), (4, 4))
            self.assertIn(metric, {row["metric"] for row in written["results"]})
        self.assert_refused(
            call("evaluate", run / "pix2pix", "--data", run / "twins", "--num", 9),
            "one image from each image",
        )

    def test_mistakes_are_one_line(self):
        folder = self.folder
        _, file = self.run_copy()
        (folder / "empty").mkdir()
        (folder / "broken").mkdir()
        (folder / "broken" / "0.png").write_bytes(b"no picture")
        (folder / "sizes").mkdir()
        (folder / "damaged").mkdir()
        (folder / "damaged" / "run.json").write_text("{")
        (folder / "broken.npz").write_bytes(b"")
        other = self.copy_of_run()
        (other / "evaluation.json").write_text("{}")
        for size in (8, 9):
            Image.new("L", (size, size)).save(folder / "sizes" / f"{size}.png")
        for ended, messages in (
            (evaluate(file, "--metrics", "fidd"), ["'fidd'", "their names: c2st, cas, coverage"]),
            (evaluate(file, "--metrics", "psnr"), ["PSNR", "have no partners"]),
            (evaluate(file, "--features", "digitz"), ["features='digitz' is no such name"]),
            (evaluate(file, data="digitz"), ["'digitz'", "Did you mean 'digits'"]),
            (evaluate(file, "--image-size", 9), ["image_size=9", "makes (8, 8, 1)"]),
            (evaluate(folder / "empty"), ["neither model.keras nor pictures"]),
            (evaluate(folder / "none"), ["does not exist"]),
            (evaluate(folder / "broken"), ["0.png cannot be read as a picture"]),
            (
                evaluate(folder / "sizes"),
                ["of one size (8x8, 9x9)", "give --image-size"],
            ),
            (evaluate(file, "--split", "test"), ["test"]),
            (evaluate(file, "--metrics", ", "), ["--metrics is empty; choose from c2st"]),
            (evaluate(file, "--out", folder), ["--out", "is a folder; name a file"]),
            (evaluate(file, "--features", "none.pth"), ["features='none.pth' does not exist"]),
            (evaluate(file, data=folder / "broken.npz"), ["broken.npz is not an .npz file"]),
            (call("compare", folder / "damaged"), ["run.json is damaged"]),
            (
                call("compare", other, "--out", folder / "page.html"),
                ["evaluation.json was not written by `kerasgan evaluate`; move it away and"],
            ),
        ):
            self.assert_refused(ended, *messages)
        ended = evaluate(folder / "sizes", "--image-size", 8, "--metrics", "fid")
        self.assertEqual(ended.code, 0, ended.err)


class CompareTest(CommandTestCase):
    def test_runs_side_by_side(self):
        folder = self.folder
        data = ("--data", images()[0], "--batch-size", 8, "--epochs", 1)
        narrow = ("--set", "hidden_units=8,", "--set", "latent_dim=4")
        call("train", "vanilla_gan", *data, *narrow, "--out", folder / "first")
        call("train", "vanilla_gan", *data, *narrow, "--seed", 7, "--out", folder / "second")
        evaluate(folder / "first", "--num", 40)
        ended = call(
            *("compare", folder / "first", folder / "second", "--out", folder / "page.html")
        )
        self.assertEqual((ended.code, ended.err), (0, ""))
        rows = {line.split("  ")[0].strip(): line.split() for line in ended.out.splitlines()}
        self.assertEqual(rows["seed"], ["seed", "0", "7"])
        measured = next(line for name, line in rows.items() if name.startswith("fid (pixels, 40"))
        self.assertEqual(measured[-1], "-")
        self.assertNotIn("model", rows)  # what is the same is on the page
        page = (folder / "page.html").read_text()
        self.assertEqual(page.count('<figure class="pixels"><img'), 2)
        for run in ("first", "second"):
            self.assertIn(f"{run}: losses by epoch</figcaption>", page)
        self.assertIn("vanilla_gan", page)
        self.assertNotIn("<script", page)

    def test_nothing_was_measured_and_mistakes(self):
        folder = self.folder
        page = ("--out", folder / "page.html")
        ended = call("compare", shared_folder() / "run", *page)
        self.assertIn("None of these runs was measured; use kerasgan evaluate", ended.out)
        ended = call("compare", folder, *page)
        self.assertEqual(ended.code, 2)
        self.assertIn("is not a run folder", ended.err)

"""Versions of SavedModels, of which a server that is watching sees whole ones only."""

import pathlib
import shutil
import signal
import subprocess
import sys
import textwrap
from concurrent import futures
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend

import kerasgan
from kerasgan.serving import folders, saved_models


def small_gan(seed=0, **settings):
    return kerasgan.VanillaGAN((4, 4, 1), 3, hidden_units=(), seed=seed, **settings)


class FakeModel:
    """Writes what a version consists of, without the seconds that it takes."""

    def __init__(self, text="graph", error=None):
        self.text, self.error = text, error

    def export(self, path, jit_compile=False, model_card=None, directions=None):
        if pathlib.Path(path).exists():
            raise FileExistsError(f"{path} exists already")
        pathlib.Path(path, "assets.extra").mkdir(parents=True)
        (pathlib.Path(path) / "saved_model.pb").write_text(self.text)
        if self.error:
            raise self.error


class FolderTestCase(tf.test.TestCase, parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path) / "digits"

    def names(self):
        return sorted(path.name for path in self.folder.iterdir())


class FoldersTest(FolderTestCase):
    def test_versions_are_whole_and_numbered(self):
        self.assertEqual(folders.versions(self.folder), [])
        others = ("latest", ".partial-3", "3.5", "-4", "²", "٣", "9" * 30)
        for name in ("2", "10", "1", "007", "02", *others):
            (self.folder / name).mkdir(parents=True)
            (self.folder / name / "saved_model.pb").touch()
        (self.folder / "5").mkdir()
        (self.folder / "6").touch()
        self.assertEqual(folders.versions(self.folder), [1, 2, 7, 10])
        found = {n: path.name for n, path in folders.version_folders(self.folder).items()}
        self.assertEqual(found, {1: "1", 2: "2", 7: "007", 10: "10"})

    def test_models_whose_place_is_none_are_named(self):
        parent = self.folder.parent
        for name in ("digits/1", "digits/v2", "letters", ".hidden/x", "signs/latest"):
            (parent / name).mkdir(parents=True, exist_ok=True)
            (parent / name / "saved_model.pb").touch()
        found = [path.relative_to(parent).as_posix() for path in folders.misplaced(parent)]
        self.assertEqual(found, ["digits/v2", "letters", "signs/latest"])
        self.assertEqual(folders.misplaced(self.folder / "1"), [self.folder / "1"])

    def test_models_are_folders_with_versions(self):
        parent = self.folder.parent
        for name in ("digits/1", "letters/3", ".hidden/1", "empty/latest"):
            (parent / name).mkdir(parents=True)
            (parent / name / "saved_model.pb").touch()
        (parent / "models.config").touch()
        found = folders.model_folders(parent)
        self.assertEqual(found, {"digits": self.folder, "letters": parent / "letters"})
        self.assertEqual(folders.model_folders(self.folder), {"digits": self.folder})
        self.assertEqual(folders.model_folders(parent / "empty"), {})
        self.assertEqual(folders.model_folders(parent / "nowhere"), {})


@needs_backend("tensorflow", "jax", reason="it cannot write a SavedModel")
@mock.patch.object(saved_models, "write_warmup_requests", new=mock.Mock(return_value=False))
class VersionsTest(FolderTestCase):
    def export(self, **arguments):
        return saved_models.export_version(FakeModel(), self.folder, **arguments).name

    def test_picks_the_next_number(self):
        self.assertEqual([self.export() for _ in range(3)], ["1", "2", "3"])
        shutil.rmtree(self.folder / "2")
        (self.folder / "note").touch()
        (self.folder / "11").mkdir()  # somebody copies it, perhaps
        self.assertEqual(self.export(), "12")

    def test_several_at_once_take_turns(self):
        with futures.ThreadPoolExecutor(4) as pool:
            names = [pool.submit(self.export) for _ in range(4)]
        self.assertCountEqual([name.result() for name in names], ["1", "2", "3", "4"])
        self.assertEqual(self.names(), ["1", "2", "3", "4"])

    def test_keeps_the_newest(self):
        for _ in range(4):
            self.export()
        self.assertEqual(self.export(keep=2), "5")
        self.assertEqual(self.names(), ["4", "5"])
        self.assertEqual(self.export(keep=9), "6")
        self.assertEqual(self.names(), ["4", "5", "6"])
        self.assertEqual(self.export(keep=1), "7")
        self.assertEqual(self.names(), ["7"])

    def test_keeps_no_less_than_one(self):
        for keep in (0, -1):
            with self.assertRaisesRegex(ValueError, f"keep={keep}; use None or"):
                self.export(keep=keep)
        self.assertFalse(self.folder.exists())

    def test_removing_that_was_interrupted_is_taken_up_again(self):
        for _ in range(3):
            self.export()
        with mock.patch.object(shutil, "rmtree", side_effect=KeyboardInterrupt):
            with self.assertRaises(KeyboardInterrupt):
                self.export(keep=1)
        # No server sees the version that is half removed.
        self.assertEqual(folders.versions(self.folder), [2, 3, 4])
        self.assertEqual(self.export(keep=1), "5")
        self.assertEqual(self.names(), ["5"])

    @parameterized.parameters(OSError("disk full"), KeyboardInterrupt())
    def test_a_failure_leaves_nothing(self, error):
        self.export()
        with self.assertRaises(type(error)):
            saved_models.export_version(FakeModel(error=error), self.folder, keep=1)
        self.assertEqual(self.names(), ["1"])
        with mock.patch.object(saved_models, "write_warmup_requests", side_effect=error):
            with self.assertRaises(type(error)):
                self.export(keep=1)
        self.assertEqual(self.names(), ["1"])
        self.assertEqual(self.export(), "2")

    def test_nothing_is_visible_before_it_is_whole(self):
        self.export()
        seen = []

        def look(*_):
            seen.extend([folders.versions(self.folder), self.names()])

        with mock.patch.object(saved_models, "write_warmup_requests", look):
            self.export()
        self.assertEqual(seen, [[1], [".partial-2", "1"]])
        self.assertEqual(self.names(), ["1", "2"])

    def test_what_a_killed_process_left_is_replaced(self):
        left = self.folder / ".partial-1"
        left.mkdir(parents=True)
        (left / "half").touch()
        self.assertEqual(self.export(), "1")
        self.assertEqual(self.names(), ["1"])
        files = sorted(path.name for path in (self.folder / "1").iterdir())
        self.assertEqual(files, ["assets.extra", "saved_model.pb"])


class ExplicitVersionTest(FolderTestCase):
    @needs_backend("tensorflow", "jax", reason="it cannot write a SavedModel")
    def test_one_that_exists_is_refused_and_untouched(self):
        path = self.folder / "7"
        saved_models.write_version(small_gan(), path)
        before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
        with self.assertRaisesRegex(FileExistsError, r"digits.7 exists already.*digits.8"):
            saved_models.write_version(small_gan(seed=1), path)
        after = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
        self.assertEqual(after, before)
        self.assertEqual(self.names(), ["7"])

    @needs_backend("tensorflow", "jax", reason="it cannot write a SavedModel")
    def test_an_empty_folder_is_no_version(self):
        path = self.folder / "7"
        path.mkdir(parents=True)
        card = {"class_names": ["a"]}
        saved_models.write_version(small_gan(), path, model_card=card)
        self.assertEqual(saved_models.read_model_card(path)["class_names"], ["a"])
        self.assertEqual(self.names(), ["7"])

    @needs_backend("torch", reason="it can write a SavedModel")
    def test_says_under_pytorch_how_to_export(self):
        message = rf"PyTorch.*kerasgan export MODEL.keras {self.folder / '1'}$"
        with self.assertRaisesRegex(RuntimeError, message):
            saved_models.export_version(small_gan(), self.folder)
        self.assertEqual(folders.versions(self.folder), [])


@needs_backend("tensorflow", reason="only it serves files of any size")
class WarmupTest(FolderTestCase):
    def requests(self, path):
        prediction_log_pb2 = pytest.importorskip(
            "tensorflow_serving.apis.prediction_log_pb2", reason="needs tensorflow-serving-api"
        )
        for record in tf.data.TFRecordDataset(str(path / saved_models.WARMUP_REQUESTS)):
            log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
            self.assertEqual(log.WhichOneof("log_type"), "predict_log")
            request = log.predict_log.request
            self.assertEqual(request.model_spec.name, "digits")
            inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
            yield request.model_spec.signature_name, inputs

    def check(self, model, signatures, batch_sizes, **arguments):
        """That each request is one that the model answers."""
        path = saved_models.export_version(model, self.folder, **arguments)
        self.assertCountEqual(saved_models.signature_defs(path), signatures)
        loaded = tf.saved_model.load(str(path))
        asked = []
        for name, inputs in self.requests(path):
            _, wanted = loaded.signatures[name].structured_input_signature
            self.assertCountEqual(inputs, wanted)
            tensors = {key: tf.constant(inputs[key], spec.dtype) for key, spec in wanted.items()}
            (answer,) = loaded.signatures[name](**tensors).values()
            asked.append((name, len(answer)))
            self.assertEqual({len(array) for array in inputs.values()}, {len(answer)})
        expected = [(name, size) for name in signatures for size in batch_sizes]
        self.assertCountEqual(asked, expected)

    @pytest.mark.slow
    def test_of_a_model_with_all_kinds_of_inputs(self):
        gan = kerasgan.BigGAN((8, 8, 1), 3, base_width=4, ema_decay=None, seed=0)
        self.check(gan, ["serving_default", "sample"], [1])

    def test_of_a_compiled_model_there_is_one_for_each_batch_size(self):
        signatures = ["serving_default", "sample"]
        self.check(small_gan(), signatures, folders.BATCH_SIZES, jit_compile=True)

    def test_of_a_model_that_translates(self):
        gan = kerasgan.Pix2Pix((16, 8, 1), 3, base_width=4, receptive_field=1, seed=0)
        self.check(gan, ["serving_default", "translate"], [1])

    def test_without_the_extra_there_are_none(self):
        with mock.patch.dict(sys.modules, {"tensorflow_serving.apis": None}):
            path = saved_models.export_version(small_gan(), self.folder)
        self.assertFalse((path / saved_models.WARMUP_REQUESTS).exists())
        self.assertLen(tf.saved_model.load(str(path)).signatures, 2)


@pytest.mark.slow
@needs_backend("tensorflow", reason="the process dies in the same way whatever the backend")
class KilledTest(FolderTestCase):
    def test_only_whole_versions_are_left(self):
        code = textwrap.dedent("""
            import os, pathlib, signal
            import keras, kerasgan
            from kerasgan.serving import saved_models
            keras.utils.set_random_seed(0)
            gan = kerasgan.VanillaGAN((4, 4, 1), 3, hidden_units=(), seed=0)
            saved_models.export_version(gan, "digits")
            def die(path, *args, **kwargs):
                assert (path.parents[1] / "saved_model.pb").exists(), path
                os.kill(os.getpid(), signal.SIGKILL)
            pathlib.Path.write_text = die
            saved_models.export_version(gan, "digits")
        """)
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=self.folder.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, -signal.SIGKILL, done.stderr)
        self.assertEqual(folders.versions(self.folder), [1])
        left = [name for name in self.names() if name != "1"]
        self.assertNotEmpty(left)  # or it died elsewhere
        self.assertTrue(all(name.startswith(".partial-") for name in left), left)
        keras.utils.set_random_seed(0)
        path = saved_models.export_version(small_gan(), self.folder)
        self.assertEqual(path.name, "2")
        self.assertEqual(self.names(), ["1", "2"])
        latent = np.ones((2, 3), "float32")
        loaded = [tf.saved_model.load(str(self.folder / number)) for number in ("1", "2")]
        served = [x.signatures["serving_default"](latent=tf.constant(latent)) for x in loaded]
        self.assertAllClose(*(answer["images"] for answer in served), atol=1e-6)

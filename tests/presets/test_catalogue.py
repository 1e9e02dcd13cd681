"""Which presets there are; the published settings among them."""

import inspect
import json
import math
import pathlib
import sys
import types
from unittest import mock

import keras
import pytest
import tensorflow as tf
from absl.testing import parameterized
from backends import needs_backend

import kerasgan
from kerasgan.models import registry
from kerasgan.presets import catalogue, find, presets
from kerasgan.training.optimizers import OptimizerGroup

pytestmark = needs_backend("tensorflow", reason="parameters are counted alike everywhere")

PAPERS = {name: preset for name, preset in presets().items() if preset.folder is None}
# What makes any of these models small, whatever the paper says.
SMALL = {
    "image_shape": (16, 16, 3),
    "base_width": 4,
    "max_width": 8,
    "latent_dim": 16,
    "num_classes": 3,
    "num_blocks": 1,
    "residual_blocks": 1,
    "receptive_field": 16,
    "steps": 1,
    "scales": 2,
}
# One for each model and what its presets have compiled differently.
KINDS = {(p.class_name, *p.config["compile_config"]): n for n, p in PAPERS.items()}.values()


class FindTest(tf.test.TestCase):
    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path) / "mine"

    def write(self, config, name="model.weights.h5"):
        self.folder.mkdir(exist_ok=True)
        (self.folder / "config.json").write_text(json.dumps(config))
        (self.folder / name).write_bytes(b"")

    def test_a_models_own_name_can_be_left_out(self):
        for name in ("r3_gan_cifar10", "cifar10", "r3gan_cifar10", "R3GAN-cifar10"):
            self.assertEqual(find(name, "R3GAN").name, "r3_gan_cifar10")
        self.assertEqual(find("cifar10", "SNGAN").name, "sngan_cifar10")

    def test_unknown_names_say_what_there_is(self):
        with self.assertRaisesRegex(
            ValueError, "no preset 'cifar'; those of SNGAN are sngan_cifar10, .*mean 'cifar10'?"
        ):
            find("cifar", "SNGAN")
        with self.assertRaisesRegex(
            ValueError, "with weights are cgan_digits, [^-]*those without.*mean 'sngan_stl10'?"
        ):
            find("sngan_stl")
        with self.assertRaisesRegex(ValueError, "mean 'r3_gan_cifar10' or .*'sngan_cifar10'"):
            find("cifar10")
        with self.assertRaisesRegex(ValueError, "preset=None; use the name of a preset"):
            find(None)

    def test_folders(self):
        self.write({"class_name": "DCGAN", "registered_name": "kerasgan>DCGAN", "config": {}})
        for path in (self.folder, str(self.folder)):
            found = find(path)
            self.assertEqual((found.name, found.class_name), ("mine", "DCGAN"))
            self.assertEqual(found.weights, self.folder / "model.weights.h5")
        with self.assertRaisesRegex(ValueError, "is not a folder, so it holds no preset"):
            find(self.folder / "elsewhere")

    def test_folders_that_hold_none(self):
        whole = {"class_name": "DCGAN", "registered_name": "kerasgan>DCGAN", "config": {}}
        self.write(whole, name="other.h5")
        self.assertFalse(catalogue.is_folder(self.folder))
        with self.assertRaisesRegex(ValueError, "no preset: model.weights.h5 is missing"):
            find(self.folder)
        for damaged in ([], {**whole, "config": None}, {"class_name": "DCGAN"}, 3):
            self.write(damaged)
            with self.assertRaisesRegex(ValueError, "config.json is damaged"):
                find(self.folder)

    def test_the_hub_is_asked_for_the_files_of_a_preset_only(self):
        self.write({"class_name": "DCGAN", "registered_name": "kerasgan>DCGAN", "config": {}})
        asked = []
        fake = types.ModuleType("huggingface_hub")

        def download(repo_id, allow_patterns):
            asked.append((repo_id, allow_patterns))
            return str(self.folder)

        fake.snapshot_download = download
        with mock.patch.dict(sys.modules, huggingface_hub=fake):
            found = find("hf://user/name")
        files = ["config.json", "model.weights.h5", "metadata.json", "README.md"]
        self.assertEqual(asked, [("user/name", files)])
        self.assertEqual((found.name, found.folder), ("hf://user/name", self.folder))

    def test_what_the_hub_refuses_is_told_with_the_address(self):
        fake = types.ModuleType("huggingface_hub")
        fake.snapshot_download = mock.Mock(side_effect=ConnectionError("Got:\nno network"))
        with mock.patch.dict(sys.modules, huggingface_hub=fake):
            with self.assertRaisesRegex(
                ValueError, "^hf://user/name could not be downloaded; .*says: Got: no network$"
            ):
                find("hf://user/name")

    def test_without_the_hub(self):
        with mock.patch.dict(sys.modules, huggingface_hub=None):
            with self.assertRaisesRegex(ImportError, "^hf://user/name needs huggingface_hub, "):
                find("hf://user/name")
        with self.assertRaisesRegex(ValueError, "not the address of a preset; use hf://user/name"):
            find("hf://name")


class PapersTest(tf.test.TestCase, parameterized.TestCase):
    def test_entries(self):
        entries = {entry.class_name: entry for entry in registry.entries()}
        for name, preset in PAPERS.items():
            entry = entries[preset.class_name]
            self.assertStartsWith(name, f"{entry.name}_")
            taken = registry.parameters(getattr(kerasgan, preset.class_name))
            self.assertLessEqual(set(preset.config["config"]), set(taken), name)
            self.assertRegex(preset.paper["source"], r"(19|20)\d\d, arXiv:\d{4}\.\d{5}", name)
            self.assertEqual("parameters" in preset.paper, "parameters_source" in preset.paper)

    @parameterized.parameters(*KINDS)
    @needs_backend("tensorflow", reason="it is about settings")
    @pytest.mark.slow
    def test_settings_make_a_model(self, name):
        """At the size of toys, compiled as published."""
        preset = PAPERS[name]
        config = preset.config["config"]
        taken = inspect.signature(getattr(kerasgan, preset.class_name)).parameters
        known = {**registry.parameters(getattr(kerasgan, preset.class_name)), **taken}
        small = {n: v for n, v in SMALL.items() if n in known}
        if config.get("num_classes") is None:
            small.pop("num_classes", None)
        model = kerasgan.from_preset(name, weights=None, **small)
        self.assertIsInstance(model.optimizer, OptimizerGroup)
        found = model.get_config()
        for argument in set(config) - set(small) - {"burn_in"}:
            self.assertEqual(found[argument], config[argument], argument)
        compiled = model.compile_arguments()
        for argument, value in preset.config["compile_config"].items():
            if argument == "loss":
                self.assertEqual(compiled[argument].get_config(), value["config"])
            else:
                self.assertNotEmpty(str(compiled[argument] or ""), argument)
        keras.backend.clear_session()

    @parameterized.parameters("r3_gan_ffhq256", "pix2pix_facades256", "cycle_gan_horse2zebra256")
    @needs_backend("tensorflow", reason="it counts")
    def test_parameters_are_as_many_as_published(self, name):
        """For 1024 pixels see tests/models/test_progan.py, test_stylegan.py, test_stylegan2.py.

        BigGAN has as many, too, but takes minutes to make.
        """
        preset = PAPERS[name]
        model = getattr(kerasgan, preset.class_name).from_config(dict(preset.config["config"]))
        for network, published in preset.paper["parameters"].items():
            networks = [n for part in model.parts.values() for n in part]
            networks = networks if network == "all" else [getattr(model, network)]
            count = sum(math.prod(v.shape) for n in networks for v in n.trainable_weights)
            if isinstance(published, str):
                digits = len(published.rstrip("M").partition(".")[2])
                count = f"{count / 1e6:.{digits}f}M"
            self.assertEqual(count, published, network)
        keras.backend.clear_session()

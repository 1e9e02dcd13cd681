import importlib
import inspect
import pathlib
import re
import runpy

import tensorflow as tf
from backends import needs_backend

import kerasgan
from kerasgan.models import registry

pytestmark = needs_backend("tensorflow", reason="it reads the source")

ROOT = pathlib.Path(__file__).parents[2]


class RegistryTest(tf.test.TestCase):
    def test_every_file_of_the_zoo_is_found(self):
        files = {f.stem for f in (ROOT / "kerasgan" / "models").glob("*.py")}
        others = {"__init__", "official", "registry"}
        self.assertEqual({e.name for e in registry.entries()}, files - others)

    def test_entries_lead_to_classes_with_a_paper_and_an_example(self):
        for entry in registry.entries():
            model = getattr(kerasgan, entry.class_name)
            self.assertIs(model, getattr(importlib.import_module(entry.module), entry.class_name))
            self.assertTrue(issubclass(model, kerasgan.GenerativeModel))
            self.assertRegex(entry.reference, r"arXiv:\d{4}\.\d{4,5}")
            self.assertRegex(inspect.getdoc(model), r"(?s)Args:.*Example:.*Reference:")
            self.assertIn(entry.class_name, dir(kerasgan))

    def test_every_model_has_its_example_test_and_row(self):
        table = (ROOT / "docs" / "models.md").read_text()
        shared = {
            *runpy.run_path(str(ROOT / "examples" / "autoencoders.py"))["MODELS"],
            *runpy.run_path(str(ROOT / "examples" / "digits.py"))["MODELS"],
            *runpy.run_path(str(ROOT / "examples" / "flows.py"))["MODELS"],
            *runpy.run_path(str(ROOT / "examples" / "likelihood.py"))["MODELS"],
            *runpy.run_path(str(ROOT / "examples" / "growing.py"))["MODELS"],
            *runpy.run_path(str(ROOT / "examples" / "likelihood.py"))["MODELS"],
            *runpy.run_path(str(ROOT / "examples" / "translation.py"))["MODELS"],
        }
        for entry in registry.entries():
            own_example = ROOT / "examples" / f"{entry.name}.py"
            self.assertTrue(own_example.exists() or entry.name in shared, entry.name)
            self.assertTrue((ROOT / "tests" / "models" / f"test_{entry.name}.py").exists())
            row = re.search(rf"^\| `{entry.class_name}` .*$", table, re.MULTILINE)
            self.assertIsNotNone(row, f"docs/models.md has no row for {entry.class_name}")
            self.assertIn(re.search(r"arXiv:[\d.]+\d", entry.reference)[0], row[0])

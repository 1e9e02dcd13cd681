"""The rules of the house, read from the imports (docs/architecture.md)."""

import ast
import pathlib
import re

import tensorflow as tf
from backends import needs_backend

pytestmark = needs_backend("tensorflow", reason="it reads the source")

PACKAGE = pathlib.Path(__file__).parents[1] / "kerasgan"

# From the ground up. A room may import from itself and from those before it.
ROOMS = (
    "utils",
    "weight_files",
    "backend",
    "layers",
    "augmentation",
    "losses",
    "pictures",
    "checks",
    "sampling",
    "export",
    "roles",
    "control",
    "training",
    "presets",
    "core",
    "growing",
    "styles",
    "translation",
    "density",
    "data",
    "metrics",
    "callbacks",
    "models",
    "detection",
    "serving",
    "hype",
    "editing",
    "cli",
)
MAY_IMPORT_TENSORFLOW = (
    "backend/private.py",
    "backend/tensorflow.py",
    "checks/datasets.py",
    "export/",
    "pictures/tensorboard.py",
    "data/",
    "serving/",
)


def imports(file):
    """The modules that a file names in its import statements, at any depth."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_private(name):
    return re.fullmatch(r"_[a-z]\w*", name) is not None


def strings(tree):
    """The strings of a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def attributes(tree):
    """Whom a file asks for which private names, but for its own parents."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            of = ast.unparse(node.value)
            if of != "super()":
                yield of, node.attr
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "hasattr"):
            name = node.args[1]
            if isinstance(name, ast.Constant) and is_private(name.value):
                yield ast.unparse(node.args[0]), name.value


def defined(tree):
    """The names that a file gives to functions, classes and attributes."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "object.__setattr__":
            yield ast.literal_eval(node.args[1])


class ArchitectureTest(tf.test.TestCase):
    def files(self):
        for file in sorted(PACKAGE.rglob("*.py")):
            yield file, file.relative_to(PACKAGE).as_posix()

    def test_imports_run_down_the_house(self):
        for file, name in self.files():
            room = name.split("/")[0]
            if room not in ROOMS:
                continue  # __init__.py and __main__.py gather everything
            below = ROOMS[: ROOMS.index(room) + 1]
            for module in imports(file):
                other = module.split(".")[1:2]
                if module.startswith("kerasgan.") and other[0] in ROOMS:
                    self.assertIn(other[0], below, f"{name} imports {module}")

    def test_no_model_borrows_from_another_model(self):
        allowed = ("registry",)
        for file, name in self.files():
            if name.startswith("models/"):
                for module in imports(file):
                    parts = module.split(".")
                    if parts[:2] == ["kerasgan", "models"]:
                        self.assertIn(parts[2], allowed, f"{name} imports {module}")

    def test_tensorflow_is_imported_behind_the_seam_only(self):
        for file, name in self.files():
            if not name.startswith(MAY_IMPORT_TENSORFLOW):
                for module in imports(file):
                    self.assertNotEqual(module.split(".")[0], "tensorflow", f"{name}: {module}")

    def test_private_names_are_our_own_or_in_one_file(self):
        trees = {name: ast.parse(file.read_text()) for file, name in self.files()}
        keras_own = set(filter(is_private, strings(trees.pop("backend/private.py"))))
        self.assertNotEmpty(keras_own)
        own = {name for tree in trees.values() for name in defined(tree)}
        others = {("cli/serving.py", "_exit"), ("serving/web.py", "_map")}  # of os, of waitress
        for name, tree in trees.items():
            for module in imports(PACKAGE / name):
                parts = module.split(".")
                for package in (["keras", "src"], ["tensorflow", "python"]):
                    self.assertNotEqual(parts[:2], package, f"{name}: {module}")
            for of, used in attributes(tree):
                ours = own if of in ("self", "cls") else own - keras_own
                allowed = used in ours or (name, used) in others
                self.assertTrue(allowed, f"{name} uses {used}; see backend/private.py")
            for string in strings(tree):
                self.assertNotIn(string, keras_own, f"{name}; see backend/private.py")
                self.assertNotRegex(string, r"^(keras\.src|tensorflow\.python)", name)

    def test_every_part_is_on_the_plan(self):
        parts = {d.name for d in PACKAGE.iterdir() if d.is_dir() and d.name != "__pycache__"}
        self.assertEqual(parts, set(ROOMS))

    def test_files_are_written_by_one_module(self):
        """Others write into what `atomic_path` of utils/files.py gives them, a `temporary` path."""
        writes = re.compile(
            r"\.(write_text|write_bytes|rename)\(|os\.replace\(|open\([^)]*[\"'][wax]b?[\"']"
        )
        for file, name in self.files():
            if name == "utils/files.py":
                continue
            for number, line in enumerate(file.read_text().splitlines(), 1):
                meant = any(word in line for word in ("temporary", "devnull", ">>>"))
                if writes.search(line) and not meant:
                    self.fail(f"kerasgan/{name}:{number} writes by itself: {line.strip()}")

    def test_models_are_asked_for_roles(self):
        """Whoever works with models asks `kerasgan.roles`, and does not probe their classes."""
        probes = re.compile(
            r"(isinstance|issubclass|hasattr|getattr)\((gan|model|model_class|self\.model)\b"
        )
        for file, name in self.files():
            if name.startswith(
                ("cli/", "callbacks/", "metrics/", "serving/", "hype/", "editing/", "data/")
            ):
                for number, line in enumerate(file.read_text().splitlines(), 1):
                    allowed = "jax_state_sync" in line or "isinstance(model, type)" in line
                    if probes.search(line) and not allowed:
                        self.fail(f"kerasgan/{name}:{number} probes a model: {line.strip()}")

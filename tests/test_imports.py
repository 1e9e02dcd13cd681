"""What `import kerasgan` costs, and in which orders it works."""

import os
import statistics
import subprocess
import sys

import pytest
import tensorflow as tf
from backends import needs_backend

from kerasgan import onednn

pytestmark = needs_backend("tensorflow", reason="the order of imports is the same everywhere")


def run(code, **environment):
    """What code prints, with `environment` beside this process' own, None for what is unset."""
    environment = {**os.environ, **environment}
    environment = {name: value for name, value in environment.items() if value is not None}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout


class ImportTest(tf.test.TestCase):
    @pytest.mark.slow
    def test_import_is_light_beside_keras(self):
        code = (
            "import time\n"
            "begin = time.process_time()\n"
            "import keras\n"
            "of_keras = time.process_time() - begin\n"
            "import kerasgan\n"
            "print((time.process_time() - begin - of_keras) / of_keras)"
        )
        # Measured: a twenty-fifth, of a time that varies with what else the machine does. The first
        # run may have to compile kerasgan, as a user's first does.
        times = [float(run(code, PYTHONDONTWRITEBYTECODE=None)) for _ in range(3)]
        self.assertLess(statistics.median(times), 0.1)

    def test_import_alone_loads_neither_keras_nor_tensorflow(self):
        code = (
            "import sys, kerasgan, kerasgan.cli\n"
            "print([m for m in ('keras', 'tensorflow', 'numpy') if m in sys.modules])"
        )
        self.assertEqual(run(code).strip(), "[]")

    @pytest.mark.slow
    def test_classes_are_registered_whatever_is_imported_first(self):
        for first in (
            "kerasgan.core.gan",
            "kerasgan.losses",
            "kerasgan.data",
            "kerasgan.callbacks",
            "kerasgan.augmentation",
        ):
            code = (
                f"import {first}, keras\n"
                "print(keras.saving.get_registered_object('kerasgan>DCGAN').__name__)"
            )
            self.assertEqual(run(code).strip(), "DCGAN", first)

    def test_unknown_names_are_attribute_errors(self):
        import kerasgan

        with self.assertRaisesRegex(AttributeError, "no attribute 'Nonsense'"):
            kerasgan.Nonsense  # noqa: B018


@pytest.mark.skipif(not onednn.PAYS, reason="kerasgan leaves TensorFlow's choice alone here")
class OneDNNTest(tf.test.TestCase):
    def variable(self, code, before=None):
        code = f"import os, sys; {code}; print(os.environ.get({onednn.VARIABLE!r}))"
        return run(code, **{onednn.VARIABLE: before}).strip()

    def test_it_is_on_unless_the_user_has_said_otherwise(self):
        self.assertEqual(self.variable("import kerasgan"), "1")
        self.assertEqual(self.variable("import kerasgan.onednn"), "1")
        self.assertEqual(self.variable("import kerasgan", before="0"), "0")

    def test_nothing_is_set_when_it_is_too_late(self):
        # So that the processes that a script starts compute as the script does.
        late = "sys.modules['tensorflow'] = sys; import kerasgan"
        self.assertEqual(self.variable(late), "None")

    def test_tensorflow_has_read_it(self):
        from kerasgan import backend

        off = os.environ[onednn.VARIABLE].lower() in ("0", "false")
        self.assertEqual(backend.computed_with()["oneDNN"], "off" if off else "on")

    def test_a_warning_says_that_it_is_too_late(self):
        code = (
            "import os, warnings\n"
            "import tensorflow\n"
            f"del os.environ[{onednn.VARIABLE!r}]\n"
            "with warnings.catch_warnings(record=True) as caught:\n"
            "    import kerasgan.backend\n"
            "    print(*(w.message for w in caught if 'oneDNN' in str(w.message)))\n"
        )
        self.assertRegex(run(code, **{onednn.VARIABLE: "0"}), r"import kerasgan first, or set")

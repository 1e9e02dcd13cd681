"""What `import kerasgan` costs, and in which orders it works."""

import statistics
import subprocess
import sys

import tensorflow as tf


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


class ImportTest(tf.test.TestCase):
    def test_import_is_light_beside_keras(self):
        code = (
            "import time\n"
            "begin = time.process_time()\n"
            "import keras\n"
            "of_keras = time.process_time() - begin\n"
            "import kerasgan\n"
            "print((time.process_time() - begin - of_keras) / of_keras)"
        )
        # Measured: a twenty-fifth, of a time that varies with what else the machine does.
        self.assertLess(statistics.median(float(run(code)) for _ in range(3)), 0.1)

    def test_import_alone_loads_neither_keras_nor_tensorflow(self):
        code = (
            "import sys, kerasgan, kerasgan.cli\n"
            "print([m for m in ('keras', 'tensorflow', 'numpy') if m in sys.modules])"
        )
        self.assertEqual(run(code).strip(), "[]")

    def test_classes_are_registered_whatever_is_imported_first(self):
        for first in (
            "kerasgan.core.gan",
            "kerasgan.losses",
            "kerasgan.data",
            "kerasgan.callbacks",
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

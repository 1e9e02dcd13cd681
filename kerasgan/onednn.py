"""oneDNN, without which TensorFlow takes up to twice as long for convolutions on an x86 processor.

By itself TensorFlow uses it on newer processors only. It reads the environment variable once,
while its libraries are loaded, so `import kerasgan` sets it at once, unless TensorFlow was first.
"""

import os
import platform
import sys

VARIABLE = "TF_ENABLE_ONEDNN_OPTS"
# Where it was measured, see benchmarks/determinism.py; elsewhere TensorFlow's own choice stays.
PAYS = sys.platform == "linux" and platform.machine() == "x86_64"


def switch_on():
    """Has TensorFlow use it if the user has not said and it is not too late."""
    if PAYS and "tensorflow" not in sys.modules:
        os.environ.setdefault(VARIABLE, "1")


def is_missed(used):
    """Whether it was too late: nobody has said, and TensorFlow does not use it."""
    return PAYS and not used and VARIABLE not in os.environ

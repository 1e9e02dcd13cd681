"""Enables oneDNN, which makes TensorFlow's convolutions up to twice as fast on x86 processors.

By itself TensorFlow uses it on newer processors only. It reads the environment variable once,
while its libraries are loaded, so `import kerasgan` sets it at once, unless TensorFlow was first.
"""

import os
import platform
import sys

VARIABLE = "TF_ENABLE_ONEDNN_OPTS"
# The platforms measured in benchmarks/determinism.py; elsewhere TensorFlow decides.
PAYS = sys.platform == "linux" and platform.machine() == "x86_64"


def switch_on():
    """Makes TensorFlow use oneDNN, unless the user has decided or it is too late."""
    if PAYS and "tensorflow" not in sys.modules:
        os.environ.setdefault(VARIABLE, "1")


def is_missed(used):
    """Whether it was too late: the user has not decided, and TensorFlow does not use it."""
    return PAYS and not used and VARIABLE not in os.environ

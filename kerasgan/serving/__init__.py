"""Serves generative models over the network.

`Client` requests pictures from a server; `export_version` writes a model for a server. Both are
loaded when they are first used: a REST client needs neither Keras nor TensorFlow.
"""

import importlib

_NAMES = {
    "Client": "kerasgan.serving.client",
    "ServingError": "kerasgan.serving.errors",
    "export_version": "kerasgan.serving.saved_models",
    "write_configuration": "kerasgan.serving.configuration",
}


def __getattr__(name):
    if name not in _NAMES:
        raise AttributeError(f"module 'kerasgan.serving' has no attribute {name!r}")
    return getattr(importlib.import_module(_NAMES[name]), name)


def __dir__():
    return sorted(_NAMES)

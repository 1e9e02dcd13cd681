"""Generative adversarial networks for Keras 3.

The public names are loaded when they are first used, so that `import kerasgan` and the command
line's help do not wait for TensorFlow. The models of the zoo (`kerasgan.DCGAN`, ...) are the files
in `kerasgan/models`; `kerasgan models` lists them.
"""

import importlib

import wrapt

from kerasgan import onednn

__version__ = "0.1.0"

onednn.switch_on()  # before anything imports TensorFlow

_SUBPACKAGES = (
    "augmentation",
    "backend",
    "callbacks",
    "control",
    "core",
    "data",
    "detection",
    "hype",
    "layers",
    "losses",
    "metrics",
    "models",
    "presets",
    "roles",
    "serving",
    "weight_files",
)
_NAMES = {
    "AdversarialModel": "kerasgan.core",
    "GAN": "kerasgan.core",
    "GenerativeModel": "kerasgan.core",
    "ImageGAN": "kerasgan.core",
    "LinearDecay": "kerasgan.training",
    "NonFiniteError": "kerasgan.training",
    "TranslationModel": "kerasgan.translation",
    "features": "kerasgan.metrics.unsupervised",
    "load_model": "kerasgan.training",
    "transfer": "kerasgan.training",
    "from_preset": "kerasgan.presets.has_presets",
    "load_official": "kerasgan.models.official",
}


@wrapt.when_imported("keras")
def _register_with_keras(keras):
    # keras.saving.load_model knows only classes whose modules have been imported, so the classes
    # that a file can name are loaded as soon as Keras is, in whichever order the user imports.
    from kerasgan.models import registry

    for name in (
        "augmentation",
        "losses",
        "layers",
        "core",
        "growing",
        "translation",
        "density",
        "metrics",
        "detection",
    ):
        importlib.import_module(f"kerasgan.{name}")
    for entry in registry.entries():
        importlib.import_module(entry.module)


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    if name in _SUBPACKAGES:
        return importlib.import_module(f"kerasgan.{name}")
    import keras  # noqa: F401  (first: it registers our classes, see above)

    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    from kerasgan.models import registry

    for entry in registry.entries():
        if entry.class_name == name:
            return getattr(importlib.import_module(entry.module), name)
    raise AttributeError(f"module 'kerasgan' has no attribute {name!r}")


def __dir__():
    from kerasgan.models import registry

    zoo = [entry.class_name for entry in registry.entries()]
    return sorted(["__version__", *_SUBPACKAGES, *_NAMES, *zoo])

"""The folder layout of SavedModels: savedmodels/NAME/VERSION."""

import json
import pathlib
import re

MODEL_CARD = "assets.extra/model_card.json"  # as in export/saved_model.py, which imports Keras
WARMUP_REQUESTS = "assets.extra/tf_serving_warmup_requests"
EXPORTED = re.compile(
    r"saved_model\.pb|fingerprint\.pb|variables/variables\.(index|data-\d+-of-\d+)|"
    f"{re.escape(MODEL_CARD)}|{re.escape(WARMUP_REQUESTS)}"
)
CONFIG = "models.config"
CONFIGURATION = (CONFIG, "batching_parameters.txt", "monitoring.config", "docker-compose.yml")
WRITTEN_BY = "# Written by `kerasgan serving-config`."  # begins each of these
BATCH_SIZES = (1, 2, 4, 8, 16, 32)  # to which TensorFlow Serving pads batches
LARGEST_VERSION = 2**63 - 1  # the largest that fits the protocols


def versions(folder):
    """The versions of a model: list of int in ascending order.

    Args:
        folder: path of the model's folder, which need not exist.
    """
    return list(version_folders(folder))


def version_folders(folder):
    """The folders of a model's versions: dict from int to path, in ascending order.

    As for TensorFlow Serving, `00000001` is version 1; if there is also a folder `1`, that one is
    used.

    Args:
        folder: path of the model's folder, which need not exist.
    """
    paths = sorted(_saved_models(folder), key=lambda path: (len(path.name), path.name))
    found = {}
    for path in paths:
        number = version_number(path.name)
        if number is not None:
            found.setdefault(number, path)
    return dict(sorted(found.items()))


def version_number(name):
    """The version number of a folder with this name, or None if it is not a version.

    >>> version_number("00000012"), version_number("v12")
    (12, None)
    """
    if not (name.isascii() and name.isdecimal() and len(name) < 40):
        return None
    number = int(name)
    return number if number <= LARGEST_VERSION else None


def model_folders(folder):
    """The models in a folder: dict from name to path.

    Args:
        folder: path of a folder with a folder for each model, or of a single model's folder.
    """
    folder = pathlib.Path(folder)
    if versions(folder):
        return {folder.resolve().name: folder}
    return {path.name: path for path in _visible(folder) if versions(path)}


def misplaced(folder):
    """SavedModels whose place or name keeps them from being a version: list of paths.

    Args:
        folder: as for `model_folders`.
    """
    folder = pathlib.Path(folder)
    places = [path for place in [folder, *_visible(folder)] for path in _saved_models(place)]
    itself = [folder] if (folder / "saved_model.pb").exists() else []
    models = model_folders(folder).values()
    known = {version for model in models for version in version_folders(model).values()}
    return sorted({*itself, *places} - known)


def is_exported(path):
    """Whether a folder is a SavedModel that kerasgan wrote, which its model card shows."""
    card = pathlib.Path(path) / MODEL_CARD
    try:
        return "kerasgan" in json.loads(card.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def foreign_files(path):
    """Files in the folder of a version that are not part of a SavedModel: a list of paths."""
    path = pathlib.Path(path)
    return [
        file
        for file in path.rglob("*")
        if file.is_symlink()
        or not (file.is_dir() or EXPORTED.fullmatch(file.relative_to(path).as_posix()))
    ]


def is_configuration(path):
    """Whether a file is one of those that `kerasgan serving-config` writes."""
    path = pathlib.Path(path)
    if path.name not in CONFIGURATION or not path.is_file():
        return False
    return path.read_bytes().startswith(WRITTEN_BY.encode())


def _visible(folder):
    return sorted(path for path in folder.glob("*/") if not path.name.startswith("."))


def _saved_models(folder):
    """The visible folders in a folder that hold a SavedModel."""
    return [path for path in _visible(pathlib.Path(folder)) if (path / "saved_model.pb").exists()]

"""How SavedModels lie in folders: savedmodels/NAME/VERSION."""

import json
import pathlib
import re

MODEL_CARD = "assets.extra/model_card.json"  # as in core/export.py, which imports Keras
WARMUP_REQUESTS = "assets.extra/tf_serving_warmup_requests"
EXPORTED = re.compile(
    r"saved_model\.pb|fingerprint\.pb|variables/variables\.(index|data-\d+-of-\d+)|"
    f"{re.escape(MODEL_CARD)}|{re.escape(WARMUP_REQUESTS)}"
)
CONFIG = "models.config"
CONFIGURATION = (CONFIG, "batching_parameters.txt", "monitoring.config", "docker-compose.yml")
WRITTEN_BY = "# Written by `kerasgan serving-config`."  # begins each of these
BATCH_SIZES = (1, 2, 4, 8, 16, 32)  # to which TensorFlow Serving fills batches up


def versions(folder):
    """The versions of a model: list of int in ascending order.

    Args:
        folder: path of the model's folder, which need not exist.
    """
    folder = pathlib.Path(folder)
    if not folder.is_dir():
        return []
    files = folder.glob("*/saved_model.pb")
    names = [file.parent.name for file in files]
    return sorted(int(name) for name in names if name.isdecimal() and name == str(int(name)))


def model_folders(folder):
    """The models of a folder by name: dict to paths.

    Args:
        folder: path of a folder with a folder for each model, or of a model's own.
    """
    folder = pathlib.Path(folder)
    if versions(folder):
        return {folder.resolve().name: folder}
    visible = sorted(path for path in folder.glob("*/") if not path.name.startswith("."))
    return {path.name: path for path in visible if versions(path)}


def is_exported(path):
    """Whether a folder is a SavedModel that kerasgan wrote, by its model card."""
    card = pathlib.Path(path) / MODEL_CARD
    try:
        return "kerasgan" in json.loads(card.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def foreign_files(path):
    """What is in the folder of a version and not part of a SavedModel: a list of paths."""
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

"""How SavedModels lie in folders: savedmodels/NAME/VERSION."""

import pathlib

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

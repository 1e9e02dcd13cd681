"""Run folders, which `kerasgan train` writes and the other commands read."""

import json
import pathlib
import zipfile

import click

from kerasgan.cli import model_classes
from kerasgan.cli.environment import import_keras, usage_errors
from kerasgan.presets.catalogue import WEIGHTS, is_folder
from kerasgan.utils.files import PARTIAL, atomic_path

SETTINGS = "run.json"
MODEL = "model.keras"
BEST = "best.keras"
DIRECTIONS = "directions.npz"
REPLACES = ".replaces"  # names the runs beside it that are removed once this one has an epoch
# Settings of the machine, which may differ when a run continues on another one.
MACHINE = ("data_dir", "devices", "save_minutes")
NONE = type(None)
# The contents of run.json; values that can be None may be missing.
TYPES = {
    "model": (str,),
    "data": (str,),
    "split": (str,),
    "data_dir": (str, NONE),
    "image_size": (int, NONE),
    "crop": (int, NONE),
    "mirror": (bool, NONE),
    "start_from": (str, NONE),
    "freeze_discriminator": (int, NONE),
    "source": (str, NONE),
    "task": (str, NONE),
    "data_b": (str, NONE),
    "pretrain_epochs": (int, NONE),
    "batch_size": (int, NONE),
    "learning_rate": (int, float, NONE),
    "decay_from": (int, NONE),
    "stage_epochs": (int, float, NONE),
    "metrics": (str, NONE),
    "features": (str, NONE),
    "validation_split": (str, NONE),
    "skip_damaged": (bool, NONE),
    "class_names": (list, NONE),
    "tensorboard": (bool, NONE),
    "command": (str, NONE),
    "computed_with": (dict, NONE),
    "seed": (int,),
    "devices": (int, NONE),
    "save_minutes": (int, float, NONE),
    "epochs": (int,),
    "set": (dict,),
}


def read_settings(folder):
    """The settings with which a run was started.

    Raises:
        click.UsageError: when there are none, or when the file is damaged.
    """
    path = folder / SETTINGS
    if not path.exists():
        raise click.UsageError(f"{folder} is not a run folder: it has no {SETTINGS}.")
    settings = read_json(path)
    what_to_do = "Restore it from a copy, or train again in another folder; the model is unchanged."
    if not isinstance(settings, dict):
        raise click.UsageError(f"{path} is damaged: it holds no settings. {what_to_do}")
    for name, types in TYPES.items():
        value = settings.setdefault(name, None)
        if type(value) not in types:
            found = "it has no" if value is None else f"{value!r} is not a valid"
            raise click.UsageError(f"{path} is damaged: {found} {name!r}. {what_to_do}")
    return settings


def read_json(path):
    """Reads a JSON file that another command wrote."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.UsageError(f"{path} is damaged: {error}") from error


def write_settings(folder, settings):
    """Writes the settings of a run."""
    write_json(folder / SETTINGS, settings)


def write_json(path, values):
    """Writes values to a JSON file."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def plain(values):
    """Values as they come back from JSON."""
    return json.loads(json.dumps(values))


def unfinished(folder):
    """The path where a run folder is prepared that will replace another."""
    return folder.with_name(f"{PARTIAL}{folder.name}")


def replaced(folder):
    """The folders of runs that the run in a folder replaces once it has finished an epoch."""
    folder = folder.resolve()
    if not folder.name:
        return []
    # If it is missing, a process was killed between two renames.
    record = (folder if folder.exists() else unfinished(folder)) / REPLACES
    try:
        names = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    beside = [folder.with_name(name) for name in names if name == pathlib.Path(name).name]
    return [path for path in beside if path.is_dir() and not path.is_symlink()]


def mention_replaced(folder, err=True):
    """Prints where the runs are that the run in a folder has yet to replace."""
    for old in replaced(folder):
        click.echo(
            f"kerasgan: note: {old} is the run that was in {folder} before --overwrite; it stays "
            "until the new one has finished an epoch.",
            err=err,
        )


def run_of(run_or_file):
    """The folder of the run at a path, or of the run with this model; None if there is none."""
    path = pathlib.Path(run_or_file)
    folder = path if path.is_dir() else path.parent
    of_run = path.is_dir() or path.name in (MODEL, BEST)
    return folder if of_run and (folder / SETTINGS).exists() else None


def load_run(run_or_file):
    """Loads the model of a run folder, of a preset's folder, or of a `.keras` file."""
    path = pathlib.Path(run_or_file)
    if is_folder(path):
        return load_preset(path)
    file = path / MODEL if path.is_dir() else path
    mention_replaced(path)
    if not file.is_file():  # reading a pipe would block
        what = f"{path} is not a file" if path.exists() else f"{path} does not exist"
        what = f"the folder {path} holds no {MODEL}" if path.is_dir() else what
        raise click.UsageError(f"{what}; give a run folder or a .keras file.")
    if not zipfile.is_zipfile(file):
        raise click.UsageError(
            f"{file} cannot be loaded: it is damaged, or not a .keras file; restore it from a copy."
        )
    keras = import_keras()
    from kerasgan import GenerativeModel, roles

    import_own_class(path)
    with usage_errors():
        try:
            model = keras.saving.load_model(file)
        except Exception as error:
            raise ValueError(
                f"{file} cannot be loaded as a kerasgan model: {_reason(error, file)}"
            ) from error
        if not roles.has(model, GenerativeModel):
            raise ValueError(f"{file} is a {type(model).__name__}, not a generative model.")
    return model, file


def load_preset(folder):
    """Loads the model of a preset's folder."""
    import_keras()
    import kerasgan

    with usage_errors():
        return kerasgan.from_preset(folder), folder / WEIGHTS


def load_directions(run_or_file, path=None):
    """Loads directions from a file or, for None, from a run folder; None if it has none."""
    if path is None:
        folder = pathlib.Path(run_or_file)
        path = (folder if folder.is_dir() else folder.parent) / DIRECTIONS
        if not path.is_file():
            return None
    from kerasgan.control.directions import Directions

    return Directions.load(path)


def import_own_class(path):
    """Registers the class of a run's model with Keras, if it is a user's class.

    Raises:
        click.UsageError: when it can no longer be found.
    """
    folder = run_of(path)
    try:
        model = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))["model"]
        own = model_classes.is_own(model)
    except (OSError, ValueError, TypeError, KeyError):  # reported by those who need it
        return
    if own:
        try:
            model_classes.model_class(model)
        except click.UsageError as error:
            raise click.UsageError(
                f"{folder / SETTINGS}: {error.message} If it has moved, write its new place into "
                "this file."
            ) from error


def _reason(error, file):
    """What is wrong with a file, without the text that Keras adds."""
    if "Could not locate class" in str(error):
        with zipfile.ZipFile(file) as archive:
            name = json.loads(archive.read("config.json"))["class_name"]
        return (
            f"{name} is not a class of kerasgan. If it is your own, give its run folder, whose "
            f"{SETTINGS} says where the class is; in Python, import the class first."
        )
    reason = str(error).split("List of objects that could not be loaded")[0]
    for introduction in ("Example error message for object", "Exception encountered:"):
        _, found, after = reason.rpartition(introduction)
        if found:
            # Keras names the object, and leaves a line empty.
            reason = after.partition("\n\n")[2] if introduction.startswith("Example") else after
    return reason.strip()

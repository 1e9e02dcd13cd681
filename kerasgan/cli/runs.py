"""Run folders: what `kerasgan train` writes and the other commands read."""

import ast
import contextlib
import difflib
import errno
import importlib
import importlib.util
import inspect
import json
import os
import pathlib
import sys
import warnings
import zipfile

import click

from kerasgan.models import registry

SETTINGS = "run.json"
MODEL = "model.keras"
# What a run is computed on, which may change when it is continued on another machine.
MACHINE = ("data_dir", "devices", "save_minutes")

data_dir = click.option("--data-dir", help="Where TensorFlow Datasets keeps its data.")


@contextlib.contextmanager
def usage_errors():
    """What goes wrong in here is the fault of an argument: exit code 2 rather than 1."""
    try:
        yield
    except (ValueError, TypeError, FileNotFoundError, FileExistsError) as error:
        raise click.UsageError(str(error)) from error


@contextlib.contextmanager
def warnings_in_one_line():
    """In here our warnings say what is the matter, and not in which line of which file."""
    show_others = warnings.showwarning

    def show(message, category, *where, **more):
        if category.__module__.startswith("kerasgan."):
            print(f"kerasgan: warning: {message}", file=sys.stderr)
        else:
            show_others(message, category, *where, **more)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


@contextlib.contextmanager
def quiet():
    """In here nothing is printed to stderr, not by C++ code either."""
    sys.stderr.flush()
    stderr = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def import_keras():
    """Imports Keras and TensorFlow without their greetings, which go to stderr unasked."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet():
        import keras

        import kerasgan.data.reader  # noqa: F401  (TensorFlow, also where it is not the backend)
    return keras


def find_entry(name):
    """The zoo's entry of a model by its name on the command line."""
    entries = {entry.name: entry for entry in registry.entries()}
    if name not in entries:
        near = difflib.get_close_matches(name, entries, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise click.UsageError(
            f"there is no model {name!r}; `kerasgan models` lists them: {', '.join(entries)}.{hint}"
        )
    return entries[name]


def model_class(name):
    """The class of a model by its name on the command line."""
    entry = find_entry(name)
    return getattr(importlib.import_module(entry.module), entry.class_name)


def parse_assignments(assignments):
    """`("base_width=32", "loss=minimax")` as a dict with Python values."""
    values = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--set {assignment!r} is not of the form key=value.")
        try:
            values[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            values[name] = text  # a word such as minimax
    return values


def split_arguments(model_class, values):
    """Sorts `--set` values into arguments of the model and of its `compile`."""
    takes = {
        "model": set(registry.parameters(model_class)),
        "compile": set(inspect.signature(model_class.compile).parameters)
        - {"optimizer", "metrics"},
    }
    takes["model"] -= {"image_shape", "seed", "networks"}
    takes["compile"] -= {"self"}
    unknown = sorted(set(values) - takes["model"] - takes["compile"])
    if unknown:
        known = sorted(takes["model"] | takes["compile"])
        raise click.UsageError(
            f"--set {unknown[0]}=...: {model_class.__name__} has no such setting; it has "
            f"{', '.join(known)}."
        )
    return tuple({k: v for k, v in values.items() if k in takes[part]} for part in takes)


def read_settings(folder):
    """The settings with which a run was started."""
    path = folder / SETTINGS
    if not path.exists():
        raise click.UsageError(f"{folder} is not a run folder: it has no {SETTINGS}.")
    return read_json(path)


def read_json(path):
    """What is in a JSON file that another command wrote."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.UsageError(f"{path} is damaged: {error}") from error


def write_settings(folder, settings):
    """Writes the settings of a run."""
    from kerasgan.core.files import atomic_path

    with atomic_path(folder / SETTINGS) as temporary:
        temporary.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def prepare_folder(folder, overwrite):
    """Makes sure that a new run has a folder to itself."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not overwrite:
        raise click.UsageError(
            f"{folder} exists already; continue it with --resume, replace it with --overwrite, or "
            "choose another --out."
        )
    if not (folder / SETTINGS).exists():
        raise click.UsageError(f"{folder} is not a run folder, so --overwrite leaves it alone.")


def load_run(run_or_file):
    """Loads the model of a run folder, or of a `.keras` file."""
    path = pathlib.Path(run_or_file)
    file = path / MODEL if path.is_dir() else path
    if not file.exists():
        what = f"the folder {path} holds no {MODEL}" if path.is_dir() else f"{path} does not exist"
        raise click.UsageError(f"{what}; give a run folder or a .keras file.")
    if not zipfile.is_zipfile(file):
        raise click.UsageError(f"{file} cannot be loaded: it is damaged, or no .keras file.")
    keras = import_keras()
    with usage_errors():
        try:
            model = keras.saving.load_model(file)
        except Exception as error:
            reason = str(error).split("List of objects")[0].strip()
            raise ValueError(f"{file} cannot be loaded as a kerasgan model: {reason}") from error
        if not hasattr(model, "players"):
            raise ValueError(f"{file} is a {type(model).__name__}, not a generative model.")
    return model, file


def needs(*modules, extra):
    """Makes sure that what an extra brings is installed."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise click.UsageError(
                f"this needs {module}, which is not installed: pip install 'kerasgan[{extra}]'"
            )


def listen(host, port, option="--port"):
    """A socket that takes connections; what is wrong is the fault of an option."""
    from kerasgan.serving import web

    try:
        return web.listen(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise click.UsageError(
                f"{option} {port} of {host} is in use; choose another one, or 0 for any that is "
                "free."
            ) from error
        raise click.UsageError(f"--host {host} {option} {port}: {error.strerror}.") from error


def is_folder_of_pictures(path):
    """Whether a path is a folder, and not that of a run."""
    return path.is_dir() and not (path / MODEL).exists()


def open_pictures(folder, image_size=None):
    """Looks at every picture in a folder of somebody's generator.

    Args:
        folder: its path.
        image_size: int, the size that is wanted, or None for the pictures' own.

    Returns:
        The list of files, in sorted order; a function from a file to a uint8 array (size, size,
        channels); and that shape. One channel if all are gray, else three.
    """
    from PIL import Image

    from kerasgan.data.images import read_image
    from kerasgan.data.sources import SUFFIXES, picture_files

    files = picture_files(folder)
    if not files:
        raise click.UsageError(
            f"{folder} holds neither {MODEL} nor pictures ({', '.join(SUFFIXES)})."
        )
    sizes, grays, transparent = set(), set(), False
    for file in files:
        try:
            with Image.open(file) as picture:
                sizes.add(picture.size)
                grays.add(picture.mode.startswith(("1", "L", "I")))
                transparent = transparent or picture.has_transparency_data
        except OSError as error:
            raise click.UsageError(f"{file} cannot be read as a picture: {error}") from error
    if image_size is None and (len(sizes) > 1 or len(set(*sizes)) > 1):
        shown = ", ".join(f"{width}x{height}" for width, height in sorted(sizes)[:3])
        raise click.UsageError(
            f"the pictures in {folder} are not squares of one size ({shown}); give --image-size."
        )
    size, channels = image_size or next(iter(sizes))[0], 1 if grays == {True} else 3
    notes = {
        "gray pictures beside coloured ones, which get three equal channels": len(grays) > 1,
        "pictures with transparent parts, which become black": transparent,
    }
    if any(notes.values()):
        found = ", and ".join(note for note, applies in notes.items() if applies)
        click.echo(f"kerasgan: warning: {folder} holds {found}.", err=True)

    def read(file):
        try:
            return read_image(file, size, channels, "crop")
        except OSError as error:
            raise click.UsageError(f"{file} cannot be read as a picture: {error}") from error

    return files, read, (size, size, channels)

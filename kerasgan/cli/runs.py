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
from kerasgan.utils.printable import printable

SETTINGS = "run.json"
MODEL = "model.keras"
BEST = "best.keras"
PARTIAL = ".partial-"  # as in utils/files.py, which imports Keras
REPLACES = ".replaces"  # names the runs beside it that are removed once this one has an epoch
# What a run is computed on, which may change when it is continued on another machine.
MACHINE = ("data_dir", "devices", "save_minutes")
NONE = type(None)
# What is in run.json; what can be None may be missing.
TYPES = {
    "model": (str,),
    "data": (str,),
    "split": (str,),
    "data_dir": (str, NONE),
    "image_size": (int, NONE),
    "crop": (int, NONE),
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

data_dir = click.option("--data-dir", help="Where TensorFlow Datasets keeps its data.")
skip_damaged = click.option(
    "--skip-damaged",
    is_flag=True,
    default=None,  # or a run that is continued would be given it each time
    help="Leave out pictures that cannot be read, and say which.  [default: at most 1 % of them]",
)


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
    # The class's name is good, too, and hyphens are: DCGAN, WGANGP, wgan-gp.
    alike = {_plain(n): n for n in entries}
    name = alike.get(_plain(name), name)
    if name not in entries:
        near = difflib.get_close_matches(name, entries, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise click.UsageError(
            f"there is no model {name!r}; `kerasgan models` lists them: {', '.join(entries)}.{hint}"
        )
    return entries[name]


def _plain(name):
    return name.lower().replace("-", "").replace("_", "")


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
    """The settings with which a run was started.

    Raises:
        click.UsageError: when there are none, or when the file is damaged.
    """
    path = folder / SETTINGS
    if not path.exists():
        raise click.UsageError(f"{folder} is not a run folder: it has no {SETTINGS}.")
    settings = read_json(path)
    what_to_do = "Put a copy of it back, or train anew in another folder; the model is as it was."
    if not isinstance(settings, dict):
        raise click.UsageError(f"{path} is damaged: it holds no settings. {what_to_do}")
    for name, types in TYPES.items():
        value = settings.setdefault(name, None)
        if type(value) not in types:
            found = "it has no" if value is None else f"{value!r} is no"
            raise click.UsageError(f"{path} is damaged: {found} {name!r}. {what_to_do}")
    return settings


def read_json(path):
    """What is in a JSON file that another command wrote."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise click.UsageError(f"{path} is damaged: {error}") from error


def write_settings(folder, settings):
    """Writes the settings of a run."""
    write_json(folder / SETTINGS, settings)


def write_json(path, values):
    """Writes what JSON can hold to a file."""
    from kerasgan.utils.files import atomic_path

    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def unfinished(folder):
    """Where a run folder is made that is to take the place of another."""
    return folder.with_name(f"{PARTIAL}{folder.name}")


def replaced(folder):
    """The folders of the runs that the one in a folder replaces, until it has finished an epoch."""
    folder = folder.resolve()
    if not folder.name:
        return []
    # When it is missing, a process was killed between two renames.
    record = (folder if folder.exists() else unfinished(folder)) / REPLACES
    try:
        names = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    beside = [folder.with_name(name) for name in names if name == pathlib.Path(name).name]
    return [path for path in beside if path.is_dir() and not path.is_symlink()]


def mention_replaced(folder, err=True):
    """Says where the runs are that the one in a folder has yet to replace."""
    for old in replaced(folder):
        click.echo(
            f"kerasgan: note: {old} is the run that was in {folder} before --overwrite; it stays "
            "until the new one has finished an epoch.",
            err=err,
        )


def load_run(run_or_file):
    """Loads the model of a run folder, or of a `.keras` file."""
    path = pathlib.Path(run_or_file)
    file = path / MODEL if path.is_dir() else path
    mention_replaced(path)
    if not file.is_file():  # a pipe would be waited for
        what = f"{path} is no file" if path.exists() else f"{path} does not exist"
        what = f"the folder {path} holds no {MODEL}" if path.is_dir() else what
        raise click.UsageError(f"{what}; give a run folder or a .keras file.")
    if not zipfile.is_zipfile(file):
        raise click.UsageError(
            f"{file} cannot be loaded: it is damaged, or no .keras file; put a copy of it back."
        )
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


def read_label(model, text):
    """What `--label` says of a model: a class by its name or, if none is called so, its number.

    Returns:
        int or str, as `generate` takes it.
    """
    if text in (getattr(model, "class_names", None) or ()):
        return text
    try:
        return int(text)
    except ValueError:
        return text


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


def open_pictures(folder, image_size=None, skip_damaged=False):
    """Looks at every picture in a folder of somebody's generator.

    Args:
        folder: its path.
        image_size: int, the size that is wanted, or None for the pictures' own.
        skip_damaged: whether those that cannot be read are named and left out.

    Returns:
        The list of files, in sorted order; a function from a file to a uint8 array (size, size,
        channels); and that shape. One channel if all are gray, else three.
    """
    from kerasgan.data.folders import SUFFIXES, picture_files
    from kerasgan.data.images import open_upright, read_image

    files, good = picture_files(folder), []
    if not files:
        raise click.UsageError(
            f"{folder} holds neither {MODEL} nor pictures ({', '.join(SUFFIXES)})."
        )
    sizes, grays, transparent = set(), set(), False
    for file in files:
        try:
            picture = open_upright(file)
        except OSError as error:
            damaged(file, error, skip_damaged)
            continue
        good.append(file)
        sizes.add(picture.size)
        grays.add(picture.mode.startswith(("1", "L", "I")))
        transparent = transparent or picture.has_transparency_data
    if not good:
        raise click.UsageError(f"{folder} holds no picture that can be read.")
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
        click.echo(f"kerasgan: warning: {printable(folder)} holds {found}.", err=True)

    def read(file):
        return read_image(file, size, channels, "crop")

    return good, read, (size, size, channels)


def damaged(file, error, skip):
    """Says that a picture cannot be read, and that it is skipped or what skips it."""
    if not skip:
        raise click.UsageError(
            f"{file} cannot be read as a picture: {error}; remove or repair it, or leave it out "
            "with --skip-damaged."
        ) from error
    click.echo(f"skipped {printable(file)}: {printable(error)}", err=True)

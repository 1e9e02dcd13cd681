"""Checks of output paths: commands never overwrite a file of another kind than they write."""

import json
import zipfile

import click

from kerasgan.cli import run_folder
from kerasgan.cli.environment import import_keras

COMPARISON = "Runs compared"  # the title of the page


def check_file(option, path, kind):
    """Checks that a file can be written, before there is work to lose.

    Args:
        option: str, which names the file, `"--out"`.
        path: the file.
        kind: one of `KINDS`.

    Raises:
        click.UsageError: for another suffix, a folder, or an existing file of another kind.
    """
    suffix, what, _ = KINDS[kind]
    if path.is_dir():
        raise click.UsageError(f"{option} {path} is a folder; name a file.")
    if path.suffix.lower() != suffix:
        raise click.UsageError(f"{option} {path}: this writes {what}, so name it {suffix}.")
    check_existing(option, path, kind)


def check_by_suffix(option, path, kinds):
    """Calls `check_file` for the kind that a file's suffix names.

    Args:
        option, path: as there.
        kinds: sequence of names in `KINDS`.
    """
    named = [kind for kind in kinds if KINDS[kind][0] == path.suffix.lower()]
    if not named:
        accepted = ", ".join(f"{KINDS[kind][0]} ({KINDS[kind][1]})" for kind in kinds)
        raise click.UsageError(
            f"{option} {path}: the suffix says what to write; use one of {accepted}."
        )
    check_file(option, path, named[0])


def check_existing(option, path, kind):
    """Checks that a file is missing, empty, or of the kind that will be written there."""
    if not path.exists() or (path.is_file() and not path.stat().st_size):
        return
    _, what, is_written = KINDS[kind]
    if run_folder.is_of_a_run(path):
        raise click.UsageError(
            f"{option}: {path} is a file of the run in this folder; choose another name."
        )
    if not path.is_file() or not is_written(path):
        raise click.UsageError(
            f"{option}: {path} exists already and is not {what} that kerasgan wrote, so it is not "
            "replaced; move it away, or choose another name."
        )


def check_folder(option, path):
    """Checks that files can be written into a folder, which may be missing."""
    if path.exists() and not path.is_dir():
        raise click.UsageError(f"{option} {path} is a file; name a folder.")


def _is_comparison(path):
    with open(path, "rb") as file:
        return f"<title>{COMPARISON}</title>".encode() in file.read(1000)


def _is_evaluation(path):
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return isinstance(written, dict) and {"kerasgan", "results"} <= set(written)


def _is_model(path):
    try:
        with zipfile.ZipFile(path) as archive:
            return b'"kerasgan' in archive.read("config.json")
    except (zipfile.BadZipFile, KeyError):
        return False


def _is_picture(path):
    import_keras()
    from kerasgan import pictures

    return pictures.is_written(path)


def _is_animation(path):
    import_keras()
    from kerasgan import pictures

    return pictures.is_animation(path)


def _is_arrays(path):
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as file:
            return "space" in file.files
    except Exception:  # NumPy raises many kinds
        return False


KINDS = {
    "arrays": (".npz", "arrays", _is_arrays),
    "comparison": (".html", "a page that compares runs", _is_comparison),
    "evaluation": (".json", "the results of an evaluation", _is_evaluation),
    "model": (".keras", "a model", _is_model),
    "gif": (".gif", "an animation", _is_animation),
    "mp4": (".mp4", "an animation", _is_animation),
    "picture": (".png", "a picture", _is_picture),
}

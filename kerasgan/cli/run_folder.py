"""The folder of a run: its files, its lock, and the run that it replaces."""

import contextlib
import os
import pathlib
import re
import shutil
import socket

import click

from kerasgan.cli import runs
from kerasgan.utils import files

LOCK = ".lock"

# Files that kerasgan writes into the folder of a run, so that `--overwrite` may replace them. It
# may also replace SavedModels and the files of `kerasgan serving-config`, anywhere in the folder.
WRITTEN = re.compile(
    r"run\.json|model\.keras|best\.keras|history\.csv|curves\.png|diversity\.png|report\.html|"
    r"samples\.gif|samples/((epoch_\d+|unfinished)\.png|axes\.json)|evaluation\.json|\.lock|"
    r"\.replaces|tensorboard/(train|validation)/events\.out\.tfevents\..*"
)
# The one that a command other than `train` writes.
RESULTS = "evaluation.json"


def is_of_a_run(file):
    """Whether a file lies in the folder of a run and was written by its training."""
    file = file.resolve()
    return file.name != RESULTS and any(
        (folder / runs.SETTINGS).exists() and WRITTEN.fullmatch(file.relative_to(folder).as_posix())
        for folder in file.parents[:2]
    )


def foreign_files(folder):
    """The files in a run folder that kerasgan did not write there, as a sorted list of paths.

    Links count as such, whatever they point to.
    """
    from kerasgan.serving import folders

    def fail(error):
        raise error

    foreign = []
    for place, subfolders, names in os.walk(folder, onerror=fail):
        place = pathlib.Path(place)
        subfolders[:] = [name for name in subfolders if not name.startswith(files.PARTIAL)]
        names = [name for name in names if not name.startswith(files.PARTIAL)]
        links = [name for name in subfolders if (place / name).is_symlink()]
        if folders.is_exported(place):
            foreign += folders.foreign_files(place)
            subfolders.clear()
            continue
        for file in (place / name for name in (*names, *links)):
            written = WRITTEN.fullmatch(file.relative_to(folder).as_posix())
            ours = written or folders.is_configuration(file)
            if not ours or file.is_symlink() or not file.is_file():
                foreign.append(file)
    return sorted(foreign)


def prepare(out, overwrite):
    """Checks that a new run can have a folder to itself, before there is work to lose.

    Raises:
        click.UsageError: when the folder has a run and `overwrite` is False, when it holds other
            files, or when it cannot be set aside.
    """
    folder = out.resolve()
    if folder.exists() and not folder.is_dir():
        raise click.UsageError(f"{out} is a file; choose another --out.")
    replaced = runs.replaced(folder)
    if _is_empty(folder):
        if replaced and not overwrite:
            raise click.UsageError(
                f"{_listed(replaced)} holds the run that an interrupted --overwrite was replacing; "
                f"rename it to {out} to have it back, or give --overwrite again."
            )
        return
    if not overwrite:
        raise click.UsageError(
            f"{out} exists already; continue it with --resume, replace it with --overwrite, or "
            "choose another --out."
        )
    try:
        runs.read_settings(folder)
    except click.UsageError as error:
        raise click.UsageError(f"{error.message} So --overwrite leaves {out} alone.") from error
    if pathlib.Path.cwd().is_relative_to(folder):
        raise click.UsageError(
            f"--overwrite moves the old run aside, but {out} is the current folder or contains "
            "it; change to another folder first."
        )
    foreign = foreign_files(folder)
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise click.UsageError(
            f"{out} holds {foreign[0].relative_to(folder)}{more}, which kerasgan did not write "
            "there, so --overwrite leaves it alone; move that away, or choose another --out."
        )


def begin(out, overwrite):
    """Creates the folder of a new run, and locks it until the command ends.

    An earlier run is renamed in one step to a folder beside it, which stays until
    `remove_replaced`.
    """

    folder = out.resolve()
    context = click.get_current_context()
    if not _is_empty(folder):
        with locked(out):
            prepare(out, overwrite)
            _set_aside(folder)
        click.echo(
            f"The previous run of {out} stays in {_listed(runs.replaced(folder))} until this one "
            "has finished an epoch."
        )
    replaced = runs.replaced(folder)
    files.make_folder(folder)
    context.with_resource(locked(out))
    if not _is_empty(folder):  # another process was faster
        raise click.UsageError(f"{out} exists already; choose another --out.")
    if replaced:
        runs.write_json(folder / runs.REPLACES, [old.name for old in replaced])
        shutil.rmtree(runs.unfinished(folder), ignore_errors=True)  # which said so until now
    context.call_on_close(lambda: runs.mention_replaced(out, err=False))


def _set_aside(folder):

    number, old = 1, folder.with_name(f"{folder.name}.old")
    while os.path.lexists(old):
        number += 1
        old = folder.with_name(f"{folder.name}.old-{number}")
    # The new folder records the old one's path before it moves, so that it is never lost.
    new = runs.unfinished(folder)
    shutil.rmtree(new, ignore_errors=True)
    try:
        names = [*(earlier.name for earlier in runs.replaced(folder)), old.name]
        runs.write_json(new / runs.REPLACES, names)
        files.move(folder, old)
    except OSError as error:
        shutil.rmtree(new, ignore_errors=True)
        raise click.UsageError(
            f"--overwrite cannot rename {folder} to {old.name} ({error.strerror}), so nothing was "
            "changed; choose another --out."
        ) from error
    files.move(new, folder)


def remove_replaced(out):
    """Removes the runs that the run in a folder replaces, if their folders hold nothing else."""

    folder = out.resolve()
    for old in runs.replaced(folder):
        try:
            foreign = foreign_files(old)
            if not foreign:
                removed = runs.unfinished(old)  # half of a run must not be mistaken for a run
                shutil.rmtree(removed, ignore_errors=True)
                files.move(old, removed)
                shutil.rmtree(removed)
                continue
            why = f"it holds {foreign[0].relative_to(old)}, which kerasgan did not write there"
        except OSError as error:
            why = f"{error.strerror}: {error.filename}"
        click.echo(f"kerasgan: warning: the replaced run stays in {old}: {why}.", err=True)
    (folder / runs.REPLACES).unlink(missing_ok=True)


def _is_empty(folder):
    """Whether a folder is missing, or holds only what a failed start leaves."""
    return not folder.exists() or all(
        path.name in (LOCK, runs.REPLACES) or path.name.startswith(files.PARTIAL)
        for path in folder.iterdir()
    )


def _listed(paths):
    return " and ".join(map(str, paths))


@contextlib.contextmanager
def locked(out):
    """Locks the folder of a run against other processes; the lock ends with the process.

    Raises:
        click.UsageError: when another process holds the lock.
    """
    path = out.resolve() / LOCK
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        if not _lock(descriptor):
            holder = os.read(descriptor, 1000).decode(errors="replace").strip()
            os.close(descriptor)
            raise click.UsageError(
                f"{out} is in use: {holder or 'another process'} trains in it. Wait until it "
                "ends, stop it, or choose another --out."
            )
        if _is_at(path, descriptor):
            break
        os.close(descriptor)  # its last holder has just removed it
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
    try:
        yield
    finally:
        if _is_at(path, descriptor):  # and not in a folder that was set aside
            path.unlink()
        os.close(descriptor)


def _is_at(path, descriptor):
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


try:
    import fcntl
except ModuleNotFoundError:  # Windows
    import msvcrt

    def _lock(descriptor):
        """Locks a file; whether that worked."""
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # a locked byte cannot be read
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True
else:

    def _lock(descriptor):
        """Locks a file; whether that worked."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system that has no locks
            return True
        return True

"""Writing so that a run that is killed or loses power loses nothing that was there before."""

import contextlib
import errno
import os
import pathlib
import shutil

PARTIAL = ".partial-"  # begins the name of what is not finished


@contextlib.contextmanager
def atomic_path(path):
    """A temporary path beside `path`, renamed to `path` when the block ends well.

    Until the rename, `path` holds what it held before; if the block raises, it still does and
    the temporary file or folder is removed. A process that is killed leaves one `.partial-`
    file behind, which the next write to the same path replaces.

    What was written is on the disk before it is renamed, and the new name is before the block
    ends. So after a power failure, too, `path` is either the old or the new one, and whole.

    Args:
        path: the file or folder to write. Missing parent folders are made. An existing folder
            is replaced only if it is empty.

    Yields:
        A `pathlib.Path` with the same suffix as `path`, which does not exist yet.

    Example:

    >>> with atomic_path("notes.txt") as temporary:
    ...     size = temporary.write_text("all of it, or nothing")
    """
    path = pathlib.Path(path)
    make_folder(path.parent)
    temporary = path.with_name(f"{PARTIAL}{path.name}")
    _remove(temporary)
    try:
        yield temporary
        for written in (temporary, *temporary.rglob("*")):
            _sync(written)
        move(temporary, path)
    except BaseException:
        _remove(temporary)
        raise


def move(source, target):
    """Renames a file or a folder; the new name is on the disk when this returns.

    Args:
        source: path of a file or a folder.
        target: path beside it. An existing file is replaced, an existing folder only if empty.
    """
    os.replace(source, target)
    _sync(pathlib.Path(target).parent)


def append(path, text):
    """Adds text to the end of a file; it is on the disk when this returns.

    Args:
        path: the file, which is made if it is missing.
        text: str.
    """
    path = pathlib.Path(path)
    existed = path.exists()
    with open(path, "a", newline="", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if not existed:
        _sync(path.parent)


def make_folder(folder):
    """Makes a folder and its missing parents; their names are on the disk when this returns."""
    folder = pathlib.Path(folder)
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        _sync(path.parent)


def _sync(path):
    """Waits until a file's content, or the names in a folder, are on the disk."""
    is_folder = path.is_dir()
    if is_folder and os.name == "nt":
        return  # Windows opens no folders
    # Windows wants to write to what it syncs.
    descriptor = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that cannot
            raise
    finally:
        os.close(descriptor)


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

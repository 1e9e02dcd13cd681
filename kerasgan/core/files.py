"""Writing so that a killed or failed run loses nothing that was there before."""

import contextlib
import os
import pathlib
import shutil


@contextlib.contextmanager
def atomic_path(path):
    """A temporary path beside `path`, renamed to `path` when the block ends well.

    Until the rename, `path` holds what it held before; if the block raises, it still does and
    the temporary file or folder is removed. A process that is killed leaves one `.partial-`
    file behind, which the next write to the same path replaces.

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
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".partial-{path.name}")
    _remove(temporary)
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        _remove(temporary)
        raise


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

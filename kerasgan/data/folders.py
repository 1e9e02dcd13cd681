"""Finds the pictures, splits and classes in a folder."""

import contextlib
import pathlib
import stat
import sys

from PIL import Image

from kerasgan.utils.printable import printable

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif")
# The names of each split, in lower case.
SPLITS = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "validation": ("validation", "valid", "val"),
}
# Files that operating systems put into folders, in lower case.
FOREIGN = {
    "__macosx",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "@eadir",
}
NAMED = 3  # examples to name of each kind of file that is left out


def picture_files(folder):
    """The pictures in a folder and its subfolders, in sorted order.

    It follows links and ignores hidden files and those that operating systems leave behind; other
    files that are not pictures are counted and named on stderr.

    Args:
        folder: `pathlib.Path`.

    Returns:
        List of `pathlib.Path`.

    Raises:
        ValueError: for a link to a folder that contains it.
        OSError: for a folder that you have no permission to read.
    """
    left_out = {}
    files = sorted(_pictures(folder, left_out))
    report(folder, left_out)
    return files


def has_pictures(folder):
    """Whether there are pictures in a folder or its subfolders."""
    return next(_pictures(folder, {}), None) is not None


def contents(folder):
    """The contents of a folder in sorted order, without hidden and operating system files."""
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and path.name.lower() not in FOREIGN
    )


def subfolders(folder):
    """The folders in a folder, in sorted order; see `contents`."""
    return [path for path in contents(folder) if path.is_dir()]


def report(folder, left_out):
    """Says on stderr which files in a folder are left out.

    Args:
        folder: its path.
        left_out: dict from a kind of file, such as "broken links", to a list of their paths.
    """
    if not left_out:
        return
    kinds = []
    for kind, paths in sorted(left_out.items()):
        names = [printable(path.relative_to(folder)) for path in sorted(paths)[:NAMED]]
        more = ", ..." if len(paths) > NAMED else ""
        kinds.append(f"{printable(kind)}: {len(paths)} ({', '.join(names)}{more})")
    print(f"left out of {printable(folder)}, {'; '.join(kinds)}", file=sys.stderr)


def _pictures(folder, left_out):
    """Finds the pictures in a folder; other files go into a dict, see `report`."""
    waiting = [(folder, frozenset())]
    while waiting:
        here, inside = waiting.pop()
        status = here.stat()
        identity = status.st_dev, status.st_ino
        if identity in inside:
            raise ValueError(
                f"{printable(here)} is a link to a folder that contains it; remove the link."
            )
        for path in contents(here):
            try:
                mode = path.stat().st_mode
            except OSError:
                _add(left_out, "broken links", path)
                continue
            if stat.S_ISDIR(mode):
                waiting.append((path, inside | {identity}))
            elif not stat.S_ISREG(mode):
                _add(left_out, "pipes, sockets or devices", path)
            elif path.suffix.lower() in SUFFIXES:
                yield path
            else:
                _add(left_out, f"files {path.suffix.lower() or 'without a suffix'}", path)


def _add(left_out, kind, path):
    left_out.setdefault(kind, []).append(path)


def sides(folder, count=200):
    """The shorter sides of some pictures, spread evenly over a folder: list of int.

    It skips pictures that cannot be read; reading the whole folder reports them.

    Args:
        folder: `pathlib.Path`.
        count: int, the largest number of pictures to read.
    """
    files = sorted(_pictures(folder, {}))
    found = []
    for file in files[:: max(1, len(files) // count)]:
        with contextlib.suppress(OSError), Image.open(file) as picture:
            found.append(min(picture.size))
    return found


# Splits and classes -------------------------------------------------------------------------------


def split_folders(folder, ending=""):
    """The subfolders that are splits by their names: `train`, `Test`, `val`, ...

    Args:
        folder: `pathlib.Path`.
        ending: str in lower case, a suffix of the names.

    Returns:
        Dict from "train", "test" or "validation" to a path.

    Raises:
        ValueError: for two folders of the same split.
    """
    found = {}
    for path in subfolders(folder):
        name = path.name.lower()
        split = split_name(name.removesuffix(ending)) if name.endswith(ending) else None
        if split not in SPLITS:
            continue
        if split in found:
            raise ValueError(
                f"the folders {printable(found[split])} and {printable(path)} would both be "
                f"split={split!r}; rename one of them, or put all into one."
            )
        found[split] = path
    return found


def split_name(split):
    """The standard name of a split, given any of its names."""
    named = (known for known, names in SPLITS.items() if str(split).lower() in names)
    return next(named, split)


def choose_split(folder, split):
    """The folder of a split, and all folders that share its classes.

    Args:
        folder: `pathlib.Path`.
        split: str.

    Returns:
        A path, which is `folder` itself if that has no splits, and a list of paths.

    Raises:
        ValueError: for a split that does not exist.
    """
    splits = split_folders(folder)
    if not splits:
        if split_name(split) != "train":
            raise ValueError(
                f"split={split!r}: the folder {printable(folder)} has no subfolders train and "
                f"{printable(split)}, so all of its pictures are split='train'."
            )
        return folder, [folder]
    if split_name(split) not in splits:
        has = ", ".join(printable(splits[name].name) for name in SPLITS if name in splits)
        raise ValueError(f"split={split!r} of {str(folder)!r} does not exist; it has {has}.")
    beside = [path for path in contents(folder) if path not in splits.values()]
    report(folder, {"beside the splits": beside} if beside else {})
    return splits[split_name(split)], list(splits.values())


def class_folders(roots):
    """The names of the classes of a data set: tuple of str, in sorted order.

    They are those of all splits together, so that numbers agree even if a split lacks a class.

    Args:
        roots: the folders of its splits. A folder whose pictures are not all in subfolders has no
            classes.
    """
    names = set()
    for root in roots:
        folders = subfolders(root)
        if not any(path.suffix.lower() in SUFFIXES and path.is_file() for path in contents(root)):
            names |= {path.name for path in folders if has_pictures(path)}
    return tuple(sorted(names))


def regular_file(path):
    """Checks that a path is a regular file.

    Raises:
        FileNotFoundError: when there is none.
        ValueError: for a folder, a pipe, a socket or a device.
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{printable(path)} does not exist.")
    if not path.is_file():
        raise ValueError(
            f"{printable(path)} is not a file; a folder, a pipe or a device cannot be read."
        )
    return path

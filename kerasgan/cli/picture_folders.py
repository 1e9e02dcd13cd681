"""Folders of pictures from any generator."""

import click

from kerasgan.cli.runs import MODEL
from kerasgan.presets.catalogue import is_folder
from kerasgan.utils.printable import printable


def is_folder_of_pictures(path):
    """Whether a path is a folder, and neither that of a run nor a preset."""
    return path.is_dir() and not (path / MODEL).exists() and not is_folder(path)


def open_pictures(folder, image_size=None, skip_damaged=False):
    """Checks every picture in a folder from any generator.

    Args:
        folder: its path.
        image_size: int, the size to resize to, or None for the pictures' own.
        skip_damaged: whether to name and leave out pictures that cannot be read.

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
    """Says that a picture cannot be read, and that it is skipped or how to skip it."""
    if not skip:
        raise click.UsageError(
            f"{file} cannot be read as a picture: {error}; remove or repair it, or leave it out "
            "with --skip-damaged."
        ) from error
    click.echo(f"skipped {printable(file)}: {printable(error)}", err=True)

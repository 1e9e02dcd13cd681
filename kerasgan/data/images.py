"""Converts pictures of any kind to uint8 arrays of one size and number of channels."""

import contextlib

import numpy as np
from PIL import Image, ImageOps

from kerasgan.data.folders import regular_file
from kerasgan.utils.printable import printable

FITS = ("crop", "pad")


def fit_image(picture, image_size=None, channels=None, fit="crop"):
    """Resizes a picture to a square of `image_size` pixels.

    Args:
        picture: a `PIL.Image.Image` of any mode, or a uint8 array (height, width, channels).
        image_size: int, or None to keep the size.
        channels: 1 or 3, or None to keep them (for arrays only).
        fit: how to make a picture square: `"crop"` keeps the centre, `"pad"` adds black borders.

    Returns:
        uint8 array (image_size, image_size, channels). Transparent parts become black.
    """
    if isinstance(picture, np.ndarray):
        if channels in (None, picture.shape[-1]) and _has_size(picture.shape, image_size):
            return picture
        channels = channels or picture.shape[-1]
        squeezed = picture[..., 0] if picture.shape[-1] == 1 else picture
        picture = Image.fromarray(np.ascontiguousarray(squeezed))
    picture = _eight_bit(picture, channels)
    if image_size is not None and picture.size != (image_size, image_size):
        size = (image_size, image_size)
        # Lanczos filters over the whole area of the new pixel, so it is antialiased.
        if fit == "pad":
            picture = ImageOps.pad(picture, size, Image.Resampling.LANCZOS, color=0)
        else:
            picture = ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
    array = np.asarray(picture, dtype="uint8")
    return array[..., None] if array.ndim == 2 else array


def read_image(path, image_size, channels, fit):
    """Reads a file and fits it with `fit_image`; of an animation, the first frame.

    Raises:
        OSError: when the file is not a picture or is damaged.
    """
    with unreadable():
        return fit_image(open_upright(path), image_size, channels, fit)


def read_named(path, image_size, channels, fit):
    """As `read_image`, with errors that name the file.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: for a folder, or a file that is not a picture or is damaged.
    """
    path = regular_file(path)
    try:
        return read_image(path, image_size, channels, fit)
    except OSError as error:
        raise ValueError(
            f"{printable(path)} cannot be read as a picture: {printable(error)}"
        ) from error


def open_upright(path):
    """Opens a file as a `PIL.Image.Image`, rotated as its EXIF orientation says.

    Raises:
        OSError: when the file is not a picture or is damaged.
    """
    with unreadable(), Image.open(path) as picture:
        picture.load()
        if picture.mode in ("I", "F"):
            low, high = picture.getextrema()
            if picture.mode == "F" or low < 0 or high > 65535:
                raise OSError("its pixels are 32-bit numbers; save it with 8 or 16 bits.")
        return ImageOps.exif_transpose(picture)


@contextlib.contextmanager
def unreadable():
    """Turns any error of an image decoder, which damaged files cause, into an OSError."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error


def _has_size(shape, image_size):
    return image_size is None or shape[:2] == (image_size, image_size)


def _eight_bit(picture, channels):
    mode = "L" if channels == 1 else "RGB"
    if picture.mode.startswith("I"):  # 16 bits a pixel, which convert() would clip at 255
        values, transparent = np.asarray(picture), picture.info.get("transparency")
        picture = Image.fromarray(np.round(values / 257.0).astype("uint8"))
        if transparent is not None:
            picture.putalpha(Image.fromarray(values != transparent).convert("L"))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        opaque = Image.new("RGBA", picture.size, (0, 0, 0, 255))
        picture = Image.alpha_composite(opaque, picture)
    return picture.convert(mode)

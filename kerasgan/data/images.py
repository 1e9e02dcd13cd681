"""One picture of any kind becomes uint8 of one size and number of channels."""

import numpy as np
from PIL import Image, ImageOps

FITS = ("crop", "pad")


def fit_image(picture, image_size=None, channels=None, fit="crop"):
    """Brings a picture to a square of `image_size` pixels.

    Args:
        picture: a `PIL.Image.Image` of any mode, or a uint8 array (height, width, channels).
        image_size: int, or None to leave the size alone.
        channels: 1 or 3, or None to leave them alone (then only for arrays).
        fit: what a picture that is not square becomes: `"crop"` keeps the centre, `"pad"` adds
            black borders.

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
        # Lanczos filters over the whole area that a pixel stands for: it is antialiased.
        if fit == "pad":
            picture = ImageOps.pad(picture, size, Image.Resampling.LANCZOS, color=0)
        else:
            picture = ImageOps.fit(picture, size, Image.Resampling.LANCZOS)
    array = np.asarray(picture, dtype="uint8")
    return array[..., None] if array.ndim == 2 else array


def read_image(path, image_size, channels, fit):
    """Reads and fits a file; an animation gives its first frame.

    Raises:
        OSError: when the file is not a picture or is damaged.
    """
    with Image.open(path) as picture:
        picture.load()
        return fit_image(ImageOps.exif_transpose(picture), image_size, channels, fit)


def _has_size(shape, image_size):
    return image_size is None or shape[:2] == (image_size, image_size)


def _eight_bit(picture, channels):
    mode = "L" if channels == 1 else "RGB"
    if picture.mode.startswith("I"):  # 16 bits a pixel, which convert() would clip at 255
        values = np.asarray(picture, dtype="float64")
        picture = Image.fromarray(np.clip(np.round(values / 257.0), 0, 255).astype("uint8"))
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        opaque = Image.new("RGBA", picture.size, (0, 0, 0, 255))
        picture = Image.alpha_composite(opaque, picture)
    return picture.convert(mode)

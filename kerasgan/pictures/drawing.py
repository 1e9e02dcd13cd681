"""Arrays of images and points become picture files."""

import io
import math
import warnings

import numpy as np
from PIL import Image, PngImagePlugin

from kerasgan.utils.files import atomic_path
from kerasgan.utils.images import to_uint8

GAP = 2  # white pixels between the images of a grid
SOFTWARE = "kerasgan"  # what the PNG files say that they were written by


class DamagedPictureWarning(UserWarning):
    """A picture that was drawn earlier cannot be read, and is left out."""


def draw(samples, columns=None, limits=None):
    """One picture of many samples: images in a grid, vectors as points of their first two axes.

    Args:
        samples: (n, height, width, channels) in [-1, 1], or (n, d). 2 channels are shown as red
            and green; of more than 3 the first 3 are.
        columns: images in a row; None makes the grid as square as it can be.
        limits: for vectors, (low, high) of both axes; None fits them to the samples.

    Returns:
        uint8 array (height, width, 3).
    """
    samples = np.asarray(samples)
    return _grid(samples, columns) if samples.ndim == 4 else _scatter(samples, limits)


def strip(rows):
    """One picture of rows of images that belong together, such as before, after and target.

    Args:
        rows: list of arrays (n, height, width, channels) in [-1, 1]; see `draw`. Smaller ones are
            enlarged by whole pixels.

    Returns:
        uint8 array (height, width, 3).
    """
    rows = [np.asarray(row) for row in rows]
    height = max(row.shape[1] for row in rows)
    same = []
    for row in rows:
        zoom = height // row.shape[1]
        row = row.repeat(zoom, axis=1).repeat(zoom, axis=2)
        same.append(_coloured(row))
    return _grid(np.concatenate(same), columns=len(rows[0]))


def _grid(images, columns):
    count, height, width, _ = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    # Small images are enlarged by whole pixels, or nobody could see them.
    zoom = max(1, 512 // max(rows * height, columns * width))
    images = to_uint8(_coloured(images)).repeat(zoom, axis=1).repeat(zoom, axis=2)
    cell = np.array(images.shape[1:3]) + GAP
    grid = np.full((rows * cell[0] - GAP, columns * cell[1] - GAP, 3), 255, "uint8")
    for index, image in enumerate(images):
        top, left = np.array(divmod(index, columns)) * cell
        grid[top : top + height * zoom, left : left + width * zoom] = image
    return grid


def _coloured(images):
    """Images with three channels."""
    if images.shape[-1] == 1:
        return images.repeat(3, axis=-1)
    missing = max(0, 3 - images.shape[-1])
    return np.pad(images[..., :3], [(0, 0)] * 3 + [(0, missing)], constant_values=-1.0)


def _scatter(points, limits):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.add_subplot()
    second = points[:, 1] if points.shape[1] > 1 else np.zeros(len(points))
    axes.scatter(points[:, 0], second, s=4, alpha=0.5, linewidths=0)
    if limits is not None:
        axes.set(xlim=limits, ylim=limits)
    axes.set_aspect("equal", adjustable="datalim" if limits is None else "box")
    return figure_pixels(figure)


def figure_pixels(figure, dpi=100):
    """A matplotlib figure as a uint8 array (height, width, 3)."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi)
    return np.asarray(Image.open(file).convert("RGB"))


def write_png(path, picture):
    """Writes a uint8 array (height, width, 1 to 4 channels) as a PNG file."""
    picture = picture[..., 0] if picture.shape[-1] == 1 else picture
    text = PngImagePlugin.PngInfo()
    text.add_text("Software", SOFTWARE)
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG", pnginfo=text)


def write_animation(path, frames, milliseconds=100):
    """Writes frames as an animation, a GIF or an MP4 file.

    Args:
        path: the file, whose suffix is `.gif` or `.mp4`; the latter needs `imageio-ffmpeg`.
        frames: list of uint8 arrays (height, width, 3) of one shape.
        milliseconds: int, how long each is shown.
    """
    from imageio import v2, v3

    with atomic_path(path) as temporary:
        if temporary.suffix.lower() == ".gif":
            settings = {"duration": milliseconds, "loop": 0, "comment": SOFTWARE.encode()}
            v3.imwrite(temporary, np.stack(frames), extension=".gif", **settings)
            return
        even = [(0, n % 2) for n in frames[0].shape[:2]]  # which its colours need
        said = ["-metadata", f"comment={SOFTWARE}"]
        settings = {"macro_block_size": 2, "codec": "libx264", "output_params": said}
        rate = 1000 / milliseconds
        with v2.get_writer(temporary, format="FFMPEG", fps=rate, **settings) as writer:
            for frame in frames:
                writer.append_data(np.pad(frame, [*even, (0, 0)], constant_values=255))


def is_animation(path):
    """Whether a file is an animation that `write_animation` wrote."""
    with open(path, "rb") as file:
        found = file.read()
    kind = found.startswith(b"GIF8") or found[4:8] == b"ftyp"
    return kind and SOFTWARE.encode() in found


def is_written(path):
    """Whether a file is a picture that `write_png` wrote."""
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            return picture.info.get("Software") == SOFTWARE
    except Exception:  # Pillow raises many kinds
        return False


def read(path):
    """Reads a picture file: uint8 (height, width, 3), or None after a warning if it is damaged."""
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))
    except Exception as error:  # Pillow raises many kinds
        message = f"{path} cannot be read as a picture, and is left out: {error}"
        warnings.warn(message, DamagedPictureWarning, stacklevel=2)
        return None


def write_gif(path, frames, milliseconds=250):
    """Joins PNG files into an animated GIF that rests on its last frame.

    Args:
        path: the file to write.
        frames: list of paths of PNG files, in order; damaged ones are left out.
        milliseconds: how long each frame is shown, the last one eight times as long.
    """
    arrays = filter(lambda array: array is not None, map(read, frames))
    pictures = [Image.fromarray(array).quantize(64) for array in arrays]
    if not pictures:
        return
    durations = [milliseconds] * (len(pictures) - 1) + [8 * milliseconds]
    with atomic_path(path) as temporary:
        pictures[0].save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=pictures[1:],
            duration=durations,
            loop=0,
        )

"""Arrays of images and points become picture files."""

import io
import math

import numpy as np
from PIL import Image

from kerasgan.core.files import atomic_path
from kerasgan.core.images import to_uint8

GAP = 2  # white pixels between the images of a grid


def draw(samples, columns=None, limits=None):
    """One picture of many samples: images in a grid, vectors as points of their first two axes.

    Args:
        samples: (n, height, width, channels) in [-1, 1] with 1 or 3 channels, or (n, d).
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
        rows: list of arrays (n, height, width, channels) in [-1, 1] with 1 or 3 channels. Smaller
            ones are enlarged by whole pixels.

    Returns:
        uint8 array (height, width, 3).
    """
    rows = [np.asarray(row) for row in rows]
    height = max(row.shape[1] for row in rows)
    same = []
    for row in rows:
        zoom = height // row.shape[1]
        row = row.repeat(zoom, axis=1).repeat(zoom, axis=2)
        same.append(row if row.shape[-1] == 3 else row.repeat(3, axis=-1))
    return _grid(np.concatenate(same), columns=len(rows[0]))


def _grid(images, columns):
    count, height, width, _ = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    # Small images are enlarged by whole pixels, or nobody could see them.
    zoom = max(1, 512 // max(rows * height, columns * width))
    images = to_uint8(images).repeat(zoom, axis=1).repeat(zoom, axis=2)
    cell = np.array(images.shape[1:3]) + GAP
    grid = np.full((rows * cell[0] - GAP, columns * cell[1] - GAP, 3), 255, "uint8")
    for index, image in enumerate(images):
        top, left = np.array(divmod(index, columns)) * cell
        grid[top : top + height * zoom, left : left + width * zoom] = image
    return grid


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
    """Writes a uint8 array (height, width, 1 or 3) as a PNG file."""
    picture = picture[..., 0] if picture.shape[-1] == 1 else picture
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")


def write_gif(path, frames, milliseconds=250):
    """Joins PNG files into an animated GIF that rests on its last frame.

    Args:
        path: the file to write.
        frames: list of paths of PNG files, in order.
        milliseconds: how long each frame is shown, the last one eight times as long.
    """
    pictures = [Image.open(frame).convert("RGB").quantize(64) for frame in frames]
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

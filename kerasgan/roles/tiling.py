"""Tiled translation, for images larger than a network accepts."""

from collections.abc import Callable

import numpy as np


def translate_tiled(
    translate: Callable,
    images: np.ndarray,
    multiple: int,
    tile: int = 512,
    overlap: int = 64,
    scale: int = 1,
    least: int = 1,
    channels: int | None = None,
) -> np.ndarray:
    """Applies a function to images that are too large for it, in overlapping tiles.

    Args:
        translate: function from float32 (batch, h, w, c) to (batch, h * scale, w * scale, d), for
            h and w that are multiples of `multiple`.
        images: float32 array (num_images, height, width, c).
        multiple: int.
        tile: int, the largest h and w; rounded down to a multiple.
        overlap: int, how many pixels tiles share, over which they are blended.
        scale: int, by how much the function enlarges.
        least: int, the smallest h and w.
        channels: int, d; None for c.

    Returns:
        float32 array (num_images, height * scale, width * scale, d).

    Raises:
        ValueError: for tiles too small for the multiple or the overlap.

    Example:

    >>> images = np.random.default_rng(0).random((1, 50, 70, 3), "float32")
    >>> tiled = translate_tiled(lambda x: 2 * x, images, multiple=8, tile=32, overlap=8)
    >>> bool(np.allclose(tiled, 2 * images))
    True
    """
    smallest = -(-max(multiple, least) // multiple) * multiple
    if tile < smallest or not 0 <= overlap < tile // multiple * multiple:
        raise ValueError(
            f"tile={tile} and overlap={overlap}; use a tile of at least {smallest} pixels, which "
            f"is rounded down to a multiple of {multiple}, and an overlap below that."
        )
    tile = tile // multiple * multiple
    height, width = images.shape[1:3]
    rows, columns = (_starts(max(size, least), multiple, tile, overlap) for size in (height, width))
    padded = np.pad(
        images,
        ((0, 0), (0, rows[-1][1] - height), (0, columns[-1][1] - width), (0, 0)),
        mode="symmetric",
    )
    shape = (padded.shape[1] * scale, padded.shape[2] * scale)
    result = np.zeros((len(images), *shape, channels or images.shape[-1]), "float32")
    for number, image in enumerate(padded):
        weights = np.zeros((*shape, 1), "float32")
        for top, bottom in rows:
            for left, right in columns:
                part = translate(image[None, top:bottom, left:right])[0]
                ramp = _ramp(bottom - top, overlap)[:, None] * _ramp(right - left, overlap)[None]
                ramp = ramp.repeat(scale, axis=0).repeat(scale, axis=1)[:, :, None]
                where = (
                    slice(top * scale, bottom * scale),
                    slice(left * scale, right * scale),
                )
                result[number][where] += ramp * part
                weights[where] += ramp
        result[number] /= weights
    return result[:, : height * scale, : width * scale]


def _starts(size, multiple, tile, overlap):
    """Begin and end of each tile along a side; the last end may be beyond it."""
    rounded = -(-size // multiple) * multiple
    if rounded <= tile:
        return [(0, rounded)]
    step = tile - overlap
    count = -(-(rounded - tile) // step) + 1
    starts = np.linspace(0, rounded - tile, count).round().astype(int)
    return [(int(start), int(start) + tile) for start in starts]


def _ramp(size, overlap):
    """Weights that rise from the edge to 1 over the overlap; never 0."""
    distance = np.minimum(np.arange(1, size + 1), np.arange(size, 0, -1))
    return np.minimum(distance / (overlap + 1), 1.0).astype("float32")

"""The colours with which somebody draws what a model translates."""

import numpy as np

LARGEST_NUMBER = 12
LEAST_SHARE = 0.002  # of all pixels, that a colour has to have
UNLIKE = 70.0  # the distance from which two colours are two
ALIKE = 16.0  # the distance of neighbours within an area, as JPEG files have it
DEFAULT = (
    *("#000000", "#ffffff", "#0000aa", "#0055ff", "#00ccff", "#66ff99"),
    *("#bbff33", "#ffee22", "#ff9900", "#ff4400", "#aa0000", "#808080"),
)
GRAYS = ("#000000", "#ffffff", "#808080")


def brushes(images):
    """The colours of many areas in images, as the classes of a label map are.

    Pixels unlike their neighbours are mixtures of two colours, and do not count.

    Args:
        images: uint8 array (n, height, width, 1 or 3).

    Returns:
        List of at most 12 str, "#rrggbb", the most frequent first; each is a colour of a pixel.

    Example:

    >>> sky_above_ground = np.zeros((1, 4, 4, 3), "uint8")
    >>> sky_above_ground[:, :3] = (0, 128, 255)
    >>> brushes(sky_above_ground)
    ['#0080ff', '#000000']
    """
    images = np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images
    pixels = images[_inside_areas(images)]
    packed = pixels.astype("int64") @ np.array([2**16, 2**8, 1])
    exact, counts = np.unique(packed, return_counts=True)
    colours = np.stack([exact >> 16, exact >> 8 & 255, exact & 255], axis=1)
    # Those that are alike are counted together, under the most frequent of them.
    _, groups = np.unique(colours // 32 @ np.array([64, 8, 1]), return_inverse=True)
    together = np.bincount(groups, counts)
    chosen = []
    for index in np.lexsort((-counts, -together[groups])):
        frequent = together[groups[index]] >= LEAST_SHARE * len(pixels)
        distances = [np.linalg.norm(colours[index] - other) for other in chosen]
        if frequent and len(chosen) < LARGEST_NUMBER and min(distances, default=UNLIKE) >= UNLIKE:
            chosen.append(colours[index])
    return ["#{:02x}{:02x}{:02x}".format(*colour) for colour in chosen]


def _inside_areas(images):
    """Which pixels resemble both neighbours in their row or in their column: bool (n, h, w)."""
    inside = np.zeros(images.shape[:3], bool)
    for axis in (1, 2):
        steps = np.linalg.norm(np.diff(images.astype("float32"), axis=axis), axis=-1) <= ALIKE
        edge = [(0, 0)] * 3
        edge[axis] = (1, 1)
        steps = np.pad(steps, edge, constant_values=True)
        before, after = (np.take(steps, np.arange(n, n + images.shape[axis]), axis) for n in (0, 1))
        inside |= before & after
    return inside

"""The colours with which somebody draws what a model translates."""

import numpy as np

LARGEST_NUMBER = 12
LEAST_SHARE = 0.002  # of all pixels, that a colour has to have
UNLIKE = 40.0  # the distance from which two colours are two, which those of a JPEG file fall below
DEFAULT = (
    *("#000000", "#ffffff", "#0000aa", "#0055ff", "#00ccff", "#66ff99"),
    *("#bbff33", "#ffee22", "#ff9900", "#ff4400", "#aa0000", "#808080"),
)
GRAYS = ("#000000", "#ffffff", "#808080")


def brushes(images):
    """The colours that are frequent in images, as the classes of a label map are.

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
    pixels = images.reshape(-1, images.shape[-1])
    pixels = np.repeat(pixels, 3, axis=1) if pixels.shape[1] == 1 else pixels
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

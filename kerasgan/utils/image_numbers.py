"""Which number an image of a seed has; apart, because clients need nothing else of a model."""

import numpy as np

IMAGES_A_SEED = 2**32
LARGEST_SEED = 2**31 - 1


def numbers_of_images(seed, images):
    """The numbers of a seed's images among all that a model can make; endpoints call them seeds.

    Args:
        seed: int from 0 to 2**31 - 1.
        images: range within range(2**32), which images of the seed.

    Returns:
        int64 array: image i of seed s has the number s * 2**32 + i.

    Raises:
        ValueError: for another seed.

    Example:

    >>> numbers_of_images(1, range(2)).tolist()
    [4294967296, 4294967297]
    """
    if not isinstance(seed, (int, np.integer)) or not 0 <= seed <= LARGEST_SEED:
        raise ValueError(f"seed={seed!r}; use a whole number from 0 to {LARGEST_SEED}.")
    return np.int64(seed) * IMAGES_A_SEED + np.arange(images.start, images.stop, dtype="int64")

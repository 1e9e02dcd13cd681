"""Images as files have them."""

import numpy as np


def to_uint8(images):
    """Images in [-1, 1] as uint8 in 0..255."""
    return np.clip(np.round((np.asarray(images) + 1.0) * 127.5), 0, 255).astype("uint8")

"""Images as networks take them, and as files have them."""

import numpy as np
from keras import ops

from kerasgan.core import checks


def to_uint8(images):
    """Images in [-1, 1] as uint8 in 0..255."""
    return np.clip(np.round((np.asarray(images) + 1.0) * 127.5), 0, 255).astype("uint8")


def float_images(images, shape, what, wants):
    """The images of a batch as float32; the arguments are those of `checks.check_images`."""
    checks.check_images(images, what, shape, wants)
    return ops.cast(images, "float32")

"""Images as files have them."""

import io

import numpy as np
from PIL import Image


def to_uint8(images):
    """Images in [-1, 1] as uint8 in 0..255."""
    return np.clip(np.round((np.asarray(images) + 1.0) * 127.5), 0, 255).astype("uint8")


def png(pixels):
    """uint8 pixels (height, width, 1 or 3) as a PNG file: bytes."""
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, "PNG")
    return file.getvalue()

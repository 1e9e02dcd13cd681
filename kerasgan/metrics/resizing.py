"""Resizing as a matrix product, which every framework and compiler supports."""

import numpy as np


def antialiased_bicubic(size, new_size, xp=np):
    """The matrix (new_size, size) of Pillow's BICUBIC: Keys' kernel, a = -1/2, wider for smaller.

    Args:
        size, new_size: ints, pixels of a side before and after.
        xp: module with NumPy's functions.
    """
    step = xp.array(size / new_size, dtype="float64")
    centres = (xp.arange(new_size, dtype="float64") + 0.5) * step
    x = xp.abs(xp.arange(size, dtype="float64") + 0.5 - centres[:, None]) / xp.maximum(step, 1.0)
    near = (1.5 * x - 2.5) * x**2 + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    weights = xp.where(x < 1.0, near, xp.where(x < 2.0, far, 0.0))
    return weights / xp.sum(weights, axis=1, keepdims=True)

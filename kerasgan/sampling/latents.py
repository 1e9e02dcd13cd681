"""Ways through the space of latents."""

import numpy as np


def spherical(first, second, share):
    """Points on the great circle from one latent to another.

    Args:
        first, second: float arrays (n, latent_dim), of which the directions count.
        share: float array (n, 1) or number, how much of the way, 0 for `first`.

    Returns:
        float32 array (n, latent_dim) of vectors of length sqrt(latent_dim), on which N(0, I) lies
        but for a little.

    Example:

    >>> spherical(np.array([[5.0, 0.0]]), np.array([[0.0, 3.0]]), 0.5)
    array([[1., 1.]], dtype=float32)

    Reference: Sampling Generative Networks, White, 2016, arXiv:1609.04468.
    """
    first, second = (v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (first, second))
    cosine = np.clip((first * second).sum(-1, keepdims=True), -1.0, 1.0)
    angle = share * np.arccos(cosine)
    across = second - cosine * first
    across = across / np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-12)
    way = first * np.cos(angle) + across * np.sin(angle)
    return (way * np.sqrt(first.shape[-1])).astype("float32")

"""Ways through the space of latents."""

import keras
import numpy as np
from keras import ops

from kerasgan.sampling.normals import erf, erfinv


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


def truncated(normal, bound):
    """Maps N(0, 1) to the normal distribution truncated to [-bound, bound], monotonically.

    Args:
        normal: float32 tensor or array.
        bound: number above 0, or a tensor of them that broadcasts.

    Returns:
        float32 tensor.
    """
    root2 = np.sqrt(2.0).astype("float32")
    bound = ops.cast(bound, "float32")
    inside = erfinv(erf(normal / root2) * erf(bound / root2)) * root2
    # From there on nothing changes, but that float32 takes large numbers for infinite ones.
    return ops.clip(ops.where(bound > 5.0, normal, inside), -bound, bound)


def drawn_code(mean, log_variance, seed):
    """A draw from N(mean, variance) through which gradients reach both (reparameterization).

    Args:
        mean, log_variance: float tensors (batch, latent_dim).
        seed: int or `keras.random.SeedGenerator`.

    Reference: Auto-Encoding Variational Bayes, Kingma & Welling, 2014, arXiv:1312.6114,
    section 2.4.
    """
    noise = keras.random.normal(ops.shape(mean), dtype="float32", seed=seed)
    return mean + ops.exp(0.5 * log_variance) * noise

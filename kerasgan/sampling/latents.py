"""Ways through the space of latents."""

import keras
import numpy as np
from keras import ops

from kerasgan.checks.arguments import as_floats, whole_number
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


PATHS = ("lerp", "slerp")


def ends_of(first, second):
    """Two ends of a way as one float32 array (2, *shape).

    Raises:
        ValueError: when they are not arrays of numbers of one shape.
    """
    ends = [as_floats(name, end) for name, end in (("first", first), ("second", second))]
    if ends[0].shape != ends[1].shape:
        raise ValueError(
            f"first has shape {ends[0].shape} and second {ends[1].shape}; use two latents, or two "
            "images."
        )
    return np.stack(ends)


def way(first, second, num_points, path):
    """Points on the way from one latent to another, both ends included.

    Args:
        first, second: float arrays of one shape.
        num_points: int, at least 2.
        path: `"lerp"`, the straight line, or `"slerp"`, on which the direction moves along the
            great circle and the length evenly from one to the other.

    Returns:
        float32 array (num_points, *shape).

    Raises:
        ValueError: for too few points, another path, or a latent of zeros, which has no direction.

    Example:

    >>> way(np.array([2.0, 0.0]), np.array([0.0, 4.0]), 3, "slerp").round(3)[1]
    array([2.121, 2.121], dtype=float32)

    Reference: for latents from N(0, I) `"slerp"` is of Sampling Generative Networks, White, 2016,
    arXiv:1609.04468.
    """
    whole_number("num_images", num_points, 2)
    if path not in PATHS:
        raise ValueError(f"path={path!r}; use {' or '.join(map(repr, PATHS))}.")
    first, second = (np.asarray(end, "float32") for end in (first, second))
    shares = np.linspace(0.0, 1.0, num_points, dtype="float32")[:, None]
    ends = first.reshape(1, -1), second.reshape(1, -1)
    if path == "lerp":
        points = (1.0 - shares) * ends[0] + shares * ends[1]
    else:
        lengths = [np.linalg.norm(end) for end in ends]
        if not all(lengths):
            raise ValueError("a latent of zeros has no direction; use path='lerp'.")
        directions = spherical(*ends, shares) / np.float32(np.sqrt(ends[0].shape[1]))
        points = directions * ((1.0 - shares) * lengths[0] + shares * lengths[1])
    return points.reshape(num_points, *first.shape)


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

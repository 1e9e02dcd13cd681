"""Arithmetic with latents."""

import numpy as np

from kerasgan.checks.arguments import as_floats, whole_number

SPREAD = 0.25  # of the noise that the paper adds, uniform from -0.25 to 0.25


def analogy(
    examples: np.ndarray,
    without: np.ndarray,
    others: np.ndarray,
    num_points: int = 9,
    seed: int = 0,
) -> np.ndarray:
    """Vector arithmetic: moves an attribute, such as glasses, from `examples` to `others`.

    It computes `mean(examples) - mean(without) + mean(others)`. Single latents give unstable
    results, so give several for each argument; figure 7 of the paper averages three. The first
    result is that point; the others have noise from U(-0.25, 0.25) added, as in the figure.

    Args:
        examples: float array (n, *shape), latents or points of another space whose images have the
            attribute, such as men with glasses.
        without: float array (m, *shape), points whose images are alike but lack the attribute: men
            without glasses.
        others: float array (k, *shape), points that are to get the attribute: women without
            glasses.
        num_points: int, the number of points to return.
        seed: int, the seed of the noise.

    Returns:
        float32 array (num_points, *shape), for `model.generate_from_points`.

    Raises:
        ValueError: for no points, points of different shapes, or fewer than one to return.

    Example:

    >>> gan = kerasgan.DCGAN((8, 8, 1), latent_dim=8, base_width=8)
    >>> z = gan.latents(9, seed=0)
    >>> points = kerasgan.control.analogy(z[:3], z[3:6], z[6:])
    >>> gan.generate_from(points).shape
    (9, 8, 8, 1)

    Reference: Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
    Networks, Radford, Metz & Chintala, 2016, arXiv:1511.06434, section 6.3.2 and figure 7.
    """
    whole_number("num_points", num_points, 1)
    whole_number("seed", seed, 0)
    given = {"examples": examples, "without": without, "others": others}
    arrays = {name: as_floats(name, points) for name, points in given.items()}
    shape = arrays["examples"].shape[1:]
    for name, points in arrays.items():
        if points.ndim < 2 or not len(points) or points.shape[1:] != shape:
            raise ValueError(
                f"{name} has shape {points.shape}; use several points of one space, "
                f"({', '.join(map(str, ('n', *shape)))})."
            )
    means = [points.mean(axis=0) for points in arrays.values()]
    noise = np.random.default_rng(seed).uniform(-SPREAD, SPREAD, (num_points, *shape))
    noise[0] = 0.0
    return (means[0] - means[1] + means[2] + noise).astype("float32")

"""Densities of images and divergences of codes, in nats, one number an example."""

import math

from keras import ops


def kl_from_standard_normal(mean, log_variance):
    """The divergence KL(N(mean, variance) || N(0, 1)) of each code: nats (batch, latent_dim).

    Args:
        mean, log_variance: float tensors (batch, latent_dim).

    Example:

    >>> one = np.ones((1, 1), "float32")
    >>> float(kl_from_standard_normal(one, 0.0 * one)[0, 0])
    0.5

    Reference: Auto-Encoding Variational Bayes, Kingma & Welling, 2014, arXiv:1312.6114, appendix B.
    """
    return 0.5 * (ops.exp(log_variance) + ops.square(mean) - 1.0 - log_variance)


def normal_log_density(x, mean, log_variance):
    """The logarithm of the density of N(mean, variance), summed over all but the first axis.

    Args:
        x, mean, log_variance: float tensors (batch, ...), or what broadcasts to that.

    Returns:
        nats (batch,).
    """
    squared = ops.square(x - mean) * ops.exp(-log_variance)
    return _sum(-0.5 * (squared + log_variance + math.log(2.0 * math.pi)))


def bernoulli_log_likelihood(pixels, logits):
    """The logarithm of the probability of pixels, summed over each image.

    Args:
        pixels: float tensor (batch, ...) of 0 and 1; numbers between give the mean over pixels
            that are drawn with these probabilities.
        logits: float tensor of that shape, the log-odds of 1.

    Returns:
        nats (batch,).
    """
    return _sum(ops.multiply(pixels, logits) - ops.softplus(logits))


def to_values(images, levels=256):
    """The numbers of images in [-1, 1] as values from 0 to `levels` - 1: floats, not rounded."""
    return 0.5 * (levels - 1) * (images + 1.0)


def to_images(values, levels=256):
    """Images in [-1, 1] of values from 0 to `levels` - 1."""
    return values / (0.5 * (levels - 1)) - 1.0


def _sum(nats):
    return ops.sum(nats, axis=tuple(range(1, len(nats.shape))))

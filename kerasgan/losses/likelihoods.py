"""Log-densities of images and divergences of codes, in nats, one number per example."""

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
    """The log-density of N(mean, variance), summed over all axes but the first.

    Args:
        x, mean, log_variance: float tensors (batch, ...), or broadcastable to that.

    Returns:
        nats (batch,).
    """
    squared = ops.square(x - mean) * ops.exp(-log_variance)
    return _sum(-0.5 * (squared + log_variance + math.log(2.0 * math.pi)))


def bernoulli_log_likelihood(pixels, logits):
    """The Bernoulli log-likelihood of pixels, summed over each image.

    Args:
        pixels: float tensor (batch, ...) of 0 and 1; numbers in between give the mean over pixels
            that are drawn with these probabilities.
        logits: float tensor of that shape, the log-odds of 1.

    Returns:
        nats (batch,).
    """
    return _sum(ops.multiply(pixels, logits) - ops.softplus(logits))


def discretized_logistic_log_likelihood(values, mean, log_scale, levels=256):
    """The log-likelihood of whole numbers under a discretized logistic distribution.

    A value has the probability of the unit interval around it. The first and the last value also
    get the tails beyond them, so that the probabilities sum to 1.

    Args:
        values: float tensor of whole numbers from 0 to `levels` - 1.
        mean, log_scale: float tensors that broadcast to the shape of `values`, on the same scale.
        levels: int of at least 2.

    Returns:
        nats, a tensor of the broadcast shape.

    Example:

    >>> all_values = np.arange(256, dtype="float32")
    >>> nats = discretized_logistic_log_likelihood(all_values, 30.0, 2.0)
    >>> round(float(ops.sum(ops.exp(nats))), 5)
    1.0

    Reference: PixelCNN++, Salimans, Karpathy, Chen & Kingma, 2017, arXiv:1701.05517, section 2.1.
    The authors' code subtracts two sigmoids and clamps small values; here the difference is exact:
    log(s(a) - s(b)) = -softplus(-a) + log(1 - exp(b - a)) - softplus(b).
    """
    values, mean, log_scale = map(ops.convert_to_tensor, (values, mean, log_scale))
    per_scale = ops.exp(-log_scale)
    upper = (values + 0.5 - mean) * per_scale
    lower = (values - 0.5 - mean) * per_scale
    up_to, beyond = -ops.softplus(-upper), -ops.softplus(lower)
    between = up_to + ops.log(-ops.expm1(-per_scale)) + beyond
    return ops.where(values < 0.5, up_to, ops.where(values > levels - 1.5, beyond, between))


def to_values(images, levels=256):
    """Maps images in [-1, 1] to values from 0 to `levels` - 1: floats, not rounded."""
    return 0.5 * (levels - 1) * (images + 1.0)


def to_images(values, levels=256):
    """Maps values from 0 to `levels` - 1 to images in [-1, 1]."""
    return values / (0.5 * (levels - 1)) - 1.0


def _sum(nats):
    return ops.sum(nats, axis=tuple(range(1, len(nats.shape))))

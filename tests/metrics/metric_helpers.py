"""What tests of metrics share."""

import numpy as np


def gaussian(count, dimensions=8, seed=0, mean=0.0, scale=1.0):
    """Correlated normal vectors (count, dimensions), float32."""
    rng = np.random.default_rng(seed)
    mix = np.random.default_rng(99).normal(size=(dimensions, dimensions)) / dimensions**0.5
    return (mean + scale * rng.normal(size=(count, dimensions)) @ mix).astype("float32")


def images(count, size=8, channels=1, seed=0):
    """Images of noise in [-1, 1]."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-1.0, 1.0, (count, size, size, channels)).astype("float32")


def measured(metric, real, fake, batch_size=None):
    """What a metric says after it was fed, batch by batch."""
    metric.reset_state()
    size = batch_size or max(len(real), len(fake))
    for start in range(0, max(len(real), len(fake)), size):
        metric.update_state(real[start : start + size], fake[start : start + size])
    return metric.result()

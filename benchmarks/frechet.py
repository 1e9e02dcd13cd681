"""The Fréchet distance between features of two sets of images."""

import numpy as np


def frechet_distance(first, second):
    """Between Gaussians fitted to features (n, d), by the eigenvalues of a symmetric product."""
    means = [x.mean(0, dtype="float64") for x in (first, second)]
    covariances = [np.cov(x.astype("float64"), rowvar=False) for x in (first, second)]
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    product = np.linalg.eigvalsh(root @ covariances[1] @ root)
    trace = sum(np.trace(c) for c in covariances) - 2.0 * np.sqrt(np.maximum(product, 0.0)).sum()
    return float(np.sum((means[0] - means[1]) ** 2) + trace)

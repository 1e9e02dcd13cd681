"""Weights whose columns are orthogonal."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerasgan")
class OrthogonalRegularization(keras.regularizers.Regularizer):
    """`weight |W^T W * (1 - I)|^2`: columns of the kernel cost as far as they are not orthogonal.

    Their lengths are free, unlike in the older penalty towards `W^T W = I`, so how much a layer
    stretches is not limited. It is for kernels whose last axis is the outputs: not
    those of transposed convolutions.

    Args:
        weight: float above 0; beta in the paper, where it is 1e-4.

    Raises:
        ValueError: for another weight.

    Example:

    >>> cost = kerasgan.layers.OrthogonalRegularization(0.5)
    >>> float(cost(np.array([[1.0, 3.0], [1.0, 0.0]], "float32")))  # twice 3^2, times 0.5
    9.0

    Reference: Large Scale GAN Training for High Fidelity Natural Image Synthesis, Brock et al.,
    2019, arXiv:1809.11096, equation 3.
    """

    def __init__(self, weight=1e-4):
        if not weight > 0.0:
            raise ValueError(f"weight={weight!r}; use a number above 0.")
        self.weight = weight

    def __call__(self, kernel):
        matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))
        products = ops.matmul(ops.transpose(matrix), matrix)
        squares = ops.square(products)
        return self.weight * (ops.sum(squares) - ops.sum(ops.diagonal(squares)))

    def get_config(self):
        return {"weight": self.weight}

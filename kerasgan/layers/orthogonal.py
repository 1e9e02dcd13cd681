"""Orthogonal regularization of weights."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerasgan")
class OrthogonalRegularization(keras.regularizers.Regularizer):
    """`weight |W^T W * (1 - I)|^2`: penalizes columns of the kernel that are not orthogonal.

    Their lengths are free, unlike in the older penalty towards `W^T W = I`, so it does not limit
    the scale of a layer. Use it for kernels whose last axis is the outputs, which excludes
    transposed convolutions.

    Args:
        weight: float above 0; beta in the paper, which uses 1e-4.

    Raises:
        ValueError: for a weight that is not above 0.

    Example:

    >>> cost = kerasgan.layers.OrthogonalRegularization(0.5)
    >>> float(cost(np.array([[1.0, 3.0], [1.0, 0.0]], "float32")))  # twice 3^2, times 0.5
    9.0

    Reference: Large Scale GAN Training for High Fidelity Natural Image Synthesis, Brock et al.,
    2019, arXiv:1809.11096, equation 3.
    """

    def __init__(self, weight: float = 1e-4):
        if not weight > 0.0:
            raise ValueError(f"weight={weight!r}; use a number above 0.")
        self.weight = weight

    def __call__(self, kernel):
        matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))
        rows, columns = matrix.shape
        if columns <= rows:
            products = ops.matmul(ops.transpose(matrix), matrix)
            products = products * (1.0 - ops.eye(columns, dtype=products.dtype))
            return self.weight * ops.sum(ops.square(products))
        # The square of a product's norm, tr(W^T W W^T W) = tr(W W^T W W^T), is that of either
        # order, of which this is the smaller: in BigGAN's first layer at 128 pixels 20 x 20 numbers
        # instead of 24,576 x 24,576. The diagonal that is to be left out holds the squared lengths
        # of columns.
        products = ops.matmul(matrix, ops.transpose(matrix))
        lengths = ops.sum(ops.square(matrix), axis=0)
        return self.weight * (ops.sum(ops.square(products)) - ops.sum(ops.square(lengths)))

    def get_config(self) -> dict:
        return {"weight": self.weight}

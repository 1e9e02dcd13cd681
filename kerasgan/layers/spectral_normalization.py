"""Spectral normalization: weights divided by their largest singular value."""

import keras
from keras import ops

from kerasgan.layers.reparameterized import Reparameterized

TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)


@keras.saving.register_keras_serializable(package="kerasgan")
class SpectralNormalization(Reparameterized):
    """Makes a linear layer 1-Lipschitz: it computes with `W / sigma(W)`.

    `sigma(W)`, the largest singular value of the kernel as a matrix (inputs x outputs), is
    estimated as `u W v`. The unit vectors u and v are kept from step to step and improved by one
    power iteration per update. The gradient treats them as constants and passes through sigma, as
    in the paper's equation 12. `keras.layers.SpectralNormalization` instead overwrites the kernel
    at each call, so that the real and the generated batch of one step see different weights, and no
    gradient passes through sigma.

    `kerasgan` models call `power_iteration` before each update of the networks that hold this
    layer. A training step of your own must do the same.

    Args:
        layer: `Dense`, `Conv2D`, `Conv2DTranspose`, `Embedding`, or another layer with a `kernel`
            (or `embeddings`) whose last axis is the outputs.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Raises:
        ValueError: for a layer that has no kernel.

    Example:

    >>> layer = kerasgan.layers.SpectralNormalization(keras.layers.Dense(3))
    >>> y = layer(np.ones((2, 5), "float32"))
    >>> for _ in range(100):
    ...     layer.power_iteration()
    >>> largest = np.linalg.svd(keras.ops.convert_to_numpy(layer.layer.kernel))[1].max()
    >>> bool(np.isclose(float(layer.sigma()), largest))
    True

    Reference: Spectral Normalization for Generative Adversarial Networks, Miyato et al., 2018,
    arXiv:1802.05957, algorithm 1.
    """

    def build(self, input_shape=None):
        super().build(input_shape)
        rows, columns = self._matrix(self._kernel()).shape
        normal = keras.initializers.RandomNormal(seed=0)  # any initial value will do
        kept = {"initializer": normal, "trainable": False}
        self.u = self.add_weight((1, rows), name="u", **kept)
        self.v = self.add_weight((1, columns), name="v", **kept)
        # Otherwise the outputs of a network used before its first update would be far too large.
        self.power_iteration()

    def _kernel(self):
        for name in ("kernel", "embeddings"):
            if hasattr(self.layer, name) and not isinstance(self.layer, DEPTHWISE):
                return getattr(self.layer, name)
        raise ValueError(
            f"SpectralNormalization got a {type(self.layer).__name__}, which has no kernel of "
            "inputs x outputs; give it a Dense, convolutional or Embedding layer."
        )

    def _matrix(self, kernel):
        if isinstance(self.layer, TRANSPOSED):
            kernel = ops.swapaxes(kernel, -1, -2)  # of shape (height, width, outputs, inputs)
        return ops.reshape(kernel, (-1, kernel.shape[-1]))

    def power_iteration(self, when=True) -> None:
        """Performs one power iteration.

        Args:
            when: bool or bool scalar tensor; if False nothing changes.
        """
        matrix = self._matrix(ops.stop_gradient(ops.convert_to_tensor(self._kernel())))
        v = _direction(ops.matmul(self.u, matrix), self.v)
        u = _direction(ops.matmul(v, ops.transpose(matrix)), self.u)
        if when is not True:
            before = map(ops.convert_to_tensor, (self.u, self.v))
            u, v = (ops.where(when, *pair) for pair in zip((u, v), before, strict=True))
        self.v.assign(v)
        self.u.assign(u)

    def sigma(self):
        """The estimate of the largest singular value, differentiable with respect to the kernel."""
        matrix = self._matrix(ops.convert_to_tensor(self._kernel()))
        # In an averaged copy of a network u and v are averages, so their length is below 1.
        return ops.sum(ops.matmul(ops.normalize(self.u), matrix) * ops.normalize(self.v))

    def computed_with(self):
        kernel, sigma = self._kernel(), self.sigma()
        # A kernel of zeros stays zero.
        sigma = ops.where(sigma == 0.0, ops.ones_like(sigma), sigma)
        return [(kernel, kernel.value / sigma)]


def _direction(vector, otherwise):
    """The vector scaled to unit length, or the other one if it is zero."""
    some = ops.any(vector != 0.0)
    return ops.where(some, ops.normalize(vector), ops.convert_to_tensor(otherwise))


def normalized(layer, spectral=True):
    """Wraps a layer in spectral normalization if `spectral`; its name then ends in `_sn`."""
    if not spectral:
        return layer
    return SpectralNormalization(layer, dtype=layer.dtype_policy, name=f"{layer.name}_sn")

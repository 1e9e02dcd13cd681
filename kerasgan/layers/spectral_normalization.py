"""Weights divided by their largest singular value."""

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
    estimated as `u W v`, where the unit vectors u and v are kept from step to step and improved by
    one power iteration an update, and taken for constants when the gradient is: so it passes
    through sigma, as in the paper's equation 12. `keras.layers.SpectralNormalization` overwrites
    the kernel instead, at each call, so that the real and the generated batch of one step see
    different weights and no gradient passes through sigma.

    `kerasgan` models call `power_iteration` before each update of the player whose networks hold
    this layer; a training step of your own has to do so.

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
        normal = keras.initializers.RandomNormal(seed=0)  # any start will do
        kept = {"initializer": normal, "trainable": False}
        self.u = self.add_weight((1, rows), name="u", **kept)
        self.v = self.add_weight((1, columns), name="v", **kept)
        # Or a network that is used before its first update would be far too large.
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
        """One power iteration.

        Args:
            when: bool or bool scalar tensor; where it is false nothing changes.
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
        # In an averaged copy of a network u and v are averages, and shorter than 1.
        return ops.sum(ops.matmul(ops.normalize(self.u), matrix) * ops.normalize(self.v))

    def computed_with(self):
        kernel, sigma = self._kernel(), self.sigma()
        # A kernel of zeros stays so.
        sigma = ops.where(sigma == 0.0, ops.ones_like(sigma), sigma)
        return [(kernel, kernel.value / sigma)]


def _direction(vector, otherwise):
    """The vector in unit length, or, of zeros, the other one."""
    some = ops.any(vector != 0.0)
    return ops.where(some, ops.normalize(vector), ops.convert_to_tensor(otherwise))


def normalized(layer, spectral=True):
    """The layer, spectrally normalized if so wanted; its name then ends in `_sn`."""
    if not spectral:
        return layer
    return SpectralNormalization(layer, dtype=layer.dtype_policy, name=f"{layer.name}_sn")

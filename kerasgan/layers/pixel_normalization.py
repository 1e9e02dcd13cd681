"""Pixelwise normalization of feature vectors."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="kerasgan")
class PixelNormalization(layers.Layer):
    """Divides each pixel's feature vector by its root mean square.

    Latents (batch, n) become vectors of length sqrt(n).

    Args:
        epsilon: float, added to the mean square.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Input and output: (batch, ..., channels).

    Example:

    >>> x = kerasgan.layers.PixelNormalization()(np.array([[3.0, -4.0]], "float32"))
    >>> np.round(keras.ops.convert_to_numpy(x) * np.sqrt(12.5), 3).tolist()
    [[3.0, -4.0]]

    Reference: Progressive Growing of GANs for Improved Quality, Stability, and Variation, Karras
    et al., 2018, arXiv:1710.10196, section 4.2.
    """

    def __init__(self, epsilon: float = 1e-8, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def call(self, x):
        # In half precision squares overflow.
        squares = ops.square(ops.cast(x, "float32"))
        mean = ops.mean(squares, axis=-1, keepdims=True)
        return x * ops.cast(ops.rsqrt(mean + self.epsilon), x.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict:
        return {**super().get_config(), "epsilon": self.epsilon}

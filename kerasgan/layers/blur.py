"""Low-pass filters."""

import math

import keras
import numpy as np
from keras import layers, ops

from kerasgan import backend


@keras.saving.register_keras_serializable(package="kerasgan")
class Blur(layers.Layer):
    """Blurs each map with the kernel [1, 2, 1] / 4 in both directions, with zero padding.

    Args:
        taps: int of at least 2, the length of the kernel, a row of Pascal's triangle: 3 for [1, 2,
            1] / 4, 4 for [1, 3, 3, 1] / 8.
        border: int, how many zeros to pad at each side. The default keeps the size.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Input: (batch, height, width, channels). Output: the same, with sizes `2 * border - taps + 1`
    larger.

    Example:

    >>> x = np.zeros((1, 3, 3, 1), "float32")
    >>> x[0, 1, 1, 0] = 16.0
    >>> keras.ops.convert_to_numpy(kerasgan.layers.Blur()(x))[0, :, :, 0].tolist()
    [[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]

    Reference: Making Convolutional Networks Shift-Invariant Again, Zhang, 2019, arXiv:1904.11486;
    in generators, A Style-Based Generator Architecture for Generative Adversarial Networks, Karras
    et al., 2019, arXiv:1812.04948, section 2.
    """

    def __init__(self, taps: int = 3, border: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.taps, self.border = taps, border

    def call(self, x):
        return binomial(x, self.taps - 1, self.border)

    def compute_output_shape(self, input_shape):
        batch, *sizes, channels = input_shape
        change = 2 * self.border - self.taps + 1
        return (batch, *(None if n is None else n + change for n in sizes), channels)

    def get_config(self) -> dict:
        return {**super().get_config(), "taps": self.taps, "border": self.border}


def binomial(x, times, border):
    """Filters maps (batch, height, width, channels) with [1, 1] / 2, `times` times each way.

    Args:
        x: the maps.
        times: int.
        border: int, how many zeros to pad around them first.
    """
    x = ops.pad(x, ((0, 0), (border, border), (border, border), (0, 0)))
    return backend.binomial(x, times)


def gaussian(x, sigma, largest):
    """Filters images (batch, height, width, channels) with `2^-(d / sigma)^2` and zero padding.

    Args:
        x: the images.
        sigma: number or scalar tensor of at least 0, in pixels; 0 changes nothing. The filter ends
            at three times sigma.
        largest: float, the largest possible sigma.
    """
    sigma = ops.maximum(ops.cast(sigma, x.dtype), 1e-6)

    def weights(distances):
        distances = ops.convert_to_tensor(distances, x.dtype)
        fall = ops.exp(-math.log(2.0) * ops.square(distances / sigma))
        return ops.where(distances <= ops.floor(3.0 * sigma), fall, 0.0)

    reach = math.floor(3.0 * largest)
    total = ops.sum(weights(np.abs(np.arange(-reach, reach + 1.0))))
    height, width = (
        weights(np.abs(np.arange(n) - np.arange(n)[:, None]) * 1.0) / total for n in x.shape[1:3]
    )
    return ops.einsum("ij,bjkc,lk->bilc", height, x, width)

"""A low-pass filter."""

import keras
import numpy as np
from keras import layers, ops


@keras.saving.register_keras_serializable(package="kerasgan")
class Blur(layers.Layer):
    """Filters each map with the kernel [1, 2, 1] / 4 in both directions, zeros beyond the border.

    Input and output: (batch, height, width, channels).

    Example:

    >>> x = np.zeros((1, 3, 3, 1), "float32")
    >>> x[0, 1, 1, 0] = 16.0
    >>> keras.ops.convert_to_numpy(kerasgan.layers.Blur()(x))[0, :, :, 0].tolist()
    [[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]

    Reference: Making Convolutional Networks Shift-Invariant Again, Zhang, 2019, arXiv:1904.11486;
    in generators, A Style-Based Generator Architecture for Generative Adversarial Networks, Karras
    et al., 2019, arXiv:1812.04948, section 2.
    """

    def call(self, x):
        kernel = np.outer([1.0, 2.0, 1.0], [1.0, 2.0, 1.0]) / 16.0
        kernel = np.repeat(kernel[:, :, None, None], x.shape[-1], axis=2)
        return ops.depthwise_conv(
            x, ops.convert_to_tensor(kernel, x.dtype), padding="same", data_format="channels_last"
        )

    def compute_output_shape(self, input_shape):
        return input_shape

"""Padding that continues the image."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="kerasgan")
class ReflectionPadding2D(layers.Layer):
    """Pads with the image mirrored at its edge, without repeating the edge itself.

    Zero padding would add an edge, which convolutions spread into the image.

    Args:
        padding: int, how many pixels to add at each side; less than height and width.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Inputs: (batch, height, width, channels). Output: (batch, height + 2 padding, width + 2 padding,
    channels).

    Example:

    >>> x = np.array([1.0, 2.0, 3.0], "float32").reshape(1, 1, 3, 1)
    >>> x = np.repeat(x, 3, axis=1)
    >>> padded = kerasgan.layers.ReflectionPadding2D(1)(x)
    >>> keras.ops.convert_to_numpy(padded)[0, 0, :, 0].tolist()
    [2.0, 1.0, 2.0, 3.0, 2.0]

    Reference: Perceptual Losses for Real-Time Style Transfer and Super-Resolution, Johnson et al.,
    2016, arXiv:1603.08155, whose networks those of CycleGAN follow.
    """

    def __init__(self, padding: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.padding = padding

    def call(self, x):
        border = (self.padding, self.padding)
        return ops.pad(x, ((0, 0), border, border, (0, 0)), mode="reflect")

    def compute_output_shape(self, input_shape):
        batch, *size, channels = input_shape
        return (batch, *(s if s is None else s + 2 * self.padding for s in size), channels)

    def get_config(self) -> dict:
        return {**super().get_config(), "padding": self.padding}

"""Attention over the positions of an image."""

import keras
from keras import layers, ops

from kerasgan.layers.spectral_normalization import SpectralNormalization


@keras.saving.register_keras_serializable(package="kerasgan")
class SelfAttention2D(layers.Layer):
    """Self-attention: lets each position of a feature map attend to all others.

    With 1x1 convolutions f, g (to 1/8 of the channels) and h (to 1/2), the output is
    `x + gamma v(softmax(g(x) f(x)^T) h(x))`, where gamma starts at 0, so that a network first
    learns from local features. f and h are max-pooled by 2, as in the paper's code though not in
    its text, which takes a quarter of the work.

    Args:
        spectral_normalization: whether to normalize the convolutions spectrally, as in the paper's
            generator and discriminator.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Input and output: (batch, height, width, channels), height and width even, channels at least 2.

    Raises:
        ValueError: for another shape.

    Example:

    >>> layer = kerasgan.layers.SelfAttention2D()
    >>> x = np.ones((2, 8, 8, 16), "float32")
    >>> bool((keras.ops.convert_to_numpy(layer(x)) == x).all())  # gamma is still 0
    True

    Reference: Self-Attention Generative Adversarial Networks, Zhang et al., 2019,
    arXiv:1805.08318, section 3.
    """

    def __init__(self, spectral_normalization: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.spectral_normalization = spectral_normalization
        self.pool = layers.MaxPooling2D(2, dtype=self.dtype_policy)

    def build(self, input_shape):
        _, *sizes, channels = input_shape
        if len(sizes) != 2 or None in input_shape[1:] or any(n % 2 for n in sizes) or channels < 2:
            raise ValueError(
                f"SelfAttention2D got inputs of shape {tuple(input_shape)}; it needs an even "
                "height and width, and at least 2 channels."
            )

        def conv(filters, shape, name):
            layer = layers.Conv2D(filters, 1, use_bias=False, dtype=self.dtype_policy, name=name)
            if self.spectral_normalization:
                layer = SpectralNormalization(layer, dtype=self.dtype_policy, name=f"{name}_sn")
            layer.build(shape)
            return layer

        narrow = max(1, channels // 8)
        self.f = conv(narrow, input_shape, "f")
        self.g = conv(narrow, input_shape, "g")
        self.h = conv(channels // 2, input_shape, "h")
        self.v = conv(channels, (*input_shape[:3], channels // 2), "v")
        self.gamma = self.add_weight((), "zeros", name="gamma")

    def call(self, x):
        _, height, width, channels = x.shape
        narrow = max(1, channels // 8)
        keys = ops.reshape(self.pool(self.f(x)), (-1, height * width // 4, narrow))
        queries = ops.reshape(self.g(x), (-1, height * width, narrow))
        values = ops.reshape(self.pool(self.h(x)), (-1, height * width // 4, channels // 2))
        attention = ops.softmax(ops.matmul(queries, ops.swapaxes(keys, 1, 2)), axis=-1)
        seen = ops.reshape(ops.matmul(attention, values), (-1, height, width, channels // 2))
        return x + ops.cast(self.gamma, x.dtype) * self.v(seen)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict:
        return {**super().get_config(), "spectral_normalization": self.spectral_normalization}

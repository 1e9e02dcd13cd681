"""Equalized learning rates for layers of any size."""

import math

import keras

from kerasgan.layers.reparameterized import Reparameterized

SQRT2 = math.sqrt(2.0)


@keras.saving.register_keras_serializable(package="kerasgan")
class Equalized(Reparameterized):
    """Equalized learning rate: multiplies the weights by He's constant at each use.

    The kernel is initialized from N(0, 1), and the layer computes with `gain / sqrt(inputs)` times
    the kernel. So the outputs have the variance that He's initialization gives, and all layers
    learn at the same speed with an optimizer such as Adam, whose steps do not depend on the scale
    of the gradient.

    Args:
        layer: a layer with a `kernel` whose last axis is the outputs, `Dense` or `Conv2D`. Its
            kernel initializer is replaced.
        gain: float: sqrt(2) before a leaky ReLU, 1 where nothing follows.
        learning_rate_multiplier: float, the factor of the learning rate of kernel and bias: they
            are initialized larger by its inverse, and multiplied by it at each use.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Example:

    >>> layer = kerasgan.layers.Equalized(keras.layers.Dense(1000), gain=1.0)
    >>> y = layer(np.random.default_rng(0).normal(size=(100, 50)).astype("float32"))
    >>> bool(abs(keras.ops.std(y) - 1.0) < 0.1)
    True

    Reference: Progressive Growing of GANs for Improved Quality, Stability, and Variation, Karras
    et al., 2018, arXiv:1710.10196, section 4.1; with another speed, A Style-Based Generator
    Architecture for Generative Adversarial Networks, Karras et al., 2019, arXiv:1812.04948.
    """

    def __init__(
        self,
        layer: keras.Layer,
        gain: float = SQRT2,
        learning_rate_multiplier: float = 1.0,
        **kwargs,
    ):
        super().__init__(layer, **kwargs)
        self.gain, self.learning_rate_multiplier = gain, learning_rate_multiplier
        layer.kernel_initializer = keras.initializers.RandomNormal(
            0.0, 1.0 / learning_rate_multiplier
        )

    def computed_with(self):
        kernel = self.layer.kernel
        inputs = math.prod(kernel.shape[:-1])
        scale = self.gain / math.sqrt(inputs) * self.learning_rate_multiplier
        pairs = [(kernel, kernel.value * scale)]
        if self.layer.use_bias and self.learning_rate_multiplier != 1.0:
            bias = self.layer.bias
            pairs.append((bias, bias.value * self.learning_rate_multiplier))
        return pairs

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "gain": self.gain,
            "learning_rate_multiplier": self.learning_rate_multiplier,
        }


def equalized(layer, **settings):
    """Wraps a layer in `Equalized`, with the layer's name plus `_eq`."""
    return Equalized(layer, **settings, dtype=layer.dtype_policy, name=f"{layer.name}_eq")

"""The layers that apply styles and noise in a StyleGAN, Karras et al. 2019, arXiv:1812.04948."""

import contextlib
import contextvars

import keras
from keras import layers, ops

from kerasgan import backend

# The outputs to use for affine layers, by their ids; one for each thread.
_given: contextvars.ContextVar[dict | None] = contextvars.ContextVar("given", default=None)


def style_of(affine, w):
    """The output of an affine layer for w, or what `given_styles` puts in its place.

    Args:
        affine: layer from w to the style of another layer.
        w: tensor (batch, latent_dim).
    """
    given = (_given.get() or {}).get(id(affine))
    return affine(w) if given is None else ops.cast(given, affine.compute_dtype)


@contextlib.contextmanager
def given_styles(styles):
    """Context manager in which `style_of` returns these styles, whatever w is.

    Args:
        styles: list of pairs of an affine layer and a tensor (batch, units).
    """
    before = _given.set({id(affine): style for affine, style in styles})
    try:
        yield
    finally:
        _given.reset(before)


@keras.saving.register_keras_serializable(package="kerasgan")
class AdaptiveInstanceNormalization(layers.Layer):
    """AdaIN: `y_s (x - mu(x)) / sigma(x) + y_b`, per example and channel.

    Args:
        epsilon: float, added to the variance.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Inputs: x (batch, height, width, channels), y_s and y_b (batch, channels). Output: as x.

    Example:

    >>> x = np.random.default_rng(0).normal(5.0, 3.0, (2, 8, 8, 3)).astype("float32")
    >>> y_s, y_b = np.full((2, 3), 2.0, "float32"), np.ones((2, 3), "float32")
    >>> y = keras.ops.convert_to_numpy(AdaptiveInstanceNormalization()(x, y_s, y_b))
    >>> y.mean((1, 2)).round(3).tolist() == y_b.tolist()
    True

    Reference: Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization, Huang and
    Belongie, 2017, arXiv:1703.06868; equation 1 of A Style-Based Generator Architecture for
    Generative Adversarial Networks, Karras et al., 2019, arXiv:1812.04948.
    """

    def __init__(self, epsilon: float = 1e-8, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def call(self, x, scale, bias):
        # In half precision squares overflow.
        features = ops.cast(x, "float32")
        features = features - ops.mean(features, axis=(1, 2), keepdims=True)
        variance = ops.mean(ops.square(features), axis=(1, 2), keepdims=True)
        features = ops.cast(features * ops.rsqrt(variance + self.epsilon), x.dtype)
        return scale[:, None, None, :] * features + bias[:, None, None, :]

    def compute_output_shape(self, x_shape, scale_shape, bias_shape):
        return x_shape

    def get_config(self) -> dict:
        return {**super().get_config(), "epsilon": self.epsilon}


@keras.saving.register_keras_serializable(package="kerasgan")
class NoiseInjection(layers.Layer):
    """Adds one map of noise to all channels, with learned strengths.

    In training the noise is new at each call and for each image. Otherwise it is a map that was
    drawn once and is saved with the layer, so that a latent always gives the same image, unless you
    pass `noise`.

    Args:
        seed: int or None, the seed of the noise in training.
        shared: whether all channels share one strength, as in StyleGAN2, or each has its own.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Inputs: x (batch, height, width, channels); `noise`, None or (batch or 1, height, width, 1).
    Output: as x.

    Example:

    >>> layer, x = kerasgan.layers.NoiseInjection(), np.ones((2, 8, 8, 3), "float32")
    >>> bool(keras.ops.all(layer(x) == x))  # the strengths start at 0
    True
    >>> layer.strength.shape == (3,)  # one for each channel
    True

    Reference: A Style-Based Generator Architecture for Generative Adversarial Networks, Karras et
    al., 2019, arXiv:1812.04948, section 2; with one strength, Analyzing and Improving the Image
    Quality of StyleGAN, Karras et al., 2020, arXiv:1912.04958, section 2.1.
    """

    def __init__(self, seed: int | None = None, shared: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.seed, self.shared = seed, shared
        self.seed_generator = backend.SeedGenerator(seed)

    def build(self, input_shape):
        _, height, width, channels = input_shape
        strengths = () if self.shared else (channels,)
        self.strength = self.add_weight(strengths, "zeros", name="strength")
        normal = keras.initializers.RandomNormal(0.0, 1.0)
        self.noise = self.add_weight((1, height, width, 1), normal, trainable=False, name="noise")

    def call(self, x, noise=None, training=False):
        if noise is None and training:
            shape = (ops.shape(x)[0], *self.noise.shape[1:])
            noise = keras.random.normal(shape, dtype=x.dtype, seed=self.seed_generator)
        noise = ops.cast(self.noise if noise is None else noise, x.dtype)
        return x + noise * self.strength

    def compute_output_shape(self, x_shape, noise_shape=None):
        return x_shape

    def get_config(self) -> dict:
        return {**super().get_config(), "seed": self.seed, "shared": self.shared}

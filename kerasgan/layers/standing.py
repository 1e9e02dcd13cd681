"""Batch normalization with standing statistics, collected for sampling."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="kerasgan")
class StandingBatchNormalization(layers.BatchNormalization):
    """Batch normalization with sets of standing statistics besides the moving ones.

    With truncated latents the features of a network have another mean and variance than in
    training. So statistics are collected once for each of several truncations, and each example is
    normalized with the set for its truncation.

    In training it acts as `keras.layers.BatchNormalization`: it uses the statistics of the batch
    and updates the moving ones; the sets do not change.

    Args:
        sets: int, the number of sets of statistics.
        **kwargs: as for `keras.layers.BatchNormalization`.

    Attributes:
        means, variances: (sets, channels), initialized to 0 and 1, not trained.

    Inputs: the list of features (batch, ..., channels) and shares (batch, sets), the weight of each
    set in the statistics of an example. The moving statistics have the remaining weight, 1 minus
    the sum; so zeros select these alone. Output: as the features.

    Example:

    >>> layer = kerasgan.layers.StandingBatchNormalization(2, epsilon=0.0)
    >>> y = layer([np.ones((1, 3)), np.zeros((1, 2))])  # which makes its weights
    >>> _ = layer.means.assign([[1.0, 1.0, 1.0], [3.0, 3.0, 3.0]])
    >>> keras.ops.convert_to_numpy(layer([np.ones((1, 3)), np.array([[0.5, 0.5]])])).tolist()
    [[-1.0, -1.0, -1.0]]

    Reference: Large Scale GAN Training for High Fidelity Natural Image Synthesis, Brock et al.,
    2019, arXiv:1809.11096, appendix C.
    """

    def __init__(self, sets: int, **kwargs):
        super().__init__(**kwargs)
        self.sets = sets

    def build(self, input_shape):
        features, _ = input_shape
        super().build(features)
        self.input_spec = None  # it is that of one input
        kept = {"shape": (self.sets, features[-1]), "trainable": False, "autocast": False}
        self.means = self.add_weight(initializer="zeros", name="means", **kept)
        self.variances = self.add_weight(initializer="ones", name="variances", **kept)

    def call(self, inputs, training=None):
        features, shares = inputs
        if training and self.trainable:
            return super().call(features, training=True)
        shares = ops.cast(shares, "float32")
        rest = 1.0 - ops.sum(shares, axis=-1, keepdims=True)
        shape = (-1, *[1] * (len(features.shape) - 2), features.shape[-1])
        mean = ops.matmul(shares, self.means) + rest * self.moving_mean
        variance = ops.matmul(shares, self.variances) + rest * self.moving_variance
        scale = ops.rsqrt(ops.reshape(variance, shape) + self.epsilon)
        x = (ops.cast(features, "float32") - ops.reshape(mean, shape)) * scale
        if self.scale:
            x = x * ops.cast(self.gamma, x.dtype)
        if self.center:
            x = x + ops.cast(self.beta, x.dtype)
        return ops.cast(x, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self) -> dict:
        return {**super().get_config(), "sets": self.sets}


def batch_normalization(sets: int | None, **kwargs) -> layers.BatchNormalization:
    """`keras.layers.BatchNormalization`, or with `sets` a `StandingBatchNormalization`."""
    if sets is None:
        return layers.BatchNormalization(**kwargs)
    return StandingBatchNormalization(sets, **kwargs)

"""Layers that let a discriminator see several images of a batch together."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="kerasgan")
class MinibatchStdDev(layers.Layer):
    """Adds a map of how much the images of a batch differ, which reveals a collapsed generator.

    For each group of images it computes the standard deviation of each feature at each position,
    averages these to one number, and appends it as a constant map. The groups are those of the
    authors' released code; the paper's text uses the whole batch.

    Args:
        group_size: int, images per group; a batch that it does not divide is one group.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Input: (batch, height, width, channels). Output: one channel more.

    Example:

    >>> x = np.stack([np.zeros((4, 4, 1)), np.ones((4, 4, 1))]).astype("float32")
    >>> y = kerasgan.layers.MinibatchStdDev()(x)
    >>> round(float(y[0, 0, 0, 1]), 4)
    0.5

    Reference: Progressive Growing of GANs for Improved Quality, Stability, and Variation, Karras
    et al., 2018, arXiv:1710.10196, section 3.
    """

    def __init__(self, group_size: int = 4, **kwargs):
        super().__init__(**kwargs)
        self.group_size = group_size

    def call(self, x):
        _, height, width, channels = x.shape
        size = ops.shape(x)[0]
        if isinstance(size, int):
            group = self.group_size if size % self.group_size == 0 else size
        else:
            group = ops.where(size % self.group_size == 0, self.group_size, size)
        # Images that are `size / group` apart form a group, so that a shuffled batch stays one.
        groups = ops.reshape(x, (group, -1, height, width, channels))
        centred = ops.cast(groups, "float32")
        centred = centred - ops.mean(centred, axis=0, keepdims=True)
        # The square root has no gradient at 0, the value for a collapsed generator.
        deviation = ops.sqrt(ops.mean(ops.square(centred), axis=0) + 1e-8)
        number = ops.mean(deviation, axis=(1, 2, 3), keepdims=True)
        maps = ops.tile(number, (group, height, width, 1))
        return ops.concatenate([x, ops.cast(maps, x.dtype)], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + 1)

    def get_config(self) -> dict:
        return {**super().get_config(), "group_size": self.group_size}


@keras.saving.register_keras_serializable(package="kerasgan")
class Pack(layers.Layer):
    """Packs every `degree` examples of a batch into one, along the channels.

    As the first layer of a discriminator it makes the discriminator judge several examples at once,
    all real or all generated, so that a lack of variety shows. If `degree` does not divide the
    batch, the remaining examples are ignored; a batch smaller than `degree` is repeated. Gradient
    penalties apply to the gradient of each example, not of a pack, so use them only if they are
    zero-centred (R1, R2).

    Args:
        degree: int, at least 1.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Input: (batch, ..., channels). Output: (batch // degree, ..., degree * channels).

    Raises:
        ValueError: for a degree that is not a whole number of at least 1.

    Example:

    >>> packs = kerasgan.layers.Pack(2)(np.array([[1.0], [2.0], [3.0], [4.0]]))
    >>> keras.ops.convert_to_numpy(packs).tolist()
    [[1.0, 2.0], [3.0, 4.0]]

    Reference: PacGAN: The power of two samples in generative adversarial networks, Lin et al.,
    2018, arXiv:1712.04086, section 2.
    """

    def __init__(self, degree: int, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(degree, int) or degree < 1:
            raise ValueError(f"degree={degree!r}; use a whole number of at least 1.")
        self.degree = degree

    def call(self, x):
        return ops.concatenate(split_batch(x, self.degree), axis=-1)

    def compute_output_shape(self, input_shape):
        return (None, *input_shape[1:-1], self.degree * input_shape[-1])

    def get_config(self) -> dict:
        return {**super().get_config(), "degree": self.degree}


def split_batch(batch, parts):
    """Splits a batch into `parts` of equal size; remaining examples are not used.

    Part i holds every `parts`-th example from the i-th on. So when the replicas of a strategy split
    their shares of a batch, the parts together are those that one device makes of the whole batch.
    A batch smaller than `parts`, as the last of an epoch can be, is repeated instead.
    """
    if parts == 1 or batch is None:
        return [batch] * parts
    size = ops.shape(batch)[0]
    # A tensor in a TensorFlow graph; JAX wants slices by known numbers.
    smaller, larger = (min, max) if isinstance(size, int) else (ops.minimum, ops.maximum)
    end = larger(size // parts, 1) * parts
    return [batch[smaller(index, size - 1) : end : parts] for index in range(parts)]

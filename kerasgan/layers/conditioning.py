"""Layers that condition a network on a class or another input."""

import keras
from keras import layers, ops

from kerasgan.layers.spectral_normalization import normalized
from kerasgan.layers.standing import batch_normalization

CONDITIONINGS = ("one_hot", "projection")


def check_conditioning(conditioning):
    """Raises ValueError unless it is one of `CONDITIONINGS`."""
    if conditioning not in CONDITIONINGS:
        accepted = ", ".join(map(repr, CONDITIONINGS))
        raise ValueError(f"conditioning={conditioning!r}; use one of {accepted}.")


@keras.saving.register_keras_serializable(package="kerasgan")
class OneHot(layers.Layer):
    """Encodes a label as a one-hot vector.

    Args:
        num_classes: int.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Input: int (batch,). Output: (batch, num_classes).

    Example:

    >>> keras.ops.convert_to_numpy(kerasgan.layers.OneHot(3)(np.array([1]))).tolist()
    [[0.0, 1.0, 0.0]]
    """

    def __init__(self, num_classes: int, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes

    def call(self, labels):
        return ops.one_hot(labels, self.num_classes, dtype=self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.num_classes)

    def get_config(self) -> dict:
        return {**super().get_config(), "num_classes": self.num_classes}


@keras.saving.register_keras_serializable(package="kerasgan")
class ClassToMaps(layers.Layer):
    """Encodes a label as one-hot maps: one map per class, of ones for the label's class.

    Args:
        num_classes: int.
        height, width: int, of the maps.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Input: int (batch,). Output: (batch, height, width, num_classes).

    Example:

    >>> maps = kerasgan.layers.ClassToMaps(3, 2, 2)(np.array([1]))
    >>> keras.ops.convert_to_numpy(maps)[0, :, :, 1].tolist()
    [[1.0, 1.0], [1.0, 1.0]]

    Reference: Conditional Generative Adversarial Nets, Mirza and Osindero, 2014,
    arXiv:1411.1784, for the idea; the matrices are the usual form for convolutions.
    """

    def __init__(self, num_classes: int, height: int, width: int, **kwargs):
        super().__init__(**kwargs)
        self.num_classes, self.height, self.width = num_classes, height, width

    def call(self, labels):
        one_hot = ops.one_hot(labels, self.num_classes, dtype=self.compute_dtype)
        return ops.tile(one_hot[:, None, None, :], (1, self.height, self.width, 1))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.height, self.width, self.num_classes)

    def get_config(self) -> dict:
        sizes = {"num_classes": self.num_classes, "height": self.height, "width": self.width}
        return {**super().get_config(), **sizes}


@keras.saving.register_keras_serializable(package="kerasgan")
class ConditionalBatchNormalization(layers.Layer):
    """Batch normalization whose scale and shift depend on a condition.

    Args:
        num_classes: int, if the condition is a label: each class then has a scale, which starts at
            1, and a shift, which starts at 0. None if the condition is a vector: scale and shift
            are then linear in it, around 1 and 0.
        momentum, epsilon: as for `keras.layers.BatchNormalization`.
        spectral_normalization: whether to normalize the linear maps from a vector spectrally.
        sets: None, or int, the number of sets of standing statistics; see
            `kerasgan.layers.StandingBatchNormalization`.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Inputs: the list of features (batch, height, width, channels) or (batch, channels), and the
    condition: int (batch,), or float (batch, n). With `sets` also the shares (batch, sets). Output:
    as the features.

    Example:

    >>> layer = kerasgan.layers.ConditionalBatchNormalization(num_classes=10)
    >>> features = np.random.default_rng(0).normal(5.0, 2.0, (100, 4)).astype("float32")
    >>> y = layer([features, np.zeros(100, "int32")], training=True)
    >>> round(float(keras.ops.std(y)), 2)
    1.0

    Reference: A Learned Representation for Artistic Style, Dumoulin et al., 2017,
    arXiv:1610.07629, and Modulating Early Visual Processing by Language, de Vries et al., 2017,
    arXiv:1707.00683; with a vector, Large Scale GAN Training for High Fidelity Natural Image
    Synthesis, Brock et al., 2019, arXiv:1809.11096.
    """

    def __init__(
        self,
        num_classes: int | None = None,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        spectral_normalization: bool = False,
        sets: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_classes, self.momentum, self.epsilon = num_classes, momentum, epsilon
        self.spectral_normalization = spectral_normalization
        self.sets = sets
        self.normalize = batch_normalization(
            sets,
            momentum=momentum,
            epsilon=epsilon,
            center=False,
            scale=False,
            dtype=self.dtype_policy,
            name="normalize",
        )

    def build(self, input_shape):
        features, condition, *shares = input_shape
        self.normalize.build([features, *shares] if shares else features)
        channels = features[-1]
        if self.num_classes is not None:

            def one_row(initializer, name):
                return layers.Embedding(
                    self.num_classes, channels, initializer, dtype=self.dtype_policy, name=name
                )

            self.gamma, self.beta = one_row("ones", "gamma"), one_row("zeros", "beta")
        else:

            def linear(name):
                dense = layers.Dense(channels, use_bias=False, dtype=self.dtype_policy, name=name)
                return normalized(dense, self.spectral_normalization)

            self.gamma, self.beta = linear("gamma"), linear("beta")
        self.gamma.build(condition)
        self.beta.build(condition)

    def call(self, inputs, training=None):
        features, condition, *shares = inputs
        shape = (-1, *[1] * (len(features.shape) - 2), features.shape[-1])
        gamma = ops.reshape(self.gamma(condition), shape)
        beta = ops.reshape(self.beta(condition), shape)
        if self.num_classes is None:
            gamma = gamma + 1.0
        normalized_by = [features, *shares] if shares else features
        return self.normalize(normalized_by, training=training) * gamma + beta

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self) -> dict:
        names = ("num_classes", "momentum", "epsilon", "spectral_normalization", "sets")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def labelled_latents(latent_dim, num_classes, joined=True):
    """A generator's inputs, and the noise, joined with the one-hot label if there is one."""
    z = keras.Input((latent_dim,), name="z")
    if num_classes is None:
        return z, z
    label = keras.Input((), dtype="int32", name="label")
    if not joined:
        return [z, label], z
    one_hot = OneHot(num_classes, name="one_hot")(label)
    return [z, label], layers.Concatenate(name="z_and_label")([z, one_hot])


def label_maps(image_shape, num_classes, conditioning):
    """A discriminator's inputs, the input of its first layer, and the label (or None)."""
    images = keras.Input(image_shape, name="images")
    if num_classes is None:
        return images, images, None
    label = keras.Input((), dtype="int32", name="label")
    if conditioning != "one_hot":
        return [images, label], images, label
    maps = ClassToMaps(num_classes, *image_shape[:2], name="label_maps")(label)
    stacked = layers.Concatenate(name="images_and_label")([images, maps])
    return [images, label], stacked, label


def logits(features, label, num_classes, conditioning, wrap, initializer):
    """The last layer of a discriminator: (batch, 1), in float32.

    Args:
        features: (batch, n).
        label: int (batch,), or None.
        num_classes, conditioning: with `"projection"` the inner product of the features with an
            embedding of the label is added (cGANs with Projection Discriminator, Miyato and Koyama,
            2018, arXiv:1802.05637).
        wrap: function that wraps a layer, for spectral normalization.
        initializer: function without arguments, for the weights.
    """
    dense = layers.Dense(1, kernel_initializer=initializer(), dtype="float32", name="logits")
    output = wrap(dense)(features)
    if label is None or conditioning != "projection":
        return output
    embedding = layers.Embedding(
        num_classes, features.shape[-1], initializer(), dtype="float32", name="embedding"
    )
    product = layers.Dot(axes=-1, dtype="float32", name="projection")(
        [features, wrap(embedding)(label)]
    )
    return layers.Add(dtype="float32", name="logits_and_projection")([output, product])

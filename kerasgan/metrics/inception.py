"""The network that FID is computed with: Google's Inception of December 2015.

`keras.applications.InceptionV3` is another network: its weights, pooling and results differ.
"""

import pathlib

import keras
import numpy as np
from keras import layers, ops

from kerasgan.layers.precision import measuring_networks
from kerasgan.metrics.resizing import antialiased_bicubic
from kerasgan.weight_files.torch_files import read_tensors

URL = (
    "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
    "pt_inception-2015-12-05-6726825d.pth"
)
SIZE = 299
EPSILON = 1e-3  # of the batch normalization


def inception_fid(weights="download", resize="legacy"):
    """The FID network, as a Keras model: images to features and to logits.

    Where the graph that Google published differs from the paper, this network follows the graph,
    because all published numbers do: other first layers, a branch with a convolution of 5 x 5, a
    last block with max pooling, 1008 outputs for 1000 classes, and no auxiliary classifier. For the
    same reason `logits` leave out the bias of the last layer: the code of the Inception score
    multiplies by that layer's matrix only.

    Batch normalization is folded into the convolutions.

    Args:
        weights: `"download"`, which keeps a file of 91 MiB in Keras' cache; the path of that file,
            `pt_inception-2015-12-05-6726825d.pth`; or None for random weights.
        resize: how images of other sizes become 299 x 299. `"legacy"` is bilinear without
            antialiasing, as in the original graph and in most published numbers; `"clean"` is
            antialiased bicubic, as in clean-fid, which depends less on the image size; `"pytorch"`
            is bilinear without antialiasing between the centres of pixels, as in pytorch-fid, which
            also scales to [-1, 1] by `u / 127.5 - 1` where the graph has `(u - 128) / 128`, so
            results differ even at 299 x 299.

    Returns:
        `keras.Model` from images (batch, height, width, 3) in [-1, 1] to a dict: `features` (batch,
        2048) and `logits` (batch, 1008), float32. It is not trainable.

    Raises:
        ValueError: for another `resize`, or a file that is damaged or of another network.
        OSError: if the file does not exist or cannot be downloaded.

    Example:

    >>> network = kerasgan.metrics.inception.inception_fid(weights=None)
    >>> network(np.zeros((2, 32, 32, 3), "float32"))["features"].shape[-1]
    2048

    Reference: Rethinking the Inception Architecture for Computer Vision, Szegedy et al., 2015,
    arXiv:1512.00567; as a measure, GANs Trained by a Two Time-Scale Update Rule Converge to a Local
    Nash Equilibrium, Heusel et al., 2017, arXiv:1706.08500; `"clean"`, On Aliased Resizing and
    Surprising Subtleties in GAN Evaluation, Parmar, Zhang & Zhu, 2021, arXiv:2104.11222.
    """
    if resize not in INTERPOLATIONS:
        raise ValueError(f"resize={resize!r}; use one of {', '.join(map(repr, INTERPOLATIONS))}.")
    # Before the network is built, because this is what can fail.
    tensors = None if weights is None else read_tensors(_file(weights))
    with measuring_networks():
        network = _network(resize)
    if tensors is not None:
        _load(network, tensors, weights)
    return network


def _network(resize):
    images = keras.Input((None, None, 3), name="images")
    x = layers.Rescaling(127.5, 127.5, name="to_255")(images)
    x = Resize(resize, name="resize")(x)
    half = 127.5 if resize == "pytorch" else 128.0
    x = layers.Rescaling(1.0 / half, -1.0, name="normalize")(x)

    x = _conv(x, 32, 3, "Conv2d_1a_3x3", strides=2, padding="valid")  # 149 x 149
    x = _conv(x, 32, 3, "Conv2d_2a_3x3", padding="valid")
    x = _conv(x, 64, 3, "Conv2d_2b_3x3")
    x = layers.MaxPooling2D(3, 2)(x)  # 73 x 73
    x = _conv(x, 80, 1, "Conv2d_3b_1x1")
    x = _conv(x, 192, 3, "Conv2d_4a_3x3", padding="valid")
    x = layers.MaxPooling2D(3, 2)(x)  # 35 x 35

    x = _figure_5(x, "Mixed_5b", 32)
    x = _figure_5(x, "Mixed_5c", 64)
    x = _figure_5(x, "Mixed_5d", 64)
    x = _to_17x17(x, "Mixed_6a")
    x = _figure_6(x, "Mixed_6b", 128)
    x = _figure_6(x, "Mixed_6c", 160)
    x = _figure_6(x, "Mixed_6d", 160)
    x = _figure_6(x, "Mixed_6e", 192)
    x = _to_8x8(x, "Mixed_7a")
    x = _figure_7(x, "Mixed_7b", layers.AveragePooling2D)
    x = _figure_7(x, "Mixed_7c", layers.MaxPooling2D)

    features = layers.GlobalAveragePooling2D(name="features")(x)
    logits = layers.Dense(1008, use_bias=False, name="fc")(features)
    network = keras.Model(images, {"features": features, "logits": logits}, name="inception_fid")
    network.trainable = False
    return network


def _figure_5(x, block, pool_filters):
    """35 x 35: a convolution of 5 x 5 becomes two of 3 x 3, in one of two branches."""
    name = f"{block}_branch"
    one = _conv(x, 64, 1, f"{name}1x1")
    five = _chain(x, f"{name}5x5", (48, 1), (64, 5))
    twice_three = _chain(x, f"{name}3x3dbl", (64, 1), (96, 3), (96, 3))
    return _joined(one, five, twice_three, _pooled(x, pool_filters, f"{name}_pool"))


def _to_17x17(x, block):
    name = f"{block}_branch"
    three = _conv(x, 384, 3, f"{name}3x3", strides=2, padding="valid")
    twice_three = _chain(x, f"{name}3x3dbl", (64, 1), (96, 3), (96, 3), halve=True)
    return _joined(three, twice_three, layers.MaxPooling2D(3, 2)(x))


def _figure_6(x, block, filters):
    """17 x 17: convolutions of 7 x 7 become 1 x 7 and 7 x 1."""
    name = f"{block}_branch"
    wide, tall = (filters, (1, 7)), (filters, (7, 1))
    one = _conv(x, 192, 1, f"{name}1x1")
    seven = _chain(x, f"{name}7x7", (filters, 1), wide, (192, (7, 1)))
    twice_seven = _chain(x, f"{name}7x7dbl", (filters, 1), tall, wide, tall, (192, (1, 7)))
    return _joined(one, seven, twice_seven, _pooled(x, 192, f"{name}_pool"))


def _to_8x8(x, block):
    name = f"{block}_branch"
    three = _chain(x, f"{name}3x3", (192, 1), (320, 3), halve=True)
    seven = _chain(x, f"{name}7x7x3", (192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3), halve=True)
    return _joined(three, seven, layers.MaxPooling2D(3, 2)(x))


def _figure_7(x, block, pooling):
    """8 x 8: branches that end in 1 x 3 beside 3 x 1, for as many features as possible."""
    name = f"{block}_branch"
    one = _conv(x, 320, 1, f"{name}1x1")
    three = _chain(x, f"{name}3x3", (384, 1))
    twice_three = _chain(x, f"{name}3x3dbl", (448, 1), (384, 3))
    return _joined(
        one,
        _conv(three, 384, (1, 3), f"{name}3x3_2a"),
        _conv(three, 384, (3, 1), f"{name}3x3_2b"),
        _conv(twice_three, 384, (1, 3), f"{name}3x3dbl_3a"),
        _conv(twice_three, 384, (3, 1), f"{name}3x3dbl_3b"),
        _pooled(x, 192, f"{name}_pool", pooling),
    )


def _chain(x, name, *convolutions, halve=False):
    """Convolutions one after the other, by filters and kernel size; `halve` is the last one's."""
    for number, (filters, size) in enumerate(convolutions, 1):
        last = {"strides": 2, "padding": "valid"} if halve and number == len(convolutions) else {}
        x = _conv(x, filters, size, f"{name}_{number}", **last)
    return x


def _pooled(x, filters, name, pooling=layers.AveragePooling2D):
    # Keras' average pooling excludes the padding, as TensorFlow's does.
    return _conv(pooling(3, strides=1, padding="same")(x), filters, 1, name)


def _joined(*branches):
    return layers.Concatenate()(branches)


def _conv(x, filters, size, name, strides=1, padding="same"):
    return layers.Conv2D(filters, size, strides, padding, activation="relu", name=name)(x)


def _file(weights):
    if weights != "download":
        return weights
    try:
        return keras.utils.get_file(origin=URL, cache_subdir="models")  # read_tensors checks it
    except Exception as error:  # Keras raises a bare one
        raise OSError(
            f"{URL} cannot be downloaded ({error}); download it elsewhere and give its path: "
            f"features={pathlib.PurePosixPath(URL).name!r}."
        ) from error


def _load(network, tensors, source):
    """Assigns the tensors of pytorch-fid's network to this one, by their names."""
    tensors = {k: v for k, v in tensors.items() if not k.endswith(".num_batches_tracked")}
    convolutions = [layer for layer in network.layers if isinstance(layer, layers.Conv2D)]
    dense = network.get_layer("fc")
    expected = {"fc.weight": dense.kernel.shape[::-1], "fc.bias": (dense.units,)}
    for layer in convolutions:
        height, width, channels, filters = layer.kernel.shape
        expected[f"{_theirs(layer)}.conv.weight"] = (filters, channels, height, width)
        for name in ("weight", "bias", "running_mean", "running_var"):
            expected[f"{_theirs(layer)}.bn.{name}"] = (filters,)
    check_tensors(tensors, expected, source, URL)

    names = ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")
    for layer in convolutions:
        of_layer = (tensors[f"{_theirs(layer)}.{name}"] for name in names)
        layer.set_weights(folded(*of_layer, EPSILON))
    dense.set_weights([tensors["fc.weight"].T])


def _theirs(layer):
    return layer.name.replace("_branch", ".branch")


def folded(kernel, scale, shift, mean, variance, epsilon):
    """Folds the batch norm after one of PyTorch's convolutions into the convolution.

    Args:
        kernel: array (filters, channels, height, width).
        scale, shift, mean, variance: arrays (filters,), of the batch norm.
        epsilon: float.

    Returns:
        Kernel (height, width, channels, filters) and bias (filters,), float64.
    """
    arrays = (kernel, scale, shift, mean, variance)
    kernel, scale, shift, mean, variance = (array.astype("float64") for array in arrays)
    scale = scale / np.sqrt(variance + epsilon)
    return np.transpose(kernel, (2, 3, 1, 0)) * scale, shift - mean * scale


def check_tensors(tensors, expected, source, right):
    """Raises a ValueError for tensors that are not those of a network.

    Args:
        tensors: dict from names to arrays.
        expected: dict from names to shapes.
        source: the file, for the error message.
        right: the file with the right tensors, for the error message.
    """
    wrong = {
        "missing": [name for name in expected if name not in tensors],
        "unexpected": [name for name in tensors if name not in expected],
        "of another shape": [
            f"{name} {tensors[name].shape} instead of {tuple(shape)}"
            for name, shape in expected.items()
            if name in tensors and tensors[name].shape != tuple(shape)
        ],
    }
    found = [
        f"{len(names)} {kind}: {', '.join(names[:3])}" + (", ..." if len(names) > 3 else "")
        for kind, names in wrong.items()
        if names
    ]
    if found:
        raise ValueError(
            f"{source} has weights of another network ({'; '.join(found)}); use those of {right}."
        )


@keras.saving.register_keras_serializable(package="kerasgan")
class Resize(layers.Layer):
    """Resizes images of any size to squares, with the same results under every backend.

    Each side is multiplied by a matrix of interpolation weights.

    Args:
        interpolation: `"legacy"`, the bilinear one of TensorFlow 1, in which the corner of the
            image is the centre of a pixel; `"clean"`, Pillow's antialiased bicubic one, with
            overshoots clipped; or `"pytorch"`, PyTorch's bilinear one without aligned corners.
        size: int, the side of the resized images.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Inputs: (batch, height, width, channels) in 0..255. Output: (batch, size, size,
    channels).

    Example:

    >>> images = np.full((1, 8, 8, 3), 200.0, "float32")
    >>> resized = kerasgan.metrics.inception.Resize("clean")(images)
    >>> round(float(keras.ops.max(resized)), 3)
    200.0

    Reference: On Aliased Resizing and Surprising Subtleties in GAN Evaluation, Parmar, Zhang & Zhu,
    2021, arXiv:2104.11222.
    """

    def __init__(self, interpolation="legacy", size=SIZE, **kwargs):
        super().__init__(**kwargs)
        self.interpolation, self.size = interpolation, size

    def call(self, x):
        _, height, width, channels = ops.shape(x)
        rows, columns = (ops.cast(self._matrix(size), x.dtype) for size in (height, width))
        x = ops.matmul(rows, ops.reshape(x, (-1, height, width * channels)))
        x = ops.matmul(columns, ops.reshape(x, (-1, self.size, width, channels)))
        return ops.clip(x, 0.0, 255.0) if self.interpolation == "clean" else x

    def _matrix(self, size):
        # TensorFlow may compile one graph for many sizes, so they can be tensors there.
        library = np if isinstance(size, int) else ops
        return INTERPOLATIONS[self.interpolation](size, self.size, library)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.size, self.size, input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "interpolation": self.interpolation, "size": self.size}


def _bilinear(size, to, xp):
    """The matrix (to, size) of TensorFlow 1's resize_bilinear, without antialiasing."""
    step = xp.array(size / to, dtype="float32")
    return _between(xp.arange(to, dtype="float32") * step, size, xp)


def _bilinear_of_centres(size, to, xp):
    """The matrix (to, size) of PyTorch's interpolate, bilinear without aligned corners."""
    step = xp.array(size / to, dtype="float32")
    return _between((xp.arange(to, dtype="float32") + 0.5) * step - 0.5, size, xp)


def _between(at, size, xp):
    """The weights of the two pixels beside each place; beyond the border, of the border pixel."""
    at = xp.maximum(xp.minimum(at, xp.array(size - 1, dtype="float32")), 0.0)
    return xp.maximum(1.0 - xp.abs(at[:, None] - xp.arange(size, dtype="float32")), 0.0)


INTERPOLATIONS = {
    "legacy": _bilinear,
    "clean": antialiased_bicubic,
    "pytorch": _bilinear_of_centres,
}

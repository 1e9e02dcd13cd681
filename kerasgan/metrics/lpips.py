"""The network of LPIPS (learned perceptual image patch similarity), Zhang et al. 2018."""

import os
import pathlib
from typing import NamedTuple

import keras
import numpy as np
from keras import layers, ops

from kerasgan.layers.precision import measuring_networks
from kerasgan.weight_files import check_tensors, read_tensors

LPIPS = "lpips:"  # prefix of its name as features; the two files follow
FORM = "'lpips:BACKBONE,HEADS'"
# Of the colours, from -1 to 1, that the backbones were trained with.
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
EPSILON = 1e-10  # added to the norm of the features at a position


class Backbone(NamedTuple):
    """The layers of torchvision's network, by their numbers in its `features`.

    Attributes:
        name: str.
        sign: str, the name of an array that only this one has.
        stages: the convolutions of each stage; the distance uses the output of the last one.
        sizes: the kernel sizes of each stage.
        pooled: the stages before which maps are pooled.
        pool: the pooling size; the stride is 2.
        strides: int, of the first convolution.
        padding: int, of the first convolution.
        least: int, the smallest side of images.
        file: torchvision's.
        heads: the file of the heads in the package lpips.
        fires: bool, whether all convolutions but the first are fire modules, of three.
    """

    name: str
    sign: str
    stages: tuple[tuple[int, ...], ...]
    sizes: tuple[int, ...]
    pooled: tuple[int, ...]
    pool: int
    strides: int
    padding: int
    least: int
    file: str
    heads: str
    fires: bool = False


BACKBONES = (
    Backbone(
        name="AlexNet",
        sign="features.6.weight",
        stages=((0,), (3,), (6,), (8,), (10,)),
        sizes=(11, 5, 3, 3, 3),
        pooled=(1, 2),
        pool=3,
        strides=4,
        padding=2,
        least=31,
        file="alexnet-owt-7be5be79.pth",
        heads="lpips/weights/v0.1/alex.pth",
    ),
    Backbone(
        name="VGG16",
        sign="features.2.weight",
        stages=((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28)),
        sizes=(3, 3, 3, 3, 3),
        pooled=(1, 2, 3, 4),
        pool=2,
        strides=1,
        padding=1,
        least=16,
        file="vgg16-397923af.pth",
        heads="lpips/weights/v0.1/vgg.pth",
    ),
    Backbone(
        name="SqueezeNet 1.1",
        sign="features.3.squeeze.weight",
        stages=((0,), (3, 4), (6, 7), (9,), (10,), (11,), (12,)),
        sizes=(3, 3, 3, 3, 3, 3, 3),
        pooled=(1, 2, 3),
        pool=3,
        strides=2,
        padding=0,
        least=17,
        file="squeezenet1_1-b8a52dc0.pth",
        heads="lpips/weights/v0.1/squeeze.pth",
        fires=True,
    ),
)
EXPANDED = (("expand1x1", 1), ("expand3x3", 3))


@keras.saving.register_keras_serializable(package="kerasgan")
class LPIPSNetwork(keras.Model):
    """A network whose features have LPIPS as their squared Euclidean distance.

    Create it with `lpips`. The squared Euclidean distance of two features is the LPIPS of the
    images.
    """

    squares_are_distances = True  # so that a projection does not scale the features

    @property
    def least_size(self) -> int:
        """The smallest side of images, in pixels."""
        return self.get_layer("least_size").least


def lpips(
    backbone: str | os.PathLike, heads: str | os.PathLike, as_mean: bool = False
) -> LPIPSNetwork:
    """LPIPS as features, with weights from files, which are read without PyTorch.

    Equation 1 of the paper: images go through a backbone, and in some of its layers the feature
    vector at each position is scaled to unit length. LPIPS is the mean squared difference over
    positions, summed over layers and channels with weights that were fitted to people's judgements.
    The network multiplies the features by the square roots of these weights and of 1 / positions,
    which makes LPIPS a squared Euclidean distance. So you can use it wherever features are
    accepted.

    Args:
        backbone: the path of torchvision's weights of AlexNet, `alexnet-owt-7be5be79.pth`, of
            VGG16, `vgg16-397923af.pth`, or of SqueezeNet, `squeezenet1_1-b8a52dc0.pth`; the
            classifier in it is not needed. The file itself shows which network it is, and how many
            maps its layers have.
        heads: the path of the file from the package lpips with the weights for that backbone,
            `lpips/weights/v0.1/alex.pth`, `vgg.pth` or `squeeze.pth`.
        as_mean: whether LPIPS is the mean of the squared differences, as a content loss needs it,
            rather than their sum.

    Returns:
        A network from images (batch, height, width, 3) in [-1, 1], which are not resized, to
        features (batch, n), float32; with VGG16 about 122 per pixel. VGG16 takes images of at least
        16x16 pixels, SqueezeNet of 17x17, AlexNet of 31x31. It is not trainable.

    Raises:
        FileNotFoundError: when a file does not exist.
        ValueError: for a file that is damaged, of another network, or of other heads.

    Example:

        network = kerasgan.metrics.features.lpips("vgg16-397923af.pth", "vgg.pth")
        found = model.project(photographs, features=network)

    Reference: The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, Zhang, Isola,
    Efros, Shechtman & Wang, 2018, arXiv:1801.03924; version 0.1 of the authors' program.
    """
    tensors = _convolutions(_read("backbone", backbone), backbone)
    plan = next((each for each in BACKBONES if each.sign in tensors), None)
    if plan is None:
        signs = " or ".join(each.sign for each in BACKBONES)
        raise ValueError(
            f"backbone={str(backbone)!r} has no {signs}; use torchvision's "
            f"{' or '.join(each.file for each in BACKBONES)}."
        )
    shapes, widths = _shapes(plan, tensors)
    check_tensors(tensors, shapes, f"backbone={str(backbone)!r}, taken for {plan.name},")
    weights = _read("heads", heads)
    wanted = {_head(number): (1, width, 1, 1) for number, width in enumerate(widths)}
    check_tensors(
        weights,
        wanted,
        f"heads={str(heads)!r}, which for this {plan.name} has to be such as {plan.heads},",
    )
    if any(weights[name].min() < 0.0 for name in wanted):
        raise ValueError(
            f"heads={str(heads)!r} has weights below 0, but the weights of LPIPS are at least 0."
        )
    with measuring_networks():
        images = keras.Input((None, None, 3), name="images")
        network = LPIPSNetwork(images, _outputs(images, plan, shapes, as_mean), name="lpips")
    for layer in network.layers:
        if isinstance(layer, layers.Conv2D):
            name = layer.name.replace("_", ".")
            kernel = tensors[f"{name}.weight"].transpose(2, 3, 1, 0)
            layer.set_weights([kernel, tensors[f"{name}.bias"]])
    for number, name in enumerate(wanted):
        network.get_layer(f"lin{number}").set_weights([np.sqrt(weights[name].ravel())])
    network.trainable = False
    return network


def files_of(features: str) -> tuple[str, str]:
    """The two files named in `"lpips:BACKBONE,HEADS"`.

    Raises:
        ValueError: for another number of files.
    """
    files = features.removeprefix(LPIPS).split(",")
    if len(files) != 2 or not all(files):
        raise ValueError(
            f"features={features!r}; use {FORM}, two paths without commas: torchvision's file of "
            "AlexNet, VGG16 or SqueezeNet, and that of the package lpips with the weights for it."
        )
    return files[0], files[1]


def _outputs(images, plan, shapes, as_mean):
    scale = [1.0 / each for each in SCALE]
    offset = [-shift / each for shift, each in zip(SHIFT, SCALE, strict=True)]
    x = LeastSize(plan.least, name="least_size")(images)
    x = layers.Rescaling(scale, offset, name="normalize")(x)
    found = []
    for number, (stage, size) in enumerate(zip(plan.stages, plan.sizes, strict=True)):
        if number in plan.pooled:
            if plan.fires:  # which also pool what is left at the end
                x = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"pool{number}_pad")(x)
            x = layers.MaxPooling2D(plan.pool, 2, name=f"pool{number}")(x)
        for index in stage:
            x = _convolved(x, index, size, plan, shapes)
        found.append(UnitMaps(name=f"lin{number}")(x))
    x = layers.Concatenate(name="features")(found)
    return RootOfSize(name="as_mean")(x) if as_mean else x


def _convolved(x, index, size, plan, shapes):
    name = f"features_{index}"

    def convolution(x, part, size, strides=1, padding=None):
        full = name + part
        width = shapes[f"{full.replace('_', '.')}.weight"][0]
        x = layers.ZeroPadding2D(size // 2 if padding is None else padding, name=f"{full}_pad")(x)
        return layers.Conv2D(width, size, strides, activation="relu", name=full)(x)

    if index == 0:
        return convolution(x, "", size, plan.strides, plan.padding)
    if not plan.fires:
        return convolution(x, "", size)
    x = convolution(x, "_squeeze", 1)
    expanded = [convolution(x, f"_{part}", size) for part, size in EXPANDED]
    return layers.Concatenate(name=name)(expanded)


def _read(argument, path):
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{argument}={str(path)!r} is not a file; LPIPS takes {FORM}: torchvision's file of "
            "AlexNet, VGG16 or SqueezeNet, and that of the package lpips with the weights for it."
        )
    return read_tensors(path)


def _convolutions(tensors, path):
    """The convolutions in use, without the classifier, which would be large."""
    return {name: array for name, array in tensors.items() if not name.startswith("classifier.")}


def _shapes(plan, tensors):
    """The shapes of a backbone's tensors, with the file's numbers of maps, and what is seen."""
    shapes, widths, before = {}, [], 3

    def add(name, before, size):
        bias = tensors.get(f"{name}.bias", np.empty(0))
        width = bias.shape[0] if bias.ndim else 0
        shapes[f"{name}.weight"] = (width, before, size, size)
        shapes[f"{name}.bias"] = (width,)
        return width

    for stage, size in zip(plan.stages, plan.sizes, strict=True):
        for index in stage:
            name = f"features.{index}"
            if index == 0 or not plan.fires:
                before = add(name, before, size)
            else:
                narrow = add(f"{name}.squeeze", before, 1)
                before = sum(add(f"{name}.{part}", narrow, size) for part, size in EXPANDED)
        widths.append(before)
    return shapes, widths


def _head(number):
    return f"lin{number}.model.1.weight"


@keras.saving.register_keras_serializable(package="kerasgan")
class LeastSize(layers.Layer):
    """Raises an error for images that would be pooled to nothing."""

    def __init__(self, least, **kwargs):
        super().__init__(**kwargs)
        self.least = least

    def call(self, images):
        sides = [side for side in images.shape[1:3] if side is not None]
        if any(side < self.least for side in sides):
            raise ValueError(
                f"LPIPS with this backbone takes images of at least {self.least}x{self.least} "
                f"pixels, these have {'x'.join(map(str, sides))}; enlarge them."
            )
        return images

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "least": self.least}


@keras.saving.register_keras_serializable(package="kerasgan")
class UnitMaps(layers.Layer):
    """Flattens feature maps (batch, height, width, channels) to vectors (batch, n).

    The feature vector at each position is scaled to unit length, multiplied by the layer's weight
    for each map, and divided by the square root of the number of positions.
    """

    def build(self, input_shape):
        self.scale = self.add_weight((input_shape[-1],), "ones", name="scale")

    def call(self, maps):
        _, height, width, channels = ops.shape(maps)
        squares = ops.sum(ops.square(maps), axis=-1, keepdims=True)
        length = ops.sqrt(ops.maximum(squares, EPSILON**2))  # the square root has no gradient at 0
        unit = maps / (length + EPSILON)
        positions = ops.cast(height * width, "float32")
        return ops.reshape(unit * self.scale / ops.sqrt(positions), (-1, height * width * channels))

    def compute_output_shape(self, input_shape):
        known = None not in input_shape[1:]
        return input_shape[0], int(np.prod(input_shape[1:])) if known else None


@keras.saving.register_keras_serializable(package="kerasgan")
class RootOfSize(layers.Layer):
    """Multiplies vectors (batch, n) by sqrt(n): means of squares are what sums were before."""

    def call(self, vectors):
        return vectors * ops.sqrt(ops.cast(ops.shape(vectors)[1], "float32"))

    def compute_output_shape(self, input_shape):
        return input_shape

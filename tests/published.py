"""What the published programs compute with weights that a seed decides.

`published.npz` holds their outputs (PyTorch 2.13, float32 on a CPU), and the functions here the
weights and inputs that they were given, in the programs' own layout (NCHW, OIHW) and names.

- CycleGAN and Pix2Pix: junyanz/pytorch-CycleGAN-and-pix2pix, `models/networks.py`.
- R3GAN: brownvc/R3GAN, `R3GAN/Networks.py`.
- BigGAN: ajbrock/BigGAN-PyTorch, `BigGAN.py` and `BigGANdeep.py`; of images every second or eighth
  pixel.
"""

import math
import pathlib
import zlib

import keras
import numpy as np

_FILE = pathlib.Path(__file__).with_suffix(".npz")


def outputs(name):
    """The output of this name; images are turned to NHWC."""
    with np.load(_FILE) as file:
        y = file[name]
    return np.moveaxis(y, 1, -1) if y.ndim == 4 else y


def inputs(name, *shape):
    """What a program was given: float32, uniform in [-1, 1]."""
    return _random(name).uniform(-1.0, 1.0, shape).astype("float32")


def weight(name, shape):
    """A kernel that about keeps the variance, or a vector of biases or scales."""
    bound = math.sqrt(3.0 / math.prod(shape[1:])) if len(shape) > 1 else 0.5
    return (bound * _random(name).uniform(-1.0, 1.0, shape)).astype("float32")


def arrays(name, shapes):
    """Those of a network by name, with positive variances.

    Args:
        name: str, of the network.
        shapes: dict of shapes by name.
    """
    found = {n: np.asarray(weight(f"{name}.{n}", shape)) for n, shape in shapes.items()}
    return {n: np.abs(a) + 0.5 if n.endswith("stored_var") else a for n, a in found.items()}


def fill(layer, name, bias=None):
    """Gives a layer of Keras the weights of a layer of the published program.

    Args:
        layer: a built layer.
        name: str, that of the layer in the program.
        bias: str, the full name of its bias, where another layer of the program has it.
    """
    depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    for variable in layer.weights:
        is_bias = variable.name in ("bias", "beta")
        full = (bias if is_bias else None) or f"{name}.{'bias' if is_bias else 'weight'}"
        if len(variable.shape) == 4:
            height, width, *maps = variable.shape
            order = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
            shape = (*(maps if depthwise else maps[::-1]), height, width)
            variable.assign(weight(full, shape).transpose(order))
        else:
            variable.assign(weight(full, variable.shape[::-1]).T)


def _random(name):
    return np.random.default_rng(zlib.crc32(name.encode()))

"""Files of LPIPS with small random weights, as torchvision and the package lpips name them."""

import atexit
import functools
import pathlib
import shutil
import tempfile

import numpy as np
from written_files import archive, legacy, state_dict

# Maps that convolutions make here, and sizes of their kernels, by their numbers in torchvision's
# `features`; maps of the three convolutions in a fire module.
NETWORKS = {
    "alexnet": {0: (6, 11), 3: (5, 5), 6: (7, 3), 8: (4, 3), 10: (3, 3)},
    "vgg16": {
        **{0: (4, 3), 2: (4, 3), 5: (5, 3), 7: (6, 3), 10: (5, 3), 12: (4, 3), 14: (7, 3)},
        **{17: (5, 3), 19: (5, 3), 21: (6, 3), 24: (5, 3), 26: (4, 3), 28: (8, 3)},
    },
    "squeezenet": {
        **{0: (4, 3), 3: (2, 3, 3), 4: (3, 2, 3), 6: (2, 3, 2), 7: (3, 3, 3), 9: (2, 2, 3)},
        **{10: (3, 2, 4), 11: (2, 3, 3), 12: (3, 4, 2)},
    },
}
SEEN = {"alexnet": (0, 3, 6, 8, 10), "vgg16": (2, 7, 14, 21, 28)}
SEEN["squeezenet"] = (0, 4, 7, 9, 10, 11, 12)


def tensors(network):
    """Random ones, with torchvision's names and those of the package lpips."""
    random, backbone, heads, before = np.random.default_rng(0), {}, {}, 3

    def convolution(name, before, width, size):
        kernel = random.normal(size=(width, before, size, size)) / (size * before**0.5)
        backbone[f"features.{name}.weight"] = kernel.astype("float32")
        backbone[f"features.{name}.bias"] = random.normal(size=width).astype("float32") / 10

    for index, maps in NETWORKS[network].items():
        if len(maps) == 2:
            width, size = maps
            convolution(index, before, width, size)
        else:
            narrow, *wide = maps
            width = sum(wide)
            convolution(f"{index}.squeeze", before, narrow, 1)
            for size, part in zip((1, 3), wide, strict=True):
                convolution(f"{index}.expand{size}x{size}", narrow, part, size)
        if index in SEEN[network]:
            weights = random.uniform(size=(1, width, 1, 1)).astype("float32")
            heads[f"lin{len(heads)}.model.1.weight"] = weights
        before = width
    return backbone, heads


@functools.cache
def folder():
    """Where the files are, of all networks."""
    path = pathlib.Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, path)
    for network, form in (("alexnet", legacy), ("vgg16", archive), ("squeezenet", archive)):
        backbone, heads = tensors(network)
        backbone["classifier.6.bias"] = np.zeros(4)  # which nothing looks at
        (path / f"{network}.pth").write_bytes(state_dict(backbone, form))
        (path / f"{network}_heads.pth").write_bytes(state_dict(heads, archive))
    return path


def files(network):
    return folder() / f"{network}.pth", folder() / f"{network}_heads.pth"


def named(network):
    return "lpips:" + ",".join(map(str, files(network)))

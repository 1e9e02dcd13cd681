"""Files of LPIPS with small random weights, as torchvision and the package lpips name them."""

import atexit
import functools
import pathlib
import shutil
import tempfile

import numpy as np
from written_files import archive, legacy, state_dict

# Kernels by their numbers in torchvision's `features`, and how many maps they make here.
NETWORKS = {
    "alexnet": {0: (6, 11), 3: (5, 5), 6: (7, 3), 8: (4, 3), 10: (3, 3)},
    "vgg16": {
        **{0: (4, 3), 2: (4, 3), 5: (5, 3), 7: (6, 3), 10: (5, 3), 12: (4, 3), 14: (7, 3)},
        **{17: (5, 3), 19: (5, 3), 21: (6, 3), 24: (5, 3), 26: (4, 3), 28: (8, 3)},
    },
}
SEEN = {"alexnet": (0, 3, 6, 8, 10), "vgg16": (2, 7, 14, 21, 28)}


def tensors(network):
    """Random ones, with torchvision's names and those of the package lpips."""
    random, backbone, heads, before = np.random.default_rng(0), {}, {}, 3
    for index, (width, size) in NETWORKS[network].items():
        kernel = random.normal(size=(width, before, size, size)) / (size * before**0.5)
        backbone[f"features.{index}.weight"] = kernel.astype("float32")
        backbone[f"features.{index}.bias"] = random.normal(size=width).astype("float32") / 10
        if index in SEEN[network]:
            weights = random.uniform(size=(1, width, 1, 1)).astype("float32")
            heads[f"lin{len(heads)}.model.1.weight"] = weights
        before = width
    return backbone, heads


@functools.cache
def folder():
    """Where the files are, of both networks."""
    path = pathlib.Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, path)
    for network, form in (("alexnet", legacy), ("vgg16", archive)):
        backbone, heads = tensors(network)
        backbone["classifier.6.bias"] = np.zeros(4)  # which nothing looks at
        (path / f"{network}.pth").write_bytes(state_dict(backbone, form))
        (path / f"{network}_heads.pth").write_bytes(state_dict(heads, archive))
    return path


def files(network):
    return folder() / f"{network}.pth", folder() / f"{network}_heads.pth"


def named(network):
    return "lpips:" + ",".join(map(str, files(network)))

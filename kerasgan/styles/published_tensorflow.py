"""Network pickles of StyleGAN2 for TensorFlow 1, by the names of the later program for PyTorch."""

import re
from collections.abc import Mapping

import numpy as np

from kerasgan.training.official import PublishedFile
from kerasgan.weight_files.pickles import Record

NETWORK = "dnnlib.tflib.network.Network"
LEAST_VERSION = 4  # those before are of StyleGAN
NAMES = ("G", "D", "Gs")

# Our names of what a layer has, by theirs.
PARTS = {"weight": "weight", "bias": "bias", "noise_strength": "noise_strength"}
PARTS |= {"mod_weight": "affine.weight", "mod_bias": "affine.bias"}
LAYERS = {"Conv": "conv1", "Conv0_up": "conv0", "Conv1": "conv1", "ToRGB": "torgb", "Skip": "skip"}
LAYERS_OF_D = {"FromRGB": "fromrgb", "Conv0": "conv0", "Conv1_down": "conv1", "Skip": "skip"}
LAYERS_OF_D |= {"Conv": "conv", "Dense0": "fc"}


def from_tensorflow(file: PublishedFile) -> tuple[PublishedFile, tuple[str, ...]] | None:
    """A snapshot in the place of a network pickle of TensorFlow 1, and what it leaves out.

    Returns:
        None for another file.

    Raises:
        ValueError: for one of an older version, or with layers that StyleGAN2 does not have.
    """
    tree = file.tree
    if not isinstance(tree, (tuple, list)) or len(tree) != len(NAMES):
        return None
    if not all(isinstance(part, Record) and part.name == NETWORK for part in tree):
        return None
    if min(part.state["version"] for part in tree) < LEAST_VERSION:
        raise ValueError("it is of StyleGAN or older, by its version; none of these is known.")
    networks = dict(zip(NAMES, tree, strict=True))
    told = networks["D"].state["static_kwargs"]
    group, limit = told.get("mbstd_group_size", 4), told.get("conv_clamp")
    both = {"conv_clamp": limit}
    rates = {
        n: {"lr_multiplier": networks[n].state["static_kwargs"].get("mapping_lrmul", 0.01)}
        for n in ("G", "Gs")
    }
    settings = {"_init_kwargs": {**both, "epilogue_kwargs": {"mbstd_group_size": group}}}
    judge = _discriminator(networks["D"])
    found = {
        "G": _module(_generator(networks["G"]), _init_kwargs={**both, "mapping_kwargs": rates["G"]})
    }
    ignored: tuple[str, ...] = ()
    if "mapping.embed.weight" in judge:
        ignored = ("network D: its mapping of classes has another depth than StyleGAN2's",)
    else:
        found["D"] = _module(judge, **settings)
    found["G_ema"] = _module(
        _generator(networks["Gs"]), _init_kwargs={**both, "mapping_kwargs": rates["Gs"]}
    )
    return PublishedFile(file.path, found), ignored


def _module(tensors, **state):
    empty: dict = {"_buffers": {}, "_modules": {}}
    return Record("Network", {**state, **empty, "_parameters": tensors})


def _variables(network) -> Mapping[str, np.ndarray]:
    """Those of a network but for numbers that only training needs."""
    pairs = network.state["variables"]
    return {name: array for name, array in pairs if isinstance(array, np.ndarray)}


def _generator(network):
    parts = network.state["components"]
    found = {"mapping.w_avg": _variables(network)["dlatent_avg"]}
    found |= _dense(_variables(parts["mapping"]), {"LabelEmbed": "embed", "Dense": "fc"})
    for name, array in _variables(parts["synthesis"]).items():
        noise = re.fullmatch(r"noise(\d{1,2})", name)
        layer = re.fullmatch(r"(\d{1,4})x\1/(\w+)/(\w+)", name)
        if noise:
            # One for 4x4, then two for each size.
            number = int(noise[1])
            size, own = 2 ** (2 + (number + 1) // 2), (number + 1) % 2
            ours = f"b{size}.conv{own if number else 1}.noise_const"
            array = array[0, 0]
        elif name == "4x4/Const/const":
            ours, array = "b4.const", array[0]
        elif layer and layer[2] in LAYERS and layer[3] in PARTS:
            ours = f"b{layer[1]}.{LAYERS[layer[2]]}.{PARTS[layer[3]]}"
            if layer[3] == "mod_bias":
                array = array + 1.0
            elif array.ndim == 4:
                flipped = layer[2] in ("Conv0_up", "Skip")
                array = (array[::-1, ::-1] if flipped else array).transpose(3, 2, 0, 1)
            else:
                array = array.T
        else:
            raise ValueError(f"its generator has {name[:100]!r}, which StyleGAN2 does not have.")
        found[f"synthesis.{ours}"] = array
    return found


def _discriminator(network):
    variables = _variables(network)
    of_labels = {n: a for n, a in variables.items() if n.startswith(("LabelEmbed", "Mapping"))}
    found = _dense(of_labels, {"LabelEmbed": "embed", "Mapping": "fc"})
    for name, array in variables.items():
        layer = re.fullmatch(r"(\d{1,4})x\1/(\w+)/(weight|bias)", name)
        output = re.fullmatch(r"Output/(weight|bias)", name)
        if name in of_labels:
            continue
        if output:
            ours = f"b4.out.{output[1]}"
        elif layer and layer[2] in LAYERS_OF_D:
            ours = f"b{layer[1]}.{LAYERS_OF_D[layer[2]]}.{layer[3]}"
        else:
            raise ValueError(f"its discriminator has {name[:100]!r}, which is not known.")
        found[ours] = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T
    return found


def _dense(variables, names):
    """The layers of a mapping network."""
    found = {}
    for name, array in variables.items():
        layer = re.fullmatch(r"([A-Za-z]+)(\d{0,2})/(weight|bias)", name)
        if layer is None or layer[1] not in names:
            raise ValueError(f"its mapping network has {name[:100]!r}, which is not known.")
        found[f"mapping.{names[layer[1]]}{layer[2]}.{layer[3]}"] = array.T
    return found

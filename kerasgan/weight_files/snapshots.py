"""The snapshots of a training that NVIDIA's programs for PyTorch write, and those built on them."""

import numpy as np

from kerasgan.weight_files.pickles import Record
from kerasgan.weight_files.trees import module_tensors

NETWORKS = ("G", "G_ema", "D")

# The names of the changes in the program, by those of their groups here.
GROUPS = {
    "blit": ("xflip", "rotate90", "xint"),
    "geometry": ("scale", "rotate", "aniso", "xfrac"),
    "color": ("brightness", "contrast", "lumaflip", "hue", "saturation"),
    "filter": ("imgfilter",),
    "cutout": ("cutout",),
}


def snapshot_tensors(tree) -> dict[str, dict[str, np.ndarray]]:
    """The networks of a snapshot.

    Args:
        tree: what was read of a file.

    Returns:
        dict from `G`, `G_ema` and `D`, as far as they are there, to their arrays by name; empty for
        another file.
    """
    if not isinstance(tree, dict) or not {"G", "G_ema"} & set(tree):
        return {}
    return {n: module_tensors(tree[n]) for n in NETWORKS if isinstance(tree.get(n), Record)}


def snapshot_settings(tree, network: str) -> dict:
    """The arguments that a network of a snapshot was made with: dict, empty where there are none.

    Args:
        tree: what was read of a file.
        network: `"G"`, `"G_ema"` or `"D"`.
    """
    settings = tree[network].state.get("_init_kwargs", {})
    return settings if isinstance(settings, dict) else {}


def snapshot_limit(tree, network: str) -> float | None:
    """The largest absolute value of activations of StyleGAN2; None where a network has none.

    Args:
        tree: what was read of a snapshot.
        network: `"G"`, `"G_ema"` or `"D"`.
    """
    told = snapshot_settings(tree, network)
    inner = told.get("synthesis_kwargs")
    # The program of StyleGAN3 does not group these settings, and has a limit unless told otherwise.
    generators = [snapshot_settings(tree, n) for n in ("G", "G_ema") if tree.get(n) is not None]
    later = any("channel_base" in g and "synthesis_kwargs" not in g for g in generators)
    limit = (inner if isinstance(inner, dict) else told).get("conv_clamp", 256 if later else None)
    return float(limit) if isinstance(limit, (int, float)) and 0 < limit < np.inf else None


def snapshot_augmentation(tree) -> tuple[float, dict[str, float]] | None:
    """The adaptive augmentation of a snapshot.

    Args:
        tree: what was read of a file.

    Returns:
        None where it has none; or its probability, and the factors of the groups of changes, of
        each group that of its least likely one.
    """
    record = tree.get("augment_pipe") if isinstance(tree, dict) else None
    if not isinstance(record, Record):
        return None
    p = module_tensors(record).get("p")
    if p is None or p.shape != () or not 0.0 <= p <= np.inf:
        return None
    strengths = {name: record.state.get(name, 0.0) for names in GROUPS.values() for name in names}
    if not all(isinstance(s, (int, float)) and 0.0 <= s <= 1.0 for s in strengths.values()):
        return None
    return float(p), {g: min(float(strengths[n]) for n in names) for g, names in GROUPS.items()}

"""Published files against what the published programs compute with them.

    python benchmarks/published_files.py --oracles DIR

DIR holds `NAME.pkl`, `NAME.pth` or `NAME_pytorch_model.bin` in the published layouts,
`NAME_tensors.npz` with their arrays by the programs' own names, and `NAME.npz` with inputs and
outputs, channels first. Prints how long reading takes, whether every array is equal, and the
largest error of each output.
"""

import argparse
import os
import pathlib
import time

import kerasgan

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from kerasgan.models.big_gan_deep import shares_of
from kerasgan.weight_files import Record, module_tensors, read_tree


def channels_last(images):
    return np.moveaxis(images, 1, -1)


def style_based(gan, given):
    """Yields a name, what was computed, and what the program computes."""
    labels = given["c"].argmax(1).astype("int32") if given["c"].shape[1] else None
    styles = gan.styles(given["z"], labels=labels)
    yield "G_ema.w", styles[:, 0], given["G_ema.w"]
    image = "G_ema.img_const" if "G_ema.img_const" in given else "G_ema.img"
    images = gan.ema_generator.synthesis(styles, bounded=False)
    yield image, images, channels_last(given[image])
    real_labels = None if labels is None else given.get("cx", given["c"]).argmax(1).astype("int32")
    x = channels_last(given["x"])
    yield "D.logits_x", gan.discriminate(x, real_labels, training=False), given["D.logits_x"]


def plain(gan, given):
    """Yields the same of a GAN without styles."""
    labels = given["c"].argmax(1).astype("int32") if given["c"].shape[1] else None
    inputs = given["z"] if labels is None else [given["z"], labels]
    # As in training: elsewhere images are cut to [-1, 1].
    images = gan.ema_generator(inputs, training=True)
    yield "G_ema.img", images, channels_last(given["G_ema.img"])
    x = channels_last(given["x"])
    logits = gan.discriminate(x, labels, training=False)
    yield "D.logits_x", keras.ops.reshape(logits, (-1,)), given["D.logits_x"]


def translation(model, given):
    """Yields the same of the one network of a file."""
    (place,) = model.official.places
    network = getattr(model, place)
    x = given["x"]
    for name in ("y", "y_train_no_dropout_first_image"):
        if name in given:
            yield place, network(channels_last(x[: len(given[name])])), channels_last(given[name])


def growing(gan, given):
    """Yields the same of a GAN that has grown."""
    # As in training: elsewhere images are cut to [-1, 1].
    images = gan.ema_generator(given["z"], training=True)
    yield "avgG", images, channels_last(given["img"])


def enlarging(model, given):
    """Yields the same of a network whose images are in [0, 1]."""
    images = model.generator(2.0 * channels_last(given["x"]) - 1.0)
    yield "generator", (images + 1.0) / 2.0, channels_last(given["y"])


def by_truncation(gan, given):
    """Yields the same of a GAN with statistics for each truncation."""
    labels = given["y"].argmax(1).astype("int32")
    for name in given:
        if name.startswith("img_t"):
            truncation = np.full(len(labels), float(name.removeprefix("img_t")), "float32")
            shares = keras.ops.convert_to_numpy(shares_of(truncation, gan.standing_statistics))
            images = gan.truncated_generator([given["z"], labels, shares])
            yield f"generator.{name}", images, channels_last(given[name])


FILES = {
    "stylegan2ada_32_uncond.pkl": style_based,
    "stylegan2ada_32_cond3.pkl": style_based,
    "stylegan2ada_32_orig.pkl": style_based,
    "stylegan2ada_32_orig_protocol3.pkl": style_based,
    "stylegan2_tf1_32_uncond.pkl": style_based,
    "stylegan3t_32.pkl": style_based,
    "stylegan3r_32_cond3.pkl": style_based,
    "cyclegan_resnet_3blocks_ngf8.pth": translation,
    "cyclegan_resnet_3blocks_ngf8_tracked_legacy.pth": translation,
    "cyclegan_patchgan_ndf8.pth": translation,
    "pix2pix_unet5_ngf8.pth": translation,
    "pix2pix_patchgan_ndf8_legacy.pth": translation,
    "esrgan_rrdb_small.pth": enlarging,
    "progan_fair_small.pth": growing,
    "r3gan_32_uncond.pkl": plain,
    "biggan_deep_small_pytorch_model.bin": by_truncation,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--oracles", type=pathlib.Path, required=True)
    folder = parser.parse_args().oracles
    for name, compare in FILES.items():
        start = time.perf_counter()
        tree = read_tree(folder / name)
        seconds = time.perf_counter() - start
        stem = name.rpartition(".")[0]
        for ending in ("_protocol3", "_legacy", "_pytorch_model"):
            stem = stem.removesuffix(ending)
        # The same weights as in the file for PyTorch.
        stem = stem.replace("stylegan2_tf1", "stylegan2ada")
        equal = "not compared"
        if isinstance(tree, dict) and (folder / f"{stem}_tensors.npz").exists():
            found = {
                f"{network}.{tensor}": array
                for network, record in tree.items()
                if isinstance(record, Record)
                for tensor, array in module_tensors(record).items()
            }
            with np.load(folder / f"{stem}_tensors.npz") as wanted:
                same = set(found) == set(wanted) and all(
                    np.array_equal(found[n], wanted[n]) for n in found
                )
            equal = f"{len(found)} arrays {'equal' if same else 'DIFFER'}"
        settings = {}
        if compare is translation:
            with np.load(folder / f"{stem}.npz") as given:
                settings["image_shape"] = (*given["x"].shape[2:], 3)
        model = kerasgan.load_official(folder / name, **settings)
        print(f"{name}: read in {seconds:.2f} s, {equal}, {type(model).__name__}", flush=True)
        with np.load(folder / f"{stem}.npz") as given:
            for output, ours, theirs in compare(model, dict(given)):
                error = np.abs(keras.ops.convert_to_numpy(ours) - theirs).max()
                print(f"    {output:24} {error:.1e}", flush=True)


if __name__ == "__main__":
    main()

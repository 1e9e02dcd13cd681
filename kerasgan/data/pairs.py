"""Pairs of images, and images of two domains, for translation."""

import os
import pathlib
from typing import TYPE_CHECKING

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)
import numpy as np

from kerasgan.data import folders
from kerasgan.data.epochs import Epochs
from kerasgan.data.images import fit_image, open_upright, read_image
from kerasgan.data.loading import as_batches, check
from kerasgan.data.sources import EMBEDDED, Examples, open_source, open_tfds, read_files
from kerasgan.utils.printable import printable

if TYPE_CHECKING:
    import tensorflow as tf


def load_pairs(
    name: str | os.PathLike,
    split: str = "train",
    image_size: int = 256,
    batch_size: int = 1,
    *,
    source: str | None = None,
    shuffle: bool = True,
    seed: int = 0,
    augment: bool = True,
    channels: int = 3,
    cache: bool | None = None,
    data_dir: str | os.PathLike | None = None,
    skip_damaged: bool = False,
) -> "tf.data.Dataset":
    """Loads pairs of images that belong together.

    Args:
        name: one of

            - a folder of pictures that each hold both halves side by side;
            - a folder with two subfolders, in which files of the same name, up to its suffix,
              belong together; for example `A` and `B`, or `trainA` and `trainB` where the split
              is `"train"`;
            - a name of TensorFlow Datasets with such splits, whose records belong together one by
              one: `"tfds:cycle_gan/facades"`.

            A folder may have subfolders `train`, `test` and `validation` of these kinds, or with
            the other split names that `load` knows.
        split: str.
        image_size: int; all images are resized to squares of this size.
        batch_size: int.
        source: which half to translate: `"left"` (the default) or `"right"`; or the name of one of
            the subfolders, by default the first by name; with TFDS, `"A"` (the default) or `"B"`.
        shuffle: whether to shuffle anew in each epoch, with full batches only; see `load`.
        seed: int; order and augmentation depend only on it and on the epoch.
        augment: whether to enlarge images by 286/256, crop a random square of image_size, and
            mirror half of them, as in section 6.2 of Isola et al. 2017 (arXiv:1611.07004). Both
            halves of a pair are always treated alike.
        channels: 1 or 3.
        cache: whether to keep the images in memory; None keeps them if they take at most 1 GiB.
            Those of TFDS are always kept.
        data_dir: where TensorFlow Datasets finds or puts its data; None for its default.
        skip_damaged: whether to leave out any number of pairs with an unreadable file; see `load`.

    Returns:
        A `tf.data.Dataset` of (source, target), float32 (batch_size, image_size, image_size,
        channels) in [-1, 1].

    Raises:
        ValueError: for files without a partner, a source that does not exist, or an argument out of
            range.
        OSError: for data that is not available.

    Example:

    >>> import os
    >>> from PIL import Image
    >>> os.makedirs("facades/train")
    >>> Image.new("RGB", (512, 256)).save("facades/train/1.png")
    >>> pairs = kerasgan.data.load_pairs("facades", image_size=64, source="right")
    >>> [half.shape for half in next(iter(pairs))]
    [TensorShape([1, 64, 64, 3]), TensorShape([1, 64, 64, 3])]
    """
    loaded = _loaded_size(image_size, batch_size, channels, augment)
    halves = _find_halves(name, split, data_dir)
    known = ["left", "right"] if halves is None else list(halves)
    if source not in (None, *known):
        raise ValueError(
            f"source={source!r}: {str(name)!r} has {' and '.join(map(repr, known))}; use one of "
            "them."
        )
    swap = source == known[1]
    if halves is None:
        folder = _split_folder(pathlib.Path(name).expanduser(), split)
        examples = _side_by_side(folder, loaded, channels, swap, cache, skip_damaged)
    else:
        both = list(halves.values())[:: -1 if swap else 1]
        if all(isinstance(half, pathlib.Path) for half in both):
            first, second = both
            examples = _twins(first, second, loaded, channels, cache, skip_damaged)
        else:
            first, second = (
                open_tfds(half[0], half[1], loaded, channels, "crop", True, data_dir)
                for half in both
            )
            examples = _joined(first, second, name)
    batches = _batches(examples, name, image_size, batch_size, shuffle, seed, augment)

    def one_epoch(epoch, first):
        both = batches.one_epoch(epoch, first)
        return both.map(lambda both: (both[..., :channels], both[..., channels:]))

    return Epochs(one_epoch, batches.steps).dataset()


def load_unpaired(
    a: str | os.PathLike,
    b: str | os.PathLike | None = None,
    split: str = "train",
    image_size: int = 256,
    batch_size: int = 1,
    *,
    shuffle: bool = True,
    seed: int = 0,
    augment: bool = True,
    channels: int = 3,
    cache: bool | None = None,
    data_dir: str | os.PathLike | None = None,
    skip_damaged: bool = False,
) -> "tf.data.Dataset":
    """Loads images of two domains, without pairs.

    Args:
        a: with `b`, a name for `load`, of domain A. Without `b`, a folder or TFDS name with both
            domains, as for `load_pairs`; domain A is the first by name.
        b: a name for `load`, of domain B.
        split, image_size, batch_size, shuffle, seed, augment, channels, cache, data_dir,
            skip_damaged: as for `load_pairs`. Each image is augmented by itself.

    Returns:
        A `tf.data.Dataset` of (images of A, images of B), float32 (batch_size, image_size,
        image_size, channels) in [-1, 1]. An epoch is as long as the smaller domain. If shuffled,
        each epoch has different images of the larger one.

    Raises:
        ValueError, OSError: as `load_pairs`.

    Example:

    >>> import os
    >>> from PIL import Image
    >>> for domain in ("horses", "zebras"):
    ...     os.makedirs(domain)
    ...     Image.new("RGB", (256, 256)).save(f"{domain}/1.png")
    >>> both = kerasgan.data.load_unpaired("horses", "zebras", image_size=64)
    >>> [images.shape for images in next(iter(both))]
    [TensorShape([1, 64, 64, 3]), TensorShape([1, 64, 64, 3])]
    """
    from kerasgan.data.reader import tf

    loaded = _loaded_size(image_size, batch_size, channels, augment)
    how = (loaded, channels, "crop", cache, data_dir)
    if b is not None:
        sources = [open_source(str(name), split, *how, skip_damaged) for name in (a, b)]
    else:
        halves = _find_halves(a, split, data_dir)
        if halves is None:
            raise ValueError(
                f"{str(a)!r} holds one set of images; give the other one as b, or a folder with "
                f"two subfolders, for example {split}A and {split}B."
            )
        sources = [
            open_source(str(half), "train", *how, skip_damaged)
            if isinstance(half, pathlib.Path)
            else open_tfds(half[0], half[1], *how)
            for half in halves.values()
        ]
    domains = [
        _batches(
            *(source, name or a, image_size, batch_size, shuffle, seed + 1_000 * number, augment)
        )
        for number, (source, name) in enumerate(zip(sources, (a, b), strict=True))
    ]

    def one_epoch(epoch, first):
        return tf.data.Dataset.zip(*(domain.one_epoch(epoch, first) for domain in domains))

    return Epochs(one_epoch, min(domain.steps for domain in domains)).dataset()


def _loaded_size(image_size, batch_size, channels, augment):
    """The size in which to read images, after checking the arguments."""
    check(image_size, batch_size, channels)
    for name, value in {"image_size": image_size, "channels": channels}.items():
        if value is None:
            raise ValueError(
                f"{name}=None; pairs and domains need a value, for example the default."
            )
    return round(image_size * 286 / 256) if augment else image_size


def _batches(examples, name, image_size, batch_size, shuffle, seed, augment):
    crop = image_size if augment else None
    how = {"augment_flip": augment, "augment_crop": crop}
    return as_batches(examples, str(name), batch_size, False, shuffle, seed, **how)


def _split_folder(path, split):
    """The folder of a split: a subfolder of that name if there is one."""
    named = folders.split_folders(path).get(folders.split_name(split))
    exact = path / split
    return named or (exact if exact.is_dir() else path)


def _find_halves(name, split, data_dir):
    """Finds both domains, by their names; None for a folder without two subfolders.

    Each is a folder, or the name and split of a TFDS data set.
    """
    path = pathlib.Path(name).expanduser()
    if not path.is_dir():
        return _halves_of_tfds(str(name), split, data_dir)
    halves = {half: folders.split_folders(path, half.lower()) for half in "AB"}
    wanted = folders.split_name(split)
    if all(wanted in of_half for of_half in halves.values()):
        return {half: of_half[wanted] for half, of_half in halves.items()}
    folder = _split_folder(path, split)
    if folder == path and (wanted != "train" or folders.split_folders(path)):
        raise ValueError(
            f"split={split!r}: the folder {printable(path)} has no subfolder {printable(split)}, "
            f"and none called {printable(split)}A and {printable(split)}B; without these, all of "
            "its pictures are split='train'."
        )
    inside = folders.subfolders(folder)
    full = [half for half in inside if folders.has_pictures(half)]
    if len(full) != 2:
        return None
    empty = [half for half in inside if half not in full]
    folders.report(folder, {"folders without pictures": empty} if empty else {})
    return {half.name: half for half in full}


def _halves_of_tfds(name, split, data_dir):
    import tensorflow_datasets as tfds

    advice = (
        f"{name!r} holds no pairs of images and no two domains. Give a folder, or make pairs of "
        "single images with kerasgan.data.paired (in a shell --task), or give the second domain as "
        "b (--data-b)."
    )
    if name in EMBEDDED or pathlib.Path(name).exists():
        raise ValueError(advice)
    if not name.startswith("tfds:") and name.startswith(("/", ".", "~")):
        raise FileNotFoundError(f"the folder {printable(name)} does not exist.")
    name = name.removeprefix("tfds:")
    base, bracket, rest = split.partition("[")
    try:
        known = tfds.builder(name, data_dir=data_dir).info.splits
    except Exception as error:  # an unknown name raises many types
        raise ValueError(
            f"{name!r} is neither a folder that exists nor a name that TensorFlow Datasets knows."
        ) from error
    # Before it is downloaded, a data set has no splits yet.
    if known and not {f"{base}A", f"{base}B"} <= set(known):
        raise ValueError(f"{advice} Its splits are {', '.join(known)}.")
    return {half: (name, f"{base}{half}{bracket}{rest}") for half in "AB"}


def _side_by_side(folder, image_size, channels, swap, cache, skip_damaged):
    found = folders.picture_files(folder)
    files = [file for file in found if file.parent == folder]
    if not files:
        raise ValueError(
            f"the folder {printable(folder)} holds no pictures; it needs pictures that hold both "
            "halves side by side, or exactly two subfolders with pictures."
        )
    deeper = [file for file in found if file.parent != folder]
    folders.report(folder, {"pictures in subfolders": deeper} if deeper else {})

    def read_file(file):
        picture = open_upright(file)
        width, height = picture.size
        boxes = [(0, 0, width // 2, height), (width - width // 2, 0, width, height)]
        halves = [fit_image(picture.crop(box), image_size, channels) for box in boxes]
        return np.concatenate(halves[::-1] if swap else halves, axis=-1)

    shape = (image_size, image_size, 2 * channels)
    return read_files(files, read_file, shape, folder, cache, skip_damaged)


def _twins(first, second, image_size, channels, cache, skip_damaged):
    files = [_by_name(folder) for folder in (first, second)]
    only = [sorted(set(files[i]) - set(files[1 - i])) for i in range(2)]
    if any(only) or not files[0]:
        listed = "; ".join(
            f"in {printable(folder)} only: {printable(', '.join(names))}"
            for folder, names in zip((first, second), only, strict=True)
            if names
        )
        raise ValueError(
            f"{printable(first)} and {printable(second)} have to hold pictures with the same "
            f"names; add or remove {listed or 'some, there are none'}."
        )

    def read_file(pair):
        halves = [read_image(file, image_size, channels, "crop") for file in pair]
        return np.concatenate(halves, axis=-1)

    pairs = [(files[0][name], files[1][name]) for name in sorted(files[0])]
    shape = (image_size, image_size, 2 * channels)
    return read_files(pairs, read_file, shape, first.parent, cache, skip_damaged)


def _by_name(folder):
    """The pictures of a folder by their names without suffix."""
    files = {}
    for file in folders.picture_files(folder):
        name = file.relative_to(folder).with_suffix("").as_posix()
        if name in files:
            raise ValueError(
                f"{printable(files[name])} and {printable(file)} have the same name; keep one of "
                "them."
            )
        files[name] = file
    return files


def _joined(first, second, name):
    if len(first.images) != len(second.images):
        raise ValueError(
            f"{name!r} has {len(first.images)} and {len(second.images)} images, so they are not "
            "pairs; load them with kerasgan.data.load_unpaired."
        )
    return Examples(np.concatenate([first.images, second.images], axis=-1))

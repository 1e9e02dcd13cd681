"""The sources of examples, in a fixed order: built in, generated, TFDS, folders, `.npz` files."""

import dataclasses
import difflib
import pathlib
import re
import sys
from concurrent import futures

import numpy as np
import tqdm

from kerasgan import checks
from kerasgan.data import folders
from kerasgan.data.images import fit_image, read_image
from kerasgan.utils.printable import printable

EMBEDDED = ("digits", "ring8", "grid25")


@dataclasses.dataclass
class Examples:
    """Examples in memory.

    Attributes:
        images: uint8 (n, height, width, channels), or float32 (n, d) vectors.
        labels: int32 (n,), or text embeddings, float32 (n, d), or None.
        class_names: tuple of str, or None if the classes have no names.
    """

    images: np.ndarray
    labels: np.ndarray | None = None
    class_names: tuple | None = None


@dataclasses.dataclass
class Stream:
    """Examples that are read again in every epoch.

    Attributes:
        count: how many there are.
        image_shape: their shape, (height, width, channels).
        read: function that takes an int64 seed tensor, or None for the fixed order, and how many
            examples to skip at the beginning (default 0), and returns a `tf.data.Dataset` of (uint8
            image, int32 label) in that seed's order.
        labelled: whether the labels are meaningful.
        class_names: tuple of str, or None if the classes have no names.
    """

    count: int
    image_shape: tuple
    read: object
    labelled: bool
    class_names: tuple | None = None


def open_source(
    name,
    split,
    image_size,
    channels,
    fit,
    cache,
    data_dir,
    skip_damaged=False,
    class_names=None,
):
    """Opens the source called `name`.

    Class numbers are the source's own. For an `.npz` file `class_names` names the classes.

    Returns:
        `Examples` if they fit into memory (or `cache` is True), else a `Stream`.

    Raises:
        ValueError, FileNotFoundError, OSError: with what to do about it.
    """
    path = pathlib.Path(name).expanduser()
    if name == "digits":
        return resized(_digits(split), image_size, channels, fit)
    if name in ("ring8", "grid25"):
        return _mixture(name, split, image_size, channels)
    if name.startswith("tfds:"):
        return open_tfds(
            name.removeprefix("tfds:"), split, image_size, channels, fit, cache, data_dir
        )
    if path.is_dir():
        return _folder(path, split, image_size, channels, fit, cache, skip_damaged)
    if path.suffix == ".npz":
        return resized(_npz(path, split, class_names), image_size, channels, fit)
    return open_tfds(name, split, image_size, channels, fit, cache, data_dir)


def _choose_split(name, split, splits):
    if split not in splits:
        raise ValueError(f"split={split!r} of {name!r} does not exist; it has {', '.join(splits)}.")


# Embedded and drawn -------------------------------------------------------------------------------


def _digits(split):
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    _choose_split("digits", split, ("train", "test"))
    pixels, labels = load_digits(return_X_y=True)
    images = np.round(pixels.reshape(-1, 8, 8, 1) * (255.0 / 16.0)).astype("uint8")
    parts = train_test_split(images, labels, test_size=0.2, stratify=labels, random_state=0)
    images, labels = parts[split == "test"], parts[2 + (split == "test")]
    return Examples(images, labels.astype("int32"), tuple("0123456789"))


def mixture(name: str) -> tuple[np.ndarray, float]:
    """Returns the modes of a 2-D data set and the standard deviation around each.

    Args:
        name: `"ring8"` or `"grid25"`.

    Returns:
        float64 array (num_modes, 2), float.

    Raises:
        ValueError: for another name.

    Example:

    >>> modes, sigma = kerasgan.data.mixture("grid25")
    >>> modes.shape, sigma
    ((25, 2), 0.05)
    """
    if name == "ring8":
        angles = np.arange(8) * (2 * np.pi / 8)
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).round(12), 0.01
    if name == "grid25":
        axis = np.linspace(-4.0, 4.0, 5)
        return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2), 0.05
    raise ValueError(f"{name!r} is not a mixture of known modes; use 'ring8' or 'grid25'.")


def _mixture(name, split, image_size, channels):
    """The 2-D Gaussian mixtures of the mode-collapse papers; the label is the mode."""
    _choose_split(name, split, ("train", "test"))
    if image_size is not None or channels is not None:
        raise ValueError(
            f"{name!r} holds 2-D points, which have no image_size and no channels; leave these out."
        )
    modes, sigma = mixture(name)
    rng = np.random.default_rng({"train": 0, "test": 1}[split])
    count = {"train": 100_000, "test": 10_000}[split]
    labels = rng.integers(len(modes), size=count)
    points = modes[labels] + sigma * rng.standard_normal((count, 2))
    names = tuple(f"({x:.3g}, {y:.3g})" for x, y in modes)
    return Examples(points.astype("float32"), labels.astype("int32"), names)


# Files --------------------------------------------------------------------------------------------


def _npz(path, split, class_names):
    with np.load(folders.regular_file(path), allow_pickle=False) as arrays:
        names = list(arrays)
        images = [f"x_{split}", f"{split}_images"]
        labels = [f"y_{split}", f"{split}_labels"]
        if split == "train":
            images += ["images", "x", "arr_0"]
            labels += ["labels", "y"]
        image_name = next((n for n in images if n in names), None)
        label_name = next((n for n in labels if n in names), None)
        if image_name is None:
            raise ValueError(
                f"{printable(path)} holds the arrays {printable(', '.join(names))}, none of which "
                f"is split={split!r}; name the array of images {' or '.join(images)}."
            )
        labels = arrays[label_name] if label_name else None
        return as_examples(arrays[image_name], labels, class_names)


def as_examples(array, labels=None, class_names=None):
    """Examples from arrays in memory; see `kerasgan.data.from_array`."""
    images = np.asarray(array)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim not in (2, 4) or not len(images):
        raise ValueError(
            f"array has shape {np.shape(array)}; give images (n, height, width[, channels]) or "
            "vectors (n, d), at least one."
        )
    if not any(np.issubdtype(images.dtype, kind) for kind in (np.integer, np.floating)):
        raise ValueError(f"array has dtype {images.dtype}; give uint8 or floating-point numbers.")
    if images.ndim == 4:
        images = _check_images(images)
    else:
        images = images.astype("float32")
        checks.check_images(images, "the vectors")
    if labels is None:
        class_names = None
    else:
        labels = np.asarray(labels)
        if labels.ndim == 2 and np.issubdtype(labels.dtype, np.floating):
            return _of_texts(images, labels)
        if labels.ndim == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        checks.check_labels(labels, "the labels", count=len(images))
        labels = labels.astype("int32")
        if class_names is not None and labels.max() >= len(class_names):
            raise ValueError(
                f"class_names has {len(class_names)} names, but there is a label {labels.max()}; "
                "give one name for each class, the name of class 0 first."
            )
    return Examples(images, labels, class_names)


def _of_texts(images, embeddings):
    checks.check_images(embeddings, "the embeddings")
    if len(embeddings) != len(images):
        raise ValueError(
            f"there are {len(images)} images and {len(embeddings)} embeddings; give one embedding "
            "for each image."
        )
    return Examples(images, embeddings.astype("float32"))


def _check_images(images):
    if images.shape[-1] not in (1, 3):
        raise ValueError(f"array has {images.shape[-1]} channels (its last axis); give 1 or 3.")
    if np.issubdtype(images.dtype, np.integer):
        if images.min() < 0 or images.max() > 255:
            raise ValueError(
                f"array holds whole numbers from {images.min()} to {images.max()}; give 0..255, or "
                "floats in [-1, 1]."
            )
        return images.astype("uint8")
    checks.check_scale(*checks.check_images(images, "the images"), "the images")
    return images.astype("float32")


def resized(examples, image_size, channels, fit):
    """Examples with images of `image_size` and `channels`, as far as these are given."""
    images = examples.images
    if images.ndim != 4:
        if image_size is not None or channels is not None:
            raise ValueError("vectors have no image_size and no channels; leave these out.")
        return examples
    right_size = image_size is None or images.shape[1:3] == (image_size, image_size)
    if right_size and channels in (None, images.shape[-1]):
        return examples
    if images.dtype != np.uint8:
        images = np.round((images + 1.0) * 127.5).astype("uint8")
    images = np.stack([fit_image(image, image_size, channels, fit) for image in images])
    return dataclasses.replace(examples, images=images)


def _folder(path, split, image_size, channels, fit, cache, skip_damaged):
    root, siblings = folders.choose_split(path, split)
    files = folders.picture_files(root)
    if not files:
        raise ValueError(
            f"the folder {printable(root)} holds no pictures ({', '.join(folders.SUFFIXES)}), in "
            "no subfolder either."
        )
    if image_size is None:
        raise ValueError(
            f"image_size is needed for the folder {printable(root)}, whose pictures can have any "
            "size; give for example image_size=64."
        )
    channels = channels or 3
    class_names, numbers = None, None
    if all(file.parent != root for file in files):
        class_names = folders.class_folders(siblings)
        number = {name: index for index, name in enumerate(class_names)}
        numbers = [number[file.relative_to(root).parts[0]] for file in files]
        empty = [f for f in folders.subfolders(root) if f.name not in number]
        folders.report(root, {"folders without pictures": empty} if empty else {})
    return read_files(
        files,
        lambda file: read_image(file, image_size, channels, fit),
        (image_size, image_size, channels),
        root,
        cache,
        skip_damaged,
        numbers,
        class_names,
    )


def read_files(
    files, read_file, shape, folder, cache, skip_damaged=False, labels=None, class_names=None
):
    """Reads examples from files; those that cannot be read are named and left out.

    Args:
        files: list of whatever `read_file` takes.
        read_file: function from one of these to a uint8 array of `shape`.
        shape: tuple, (height, width, channels).
        folder: the name of the files' folder in errors.
        cache: whether to keep all images in memory; None keeps them if they fit.
        skip_damaged: whether any number of files may be left out, but not all.
        labels: None, or the label of each file.
        class_names: None, or tuple of str.

    Returns:
        `Examples` or a `Stream`.

    Raises:
        ValueError: when more than 1 % cannot be read or, with `skip_damaged`, none can be read.
    """
    keep = _fits(len(files) * np.prod(shape), cache)
    images, broken = _read_all(files, read_file, keep)
    good = [index for index in range(len(files)) if index not in broken]
    for index in sorted(broken)[:20]:
        print(f"skipped {_named(files[index])}: {printable(broken[index])}", file=sys.stderr)
    if broken:
        print(
            f"skipped {len(broken)} of {len(files)} files in {printable(folder)}", file=sys.stderr
        )
    if not good or (len(broken) > 0.01 * len(files) and not skip_damaged):
        advice = "remove or repair them"
        if good:
            advice += ", or leave them out with skip_damaged=True (in a shell --skip-damaged)"
        raise ValueError(
            f"{len(broken)} of {len(files)} files in {printable(folder)} cannot be read, more than "
            f"1 %, for example {_named(files[min(broken)])}; {advice}."
        )
    if labels is not None:
        labels = np.array([labels[index] for index in good], "int32")
    if keep:
        return Examples(np.stack([images[index] for index in good]), labels, class_names)

    def read(seed, first=0):
        from kerasgan.data.reader import tf

        def decode(index):
            image = tf.numpy_function(lambda i: read_file(files[good[i]]), [index], tf.uint8)
            image.set_shape(shape)
            return image, tf.gather(known_labels, index)

        known_labels = tf.constant(np.zeros(len(good), "int32") if labels is None else labels)
        order = tf.range(len(good), dtype="int64")
        if seed is not None:
            order = tf.random.experimental.stateless_shuffle(order, tf.stack([seed, 0]))
        return tf.data.Dataset.from_tensor_slices(order[first:]).map(decode, tf.data.AUTOTUNE)

    return Stream(len(good), shape, read, labels is not None, class_names)


def _named(file):
    """The name of a file, or of the files of a pair, in messages."""
    return printable(" and ".join(map(str, file)) if isinstance(file, tuple) else file)


def _read_all(files, read_file, keep):
    """Reads every file once: returns the images to keep, and the errors, by index."""
    images, broken = {}, {}
    with futures.ThreadPoolExecutor() as pool:
        tasks = {pool.submit(read_file, file): index for index, file in enumerate(files)}
        done = tqdm.tqdm(
            futures.as_completed(tasks), "reading pictures", len(tasks), disable=len(files) < 500
        )
        for task in done:
            index = tasks.pop(task)
            try:
                image = task.result()
            except Exception as error:  # whatever a damaged file makes its decoder raise
                broken[index] = error
            else:
                if keep:
                    images[index] = image
    return images, broken


def _fits(num_bytes, cache):
    return num_bytes <= 2**30 if cache is None else cache


# TensorFlow Datasets ------------------------------------------------------------------------------


def open_tfds(name, split, image_size, channels, fit, cache, data_dir):
    """A data set of TensorFlow Datasets; see `open_source`."""
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except ValueError as error:  # DatasetNotFoundError is one, and so is what a path gives
        known = [*EMBEDDED, *tfds.list_builders(with_community_datasets=False)]
        if re.split("[/:]", name)[0] in known:
            raise  # a wrong configuration or version: the message lists those that exist
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(
            f"{name!r} is neither a built-in data set ({', '.join(EMBEDDED)}), nor a folder or "
            f".npz file that exists, nor a name that TensorFlow Datasets knows.{hint}"
        ) from error
    try:
        builder.download_and_prepare()
    except Exception as error:
        raise OSError(
            f"{name!r} is not prepared in {builder.data_dir} and could not be downloaded: "
            f"{type(error).__name__}. Give the data_dir that holds it, or connect to the network."
        ) from error
    info = builder.info
    image_key = next(
        (k for k, f in info.features.items() if isinstance(f, tfds.features.Image)), None
    )
    if image_key is None:
        raise ValueError(f"{name!r} has no image feature; its features are {list(info.features)}.")
    base = split.split("[")[0]
    _choose_split(name, base, tuple(info.splits))
    label_key = next(
        (k for k, f in info.features.items() if isinstance(f, tfds.features.ClassLabel)), None
    )
    class_names = tuple(info.features[label_key].names) if label_key else None
    native = info.features[image_key].shape
    channels = channels or native[-1] or 3
    if image_size is None:
        if None in native[:2] or native[0] != native[1]:
            raise ValueError(
                f"image_size is needed for {name!r}, whose images have shape {native}; give for "
                "example image_size=64."
            )
        image_size = native[0]
    shape = (image_size, image_size, channels)
    count = info.splits[split].num_examples

    def read(seed, first=0):
        from kerasgan.data.reader import tf

        def pick(features):
            image = features[image_key]
            if native != shape:
                image = tf.numpy_function(
                    lambda i: fit_image(i, image_size, channels, fit), [image], tf.uint8
                )
            label = features[label_key] if label_key else 0
            return tf.ensure_shape(image, shape), tf.cast(label, "int32")

        examples = builder.as_dataset(split=split, shuffle_files=False)
        if seed is not None:
            # shuffle() mixes in TensorFlow's own seed, here that of this function's graph.
            tf.compat.v1.set_random_seed(1)
            examples = examples.shuffle(min(count, 10_000), seed=seed)
        return examples.skip(first).map(pick, tf.data.AUTOTUNE)

    stream = Stream(count, shape, read, label_key is not None, class_names)
    return _collect(stream, name) if _fits(count * np.prod(shape), cache) else stream


def _collect(stream, name):
    """A stream's examples, in its fixed order, in memory."""
    images, labels = [], []
    with tqdm.tqdm(None, f"reading {name}", stream.count, disable=stream.count < 20_000) as done:
        for image_batch, label_batch in stream.read(None).batch(256).as_numpy_iterator():
            images.append(image_batch)
            labels.append(label_batch)
            done.update(len(image_batch))
    labels = np.concatenate(labels) if stream.labelled else None
    return Examples(np.concatenate(images), labels, stream.class_names)

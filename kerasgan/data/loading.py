"""Loads data by name or from arrays, in batches."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)
import numpy as np
from numpy.typing import ArrayLike

from kerasgan.checks import class_names as classes
from kerasgan.checks import whole_number
from kerasgan.data import images as image_tools
from kerasgan.data.epochs import Epochs
from kerasgan.data.sources import Examples, as_examples, open_source, resized

if TYPE_CHECKING:
    import tensorflow as tf


def load(
    name: str | os.PathLike,
    split: str = "train",
    image_size: int | None = None,
    batch_size: int = 64,
    labels: bool = False,
    shuffle: bool = True,
    seed: int = 0,
    augment_flip: bool = False,
    cache: bool | None = None,
    data_dir: str | os.PathLike | None = None,
    *,
    channels: int | None = None,
    fit: Literal["crop", "pad"] = "crop",
    augment_crop: int | None = None,
    class_names: Sequence[str] | None = None,
    skip_damaged: bool = False,
) -> "tf.data.Dataset":
    """Loads a data set by name.

    Args:
        name: one of

            - `"digits"`: scikit-learn's 1,797 scanned digits, 8x8, split 1,437 to 360;
            - `"ring8"`, `"grid25"`: 2-D points around 8 modes on a circle of radius 1 (sigma
              0.01) and around a 5x5 grid from -4 to 4 (sigma 0.05), 100,000 to 10,000;
            - a name of TensorFlow Datasets with an image feature, `"mnist"` or, where that is
              ambiguous, `"tfds:mnist"`;
            - a folder of PNG, JPEG, WebP, TIFF, BMP or GIF files. If they are all in subfolders,
              these are the classes. Subfolders named `train`, `test` and `validation` (or `val`,
              `valid`, `Train`, ...) are splits. Classes are numbered by name over all splits, so
              that a class that is missing in one does not change the numbers of the others. Links
              are followed, hidden files are ignored, and other files that are not pictures are
              named on stderr;
            - an `.npz` file with arrays `x_train` (`y_train`), `train_images`
              (`train_labels`), or `images` (`labels`).
        split: `"train"` or `"test"`, or another split of the source (TFDS: also `"train[:10%]"`).
        image_size: int; the images are resized to squares of this size. None keeps their size
            (folders, and TFDS images that are not all the same square, need a size).
        batch_size: int.
        labels: whether to return (images, labels) rather than images.
        shuffle: whether to shuffle anew in each epoch. The last batch of an epoch is then dropped
            unless it is full (each epoch drops other images), so that every training step has the
            same size. Without shuffling, as for evaluation, you get every example.
        seed: int; the order depends only on it and on the epoch.
        augment_flip: whether to mirror each image with probability 1/2.
        cache: True keeps the images in memory, False reads them again in each epoch, None keeps
            them if they take at most 1 GiB. A TFDS source that is read again shuffles in a window
            of 10,000.
        data_dir: where TensorFlow Datasets finds or puts its data; None for its default.
        channels: 1 or 3; None for the source's own, 3 for folders.
        fit: `"crop"` keeps the centre of an image that is not square, `"pad"` adds black borders.
        augment_crop: int; crops a random square of this size out of each image.
        class_names: the names of the classes, in the order of their labels. Give those of another
            data set or of a model (`gan.class_names`) so that labels mean the same here as there.
            None for the source's own. The labels of an `.npz` file are only numbers, to which this
            gives names.
        skip_damaged: whether to leave out any number of unreadable files in a folder; otherwise at
            most 1 %. They are named on stderr.

    Returns:
        A `tf.data.Dataset` of float32 batches (batch_size, height, width, channels) in [-1, 1], or
        (batch_size, 2) points; with `labels=True`, of (images, int32 labels (batch_size,)).

    Raises:
        ValueError: for an unknown name, an empty or damaged folder, labels where there are none, a
            class that is not in `class_names`, or an argument out of range.
        OSError: for data that is not available.

    Example:

    >>> digits = kerasgan.data.load("digits", image_size=32, batch_size=64)
    >>> next(iter(digits)).shape
    TensorShape([64, 32, 32, 1])
    """
    check(image_size, batch_size, channels, fit, augment_crop)
    class_names = None if class_names is None else classes.checked(class_names)
    source = open_source(
        str(name),
        split,
        image_size,
        channels,
        fit,
        cache,
        data_dir,
        skip_damaged,
        class_names if labels else None,
    )
    return _as_dataset(
        source,
        str(name),
        batch_size,
        labels,
        shuffle,
        seed,
        augment_flip,
        augment_crop,
        class_names,
    )


def from_array(
    array: ArrayLike,
    labels: ArrayLike | None = None,
    image_size: int | None = None,
    batch_size: int = 64,
    shuffle: bool = True,
    seed: int = 0,
    augment_flip: bool = False,
    *,
    channels: int | None = None,
    fit: Literal["crop", "pad"] = "crop",
    augment_crop: int | None = None,
    class_names: Sequence[str] | None = None,
) -> "tf.data.Dataset":
    """Makes a data set from arrays in memory.

    Args:
        array: images (n, height, width[, channels]), uint8 in 0..255 or float in [-1, 1], or
            vectors (n, d) of any range. Float images that are resized are first rounded to uint8.
        labels: None, or whole numbers (n,) from 0; or text embeddings, float (n, d), which
            `kerasgan.TextGAN` takes instead of labels.
        image_size, batch_size, shuffle, seed, augment_flip, channels, fit, augment_crop: as for
            `load`.
        class_names: the names of the classes, in the order of their labels, or None.

    Returns:
        As `load`, with labels if they are given.

    Raises:
        ValueError: for another shape, dtype or range.

    Example:

    >>> images = np.random.default_rng(0).integers(0, 256, (100, 28, 28), dtype="uint8")
    >>> next(iter(kerasgan.data.from_array(images, batch_size=10))).shape
    TensorShape([10, 28, 28, 1])
    """
    check(image_size, batch_size, channels, fit, augment_crop)
    class_names = None if class_names is None else classes.checked(class_names)
    source = resized(as_examples(array, labels, class_names), image_size, channels, fit)
    wanted = labels is not None
    return _as_dataset(
        source, "the array", batch_size, wanted, shuffle, seed, augment_flip, augment_crop
    )


def _as_dataset(source, name, batch_size, with_labels, *how):
    batches = as_batches(source, name, batch_size, with_labels, *how)
    dataset = batches.dataset()
    if with_labels and np.ndim(getattr(source, "labels", ())) < 2:
        names = batches.class_names
        dataset.class_names = names
        dataset.num_classes = int(1 + source.labels.max()) if names is None else len(names)
    return dataset


def class_names(dataset) -> tuple[str, ...] | None:
    """Returns the names of the classes of a data set.

    A conditional model compares them with its own when it gets the data; if it has none, `fit`
    adopts them.

    Args:
        dataset: the result of `load(..., labels=True)`, before any transformation (those such as
            `map` or `take` lose the attribute `class_names`, which holds the names), or of Keras'
            `image_dataset_from_directory`.

    Returns:
        Tuple of str, with the name of label i at position i; None for data without labels, or whose
        labels are only numbers.

    Example:

    >>> images = np.zeros((4, 8, 8), "uint8")
    >>> pets = kerasgan.data.from_array(
    ...     images, labels=[0, 1, 1, 0], batch_size=2, class_names=["cat", "dog"]
    ... )
    >>> kerasgan.data.class_names(pets)
    ('cat', 'dog')
    """
    return classes.of_data(dataset)


def num_classes(dataset) -> int | None:
    """Returns how many classes a data set has.

    Args:
        dataset: as for `class_names`.

    Returns:
        int, or None for data without labels. For labels without names it is the largest label plus
        1.

    Example:

    >>> images = np.zeros((4, 8, 8), "uint8")
    >>> data = kerasgan.data.from_array(images, labels=[0, 1, 2, 0], batch_size=2)
    >>> kerasgan.data.num_classes(data)
    3
    """
    return getattr(dataset, "num_classes", None)


def check(image_size, batch_size, channels, fit="crop", augment_crop=None):
    """Raises a ValueError for an argument of `load` out of range."""
    whole_number("batch_size", batch_size, 1)
    for name, value in {"image_size": image_size, "augment_crop": augment_crop}.items():
        if value is not None:
            whole_number(name, value, 1)
    if channels not in (None, 1, 3):
        raise ValueError(f"channels={channels!r}; use 1 or 3.")
    if fit not in image_tools.FITS:
        raise ValueError(f"fit={fit!r}; use one of {', '.join(map(repr, image_tools.FITS))}.")


def as_batches(
    source,
    name,
    batch_size,
    with_labels,
    shuffle,
    seed,
    augment_flip,
    augment_crop=None,
    class_names=None,
):
    """Batches the examples of a source, as `Epochs`; see `load`."""
    # Imported here because it takes seconds, for which the command line's help should not wait.
    from kerasgan.data.reader import tf

    in_memory = isinstance(source, Examples)
    count = len(source.images) if in_memory else source.count
    labelled = source.labels is not None if in_memory else source.labelled
    is_image = not in_memory or source.images.ndim == 4
    if with_labels and not labelled:
        raise ValueError(f"labels=True, but {name!r} has no labels.")
    if augment_flip and not is_image:
        raise ValueError(f"augment_flip=True, but {name!r} holds vectors, not images.")
    size = min(source.images.shape[1:3] if in_memory else source.image_shape[:2], default=0)
    if augment_crop is not None and (not is_image or size < augment_crop):
        what = f"images of {size} pixels" if is_image else "vectors"
        raise ValueError(f"augment_crop={augment_crop}, but {name!r} holds {what}.")
    if shuffle and count < batch_size:
        raise ValueError(
            f"batch_size={batch_size} is more than the {count} examples of {name!r}; use at most "
            f"{count}."
        )
    steps = count // batch_size if shuffle else -(-count // batch_size)
    own_names, new_numbers = source.class_names, None
    if with_labels and None not in (class_names, own_names) and class_names != own_names:
        new_numbers = classes.renumbered(own_names, class_names, name)
    finish = _finisher(
        batch_size if shuffle else None, with_labels, augment_flip, augment_crop, seed, new_numbers
    )
    batches = _batches_in_memory(source) if in_memory else _batches_of_stream(source)

    def one_epoch(epoch, first):
        return batches(
            tf.stack([tf.constant(seed, "int64"), epoch]) if shuffle else None,
            batch_size,
            first,
            steps,
            lambda step, *batch: finish(epoch * steps + step, *batch),
        )

    return Epochs(one_epoch, steps, class_names=class_names or own_names)


def _batches_in_memory(examples):
    from kerasgan.data.reader import tf

    count = len(examples.images)
    # Outside of the function below, or they would become constants of its graph.
    images = tf.constant(examples.images)
    labels = tf.constant(np.zeros(count, "int32") if examples.labels is None else examples.labels)

    def batches(seed, batch_size, first, steps, finish):
        order = tf.range(count)
        if seed is not None:
            order = tf.random.experimental.stateless_shuffle(order, seed)

        # One operation per batch rather than per example: with small networks this is the
        # bottleneck.
        def batch(step):
            chosen = order[step * batch_size : (step + 1) * batch_size]
            return finish(step, tf.gather(images, chosen), tf.gather(labels, chosen))

        return tf.data.Dataset.range(first, steps).map(batch)

    return batches


def _batches_of_stream(stream):
    def batches(seed, batch_size, first, steps, finish):
        if seed is not None:  # a stream shuffles by one number
            seed = seed[0] * 1_000_003 + seed[1]
        examples = stream.read(seed, first * batch_size).batch(batch_size).take(steps - first)
        return examples.enumerate(first).map(lambda step, batch: finish(step, *batch))

    return batches


def _finisher(batch_size, with_labels, augment_flip, augment_crop, seed, new_numbers):
    """The last step of the pipeline: to float32 in [-1, 1], cropped, mirrored, with labels."""
    from kerasgan.data.reader import tf

    def finish(step, images, labels):
        if images.dtype == tf.uint8:
            images = tf.cast(images, "float32") / 127.5 - 1.0
        if augment_crop is not None:
            images = _crops(images, augment_crop, tf.stack([tf.constant(seed, "int64") + 2, step]))
        if augment_flip:
            draw = tf.random.stateless_uniform(
                tf.shape(images)[:1], tf.stack([tf.constant(seed, "int64") + 1, step])
            )
            mirrored = tf.reverse(images, axis=[2])
            images = tf.where(draw[:, None, None, None] < 0.5, mirrored, images)
        # A batch size that is known lets TensorFlow and XLA plan for it.
        images = tf.ensure_shape(images, (batch_size, *images.shape[1:]))
        if new_numbers is not None:
            labels = tf.gather(new_numbers, labels)
        labels = tf.ensure_shape(labels, (batch_size, *labels.shape[1:]))
        return (images, labels) if with_labels else images

    return finish


def _crops(images, size, seed):
    """Crops a random square out of each image (batch, height, width, channels)."""
    from kerasgan.data.reader import tf

    room = tf.constant([side - size + 1.0 for side in images.shape[1:3]])
    corners = room * tf.random.stateless_uniform((tf.shape(images)[0], 2), seed)
    rows, columns = (tf.cast(corners[:, axis, None], "int32") + tf.range(size) for axis in range(2))
    return tf.gather(tf.gather(images, rows, batch_dims=1), columns, axis=2, batch_dims=1)

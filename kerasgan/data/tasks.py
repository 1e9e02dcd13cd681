"""Makes pairs for translation from single images, for tasks such as colorization."""

import inspect
from typing import TYPE_CHECKING

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

from kerasgan.data.epochs import Epochs

if TYPE_CHECKING:
    import tensorflow as tf


def paired(images: "tf.data.Dataset", task: str, *, seed: int = 0, **options) -> "tf.data.Dataset":
    """Makes pairs for translation: for each image, a source from which to restore it.

    Args:
        images: a `tf.data.Dataset` of batches of images, such as `load` and `from_array` return:
            float32 (batch, height, width, channels) in [-1, 1].
        task: what the source is.

            - `"colorize"`: the luminance, 1 channel;
            - `"inpaint"`: the image with a mid-grey hole; `mask="rectangles"` or
              `mask="free_form"`, broad brush strokes;
            - `"super_resolve"`: the image downscaled by `scale=4`, bicubic and antialiased;
            - `"edges"`: black lines where the luminance changes by more than `threshold=0.5` over
              a pixel or two, 1 channel;
            - `"denoise"`: the image with Gaussian noise of standard deviation `noise=0.3`.
        seed: int; all random choices depend only on it and on the epoch.
        **options: the options of the task, as above.

    Returns:
        A `tf.data.Dataset` of (source, image).

    Raises:
        ValueError: for another task or option, or for images whose size is not a multiple of the
            scale.

    Example:

    >>> photos = kerasgan.data.load("digits", image_size=32, batch_size=8)
    >>> small, large = next(iter(kerasgan.data.paired(photos, "super_resolve", scale=2)))
    >>> small.shape, large.shape
    (TensorShape([8, 16, 16, 1]), TensorShape([8, 32, 32, 1]))
    """
    from kerasgan.data.reader import tf

    if task not in TASKS:
        raise ValueError(f"task={task!r}; use one of {', '.join(map(repr, TASKS))}.")
    known = list(inspect.signature(TASKS[task]).parameters)[2:]
    for option in options:
        if option not in known:
            has = f"it has {', '.join(known)}" if known else "it has none"
            raise ValueError(f"{option}={options[option]!r} is not an option of {task!r}; {has}.")
    if (
        not isinstance(images, tf.data.Dataset)
        or len(getattr(images.element_spec, "shape", ())) != 4
    ):
        raise ValueError(
            "images is not a data set of batches of images; kerasgan.data.load(...) returns one, "
            "and kerasgan.data.from_array(...) makes one from an array. Leave labels out."
        )
    steps = int(images.cardinality())
    if steps < 0:
        raise ValueError(
            "images is a data set of unknown or infinite length; leave out .repeat(), and after "
            ".filter() apply tf.data.experimental.assert_cardinality(n)."
        )

    # A transformed data set cannot be read from a batch in its middle.
    own = getattr(images, "epochs", None)

    def one_epoch(epoch, first):
        def pair(step, batch):
            random = tf.stack([tf.constant(seed, "int64"), epoch * steps + step])
            return TASKS[task](batch, random, **options), batch

        batches = images.skip(first) if own is None else own.one_epoch(epoch, first)
        return batches.enumerate(first).map(pair)

    return Epochs(one_epoch, steps, within=images).dataset()


def _colorize(images, random):
    return _luminance(images)


def _inpaint(images, random, mask="rectangles"):
    from kerasgan.data.reader import tf

    holes = {"rectangles": _rectangles, "free_form": _strokes}
    if mask not in holes:
        raise ValueError(f"mask={mask!r}; use 'rectangles' or 'free_form'.")
    return tf.where(holes[mask](images, random), 0.0, images)


def _super_resolve(images, random, scale=4):
    from kerasgan.data.reader import tf

    height, width = images.shape[1:3]
    if not isinstance(scale, int) or scale < 1:
        raise ValueError(f"scale={scale!r}; use a whole number of at least 1.")
    if height % scale or width % scale:
        raise ValueError(
            f"scale={scale}: images of {height}x{width} pixels cannot be divided by this; choose "
            "another image_size."
        )
    size = (height // scale, width // scale)
    return tf.clip_by_value(tf.image.resize(images, size, "bicubic", antialias=True), -1.0, 1.0)


def _edges(images, random, threshold=0.5):
    from kerasgan.data.reader import tf

    # Sobel's kernels add up to 4 on each side.
    slopes = tf.image.sobel_edges(_luminance(images)) / 4.0
    strength = tf.norm(slopes, axis=-1)
    return tf.where(strength > threshold, -1.0, 1.0)


def _denoise(images, random, noise=0.3):
    from kerasgan.data.reader import tf

    normal = tf.random.stateless_normal(tf.shape(images), random)
    return tf.clip_by_value(images + noise * normal, -1.0, 1.0)


TASKS = {
    "colorize": _colorize,
    "inpaint": _inpaint,
    "super_resolve": _super_resolve,
    "edges": _edges,
    "denoise": _denoise,
}


def _luminance(images):
    from kerasgan.data.reader import tf

    return tf.image.rgb_to_grayscale(images) if images.shape[-1] == 3 else images


def _rectangles(images, random):
    """One hole in each image, whose sides are a quarter to a half of the image's."""
    from kerasgan.data.reader import tf

    draw = tf.random.stateless_uniform((tf.shape(images)[0], 2, 2), random)
    inside = []
    for axis in range(2):
        side = float(images.shape[1 + axis])
        length = (0.25 + 0.25 * draw[:, axis, :1]) * side
        start = draw[:, axis, 1:] * (side - length)
        centres = tf.range(side)[None] + 0.5
        inside.append((start <= centres) & (centres < start + length))
    return (inside[0][:, :, None] & inside[1][:, None, :])[..., None]


def _strokes(images, random, points=6):
    """A line through some points in each image, an eighth of the image broad."""
    from kerasgan.data.reader import tf

    height, width = (float(side) for side in images.shape[1:3])
    draw = tf.random.stateless_uniform((tf.shape(images)[0], points, 2), random)
    nodes = draw * tf.constant([height, width])
    rows, columns = tf.meshgrid(tf.range(height) + 0.5, tf.range(width) + 0.5, indexing="ij")
    pixels = tf.stack([rows, columns], axis=-1)[None, None]  # (1, 1, height, width, 2)
    begins = nodes[:, :-1, None, None]
    along = nodes[:, 1:, None, None] - begins
    length = tf.reduce_sum(along**2, axis=-1) + 1e-6
    share = tf.clip_by_value(tf.reduce_sum((pixels - begins) * along, axis=-1) / length, 0.0, 1.0)
    nearest = begins + share[..., None] * along
    distance = tf.reduce_min(tf.norm(pixels - nearest, axis=-1), axis=1)
    return (distance < min(height, width) / 16.0)[..., None]

"""The start size and the number of doublings of generators for an image shape."""


def doublings_to(image_shape, start_sizes=(4, 6, 7)):
    """Returns the size to start from, and how often it doubles to reach `image_shape`.

    Args:
        image_shape: (size, size, channels), channels 1 or 3.
        start_sizes: sizes that a generator may start from.

    Returns:
        `(start_size, doublings)`, doublings at least 1.

    Raises:
        ValueError: for a shape that cannot be reached.

    Example:

    >>> doublings_to((28, 28, 1))
    (7, 2)
    """
    if len(image_shape) == 3 and image_shape[0] == image_shape[1] and image_shape[2] in (1, 3):
        for start_size in start_sizes:
            size, doublings = start_size, 0
            while size < image_shape[0]:
                size, doublings = 2 * size, doublings + 1
            if size == image_shape[0] and doublings:
                return start_size, doublings
    examples = sorted(start * 2**n for start in start_sizes for n in (1, 2, 3))
    *others, last = map(str, start_sizes)
    starts = f"{', '.join(others)} or {last}" if others else last
    raise ValueError(
        f"image_shape={tuple(image_shape)} cannot be made; use a square reached by doubling from "
        f"{starts} ({', '.join(map(str, examples))}, ...) with 1 or 3 channels, for example "
        "(32, 32, 1)."
    )

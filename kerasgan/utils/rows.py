"""Arrays of many rows, which a network takes a few at a time."""

import numpy as np

AT_ONCE = 64


def some_at_a_time(function, *arrays):
    """What a function makes of arrays, of at most 64 of their rows at each call.

    Args:
        function: from as many arrays (n, ...) to an array (n, ...), or to a list of such.
        *arrays: arrays of equal length; of no rows the function is called once.

    Returns:
        An array, or a tuple of arrays.
    """
    starts = range(0, max(len(arrays[0]), 1), AT_ONCE)
    found = [function(*(rows[start : start + AT_ONCE] for rows in arrays)) for start in starts]
    if isinstance(found[0], (list, tuple)):
        return tuple(map(np.concatenate, zip(*found, strict=True)))
    return np.concatenate(found)

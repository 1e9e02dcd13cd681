"""What the tests of the data sets share."""

import numpy as np


def everything(dataset):
    """One epoch as one array, or with labels as a tuple of arrays."""
    batches = list(dataset.as_numpy_iterator())
    if isinstance(batches[0], tuple):
        return tuple(np.concatenate(parts) for parts in zip(*batches, strict=True))
    return np.concatenate(batches)


def as_bytes(images):
    """Images in [-1, 1] as whole numbers in 0..255."""
    return np.rint((images + 1.0) * 127.5).astype("int32")


def rows(images):
    """The images as sorted rows of an array, to compare them without their order."""
    return np.array(sorted(np.ravel(image).tolist() for image in images))

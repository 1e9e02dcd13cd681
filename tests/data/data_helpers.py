"""What the tests of the data sets share."""

import numpy as np

from kerasgan.training.data_order import set_epoch


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


def in_epoch(dataset, epoch):
    """The data set as a training that has had so many epochs would read it next."""
    transformed = dataset.map(lambda *batch: batch if len(batch) > 1 else batch[0])
    set_epoch(transformed, epoch)
    return transformed


def from_batch(dataset, epoch, first):
    """What a model is given that goes on with an epoch at a batch: batches of arrays."""
    bound = dataset.epochs.dataset(lambda: (epoch, first))
    return list(bound.as_numpy_iterator())[first:]


def same_from_the_middle(dataset, epoch=2, first=1):
    """Whether an epoch that goes on at a batch has the batches that it would have had."""
    whole = list(in_epoch(dataset, epoch).as_numpy_iterator())[first:]
    part = from_batch(dataset, epoch, first)
    flat = [
        [
            np.asarray(a)
            for batch in batches
            for a in (batch if isinstance(batch, tuple) else [batch])
        ]
        for batches in (whole, part)
    ]
    return len(flat[0]) == len(flat[1]) > 0 and all(map(np.array_equal, *flat))

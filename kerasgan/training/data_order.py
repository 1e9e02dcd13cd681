"""Data whose order is a function of the epoch that a model is in.

A run that is continued has to see the batches that an uninterrupted one would have seen. So the
epoch is the model's, and what `fit` is given is made into data that asks the model's `Position`.
`kerasgan.data` hangs on each of its data sets, as `epochs`, what makes the same data for a model.
"""

import math
import types

import keras
import numpy as np
from keras import ops

from kerasgan import backend
from kerasgan.backend import private
from kerasgan.training.measuring import batches_of


def bind(call, position):
    """Makes the data that `fit` was given ask a position where to begin, if it can be made to.

    Each `fit` gets data of its own, so that several can read one data set at the same time.

    Args:
        call: dict of the arguments of `keras.Model.fit`, which is changed.
        position: a `Position`.
    """
    _split(call)
    x, y, validation = call.get("x"), call.get("y"), call.get("validation_data")
    # As in Keras, a number of steps decides how large the batches of arrays are.
    if hasattr(x, "epochs"):
        call["x"] = x.epochs.dataset(lambda: (position.epoch, position.first))
    elif (
        call.get("shuffle", True) is True
        and all(hasattr(array, "shape") for array in (x, *([] if y is None else [y])))
        and call.get("steps_per_epoch") is None
    ):
        call.pop("y", None)
        call["x"] = shuffled_arrays(x, y, call.get("batch_size"), position)
        call["shuffle"] = False
    if hasattr(validation, "epochs"):
        call["validation_data"] = validation.epochs.dataset(lambda: (position.epoch, 0))
    position.can_pass = _begins_anew(call.get("x"), call.get("steps_per_epoch"))


def first_batch(call):
    """The first batch of the data that `fit` was given, which loses none by it.

    Args:
        call: dict of the arguments of `keras.Model.fit`; a generator in it is replaced.
    """
    x = call.get("x")
    if isinstance(x, types.GeneratorType):
        batch = next(x)
        call["x"] = _again(batch, x)
        return batch
    return next(iter(batches_of(x, call.get("y"), call.get("batch_size"))))


def _again(batch, batches):
    yield batch
    yield from batches


def _split(call):
    """Does to arrays what `validation_split` says, as Keras would."""
    x, y, share = call.get("x"), call.get("y"), call.get("validation_split")
    if not share or not hasattr(x, "shape") or call.get("validation_data") is not None:
        return
    at = math.floor(len(x) * (1.0 - share))
    if 0 < at < len(x):  # else Keras has something to say
        arrays = [array for array in (x, y) if array is not None]
        call["validation_data"] = tuple(array[at:] for array in arrays)
        call.update(zip(("x", "y"), (array[:at] for array in arrays), strict=False))
        del call["validation_split"]


def set_epoch(x, epoch):
    """Tells those data sets of `kerasgan.data` from which `x` was made which epoch comes next.

    They are shared by everyone who reads them, unlike what `bind` makes.
    """
    for epochs in [] if hasattr(x, "epochs") else epochs_in(x):
        epochs.next_epoch = epoch


def epochs_in(x):
    """The `epochs` of all data sets of `kerasgan.data` that `x` was transformed from: list."""
    if hasattr(x, "epochs"):
        return [x.epochs]
    sources = private.sources_of(x) if hasattr(x, "element_spec") else []
    return [epochs for source in sources for epochs in epochs_in(source)]


def shuffled_arrays(x, y, batch_size, position):
    """Arrays in batches, in another order in each epoch, which is a function of the epoch.

    Keras' own order differs from process to process.
    """
    arrays = tuple(_floatx(ops.convert_to_numpy(a)) for a in (x, y) if a is not None)
    count = len(arrays[0])

    def order():
        return np.random.default_rng([0, position.epoch]).permutation(count)

    arrays = arrays if y is not None else arrays[0]
    return backend.batches_in_order(arrays, count, batch_size or 32, order)


def _floatx(array):
    return array.astype(keras.config.floatx()) if array.dtype.kind == "f" else array


def steps_in_epoch(x, batch_size=None, steps_per_epoch=None):
    """How many batches an epoch has, as Keras counts them: int, or None if it is not known."""
    if steps_per_epoch:
        return steps_per_epoch
    if hasattr(x, "cardinality"):
        count = int(x.cardinality())
        return count if count >= 0 else None
    if isinstance(x, keras.utils.PyDataset):
        return x.num_batches
    if hasattr(x, "shape"):
        return math.ceil(len(x) / (batch_size or 32))
    return len(x) if hasattr(x, "__len__") and not isinstance(x, (list, tuple, dict)) else None


def _begins_anew(x, steps_per_epoch):
    """Whether each epoch reads the data from its beginning to its end."""
    is_iterator = hasattr(x, "__next__")
    endless = hasattr(x, "cardinality") and int(x.cardinality()) == -1
    whole = steps_per_epoch in (None, steps_in_epoch(x))
    return whole and not is_iterator and not endless

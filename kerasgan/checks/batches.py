"""Data on its way to a step, looked at before the step does."""

import contextlib
import copy
import math
import types

import keras

from kerasgan.checks.images import _described, as_numpy, check_scale

# From so many images on, none of which is ever below 0, nobody believes in [-1, 1].
ENOUGH = 8


class BatchCheck:
    """Looks at the batches that a model is given, before a step does.

    Args:
        check: `check_batch` of the model.
        other: the `BatchCheck` that is to tell of the errors of this one, or None.
    """

    def __init__(self, check, other=None):
        self.check = check
        self.errors = [] if other is None else other.errors
        self.ends, self.count = {}, 0

    @property
    def has_seen_enough(self):
        """Whether it is clear that the images are not in 0..1."""
        return self.count >= ENOUGH

    def __call__(self, *batch, whole=False):
        """Checks a batch, or, with `whole`, all of the data."""
        try:
            batch = keras.tree.map_structure(as_numpy, batch)
            batch = batch[0] if len(batch) == 1 else batch
            found = self.check(batch)
            arrays = keras.tree.flatten(batch)
            self.count += len(arrays[0]) if arrays else 0
            for what, (low, high) in found.items():
                lowest, highest = self.ends.get(what, (low, high))
                self.ends[what] = min(low, lowest), max(high, highest)
            if whole or self.has_seen_enough:
                for what, ends in self.ends.items():
                    check_scale(*ends, what)
        except ValueError as error:
            self.errors.append(error)
            raise

    @contextlib.contextmanager
    def own_error(self):
        """In here what stops the data is our error, and not what a framework makes of it."""
        try:
            yield
        except Exception:
            if self.errors:
                raise self.errors[0] from None
            raise


def checked_data(x, y, check, limits):
    """What `fit` takes, checked: arrays now, batches before a step sees them.

    Args:
        x, y: as for `keras.Model.fit`.
        check: `BatchCheck`.
        limits: the lowest and the highest value that each part of a batch may have: list of pairs.

    Returns:
        What `fit` is to be given as `x`.

    Raises:
        ValueError: for arrays and data sets that cannot be right.
    """
    if hasattr(x, "element_spec") and hasattr(x, "map"):  # tf.data
        check.check(x.element_spec)
        parts = keras.tree.flatten(x.element_spec)
        if len(limits) != len(parts):
            return x  # a model that checks nothing
        first = math.ceil(ENOUGH / (parts[0].shape[0] or 1))
        from kerasgan.checks.datasets import checked_dataset

        def checked(dataset):
            return checked_dataset(dataset, check, limits, first)

        # Of an epoch that goes on in its middle the batches that were had before are blank.
        return x.epochs.transformed(checked).dataset() if hasattr(x, "epochs") else checked(x)
    if isinstance(x, keras.utils.PyDataset):
        return _checking(x, "__getitem__", lambda batch: check(batch) or batch)
    if isinstance(x, types.GeneratorType):
        return _checked(x, check)
    if any(parent.__module__.startswith("torch.utils.data") for parent in type(x).__mro__):
        return _checking(x, "__iter__", lambda batches: _checked(batches, check))
    if hasattr(x, "__next__"):
        raise ValueError(
            "x is an iterator, which can be read only once; pass the iterable that it comes from."
        )
    if x is None or isinstance(x, (str, list, tuple, dict)) or callable(x):
        raise ValueError(f"x is {_described(x)}")
    if hasattr(x, "shape"):
        arrays = (x,) if y is None else (x, y)
        check(*map(as_numpy, arrays), whole=True)
        counts = [len(array) for array in arrays]
        if not counts[0] or counts[0] != counts[-1]:
            raise ValueError(
                f"the arrays have {counts} examples; use the same number of each, at least one."
            )
    return x


def _checked(batches, check):
    for batch in batches:
        check(batch)
        yield batch if isinstance(batch, (tuple, list)) else (batch,)


def _checking(data, method, check):
    """A copy of a data set whose method checks what it returns."""
    given = getattr(type(data), method)

    def checking(self, *args):
        return check(given(self, *args))

    copied = copy.copy(data)
    copied.__class__ = type(type(data).__name__, (type(data),), {method: checking})
    return copied


def refuse_weights(**weights):
    """Raises a ValueError for weights of examples or classes, which no loss here looks at."""
    for name, value in weights.items():
        if value is not None:
            raise ValueError(
                f"{name} is given, but adversarial losses weight all examples equally; leave it "
                "out. To show some examples more often, repeat them in the data."
            )

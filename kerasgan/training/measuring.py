"""Metrics by name, and how they are updated with real and generated images."""

import inspect
import itertools

import keras
import tqdm
from keras import ops

from kerasgan.backend import private

_BY_NAME: dict[str, tuple] = {}  # from a name to a metric class and its arguments


def register(*names, **arguments):
    """Decorates a metric class: in `compile(metrics=[...])` each of the names means it.

    Args:
        *names: str, those of its results.
        **arguments: what the class is called with.
    """

    def decorate(metric_class):
        _BY_NAME.update(dict.fromkeys(names, (metric_class, arguments)))
        return metric_class

    return decorate


def names():
    """The names that `get` knows."""
    return sorted(_BY_NAME)


def get(metrics, **arguments):
    """Metrics for a list of metrics and names.

    Names of one class, such as `"precision"` and `"recall"`, become one metric.

    Args:
        metrics: list of `keras.metrics.Metric` whose `update_state` takes (real images, generated
            images), or names; one alone will do.
        **arguments: for the classes that are named, as far as they take them.

    Returns:
        List of `keras.metrics.Metric`.

    Raises:
        ValueError: for an unknown name, or something else.
    """
    metrics = [metrics] if isinstance(metrics, (str, keras.metrics.Metric)) else metrics
    found = {}
    for metric in metrics:
        if isinstance(metric, keras.metrics.Metric):
            found[id(metric)] = metric
        elif isinstance(metric, str) and metric in _BY_NAME:
            metric_class, of_name = _BY_NAME[metric]
            found[metric_class] = {**found.get(metric_class, {}), **of_name}
        else:
            raise ValueError(
                f"metrics holds {metric!r}; give keras.metrics.Metric objects whose update_state "
                f"takes (real_images, generated_images), or their names: {', '.join(names())}."
            )
    made = []
    for metric_class, metric in found.items():
        if isinstance(metric, dict):
            taken = inspect.signature(metric_class).parameters
            common = {name: value for name, value in arguments.items() if name in taken}
            metric = metric_class(**common, **metric)
        made.append(metric)
    called = [metric.name for metric in made]
    twice = next((name for name in called if called.count(name) > 1), None)
    if twice is not None:
        raise ValueError(
            f"metrics holds two that are called {twice!r}; give one of them another name=..., or "
            "its results would replace the other's."
        )
    return made


def mode(metrics, result):
    """The way in which a result of one of the metrics is better, as Keras' callbacks call it.

    A metric says so in its attributes `lower_is_better` and `higher_is_better`: its results without
    its name before them, so `""` is the one that is called like the metric.

    Args:
        metrics: list of `keras.metrics.Metric`.
        result: str, the name of a result, such as `"fid"`.

    Returns:
        `"min"` or `"max"`, or `"auto"` where no metric tells.
    """
    for metric in metrics:
        own = result.removeprefix(metric.name).removeprefix("_")
        of_keras = None if own else private.direction_of(metric)  # for its only result
        if of_keras == "down" or own in getattr(metric, "lower_is_better", ()):
            return "min"
        if of_keras == "up" or own in getattr(metric, "higher_is_better", ()):
            return "max"
    return "auto"


def prepare(metrics, x, vectors, labelled):
    """Finds out what would otherwise go wrong after long work.

    Args:
        metrics: list of metrics.
        x: what `evaluate` takes.
        vectors: whether vectors will be compared rather than images.
        labelled: whether what is compared has labels.

    Raises:
        ValueError, OSError: for a metric that cannot have what it needs, or data that cannot be
            gone through twice, for the losses and for the metrics.
    """
    if metrics and hasattr(x, "__next__"):
        raise ValueError(
            "the data is an iterator, which can be read only once, but evaluate reads it again "
            "for the metrics. Give arrays, a tf.data.Dataset or a keras.utils.PyDataset."
        )
    for metric in metrics:
        if getattr(metric, "labelled", False) and not labelled:
            raise ValueError(
                f"{metric.name} compares classes, but the generated images have none; use it for "
                "conditional models, such as kerasgan.CGAN."
            )
        if hasattr(metric, "prepare"):
            metric.prepare(vectors)


def batches_of(x, y=None, batch_size=None, steps=None):
    """The batches that `evaluate` of these arguments looks at."""
    if hasattr(x, "shape"):
        size = batch_size or 32
        rows = (slice(start, start + size) for start in range(0, len(x), size))
        batches = (x[some] if y is None else (x[some], y[some]) for some in rows)
    elif isinstance(x, keras.utils.PyDataset):
        batches = (x[index] for index in range(len(x)))
    else:
        batches = x
    return itertools.islice(batches, steps)


def feed(metrics, pairs, progress=False, total=None):
    """Feeds metrics anew.

    Args:
        metrics: list of `keras.metrics.Metric` whose `update_state` takes real and generated
            images.
        pairs: iterable of these, and the labels of both where they have some. Metrics that are
            `labelled` get them.
        progress: whether to show a bar, on a terminal.
        total: int, how many pairs there will be, if that is known.
    """
    for metric in metrics:
        metric.reset_state()
    hidden = None if progress else True
    for real, fake, *labels in tqdm.tqdm(pairs, "measuring", total, leave=False, disable=hidden):
        for metric in metrics:
            more = labels if getattr(metric, "labelled", False) else ()
            metric.update_state(real, fake, *more)


def results(metric):
    """The result of a metric, one number or several: dict from a name to a float."""
    value = metric.result()
    value = value if isinstance(value, dict) else {metric.name: value}
    return {name: float(ops.convert_to_numpy(v)) for name, v in value.items()}

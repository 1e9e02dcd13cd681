"""How metrics are fed with real and generated images, outside of compiled steps."""

import itertools

import keras
import tqdm
from keras import ops


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


def measure(metrics, pairs, progress=False, total=None):
    """Feeds metrics anew and asks them once, at the end.

    Args:
        metrics: list of `keras.metrics.Metric` whose `update_state` takes real and generated
            images.
        pairs: iterable of these.
        progress: whether to show a bar, on a terminal.
        total: int, how many pairs there will be, if that is known.

    Returns:
        Dict from a name to a float.
    """
    for metric in metrics:
        metric.reset_state()
    hidden = None if progress else True
    for real, fake in tqdm.tqdm(pairs, "measuring", total, leave=False, disable=hidden):
        for metric in metrics:
            metric.update_state(real, fake)
    results = {}
    for metric in metrics:
        value = metric.result()
        value = value if isinstance(value, dict) else {metric.name: value}
        results |= {name: float(ops.convert_to_numpy(v)) for name, v in value.items()}
    return results

"""Detects mode collapse: a generator that always makes much the same."""

import os
import warnings

import keras
import numpy as np
from scipy.spatial.distance import pdist

from kerasgan import checks, pictures, roles
from kerasgan.callbacks.run_history import RunHistory


class CollapseWarning(UserWarning):
    """A generator makes samples that are too much alike."""


class CollapseMonitor(RunHistory):
    """Warns when generated samples are much more alike than real ones.

    Every few epochs it logs `diversity`: the mean distance between two generated samples, divided
    by that between two real ones. 1 is right; 0 means that the generator always makes the same. The
    value goes into the history, so that `keras.callbacks.EarlyStopping("diversity", mode="max")`
    can watch it, and is drawn in `diversity.png`. The callback issues a `CollapseWarning` when the
    diversity falls below `threshold`, and when it has not risen above it in the first ten
    measurements.

    Distances are Euclidean, for images between their pixels. A generator that has lost some of many
    modes keeps most of its diversity; use `kerasgan.metrics.ModeCoverage` for mixtures whose modes
    are known.

    Args:
        data: real examples: the data that `fit` gets, an array, or a tuple (images, labels) of
            arrays.
        folder: where `diversity.png` and `history.csv` go; made if missing.
        every: int, epochs between two measurements. The first epoch is always measured.
        threshold: float from 0 to 1, the diversity below which it warns.
        num_samples: int, how many real and generated samples are compared.
        seed: int, the seed of the latents.
        seconds: float, the shortest time between two writes of the picture.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> gan = kerasgan.VanillaGAN((2,), latent_dim=2)
    >>> gan.compile()
    >>> points = kerasgan.data.load("ring8", batch_size=1000)
    >>> monitor = kerasgan.callbacks.CollapseMonitor(points, "runs/ring", threshold=0.1)
    >>> history = gan.fit(points, epochs=1, callbacks=[monitor], verbose=0)
    >>> 0.0 < history.history["diversity"][0] < 10.0
    True
    """

    def __init__(
        self,
        data,
        folder: str | os.PathLike,
        every: int = 1,
        threshold: float = 0.5,
        num_samples: int = 256,
        seed: int = 0,
        seconds: float = 10.0,
    ):
        super().__init__(folder, seconds)
        checks.whole_number("every", every, 1)
        checks.whole_number("num_samples", num_samples, 2)
        if not 0.0 <= threshold <= 1.0:
            raise ValueError(f"threshold={threshold!r}; use a number from 0 to 1.")
        self.data, self.every, self.threshold = data, every, threshold
        self.num_samples, self.seed = num_samples, seed

    def on_train_begin(self, logs=None):
        roles.require(self.model, roles.GeneratesImages, "CollapseMonitor")
        super().on_train_begin(logs)
        self.read(self.model)

    def read(self, model: keras.Model) -> None:
        """Reads the examples, at the beginning of training or before.

        Raises:
            ValueError: for examples that are not the model's, or that are all the same.
        """
        model.agree_on_classes(self.data)
        real, labels = first_examples(self.data, self.num_samples)
        self.labels = None if model.condition is None else labels
        self.real = real
        checks.check_images(real, "the examples in data", model.real_image_shape)
        if not mean_distance(real):
            raise ValueError(
                "data holds only copies of one example, so there are no distances; use different "
                "examples."
            )

    def on_epoch_end(self, epoch, logs=None):
        logs = {} if logs is None else logs
        if epoch == 0 or (epoch + 1) % self.every == 0:
            samples = self.model.generate(len(self.real), seed=self.seed, labels=self.labels)
            # As the model sees them: one that grows reduces them to its resolution.
            real = keras.ops.convert_to_numpy(self.model.real_images(self.real))
            logs["diversity"] = mean_distance(samples) / mean_distance(real)
            before = list(self.seen().values())
            fell = before and logs["diversity"] < self.threshold <= before[-1]
            never_rose = len(before) == 9 and max(*before, logs["diversity"]) < self.threshold
            if fell or never_rose:
                self.warn(epoch, logs["diversity"])
        super().on_epoch_end(epoch, logs)

    def seen(self) -> dict[int, float]:
        """The diversity found so far, by epoch."""
        rows = sorted(self.rows.items())
        return {epoch: row["diversity"] for epoch, row in rows if "diversity" in row}

    def warn(self, epoch: int, diversity: float) -> None:
        """Issues the warning that samples are too much alike."""
        warnings.warn(
            f"after epoch {epoch + 1} generated samples are {diversity:.2g} times as far from each "
            f"other as real ones, which is below threshold={self.threshold}. The generator may "
            "have collapsed; docs/mode_collapse.md says what helps.",
            CollapseWarning,
            stacklevel=2,
        )

    def write(self) -> None:
        """Draws the diversity so far."""
        if self.seen():
            picture = draw_diversity(self.seen(), self.threshold)
            pictures.write_png(self.folder / "diversity.png", picture)


def first_examples(data, count):
    """The first examples of what `fit` takes: images (n, ...) and labels (n,) or None, n <= count.

    Raises:
        ValueError: when there are fewer than two.
    """
    is_arrays = hasattr(data, "shape") or (isinstance(data, tuple) and hasattr(data[0], "shape"))
    batches, found = [data] if is_arrays else data, []
    for batch in batches:
        images, labels, _ = keras.utils.unpack_x_y_sample_weight(batch)
        labels = None if labels is None else keras.ops.convert_to_numpy(labels)
        found.append((keras.ops.convert_to_numpy(images), labels))
        if sum(len(images) for images, _ in found) >= count:
            break
    if sum(len(images) for images, _ in found) < 2:
        raise ValueError(
            "data holds fewer than two examples, so there are no distances; use at least 2."
        )
    images, labels = zip(*found, strict=True)
    labels = None if labels[0] is None else np.concatenate(labels)[:count]
    return np.concatenate(images)[:count], labels


def mean_distance(samples):
    """The mean Euclidean distance between two different samples of (n, ...): float."""
    return float(pdist(np.reshape(samples, (len(samples), -1))).mean())


def draw_diversity(diversity, threshold):
    """Draws the diversity over the epochs.

    Args:
        diversity: dict from epoch to float.
        threshold: float, the diversity below which the generator counts as collapsed.

    Returns:
        uint8 array (height, width, 3).
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(list(diversity), list(diversity.values()), "o-", markersize=3)
    axes.axhline(1.0, color="grey", linewidth=0.8, linestyle=":")
    axes.axhspan(0.0, threshold, color="tab:red", alpha=0.12, linewidth=0)
    axes.set(
        title="distance between samples / between real ones",
        xlabel="epoch",
        ylim=(0.0, max(1.2, 1.1 * max(diversity.values()))),
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return pictures.figure_pixels(figure)

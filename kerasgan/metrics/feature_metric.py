"""The base of metrics that compare the features of real and of generated images."""

import inspect
import os
import warnings
from typing import Self

import keras
import numpy as np

from kerasgan.metrics.batches import checked
from kerasgan.metrics.features import Extractor, Features, extractor

VECTORS = Extractor(None, "none, vectors")


class SampleSizeWarning(UserWarning):
    """There are too few images for a meaningful result."""


class FeatureMetric(keras.metrics.Metric):
    """Base class of metrics that compare features of real and generated images.

    A model's `evaluate` and `fit(validation_data=...)` update it; used alone it takes arrays. It
    keeps its state in NumPy, with sums in float64, under every backend, so it must be updated
    outside compiled steps.

    A subclass defines `add(features, real)`, `reset_state()`, and `result()`, which returns a float
    or a dict of floats.

    A network given by name or path is not saved with a model that has the metric. The weights of a
    `keras.Model` are saved as the metric's own. They are loaded only together with its
    configuration: `load_weights` leaves the networks of metrics alone.

    Args:
        features: the feature network; see `kerasgan.metrics.features.extractor`.
        name: str, the name of the result, or the prefix of several.
        **kwargs: as for `keras.metrics.Metric`.

    Raises:
        ValueError: when updated with features that do not exist, or with images of another shape or
            range.

    Example:

    >>> class Brighter(kerasgan.metrics.FeatureMetric):
    ...     def reset_state(self):
    ...         super().reset_state()
    ...         self.sum = 0.0
    ...     def add(self, features, real):
    ...         self.sum += (-1.0 if real else 1.0) * float(features.mean(axis=1).sum())
    ...     def result(self):
    ...         return self.sum / max(1, self.counts()[1])
    >>> metric = Brighter(features="pixels")
    >>> metric.update_state(-np.ones((4, 8, 8, 1)), np.ones((4, 8, 8, 1)))
    >>> metric.result()
    2.0
    """

    output = "features"  # which output of the network is used
    looked_through = None  # the `Extractor` that has seen the images

    def __init__(self, features: Features = "inception", name: str | None = None, **kwargs):
        super().__init__(name=name, **kwargs)
        # Keras does not look into an extractor, so it does not save the network by itself: of two
        # metrics that share one the file would hold it once, and not be loaded.
        self.features = extractor(features) if isinstance(features, keras.Model) else features
        self._lacks_weights = False
        self.reset_state()

    @property
    def extractor(self) -> Extractor:
        """The `Extractor`; a network is loaded when it is first needed."""
        if self._lacks_weights:
            raise ValueError(
                f"{self.name}: the weights of the network that was given as features are not part "
                "of a configuration, so they are lost; give the network again, or load the .keras "
                "file of the model that the metric belongs to."
            )
        return extractor(self.features)

    def prepare(self, vectors: bool = False) -> None:
        """Loads what the metric needs, so that missing weights are noticed before long work.

        Args:
            vectors: whether it will be fed with vectors, which need no network.

        Raises:
            ValueError, OSError: when it is not available.
        """
        if self.takes_features() and not vectors:
            self.extractor  # noqa: B018

    @classmethod
    def takes_features(cls) -> bool:
        """Whether the metric has an argument `features`."""
        return "features" in inspect.signature(cls).parameters

    def update_state(self, real, fake, sample_weight=None):
        """Adds images.

        Args:
            real, fake: float arrays (n, height, width, channels) in [-1, 1], or vectors (n, d). The
                two may differ in number; None for no images.

        Raises:
            ValueError: for other shapes, NaN, values outside [-1, 1], and images whose number of
                features differs from earlier ones.
        """
        batches = []
        for examples, what in ((real, "the real images"), (fake, "the generated images")):
            examples = None if examples is None else checked(examples, what)
            if examples is not None and len(examples):
                channels = examples.shape[-1]
                if self._channels not in (None, channels):
                    raise ValueError(
                        f"{what} have {channels} channels, but other images here have "
                        f"{self._channels}; compare images with the same number (kerasgan.data: "
                        "channels=...)."
                    )
                self._channels = channels
            batches.append(examples)
        for examples, is_real in zip(batches, (True, False), strict=True):
            if examples is not None and len(examples) and self.looks_at(is_real):
                features = self.look(examples)
                self._check_width(features, examples)
                self._shown[is_real] += len(examples)
                self.add(features, is_real)

    def _check_width(self, features, examples):
        if features.ndim == 2:
            width = features.shape[1]
            if self._width not in (None, width):
                size = "x".join(map(str, examples.shape[1:]))
                raise ValueError(
                    f"{self.name}: examples of {size} numbers have {width} features, but other "
                    f"examples have {self._width}; compare images of the same size, or use "
                    "features= of a network that takes any size."
                )
            self._width = width

    def looks_at(self, real: bool) -> bool:
        """Whether the metric uses the real, or the generated, images; both by default."""
        return True

    def look(self, examples):
        """What to add for checked examples: their features."""
        self.looked_through = self.extractor if examples.ndim == 4 else VECTORS
        return self.looked_through(examples, self.output)

    def add(self, features, real):
        """Adds features (n, d) of real or of generated images."""
        raise NotImplementedError

    def counts(self) -> tuple[int, int]:
        """How many real and how many generated images `result()` is based on: two ints.

        0 for a kind that is not used, None where the number is unknown.
        """
        return self._shown[True], self._shown[False]

    def reset_state(self):
        self._channels = self._width = None
        self._shown = {True: 0, False: 0}

    def need(self, least: int, **counts: int) -> None:
        """Raises a ValueError when there are too few images for a result."""
        for what, count in counts.items():
            if count < least:
                raise ValueError(
                    f"{type(self).__name__} has seen {count} {what} image{'s' * (count != 1)}; it "
                    f"needs at least {least}, and thousands for a reliable value."
                )

    def warn_of_few(self, message: str) -> None:
        """Warns that there are too few images."""
        warnings.warn(f"{self.name}: {message}", SampleSizeWarning, stacklevel=3)

    def _weights_of_network(self):
        network = getattr(self.features, "network", None)
        return [] if network is None else network.weights

    def save_own_variables(self, store):
        for index, weight in enumerate(self._weights_of_network()):
            store[str(index)] = keras.ops.convert_to_numpy(weight)

    def load_own_variables(self, store):
        if self._lacks_weights:
            for index, weight in enumerate(self._weights_of_network()):
                weight.assign(store[str(index)])
            self._lacks_weights = False

    def get_config(self) -> dict:
        if not self.takes_features():
            return super().get_config()
        features = self.features
        if isinstance(features, Extractor):
            network = features.network
            features = "pixels" if network is None else keras.saving.serialize_keras_object(network)
        return {
            **super().get_config(),
            "features": features if isinstance(features, dict) else os.fspath(features),
        }

    @classmethod
    def from_config(cls, config: dict) -> Self:
        if not isinstance(config.get("features"), dict):
            return cls(**config)
        network = keras.saving.deserialize_keras_object(config["features"])
        metric = cls(**{**config, "features": network})
        metric._lacks_weights = bool(network.weights)
        return metric


class KeptFeatures(FeatureMetric):
    """Base class of metrics that need all features for their result, and so keep them."""

    def add(self, features, real):
        self._kept[real].append(features)

    def reset_state(self):
        super().reset_state()
        self._kept = {True: [], False: []}

    def kept(self, least: int) -> tuple[np.ndarray, np.ndarray]:
        """All features: float arrays (n, d) of the real and of the generated images.

        Raises:
            ValueError: when there are fewer than `least` of either.
        """
        count = {real: sum(map(len, kept)) for real, kept in self._kept.items()}
        self.need(least, real=count[True], generated=count[False])
        for kept in self._kept.values():
            kept[:] = [np.concatenate(kept)]
        return self._kept[True][0], self._kept[False][0]

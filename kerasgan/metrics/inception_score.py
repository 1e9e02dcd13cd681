"""The inception score, Salimans et al. 2016."""

import keras
import numpy as np
from scipy.special import entr, softmax

from kerasgan.checks import whole_number
from kerasgan.metrics.feature_metric import FeatureMetric
from kerasgan.metrics.features import Features
from kerasgan.training import measuring


@measuring.register("inception_score")
@keras.saving.register_keras_serializable(package="kerasgan")
class InceptionScore(FeatureMetric):
    """IS: `exp(E_x KL(p(y|x) || p(y)))` for the classes a network predicts for generated images.

    It is large when each image clearly shows one class and there are many classes, and ranges from
    1 to the number of classes. It does not use real images and does not notice images that repeat
    within a class. It deals the images out to `splits` parts and reports the mean and standard
    deviation of their scores.

    Args:
        features: as for `kerasgan.metrics.features.extractor`: a network whose output is a dict
            with `logits`, or probabilities under that name.
        splits: int, the number of parts.
        name: str.
        **kwargs: as for `keras.metrics.Metric`.

    Returns:
        `result()` is a dict of `inception_score` and `inception_score_std`.

    Raises:
        ValueError: for splits out of range, and at `result()` for fewer images than splits.

    Example:

    >>> images = np.concatenate(list(kerasgan.data.load("digits", split="test", shuffle=False)))
    >>> metric = kerasgan.metrics.InceptionScore(features="digits", splits=1)
    >>> metric.update_state(None, images)
    >>> 9.0 < metric.result()["inception_score"] < 10.0
    True

    Reference: Improved Techniques for Training GANs, Salimans et al., 2016, arXiv:1606.03498. The
    published code uses splits of consecutive images; this one deals the images out in turn, so that
    images ordered by class do no harm.
    """

    output = "logits"
    higher_is_better = ("",)

    def __init__(
        self,
        features: Features = "inception",
        splits: int = 10,
        name: str = "inception_score",
        **kwargs,
    ):
        whole_number("splits", splits, 1)
        self.splits = splits
        super().__init__(features, name, **kwargs)

    def reset_state(self):
        super().reset_state()
        self._seen = 0
        self._sums = 0.0  # (splits, classes): the sum of p
        self._entropies = np.zeros(self.splits)  # the sum of those of p

    def looks_at(self, real: bool) -> bool:
        return not real

    def add(self, features, real):
        p = probabilities(features)
        split = (self._seen + np.arange(len(p))) % self.splits
        of_split = np.eye(self.splits)[split]
        self._sums = self._sums + of_split.T @ p
        self._entropies = self._entropies + of_split.T @ entr(p).sum(axis=1)
        self._seen += len(p)

    def result(self) -> dict[str, float]:
        self.need(self.splits, generated=self._seen)
        counts = self._sums.sum(axis=1)
        of_mean = entr(self._sums / counts[:, None]).sum(axis=1)
        scores = np.exp(of_mean - self._entropies / counts)
        return {self.name: float(scores.mean()), f"{self.name}_std": float(scores.std())}

    def get_config(self) -> dict:
        return {**super().get_config(), "splits": self.splits}


def probabilities(outputs):
    """A classifier's output, logits or probabilities (n, classes), as float64 probabilities."""
    outputs = np.asarray(outputs, "float64")
    if np.all(outputs >= 0.0) and np.allclose(outputs.sum(axis=1), 1.0, atol=1e-3):
        return outputs / outputs.sum(axis=1, keepdims=True)
    return softmax(outputs, axis=1)

"""The classifier two-sample test, Lopez-Paz & Oquab 2017."""

import keras
import numpy as np
from scipy import stats

from kerasgan.metrics.feature_metric import KeptFeatures
from kerasgan.metrics.features import Features
from kerasgan.training import measuring


@measuring.register("c2st")
@keras.saving.register_keras_serializable(package="kerasgan")
class ClassifierTwoSampleTest(KeptFeatures):
    """C2ST: how well a classifier, trained on half of the images, tells real from generated ones.

    The accuracy is 1/2 when generated images cannot be told from real ones, 1 when each can. The
    p-value is the probability of an accuracy at least as high if both had the same distribution;
    the accuracy then follows `N(1/2, 1 / (4 n))` for n test images. The classifier is the paper's
    neural network with a hidden layer of 20 ReLU units, on standardized features.

    Args:
        features: as for `kerasgan.metrics.features.extractor`.
        seed: int, the seed of the halves and of the classifier.
        name: str.
        **kwargs: as for `keras.metrics.Metric`.

    Returns:
        `result()` is a dict of `c2st` and `c2st_p_value`.

    Raises:
        ValueError: at `result()` for fewer than 50 real or generated images.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> metric = kerasgan.metrics.ClassifierTwoSampleTest(features="pixels")
    >>> metric.update_state(rng.normal(size=(500, 2)), rng.normal(2.0, 1.0, (500, 2)))
    >>> result = metric.result()
    >>> result["c2st"] > 0.85, result["c2st_p_value"] < 1e-6
    (True, True)

    Reference: Revisiting Classifier Two-Sample Tests, Lopez-Paz & Oquab, 2017, arXiv:1610.06545.
    The paper trains with Adam for 100 epochs; here a tenth of the training half is used for early
    stopping.
    """

    lower_is_better = ("",)
    higher_is_better = ("p_value",)

    def __init__(
        self, features: Features = "inception", seed: int = 0, name: str = "c2st", **kwargs
    ):
        self.seed = seed
        super().__init__(features, name, **kwargs)

    def counts(self) -> tuple[int, int]:
        half = min(super().counts()) // 2
        return 2 * half, 2 * half

    def result(self) -> dict[str, float]:
        # Imported here because it takes a second, which importing the package should not.
        from sklearn.neural_network import MLPClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        real, fake = self.kept(50)
        rng = np.random.default_rng(self.seed)
        half = min(len(real), len(fake)) // 2
        # Equal numbers of each kind in both halves: otherwise guessing the kind that was more
        # frequent in training would be wrong more often than right in the other half.
        chosen = [x[rng.permutation(len(x))[: 2 * half]] for x in (real, fake)]
        train, test = (
            np.concatenate([x[start::2] for x in chosen]).astype("float64") for start in (0, 1)
        )
        is_real = np.repeat([1, 0], half)
        network = MLPClassifier((20,), early_stopping=True, random_state=self.seed)
        classifier = make_pipeline(StandardScaler(), network)
        classifier.fit(train, is_real)
        accuracy = float(classifier.score(test, is_real))
        p_value = float(stats.norm.sf(accuracy, loc=0.5, scale=0.5 / len(test) ** 0.5))
        return {self.name: accuracy, f"{self.name}_p_value": p_value}

    def get_config(self) -> dict:
        return {**super().get_config(), "seed": self.seed}

"""Penalties for training with few images: consistency regularization and LeCam regularization."""

from numbers import Real
from typing import Self

import keras
from keras import ops

from kerasgan.augmentation.base import Augmentation
from kerasgan.augmentation.diff_augment import DiffAugment
from kerasgan.losses.penalties import Penalty


@keras.saving.register_keras_serializable(package="kerasgan")
class ConsistencyPenalty(Penalty):
    """`weight E[(D(x) - D(T(x)))^2]`: asks for the same logit when T augments an image.

    Args:
        real: float of at least 0, the weight for real images.
        fake: float of at least 0, the weight for generated ones: 0 for CR, above 0 for bCR.
        augmentation: `kerasgan.augmentation.Augmentation`, T; None for that of the papers: a mirror
            flip half of the time and a shift of up to an eighth of the image.

    Raises:
        ValueError: for weights that are not numbers of at least 0, or are both 0.

    Example:

    >>> x = np.ones((2, 8, 8, 1), "float32")
    >>> penalty = kerasgan.losses.ConsistencyPenalty.bcr()
    >>> float(penalty(lambda x: 0.0 * x[:, 0, 0], x, x, seed=0))
    0.0

    References: Consistency Regularization for Generative Adversarial Networks, Zhang et al., 2020,
    arXiv:1910.12027; Improved Consistency Regularization for GANs, Zhao et al., 2020,
    arXiv:2002.04724.
    """

    log_name = "consistency"

    def __init__(
        self, real: float = 10.0, fake: float = 0.0, augmentation: Augmentation | None = None
    ):
        for name, weight in (("real", real), ("fake", fake)):
            if not isinstance(weight, Real) or weight < 0.0:
                raise ValueError(f"{name}={weight!r}; use a number of at least 0.")
        if real == fake == 0.0:
            raise ValueError(
                "real=0, fake=0: the penalty is always 0; use at least one weight above 0."
            )
        self.weights = {"real": real, "fake": fake}
        self.augmentation = augmentation or DiffAugment("flip,translation")

    @classmethod
    def cr(cls, weight: float = 10.0) -> Self:
        """CR: consistency on real images."""
        return cls(weight)

    @classmethod
    def bcr(cls, real: float = 10.0, fake: float = 10.0) -> Self:
        """bCR, balanced: consistency on real and on generated images."""
        return cls(real, fake)

    def __call__(self, discriminator, real, fake, seed=None, update=0):
        cost = 0.0
        for weight, images in zip(self.weights.values(), (real, fake), strict=True):
            if weight:
                changed = self.augmentation(images, seed=seed)
                difference = discriminator(images) - discriminator(changed)
                cost += weight * ops.mean(ops.square(ops.cast(difference, "float32")))
        return cost

    def in_evaluation(self, discriminator, real, fake, seed=None):
        return self(discriminator, real, fake, seed)

    def get_config(self) -> dict:
        augmentation = keras.saving.serialize_keras_object(self.augmentation)
        return {**self.weights, "augmentation": augmentation}

    @classmethod
    def from_config(cls, config: dict) -> Self:
        augmentation = keras.saving.deserialize_keras_object(config["augmentation"])
        return cls(**{**config, "augmentation": augmentation})


@keras.saving.register_keras_serializable(package="kerasgan")
class LeCamPenalty(Penalty):
    """The LeCam penalty: `weight (E[max(D(x) - a_F, 0)^2] + E[max(a_R - D(G(z)), 0)^2])`.

    a_R and a_F are moving averages of the logits of real and of generated images: the penalty grows
    when the discriminator separates the two further than it did before. The formula is that of the
    authors' code, where logits on the far side of an average cost nothing; the formula in the paper
    has no maximum.

    Args:
        weight: float above 0; 0.3 in the paper. The authors' code uses 0 for the first 1,000
            updates; here the averages start at 0 instead.
        decay: float from 0 to below 1, the decay of the moving averages at each update.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> x = np.ones((2, 3), "float32")
    >>> penalty = kerasgan.losses.LeCamPenalty(weight=1.0)
    >>> float(penalty(lambda x: 2.0 * x[:, :1], x, x))  # max(2 - 0, 0)^2 + max(0 - 2, 0)^2
    4.0

    Reference: Regularizing Generative Adversarial Networks under Limited Data, Tseng et al., 2021,
    arXiv:2104.03310.
    """

    log_name = "lecam"

    def __init__(self, weight: float = 0.3, decay: float = 0.99):
        if not isinstance(weight, Real) or not weight > 0.0:
            raise ValueError(f"weight={weight!r}; use a number above 0.")
        if not isinstance(decay, Real) or not 0.0 <= decay < 1.0:
            raise ValueError(f"decay={decay!r}; use a number from 0 to below 1.")
        self.weight, self.decay = weight, decay
        self.state = MovingAverages(("real", "fake"))

    def __call__(self, discriminator, real, fake, seed=None, update=0):
        logits = {
            "real": ops.cast(discriminator(real), "float32"),
            "fake": ops.cast(discriminator(fake), "float32"),
        }
        cost = self._cost(**logits)
        for name, values in logits.items():
            self.state.move(name, ops.mean(values), self.decay)
        return cost

    def in_evaluation(self, discriminator, real, fake, seed=None):
        return self._cost(discriminator(real), discriminator(fake))

    def _cost(self, real, fake):
        too_real = ops.relu(real - self.state.averages["fake"])
        too_fake = ops.relu(self.state.averages["real"] - fake)
        return self.weight * (ops.mean(ops.square(too_real)) + ops.mean(ops.square(too_fake)))

    def get_config(self) -> dict:
        return {"weight": self.weight, "decay": self.decay}


class MovingAverages(keras.layers.Layer):
    """Moving averages of scalars by name, saved with the model."""

    def __init__(self, names):
        super().__init__()
        self.averages = {
            name: self.add_weight(
                (), "zeros", "float32", trainable=False, name=name, aggregation="mean"
            )
            for name in names
        }
        self.built = True

    def move(self, name, value, decay):
        """Updates an average with a new value."""
        average = self.averages[name]
        average.assign(decay * average + (1.0 - decay) * ops.stop_gradient(value))

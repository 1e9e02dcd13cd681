"""How many modes of a mixture a generator has found, after Lin et al. 2018."""

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from kerasgan.metrics.batches import checked


@keras.saving.register_keras_serializable(package="kerasgan")
class ModeCoverage(keras.metrics.Metric):
    """Modes covered, share of high-quality samples and reverse KL, for a known mixture.

    A sample is of high quality when it is within 3 sigma of a mode. A mode is covered when it is
    the nearest mode of a sample of high quality. The reverse KL divergence, in nats, compares the
    modes nearest to the generated samples, good or bad, with the weights of the mixture; 0 is
    perfect. The results depend on the number of samples; papers use 2,500.

    Args:
        modes: array (num_modes, n), the means.
        sigma: float, the standard deviation of each mode along each axis.
        weights: None for equal weights, or num_modes numbers above 0, the shares of the modes.
        name, **kwargs: as for `keras.metrics.Metric`.

    Returns:
        `result()` is a dict of scalars: `modes_covered`, `high_quality` (0 to 1), `reverse_kl`.

    Raises:
        ValueError: for arguments that do not describe a mixture.

    Example:

    >>> metric = kerasgan.metrics.ModeCoverage(*kerasgan.data.mixture("ring8"))
    >>> modes, sigma = kerasgan.data.mixture("ring8")
    >>> metric.update_state(modes, modes[:4])  # half of the modes, without any noise
    >>> {name: round(float(value), 3) for name, value in metric.result().items()}
    {'modes_covered': 4.0, 'high_quality': 1.0, 'reverse_kl': 0.693}

    Reference: PacGAN: The power of two samples in generative adversarial networks, Lin et al.,
    2018, arXiv:1712.04086, section 4.1.
    """

    lower_is_better = ("reverse_kl",)
    higher_is_better = ("modes_covered", "high_quality")

    def __init__(
        self,
        modes: ArrayLike,
        sigma: float,
        weights: ArrayLike | None = None,
        name: str = "mode_coverage",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.modes = np.asarray(modes, "float64")
        if self.modes.ndim != 2 or not len(self.modes):
            raise ValueError(f"modes has shape {self.modes.shape}; use (num_modes, n).")
        if not np.all(np.isfinite(self.modes)):
            raise ValueError("modes hold NaN or infinite numbers.")
        if not 0.0 < sigma < np.inf:
            raise ValueError(f"sigma={sigma!r}; use a number above 0.")
        self.sigma = float(sigma)
        weights = np.ones(len(self.modes)) if weights is None else np.asarray(weights, "float64")
        if weights.shape != (len(self.modes),) or not np.all((weights > 0.0) & (weights < np.inf)):
            raise ValueError(f"weights={weights!r}; use {len(self.modes)} numbers above 0.")
        self.mixture = (weights / weights.sum()).astype("float32")
        shape = (len(self.modes),)
        self.nearest = self.add_weight(shape=shape, initializer="zeros", name="nearest")
        self.good = self.add_weight(shape=shape, initializer="zeros", name="good")

    def update_state(self, real, fake, sample_weight=None):
        """Counts generated samples (batch, n); the real ones are not used.

        Raises:
            ValueError: for samples of another length, and for NaN.
        """
        fake = checked(fake, "the generated samples")
        if fake.shape[1:] != self.modes.shape[1:]:
            raise ValueError(
                f"the generated samples have shape {fake.shape[1:]}, but the modes have "
                f"{self.modes.shape[1:]}; compare with the mixture that was learned."
            )
        squares = np.square(fake.astype("float64")[:, None] - self.modes).sum(axis=-1)
        nearest, good = squares.argmin(axis=1), squares.min(axis=1) <= (3.0 * self.sigma) ** 2
        for counts, modes in ((self.nearest, nearest), (self.good, nearest[good])):
            found = np.bincount(modes, minlength=len(self.modes))
            counts.assign_add(ops.convert_to_tensor(found, "float32"))

    def result(self):
        samples = ops.sum(self.nearest)
        shares = ops.divide_no_nan(self.nearest, samples)
        mixture = ops.convert_to_tensor(self.mixture)
        logs = ops.where(shares > 0.0, ops.log(ops.maximum(shares, 1e-30) / mixture), 0.0)
        return {
            "modes_covered": ops.sum(ops.cast(self.good > 0.0, "float32")),
            "high_quality": ops.divide_no_nan(ops.sum(self.good), samples),
            "reverse_kl": ops.sum(shares * logs),
        }

    def get_config(self) -> dict:
        mixture = {"modes": self.modes.tolist(), "weights": self.mixture.tolist()}
        return {**super().get_config(), **mixture, "sigma": self.sigma}

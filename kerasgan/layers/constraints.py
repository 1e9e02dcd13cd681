"""Weight constraints."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerasgan")
class ClipWeights(keras.constraints.Constraint):
    """Clips weights to [-limit, limit] after each update.

    Args:
        limit: float above 0.

    Raises:
        ValueError: for a limit that is not above 0.

    Example:

    >>> layer = keras.layers.Dense(1, kernel_constraint=kerasgan.layers.ClipWeights(0.01))

    Reference: Wasserstein GAN, Arjovsky et al., 2017, arXiv:1701.07875, algorithm 1.
    """

    def __init__(self, limit: float):
        if not limit > 0.0:
            raise ValueError(f"limit={limit!r}; use a number above 0.")
        self.limit = limit

    def __call__(self, weights):
        return ops.clip(weights, -self.limit, self.limit)

    def get_config(self) -> dict:
        return {"limit": self.limit}

"""Adversarial losses and gradient penalties: by name in `compile`, or as objects."""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

from kerasgan.losses.adversarial import (
    AdversarialLoss,
    Hinge,
    LeastSquares,
    Minimax,
    NonSaturating,
    Relativistic,
    Wasserstein,
    get,
)
from kerasgan.losses.penalties import GradientPenalty, get_penalties

__all__ = [
    "AdversarialLoss",
    "GradientPenalty",
    "Hinge",
    "LeastSquares",
    "Minimax",
    "NonSaturating",
    "Relativistic",
    "Wasserstein",
    "get",
    "get_penalties",
]

"""Adversarial losses and penalties, which `compile` takes by name or as objects."""

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
from kerasgan.losses.contrastive import contrastive_loss
from kerasgan.losses.few_images import ConsistencyPenalty, LeCamPenalty
from kerasgan.losses.penalties import GradientPenalty, Penalty
from kerasgan.losses.penalty_names import get_penalties

__all__ = [
    "AdversarialLoss",
    "ConsistencyPenalty",
    "GradientPenalty",
    "Hinge",
    "LeCamPenalty",
    "LeastSquares",
    "Minimax",
    "NonSaturating",
    "Penalty",
    "Relativistic",
    "Wasserstein",
    "contrastive_loss",
    "get",
    "get_penalties",
]

"""Adversarial losses: by name in `compile(loss=...)`, or as objects."""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

from kerasgan.losses.adversarial import AdversarialLoss, Minimax, NonSaturating, get

__all__ = ["AdversarialLoss", "Minimax", "NonSaturating", "get"]

"""Everything around a training step: optimizers, averages, the order of data, checks of losses."""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

from kerasgan.training.linear_decay import LinearDecay
from kerasgan.training.saving import load_model
from kerasgan.training.training_watch import NonFiniteError
from kerasgan.training.transfer import Transfer, transfer

__all__ = ["LinearDecay", "NonFiniteError", "Transfer", "load_model", "transfer"]

"""Models that are trained by their likelihood."""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

from kerasgan.density.autoregressive import AutoregressiveModel
from kerasgan.density.flow import Flow

__all__ = ["AutoregressiveModel", "Flow"]

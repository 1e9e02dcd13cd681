"""Ways to move through the spaces of a trained model on purpose."""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

from kerasgan.control.arithmetic import analogy
from kerasgan.control.directions import Directions, directions

__all__ = [
    "Directions",
    "analogy",
    "directions",
]

"""Controlled generation: directions, steering and encoders for the latent spaces of a model."""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

from kerasgan.control.arithmetic import analogy
from kerasgan.control.directions import Directions, directions
from kerasgan.control.encoding import train_encoder
from kerasgan.control.measures import DCI, Changes, change_table, dci, linear_separability, mig
from kerasgan.control.steering import steer
from kerasgan.control.upsampling import Upsampled, upsample

__all__ = [
    "DCI",
    "Changes",
    "Directions",
    "Upsampled",
    "analogy",
    "change_table",
    "dci",
    "directions",
    "linear_separability",
    "mig",
    "steer",
    "train_encoder",
    "upsample",
]

"""Augmentation of what the discriminator sees, against overfitting to few images."""

import keras  # noqa: F401  (first: it registers our classes, some of which need what is below)

from kerasgan.augmentation.ada import ADA, OverfittingWarning
from kerasgan.augmentation.base import Augmentation
from kerasgan.augmentation.diff_augment import DiffAugment
from kerasgan.augmentation.names import get
from kerasgan.augmentation.pipeline import Pipeline

__all__ = ["ADA", "Augmentation", "DiffAugment", "OverfittingWarning", "Pipeline", "get"]

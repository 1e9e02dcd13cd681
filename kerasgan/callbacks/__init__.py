"""Callbacks that draw sample grids and curves, save the model, and write the report of a run."""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

from kerasgan.callbacks.autosave import Autosave
from kerasgan.callbacks.collapse_monitor import CollapseMonitor, CollapseWarning
from kerasgan.callbacks.progressive_growing import ProgressiveGrowing, Stage
from kerasgan.callbacks.reconstruction_grid import ReconstructionGrid
from kerasgan.callbacks.run_report import RunReport
from kerasgan.callbacks.sample_grid import SampleGrid
from kerasgan.callbacks.training_curves import TrainingCurves
from kerasgan.callbacks.training_log import TrainingLog
from kerasgan.callbacks.translation_grid import TranslationGrid

__all__ = [
    "Autosave",
    "CollapseMonitor",
    "CollapseWarning",
    "ProgressiveGrowing",
    "ReconstructionGrid",
    "RunReport",
    "SampleGrid",
    "Stage",
    "TrainingCurves",
    "TrainingLog",
    "TranslationGrid",
]

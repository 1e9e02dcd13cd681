"""Detectors of generated pictures, and their evaluation."""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

from kerasgan.detection.detector import Detector
from kerasgan.detection.report import evaluate, leave_one_out, table

__all__ = ["Detector", "evaluate", "leave_one_out", "table"]

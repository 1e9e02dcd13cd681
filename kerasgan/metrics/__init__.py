"""What is measured of generated data, as Keras metrics fed with real and generated examples."""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

from kerasgan.metrics.mode_coverage import ModeCoverage

__all__ = ["ModeCoverage"]

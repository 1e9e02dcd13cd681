"""From networks to a SavedModel that needs neither kerasgan nor Keras."""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

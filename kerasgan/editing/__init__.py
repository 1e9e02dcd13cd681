"""A page on which images are changed along directions, mixed, projected, and drawn."""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

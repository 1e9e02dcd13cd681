"""Random numbers that are a function of an image's number, and ways through latents."""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

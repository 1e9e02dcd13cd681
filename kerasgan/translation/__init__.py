"""Models that turn an image into an image."""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

from kerasgan.translation.model import TranslationModel

__all__ = ["TranslationModel"]

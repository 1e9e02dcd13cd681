"""Roles of models: what a model can do, one role per file."""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

from kerasgan.roles.autoregressive import Autoregressive
from kerasgan.roles.base import Role, check_complete, has, require
from kerasgan.roles.encodes import Encodes, Reconstructs
from kerasgan.roles.generates_images import GeneratesImages, HasLatents
from kerasgan.roles.grows import Grows
from kerasgan.roles.has_styles import HasStyles
from kerasgan.roles.likelihood import HasLikelihood
from kerasgan.roles.moves_images import MovesImages
from kerasgan.roles.takes_images import TakesImages
from kerasgan.roles.translates import Translates

__all__ = [
    "Autoregressive",
    "Encodes",
    "GeneratesImages",
    "Grows",
    "HasLatents",
    "HasLikelihood",
    "HasStyles",
    "MovesImages",
    "Reconstructs",
    "Role",
    "TakesImages",
    "Translates",
    "check_complete",
    "has",
    "require",
]

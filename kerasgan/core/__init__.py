"""The game: players, alternating updates, averages, save and restore, generate, export."""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

from kerasgan.core.adversarial_model import AdversarialModel
from kerasgan.core.gan import GAN
from kerasgan.core.image_gan import ImageGAN
from kerasgan.core.linear_decay import LinearDecay
from kerasgan.core.training_watch import NonFiniteError
from kerasgan.core.translation import TranslationModel

__all__ = [
    "GAN",
    "AdversarialModel",
    "ImageGAN",
    "LinearDecay",
    "NonFiniteError",
    "TranslationModel",
]

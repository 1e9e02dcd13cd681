"""Base classes of models: adversarial training, averaged weights, saving and restoring."""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

from kerasgan.core.adversarial_model import AdversarialModel
from kerasgan.core.gan import GAN
from kerasgan.core.generative_model import GenerativeModel
from kerasgan.core.image_gan import ImageGAN

__all__ = ["GAN", "AdversarialModel", "GenerativeModel", "ImageGAN"]

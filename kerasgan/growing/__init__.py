"""GANs whose networks grow from 4x4 to the final resolution, Karras et al. 2018."""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

from kerasgan.growing.model import GrowingGAN

__all__ = ["GrowingGAN"]

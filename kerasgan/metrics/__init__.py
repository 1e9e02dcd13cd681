"""What is measured of generated data, as Keras metrics fed with real and generated examples."""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

from kerasgan.metrics import hype
from kerasgan.metrics.distortion import PSNR, SSIM
from kerasgan.metrics.mode_coverage import ModeCoverage
from kerasgan.metrics.perceptual_path_length import PerceptualPathLength

__all__ = ["PSNR", "SSIM", "ModeCoverage", "PerceptualPathLength", "hype"]

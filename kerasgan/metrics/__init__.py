"""Keras metrics of generated data, which compare real and generated examples."""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

from kerasgan.metrics import features
from kerasgan.metrics.classification_accuracy import ClassificationAccuracyScore
from kerasgan.metrics.clip import CLIPScore, KerasHubCLIP, ZeroShot, text_likeness
from kerasgan.metrics.dinov2 import DINOv2
from kerasgan.metrics.distortion import PSNR, SSIM
from kerasgan.metrics.equivariance import EQR, EQT
from kerasgan.metrics.fairness import FairnessReport, fairness_report
from kerasgan.metrics.feature_metric import FeatureMetric, SampleSizeWarning
from kerasgan.metrics.frechet_distance import FrechetDistance
from kerasgan.metrics.inception_score import InceptionScore
from kerasgan.metrics.kernel_distance import KernelDistance
from kerasgan.metrics.memorization import MemorizationReport, memorization_report
from kerasgan.metrics.mode_coverage import ModeCoverage
from kerasgan.metrics.multi_scale_ssim import MultiScaleSSIM
from kerasgan.metrics.neighbours import DensityCoverage, PrecisionRecall
from kerasgan.metrics.paired_distances import LPIPS, FeatureDistance, PixelDistance
from kerasgan.metrics.perceptual_path_length import PerceptualPathLength
from kerasgan.metrics.sliced_wasserstein import SlicedWasserstein
from kerasgan.metrics.statistics import FeatureStatistics
from kerasgan.metrics.two_samples import ClassifierTwoSampleTest

__all__ = [
    "EQR",
    "EQT",
    "LPIPS",
    "PSNR",
    "SSIM",
    "CLIPScore",
    "ClassificationAccuracyScore",
    "ClassifierTwoSampleTest",
    "DINOv2",
    "DensityCoverage",
    "FairnessReport",
    "FeatureDistance",
    "FeatureMetric",
    "FeatureStatistics",
    "FrechetDistance",
    "InceptionScore",
    "KerasHubCLIP",
    "KernelDistance",
    "MemorizationReport",
    "ModeCoverage",
    "MultiScaleSSIM",
    "PerceptualPathLength",
    "PixelDistance",
    "PrecisionRecall",
    "SampleSizeWarning",
    "SlicedWasserstein",
    "ZeroShot",
    "fairness_report",
    "features",
    "memorization_report",
    "text_likeness",
]

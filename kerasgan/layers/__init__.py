"""Layers, constraints and regularizers that Keras lacks."""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

from kerasgan.layers.attention import SelfAttention2D
from kerasgan.layers.blur import Blur
from kerasgan.layers.conditioning import ClassToMaps, ConditionalBatchNormalization, OneHot
from kerasgan.layers.constraints import ClipWeights
from kerasgan.layers.convolutional import convolutional_discriminator, convolutional_generator
from kerasgan.layers.equalized import Equalized
from kerasgan.layers.filtered import FilteredLeakyReLU
from kerasgan.layers.grouped import GroupedConv2D
from kerasgan.layers.image_history import ImageHistory
from kerasgan.layers.minibatch import MinibatchStdDev, Pack
from kerasgan.layers.modulated import ModulatedConv2D, ScaledLeakyReLU
from kerasgan.layers.orthogonal import OrthogonalRegularization
from kerasgan.layers.patch_gan import patch_discriminator
from kerasgan.layers.pixel_normalization import PixelNormalization
from kerasgan.layers.reflection_padding import ReflectionPadding2D
from kerasgan.layers.residual import residual_discriminator, residual_generator
from kerasgan.layers.spectral_normalization import SpectralNormalization
from kerasgan.layers.standing import StandingBatchNormalization
from kerasgan.layers.styles import AdaptiveInstanceNormalization, NoiseInjection

__all__ = [
    "AdaptiveInstanceNormalization",
    "Blur",
    "ClassToMaps",
    "ClipWeights",
    "ConditionalBatchNormalization",
    "Equalized",
    "FilteredLeakyReLU",
    "GroupedConv2D",
    "ImageHistory",
    "MinibatchStdDev",
    "ModulatedConv2D",
    "NoiseInjection",
    "OneHot",
    "OrthogonalRegularization",
    "Pack",
    "PixelNormalization",
    "ReflectionPadding2D",
    "ScaledLeakyReLU",
    "SelfAttention2D",
    "SpectralNormalization",
    "StandingBatchNormalization",
    "convolutional_discriminator",
    "convolutional_generator",
    "patch_discriminator",
    "residual_discriminator",
    "residual_generator",
]

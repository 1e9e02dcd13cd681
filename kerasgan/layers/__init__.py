"""Building blocks that Keras lacks."""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

from kerasgan.layers.attention import SelfAttention2D
from kerasgan.layers.conditioning import ClassToMaps, ConditionalBatchNormalization, OneHot
from kerasgan.layers.constraints import ClipWeights
from kerasgan.layers.convolutional import convolutional_discriminator, convolutional_generator
from kerasgan.layers.grouped import GroupedConv2D
from kerasgan.layers.minibatch import MinibatchStdDev, Pack
from kerasgan.layers.orthogonal import OrthogonalRegularization
from kerasgan.layers.residual import residual_discriminator, residual_generator
from kerasgan.layers.spectral_normalization import SpectralNormalization

__all__ = [
    "ClassToMaps",
    "ClipWeights",
    "ConditionalBatchNormalization",
    "GroupedConv2D",
    "MinibatchStdDev",
    "OneHot",
    "OrthogonalRegularization",
    "Pack",
    "SelfAttention2D",
    "SpectralNormalization",
    "convolutional_discriminator",
    "convolutional_generator",
    "residual_discriminator",
    "residual_generator",
]

"""What models, data and metrics make sure of before they begin."""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

from kerasgan.checks.arguments import (
    above_zero,
    as_floats,
    check_arguments,
    numbers_of_shape,
    whole_number,
)
from kerasgan.checks.batches import BatchCheck, checked_data, refuse_weights
from kerasgan.checks.images import (
    LARGEST,
    as_numpy,
    check_images,
    check_labels,
    check_scale,
    float_images,
    limits,
)
from kerasgan.checks.networks import (
    check_autoencoder,
    check_discriminator,
    check_generator,
    check_inputs,
    check_logits,
    check_shares,
)

__all__ = [
    "LARGEST",
    "BatchCheck",
    "above_zero",
    "as_floats",
    "as_numpy",
    "check_arguments",
    "check_autoencoder",
    "check_discriminator",
    "check_generator",
    "check_images",
    "check_inputs",
    "check_labels",
    "check_logits",
    "check_scale",
    "check_shares",
    "checked_data",
    "float_images",
    "limits",
    "numbers_of_shape",
    "refuse_weights",
    "whole_number",
]

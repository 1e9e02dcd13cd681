"""HYPE: people tell generated images from real ones, Zhou et al. 2019, arXiv:1904.01121."""

from kerasgan.hype.statistics import (
    Estimate,
    Staircase,
    error_rates,
    exposure_threshold,
    modal_exposure,
)

__all__ = ["Estimate", "Staircase", "error_rates", "exposure_threshold", "modal_exposure"]

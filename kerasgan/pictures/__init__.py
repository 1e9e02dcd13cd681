"""Grids, plots and pages: what people look at."""

from kerasgan.pictures.drawing import (
    DamagedPictureWarning,
    draw,
    figure_pixels,
    is_animation,
    is_written,
    read,
    strip,
    write_animation,
    write_gif,
    write_png,
)

__all__ = [
    "DamagedPictureWarning",
    "draw",
    "figure_pixels",
    "is_animation",
    "is_written",
    "read",
    "strip",
    "write_animation",
    "write_gif",
    "write_png",
]

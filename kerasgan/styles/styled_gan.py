"""The base class of StyleGAN2 and StyleGAN3, Karras et al. 2020 and 2021."""

from collections.abc import Iterable, Mapping
from typing import Any

from keras import ops

from kerasgan.losses.penalties import GradientPenalty
from kerasgan.roles.has_styles import SPACES, HasStyles
from kerasgan.styles.lazy_regularization import LazilyRegularizedGAN

R1_EVERY = 16


class StyledGAN(HasStyles, LazilyRegularizedGAN):
    """A GAN with published settings, lazy R1, and an average with a half-life in images.

    A subclass defines a generator that is a `StyledGenerator`, whose synthesis takes `bounded`, and

    - `presets`: dict from a name to settings that have `batch_size`, int, images an update;
    - `published`: the settings of this model, with `gamma`, float, of R1, `ema_images`, float, in
      how many images the average forgets a half, and `ema_ramp`, None or the share of the images so
      far that this is at most;
    - `own_settings`: dict of the arguments of the constructor beyond those of `ImageGAN`;
    - `asked_base_width`: int, or None for that of `published`.

    Args:
        As for `kerasgan.ImageGAN`.
    """

    has_bounds = True
    spaces = SPACES
    presets: Mapping[str, Any] = {}
    published: Any
    own_settings: dict[str, Any]
    asked_base_width: int | None

    @classmethod
    def batch_size_for(cls, /, **settings) -> int:
        """The published batch size of `fit`; see `kerasgan.GAN.batch_size_for`."""
        given, preset = settings.get("batch_size"), cls.presets.get(settings.get("preset", "auto"))
        if isinstance(given, int) and given > 0:
            return given
        return cls.default_batch_size if preset is None else preset.batch_size

    def default_penalties(self) -> GradientPenalty | list:
        return GradientPenalty.r1(self.published.gamma, every=R1_EVERY)

    def ema_decay_after(self, updates, batch_size):
        """The decay for the half-life in images, which is at first a share of the images so far."""
        batch = ops.cast(batch_size, "float32")
        half_life = ops.convert_to_tensor(self.published.ema_images, "float32")
        if self.published.ema_ramp is not None:
            seen = ops.cast(self.steps_trained + 1, "float32") * batch
            half_life = ops.minimum(half_life, seen * self.published.ema_ramp)
        return ops.power(0.5, batch / half_life)

    def get_config(self) -> dict:
        config = super().get_config()
        for name in ("conditioning", "ema_decay"):
            config.pop(name, None)
        return {**config, **self.own_settings, "base_width": self.asked_base_width}

    @property
    def style_layers(self) -> int:
        """How many layers have a style: int, that of the image included."""
        return self.generator.synthesis.style_layers


def check_settings(
    presets: Iterable[str],
    preset: str,
    batch_size: int | None,
    mapping_layers: int | None,
    group_size: int | None,
) -> None:
    """Raises a ValueError for an invalid preset, batch size, mapping depth or group size."""
    names = ("auto", *presets)
    if preset not in names:
        raise ValueError(f"preset={preset!r}; use one of {', '.join(map(repr, names))}.")
    if batch_size is not None and (not isinstance(batch_size, int) or batch_size < 1):
        raise ValueError(f"batch_size={batch_size!r}; use None or a number of at least 1.")
    for argument, value in (("mapping_layers", mapping_layers), ("group_size", group_size)):
        if value is not None and (not isinstance(value, int) or value < 1):
            raise ValueError(f"{argument}={value!r}; use None or a whole number of at least 1.")

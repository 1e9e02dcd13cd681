"""The role of models that can translate and rotate their images, as StyleGAN3."""

import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from kerasgan.roles.has_styles import HasStyles


class MovesImages(HasStyles):
    """A model with styles that can translate and rotate the canvas of its images.

    A subclass must define, besides what `HasStyles` requires:

    - that the network `synthesis` takes [styles, backwards] as well, `backwards` (batch, 2, 3) as
      `inverse_transforms` returns it.
    """

    can = "move and turn what its images are made from"

    def generate(
        self,
        num_images: int,
        *,
        seed: int | None = None,
        labels: ArrayLike | None = None,
        truncation: float | None = None,
        translate: ArrayLike = (0.0, 0.0),
        rotate: ArrayLike = 0.0,
    ) -> np.ndarray:
        """Draws images; see `kerasgan.GAN.generate`.

        Args:
            num_images, seed, labels: as there.
            truncation: None, or psi from 0 to 1, usually 0.7; see `styles`.
            translate, rotate: as for `generate_from_styles`.

        Returns:
            float32 array (num_images, height, width, channels) in [-1, 1].

        Raises:
            ValueError: for an argument out of range, labels that are missing or unexpected.
        """
        inverse_transforms(translate, rotate, num_images)  # checks them first
        styles = self.styles(self.latents(num_images, seed=seed), truncation, labels=labels)
        return self.generate_from_styles(styles, translate=translate, rotate=rotate)

    def generate_from_styles(
        self,
        styles: np.ndarray,
        noise: list | None = None,
        *,
        translate: ArrayLike = (0.0, 0.0),
        rotate: ArrayLike = 0.0,
    ) -> np.ndarray:
        """Turns styles into images, with the canvas rotated and translated.

        The canvas is infinite: content from beyond the border moves in.

        Args:
            styles: as for `HasStyles.generate_from_styles`.
            noise: None, or an empty list, because the model has no noise.
            translate: (x, y), or array (num_images, 2), how far to move images to the right and
                down, as fractions of the image size.
            rotate: float, or array (num_images,), degrees by which to rotate them first,
                counterclockwise around their centre.

        Returns:
            float32 array (num_images, height, width, channels) in [-1, 1].

        Raises:
            ValueError: for translations or rotations of another shape.
        """
        styles = self.checked_styles(styles)
        noise = self.checked_noise(noise, len(styles))
        backwards = inverse_transforms(translate, rotate, len(styles))
        return self.drawn_from_styles(styles, [*noise, backwards])

    def uncut_images(
        self, styles: np.ndarray, translate: ArrayLike = (0.0, 0.0), rotate: ArrayLike = 0.0
    ) -> np.ndarray:
        """As `generate_from_styles`, but not clipped to [-1, 1], which would add frequencies."""

        def draw(*inputs):
            styles, backwards = (ops.convert_to_tensor(array) for array in inputs)
            return ops.convert_to_numpy(self.unbounded_images(styles, [backwards]))

        backwards = inverse_transforms(translate, rotate, len(styles))
        return self.some_at_a_time(draw, styles, backwards)


def inverse_transforms(translate: ArrayLike, rotate: ArrayLike, num_images: int) -> np.ndarray:
    """The inverse transforms of rotated and translated images: float32 (num_images, 2, 3).

    Args:
        translate, rotate: as for `MovesImages.generate_from_styles`.
        num_images: int.

    Raises:
        ValueError: for other shapes.

    Example:

    >>> (inverse_transforms((0.5, 0.0), 0.0, 1) + 0.0).tolist()
    [[[1.0, 0.0, -0.5], [0.0, 1.0, 0.0]]]
    """
    moves, turns = (
        _for_all_or_each(argument, value, alone, num_images)
        for argument, value, alone in (("translate", translate, (2,)), ("rotate", rotate, ()))
    )
    turns = np.deg2rad(np.broadcast_to(turns, (num_images,)))
    cosine, sine = np.cos(turns), np.sin(turns)
    # y grows downwards.
    back = np.stack([np.stack([cosine, -sine], 1), np.stack([sine, cosine], 1)], axis=1)
    moved = -back @ np.broadcast_to(moves, (num_images, 2))[:, :, None]
    return np.concatenate([back, moved], axis=2).astype("float32")


def _for_all_or_each(argument, value, alone, num_images):
    """A number or pair for all images, or for each, as a float64 array."""
    one = "(x, y)" if alone else "a number"
    accepted = f"{one}, or an array of shape {(num_images, *alone)}, of finite numbers"
    try:
        array = np.asarray(value, "float64")
    except (TypeError, ValueError):
        raise ValueError(f"{argument}={value!r}; use {accepted}.") from None
    if array.shape not in (alone, (num_images, *alone)):
        raise ValueError(f"{argument} has shape {array.shape}; use {accepted}.")
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{argument} holds NaN or infinite numbers; use {accepted}.")
    return array

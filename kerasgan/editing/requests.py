"""What the page asks for, checked."""

import base64
import binascii
import dataclasses
import math

import numpy as np

from kerasgan.roles.has_styles import PARTS
from kerasgan.utils.image_numbers import LARGEST_SEED

FARTHEST = 10.0  # deviations
LARGEST_NUMBER = 10_000  # of numbers in a list
LONGEST_TEXT = 300  # letters


@dataclasses.dataclass(frozen=True)
class Edit:
    """An image that is asked for.

    Attributes:
        seed: int, of the image.
        other: int, the seed to mix it with.
        way: float from 0 to 1, how far on the way to the other.
        mix: tuple of `"coarse"`, `"middle"`, `"fine"`: whose styles are the other's.
        offsets: list of float, in deviations, one for each direction, or none.
        truncation: float, or None.
        label: int; of a model that draws texts, a text; or None.
        noise: bool, whether there is any.
        point: float32 array (n,), a point that a projection found, instead of the seed's; or None.

    Raises:
        ValueError: for anything else.
    """

    seed: int = 0
    other: int = 1
    way: float = 0.0
    mix: tuple = ()
    offsets: tuple = ()
    truncation: float | None = None
    label: int | None = None
    noise: bool = True
    point: np.ndarray | None = None

    def __post_init__(self):
        for name in ("seed", "other"):
            value = getattr(self, name)
            if type(value) is not int or not 0 <= value <= LARGEST_SEED:
                raise ValueError(f"{name}: use whole numbers from 0 to {LARGEST_SEED}")
        if not _is_number(self.way, 0.0, 1.0):
            raise ValueError("way: use numbers from 0 to 1")
        if not _is_list(self.mix) or not all(part in PARTS for part in self.mix):
            raise ValueError(f"mix: use a list of {', '.join(PARTS)}")
        offsets = self.offsets
        if not _is_list(offsets) or not all(_is_number(n, -FARTHEST, FARTHEST) for n in offsets):
            raise ValueError(f"offsets: use a list of numbers from -{FARTHEST:g} to {FARTHEST:g}")
        if self.truncation is not None and not _is_number(self.truncation, 0.0, math.inf):
            raise ValueError("truncation: use a number of at least 0, or null")
        check_label(self.label)
        if type(self.noise) is not bool:
            raise ValueError("noise: use true or false")

    @classmethod
    def of(cls, values):
        """An edit of what JSON gave.

        Raises:
            ValueError: for anything else.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(values, dict) or not set(values) <= names:
            raise ValueError(f"send a JSON object of {', '.join(sorted(names))}")
        point = values.get("point")
        if point is not None:
            point = np.frombuffer(decoded(point), "<f4") if len(point) % 4 == 0 else np.zeros(0)
            if not point.size or not np.isfinite(point).all():
                raise ValueError("point: the link is damaged")
        return cls(**{**values, "point": point})


def check_label(label):
    """Raises a ValueError for what is no class, text or None."""
    if label is not None and type(label) is not int:
        check_text("label", label)


def check_text(name, text):
    """Raises a ValueError for what is no text, or a long one."""
    if type(text) is not str or not 0 < len(text.strip()) <= LONGEST_TEXT:
        raise ValueError(f"{name}: use a text of up to {LONGEST_TEXT} characters")


def decoded(text):
    """Bytes of base64.

    Raises:
        ValueError: for anything else.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise ValueError("the data is not valid base64") from error


def _is_number(value, low, high):
    return type(value) in (int, float) and low <= value <= high


def _is_list(value):
    return isinstance(value, (list, tuple)) and len(value) <= LARGEST_NUMBER

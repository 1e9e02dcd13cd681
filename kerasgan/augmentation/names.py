"""Augmentations by name."""

from kerasgan.augmentation.ada import ADA
from kerasgan.augmentation.base import Augmentation
from kerasgan.augmentation.diff_augment import DiffAugment
from kerasgan.utils.names import look_up

NAMES = {"ada": ADA, "diffaugment": DiffAugment}


def get(augmentation: str | Augmentation | None) -> Augmentation | None:
    """Returns the augmentation for a name or an object.

    Args:
        augmentation: None, an `Augmentation`, or `"ada"` or `"diffaugment"` with the papers'
            settings.

    Returns:
        An `Augmentation`, or None.

    Raises:
        ValueError: for an unknown name.
        TypeError: for anything else.

    Example:

    >>> type(kerasgan.augmentation.get("diffaugment")).__name__
    'DiffAugment'
    """
    if augmentation is None:
        return None
    return look_up("augmentation", augmentation, Augmentation, NAMES)

"""Penalties on the discriminator by name."""

from kerasgan.losses.few_images import ConsistencyPenalty, LeCamPenalty
from kerasgan.losses.penalties import GradientPenalty, Penalty
from kerasgan.utils.names import look_up

_BY_NAME = {
    "wgan-gp": GradientPenalty.wgan_gp,
    "wgan-lp": GradientPenalty.wgan_lp,
    "dragan": GradientPenalty.dragan,
    "r1": GradientPenalty.r1,
    "r2": GradientPenalty.r2,
    "r1-lazy": lambda: GradientPenalty.r1(every=16),
    "lecam": LeCamPenalty,
    "cr": ConsistencyPenalty.cr,
    "bcr": ConsistencyPenalty.bcr,
}


def get_penalties(penalties: str | Penalty | list | None) -> list[Penalty]:
    """Returns the penalties for names and objects.

    Args:
        penalties: None, a `Penalty`, one of the names `"wgan-gp"`, `"wgan-lp"`, `"dragan"`, `"r1"`,
            `"r2"`, `"r1-lazy"`, `"lecam"`, `"cr"`, `"bcr"`, or a list of these.

    Returns:
        List of `Penalty`.

    Raises:
        ValueError: for an unknown name.
        TypeError: for anything else.

    Example:

    >>> r1, lecam = kerasgan.losses.get_penalties(["r1", "lecam"])
    >>> r1.weight, r1.at, r1.every  # gamma / 2 = 5
    (5.0, 'real', 1)
    """
    if penalties is None:
        return []
    if not isinstance(penalties, (list, tuple)):
        penalties = [penalties]
    return [look_up("penalty", each, Penalty, _BY_NAME) for each in penalties]

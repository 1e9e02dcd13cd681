"""HYPE: how often people take generated images for real, and how long they must look to tell.

Reference: HYPE: A Benchmark for Human eYe Perceptual Evaluation of Generative Models, Zhou et al.,
2019, arXiv:1904.01121. `kerasgan hype` asks the people.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

RESAMPLES = 10_000


class Estimate(NamedTuple):
    """A number and its bootstrap 95 % confidence interval, NaN if there are too few answers.

    Attributes:
        value: float.
        low, high: float, the ends of the interval.
    """

    value: float
    low: float
    high: float


def error_rates(
    real: Sequence | np.ndarray,
    taken_for_real: Sequence | np.ndarray,
    participants: Sequence | np.ndarray,
    *,
    seed: int = 0,
) -> dict[str, Estimate]:
    """The HYPE-infinity score: the share of wrong answers, with unlimited time.

    0.5 is the score of guessing: nobody can tell the generated images from the real ones.

    Args:
        real: bool (answers,), whether the image was real.
        taken_for_real: bool (answers,), whether the answer was "real".
        participants: (answers,), who gave each answer. The bootstrap resamples whole participants,
            as in the paper; with a single participant, it resamples answers.
        seed: int, the seed of the bootstrap's 10,000 resamples.

    Returns:
        Dict of `Estimate`, shares in 0..1: `"all"` is the score, `"real"` and `"generated"` are the
        shares of wrong answers among these images.

    Raises:
        ValueError: without answers, or for arguments of different lengths.

    Example:

    >>> real, said = [True, True, False, False], [True, False, True, False]
    >>> rates = kerasgan.hype.error_rates(real, said, ["ada"] * 4)
    >>> rates["all"].value, rates["generated"].value
    (0.5, 0.5)

    Reference: HYPE: A Benchmark for Human eYe Perceptual Evaluation of Generative Models, Zhou et
    al., 2019, arXiv:1904.01121.
    """
    real, taken_for_real = np.asarray(real, bool), np.asarray(taken_for_real, bool)
    lengths = len(real), len(taken_for_real), len(participants)
    if len(set(lengths)) > 1 or not lengths[0]:
        raise ValueError(
            f"real, taken_for_real and participants have {lengths[0]}, {lengths[1]} and "
            f"{lengths[2]} elements; give one of each for every answer, at least one."
        )
    _, units = np.unique(participants, return_inverse=True)
    if units.max() == 0:
        units = np.arange(len(real))
    counted = np.stack([np.ones_like(real), real, ~real], axis=1)
    wrong = counted & (real != taken_for_real)[:, None]
    sums = np.zeros((2, units.max() + 1, 3))
    np.add.at(sums[0], units, wrong)
    np.add.at(sums[1], units, counted)
    return dict(zip(("all", "real", "generated"), _estimates(sums[0], sums[1], seed), strict=True))


def exposure_threshold(
    blocks: Sequence[Sequence[float]], participants: Sequence | np.ndarray, *, seed: int = 0
) -> Estimate:
    """The HYPE-time score: how long people must see an image to tell whether it is real.

    The mean over participants of the mean over their blocks of the modal exposure.

    Args:
        blocks: list of sequences, the exposures of a whole block in milliseconds.
        participants: (blocks,), the participant of each block. The bootstrap resamples whole
            participants; with a single participant, it resamples blocks.
        seed: int, the seed of the bootstrap's 10,000 resamples.

    Returns:
        `Estimate` in milliseconds; a single block has no interval.

    Raises:
        ValueError: without blocks, or without exactly one participant for each block.

    Example:

    >>> blocks = [[500, 490, 480, 480], [500, 530, 520, 520]]
    >>> kerasgan.hype.exposure_threshold(blocks, ["ada", "ada"]).value
    500.0

    Reference: HYPE: A Benchmark for Human eYe Perceptual Evaluation of Generative Models, Zhou et
    al., 2019, arXiv:1904.01121.
    """
    if len(blocks) != len(participants) or not len(blocks):
        raise ValueError(
            f"there are {len(blocks)} blocks and {len(participants)} participants; give one "
            "participant for each block, and at least one block."
        )
    modes = np.array([modal_exposure(block) for block in blocks])
    _, whose = np.unique(participants, return_inverse=True)
    if whose.max() > 0:
        modes = np.bincount(whose, modes) / np.bincount(whose)
    return _estimates(modes[:, None], np.ones((len(modes), 1)), seed)[0]


def modal_exposure(exposures: Sequence[float]) -> float:
    """The most frequent exposure of a block; the mean if several are equally frequent.

    Args:
        exposures: sequence of numbers.

    Returns:
        float.

    Example:

    >>> kerasgan.hype.modal_exposure([500, 490, 490, 480, 480])
    485.0

    Reference: HYPE: A Benchmark for Human eYe Perceptual Evaluation of Generative Models, Zhou et
    al., 2019, arXiv:1904.01121.
    """
    values, counts = np.unique(exposures, return_counts=True)
    return float(values[counts == counts.max()].mean())


class Staircase:
    """The exposure of images in a block: shorter after each right answer, longer after a wrong one.

    It starts at 500 ms and stays in 100..1000 ms. In the paper it should converge to where 75 % of
    the answers are right, with steps of 10 and 30 ms; this requires that the smaller step is the
    one down.

    Attributes:
        exposure: int, for how many milliseconds to show the next image.

    Example:

    >>> staircase = kerasgan.hype.Staircase()
    >>> staircase.answered(correct=True)
    >>> staircase.exposure
    490
    >>> staircase.answered(correct=False)
    >>> staircase.exposure
    520

    Reference: HYPE: A Benchmark for Human eYe Perceptual Evaluation of Generative Models, Zhou et
    al., 2019, arXiv:1904.01121; on such steps, Simple adaptive testing with the weighted up-down
    method, Kaernbach, 1991, Perception & Psychophysics 49(3).
    """

    BEGIN, LEAST, LONGEST = 500, 100, 1000  # milliseconds
    DOWN, UP = 10, 30

    def __init__(self):
        self.exposure = self.BEGIN

    def answered(self, correct: bool) -> None:
        """Takes one step; `correct` says whether the last answer was right."""
        exposure = self.exposure + (-self.DOWN if correct else self.UP)
        self.exposure = min(max(exposure, self.LEAST), self.LONGEST)


def _estimates(sums, counts, seed):
    """`Estimate`s of sum / count in each column, by resampling the rows of both."""
    rows = np.hstack([sums, counts])
    with np.errstate(invalid="ignore"):  # 0 / 0: no answer of that kind
        values = np.divide(*np.split(rows.sum(axis=0), 2))
        if len(rows) == 1:
            return [Estimate(float(value), np.nan, np.nan) for value in values]
        # Sums are resampled, because SciPy has no interval once one resample is NaN.
        drawn = stats.bootstrap(
            (rows,),
            np.sum,
            axis=0,
            n_resamples=RESAMPLES,
            batch=100,
            method="percentile",
            rng=np.random.default_rng(seed),
        ).bootstrap_distribution
        resampled = np.divide(*np.split(drawn, 2))
    known = ~np.isnan(values)
    intervals = np.full((len(values), 2), np.nan)
    intervals[known] = np.nanquantile(resampled[known], (0.025, 0.975), axis=1).T
    return [Estimate(*map(float, row)) for row in zip(values, *intervals.T, strict=True)]

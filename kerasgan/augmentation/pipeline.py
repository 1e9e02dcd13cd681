"""The augmentations of Karras et al. 2020, each applied with probability p."""

import math
from numbers import Real

import keras
import numpy as np
from keras import ops

from kerasgan import backend
from kerasgan.augmentation.base import Augmentation, along, chosen, constant, normal

# Wavelets by their coefficients (Daubechies): symlets of 2 and of 6 vanishing moments.
SYM2 = (-0.12940952255092145, 0.22414386804185735, 0.836516303737469, 0.48296291314469025)
SYM6 = (
    *(0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633),
    *(0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252),
    *(-0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148),
)
GRAY = np.full(3, 1.0 / math.sqrt(3.0))  # the direction of the gray axis among the colours
BAND_POWER = np.array([10.0, 1.0, 1.0, 1.0], "float32") / 13.0  # of natural images, by octave
GROUPS = ("blit", "geometry", "color", "filter", "cutout")
# The random numbers of an image: for each change one that decides whether it happens, and those of
# its parameters.
DRAWS = tuple(
    f"{name}{suffix}"
    for name, suffixes in (
        *(("flip", "?x"), ("quarter_turn", "?x"), ("shift", "?xy")),
        *(("scale", "?x"), ("first_turn", "?x"), ("stretch", "?x"), ("second_turn", "?x")),
        *(("translate", "?xy"), ("brightness", "?x"), ("contrast", "?x"), ("luma_flip", "?x")),
        *(("hue", "?x"), ("saturation", "?x"), ("cutout", "?xy")),
        *((f"band{band}_", "?x") for band in range(4)),
    )
    for suffix in suffixes
)


@keras.saving.register_keras_serializable(package="kerasgan")
class Pipeline(Augmentation):
    """Changes each image by several transformations, each with probability p.

    In the paper's order: pixel blitting (mirror flips, rotations by quarter turns, shifts by whole
    pixels), general geometry (scaling, rotation, anisotropic scaling, translation, resampled with a
    wavelet filter), colour (brightness, contrast, inverted brightness, hue, saturation), filters of
    four frequency bands, and cutout of a square. All shapes are static, so that XLA can compile it.
    An image for which no geometric change is drawn is not resampled and stays identical to the last
    bit (the authors' code resamples every image).

    Gray images have no hue and saturation; their colour changes are those of the mean of the
    channels.

    Args:
        p: float from 0 to 1, the probability of each transformation.
        blit, geometry, color, filter, cutout: floats from 0 to 1, the factor of p for each group of
            transformations; the defaults are the paper's "bgc".

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> pipeline = kerasgan.augmentation.Pipeline(p=0.5)
    >>> pipeline(np.zeros((4, 16, 16, 3), "float32"), seed=0).shape
    TensorShape([4, 16, 16, 3])

    Reference: Training Generative Adversarial Networks with Limited Data, Karras et al., 2020,
    arXiv:2006.06676, appendix B.
    """

    num_draws = len(DRAWS)

    def __init__(
        self,
        p: float = 1.0,
        *,
        blit: float = 1.0,
        geometry: float = 1.0,
        color: float = 1.0,
        filter: float = 0.0,
        cutout: float = 0.0,
        **kwargs,
    ):
        factors = dict(zip(GROUPS, (blit, geometry, color, filter, cutout), strict=True))
        for name, value in {"p": p, **factors}.items():
            if not isinstance(value, Real) or not 0.0 <= value <= 1.0:
                raise ValueError(f"{name}={value!r}; use a number from 0 to 1.")
        super().__init__(**kwargs)
        self.p, self.factors = float(p), {name: float(value) for name, value in factors.items()}

    def change(self, images, draws, p=None):
        """Changes images according to random numbers.

        Args:
            images: float32 tensor (batch, height, width, 1 or 3).
            draws: float32 tensor (batch, num_draws) of uniform numbers.
            p: None for the p of the constructor, or a scalar.
        """
        p = self.p if p is None else p
        draws = ops.unstack(ops.convert_to_tensor(draws), len(DRAWS), axis=1)
        numbers = dict(zip(DRAWS, draws, strict=True))

        def happens(name, group, probability=lambda p: p):
            return numbers[f"{name}?"] < probability(self.factors[group] * p)

        return self.changed_by(images, numbers, happens)

    def changed_by(self, images, numbers, happens):
        """Changes images by given parameters.

        Args:
            images: float32 tensor (batch, height, width, 1 or 3).
            numbers: dict from each of `DRAWS` to a tensor (batch,).
            happens: function from the name of a change, its group and, optionally, a function of
                the group's probability to a bool (batch,): whether the change happens to each
                image.
        """
        images = ops.cast(images, "float32")
        _, height, width, channels = images.shape
        if self.factors["blit"] or self.factors["geometry"]:
            inverse, moved = self.geometry(numbers, happens, (height, width))
            images = chosen(moved, resampled(images, inverse), images)
        if self.factors["color"]:
            images = recolored(images, self.colors(numbers, happens, channels))
        if self.factors["filter"]:
            gains, filtered = self.band_gains(numbers, happens)
            images = chosen(filtered, amplified(images, gains), images)
        if self.factors["cutout"]:
            images = images * self.kept(numbers, happens, (height, width))
        return images

    def geometry(self, numbers, happens, size):
        """Where each pixel comes from: matrices (batch, 3, 3), and whether it is elsewhere.

        The matrices are of pixels, with the middle of the image at 0.
        """
        height, width = size
        groups, moved = [], []

        def when(name, group, value, otherwise=0.0, probability=None):
            if not self.factors[group]:
                return None
            now = happens(name, group, *([probability] if probability else []))
            moved.append(now)
            return ops.where(now, value, otherwise)

        def add(matrix_of, *values):
            if None not in values:
                groups.append(matrix_of(*values))

        def one_of_two_turns(p):
            return 1.0 - ops.sqrt(1.0 - p)

        flip = when("flip", "blit", ops.floor(2.0 * numbers["flipx"]))
        add(lambda i: scaling(1.0 - 2.0 * i, ops.ones_like(i)), flip)
        quarters = when("quarter_turn", "blit", ops.floor(4.0 * numbers["quarter_turnx"]))
        add(lambda i: rotation(0.5 * np.pi * i), quarters)
        shift = [
            when("shift", "blit", ops.round((2.0 * numbers[f"shift{axis}"] - 1.0) * 0.125 * length))
            for axis, length in (("x", width), ("y", height))
        ]
        add(lambda x, y: translation(-x, -y), *shift)
        scale = when("scale", "geometry", 2.0 ** (0.2 * normal(numbers["scalex"])), 1.0)
        add(lambda s: scaling(1.0 / s, 1.0 / s), scale)
        turn = (2.0 * numbers["first_turnx"] - 1.0) * np.pi
        turn = when("first_turn", "geometry", turn, probability=one_of_two_turns)
        add(rotation, turn)
        stretch = when("stretch", "geometry", 2.0 ** (0.2 * normal(numbers["stretchx"])), 1.0)
        add(lambda s: scaling(1.0 / s, s), stretch)
        turn = (2.0 * numbers["second_turnx"] - 1.0) * np.pi
        turn = when("second_turn", "geometry", turn, probability=one_of_two_turns)
        add(rotation, turn)
        way = [
            when("translate", "geometry", 0.125 * length * normal(numbers[f"translate{axis}"]))
            for axis, length in (("x", width), ("y", height))
        ]
        add(lambda x, y: translation(-x, -y), *way)
        return product(groups), any_of(moved)

    def colors(self, numbers, happens, channels):
        """The colour transformation: matrices (batch, 4, 4) of red, green, blue and 1."""

        def when(name, value, otherwise=0.0):
            return ops.where(happens(name, "color"), value, otherwise)

        gray = constant(np.outer([*GRAY, 0.0], [*GRAY, 0.0]))
        more = when("brightness", 0.2 * normal(numbers["brightnessx"]))
        contrast = when("contrast", 2.0 ** (0.5 * normal(numbers["contrastx"])), 1.0)
        flipped = when("luma_flip", ops.floor(2.0 * numbers["luma_flipx"]))
        everything, colors = constant(np.eye(4)), constant(np.diag([1.0, 1.0, 1.0, 0.0]))
        to_each = constant(np.outer([1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]))
        matrices = [
            everything + to_each * more[:, None, None],
            everything + colors * (contrast[:, None, None] - 1.0),
            everything - 2.0 * gray * flipped[:, None, None],
        ]
        if channels == 3:
            angle = when("hue", (2.0 * numbers["huex"] - 1.0) * np.pi)[:, None, None]
            strength = when("saturation", 2.0 ** normal(numbers["saturationx"]), 1.0)[:, None, None]
            x, y, z = GRAY
            across = np.zeros((4, 4), "float32")
            across[:3, :3] = [[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]]
            plane = colors - gray  # orthogonal to the gray axis
            matrices += [
                everything - plane + ops.cos(angle) * plane + ops.sin(angle) * constant(across),
                everything - plane + strength * plane,
            ]
        return product(matrices[::-1])

    def band_gains(self, numbers, happens):
        """The gain of each of four frequency bands: (batch, 4), and whether any is amplified."""
        gains, filtered = 1.0, []
        for band in range(4):
            name = f"band{band}_"
            now = happens(name, "filter")
            filtered.append(now)
            strength = ops.where(now, 2.0 ** normal(numbers[f"{name}x"]), 1.0)[:, None]
            own = constant(np.eye(4)[band])
            amplified = own * strength + (1.0 - own)
            # Keeps the power of a natural image unchanged.
            power = ops.sum(constant(BAND_POWER) * ops.square(amplified), axis=1, keepdims=True)
            gains = gains * amplified / ops.sqrt(power)
        return gains, any_of(filtered)

    def kept(self, numbers, happens, size):
        """1 where an image stays, 0 in the square that is cut out: (batch, height, width, 1)."""
        half = ops.where(happens("cutout", "cutout"), 0.25, 0.0)
        away = []
        for axis, length in (("y", size[0]), ("x", size[1])):
            places = constant((np.arange(length) + 0.5) / length)
            away.append(ops.abs(places - numbers[f"cutout{axis}"][:, None]) >= half[:, None])
        kept = ops.logical_or(away[0][:, :, None], away[1][:, None, :])
        return ops.cast(kept, "float32")[..., None]

    def get_config(self):
        return {**super().get_config(), "p": self.p, **self.factors}


def any_of(conditions):
    """Whether any of several conditions holds: bool (batch,)."""
    return ops.any(ops.stack(conditions), axis=0)


def matrix(rows):
    """Matrices (batch, n, m) of rows of tensors (batch,)."""
    return ops.stack([ops.stack(row, axis=-1) for row in rows], axis=1)


def product(matrices):
    """The product of several matrices, from the left to the right."""
    result, *rest = matrices
    for other in rest:
        result = ops.matmul(result, other)
    return result


def scaling(x, y):
    one, zero = ops.ones_like(x), ops.zeros_like(x)
    return matrix([[x, zero, zero], [zero, y, zero], [zero, zero, one]])


def rotation(angle):
    one, zero = ops.ones_like(angle), ops.zeros_like(angle)
    cos, sin = ops.cos(angle), ops.sin(angle)
    return matrix([[cos, -sin, zero], [sin, cos, zero], [zero, zero, one]])


def translation(x, y):
    one, zero = ops.ones_like(x), ops.zeros_like(x)
    return matrix([[one, zero, x], [zero, one, y], [zero, zero, one]])


def resampled(images, inverse):
    """Images moved by matrices: doubled by a wavelet filter, looked up between pixels, and halved.

    Args:
        images: float32 tensor (batch, height, width, channels), continued by its mirror images.
        inverse: matrices (batch, 3, 3) that say where each pixel comes from.
    """
    _, height, width, _ = images.shape
    # Width first and last, because there the large array would be transposed.
    doubled = along(1, constant(doubling(height)), along(2, constant(doubling(width)), images))
    looked_up = between(doubled, *places(inverse, height, width))
    return along(2, constant(halving(width)), along(1, constant(halving(height)), looked_up))


@backend.with_xla
def places(inverse, height, width):
    """Where rows and columns of a doubled image come from, counted from the first of its pixels.

    Args:
        inverse: matrices (batch, 3, 3), of the image before it is doubled.
        height, width: ints, of the image before it is doubled.

    Returns:
        Rows and columns, each (batch, n, m).
    """
    # A pixel c from the middle is at 2c + length - 1 among the doubled ones.
    y, x = (
        constant(np.arange(length) - 0.5 * (length - 1) + 0.5)
        for length in (with_margins(height), with_margins(width))
    )

    def moved(row, length):
        of_x, of_y, by = (inverse[:, row, k, None, None] for k in range(3))
        return of_x * x + of_y * y[:, None] + 2.0 * by + (length - 1)

    return moved(1, height), moved(0, width)


@backend.with_xla
def between(images, y, x):
    """Images that go on periodically at places between pixels, bilinearly.

    It is apart from `places`, because XLA would compute these anew for each number it looks up.

    Args:
        images: float32 tensor (batch, height, width, channels).
        y, x: float32 tensors (batch, n, m), in pixels.

    Returns:
        (batch, n, m, channels).
    """
    _, height, width, channels = images.shape
    flat = ops.reshape(images, (-1, channels))
    first = ops.arange(ops.shape(images)[0], dtype="int32")[:, None, None] * (height * width)
    top, left = ops.floor(y), ops.floor(x)
    y, x = (y - top)[..., None], (x - left)[..., None]

    def wrapped(place, length):
        # The remainder, which compilers compute one number at a time if it is asked for by name.
        return ops.cast(place - length * ops.floor(place / length), "int32")

    def fetched(row, column):
        row, column = wrapped(row, float(height)), wrapped(column, float(width))
        # Fetched by number, so that second derivatives exist everywhere, and are 0.
        return ops.take(flat, first + row * width + column, axis=0)

    def row_of(row):
        here, beside = fetched(row, left), fetched(row, left + 1.0)
        return here + x * (beside - here)

    above, below = row_of(top), row_of(top + 1.0)
    return above + y * (below - above)


def doubling(length):
    """The matrix that continues a line by its mirror images and doubles it: one period of that."""
    half = len(SYM6) // 2
    index = np.pad(np.arange(length), (half, length - 2 + half), "reflect")
    spread = np.zeros((2 * len(index), length))
    spread[::2] = np.eye(length)[index]
    spread = np.pad(spread, ((half, half - 1), (0, 0)))
    doubled = filtered(spread, 2.0 * np.array(SYM6) / np.sum(SYM6))
    return doubled[2 * half : -2 * half]


def halving(length):
    """The matrix that filters a doubled line, takes every other number and leaves the margins."""
    return filtered(np.eye(with_margins(length)), np.array(SYM6)[::-1] / np.sum(SYM6))[::2]


def with_margins(length):
    """How many doubled numbers it takes to filter and halve them to so many."""
    return 2 * length + len(SYM6) - 2


def filtered(lines, taps):
    """The columns of an array, filtered where the taps fit."""
    return np.stack([np.convolve(column, taps, "valid") for column in lines.T], 1)


def band_filters():
    """Filters of four frequency bands, an octave each from low to high: (4, 43)."""
    low = np.array(SYM2)
    high = low * (-1.0) ** np.arange(len(low))
    low, high = (np.convolve(f, f[::-1]) / 2.0 for f in (low, high))
    filters = np.eye(4, 1)
    for band in range(1, 4):
        spread = np.zeros((4, 2 * filters.shape[1] - 1))
        spread[:, ::2] = filters
        filters = np.stack([np.convolve(row, low) for row in spread])
        start = (filters.shape[1] - len(high)) // 2
        filters[band, start : start + len(high)] += high
    return filters


def amplified(images, gains):
    """Images whose frequency bands are amplified.

    Args:
        images: float32 tensor (batch, height, width, channels), continued by its mirror images.
        gains: (batch, 4).
    """
    for axis in (1, 2):
        length = images.shape[axis]
        filters = band_filters()
        half = filters.shape[1] // 2
        continued = np.pad(np.eye(length), ((half, half), (0, 0)), "reflect")
        bands = [filtered(continued, taps) for taps in filters]
        matrices = ops.einsum("bi,inm->bnm", gains, constant(np.stack(bands)))
        images = along(axis, matrices, images)
    return images


def recolored(images, matrices):
    """Images whose colours are transformed by matrices (batch, 4, 4)."""
    if images.shape[-1] == 1:
        matrices = ops.mean(matrices[:, :3], axis=1, keepdims=True)
        factor = ops.sum(matrices[:, :, :3], axis=2)[:, None, None]
        return images * factor + matrices[:, None, None, 0, 3:]
    _, height, width, channels = images.shape
    colors = ops.reshape(images, (-1, height * width, channels))
    colors = ops.matmul(colors, ops.swapaxes(matrices[:, :3, :3], 1, 2)) + matrices[:, None, :3, 3]
    return ops.reshape(colors, (-1, height, width, channels))

"""Alias-free nonlinearities, Karras et al. 2021, arXiv:2106.12423."""

import math

import keras
import numpy as np
import scipy  # its parts are imported when they are used: they take long
from keras import layers, ops

# Along longer axes a product is made for each part; shorter ones have one for all.
LONGEST = 320
PART = 16  # numbers, before the filter, or more for a long one
NEGLIGIBLE = 1e-8  # of a filter's largest eigenvalue


@keras.saving.register_keras_serializable(package="kerasgan")
class FilteredLeakyReLU(layers.Layer):
    """Leaky ReLU at a higher sampling rate, with low-pass filters before and after it.

    A nonlinearity creates frequencies that the sampling rate cannot represent, which causes
    aliasing. Section 3.2 and figure 4 of the paper: the layer upsamples maps to a higher rate with
    a filter, applies the leaky ReLU, and downsamples them to the rate of the output with another
    filter. The filters are Kaiser-windowed sincs with `taps` numbers per sample of the lower rate,
    with a cutoff frequency and a transition band of twice the half width. With `radial` the second
    filter is a jinc, which is the same in all directions (appendix C).

    Each filter is a product with a banded matrix along each axis. On CPUs this takes half as long
    as depthwise convolutions under TensorFlow (as long from 128 samples on), a third under PyTorch,
    and about a tenth or less under JAX, including second derivatives
    (benchmarks/filtered_activation.py). A radial filter is decomposed by its eigenvectors into a
    sum of 2 to 4 products of such filters, exact to 8 digits.

    Args:
        size: int, the size of the output.
        rates: (in, out), ints, samples along the side of the image; `size` is larger because it
            includes margins.
        cutoffs: (in, out), floats, cutoff frequencies in cycles per side of the image.
        half_widths: (in, out), floats, half widths of the filters' transition bands.
        radial: bool.
        clamp: None, or a float above 0, the largest absolute value after the leaky ReLU.
        oversampling: int, the higher rate as a multiple of the larger of `rates`.
        taps: int, even.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Input: (batch, n, n, channels), centred like the output. Output: (batch, size, size, channels),
    after a leaky ReLU of slope 0.2 times `sqrt(2)`.

    Example:

    >>> layer = kerasgan.layers.FilteredLeakyReLU(36, (16, 32), (2.0, 4.0), (6.0, 12.0))
    >>> x = np.random.default_rng(0).normal(size=(1, 28, 28, 3)).astype("float32")
    >>> layer(x).shape == (1, 36, 36, 3)
    True

    Reference: Alias-Free Generative Adversarial Networks, Karras et al., 2021, arXiv:2106.12423.
    """

    def __init__(
        self,
        size: int,
        rates: tuple[int, int],
        cutoffs: tuple[float, float],
        half_widths: tuple[float, float],
        radial: bool = False,
        clamp: float | None = None,
        oversampling: int = 2,
        taps: int = 6,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.size, self.radial, self.clamp = size, radial, clamp
        self.rates, self.cutoffs, self.half_widths = (
            tuple(rates),
            tuple(cutoffs),
            tuple(half_widths),
        )
        self.oversampling, self.taps = oversampling, taps
        rate = oversampling * max(self.rates)
        self.up, self.down = (rate // each for each in self.rates)
        (low, high), (low_width, high_width) = self.cutoffs, self.half_widths
        self.up_filter = low_pass(taps * self.up, low, low_width, rate)
        self.down_filter = low_pass(taps * self.down, high, high_width, rate, radial)

    def paddings(self, size: int) -> tuple[int, int]:
        """How many zeros to pad before and after maps of the higher rate; crops if below 0."""
        taps = len(self.up_filter) + len(self.down_filter)
        total = (self.size - 1) * self.down + 1 - size * self.up + taps - 2
        first = (total + self.up) // 2
        return first, total - first

    def build(self, input_shape):
        size = input_shape[1]
        first, _ = self.paddings(size)
        middle = (self.size - 1) * self.down + len(self.down_filter)
        rise = self.up * self.up_filter
        self.rising = Banded(rise, size, middle, up=self.up, start=-first)
        filters = [(1.0, self.down_filter)]
        if self.radial:
            filters = separable(self.down_filter)
        self.falling = [(sign, Banded(f, middle, self.size, down=self.down)) for sign, f in filters]

    def call(self, x):
        x = self.rising.both(x)
        x = ops.leaky_relu(x, 0.2) * math.sqrt(2.0)
        if self.clamp is not None:
            x = ops.clip(x, -self.clamp, self.clamp)
        parts = [sign * banded.both(x) for sign, banded in self.falling]
        return sum(parts[1:], start=parts[0])

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.size, self.size, input_shape[-1])

    def get_config(self) -> dict:
        names = ("size", "rates", "cutoffs", "half_widths", "radial", "clamp", "taps")
        own = {name: getattr(self, name) for name in (*names, "oversampling")}
        return {**super().get_config(), **own}


def low_pass(taps, cutoff, half_width, rate, radial=False):
    """A low-pass filter that sums to 1: (taps,), or (taps, taps) if it is radial.

    Args:
        taps: int, even.
        cutoff, half_width, rate: the frequency at which it falls to a half, half the width of the
            transition band, and the sampling rate, all in the same unit.
        radial: whether the filter is the same in all directions.
    """
    if not radial:
        return scipy.signal.firwin(taps, cutoff, width=2.0 * half_width, fs=rate)
    places = (np.arange(taps) - (taps - 1) / 2.0) / rate
    radius = np.hypot(places, places[:, None])
    jinc = scipy.special.j1(2.0 * np.pi * cutoff * radius) / (np.pi * radius)
    fall = scipy.signal.kaiser_atten(taps, 2.0 * half_width / (rate / 2.0))
    window = np.kaiser(taps, scipy.signal.kaiser_beta(fall))
    windowed = jinc * np.outer(window, window)
    return windowed / windowed.sum()


def separable(filters):
    """A symmetric filter (taps, taps) as a sum of products: list of (sign, (taps,))."""
    values, vectors = np.linalg.eigh(filters)
    kept = np.abs(values) > NEGLIGIBLE * np.abs(values).max()
    return [
        (float(np.sign(value)), math.sqrt(abs(value)) * vector)
        for value, vector in zip(values[kept], vectors.T[kept], strict=True)
    ]


class Banded:
    """A filter with a change of rate along an axis, as a product with a banded matrix.

    All parts of a long axis are multiplied by the same small matrix, because the band is the same
    everywhere.

    Args:
        taps: array (n,), symmetric or for correlation.
        size, new_size: ints, before and after.
        up, down: ints, the factors of upsampling and of downsampling; one of them is 1.
        start: int, the position at which the filter begins for the first number.
    """

    def __init__(self, taps, size, new_size, up=1, down=1, start=0):
        self.size, self.new_size = size, new_size
        self.parts, self.first = None, 0
        if size <= LONGEST:
            self.matrix = banded_matrix(taps, size, new_size, up, down, start)
            return
        needed = len(taps) // up + 2
        self.part = max(PART, -(-needed // down) * down)
        outputs = self.part * up // down
        self.first = start // up
        self.parts = -(-new_size // outputs)
        start -= self.first * up
        self.matrix = banded_matrix(taps, 2 * self.part, outputs, up, down, start)

    def both(self, x):
        """Filters maps (batch, height, width, channels) along height and width."""
        *_, width, channels = x.shape
        batch, new = ops.shape(x)[0], self.new_size
        x = self.along(ops.reshape(x, (-1, self.size, width * channels)))
        x = self.along(ops.reshape(x, (-1, self.size, channels)))
        return ops.reshape(x, (batch, new, new, channels))

    def along(self, x):
        """Filters (a, size, b) along its middle axis to (a, new_size, b)."""
        matrix = ops.convert_to_tensor(self.matrix, x.dtype)
        if self.parts is None:
            return ops.matmul(matrix, x)
        length, width = (self.parts + 1) * self.part, x.shape[-1]
        before, after = -self.first, self.first + length - self.size
        x = between(x, max(0, -before), self.size - max(0, -after))
        x = ops.pad(x, ((0, 0), (max(0, before), max(0, after)), (0, 0)))
        x = ops.reshape(x, (-1, self.parts + 1, self.part, width))
        halves = [between(x, 0, self.parts), between(x, 1, self.parts + 1)]
        y = ops.matmul(matrix, ops.concatenate(halves, axis=2))
        y = ops.reshape(y, (-1, self.parts * self.matrix.shape[0], width))
        return between(y, 0, self.new_size)


def between(x, first, last):
    """x[:, first:last]; under TensorFlow the gradient of `split` is 10 times as fast as that."""
    if (first, last) == (0, x.shape[1]):
        return x
    return ops.split(x, [first, last], axis=1)[1]


def banded_matrix(taps, size, new_size, up, down, start):
    """The matrix (new_size, size) of a filter with a change of rate; see `Banded`."""
    tap = np.arange(size) * up - np.arange(new_size)[:, None] * down - start
    inside = (tap >= 0) & (tap < len(taps))
    return np.where(inside, taps[np.clip(tap, 0, len(taps) - 1)], 0.0).astype("float32")

"""Random numbers that are a function of the number of an image."""

import functools
import math
import sys

import numpy as np
from keras import ops

LOW_WORD = np.int64(0xFFFFFFFF)
ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)  # of Threefry-2x32
# Of Eigen's and XLA's `erf` in float32: x times the ratio of two polynomials of x ** 2.
ERF_NUMERATOR = (
    *(-2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05),
    *(-7.34990630326855e-04, -2.95459980854025e-03, -1.60960333262415e-02),
)
ERF_DENOMINATOR = (
    *(-1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03),
    -1.42647390514189e-02,
)
# Of `erfinv`: x times a polynomial of its logarithm near 0, another one near 1.
ERFINV_CENTER = (
    *(2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087),
    *(-0.00125372503, -0.00417768164, 0.246640727, 1.50140941),
)
ERFINV_TAIL = (
    *(-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773),
    *(-0.0076224613, 0.00943887047, 1.00167406, 2.83297682),
)


def standard_normal(numbers, shape, stream=0):
    """Normal numbers that are a function of the number of an image, and of nothing else.

    Given a tensor of TensorFlow, as by the endpoint `sample` of a SavedModel, it computes a tensor:
    the same numbers, but for rounding.

    Args:
        numbers: sequence of n int from 0 to 2**63 - 1, or int64 tensor (n,) of TensorFlow.
        shape: tuple of int, that of each image's numbers.
        stream: int from 0 to 2**32 - 1, which of many independent arrays for an image.

    Returns:
        float32 array, or tensor, (n, *shape) from N(0, 1).

    Raises:
        ValueError: for other numbers in a sequence. A tensor's numbers are not looked at.

    Example:

    >>> standard_normal(np.array([7, 8]), (2,))[1] == standard_normal(np.array([8]), (2,))[0]
    array([ True,  True])
    """
    arrays, bits = _functions_for(numbers)
    if arrays is np:
        _check(numbers)
    numbers = arrays.asarray(numbers, "int64")[:, None]
    low, high = (
        arrays.asarray(bits.bitwise_and(bits.right_shift(numbers, np.int64(b)), LOW_WORD), "uint32")
        for b in (0, 32)
    )
    pairs = -(-math.prod(shape) // 2)
    position = arrays.arange(pairs, dtype="uint32")[None]
    words = threefry((low, high), (position, np.full((1, 1), stream, "uint32")))
    uniform = [arrays.asarray(bits.right_shift(w, np.uint32(8)), "float32") for w in words]
    normal = arrays.concatenate(box_muller(*uniform), axis=1)
    return arrays.reshape(normal[:, : math.prod(shape)], (-1, *shape))


def _check(numbers):
    array = np.asarray(numbers)
    whole = array.dtype.kind in "iu" and np.all((array >= 0) & (array < 2**63))
    if array.size and not whole:
        raise ValueError(f"numbers={numbers!r}; use whole numbers from 0 to 2**63 - 1.")


def _functions_for(values):
    """Functions of arrays and of their bits: NumPy's, or TensorFlow's of the same names."""
    tensorflow = sys.modules.get("tensorflow")  # there are no tensors before it is imported
    if tensorflow is not None and tensorflow.is_tensor(values):
        return tensorflow.experimental.numpy, tensorflow.bitwise
    return np, np


def threefry(key, counter):
    """Threefry-2x32 with 20 rounds: two random words for each key and counter.

    Args:
        key: two uint32 arrays or tensors, say (n, 1).
        counter: two of these, say (1, m).

    Returns:
        Two uint32 arrays or tensors (n, m).

    Reference: Parallel Random Numbers: As Easy as 1, 2, 3, Salmon, Moraes, Dror & Shaw, 2011,
    International Conference for High Performance Computing, Networking, Storage and Analysis.
    """
    _, bits = _functions_for(key[0])
    parity = bits.bitwise_xor(bits.bitwise_xor(key[0], key[1]), np.uint32(0x1BD11BDA))
    keys = (key[0], key[1], parity)
    x, y = keys[0] + counter[0], keys[1] + counter[1]  # sums are modulo 2**32
    for round_ in range(20):
        by = ROTATIONS[round_ % 8]
        x = x + y
        rotated = bits.bitwise_or(
            bits.left_shift(y, np.uint32(by)), bits.right_shift(y, np.uint32(32 - by))
        )
        y = bits.bitwise_xor(rotated, x)
        if round_ % 4 == 3:
            injection = round_ // 4 + 1
            x = x + keys[injection % 3]
            y = y + (keys[(injection + 1) % 3] + np.uint32(injection))
    return x, y


def box_muller(first, second):
    """Two normal numbers of two whole ones below 2**24, as float32.

    Args:
        first, second: float32 arrays or tensors of whole numbers from 0 to 2**24 - 1.

    Returns:
        Two arrays or tensors, independent and from N(0, 1).
    """
    arrays, _ = _functions_for(first)
    # Never 0, of which there is no logarithm.
    uniform = (first + np.float32(1.0)) * np.float32(2.0**-24)
    radius = arrays.sqrt(arrays.log(uniform) * np.float32(-2.0))
    angle = second * np.float32(2.0 * np.pi * 2.0**-24)
    return radius * arrays.cos(angle), radius * arrays.sin(angle)


def erf(x):
    """The error function, of simple operations.

    JAX writes its own as one that TensorFlow 2.21 cannot read in a SavedModel; so do `keras.ops`.

    Args:
        x: float32 array or tensor.

    Returns:
        float32 tensor.
    """
    x = ops.clip(x, -4.0, 4.0)
    square = x * x
    ratio = _polynomial(ERF_NUMERATOR, square) / _polynomial(ERF_DENOMINATOR, square)
    return ops.clip(x * ratio, -1.0, 1.0)


def erfinv(x):
    """The inverse of `erf`, of simple operations.

    Args:
        x: float32 array or tensor of numbers in [-1, 1].

    Returns:
        float32 tensor; infinite for -1 and 1.

    Reference: Approximating the erfinv function, Giles, 2011, GPU Computing Gems Jade Edition.
    """
    x = ops.convert_to_tensor(x)
    w = -ops.log((1.0 - x) * (1.0 + x))
    center = _polynomial(ERFINV_CENTER, w - 2.5)
    tail = _polynomial(ERFINV_TAIL, ops.sqrt(w) - 3.0)
    return x * ops.where(ops.abs(x) < 1.0, ops.where(w < 5.0, center, tail), np.inf)


def _polynomial(coefficients, x):
    return functools.reduce(lambda value, c: value * x + c, coefficients)

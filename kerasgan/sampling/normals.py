"""Random numbers that are a function of the number of an image."""

import functools
import math

import numpy as np
from keras import ops

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

    The same as what the endpoint `sample` draws inside a SavedModel
    (`kerasgan.export.endpoints.standard_normal`), but for rounding.

    Args:
        numbers: sequence of n int from 0 to 2**63 - 1.
        shape: tuple of int, that of each image's numbers.
        stream: int from 0, which of many independent arrays for an image.

    Returns:
        float32 array (n, *shape) from N(0, 1).

    Raises:
        ValueError: for other numbers.

    Example:

    >>> standard_normal(np.array([7, 8]), (2,))[1] == standard_normal(np.array([8]), (2,))[0]
    array([ True,  True])
    """
    given, numbers = numbers, np.asarray(numbers)
    whole = numbers.dtype.kind in "iu" and np.all((numbers >= 0) & (numbers < 2**63))
    if numbers.size and not whole:
        raise ValueError(f"numbers={given!r}; use whole numbers from 0 to 2**63 - 1.")
    numbers = numbers.astype("int64")[:, None]
    key = [(numbers >> part & 0xFFFFFFFF).astype("uint32") for part in (0, 32)]
    pairs = -(-math.prod(shape) // 2)
    position = np.arange(pairs, dtype="uint32")[None]
    with np.errstate(over="ignore"):  # sums are modulo 2**32
        words = threefry(np, key, (position, np.full_like(position, stream)))
    uniform = [(np.right_shift(w, np.uint32(8))).astype("float32") for w in words]
    normal = np.concatenate(box_muller(np, *uniform), axis=1)
    return normal[:, : math.prod(shape)].reshape(len(numbers), *shape)


def threefry(bits, key, counter):
    """Threefry-2x32 with 20 rounds: two random words for each key and counter.

    Args:
        bits: what has `left_shift`, `right_shift`, `bitwise_or` and `bitwise_xor`: `numpy` or
            `tf.bitwise`.
        key: two uint32 arrays or tensors, say (n, 1).
        counter: two of these, say (1, m).

    Returns:
        Two uint32 arrays or tensors (n, m).

    Reference: Parallel Random Numbers: As Easy as 1, 2, 3, Salmon, Moraes, Dror & Shaw, 2011,
    International Conference for High Performance Computing, Networking, Storage and Analysis.
    """
    parity = bits.bitwise_xor(bits.bitwise_xor(key[0], key[1]), np.uint32(0x1BD11BDA))
    keys = (key[0], key[1], parity)
    x, y = counter[0] + keys[0], counter[1] + keys[1]
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


def box_muller(math_functions, first, second):
    """Two normal numbers of two whole ones below 2**24, as float32.

    Args:
        math_functions: what has `log`, `sqrt`, `cos` and `sin`: `numpy` or `tf.math`.
        first, second: float32 arrays or tensors of whole numbers from 0 to 2**24 - 1.

    Returns:
        Two arrays or tensors, independent and from N(0, 1).
    """
    m = math_functions
    # Never 0, of which there is no logarithm.
    radius = m.sqrt(np.float32(-2.0) * m.log((first + np.float32(1.0)) * np.float32(2.0**-24)))
    angle = second * np.float32(2.0 * np.pi * 2.0**-24)
    return radius * m.cos(angle), radius * m.sin(angle)


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

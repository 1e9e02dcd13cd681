"""Invertible layers with log-determinants, the steps of normalizing flows."""

import math

import keras
import numpy as np
from keras import layers, ops


class Reversible(layers.Layer):
    """Base class of invertible layers, whose inputs and outputs have the same number of values.

    `layer(x)` returns `(y, nats)`: `y`, and the logarithm of the absolute value of the determinant
    of dy/dx, one number per example, so that `log p(x) = log p(y) + nats`. `layer.inverse(y)`
    returns `x`.

    A subclass defines `call` and `inverse`, `shape_after` if the shape changes, and `start` if it
    initializes something from data before the first update. It computes in the dtype of its
    weights, float32 for mixed precision, because an inverse needs all digits.

    Args:
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.
    """

    def __init__(self, **kwargs):
        policy = keras.dtype_policies.get(kwargs.pop("dtype", None))
        super().__init__(dtype=policy.variable_dtype, **kwargs)

    def inverse(self, y):
        """The `x` that the layer maps to `y`: tensor (batch, ...)."""
        raise NotImplementedError(f"{type(self).__name__} has no inverse.")

    def start(self, x):
        """Initializes from a first batch `x`, where the layer depends on data, and returns `y`."""
        return self(x)[0]

    def shape_after(self, shape: tuple) -> tuple:
        """The shape of `y` for an `x` of this shape, (None, ...)."""
        return shape

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))


def _each(x, nats):
    """One number for each of the examples `x`: (batch,)."""
    return ops.broadcast_to(ops.cast(nats, x.dtype), (ops.shape(x)[0],))


def _sum(x):
    return ops.sum(x, axis=tuple(range(1, len(x.shape))))


@keras.saving.register_keras_serializable(package="kerasgan")
class Chain(Reversible):
    """A sequence of reversible layers, whose determinants multiply.

    Args:
        steps: list of `Reversible`.
        **kwargs: `name` and `dtype`.

    Example:

    >>> chain = Chain([Affine(2.0), Squeeze()])
    >>> y, nats = chain(np.ones((1, 2, 2, 1), "float32"))
    >>> tuple(y.shape), round(float(nats[0]), 3)  # four times log(2)
    ((1, 1, 1, 4), 2.773)
    """

    def __init__(self, steps: list, **kwargs):
        super().__init__(**kwargs)
        self.steps = steps

    def build(self, input_shape):
        # Here, because under JAX weights cannot be drawn while `call` is traced.
        for step in self.steps:
            if not step.built:
                step.build(input_shape)
            input_shape = step.shape_after(input_shape)

    def call(self, x):
        total = _each(x, 0.0)
        for step in self.steps:
            x, nats = step(x)
            total = total + nats
        return x, total

    def inverse(self, y):
        for step in reversed(self.steps):
            y = step.inverse(y)
        return y

    def start(self, x):
        for step in self.steps:
            x = step.start(x)
        return x

    def shape_after(self, shape: tuple) -> tuple:
        for step in self.steps:
            shape = step.shape_after(shape)
        return shape

    def get_config(self):
        return {**super().get_config(), "steps": keras.saving.serialize_keras_object(self.steps)}


@keras.saving.register_keras_serializable(package="kerasgan")
class Affine(Reversible):
    """`y = scale * x + shift`, with constants that are not learned.

    Args:
        scale: float, not 0.
        shift: float.
        **kwargs: `name` and `dtype`.
    """

    def __init__(self, scale: float, shift: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.scale, self.shift = scale, shift

    def call(self, x):
        return self.scale * x + self.shift, _each(x, _numbers(x) * math.log(abs(self.scale)))

    def inverse(self, y):
        return (y - self.shift) / self.scale

    def get_config(self):
        return {**super().get_config(), "scale": self.scale, "shift": self.shift}


@keras.saving.register_keras_serializable(package="kerasgan")
class Logit(Reversible):
    """`y = log(x) - log(1 - x)`, for values between 0 and 1."""

    def call(self, x):
        y = ops.log(x) - ops.log1p(-x)
        return y, _sum(ops.softplus(y) + ops.softplus(-y))

    def inverse(self, y):
        return ops.sigmoid(y)


@keras.saving.register_keras_serializable(package="kerasgan")
class Squeeze(Reversible):
    """Turns each block of 2x2 pixels into one pixel with four times as many channels.

    The four values of a channel stay together: channel c becomes 4c to 4c + 3. Height and width
    must be even.

    Reference: Density Estimation Using Real NVP, Dinh et al., 2017, arXiv:1605.08803, section 3.6.
    """

    def call(self, x):
        _, height, width, channels = x.shape
        y = ops.reshape(x, (-1, height // 2, 2, width // 2, 2, channels))
        y = ops.transpose(y, (0, 1, 3, 5, 2, 4))
        return ops.reshape(y, (-1, height // 2, width // 2, 4 * channels)), _each(x, 0.0)

    def inverse(self, y):
        _, height, width, channels = y.shape
        x = ops.reshape(y, (-1, height, width, channels // 4, 2, 2))
        x = ops.transpose(x, (0, 1, 4, 2, 5, 3))
        return ops.reshape(x, (-1, 2 * height, 2 * width, channels // 4))

    def shape_after(self, shape: tuple) -> tuple:
        batch, height, width, channels = shape
        return batch, height // 2, width // 2, 4 * channels


@keras.saving.register_keras_serializable(package="kerasgan")
class ActNorm(Reversible):
    """A scale and a shift for each channel, `y = exp(log_scale) * (x + shift)`.

    `start` initializes them so that the channels of a first batch have mean 0 and variance 1; a
    channel that is constant there, such as the border of MNIST's digits, is only shifted. After
    that they are learned. Without `start` the layer begins as the identity.

    Reference: Glow: Generative Flow with Invertible 1x1 Convolutions, Kingma & Dhariwal, 2018,
    arXiv:1807.03039, section 3.1.
    """

    def build(self, input_shape):
        shape = (input_shape[-1],)
        self.log_scale = self.add_weight(shape, "zeros", name="log_scale")
        self.shift = self.add_weight(shape, "zeros", name="shift")

    def call(self, x):
        pixels = _numbers(x) // x.shape[-1]
        y = ops.exp(self.log_scale) * (x + self.shift)
        return y, _each(x, pixels * ops.sum(self.log_scale))

    def inverse(self, y):
        return y * ops.exp(-self.log_scale) - self.shift

    def start(self, x):
        rows = ops.convert_to_numpy(x).reshape(-1, x.shape[-1]).astype("float64")
        deviation = rows.std(0)
        varies = deviation > 1e-6 * np.maximum(1.0, np.abs(rows).max(0))
        self.log_scale.assign(-np.log(np.where(varies, deviation, 1.0)))
        self.shift.assign(-rows.mean(0))
        return self(x)[0]


@keras.saving.register_keras_serializable(package="kerasgan")
class InvertibleConv(Reversible):
    """An invertible 1x1 convolution, or matrix for vectors: `y = x P L U`.

    The matrix is initialized as a random rotation. P is a fixed permutation, L a lower triangular
    matrix with ones on its diagonal, and U an upper triangular one whose diagonal keeps its signs.
    So the logarithm of the determinant is the sum of the `log_diagonal` of U, times height times
    width.

    Reference: Glow: Generative Flow with Invertible 1x1 Convolutions, Kingma & Dhariwal, 2018,
    arXiv:1807.03039, section 3.2, in the form of equation 10.
    """

    def build(self, input_shape):
        size = input_shape[-1]
        rotation = ops.convert_to_numpy(keras.initializers.Orthogonal()((size, size), "float32"))
        from scipy.linalg import lu

        permutation, lower, upper = lu(rotation.astype("float64"))
        diagonal = np.diag(upper)
        fixed = {"permutation": permutation, "signs": np.sign(diagonal)}
        learned = {"lower": lower, "upper": upper, "log_diagonal": np.log(np.abs(diagonal))}
        for values, trainable in ((fixed, False), (learned, True)):
            for name, value in values.items():
                weight = self.add_weight(value.shape, "zeros", name=name, trainable=trainable)
                weight.assign(value)
                setattr(self, name, weight)

    def _triangles(self):
        """L, the diagonal of U, and U divided by it, so that it has ones there."""
        size = self.lower.shape[0]
        below = np.tril(np.ones((size, size), self.compute_dtype), -1)
        below, above = map(ops.convert_to_tensor, (below, below.T))
        identity = ops.eye(size, dtype=self.compute_dtype)
        diagonal = self.signs * ops.exp(self.log_diagonal)
        upper = above * self.upper / diagonal[:, None] + identity
        return below * self.lower + identity, diagonal, upper

    def matrix(self):
        """P L U: tensor (channels, channels)."""
        lower, diagonal, upper = self._triangles()
        return ops.matmul(ops.matmul(self.permutation, lower), diagonal[:, None] * upper)

    def inverse_matrix(self):
        lower, diagonal, upper = self._triangles()
        of_lower = ops.matmul(_inverse_of_triangle(lower), ops.transpose(self.permutation))
        found = ops.matmul(_inverse_of_triangle(upper), of_lower / diagonal[:, None])
        # A step of Newton's method removes rounding errors.
        return 2.0 * found - ops.matmul(found, ops.matmul(self.matrix(), found))

    def call(self, x):
        pixels = _numbers(x) // x.shape[-1]
        return _times(x, self.matrix()), _each(x, pixels * ops.sum(self.log_diagonal))

    def inverse(self, y):
        return _times(y, self.inverse_matrix())


def _inverse_of_triangle(matrix):
    """The inverse of a triangular matrix with ones on its diagonal, by products alone.

    For I - N it is I + N + N^2 + ..., which ends, and equals (I + N) (I + N^2) (I + N^4) ...
    A solver would need a library that is missing on a server for models exported under JAX.
    """
    size = matrix.shape[0]
    identity = ops.eye(size, dtype=matrix.dtype)
    power = identity - matrix
    total = identity + power
    for _ in range(max(size - 1, 1).bit_length() - 1):
        power = ops.matmul(power, power)
        total = ops.matmul(total, identity + power)
    return total


def _times(x, matrix):
    """The last axis of examples, times a matrix."""
    shape = x.shape[1:]
    return ops.reshape(ops.matmul(ops.reshape(x, (-1, shape[-1])), matrix), (-1, *shape))


@keras.saving.register_keras_serializable(package="kerasgan")
class Coupling(Reversible):
    """Affine coupling: scales and shifts a part of an example, as a network computes from the rest.

    The rest keeps `y = x`; the part becomes `y = exp(s) * x + t`. For a part with c channels
    `network` returns 2c: the last c are t, and the tanh of the first c, times a learned `strength`
    per channel, is s.

    The part and the rest are the halves of the last axis; see `CheckerboardCoupling` for pixels.

    Args:
        network: built Keras model from the rest to 2c channels, for images at each pixel.
        second: bool, whether the second half changes, rather than the first.
        **kwargs: `name` and `dtype`.

    Reference: Density Estimation Using Real NVP, Dinh et al., 2017, arXiv:1605.08803, section 3.
    """

    def __init__(self, network: keras.Model, second: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.network, self.second = network, second

    def build(self, input_shape):
        channels = self.network.output_shape[-1] // 2
        self.strength = self.add_weight((channels,), "ones", name="strength")

    def _scale_and_shift(self, rest):
        raw, shift = ops.split(ops.cast(self.network(rest), self.compute_dtype), 2, axis=-1)
        return self.strength * ops.tanh(raw), shift

    def _halves(self, x):
        """The rest and the part that changes."""
        first, last = x[..., : x.shape[-1] // 2], x[..., x.shape[-1] // 2 :]
        return (first, last) if self.second else (last, first)

    def _joined(self, rest, part):
        return ops.concatenate((rest, part) if self.second else (part, rest), axis=-1)

    def call(self, x):
        rest, part = self._halves(x)
        log_scale, shift = self._scale_and_shift(rest)
        return self._joined(rest, ops.exp(log_scale) * part + shift), _sum(log_scale)

    def inverse(self, y):
        rest, part = self._halves(y)
        log_scale, shift = self._scale_and_shift(rest)
        return self._joined(rest, ops.exp(-log_scale) * (part - shift))

    def get_config(self):
        network = keras.saving.serialize_keras_object(self.network)
        return {**super().get_config(), "network": network, "second": self.second}


@keras.saving.register_keras_serializable(package="kerasgan")
class CheckerboardCoupling(Coupling):
    """A `Coupling` that changes every other pixel, like the black squares of a chess board.

    Args:
        network: built Keras model from images of c channels, with 0 where they change, to 2c
            channels.
        second: bool, whether the pixel in the first row and column keeps its value.
        **kwargs: `name` and `dtype`.
    """

    def build(self, input_shape):
        super().build(input_shape)
        rows, columns = np.indices(input_shape[1:3])
        stays = (rows + columns) % 2 == (0 if self.second else 1)
        self.stays = stays[..., None].astype(self.compute_dtype)

    def _masked(self, x):
        stays, changes = map(ops.convert_to_tensor, (self.stays, 1.0 - self.stays))
        log_scale, shift = self._scale_and_shift(x * stays)
        return log_scale * changes, shift * changes

    def call(self, x):
        log_scale, shift = self._masked(x)
        return ops.exp(log_scale) * x + shift, _sum(log_scale)

    def inverse(self, y):
        log_scale, shift = self._masked(y)
        return ops.exp(-log_scale) * (y - shift)


@keras.saving.register_keras_serializable(package="kerasgan")
class MultiScale(Reversible):
    """Reversible layers at several scales; half of the channels leave for the code after each.

    The code is flat: first the channels that leave first, last the output of the last scale.

    Args:
        scales: list of `Reversible`.
        **kwargs: `name` and `dtype`.

    Reference: Density Estimation Using Real NVP, Dinh et al., 2017, arXiv:1605.08803, section 3.6.
    """

    def __init__(self, scales: list, **kwargs):
        super().__init__(**kwargs)
        self.scales = scales

    def build(self, input_shape):
        self.shapes = []  # of what each scale returns
        for scale in self.scales:
            if not scale.built:
                scale.build(input_shape)
            shape = tuple(scale.shape_after(input_shape)[1:])
            self.shapes.append(shape)
            input_shape = (None, *shape[:-1], shape[-1] // 2)

    def _forward(self, x, run):
        codes = []
        for scale, shape in zip(self.scales, self.shapes, strict=True):
            x = run(scale, x)
            leaves = shape[-1] // 2
            if scale is not self.scales[-1]:
                codes.append(x[..., leaves:])
                x = x[..., :leaves]
        return ops.concatenate([ops.reshape(c, (-1, _numbers(c))) for c in (*codes, x)], axis=-1)

    def call(self, x):
        nats = [_each(x, 0.0)]

        def run(scale, x):
            y, of_scale = scale(x)
            nats.append(of_scale)
            return y

        return self._forward(x, run), sum(nats)

    def inverse(self, y):
        end = self.shapes[-1]
        x = ops.reshape(y[:, -math.prod(end) :], (-1, *end))
        x = self.scales[-1].inverse(x)
        stop = y.shape[-1] - math.prod(end)
        for scale, shape in zip(self.scales[-2::-1], self.shapes[-2::-1], strict=True):
            left = (*shape[:-1], shape[-1] - shape[-1] // 2)
            start = stop - math.prod(left)
            gone = ops.reshape(y[:, start:stop], (-1, *left))
            x, stop = scale.inverse(ops.concatenate([x, gone], axis=-1)), start
        return x

    def start(self, x):
        return self._forward(x, lambda scale, x: scale.start(x))

    def shape_after(self, shape: tuple) -> tuple:
        return shape[0], math.prod(shape[1:])

    def get_config(self):
        return {**super().get_config(), "scales": keras.saving.serialize_keras_object(self.scales)}


@keras.saving.register_keras_serializable(package="kerasgan")
class Inverse(layers.Layer):
    """The inverse of a reversible layer, as a layer.

    Args:
        reversible: a built `Reversible`.
        **kwargs: `name`.
    """

    def __init__(self, reversible: Reversible, **kwargs):
        super().__init__(dtype=reversible.dtype_policy, **kwargs)
        self.reversible = reversible

    def call(self, y):
        return self.reversible.inverse(y)

    def get_config(self):
        reversible = keras.saving.serialize_keras_object(self.reversible)
        return {"name": self.name, "reversible": reversible}

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))


def _numbers(x):
    return math.prod(x.shape[1:])


def dense_network(numbers: int, outputs: int, width: int, name: str) -> keras.Model:
    """The network for the coupling of vectors: two dense layers, and a third initialized to 0.

    Args:
        numbers: int, the number of inputs.
        outputs: int.
        width: int, the width of the two layers.
        name: str.
    """
    dtype = keras.config.dtype_policy().variable_dtype
    inputs = x = keras.Input((numbers,), dtype=dtype)
    for number in range(2):
        x = layers.Dense(width, "relu", name=f"hidden{number}")(x)
    x = layers.Dense(outputs, kernel_initializer="zeros", dtype=dtype, name="last")(x)
    return keras.Model(inputs, x, name=name)

"""Convolution with a kernel that a style modulates, Karras et al. 2020, arXiv:1912.04958."""

import math

import keras
from keras import layers, ops

from kerasgan.layers.blur import binomial
from kerasgan.layers.equalized import equalized
from kerasgan.layers.styles import style_of


@keras.saving.register_keras_serializable(package="kerasgan")
class ModulatedConv2D(layers.Layer):
    """Modulated convolution: for each image a style scales the kernel for each input map.

    The scales s are an affine function of the style w. Demodulation then divides each output map
    by the norm of the kernel that made it, `sqrt(sum (s W)^2)`, so that maps keep unit variance. A
    kernel for each image would need a grouped convolution. Instead the layer scales the input maps
    before one convolution and the output maps after it: the result is the same (equation 3), and
    second derivatives are as fast as those of any convolution.

    Squares overflow in float16, so there kernel and scales are first divided by their largest
    absolute values, which demodulation cancels (Karras et al. 2020a, appendix C).

    Args:
        filters: int, output maps.
        kernel_size: int.
        up: whether the output is twice as large: a transposed convolution of stride 2, and then
            the filter [1, 3, 3, 1] in both directions.
        demodulate: bool; if not, the kernel is scaled by `1 / sqrt(inputs)` as for
            `kerasgan.layers.Equalized`.
        padding: `"same"`, or `"full"`, which pads `kernel_size - 1` zeros at each side and so keeps
            all outputs.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Raises:
        ValueError: for another padding.

    Inputs: x (batch, height, width, channels) and w (batch, n). Output: (batch, height, width,
    filters), height and width doubled with `up`, and `kernel_size - 1` larger with `"full"`.

    Example:

    >>> random = np.random.default_rng(0)
    >>> x, w = random.normal(size=(2, 8, 8, 64)), random.normal(size=(2, 16))
    >>> y = kerasgan.layers.ModulatedConv2D(32)(x.astype("float32"), w.astype("float32"))
    >>> y.shape == (2, 8, 8, 32), 0.7 < float(keras.ops.std(y)) < 1.1
    (True, True)

    Reference: Analyzing and Improving the Image Quality of StyleGAN, Karras et al., 2020,
    arXiv:1912.04958, section 2.2; in half precision, Training Generative Adversarial Networks with
    Limited Data, Karras et al., 2020a, arXiv:2006.06676, appendix C.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        up: bool = False,
        demodulate: bool = True,
        padding: str = "same",
        **kwargs,
    ):
        super().__init__(autocast=False, **kwargs)  # styles stay in float32
        if padding not in ("same", "full"):
            raise ValueError(f"padding={padding!r}; use 'same' or 'full'.")
        self.filters, self.kernel_size = filters, kernel_size
        self.up, self.demodulate, self.padding = up, demodulate, padding

    def build(self, x_shape, w_shape):
        dense = layers.Dense(x_shape[-1], bias_initializer="ones", dtype="float32", name="affine")
        self.affine = equalized(dense, gain=1.0)
        self.affine.build(w_shape)
        self.kernel = self.add_weight(
            (self.kernel_size, self.kernel_size, x_shape[-1], self.filters),
            keras.initializers.RandomNormal(0.0, 1.0),
            autocast=False,
            name="kernel",
        )

    def call(self, x, w):
        kernel, scale = ops.convert_to_tensor(self.kernel), style_of(self.affine, w)
        inputs = math.prod(kernel.shape[:-1])
        if not self.demodulate:
            scale = scale / math.sqrt(inputs)
        elif self.compute_dtype == "float16":
            largest = ops.max(ops.abs(kernel), axis=(0, 1, 2), keepdims=True)
            kernel = kernel / (math.sqrt(inputs) * largest)
            scale = scale / ops.max(ops.abs(scale), axis=1, keepdims=True)
        factor = demodulation(kernel, scale) if self.demodulate else None
        dtype = self.compute_dtype
        x = ops.cast(x, dtype) * ops.cast(scale, dtype)[:, None, None, :]
        x = self._convolved(x, ops.cast(kernel, dtype))
        return x if factor is None else x * ops.cast(factor, dtype)[:, None, None, :]

    def _convolved(self, x, kernel):
        """x (batch, height, width, channels) after the convolution with one kernel."""
        layout = {"data_format": "channels_last"}
        if self.padding == "full":
            border = (self.kernel_size - 1,) * 2
            x = ops.pad(x, ((0, 0), border, border, (0, 0)))
            return ops.conv(x, kernel, padding="valid", **layout)
        if not self.up:
            return ops.conv(x, kernel, padding="same", **layout)
        kernel = ops.transpose(kernel, (0, 1, 3, 2))
        x = ops.conv_transpose(x, kernel, strides=2, padding="valid", **layout)
        # Three quarters of the convolved values are zeros inserted between others.
        return 4.0 * binomial(x, 3, 1)

    def compute_output_shape(self, x_shape, w_shape):
        more = self.kernel_size - 1 if self.padding == "full" else 0
        factor = 2 if self.up else 1
        sizes = (None if n is None else factor * n + more for n in x_shape[1:3])
        return (x_shape[0], *sizes, self.filters)

    def get_config(self) -> dict:
        names = ("filters", "kernel_size", "up", "demodulate", "padding")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def demodulation(kernel, scale):
    """The factor of demodulation for each output map: (batch, filters).

    Args:
        kernel: (height, width, channels, filters).
        scale: (batch, channels), the scales of the input maps.
    """
    squares = ops.sum(ops.square(kernel), axis=(0, 1))
    return ops.rsqrt(ops.matmul(ops.square(scale), squares) + 1e-8)


@keras.saving.register_keras_serializable(package="kerasgan")
class ScaledLeakyReLU(layers.Layer):
    """Leaky ReLU of slope 0.2 times `sqrt(2) * gain`, clipped to `clamp * gain` if given.

    For a normal input the mean square of the output is about 1.

    Args:
        gain: float.
        clamp: None, or a float above 0, the largest absolute value for a gain of 1.
        linear: whether to keep values below 0, and leave out the factor sqrt(2).
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Input and output: any shape.

    Example:

    >>> y = kerasgan.layers.ScaledLeakyReLU(clamp=4.0)(np.array([-10.0, 1.0, 9.0], "float32"))
    >>> [round(float(number), 2) for number in y]
    [-2.83, 1.41, 4.0]

    Reference: Analyzing and Improving the Image Quality of StyleGAN, Karras et al., 2020,
    arXiv:1912.04958, appendix B; the limit, Training Generative Adversarial Networks with Limited
    Data, Karras et al., 2020a, arXiv:2006.06676, appendix C.
    """

    def __init__(
        self, gain: float = 1.0, clamp: float | None = None, linear: bool = False, **kwargs
    ):
        super().__init__(**kwargs)
        self.gain, self.clamp, self.linear = gain, clamp, linear

    def call(self, x):
        if not self.linear:
            x = ops.leaky_relu(x, 0.2) * (math.sqrt(2.0) * self.gain)
        elif self.gain != 1.0:
            x = x * self.gain
        if self.clamp is None:
            return x
        return ops.clip(x, -self.clamp * self.gain, self.clamp * self.gain)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict:
        own = {"gain": self.gain, "clamp": self.clamp, "linear": self.linear}
        return {**super().get_config(), **own}

"""Causal convolutions, computed for a whole image or for one pixel at a time.

They see only earlier pixels: those of the rows above, and those to the left in a pixel's own row. A
network of these layers is written once, as a function of a "view" (`WholeImage`, `OneRow` or
`OnePixel`), through which it calls every layer that sees positions other than its own.
"""

import keras
import numpy as np
from keras import layers, ops

from kerasgan.backend import private


@keras.saving.register_keras_serializable(package="kerasgan")
class CausalConv2D(layers.Layer):
    """Causal convolution, whose kernel ends in the row, or at the pixel, that it computes.

    Features belong to pixels or to rows. Features of a pixel may depend on all earlier pixels, so
    the kernel's last row ends at the pixel itself, or before it. Features of a row (`of_rows=True`)
    depend on everything above the row, along its whole width, so the kernel is a full rectangle.

    Args:
        filters: int.
        rows: int, rows of the kernel; the last one is the pixel's own row.
        left, right: int, columns to the left and to the right of the pixel's own column. With
            `right=-1` the layer does not see that column, either.
        of_rows: bool, see above.
        center: bool, whether the layer sees the pixel itself.
        strides: 1 or 2.
        scale: int, pixels of the image per position of the input, in each direction.
        channels: int, channels of the image. With more than one, each feature belongs to a channel
            and sees, at its own position, only features of the channels before it (with
            `earlier=True`), or of those and its own channel: masks A and B of the paper.
        earlier: bool, see above.
        copies: int, how often the group of filters for all channels repeats.
        of_image: bool, whether the input is the image.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Example:

    >>> layer = CausalConv2D(4, rows=2, left=1, right=1)
    >>> layer(np.zeros((1, 5, 5, 3), "float32")).shape
    TensorShape([1, 5, 5, 4])

    Reference: Pixel Recurrent Neural Networks, van den Oord, Kalchbrenner & Kavukcuoglu, 2016,
    arXiv:1601.06759, section 3.4. Weights that a mask would set to zero do not exist here.
    """

    def __init__(
        self,
        filters: int,
        rows: int = 1,
        left: int = 0,
        right: int = 0,
        *,
        of_rows: bool = False,
        center: bool = True,
        strides: int = 1,
        scale: int = 1,
        channels: int = 1,
        earlier: bool = False,
        copies: int = 1,
        of_image: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters, self.rows, self.left, self.right = filters, rows, left, right
        self.of_rows, self.center, self.strides, self.scale = of_rows, center, strides, scale
        self.channels, self.earlier, self.copies = channels, earlier, copies
        self.of_image = of_image
        self.columns = left + 1 + right
        self.above = (rows - 1) * self.columns  # taps above the own row

    @property
    def looks_around(self) -> bool:
        """Whether it sees positions other than its own."""
        return self.rows > 1 or self.left > 0 or self.strides > 1

    def build(self, input_shape):
        own = self.columns if self.of_rows else self.left + self.center
        shape = (self.above + own, input_shape[-1], self.filters)
        self.kernel = self.add_weight(shape, "glorot_uniform", name="kernel")
        self.bias = self.add_weight((self.filters,), "zeros", name="bias")
        self.mask = None
        if self.channels > 1 and self.center and not self.of_rows:
            of = _channel_of(input_shape[-1], self.channels, 1)[:, None]
            to = _channel_of(self.filters, self.channels, self.copies)
            self.mask = np.ones(shape, "float32")
            self.mask[-1] = of < to if self.earlier else of <= to

    def taps(self):
        """The kernel (taps, channels, filters): the rows above one by one, then its own."""
        kernel = self.kernel if self.mask is None else self.kernel * self.mask
        return ops.cast(kernel, self.compute_dtype)

    def call(self, inputs):
        return self._convolved(self._beside(inputs, self.rows - 1), self.taps(), self.rows)

    def of_row(self, rows):
        """The features of the last of the rows (batch, rows, width, channels)."""
        return self._convolved(self._beside(rows), self.taps(), self.rows)

    def from_above(self, rows):
        """What the rows above (batch, rows - 1, width, channels) contribute to each pixel of a row.

        Returns:
            Tensor (batch, width, filters).
        """
        taps = self.taps()[: self.above]
        return self._convolved(self._beside(rows), taps, self.rows - 1)[:, 0]

    def from_own_row(self, pixels):
        """What the row's last pixels (batch, left + 1, channels) add: (batch, filters)."""
        taps = self.taps()[self.above :]
        pixels = pixels[:, : taps.shape[0]]
        if taps.shape[0] == 0:
            return 0.0
        taps = ops.reshape(taps, (-1, self.filters))
        return ops.matmul(ops.reshape(pixels, (-1, taps.shape[0])), taps)

    def _beside(self, x, above=0):
        x = ops.cast(x, self.compute_dtype)
        if self.right < 0:
            x = x[:, :, : self.right]
        return ops.pad(x, ((0, 0), (above, 0), (self.left, max(self.right, 0)), (0, 0)))

    def _convolved(self, x, taps, rows):
        missing = rows * self.columns - taps.shape[0]  # to the right in the own row
        kernel = ops.pad(taps, ((0, missing), (0, 0), (0, 0)))
        kernel = ops.reshape(kernel, (rows, self.columns, *taps.shape[1:]))
        y = ops.conv(x, kernel, self.strides, "valid", "channels_last")
        return y + ops.cast(self.bias, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        height, width = (None if n is None else n // self.strides for n in input_shape[1:3])
        return (input_shape[0], height, width, self.filters)

    def get_config(self) -> dict:
        names = ["filters", "rows", "left", "right", "of_rows", "center", "strides", "scale"]
        names += ["channels", "earlier", "copies", "of_image"]
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="kerasgan")
class Upsampling(layers.Layer):
    """Transposed 2x2 convolution with stride 2: every position becomes four.

    Args:
        filters: int.
        scale: int, pixels of the image per position of the output, in each direction.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.
    """

    def __init__(self, filters: int, *, scale: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.scale = filters, scale
        self.four = layers.Dense(4 * filters, name="four", dtype=self.dtype_policy)

    def build(self, input_shape):
        self.four.build(input_shape)

    def places(self, inputs):
        """The features of the four positions: (batch, height, width, 2, 2, filters)."""
        _, height, width, _ = inputs.shape
        return ops.reshape(self.four(inputs), (-1, height, width, 2, 2, self.filters))

    def call(self, inputs):
        _, height, width, _ = inputs.shape
        places = ops.transpose(self.places(inputs), (0, 1, 3, 2, 4, 5))
        return ops.reshape(places, (-1, 2 * height, 2 * width, self.filters))

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        return (batch, 2 * height, 2 * width, self.filters)

    def get_config(self) -> dict:
        return {**super().get_config(), "filters": self.filters, "scale": self.scale}


class CausalBlock(layers.Layer):
    """A block of layers of a `CausalNetwork`, which only that network creates."""

    def get_config(self) -> dict:
        return {"name": self.name, "trainable": self.trainable}


class WholeImage:
    """The view for training: every layer computes all of its positions at once."""

    def __call__(self, layer, x):
        """The output of a `CausalConv2D` or an `Upsampling`."""
        return layer(x)

    def row_above(self, x):
        """The features of the row above each pixel, for a layer of rows; zeros at the top."""
        return ops.pad(x, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1]


class OneRow:
    """The view for row layers at the start of a row: they compute its features once.

    Args:
        row: int32 tensor, the number of the row.
        above: tensor (batch, 1, width, channels), the network's features of the pixels above.
        kept: dict by layer of dict: `rows`, the last rows of the layer's input, and `output`, for
            layers with strides, which compute only some rows.
    """

    def __init__(self, row, above, kept):
        self.row, self.above, self.kept = row, above, kept
        self.keeps = {}

    def __call__(self, layer, x):
        if isinstance(layer, Upsampling):
            _, _, width, filters = layer.compute_output_shape(x.shape)
            places = ops.take(layer.places(x), (self.row // layer.scale) % 2, axis=3)
            return ops.reshape(places, (-1, 1, width, filters))
        if not layer.looks_around:
            return layer(x)
        kept, keeps = self.kept.get(layer.name, {}), {}
        rows = x
        if layer.rows > 1:
            rows = ops.concatenate([kept["rows"], x], axis=1)
            ends = self.row % layer.scale == layer.scale - 1
            keeps["rows"] = ops.where(ends, rows[:, 1:], kept["rows"])
        y = layer.of_row(rows)
        if layer.strides > 1:
            begins = self.row % (layer.scale * layer.strides) == 0
            y = keeps["output"] = ops.where(begins, y, kept["output"])
        self.keeps[layer.name] = keeps
        return y

    def row_above(self, x):
        return self.above


class OnePixel:
    """The view for pixel layers at one pixel: they compute the features of that pixel only.

    Args:
        row, column: int32 tensors.
        above: dict by layer of dict: `above`, the contribution of the rows above to this pixel
            (batch, filters), and `output`, the output of a layer with strides in an earlier row.
        kept: dict by layer of dict: `left`, the inputs of the pixels to the left (batch, left,
            channels), and `output`, for layers with strides, which compute only some pixels.
    """

    def __init__(self, row, column, above, kept):
        self.row, self.column, self.above, self.kept = row, column, above, kept
        self.inputs, self.keeps, self.of_image = {}, {}, []

    def __call__(self, layer, x):
        if isinstance(layer, Upsampling):
            row, column = ((place // layer.scale) % 2 for place in (self.row, self.column))
            places = ops.reshape(layer.places(x), (-1, 4, layer.filters))
            return ops.take(places, 2 * row + column, axis=1)[:, None, None]
        if not layer.looks_around:
            return layer(x)
        above, kept, keeps = self.above.get(layer.name, {}), self.kept.get(layer.name, {}), {}
        x = ops.cast(x[:, 0], layer.compute_dtype)
        pixels = ops.concatenate([kept["left"], x], axis=1) if layer.left else x
        # `from_above` has added the bias.
        y = above["above"] if layer.rows > 1 else ops.cast(layer.bias, layer.compute_dtype)
        y = y + layer.from_own_row(pixels)
        if layer.strides > 1:
            stride = layer.scale * layer.strides
            y = ops.where(self.row % stride == 0, y, above["output"])
            y = keeps["output"] = ops.where(self.column % stride == 0, y, kept["output"])
        if layer.of_image:
            self.of_image.append(layer)
        self.inputs[layer.name] = x[:, 0]
        if layer.left:
            ends = self.column % layer.scale == layer.scale - 1
            keeps["left"] = ops.where(ends, pixels[:, 1:], kept["left"])
        self.keeps[layer.name] = keeps
        return y[:, None, None]

    def drawn(self, x):
        """Lets the layers that read the image store the value drawn for this pixel."""
        for layer in self.of_image:
            x = ops.cast(x, layer.compute_dtype)
            self.inputs[layer.name] = x[:, 0, 0]
            left = self.kept[layer.name]["left"]
            pixels = ops.concatenate([left, x[:, 0]], axis=1)
            self.keeps[layer.name]["left"] = pixels[:, 1:]


class CausalNetwork(keras.Model):
    """A network from an image to the parameters of a distribution for each of its pixels.

    A subclass creates its layers in `__init__` and defines

    - `above(view, x, labels, training)`: maps the output of `see` to a list of row features, with
      layers that have `of_rows=True`; by default none;
    - `parameters(view, x, above, labels, training)`: maps the output of `see`, and the row features
      at the same positions, to parameters (batch, height, width, n).

    Both call every `CausalConv2D` and `Upsampling` through `view`; all other operations must act on
    each position by itself.

    Args:
        image_shape: (height, width, channels).
        num_classes: None, or int: the network then takes [images, labels].
        sees_channels: bool, whether parameters depend on the channels of the same pixel, so that
            the network must be computed again for each channel.
        **kwargs: `name`, as for `keras.Model`.
    """

    def __init__(
        self,
        image_shape: tuple[int, ...],
        num_classes: int | None = None,
        sees_channels: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.image_shape, self.num_classes = tuple(image_shape), num_classes
        self.sees_channels = sees_channels

    def see(self, images):
        """The input of the layers for an image; by default the image itself."""
        return images

    def above(self, view, x, labels=None, training=False):
        return []

    def make(self) -> None:
        """Creates the weights of all layers; call it at the end of `__init__`."""
        image = ops.zeros((1, *self.image_shape))
        self(image if self.num_classes is None else [image, ops.zeros((1,), "int32")])

    def call(self, inputs, training=False):
        images, labels = (inputs, None) if self.num_classes is None else inputs
        view, x = WholeImage(), self.see(images)
        above = self.above(view, x, labels, training)
        return ops.cast(self.parameters(view, x, above, labels, training), "float32")

    @property
    def causal_layers(self) -> list:
        """Its `CausalConv2D` layers that see positions other than their own: list."""
        found = [layer for layer in private.layers_of(self) if isinstance(layer, CausalConv2D)]
        return [layer for layer in found if layer.looks_around]


def _channel_of(features, channels, copies):
    """The channel to which each feature belongs: int array (features,)."""
    each = features // copies
    return np.tile(np.arange(each) * channels // each, copies)

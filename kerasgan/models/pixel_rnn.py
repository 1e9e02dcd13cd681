"""PixelRNN, van den Oord et al. 2016: LSTMs that run over the rows or the diagonals of an image."""

import keras
from keras import ops

from kerasgan import backend
from kerasgan.density.autoregressive import AutoregressiveModel
from kerasgan.layers.causal import CausalBlock, CausalConv2D, CausalNetwork

VARIANTS = ("row", "diagonal")


@keras.saving.register_keras_serializable(package="kerasgan")
class PixelRNN(AutoregressiveModel):
    """Two-dimensional LSTMs, and a softmax over pixel values; very slow.

    As `PixelCNN`, with LSTMs instead of the convolutions in its residual blocks. `"row"` is the Row
    LSTM: its state moves down from row to row by a 1x3 convolution, so it sees a triangle above a
    pixel (section 3.1). `"diagonal"` is the Diagonal BiLSTM: the image is skewed, each row by one
    column more than the one above, and the state moves from column to column of the skewed image by
    a 2x1 convolution, from the left and above. A second LSTM runs the other way; its map is shifted
    down by one row, because it would see the future otherwise, and added. So a single layer sees
    all earlier pixels (section 3.2), except for the last one of the row above, which through the
    first layer's mask A reaches only the next row, and there no more than 3 columns to the left.

    Training runs in as many steps as there are rows, or diagonals. `generate` computes the whole
    network for each pixel.

    Args:
        image_shape: (height, width, channels).
        base_width: int, the paper's h: blocks have twice as many feature maps outside, h inside.
        num_blocks: int of at least 1, the number of LSTMs.
        variant: `"row"` or `"diagonal"`.
        levels: int of at least 2, possible values of a channel: 256, or 2 for black and white.
        binarization: for `levels=2`: `"dynamic"`, which draws gray as black or white at random,
            anew at each training step; or `"fixed"`, which makes everything above 0 white.
        seed: int or None, the seed of the random numbers in training.
        dtype: None or a dtype policy such as `"mixed_bfloat16"`.
        **kwargs: `name`, as for `keras.Model`.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> model = kerasgan.PixelRNN(image_shape=(8, 8, 1), base_width=4, num_blocks=1, levels=2)
    >>> model.compile()
    >>> history = model.fit(kerasgan.data.load("digits"), epochs=1, verbose=0)
    >>> model.generate(4, seed=0).shape
    (4, 8, 8, 1)

    Reference: Pixel Recurrent Neural Networks, van den Oord, Kalchbrenner & Kavukcuoglu, 2016,
    arXiv:1601.06759.

    For black and white the softmax has two values, while the paper uses a sigmoid, which gives the
    same distributions. The paper sets RMSProp's rate by hand for each data set; here it is 1e-3.
    """

    default_batch_size = 16
    caches = False

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        base_width: int = 16,
        num_blocks: int = 7,
        *,
        variant: str = "diagonal",
        levels: int = 256,
        binarization: str = "dynamic",
        seed: int | None = None,
        dtype: str | None = None,
        **kwargs,
    ):
        if variant not in VARIANTS:
            raise ValueError(f"variant={variant!r}; use {' or '.join(map(repr, VARIANTS))}.")
        self._variant = variant
        super().__init__(
            image_shape,
            base_width,
            num_blocks,
            levels=levels,
            binarization=binarization,
            seed=seed,
            dtype=dtype,
            **kwargs,
        )
        self.variant = variant

    def make_network(self) -> CausalNetwork:
        lstm = _RowLSTM if self._variant == "row" else _DiagonalBiLSTM
        return _Network(self.image_shape, self.base_width, self.num_blocks, self.levels, lstm)

    def default_optimizers(self) -> dict:
        return {"network": keras.optimizers.RMSprop(1e-3, epsilon=1e-8)}

    def get_config(self) -> dict:
        return {**super().get_config(), "variant": self.variant}


class _Network(CausalNetwork):
    def __init__(self, image_shape, width, num_blocks, levels, lstm):
        channels = image_shape[-1]
        super().__init__(image_shape, sees_channels=channels > 1, name="network")

        def masked(filters, name, *size, **settings):
            return CausalConv2D(filters, *size, channels=channels, name=name, **settings)

        self.first = masked(
            2 * width, "first", 4, 3, 3, center=channels > 1, earlier=True, of_image=True
        )
        self.blocks = [
            (lstm(width, masked, f"block{block}"), masked(2 * width, f"block{block}_out"))
            for block in range(num_blocks)
        ]
        self.head = [masked(2 * width, f"head{number}") for number in range(2)]
        self.last = masked(channels * levels, "last")
        self.make()

    def parameters(self, view, x, above, labels=None, training=False):
        x = view(self.first, x)
        for lstm, out in self.blocks:
            x = x + out(lstm(x))
        for layer in self.head:
            x = layer(ops.relu(x))
        return self.last(ops.relu(x))


class _LSTM(CausalBlock):
    """An LSTM over the first axis of features.

    Args:
        to_state: layer from the state before (n, ...) to what it adds to the four gates.
    """

    def __init__(self, width, to_state, name):
        super().__init__(name=name)
        self.width, self.to_state = width, to_state

    def call(self, gates):
        def step(carry, gates):
            state, memory = carry
            gates = gates + self.to_state(state)
            output, forget, enter, content = ops.split(gates, 4, axis=-1)
            memory = ops.sigmoid(forget) * memory + ops.sigmoid(enter) * ops.tanh(content)
            state = ops.sigmoid(output) * ops.tanh(memory)
            return (state, memory), state

        start = ops.zeros_like(gates[0, ..., : self.width])
        _, states = backend.scan(step, (start, start), gates, self.compute_dtype)
        return states


class _RowLSTM(CausalBlock):
    def __init__(self, width, masked, name):
        super().__init__(name=name)
        self.of_input = masked(4 * width, f"{name}_input", 1, 1, copies=4)
        to_state = CausalConv2D(4 * width, 1, 1, 1, of_rows=True, name=f"{name}_state")
        self.lstm = _LSTM(width, to_state, f"{name}_lstm")

    def call(self, x):
        rows = ops.transpose(self.of_input(x), (1, 0, 2, 3))
        return ops.transpose(self.lstm(rows[:, :, None])[:, :, 0], (1, 0, 2, 3))


class _DiagonalBiLSTM(CausalBlock):
    def __init__(self, width, masked, name):
        super().__init__(name=name)
        self.of_input, self.lstm = [], []
        for way in ("left", "right"):
            to_state = CausalConv2D(4 * width, 2, of_rows=True, name=f"{name}_{way}_state")
            self.of_input.append(masked(4 * width, f"{name}_{way}_input", copies=4))
            self.lstm.append(_LSTM(width, to_state, f"{name}_{way}_lstm"))

    def call(self, x):
        from_left = self._run(0, x)
        from_right = ops.flip(self._run(1, ops.flip(x, axis=2)), axis=2)
        # In its own row it has seen what lies to the right.
        return from_left + ops.pad(from_right, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1]

    def _run(self, way, x):
        columns = ops.transpose(_skewed(self.of_input[way](x)), (2, 0, 1, 3))
        states = self.lstm[way](columns[:, :, :, None])[:, :, :, 0]
        return _straight(ops.transpose(states, (1, 2, 0, 3)), x.shape[2])


def _skewed(x):
    """Each row one column further to the right: (n, height, width + height - 1, filters)."""
    _, height, width, filters = x.shape
    x = ops.pad(x, ((0, 0), (0, 0), (0, height), (0, 0)))
    x = ops.reshape(x, (-1, height * (width + height), filters))[:, :-height]
    return ops.reshape(x, (-1, height, width + height - 1, filters))


def _straight(x, width):
    """What was skewed before: (n, height, width, filters)."""
    _, height, _, filters = x.shape
    x = ops.reshape(x, (-1, height * (width + height - 1), filters))
    x = ops.pad(x, ((0, 0), (0, height), (0, 0)))
    return ops.reshape(x, (-1, height, width + height, filters))[:, :, :width]

"""Gated PixelCNN, van den Oord et al. 2016: two stacks of gated convolutions without blind spot."""

import keras
from keras import layers, ops

from kerasgan.density.autoregressive import AutoregressiveModel
from kerasgan.layers.causal import CausalConv2D, CausalNetwork


@keras.saving.register_keras_serializable(package="kerasgan")
class GatedPixelCNN(AutoregressiveModel):
    """A PixelCNN of a vertical stack, which sees all rows above, and a horizontal one for the row.

    Every layer multiplies a tanh by a sigmoid, like the gates of an LSTM (equation 2). The vertical
    stack has no mask and sees the whole rectangle above a pixel. The horizontal stack gets its
    features and sees the pixels to the left, so there is no blind spot (figure 2). Only the
    horizontal stack has residual connections. With `num_classes` the label adds a vector to the
    inputs of the tanh and the sigmoid, in every layer and at every position (equation 4).

    Args:
        image_shape: (height, width, channels).
        base_width: int, the number of feature maps, the paper's p.
        num_blocks: int of at least 1, layers after the first one, whose kernels are 3 wide.
        num_classes: None, or int: `fit` then takes (images, labels), labels from 0 to num_classes -
            1, and `generate` and `log_likelihood` need labels.
        levels: int of at least 2, possible values of a channel: 256, or 2 for black and white.
        binarization: for `levels=2`: `"dynamic"`, which draws gray as black or white at random,
            anew at each training step; or `"fixed"`, which makes everything above 0 white.
        seed: int or None, the seed of the random numbers in training.
        dtype: None or a dtype policy such as `"mixed_bfloat16"`.
        **kwargs: `name`, as for `keras.Model`.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> g = kerasgan.GatedPixelCNN((8, 8, 1), base_width=4, num_blocks=1, num_classes=10, levels=2)
    >>> g.compile()
    >>> digits = kerasgan.data.load("digits", labels=True)
    >>> history = g.fit(digits, epochs=1, verbose=0)
    >>> g.generate(4, seed=0, labels=7).shape
    (4, 8, 8, 1)

    Reference: Conditional Image Generation with PixelCNN Decoders, van den Oord, Kalchbrenner,
    Espeholt, Kavukcuoglu, Vinyals & Graves, 2016, arXiv:1606.05328.

    The vertical stack is shifted down by a row at its input, while the paper crops at each use. The
    paper does not state its optimizer; RMSProp with a rate of 1e-3 is that of `PixelCNN`.
    """

    default_batch_size = 16

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        base_width: int = 32,
        num_blocks: int = 12,
        *,
        num_classes: int | None = None,
        levels: int = 256,
        binarization: str = "dynamic",
        seed: int | None = None,
        dtype: str | None = None,
        **kwargs,
    ):
        super().__init__(
            image_shape,
            base_width,
            num_blocks,
            levels=levels,
            binarization=binarization,
            num_classes=num_classes,
            seed=seed,
            dtype=dtype,
            **kwargs,
        )

    def make_network(self) -> CausalNetwork:
        return _Network(
            self.image_shape, self.base_width, self.num_blocks, self.levels, self.num_classes
        )

    def default_optimizers(self) -> dict:
        return {"network": keras.optimizers.RMSprop(1e-3, epsilon=1e-8)}


class _Network(CausalNetwork):
    def __init__(self, image_shape, width, num_blocks, levels, num_classes):
        channels = image_shape[-1]
        super().__init__(image_shape, num_classes, sees_channels=channels > 1, name="network")

        def masked(filters, name, *size, **settings):
            return CausalConv2D(filters, *size, channels=channels, name=name, **settings)

        self.vertical, self.horizontal, self.down, self.out = [], [], [], []
        for number in range(num_blocks + 1):
            name = f"layer{number}"
            size = (3, 3, 3) if number == 0 else (2, 1, 1)
            first = {"center": channels > 1, "earlier": True, "of_image": True}
            self.vertical.append(
                CausalConv2D(2 * width, *size, of_rows=True, name=f"{name}_vertical")
            )
            self.horizontal.append(
                masked(
                    2 * width,
                    f"{name}_horizontal",
                    *(1, size[1]),
                    copies=2,
                    **(first if number == 0 else {}),
                )
            )
            self.down.append(layers.Dense(2 * width, name=f"{name}_down"))
            self.out.append(masked(width, f"{name}_out"))
        self.classes = []
        if num_classes is not None:
            self.classes = [
                layers.Embedding(num_classes, 4 * width, "zeros", name=f"layer{number}_class")
                for number in range(num_blocks + 1)
            ]
        self.head = masked(2 * width, "head")
        self.last = masked(channels * levels, "last")
        self.make()

    def above(self, view, x, labels=None, training=False):
        """What each layer of the vertical stack adds to that of the horizontal one."""
        x, found = view.row_above(x), []
        for number, (vertical, down) in enumerate(zip(self.vertical, self.down, strict=True)):
            features = view(vertical, x)
            added, of_horizontal = self._of_class(number, labels)
            found.append(down(features) + of_horizontal)
            x = _gate(features + added)
        return found

    def parameters(self, view, x, above, labels=None, training=False):
        for number, (horizontal, out) in enumerate(zip(self.horizontal, self.out, strict=True)):
            y = out(_gate(view(horizontal, x) + above[number]))
            x = y if number == 0 else x + y
        x = self.head(ops.relu(x))
        return self.last(ops.relu(x))

    def _of_class(self, number, labels):
        if labels is None:
            return 0.0, 0.0
        return ops.split(self.classes[number](labels)[:, None, None], 2, axis=-1)


def _gate(features):
    """A tanh of one half of the features, multiplied with a sigmoid of the other."""
    content, gate = ops.split(features, 2, axis=-1)
    return ops.tanh(content) * ops.sigmoid(gate)

"""PixelCNN, van den Oord et al. 2016: masked convolutions give each pixel's distribution."""

import keras
from keras import ops

from kerasgan.density.autoregressive import AutoregressiveModel
from kerasgan.layers.causal import CausalConv2D, CausalNetwork


@keras.saving.register_keras_serializable(package="kerasgan")
class PixelCNN(AutoregressiveModel):
    """Convolutions that see the pixels above and to the left, and a softmax over pixel values.

    The likelihood of an image is the product of those of its values, each given the ones before:
    pixels row by row, and within a pixel red, green, blue. The first layer is a 7x7 convolution
    with mask A: red sees nothing of its own pixel, green sees red, and blue sees both. Residual
    blocks of 1x1, 3x3 and 1x1 convolutions follow, with mask B, with which a feature also sees
    features of its own channel (figure 5, left, and table 1). Two more 1x1 layers lead to the
    softmax.

    The network never sees a triangle to the upper right of a pixel, whatever its depth, because 3x3
    kernels reach only one column to the right for each row up. `GatedPixelCNN` does not have this
    blind spot.

    Args:
        image_shape: (height, width, channels).
        base_width: int, the paper's h: blocks have twice as many feature maps outside, h inside.
        num_blocks: int of at least 1, residual blocks.
        levels: int of at least 2, possible values of a channel: 256, or 2 for black and white.
        binarization: for `levels=2`: `"dynamic"`, which draws gray as black or white at random,
            anew at each training step; or `"fixed"`, which makes everything above 0 white.
        seed: int or None, the seed of the random numbers in training.
        dtype: None or a dtype policy such as `"mixed_bfloat16"`.
        **kwargs: `name`, as for `keras.Model`.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> model = kerasgan.PixelCNN(image_shape=(8, 8, 1), base_width=8, num_blocks=2, levels=2)
    >>> model.compile()
    >>> history = model.fit(kerasgan.data.load("digits"), epochs=1, verbose=0)
    >>> sorted(history.history)
    ['bits_per_dim', 'loss', 'nll']
    >>> images = model.generate(4, seed=0, temperature=0.8)
    >>> model.log_likelihood(images).shape
    (4,)

    Reference: Pixel Recurrent Neural Networks, van den Oord, Kalchbrenner & Kavukcuoglu, 2016,
    arXiv:1601.06759.

    For black and white the softmax has two values, while the paper uses a sigmoid, which gives the
    same distributions. The paper sets RMSProp's rate by hand for each data set; here it is 1e-3.
    """

    default_batch_size = 16

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        base_width: int = 16,
        num_blocks: int = 15,
        *,
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
            seed=seed,
            dtype=dtype,
            **kwargs,
        )

    def make_network(self) -> CausalNetwork:
        return _Network(self.image_shape, self.base_width, self.num_blocks, self.levels)

    def default_optimizers(self) -> dict:
        return {"network": keras.optimizers.RMSprop(1e-3, epsilon=1e-8)}


class _Network(CausalNetwork):
    def __init__(self, image_shape, width, num_blocks, levels):
        channels = image_shape[-1]
        super().__init__(image_shape, sees_channels=channels > 1, name="network")

        def masked(filters, name, *size, **settings):
            return CausalConv2D(filters, *size, channels=channels, name=name, **settings)

        self.first = masked(
            2 * width, "first", 4, 3, 3, center=channels > 1, earlier=True, of_image=True
        )
        self.blocks = [
            (
                masked(width, f"block{block}_in"),
                masked(width, f"block{block}_middle", 2, 1, 1),
                masked(2 * width, f"block{block}_out"),
            )
            for block in range(num_blocks)
        ]
        self.head = [masked(2 * width, f"head{number}") for number in range(2)]
        self.last = masked(channels * levels, "last")
        self.make()

    def parameters(self, view, x, above, labels=None, training=False):
        x = view(self.first, x)
        for enter, middle, leave in self.blocks:
            y = enter(ops.relu(x))
            y = view(middle, ops.relu(y))
            x = x + leave(ops.relu(y))
        for layer in self.head:
            x = layer(ops.relu(x))
        return self.last(ops.relu(x))

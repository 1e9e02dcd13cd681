"""PixelCNN++, Salimans et al. 2017: shifted convolutions, short-cuts, a mixture of logistics."""

import math

import keras
from keras import layers, ops

from kerasgan import checks
from kerasgan.density.autoregressive import AutoregressiveModel
from kerasgan.layers.causal import CausalBlock, CausalConv2D, CausalNetwork, Upsampling
from kerasgan.losses import likelihoods
from kerasgan.training.optimizers import adam

RESOLUTIONS = 3


@keras.saving.register_keras_serializable(package="kerasgan")
class PixelCNNPlusPlus(AutoregressiveModel):
    """A PixelCNN over three resolutions that gives each pixel a discretized mixture of logistics.

    The likelihood of a pixel is a mixture of logistic distributions, rounded to the `levels`; all
    channels share the component, and the means of green and blue are linear in the channels before
    (sections 2.1 and 2.2), so the network is computed once per pixel. Two stacks, one for the rows
    above and one that also sees the pixels to the left, are gated residual networks of shifted
    convolutions, of 2x3 and 2x2. They go down to a quarter of the resolution with strided
    convolutions and up again, with short-cuts between corresponding layers (sections 2.3 and 2.4).
    Every residual block has dropout (section 2.5). The nonlinearity is ELU of the features and of
    their negatives.

    Values are drawn as whole numbers, by inverting the cumulative distribution at a uniform number.

    Args:
        image_shape: (height, width, channels), sides that are multiples of 4.
        base_width: int, feature maps.
        num_blocks: int of at least 1, residual blocks per resolution, on the way down and on the
            way up.
        num_mixtures: int of at least 1, the number of mixture components.
        dropout: float from 0 to below 1, the dropout rate.
        num_classes: None, or int: `fit` then takes (images, labels), labels from 0 to num_classes -
            1, and `generate` and `log_likelihood` need labels.
        levels: int of at least 2, possible values of a channel.
        seed: int or None, the seed of the random numbers in training.
        dtype: None or a dtype policy such as `"mixed_bfloat16"`.
        **kwargs: `name`, as for `keras.Model`.

    Raises:
        ValueError: for an argument out of range, or sides that are not multiples of 4.

    Example:

    >>> model = kerasgan.PixelCNNPlusPlus((8, 8, 1), base_width=4, num_blocks=1)
    >>> model.compile()
    >>> digits = kerasgan.data.load("digits")
    >>> history = model.fit(digits, epochs=1, verbose=0)
    >>> sorted(history.history)
    ['bits_per_dim', 'loss', 'nll']
    >>> model.generate(4, seed=0).shape
    (4, 8, 8, 1)

    Reference: PixelCNN++: Improving the PixelCNN with Discretized Logistic Mixture Likelihood and
    Other Modifications, Salimans, Karpathy, Chen & Kingma, 2017, arXiv:1701.05517.

    Departures: weights are neither normalized nor averaged, as they are in the paper's code; its
    transposed convolutions are wider than their strides, these are 2x2. Its likelihood is a sum of
    clamped differences, while this one is exact, and its code draws values between the whole
    numbers.
    """

    default_batch_size = 192

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        base_width: int = 160,
        num_blocks: int = 5,
        num_mixtures: int = 10,
        *,
        dropout: float = 0.5,
        num_classes: int | None = None,
        levels: int = 256,
        seed: int | None = None,
        dtype: str | None = None,
        **kwargs,
    ):
        checks.whole_number("num_mixtures", num_mixtures, 1)
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"dropout={dropout!r}; use a number from 0 to below 1.")
        multiple = 2 ** (RESOLUTIONS - 1)
        if any(side % multiple for side in image_shape[:2]):
            raise ValueError(
                f"image_shape={tuple(image_shape)}: PixelCNNPlusPlus halves images "
                f"{RESOLUTIONS - 1} times; use sides that are multiples of {multiple}."
            )
        self._settings = int(num_mixtures), float(dropout)
        super().__init__(
            image_shape,
            base_width,
            num_blocks,
            levels=levels,
            num_classes=num_classes,
            seed=seed,
            dtype=dtype,
            **kwargs,
        )
        self.num_mixtures, self.dropout = self._settings

    def make_network(self) -> CausalNetwork:
        num_mixtures, dropout = self._settings
        return _Network(
            self.image_shape,
            self.base_width,
            self.num_blocks,
            num_mixtures,
            dropout,
            self.num_classes,
        )

    def default_optimizers(self) -> dict:
        rate = keras.optimizers.schedules.ExponentialDecay(1e-3, 1, 0.999995)
        return {"network": adam(rate, 0.95, 0.9995)}

    # The mixture -------------------------------------------------------------------------------

    def log_likelihood_of_parameters(self, images, parameters):
        logits, *of_channels = self._mixture(parameters)
        channels = range(self.image_shape[-1])
        each = [self._of_components(of_channels, images, channel) for channel in channels]
        nats = ops.logsumexp(ops.log_softmax(logits) + sum(each), axis=-1)
        return ops.sum(nats, axis=(1, 2))

    def log_probabilities(self, parameters, pixel, channel):
        logits, *of_channels = self._mixture(parameters)
        weights = ops.log_softmax(logits)
        for before in range(channel):
            weights = weights + self._of_components(of_channels, pixel, before)
        values = ops.arange(self.levels, dtype="float32")[:, None]
        mean, log_scale = self._logistic(of_channels, pixel, channel)
        each = likelihoods.discretized_logistic_log_likelihood(
            values, mean[..., None, :], log_scale[..., None, :], self.levels
        )
        return ops.logsumexp(weights[..., None, :] + each, axis=-1)

    def _mixture(self, parameters):
        """The components' logits (..., n), and lists of means, log scales and coefficients."""
        channels = self.image_shape[-1]
        pairs = channels * (channels - 1) // 2
        parts = ops.split(parameters, 1 + 2 * channels + pairs, axis=-1)
        return (
            parts[0],
            parts[1 : 1 + channels],
            parts[1 + channels : 1 + 2 * channels],
            [ops.tanh(part) for part in parts[1 + 2 * channels :]],
        )

    def _logistic(self, of_channels, pixel, channel):
        """The means and log scales (..., n) of a channel's components, on the scale of values."""
        means, log_scales, coefficients = of_channels
        first = channel * (channel - 1) // 2
        mean = means[channel]
        for before in range(channel):
            mean = mean + coefficients[first + before] * pixel[..., before : before + 1]
        to_values = math.log(0.5 * (self.levels - 1))
        return likelihoods.to_values(mean, self.levels), log_scales[channel] + to_values

    def _of_components(self, of_channels, pixel, channel):
        """The log-probability (..., n) that each component gives to a channel's value."""
        values = likelihoods.to_values(pixel[..., channel : channel + 1], self.levels)
        mean, log_scale = self._logistic(of_channels, pixel, channel)
        return likelihoods.discretized_logistic_log_likelihood(
            ops.round(values), mean, log_scale, self.levels
        )

    def get_config(self) -> dict:
        config = super().get_config()
        del config["binarization"]
        return {**config, "num_mixtures": self.num_mixtures, "dropout": self.dropout}


class _Network(CausalNetwork):
    def __init__(self, image_shape, width, num_blocks, num_mixtures, dropout, num_classes):
        super().__init__(image_shape, num_classes, name="network")
        above = {"rows": 2, "left": 1, "right": 1, "of_rows": True}
        left = {"rows": 2, "left": 1}
        self.first_above = CausalConv2D(width, **above, name="first_above")
        self.first_row_above = CausalConv2D(width, 1, 1, 1, of_rows=True, name="first_of_row_above")
        self.first_left = CausalConv2D(
            width, 2, 1, -1, center=False, of_image=True, name="first_left"
        )

        def blocks(way, level, count):
            """Residual blocks of both stacks."""
            settings = {"scale": 2**level}
            made = []
            for number in range(count):
                name, skips = f"{way}{level}_block{number}", way == "up"
                shared = (width, dropout, num_classes)
                stacks = (
                    _Block(f"{name}_above", *shared, skips, {**above, **settings}),
                    _Block(f"{name}_left", *shared, skips, {**left, **settings}),
                )
                made.append([*stacks, layers.Dense(width, name=f"{name}_from_above")])
            return made

        levels = range(RESOLUTIONS)
        self.down_blocks = [blocks("down", level, num_blocks) for level in levels]
        # One more than on the way down for the short-cut of the layer that changes the resolution.
        self.up_blocks = [
            blocks("up", level, num_blocks + (level < RESOLUTIONS - 1)) for level in levels
        ]
        self.smaller = [
            [
                CausalConv2D(
                    width, **kernel, strides=2, scale=2**level, name=f"smaller{level}_{name}"
                )
                for kernel, name in ((above, "above"), (left, "left"))
            ]
            for level in levels[:-1]
        ]
        self.larger = [
            [
                Upsampling(width, scale=2**level, name=f"larger{level}_{name}")
                for name in ("above", "left")
            ]
            for level in levels[:-1]
        ]
        channels = image_shape[-1]
        count = 1 + 2 * channels + channels * (channels - 1) // 2
        self.last = layers.Dense(num_mixtures * count, name="last")
        self.make()

    def see(self, images):
        """The image and ones, which tell its border from black."""
        return ops.concatenate([images, ops.ones_like(images[..., :1])], axis=-1)

    def above(self, view, x, labels=None, training=False):
        """The outputs of the stack of rows above, for the first layer and blocks of the other."""
        x = view.row_above(x)
        found = [view(self.first_row_above, x)]

        def pass_block(blocks, x, skip=None):
            block, _, project = blocks
            x = block(view, x, skip, None, labels, training)
            found.append(project(_concat_elu(x)))
            return x

        self._pass(view, view(self.first_above, x), 0, pass_block)
        return found

    def parameters(self, view, x, above, labels=None, training=False):
        above = iter(above)

        def pass_block(blocks, x, skip=None):
            return blocks[1](view, x, skip, next(above), labels, training)

        x = next(above) + view(self.first_left, x)
        return self.last(ops.elu(self._pass(view, x, 1, pass_block)))

    def _pass(self, view, x, stack, pass_block):
        """Down to the smallest resolution and up again, in one of the two stacks."""
        made = [x]
        for level, blocks in enumerate(self.down_blocks):
            if level > 0:
                made.append(view(self.smaller[level - 1][stack], made[-1]))
            for block in blocks:
                made.append(pass_block(block, made[-1]))
        x = made.pop()
        for level in reversed(range(RESOLUTIONS)):
            if level < RESOLUTIONS - 1:
                x = view(self.larger[level][stack], x)
            for block in self.up_blocks[level]:
                x = pass_block(block, x, made.pop())
        return x


class _Block(CausalBlock):
    """A gated residual block of one of the stacks."""

    def __init__(self, name, width, dropout, num_classes, skips, kernel):
        super().__init__(name=name)
        self.enter = CausalConv2D(width, **kernel, name=f"{name}_in")
        self.of_skip = layers.Dense(width, name=f"{name}_skip") if skips else None
        self.drop = layers.Dropout(dropout, seed=0, name=f"{name}_dropout")
        self.leave = CausalConv2D(2 * width, **kernel, name=f"{name}_out")
        self.of_class = None
        if num_classes is not None:
            self.of_class = layers.Embedding(num_classes, 2 * width, "zeros", name=f"{name}_class")
        self.built = True  # its layers are when they are used

    def __call__(self, view, x, skip, above, labels, training):
        y = view(self.enter, _concat_elu(x))
        if above is not None:
            y = y + above
        if skip is not None:
            y = y + self.of_skip(_concat_elu(skip))
        y = view(self.leave, self.drop(_concat_elu(y), training=training))
        if labels is not None:
            y = y + self.of_class(labels)[:, None, None]
        content, gate = ops.split(y, 2, axis=-1)
        return x + content * ops.sigmoid(gate)


def _concat_elu(x):
    return ops.elu(ops.concatenate([x, -x], axis=-1))

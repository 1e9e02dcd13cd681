"""Networks with layers for every resolution, and parts that ProGAN and StyleGAN share."""

import keras
from keras import layers, ops

from kerasgan.layers.blur import Blur
from kerasgan.layers.equalized import equalized
from kerasgan.layers.minibatch import MinibatchStdDev
from kerasgan.layers.precision import dtype_policy
from kerasgan.layers.shapes import doublings_to

START_SIZE = 4


class GrowingNetwork(keras.Model):
    """A network with layers for every resolution, which uses those up to its stage.

    Stage s is the resolution 4 * 2^s. Used alone, a network is at its last stage and `alpha` is 1:
    an ordinary network for the final resolution. All weights exist from the start, so that a file,
    an optimizer and an averaged copy have the same arrays at every stage.

    A subclass creates its layers under `with dtype_policy(self.dtype_policy)`, and defines
    `layers_at(stage)`.

    Args:
        image_shape: (size, size, channels), size 4 doubled once or more often.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Attributes:
        alpha: float32 variable, the weight of this stage's layers in the output; the remaining
            weight is that of the resized output of the stage before.
    """

    def __init__(self, image_shape, **kwargs):
        super().__init__(**kwargs)
        self.final_image_shape = tuple(image_shape)
        _, self.last_stage = doublings_to(self.final_image_shape, (START_SIZE,))
        self.alpha = self.add_weight(
            (),
            "ones",
            "float32",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
            name="alpha",
        )
        last_stage = keras.initializers.Constant(self.last_stage)
        # For the file: a graph is made for one stage, which is therefore a number of Python's.
        self.saved_stage = self.add_weight((), last_stage, "int32", trainable=False, name="stage")
        self._stage = self.last_stage

    @property
    def stage(self):
        """int, 0 for 4x4."""
        return self._stage

    @stage.setter
    def stage(self, stage):
        self._stage = stage
        self.saved_stage.assign(stage)
        self.predict_function = None

    @property
    def image_shape(self):
        """The shape of the images of the stage."""
        size = START_SIZE * 2**self.stage
        return (size, size, self.final_image_shape[-1])

    def layers_at(self, stage):
        """The layers in use at a stage."""
        raise NotImplementedError

    def idle_weights(self):
        """The weights that are not in use at this stage."""
        used = {id(w) for layer in self.layers_at(self.stage) for w in layer.weights}
        used |= {id(self.alpha), id(self.saved_stage)}
        return [w for w in self.weights if id(w) not in used]

    def faded(self, before, now):
        """Mixes the outputs of the stage before and of this one by alpha; exact at 0 and at 1."""
        alpha = ops.cast(self.alpha, now.dtype)
        return (1.0 - alpha) * before + alpha * now

    def load_own_variables(self, store):
        super().load_own_variables(store)
        self.stage = int(ops.convert_to_numpy(self.saved_stage))

    def set_weights(self, weights):
        super().set_weights(weights)
        self.stage = int(ops.convert_to_numpy(self.saved_stage))


class GrowingDiscriminator(GrowingNetwork):
    """The discriminator of table 2 of Karras et al. 2018; with blur also StyleGAN's.

    Args:
        image_shape: (size, size, channels).
        base_width, max_width: int, see `GrowingGAN`.
        widths: None, or feature maps of each stage in place of these; see `stage_widths`.
        blur: whether to blur features before downsampling, as in StyleGAN.
        pool_first: whether a stage downsamples before its last leaky ReLU, as the authors' code
            does for both papers, or after it, as in table 2.
        **kwargs: `name` and `dtype`, as for `keras.Model`.
    """

    def __init__(
        self,
        image_shape,
        base_width,
        max_width,
        widths=None,
        blur=False,
        pool_first=True,
        **kwargs,
    ):
        super().__init__(image_shape, **kwargs)
        self.settings = {"base_width": base_width, "max_width": max_width, "widths": widths}
        self.settings |= {"blur": blur, "pool_first": pool_first}
        widths = stage_widths(image_shape, base_width, max_width, widths)
        with dtype_policy(self.dtype_policy):
            self.from_image = [
                from_image(stage, image_shape[-1], width) for stage, width in enumerate(widths)
            ]
            self.blocks = [last_block(widths[0])]
            for stage in range(1, len(widths)):
                block = down_block(stage, widths[stage], widths[stage - 1], blur, pool_first)
                self.blocks.append(block)
            self.reduce = layers.AveragePooling2D(2, dtype="float32", name="reduce")

    def layers_at(self, stage):
        return self.blocks[: stage + 1] + self.from_image[max(0, stage - 1) : stage + 1]

    def call(self, images, training=False):
        x = self.from_image[self.stage](images)
        if self.stage > 0:
            before = self.from_image[self.stage - 1](self.reduce(images))
            x = self.faded(before, self.blocks[self.stage](x))
        for block in reversed(self.blocks[1 : self.stage]):
            x = block(x)
        return self.blocks[0](x)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], 1)

    def get_config(self):
        return {"name": self.name, "image_shape": self.final_image_shape, **self.settings}


def to_image(stage, width, channels):
    """The paper's toRGB: features to an image that is not bounded."""
    features = keras.Input((START_SIZE * 2**stage,) * 2 + (width,))
    layer = layers.Conv2D(channels, 1, dtype="float32", name="conv")
    return keras.Model(features, equalized(layer, gain=1.0)(features), name=f"to_image{stage}")


def from_image(stage, channels, width):
    """The paper's fromRGB: an image to features."""
    image = keras.Input((START_SIZE * 2**stage,) * 2 + (channels,))
    x = layers.LeakyReLU(0.2, name="relu")(conv(width, "conv", size=1)(image))
    return keras.Model(image, x, name=f"from_image{stage}")


def down_block(stage, inputs, width, blur, pool_first):
    """Half the resolution."""
    features = keras.Input((START_SIZE * 2**stage,) * 2 + (inputs,))
    x = layers.LeakyReLU(0.2, name="relu1")(conv(inputs, "conv1")(features))
    if blur:
        x = Blur(name="blur")(x)
    x = conv(width, "conv2")(x)
    ends = [layers.AveragePooling2D(2, name="down"), layers.LeakyReLU(0.2, name="relu2")]
    for layer in ends if pool_first else reversed(ends):
        x = layer(x)
    return keras.Model(features, x, name=f"stage{stage}")


def last_block(width):
    """4x4 features, and how much they differ over the minibatch, to a logit."""
    features = keras.Input((START_SIZE, START_SIZE, width))
    x = MinibatchStdDev(name="minibatch_stddev")(features)
    x = layers.LeakyReLU(0.2, name="conv_relu")(conv(width, "conv")(x))
    x = layers.Flatten(name="flatten")(x)
    x = layers.LeakyReLU(0.2, name="dense_relu")(equalized(layers.Dense(width, name="dense"))(x))
    logit = equalized(layers.Dense(1, dtype="float32", name="logit"), gain=1.0)(x)
    return keras.Model(features, logit, name="stage0")


def conv(width, name, size=3, use_bias=True):
    """A convolution with equalized learning rate."""
    return equalized(layers.Conv2D(width, size, padding="same", use_bias=use_bias, name=name))


def stage_widths(image_shape, base_width, max_width, widths=None):
    """Feature maps of each stage from 4x4 on: doubled at each halving of the size, up to a limit.

    With `widths` these are taken.

    >>> stage_widths((32, 32, 1), 64, 256)
    [256, 256, 128, 64]
    """
    _, doublings = doublings_to(tuple(image_shape), (START_SIZE,))
    if widths is not None:
        if len(widths) != doublings + 1:
            raise ValueError(
                f"widths={widths!r}; use {doublings + 1} numbers for images of {image_shape[0]} "
                "pixels, one for each resolution from 4x4 on."
            )
        return list(widths)
    return [min(base_width * 2**halvings, max_width) for halvings in range(doublings, -1, -1)]

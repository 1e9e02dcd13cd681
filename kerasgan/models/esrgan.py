"""ESRGAN, Wang et al. 2018: large images from small ones, with textures."""

import os
import re
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple, Self

import keras
import numpy as np
from keras import layers, ops

from kerasgan.losses.adversarial import Relativistic
from kerasgan.metrics.feature_maps import feature_maps, vgg19_features
from kerasgan.training.official import Published, PublishedFile
from kerasgan.translation.published_files import (
    PublishedLayer,
    load_layers,
    shapes_of,
    state_of,
)
from kerasgan.translation.super_resolution import SuperResolutionModel, convolution
from kerasgan.weight_files.trees import check_tensors

PAPER_SIZE = 128  # of the large images in training
RESIDUAL_SCALE = 0.2


@keras.saving.register_keras_serializable(package="kerasgan")
class ESRGAN(SuperResolutionModel):
    """SRGAN without batch norm, with dense blocks and a discriminator that compares.

    Section 3.1 of the paper: residual-in-residual dense blocks, whose residuals are scaled by 0.2,
    small at the start, without batch normalization. Section 3.2: the discriminator predicts whether
    an image is more real than the average of the others, `Relativistic(average=True)`. Section 3.3:
    features are those before the activation. The generator minimizes their mean absolute
    difference, plus `adversarial_weight` times the adversarial loss, plus `pixel_weight` times the
    mean absolute difference of the pixels. Section 3.4: `interpolated` mixes the weights of two
    networks. Section 4.1: the generator is first trained on the pixels alone, which is `pretrain`,
    with Adam(2e-4), halved every 200,000 updates; then both with Adam(1e-4), halved after 50,000,
    100,000, 200,000 and 300,000 updates, in batches of 16 crops of 128 pixels.

    `from_official` reads published generators: those of the authors, with the layer names of either
    of their programs, and those that others have trained with these programs. `unshuffle=2` is the
    generator of Real-ESRGAN (Wang et al. 2021, arXiv:2107.10833) that enlarges by 2.

    Departures: the optimizers have a constant rate, that of the paper's second phase; give
    `compile` others for the first. The paper does not state the scale of its features, and its code
    uses VGG19 with other weights than Keras; 1 / 12.75 is SRGAN's. Its code halves the adversarial
    losses, which equations 1 and 2 do not. Its discriminator is SRGAN's here, as section 3.2 says;
    that of its code has one more pair of convolutions.

    Args:
        image_shape: (height, width, channels) of the large images in training, multiples of
            `scale * unshuffle`. Afterwards images of any size are enlarged.
        scale: 2 or 4.
        base_width: int, feature maps between the blocks and in the discriminator's first layer.
        unshuffle: 1 or 2. With 2 the generator first makes channels of blocks of 2x2 pixels, so its
            blocks compute a quarter of the places, and it enlarges once more at the end.
        residual_blocks: int, 23 in the paper's best network, 16 in its smaller one.
        growth: int, feature maps that a layer of a dense block adds.
        features: the features of the content loss, as for `kerasgan.SRGAN`; None for pixels.
        feature_layer: str, the layer of VGG19 or MobileNetV2, if the features come from one of
            them. None for `"block5_conv4"` of VGG19, before its activation, and `"block13"` of
            MobileNetV2.
        feature_scale: float, by which features are multiplied.
        adversarial_weight: float, lambda of the paper.
        pixel_weight: float, eta of the paper.
        seed: int or None; the model draws no random numbers.
        dtype: None or a dtype policy such as `"mixed_bfloat16"`, for generator and discriminator.
        **kwargs: `name`, as for `keras.Model`.

    The data is (small images, large images): `kerasgan.data.paired(images, "super_resolve")`.

    Raises:
        ValueError: for an impossible scale, unshuffle or image_shape, or features for other
            channels.
        OSError: when VGG19's weights are not available; the message says how to get them.

    Example:

    >>> gan = kerasgan.ESRGAN((16, 16, 1), scale=2, base_width=8, residual_blocks=1, features=None)
    >>> gan.compile()
    >>> digits = kerasgan.data.load("digits", image_size=16, batch_size=16)
    >>> pairs = kerasgan.data.paired(digits, "super_resolve", scale=2)
    >>> history = gan.pretrain(pairs, epochs=1, verbose=0)
    >>> smooth = gan.interpolated(gan, 1.0)
    >>> history = gan.fit(pairs, initial_epoch=1, epochs=2, verbose=0)
    >>> gan.interpolated(smooth, 0.8).translate(np.zeros((1, 10, 12, 1), "float32")).shape
    (1, 20, 24, 1)

    Reference: ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks, Wang, Yu, Wu, Gu,
    Liu, Dong, Loy, Qiao & Tang, 2018, arXiv:1809.00219.
    """

    default_loss = Relativistic(average=True)
    pixel_loss_name = "pixel_loss"

    def __init__(
        self,
        image_shape: tuple[int, ...],
        scale: int = 4,
        base_width: int = 64,
        *,
        unshuffle: int = 1,
        residual_blocks: int = 23,
        growth: int = 32,
        features: str | os.PathLike | keras.Model | None = "vgg19",
        feature_layer: str | None = None,
        feature_scale: float = 1.0 / 12.75,
        adversarial_weight: float = 5e-3,
        pixel_weight: float = 1e-2,
        seed: int | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs,
    ):
        if unshuffle not in (1, 2):
            raise ValueError(f"unshuffle={unshuffle!r}; use 1 or 2.")
        self.size_multiple = unshuffle
        before_activation = partial(vgg19_features, activated=False)
        network: dict[str, Any] = {
            "unshuffle": unshuffle,
            "residual_blocks": residual_blocks,
            "growth": growth,
        }
        super().__init__(
            image_shape,
            scale,
            base_width,
            make_generator=partial(rrdb_network, **network),
            make_features=partial(feature_maps, features, feature_layer, vgg19=before_activation),
            feature_scale=feature_scale,
            adversarial_weight=adversarial_weight,
            seed=seed,
            dtype=dtype,
            **kwargs,
        )
        self.unshuffle = unshuffle
        self.residual_blocks = residual_blocks
        self.growth = growth
        self.pixel_weight = pixel_weight

    # The game ----------------------------------------------------------------------------------

    def content_loss(self, large, fake):
        """Section 3.3: the mean absolute difference of the features; float32 scalar."""
        return ops.mean(ops.abs(self.feature_difference(large, fake)))

    def pixel_loss(self, large, fake):
        """L1 of equation 3, and what is minimized in pre-training: float32 scalar."""
        return ops.mean(ops.abs(large - fake))

    def generator_loss(self, small, large, fake, training=True):
        """Equation 3: what the generator minimizes, and logs: `(loss, logs)`."""
        content, pixels = self.content_loss(large, fake), self.pixel_loss(large, fake)
        loss = content + self.pixel_weight * pixels
        loss += self.adversarial_weight * self.realism_loss(large, fake, training)
        return loss, {"content_loss": content, "pixel_loss": pixels}

    def interpolated(self, smooth: Self, share: float) -> Self:
        """Section 3.4: a model whose generator is between this one's and a smoother one.

        A smaller share means fewer artifacts and less texture; any share gives a network without
        further training. Equation 4: the weights are `(1 - share)` times those of `smooth` plus
        `share` times those of this model.

        Args:
            smooth: an `ESRGAN` with a generator of the same shape, from `pretrain` or a published
                file such as `RRDB_PSNR_x4.pth`. This model must have been trained from it, or both
                from the same weights; other weights do not mix.
            share: float in [0, 1].

        Returns:
            A new `ESRGAN`, not compiled; its discriminator is this model's.

        Raises:
            ValueError: for another share, or a generator of another shape.
        """
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"share={share!r}; use a number from 0 to 1.")
        ours, theirs = self.generator.get_weights(), smooth.generator.get_weights()
        if [w.shape for w in ours] != [w.shape for w in theirs]:
            raise ValueError(
                "smooth has a generator of another shape; use a model of the same scale, "
                f"base_width={self.base_width}, unshuffle={self.unshuffle}, "
                f"residual_blocks={self.residual_blocks} and growth={self.growth}."
            )
        mixed = type(self).from_config(self.get_config())
        mixed.set_weights(self.get_weights())
        mixed.generator.set_weights(
            [(1.0 - share) * b + share * a for a, b in zip(ours, theirs, strict=True)]
        )
        return mixed

    def get_config(self) -> dict:
        own = ("unshuffle", "residual_blocks", "growth", "pixel_weight")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}

    # Published files ---------------------------------------------------------------------------

    @classmethod
    def published_in(cls, file: PublishedFile, network: str | None = None) -> Published | None:
        states = _states(file.tree)
        made = {name: published_layers(state) for name, state in states.items()}
        named = {name: found for name, found in made.items() if found is not None}
        names = list(named)
        if not names:
            return None
        if network is not None and network not in names:
            accepted = " or ".join(map(repr, names))
            raise ValueError(f"it has no generator network={network!r}; use None or {accepted}.")
        name = network or names[-1]
        settings, layers_there = named[name]
        check_tensors(states[name], shapes_of(layers_there), name)
        ignored = tuple(f"network {other}" for other in names if other != name)
        channels = settings.pop("channels")
        # VGG19 is for training, and would have to be downloaded to enlarge.
        settings |= {"image_shape": (PAPER_SIZE, PAPER_SIZE, channels), "features": None}
        kind = "state dict of a residual-in-residual dense network (ESRGAN)"
        networks, places = {name: states[name]}, {"generator": name}
        return Published(kind, settings, networks, places, ignored, licence=LICENCE)

    def load_network(self, name: str, tensors: Mapping[str, np.ndarray]) -> None:
        found = published_layers(tensors)
        load_layers(getattr(self, name), [] if found is None else found[1], tensors)


# The network ------------------------------------------------------------------------------------


def rrdb_network(
    channels: int,
    scale: int = 4,
    base_width: int = 64,
    unshuffle: int = 1,
    residual_blocks: int = 23,
    growth: int = 32,
    name: str = "generator",
) -> keras.Model:
    """Figures 3 and 4: SRResNet with residual-in-residual dense blocks.

    Inside, images are in [0, 1], as in the authors' code, so that zero padding means the same. The
    output is not bounded.

    Args:
        channels: int, of the images on both sides.
        scale: 2 or 4.
        base_width: int, feature maps between the blocks.
        unshuffle: int, by how much blocks of pixels become channels first.
        residual_blocks: int, how many.
        growth: int, feature maps that a layer of a dense block adds.
        name: str.

    Returns:
        A `keras.Model` from (batch, height, width, channels) in [-1, 1] to (batch, height * scale,
        width * scale, channels).

    Example:

    >>> network = kerasgan.models.esrgan.rrdb_network(3, 2, base_width=8, residual_blocks=1)
    >>> tuple(network(np.zeros((1, 5, 7, 3), "float32")).shape)
    (1, 10, 14, 3)
    """
    images = keras.Input((None, None, channels))
    x = layers.Rescaling(0.5, 0.5, dtype="float32", name="to_unit")(images)
    if unshuffle > 1:
        x = PixelUnshuffle(unshuffle, dtype="float32", name="unshuffle")(x)
    first = x = convolution(base_width, 3, name="conv_first")(x)
    for block in range(residual_blocks):
        start = x
        for dense in (1, 2, 3):
            x = _dense_block(x, growth, f"block{block}_dense{dense}")
        x = _scaled_sum(start, x, f"block{block}")
    x = layers.Add(name="skip")([first, convolution(base_width, 3, name="trunk")(x)])
    for number in range(1, (scale * unshuffle).bit_length()):
        x = layers.UpSampling2D(2, name=f"up{number}_enlarge")(x)
        x = _activated(convolution(base_width, 3, name=f"up{number}")(x), f"up{number}")
    x = _activated(convolution(base_width, 3, name="conv_high")(x), "conv_high")
    x = convolution(channels, 3, name="conv_last", dtype="float32")(x)
    x = layers.Rescaling(2.0, -1.0, dtype="float32", name="images")(x)
    return keras.Model(images, x, name=name)


@keras.saving.register_keras_serializable(package="kerasgan")
class PixelUnshuffle(layers.Layer):
    """Makes channels of blocks of pixels: (h * factor, w * factor, c) to (h, w, c * factor^2).

    Channel `(c * factor + y) * factor + x` has channel c of the pixel at row y and column x of each
    block, as published weights expect it.

    Args:
        factor: int.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.
    """

    def __init__(self, factor=2, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        (_, height, width, channels), factor = ops.shape(x), self.factor
        blocks = (-1, height // factor, factor, width // factor, factor, channels)
        x = ops.transpose(ops.reshape(x, blocks), (0, 1, 3, 5, 2, 4))
        return ops.reshape(x, (-1, height // factor, width // factor, channels * factor**2))

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        sides = (None if side is None else side // self.factor for side in (height, width))
        return (batch, *sides, channels * self.factor**2)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


def _dense_block(x, growth, name):
    # The supplement: a tenth of the initialization of He et al. 2015.
    small = keras.initializers.VarianceScaling(2.0 * 0.1**2, "fan_in", "untruncated_normal")
    start = x
    for number in range(1, 5):
        conv = convolution(growth, 3, name=f"{name}_conv{number}", kernel_initializer=small)
        y = _activated(conv(x), f"{name}_conv{number}")
        x = layers.Concatenate(name=f"{name}_cat{number}")([x, y])
    width = start.shape[-1]
    x = convolution(width, 3, name=f"{name}_conv5", kernel_initializer=small)(x)
    return _scaled_sum(start, x, name)


def _scaled_sum(x, residual, name):
    residual = layers.Rescaling(RESIDUAL_SCALE, name=f"{name}_scale")(residual)
    return layers.Add(name=f"{name}_sum")([x, residual])


def _activated(x, name):
    return layers.LeakyReLU(0.2, name=f"{name}_relu")(x)


# The published files ----------------------------------------------------------------------------

LICENCE = "the Apache License 2.0, or of Real-ESRGAN the BSD 3-Clause License"
WRAPPERS = ("params", "params_ema")  # of the authors' later program
MOST_BLOCKS = 64


class Names(NamedTuple):
    """What a program calls the layers; of `dense` it numbers the blocks."""

    first: str
    dense: str
    trunk: str
    ups: tuple[str, ...]
    high: str
    last: str


PROGRAMS = (
    Names(
        first="conv_first",
        dense="RRDB_trunk.{}.RDB{}.conv{}",
        trunk="trunk_conv",
        ups=("upconv1", "upconv2", "upconv3"),
        high="HRconv",
        last="conv_last",
    ),
    Names(
        first="conv_first",
        dense="body.{}.rdb{}.conv{}",
        trunk="conv_body",
        ups=("conv_up1", "conv_up2", "conv_up3"),
        high="conv_hr",
        last="conv_last",
    ),
)


def published_layers(
    tensors: Mapping[str, np.ndarray],
) -> tuple[dict[str, Any], list[PublishedLayer]] | None:
    """What the arrays of a published generator say.

    Args:
        tensors: arrays by their names in one of the published programs.

    Returns:
        None for another network; or arguments of `ESRGAN`, with `channels` in place of
        `image_shape`, and the layers.

    Raises:
        ValueError: for sizes that `ESRGAN` does not have.
    """
    names = _names(tensors)
    if names is None:
        return None
    blocks = _count(tensors, names.dense)
    width, inputs = tensors[f"{names.first}.weight"].shape[:2]
    growth, channels = (
        len(tensors[f"{name}.weight"]) for name in (names.dense.format(0, 1, 1), names.last)
    )
    unshuffle = {channels: 1, 4 * channels: 2}.get(inputs)
    if unshuffle is None:
        raise ValueError(
            f"its generator makes {channels} channels from {inputs}; ESRGAN takes as many "
            "channels as it makes, or those of blocks of 2x2 pixels."
        )
    ups = [name for name in names.ups if f"{name}.weight" in tensors]
    scale = 2 ** len(ups) // unshuffle
    if scale not in (2, 4):
        raise ValueError(f"its generator enlarges by {scale}, but ESRGAN enlarges by 2 or 4.")
    found = []

    def add(ours, theirs, outputs, inputs):
        found.append(PublishedLayer(ours, theirs, (outputs, inputs, 3, 3), outputs))

    add("conv_first", names.first, width, inputs)
    for block in range(blocks):
        for dense in (1, 2, 3):
            for conv in range(1, 6):
                ours = f"block{block}_dense{dense}_conv{conv}"
                outputs = growth if conv < 5 else width
                theirs = names.dense.format(block, dense, conv)
                add(ours, theirs, outputs, width + (conv - 1) * growth)
    add("trunk", names.trunk, width, width)
    for number, name in enumerate(ups, 1):
        add(f"up{number}", name, width, width)
    add("conv_high", names.high, width, width)
    add("conv_last", names.last, channels, width)
    settings = {
        "scale": scale,
        "base_width": width,
        "unshuffle": unshuffle,
        "residual_blocks": blocks,
        "growth": growth,
        "channels": channels,
    }
    return settings, found


def _names(tensors):
    """The names of the program that has written arrays, or None."""
    for names in (*PROGRAMS, _numbered(tensors)):
        wanted = (names.first, names.dense.format(0, 1, 1), names.last)
        if all(getattr(tensors.get(f"{n}.weight"), "ndim", 0) == 4 for n in wanted):
            return names
    return None


def _numbered(tensors):
    """The names of the authors' first program, which numbers all layers."""
    dense = "model.1.sub.{}.RDB{}.conv{}.0"
    # Each that enlarges is three: the enlarging, a convolution and its activation.
    ups = sum(re.fullmatch(r"model\.\d{1,3}\.weight", name) is not None for name in tensors) - 3
    return Names(
        first="model.0",
        dense=dense,
        trunk=f"model.1.sub.{_count(tensors, dense)}",
        ups=tuple(f"model.{3 * number}" for number in range(1, min(ups, MOST_BLOCKS) + 1)),
        high=f"model.{3 * ups + 2}",
        last=f"model.{3 * ups + 4}",
    )


def _count(tensors, dense):
    """How many blocks there are."""
    blocks = 0
    while blocks < MOST_BLOCKS and f"{dense.format(blocks, 1, 1)}.weight" in tensors:
        blocks += 1
    return blocks


def _states(tree):
    """The state dicts of generators in a file, by the file's names."""
    state = state_of(tree)
    if state is not None:
        return {"generator": state}
    found = {n: state_of(tree.get(n)) for n in WRAPPERS} if isinstance(tree, dict) else {}
    return {name: state for name, state in found.items() if state is not None}

"""The mapping network and the discriminator of StyleGAN2 and 3, Karras et al. 2020, 2021."""

import functools
import math

import keras
from keras import layers

from kerasgan.growing.networks import START_SIZE, stage_widths
from kerasgan.layers.blur import Blur
from kerasgan.layers.conditioning import OneHot
from kerasgan.layers.equalized import equalized
from kerasgan.layers.minibatch import MinibatchStdDev
from kerasgan.layers.modulated import ScaledLeakyReLU
from kerasgan.layers.pixel_normalization import PixelNormalization

HALF_PRECISION = 4  # the highest resolutions that compute in it
CLAMP = 256.0  # of activations, where some are in half precision


def half_precision(dtype: str | keras.DTypePolicy | None) -> str | None:
    """The name of the dtype policy that a model is made with, if it is of half precision."""
    policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
    return None if policy.compute_dtype == "float32" else policy.name


def precision_at(resolution: int, size: int, half: str | None) -> str:
    """The dtype policy of a resolution."""
    low = resolution * 2**HALF_PRECISION <= size
    return "float32" if half is None or low else half


def widths_by_resolution(
    image_shape: tuple[int, ...], base_width: int, max_width: int
) -> dict[int, int]:
    """Feature maps at each resolution, from 4x4 on: dict."""
    widths = stage_widths(image_shape, base_width, max_width)
    return {START_SIZE * 2**stage: width for stage, width in enumerate(widths)}


# The mapping ------------------------------------------------------------------------------------


def mapping_network(latent_dim, depth, num_classes):
    """z, and the label if there are classes, to w."""
    z = keras.Input((latent_dim,), name="z")
    inputs, x = z, PixelNormalization(dtype="float32", name="latent_norm")(z)
    if num_classes is not None:
        label = keras.Input((), dtype="int32", name="label")
        inputs = [z, label]
        embedded = normalized_embedding(label, num_classes, latent_dim)
        x = layers.Concatenate(dtype="float32", name="z_and_label")([x, embedded])
    return keras.Model(inputs, mapped(x, latent_dim, depth), name="mapping")


def normalized_embedding(label, num_classes, width):
    """A linear function of the one-hot vector, of length sqrt(width)."""
    one_hot = OneHot(num_classes, dtype="float32", name="one_hot")(label)
    dense = layers.Dense(width, dtype="float32", name="embed")
    x = equalized(dense, gain=1.0)(one_hot)
    return PixelNormalization(dtype="float32", name="embed_norm")(x)


def mapped(x, width, depth):
    """The dense layers of a mapping network, which learn at a hundredth of the speed."""
    for number in range(depth):
        dense = layers.Dense(width, dtype="float32", name=f"fc{number}")
        x = equalized(dense, gain=1.0, learning_rate_multiplier=0.01)(x)
        x = ScaledLeakyReLU(dtype="float32", name=f"fc{number}_relu")(x)
    return x


# The discriminator ------------------------------------------------------------------------------


def make_discriminator(
    max_width,
    architecture,
    group_size,
    half,
    image_shape,
    base_width,
    num_classes=None,
    conditioning=None,
    limit=None,
):
    """`discriminator`, as `kerasgan.ImageGAN` asks for it."""
    return discriminator(
        image_shape, base_width, max_width, architecture, group_size, num_classes, half, limit
    )


def discriminator(
    image_shape: tuple[int, ...],
    base_width: int,
    max_width: int,
    architecture: str = "resnet",
    group_size: int = 4,
    num_classes: int | None = None,
    half: str | None = None,
    limit: float | None = None,
) -> keras.Model:
    """The discriminator, (batch, 1) logits (figure 7).

    Args:
        image_shape, base_width, max_width, architecture, num_classes: as for `StyleGAN2`.
        group_size: int, of the minibatch standard deviation.
        half: None, or the dtype policy of the four highest resolutions.
        limit: None, or the largest absolute value of activations; see `limit_of`.
    """
    size = image_shape[0]
    clamp = limit_of(half, limit)
    inputs = images = keras.Input(image_shape, name="images")
    x = None
    widths = widths_by_resolution(image_shape, base_width, max_width)
    for resolution in sorted(widths, reverse=True)[:-1]:
        width, next_width = widths[resolution], widths[resolution // 2]
        conv = functools.partial(convolved, clamp=clamp, dtype=precision_at(resolution, size, half))
        name = f"b{resolution}"
        if x is None or architecture == "skip":
            x = with_image(x, conv(images, width, f"{name}_fromrgb", size=1), name)
        if architecture == "skip":
            images = Blur(dtype="float32", name=f"{name}_image_blur")(images)
            images = layers.AveragePooling2D(2, dtype="float32", name=f"{name}_image_down")(images)
        gain = math.sqrt(0.5) if architecture == "resnet" else 1.0
        y = conv(x, width, f"{name}_conv0")
        y = conv(y, next_width, f"{name}_conv1", gain=gain, down=True)
        if architecture == "resnet":
            policy = precision_at(resolution, size, half)
            skip = Blur(dtype=policy, name=f"{name}_skip_blur")(x)
            skip = layers.AveragePooling2D(2, dtype=policy, name=f"{name}_skip_down")(skip)
            linear = layers.Conv2D(next_width, 1, use_bias=False, dtype=policy, name=f"{name}_skip")
            skip = equalized(linear, gain=gain)(skip)
            y = layers.Add(dtype=policy, name=f"{name}_sum")([skip, y])
        x = y
    width = widths[START_SIZE]
    conv = functools.partial(convolved, clamp=clamp, dtype="float32")
    if architecture == "skip":
        x = with_image(x, conv(images, width, "b4_fromrgb", size=1), "b4")
    x = MinibatchStdDev(group_size, dtype="float32", name="minibatch_stddev")(x)
    x = conv(x, width, "b4_conv")
    x = layers.Flatten(dtype="float32", name="flatten")(x)
    x = equalized(layers.Dense(width, dtype="float32", name="b4_fc"), gain=1.0)(x)
    x = ScaledLeakyReLU(dtype="float32", name="b4_fc_relu")(x)
    features = 1 if num_classes is None else width
    x = equalized(layers.Dense(features, dtype="float32", name="b4_out"), gain=1.0)(x)
    if num_classes is not None:
        label = keras.Input((), dtype="int32", name="label")
        inputs = [inputs, label]
        embedded = mapped(normalized_embedding(label, num_classes, width), width, 8)
        x = layers.Dot(axes=-1, dtype="float32", name="projection")([x, embedded])
        x = layers.Rescaling(1.0 / math.sqrt(width), dtype="float32", name="scaled")(x)
    return keras.Model(inputs, x, name="discriminator")


def limit_of(half, limit=None):
    """The largest absolute value of activations: `limit`, or that which half precision needs."""
    return limit if limit is not None or half is None else CLAMP


def convolved(x, width, name, size=3, gain=1.0, down=False, clamp=None, dtype=None):
    """A convolution, filtered and of stride 2 where it reduces, and the activation."""
    border = {"padding": "same"}
    if down:
        x = Blur(4, 2, dtype=dtype, name=f"{name}_blur")(x)
        border = {"padding": "valid", "strides": 2}
    x = equalized(layers.Conv2D(width, size, dtype=dtype, name=name, **border), gain=1.0)(x)
    return ScaledLeakyReLU(gain, clamp, dtype=dtype, name=f"{name}_relu")(x)


def with_image(x, features, name):
    """Features and those of the image at their resolution."""
    if x is None:
        return features
    return layers.Add(dtype=features.dtype, name=f"{name}_with_image")([x, features])

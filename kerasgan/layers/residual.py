"""The ResNets of SN-GAN and the projection discriminator, Miyato et al. 2018."""

import functools

import keras
from keras import layers

from kerasgan.layers.attention import SelfAttention2D
from kerasgan.layers.conditioning import (
    ConditionalBatchNormalization,
    label_maps,
    labelled_latents,
    logits,
)
from kerasgan.layers.shapes import doublings_to
from kerasgan.layers.spectral_normalization import normalized


def residual_generator(
    image_shape,
    latent_dim=128,
    base_width=256,
    num_classes=None,
    conditioning="one_hot",
    *,
    spectral=False,
    pyramid=False,
    attention_size=None,
):
    """The generator of Miyato et al. 2018, table 4: blocks that double the resolution.

    Args:
        image_shape: (size, size, channels): size is 4 or 7 doubled once or more often, channels
            is 1 or 3.
        latent_dim: int, length of the noise vector z.
        base_width: int, feature maps of all layers.
        num_classes: None, or int: the label is then a second input.
        conditioning: `"one_hot"`, joined to z, or `"projection"`, batch norm for each class.
        spectral: whether all convolutions and dense layers are spectrally normalized.
        pyramid: whether the feature maps are twice as many at each lower resolution but the lowest,
            as in the paper's networks for ImageNet; `base_width` is then that next to the image.
        attention_size: None, or the size of the feature maps that `SelfAttention2D` follows.

    Returns:
        A `keras.Model` to images in [-1, 1].
    """
    start_size, doublings = doublings_to(image_shape)
    of_class = num_classes is not None and conditioning == "projection"
    inputs, x = labelled_latents(latent_dim, num_classes, joined=not of_class)
    label = inputs[1] if of_class else None
    wrap = functools.partial(normalized, spectral=spectral)
    convolution = functools.partial(_convolution, wrap)

    def norm(x, name):
        if label is None:
            return layers.BatchNormalization(momentum=0.9, epsilon=2e-5, name=name)(x)
        return ConditionalBatchNormalization(num_classes, 0.9, 2e-5, name=name)([x, label])

    widths = [base_width * (2**level if pyramid else 1) for level in reversed(range(doublings))]
    x = wrap(layers.Dense(start_size * start_size * widths[0], name="project"))(x)
    x = layers.Reshape((start_size, start_size, widths[0]), name="reshape")(x)
    if attention_size == start_size:
        x = SelfAttention2D(spectral, name="attention")(x)
    for block, width in enumerate(widths):
        x = up_block(x, width, norm, convolution, f"block{block}")
        if x.shape[1] == attention_size:
            x = SelfAttention2D(spectral, name="attention")(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=2e-5, name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = convolution(image_shape[2], 3, "to_image")(x)
    images = layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model(inputs, images, name="generator")


def residual_discriminator(
    image_shape,
    base_width=128,
    num_classes=None,
    conditioning="one_hot",
    *,
    spectral=True,
    pyramid=False,
    attention_size=None,
):
    """The discriminator of Miyato et al. 2018, table 4: blocks, the last of which keep the size.

    Args:
        image_shape, attention_size: as for `residual_generator`.
        base_width: int, feature maps of all layers.
        num_classes: None, or int: the label is then a second input.
        conditioning: `"one_hot"`, matrices stacked on the image, or `"projection"`.
        spectral: whether all weights are spectrally normalized.
        pyramid: whether the feature maps are twice as many after each halving, down to 4x4 or 7x7
            and a last block, as in the paper's networks for ImageNet.

    Returns:
        A `keras.Model` to logits (batch, 1).
    """
    _, doublings = doublings_to(image_shape)
    wrap = functools.partial(normalized, spectral=spectral)
    convolution = functools.partial(_convolution, wrap)
    inputs, x, label = label_maps(image_shape, num_classes, conditioning)
    halvings, kept = (doublings, 1) if pyramid else (max(1, doublings - 1), 2)
    for block in range(halvings + kept):
        halves = block < halvings
        width = base_width * (2 ** min(block, halvings - 1) if pyramid else 1)
        x = down_block(x, width, convolution, f"block{block}", halves, first=block == 0)
        if halves and x.shape[1] == attention_size:
            x = SelfAttention2D(spectral, name="attention")(x)
    return keras.Model(
        inputs,
        pooled_logits(x, label, num_classes, conditioning, wrap, keras.initializers.GlorotUniform),
        name="discriminator",
    )


def up_block(x, width, norm, convolution, name):
    """A block of the generator: twice the resolution, `width` feature maps.

    Args:
        x: features.
        width: int.
        norm: function of features and a name.
        convolution: function of filters, size and a name that makes a layer.
        name: str, of the block.
    """
    shortcut = layers.UpSampling2D(name=f"{name}_shortcut_up")(x)
    shortcut = convolution(width, 1, f"{name}_shortcut")(shortcut)
    x = layers.ReLU(name=f"{name}_relu1")(norm(x, f"{name}_norm1"))
    x = layers.UpSampling2D(name=f"{name}_up")(x)
    x = convolution(width, 3, f"{name}_conv1")(x)
    x = layers.ReLU(name=f"{name}_relu2")(norm(x, f"{name}_norm2"))
    x = convolution(width, 3, f"{name}_conv2")(x)
    return layers.Add(name=name)([x, shortcut])


def down_block(x, width, convolution, name, halves, first):
    """A block of the discriminator: `width` feature maps, half the resolution if `halves`.

    Args:
        x, width, convolution, name: as for `up_block`.
        halves: whether the resolution is halved.
        first: whether x is the image, which has no ReLU before it.
    """
    shortcut = x
    if halves:
        # Pooling first is less work, and a 1x1 convolution of it the same.
        shortcut = layers.AveragePooling2D(2, name=f"{name}_shortcut_down")(shortcut)
    if halves or x.shape[-1] != width:
        shortcut = convolution(width, 1, f"{name}_shortcut")(shortcut)
    if not first:
        x = layers.ReLU(name=f"{name}_relu1")(x)
    x = convolution(width, 3, f"{name}_conv1")(x)
    x = layers.ReLU(name=f"{name}_relu2")(x)
    x = convolution(width, 3, f"{name}_conv2")(x)
    if halves:
        x = layers.AveragePooling2D(2, name=f"{name}_down")(x)
    return layers.Add(name=name)([x, shortcut])


def pooled_logits(x, label, num_classes, conditioning, wrap, initializer):
    """The end of the discriminator: ReLU, the sum over all places, one logit; see `logits`."""
    x = layers.ReLU(name="relu")(x)
    _, height, width, _ = x.shape
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Rescaling(height * width, name="sum")(x)  # the paper pools by sums
    return logits(x, label, num_classes, conditioning, wrap, initializer)


def _convolution(wrap, filters, size, name):
    return wrap(layers.Conv2D(filters, size, padding="same", name=name))

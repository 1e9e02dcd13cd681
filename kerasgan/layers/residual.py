"""The ResNets of SN-GAN and the projection discriminator, Miyato et al. 2018."""

import functools

import keras
from keras import layers

from kerasgan.layers.attention import SelfAttention2D
from kerasgan.layers.conditioning import (
    ConditionalBatchNormalization,
    check_conditioning,
    label_maps,
    labelled_latents,
    logits,
)
from kerasgan.layers.shapes import doublings_to
from kerasgan.layers.spectral_normalization import normalized

# Up to here all layers of a network have one width: in table 4, for CIFAR-10, the generator's 256,
# the discriminator's 128.
CONSTANT_UP_TO = 32
# Above, in units of the width next to the image: the generator's first features and its blocks, the
# discriminator's blocks, and how many of these halve the resolution. For STL-10 (48) table 5, for
# ImageNet (128) table 6; for the other sizes the program of the projection discriminator's authors.
PUBLISHED = {
    48: ((8, 4, 2, 1), (1, 2, 4, 8, 16), 4),
    64: ((16, 8, 4, 2, 1), (1, 2, 4, 8, 16), 5),
    128: ((16, 16, 8, 4, 2, 1), (1, 2, 4, 8, 16, 16), 5),
    256: ((16, 16, 8, 8, 4, 2, 1), (1, 2, 4, 8, 8, 16, 16), 6),
}


def published_width(image_shape):
    """The `base_width` of the published networks for images of this shape: int."""
    start_size, doublings = doublings_to(image_shape)
    return 128 if start_size * 2**doublings <= CONSTANT_UP_TO else 64


def generator_widths(size, doublings, pyramid=False):
    """Multiples of `base_width`: of the first features, then of each block."""
    if size <= CONSTANT_UP_TO and not pyramid:
        return (2,) * (doublings + 1)
    if size in PUBLISHED and not pyramid:
        return PUBLISHED[size][0]
    blocks = [2 ** min(level, 4) for level in reversed(range(doublings))]
    return blocks[0], *blocks


def discriminator_widths(size, doublings, pyramid=False):
    """Multiples of `base_width` of each block, and how many blocks halve the resolution."""
    if size <= CONSTANT_UP_TO and not pyramid:
        halvings = max(1, doublings - 1)
        return (1,) * (halvings + 2), halvings
    if size in PUBLISHED and not pyramid:
        return PUBLISHED[size][1:]
    blocks = [2 ** min(level, 4) for level in range(doublings)]
    return (*blocks, blocks[-1]), doublings


def residual_generator(
    image_shape: tuple[int, ...],
    latent_dim: int = 128,
    base_width: int = 128,
    num_classes: int | None = None,
    conditioning: str = "one_hot",
    *,
    spectral: bool = False,
    pyramid: bool = False,
    attention_size: int | None = None,
) -> keras.Model:
    """The generator of Miyato et al. 2018, tables 4 to 6: blocks that double the resolution.

    Args:
        image_shape: (size, size, channels): size is 4, 6 or 7 doubled once or more often, channels
            is 1 or 3.
        latent_dim: int, length of the noise vector z.
        base_width: int. Up to 32 pixels all layers have twice this many feature maps, double the
            discriminator's. Above, it is the number of feature maps next to the image, which
            doubles at each lower resolution, up to 16 times.
        num_classes: None, or int: the label is then a second input.
        conditioning: `"one_hot"`, joined to z, or `"projection"`, batch norm for each class.
        spectral: whether to normalize all convolutions and dense layers spectrally.
        pyramid: whether to build networks for all image sizes like that for 128 pixels, as SAGAN
            does.
        attention_size: None, or the size of the feature maps after which to put `SelfAttention2D`.

    Returns:
        A `keras.Model` from z (batch, latent_dim), or [z, label] with label int (batch,), to images
        (batch, *image_shape) in [-1, 1], float32.

    Raises:
        ValueError: for an image_shape that doubling does not reach, or another conditioning.

    Example:

    >>> generator = kerasgan.layers.residual_generator((8, 8, 3), latent_dim=8, base_width=4)
    >>> generator(np.zeros((2, 8), "float32")).shape == (2, 8, 8, 3)
    True

    References: Spectral Normalization for Generative Adversarial Networks, Miyato, Kataoka, Koyama
    & Yoshida, 2018, arXiv:1802.05957; projection: cGANs with Projection Discriminator, Miyato &
    Koyama, 2018, arXiv:1802.05637; pyramid, attention: Self-Attention Generative Adversarial
    Networks, Zhang, Goodfellow, Metaxas & Odena, 2019, arXiv:1805.08318.
    """
    check_conditioning(conditioning)
    start_size, doublings = doublings_to(image_shape)
    of_class = num_classes is not None and conditioning == "projection"
    inputs, x = labelled_latents(latent_dim, num_classes, joined=not of_class)
    label = inputs[1] if of_class else None
    wrap = functools.partial(normalized, spectral=spectral)
    convolution = functools.partial(_convolution, wrap, 1.0 if pyramid else 2.0)

    def norm(x, name):
        if label is None:
            return layers.BatchNormalization(momentum=0.9, epsilon=2e-5, name=name)(x)
        return ConditionalBatchNormalization(num_classes, 0.9, 2e-5, name=name)([x, label])

    factors = generator_widths(image_shape[0], doublings, pyramid)
    first, *widths = (base_width * factor for factor in factors)
    x = wrap(layers.Dense(start_size * start_size * first, name="project"))(x)
    x = layers.Reshape((start_size, start_size, first), name="reshape")(x)
    if attention_size == start_size:
        x = SelfAttention2D(spectral, name="attention")(x)
    for block, width in enumerate(widths):
        x = up_block(x, width, norm, convolution, f"block{block}")
        if x.shape[1] == attention_size:
            x = SelfAttention2D(spectral, name="attention")(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=2e-5, name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = wrap(layers.Conv2D(image_shape[2], 3, padding="same", name="to_image"))(x)
    images = layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model(inputs, images, name="generator")


def residual_discriminator(
    image_shape: tuple[int, ...],
    base_width: int = 128,
    num_classes: int | None = None,
    conditioning: str = "one_hot",
    *,
    spectral: bool = True,
    pyramid: bool = False,
    attention_size: int | None = None,
) -> keras.Model:
    """The discriminator of Miyato et al. 2018, tables 4 to 6: blocks that halve the resolution.

    The last blocks keep the size.

    Args:
        image_shape, attention_size: as for `residual_generator`.
        base_width: int. Up to 32 pixels all layers have this many feature maps. Above, it is the
            number of feature maps next to the image, which doubles after each halving, up to 16
            times.
        num_classes: None, or int: the label is then a second input.
        conditioning: `"one_hot"`, matrices stacked on the image, or `"projection"`.
        spectral: whether to normalize all weights spectrally.
        pyramid: whether to build networks for all image sizes like that for 128 pixels, as SAGAN
            does. SAGAN's blocks widen at their first convolution, those of Miyato et al. at their
            second.

    Returns:
        A `keras.Model` from images (batch, *image_shape), or [images, label] with label int
        (batch,), to logits (batch, 1), float32.

    Raises:
        ValueError: for an image_shape that doubling does not reach, or another conditioning.

    Example:

    >>> kerasgan.layers.residual_discriminator((8, 8, 3), base_width=4).output_shape
    (None, 1)

    References: Spectral Normalization for Generative Adversarial Networks, Miyato, Kataoka, Koyama
    & Yoshida, 2018, arXiv:1802.05957; projection: cGANs with Projection Discriminator, Miyato &
    Koyama, 2018, arXiv:1802.05637; pyramid, attention: Self-Attention Generative Adversarial
    Networks, Zhang, Goodfellow, Metaxas & Odena, 2019, arXiv:1805.08318.
    """
    _, doublings = doublings_to(image_shape)
    wrap = functools.partial(normalized, spectral=spectral)
    convolution = functools.partial(_convolution, wrap, 1.0 if pyramid else 2.0)
    check_conditioning(conditioning)
    inputs, x, label = label_maps(image_shape, num_classes, conditioning)
    factors, halvings = discriminator_widths(image_shape[0], doublings, pyramid)
    for block, factor in enumerate(factors):
        halves = block < halvings
        width = base_width * factor
        hidden = width if pyramid or block == 0 else x.shape[-1]
        x = down_block(x, width, convolution, f"block{block}", halves, block == 0, hidden)
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


def down_block(x, width, convolution, name, halves, first, hidden=None):
    """A block of the discriminator: `width` feature maps, half the resolution if `halves`.

    Args:
        x, width, convolution, name: as for `up_block`.
        halves: whether the resolution is halved.
        first: whether x is the image, which has no ReLU before it.
        hidden: int, feature maps between the two convolutions, or None for `width`.
    """
    shortcut = x
    if halves:
        # Pooling first is less work, and gives the same result before a 1x1 convolution.
        shortcut = layers.AveragePooling2D(2, name=f"{name}_shortcut_down")(shortcut)
    if halves or x.shape[-1] != width:
        shortcut = convolution(width, 1, f"{name}_shortcut")(shortcut)
    if not first:
        x = layers.ReLU(name=f"{name}_relu1")(x)
    x = convolution(hidden or width, 3, f"{name}_conv1")(x)
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


def _convolution(wrap, scale, filters, size, name):
    # The 3x3 convolutions of Miyato et al. start with twice the variance of Glorot's, shortcuts
    # with it.
    initializer = keras.initializers.VarianceScaling(
        scale if size == 3 else 1.0, "fan_avg", "uniform"
    )
    return wrap(
        layers.Conv2D(filters, size, padding="same", kernel_initializer=initializer, name=name)
    )

"""PatchGAN, the discriminator of image translation, which judges each patch."""

from collections.abc import Callable

import keras
from keras import layers

# How many strided convolutions give which receptive field; none is two convolutions of 1x1.
STRIDED_LAYERS = {1: 0, 16: 1, 34: 2, 70: 3, 142: 4, 286: 5}


def patch_discriminator(
    image_shape: tuple[int | None, ...],
    receptive_field: int = 70,
    base_width: int = 64,
    normalization: Callable | None = None,
    name: str = "discriminator",
) -> keras.Model:
    """A PatchGAN discriminator: returns a map of logits, each for a square patch of pixels.

    Section 6.1.2 of Pix2Pix' paper: convolutions of 4x4, C64-C128-C256-C512 for 70 pixels, all but
    the last two of stride 2, leaky ReLU of 0.2, no normalization in the first. 1 pixel is C64-C128
    of 1x1. All weights from N(0, 0.02).

    Args:
        image_shape: (height, width, channels); height and width may be None. For conditional
            discriminators the channels are those of source and target together.
        receptive_field: 1, 16, 34, 70, 142 or 286, the width of a patch in pixels.
        base_width: int, feature maps of the first layer, doubled up to three times.
        normalization: function from a name to a normalization layer; None for instance
            normalization without scale and bias.
        name: str.

    Returns:
        A `keras.Model` from images to logits (batch, h, w, 1).

    Raises:
        ValueError: for another receptive field, or an image that is too small for it.

    Example:

    >>> network = patch_discriminator((64, 64, 3), receptive_field=16, base_width=8)
    >>> network.output_shape
    (None, 30, 30, 1)

    Reference: Image-to-Image Translation with Conditional Adversarial Networks, Isola et al., 2017,
    arXiv:1611.07004.
    """
    if receptive_field not in STRIDED_LAYERS:
        raise ValueError(
            f"receptive_field={receptive_field!r}; use one of "
            f"{', '.join(map(str, STRIDED_LAYERS))}."
        )
    strided = STRIDED_LAYERS[receptive_field]
    size = min((s for s in image_shape[:2] if s is not None), default=None)
    if size is not None and strided and size // 2**strided < 3:
        raise ValueError(
            f"receptive_field={receptive_field} needs images of at least {3 * 2**strided} pixels, "
            f"but image_shape is {tuple(image_shape)}; use a smaller field."
        )
    normalization = normalization or instance_normalization
    images = keras.Input(image_shape)
    x = images
    if strided == 0:
        kinds = [(base_width, 1, 1), (2 * base_width, 1, 1)]
    else:
        widths = [base_width * min(2**i, 8) for i in range(strided + 1)]
        kinds = [(width, 4, 2) for width in widths[:-1]] + [(widths[-1], 4, 1)]
    for number, (width, size, stride) in enumerate(kinds):
        x = _padded(x, size)
        first = number == 0
        # Normalization cancels a bias; the published code with instance normalization has biases
        # nevertheless, and its weight files need them.
        use_bias = first or normalization is instance_normalization
        x = convolution(width, size, stride, use_bias=use_bias, name=f"conv{number}")(x)
        x = x if first else normalization(f"norm{number}")(x)
        x = layers.LeakyReLU(0.2, name=f"relu{number}")(x)
    x = _padded(x, kinds[-1][1])
    logits = convolution(1, kinds[-1][1], name="logits", dtype="float32")(x)
    return keras.Model(images, logits, name=name)


def _padded(x, size):
    return x if size == 1 else layers.ZeroPadding2D(1)(x)


def convolution(width, size, stride=1, padding="valid", **kwargs):
    """A convolution whose weights start as N(0, 0.02)."""
    normal = keras.initializers.RandomNormal(0.0, 0.02)
    return layers.Conv2D(width, size, stride, padding=padding, kernel_initializer=normal, **kwargs)


def transposed_convolution(width, size, padding="same", **kwargs):
    """A transposed convolution of stride 2 whose weights start as N(0, 0.02)."""
    normal = keras.initializers.RandomNormal(0.0, 0.02)
    return layers.Conv2DTranspose(
        width, size, 2, padding=padding, kernel_initializer=normal, **kwargs
    )


def instance_normalization(name):
    """Normalizes each map of each image to mean 0 and variance 1, as in CycleGAN."""
    return layers.GroupNormalization(groups=-1, epsilon=1e-5, scale=False, center=False, name=name)


def affine_instance_normalization(name):
    """Instance normalization with learned scale, from N(1, 0.02), and bias.

    It equals batch norm on a batch of one image, with the statistics of that image at test time
    too, as in Pix2Pix.
    """
    normal = keras.initializers.RandomNormal(1.0, 0.02)
    return layers.GroupNormalization(groups=-1, epsilon=1e-5, gamma_initializer=normal, name=name)

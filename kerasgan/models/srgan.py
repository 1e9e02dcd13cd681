"""SRGAN, Ledig et al. 2017: large images from small ones."""

import os
from functools import partial

import keras
from keras import layers, ops

from kerasgan.metrics.feature_maps import feature_maps, vgg19_features
from kerasgan.translation.super_resolution import (
    SuperResolutionModel,
    batch_normalization,
    convolution,
)


@keras.saving.register_keras_serializable(package="kerasgan")
class SRGAN(SuperResolutionModel):
    """A residual network enlarges; what looks real is learned, what is alike is up to VGG19.

    Section 2.2 of the paper: the generator minimizes the content loss, the mean squared difference
    of the features of enlarged and true images, plus `adversarial_weight` times the adversarial
    loss -log D(G(small)). Section 3.2: it is first trained only on the mean squared error of the
    pixels, which `pretrain` does and which gives the paper's SRResNet. Adam(1e-4), batches of 16,
    crops of 96 pixels.

    The paper divides VGG's features by 12.75; dividing the content loss by the square, as here, is
    the same. It leaves 0.006 of the loss.

    Args:
        image_shape: (height, width, channels) of the large images in training, multiples of
            `scale`. Afterwards images of any size are enlarged.
        scale: 2 or 4.
        base_width: int, feature maps.
        residual_blocks: int, B of the paper.
        features: the features of the content loss: `"vgg19"` for the paper's VGG19 with the weights
            of Keras, which are downloaded once; `"mobilenet_v2"`, which the paper does not use, for
            `kerasgan.metrics.mobilenet`, whose weights come with a package;
            `"lpips:BACKBONE,HEADS"` for `kerasgan.metrics.features.lpips`; the path of a file with
            VGG19's weights (`.weights.h5` or `.h5`) or of a Keras model (`.keras`); any
            `keras.Model` from images in [-1, 1] to features; None for the pixels themselves, the
            paper's SRGAN-MSE. They are saved with the model and not trained.
        feature_layer: str, the layer of VGG19, if the features come from it: `"block5_conv4"`, the
            default, for the paper's SRGAN-VGG54, or `"block2_conv2"` for its SRGAN-VGG22. For
            MobileNetV2, `"block1"` to `"block17"`, by default `"block13"`.
        feature_scale: float, by which features are multiplied; 1 / 12.75 in the paper. With 1.0 the
            content loss of `"lpips:..."` is LPIPS.
        adversarial_weight: float, 1e-3 in the paper.
        seed: int or None; the model draws no random numbers.
        dtype: None or a dtype policy such as `"mixed_bfloat16"`, for generator and discriminator.
        **kwargs: `name`, as for `keras.Model`.

    The data is (small images, large images): `kerasgan.data.paired(images, "super_resolve")`.

    Raises:
        ValueError: for an impossible scale or image_shape, or features for other channels.
        OSError: when VGG19's weights are not available; the message says how to get them.

    Example:

    >>> gan = kerasgan.SRGAN((16, 16, 1), scale=2, base_width=8, residual_blocks=2, features=None)
    >>> gan.compile()
    >>> digits = kerasgan.data.load("digits", image_size=16, batch_size=16)
    >>> pairs = kerasgan.data.paired(digits, "super_resolve", scale=2)
    >>> history = gan.pretrain(pairs, epochs=1, verbose=0)
    >>> history = gan.fit(pairs, initial_epoch=1, epochs=2, verbose=0)
    >>> gan.translate(np.zeros((1, 10, 12, 1), "float32")).shape
    (1, 20, 24, 1)

    Reference: Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network,
    Ledig et al., 2017, arXiv:1609.04802.
    """

    pixel_loss_name = "content_loss"

    def __init__(
        self,
        image_shape: tuple[int, ...],
        scale: int = 4,
        base_width: int = 64,
        *,
        residual_blocks: int = 16,
        features: str | os.PathLike | keras.Model | None = "vgg19",
        feature_layer: str | None = None,
        feature_scale: float = 1.0 / 12.75,
        adversarial_weight: float = 1e-3,
        seed: int | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs,
    ):
        super().__init__(
            image_shape,
            scale,
            base_width,
            make_generator=partial(srresnet, residual_blocks=residual_blocks),
            make_features=partial(feature_maps, features, feature_layer, vgg19=vgg19_features),
            feature_scale=feature_scale,
            adversarial_weight=adversarial_weight,
            seed=seed,
            dtype=dtype,
            **kwargs,
        )
        self.residual_blocks = residual_blocks

    # The game ----------------------------------------------------------------------------------

    def pixel_loss(self, large, fake):
        """The generator's loss in pre-training: float32 scalar."""
        return ops.mean(ops.square(large - fake))

    def content_loss(self, large, fake):
        """Equations 4 and 5: the mean squared difference of the features; float32 scalar."""
        return ops.mean(ops.square(self.feature_difference(large, fake)))

    def generator_loss(self, small, large, fake, training=True):
        """Equation 3: what the generator minimizes, and logs: `(loss, logs)`."""
        content = self.content_loss(large, fake)
        adversarial = self.realism_loss(large, fake, training)
        return content + self.adversarial_weight * adversarial, {"content_loss": content}

    def get_config(self) -> dict:
        return {**super().get_config(), "residual_blocks": self.residual_blocks}


# The networks -----------------------------------------------------------------------------------


def srresnet(
    channels: int,
    scale: int = 4,
    base_width: int = 64,
    residual_blocks: int = 16,
    name: str = "generator",
) -> keras.Model:
    """Figure 4, above: k9n64s1, residual blocks, a skip around them, pixel shuffles, k9n3s1.

    As in the paper the output is not bounded, so that the squared error applies to the unclipped
    values; `translate` returns them as they are.

    Args:
        channels: int, of the images on both sides.
        scale: 2 or 4.
        base_width: int, feature maps.
        residual_blocks: int.
        name: str.

    Returns:
        A `keras.Model` from (batch, height, width, channels) to (batch, height * scale, width *
        scale, channels).

    Example:

    >>> network = kerasgan.models.srgan.srresnet(3, scale=2, base_width=8, residual_blocks=1)
    >>> tuple(network(np.zeros((1, 5, 7, 3), "float32")).shape)
    (1, 10, 14, 3)
    """
    images = keras.Input((None, None, channels))
    first = x = _prelu(convolution(base_width, 9, name="conv_in")(images), "conv_in")
    for number in range(1, residual_blocks + 1):
        x = _residual_block(x, f"block{number}")
    x = convolution(base_width, 3, name="conv_after")(x)
    x = batch_normalization("conv_after_norm")(x)
    x = layers.Add(name="skip")([first, x])
    for number in range(1, scale.bit_length()):
        x = convolution(4 * base_width, 3, name=f"up{number}")(x)
        x = _prelu(PixelShuffle(2, name=f"up{number}_shuffle")(x), f"up{number}")
    x = convolution(channels, 9, name="images", dtype="float32")(x)
    return keras.Model(images, x, name=name)


def _residual_block(x, name):
    y = convolution(x.shape[-1], 3, name=f"{name}_conv1")(x)
    y = _prelu(batch_normalization(f"{name}_norm1")(y), name)
    y = convolution(x.shape[-1], 3, name=f"{name}_conv2")(y)
    return layers.Add(name=f"{name}_sum")([x, batch_normalization(f"{name}_norm2")(y)])


def _prelu(x, name):
    return layers.PReLU(
        alpha_initializer=keras.initializers.Constant(0.25),
        shared_axes=[1, 2],
        name=f"{name}_prelu",
    )(x)


@keras.saving.register_keras_serializable(package="kerasgan")
class PixelShuffle(layers.Layer):
    """Moves channels to where pixels are: (h, w, c * factor^2) becomes (h * factor, w * factor, c).

    Args:
        factor: int.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Reference: Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
    Convolutional Neural Network, Shi et al., 2016, arXiv:1609.05158.
    """

    def __init__(self, factor=2, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        return ops.depth_to_space(x, self.factor, data_format="channels_last")

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        sides = (None if side is None else side * self.factor for side in (height, width))
        return (batch, *sides, channels // self.factor**2)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}

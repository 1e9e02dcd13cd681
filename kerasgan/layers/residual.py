"""The ResNets of SN-GAN and the projection discriminator, Miyato et al. 2018."""

import keras
from keras import layers

from kerasgan.layers.conditioning import (
    ConditionalBatchNormalization,
    label_maps,
    labelled_latents,
    logits,
)
from kerasgan.layers.shapes import doublings_to
from kerasgan.layers.spectral_normalization import SpectralNormalization


def residual_generator(
    image_shape, latent_dim=128, base_width=256, num_classes=None, conditioning="one_hot"
):
    """The generator of Miyato et al. 2018, table 4: blocks that double the resolution.

    Args:
        image_shape: (size, size, channels): size is 4 or 7 doubled once or more often, channels
            is 1 or 3.
        latent_dim: int, length of the noise vector z.
        base_width: int, feature maps of all layers.
        num_classes: None, or int: the label is then a second input.
        conditioning: `"one_hot"`, joined to z, or `"projection"`, batch norm for each class.

    Returns:
        A `keras.Model` to images in [-1, 1].
    """
    start_size, doublings = doublings_to(image_shape)
    of_class = num_classes is not None and conditioning == "projection"
    inputs, x = labelled_latents(latent_dim, num_classes, joined=not of_class)
    label = inputs[1] if of_class else None

    def norm(x, name):
        if label is None:
            return layers.BatchNormalization(momentum=0.9, epsilon=2e-5, name=name)(x)
        return ConditionalBatchNormalization(num_classes, 0.9, 2e-5, name=name)([x, label])

    x = layers.Dense(start_size * start_size * base_width, name="project")(x)
    x = layers.Reshape((start_size, start_size, base_width), name="reshape")(x)
    for block in range(doublings):
        shortcut = layers.UpSampling2D(name=f"block{block}_shortcut_up")(x)
        shortcut = layers.Conv2D(base_width, 1, name=f"block{block}_shortcut")(shortcut)
        x = layers.ReLU(name=f"block{block}_relu1")(norm(x, f"block{block}_norm1"))
        x = layers.UpSampling2D(name=f"block{block}_up")(x)
        x = layers.Conv2D(base_width, 3, padding="same", name=f"block{block}_conv1")(x)
        x = layers.ReLU(name=f"block{block}_relu2")(norm(x, f"block{block}_norm2"))
        x = layers.Conv2D(base_width, 3, padding="same", name=f"block{block}_conv2")(x)
        x = layers.Add(name=f"block{block}")([x, shortcut])
    x = layers.BatchNormalization(momentum=0.9, epsilon=2e-5, name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.Conv2D(image_shape[2], 3, padding="same", name="to_image")(x)
    images = layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model(inputs, images, name="generator")


def residual_discriminator(
    image_shape,
    base_width=128,
    num_classes=None,
    conditioning="one_hot",
    spectral=True,
):
    """The discriminator of Miyato et al. 2018, table 4: blocks, two of which keep the resolution.

    Args:
        image_shape: as for `residual_generator`.
        base_width: int, feature maps of all layers.
        num_classes: None, or int: the label is then a second input.
        conditioning: `"one_hot"`, matrices stacked on the image, or `"projection"`.
        spectral: whether all weights are spectrally normalized.

    Returns:
        A `keras.Model` to logits (batch, 1).
    """
    _, doublings = doublings_to(image_shape)

    def normalized(layer):
        return SpectralNormalization(layer, name=f"{layer.name}_sn") if spectral else layer

    def convolution(size, name):
        return normalized(layers.Conv2D(base_width, size, padding="same", name=name))

    inputs, x, label = label_maps(image_shape, num_classes, conditioning)
    for block in range(max(1, doublings - 1) + 2):
        halves = block < max(1, doublings - 1)
        shortcut = x
        if block > 0:
            x = layers.ReLU(name=f"block{block}_relu1")(x)
        x = convolution(3, f"block{block}_conv1")(x)
        x = layers.ReLU(name=f"block{block}_relu2")(x)
        x = convolution(3, f"block{block}_conv2")(x)
        if halves:
            x = layers.AveragePooling2D(2, name=f"block{block}_down")(x)
            # At the image pooling first is less work, and a 1x1 convolution of it the same.
            shortcut = layers.AveragePooling2D(2, name=f"block{block}_shortcut_down")(shortcut)
            shortcut = convolution(1, f"block{block}_shortcut")(shortcut)
        x = layers.Add(name=f"block{block}")([x, shortcut])
    x = layers.ReLU(name="relu")(x)
    _, height, width, _ = x.shape
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Rescaling(height * width, name="sum")(x)  # the paper pools by sums
    output = logits(
        x, label, num_classes, conditioning, normalized, keras.initializers.GlorotUniform
    )
    return keras.Model(inputs, output, name="discriminator")

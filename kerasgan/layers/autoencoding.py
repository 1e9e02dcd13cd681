"""Encoder and decoder networks that several models share."""

import keras
from keras import layers

from kerasgan.layers.shapes import doublings_to


def dense_features(image_shape, units, activation):
    """Dense layers on an image: returns the input, and the features of the last layer.

    Args:
        image_shape: (height, width, channels).
        units: sequence of int, the width of each layer; an empty one returns the pixels.
        activation: str, the activation of every layer.
    """
    inputs = keras.Input(image_shape, name="images")
    x = layers.Flatten(name="pixels")(inputs)
    # Maps black to 0: a background of -1 would dominate the input of the first layer and slow
    # learning down.
    x = layers.Rescaling(0.5, 0.5, name="from_0_to_1")(x)
    for number, width in enumerate(units, 1):
        x = layers.Dense(width, activation, name=f"hidden{number}")(x)
    return inputs, x


def convolutional_features(image_shape, base_width, batch_norm=False):
    """Strided convolutions on an image: returns the input, and the flat features.

    Args:
        image_shape: (size, size, channels): size is 4, 6 or 7 doubled once or more often, channels
            is 1 or 3.
        base_width: int, feature maps of the layer next to the image; each halving of the
            resolution doubles it.
        batch_norm: bool, whether to apply batch norm before each ReLU.
    """
    _, doublings = doublings_to(image_shape)
    inputs = x = keras.Input(image_shape, name="images")
    for halving in range(doublings):
        x = layers.Conv2D(
            base_width * 2**halving,
            4,
            strides=2,
            padding="same",
            use_bias=not batch_norm,
            name=f"down{halving}",
        )(x)
        if batch_norm:
            x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"down{halving}_norm")(x)
        x = layers.ReLU(name=f"down{halving}_relu")(x)
    return inputs, layers.Flatten(name="flatten")(x)


def code_network(inputs, features, latent_dim, activation=None):
    """The network to a code (batch, latent_dim), float32."""
    code = layers.Dense(latent_dim, activation, dtype="float32", name="code")(features)
    return keras.Model(inputs, code, name="encoder")


def posterior_network(inputs, features, latent_dim):
    """The network to the mean and the logarithm of the variance of a code, float32."""
    mean = layers.Dense(latent_dim, dtype="float32", name="mean")(features)
    log_variance = layers.Dense(latent_dim, dtype="float32", name="log_variance")(features)
    return keras.Model(inputs, [mean, log_variance], name="posterior")


def dense_decoder(image_shape, latent_dim, units, activation, last=None):
    """A decoder of dense layers from codes to image values, float32.

    Args:
        image_shape: (height, width, channels).
        latent_dim: int, the length of a code.
        units: sequence of int, the widths of the hidden layers.
        activation: str, the activation of the hidden layers.
        last: None or str, the activation of the last layer.
    """
    inputs = x = keras.Input((latent_dim,), name="codes")
    for number, width in enumerate(units, 1):
        x = layers.Dense(width, activation, name=f"hidden{number}")(x)
    numbers = image_shape[0] * image_shape[1] * image_shape[2]
    x = layers.Dense(numbers, last, dtype="float32", name="pixels")(x)
    images = layers.Reshape(image_shape, dtype="float32", name="images")(x)
    return keras.Model(inputs, images, name="decoder")


def upsampling_decoder(image_shape, latent_dim, base_width, last=None):
    """A decoder of upsampling and convolutions from codes to image values, float32.

    Args:
        image_shape: as for `convolutional_features`.
        latent_dim: int, the length of a code.
        base_width: int, feature maps of the layer before the image.
        last: None or str, the activation of the last layer.
    """
    start, doublings = doublings_to(image_shape)
    width = base_width * 2 ** (doublings - 1)
    inputs = keras.Input((latent_dim,), name="codes")
    x = layers.Dense(start * start * width, "relu", name="project")(inputs)
    x = layers.Reshape((start, start, width), name="reshape")(x)
    for doubling in range(doublings):
        x = layers.UpSampling2D(name=f"larger{doubling}")(x)
        x = layers.Conv2D(
            max(width // 2 ** (doubling + 1), base_width),
            3,
            padding="same",
            activation="relu",
            name=f"up{doubling}",
        )(x)
    images = layers.Conv2D(
        image_shape[2], 3, padding="same", activation=last, dtype="float32", name="images"
    )(x)
    return keras.Model(inputs, images, name="decoder")

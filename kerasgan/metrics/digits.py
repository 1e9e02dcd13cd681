"""A small classifier of digits, for when no large network is available."""

import pathlib

import keras
from keras import layers

from kerasgan.layers.precision import measuring_networks

WEIGHTS = pathlib.Path(__file__).with_name("digits_classifier.weights.h5")


def digits_classifier(weights=WEIGHTS):
    """A classifier of handwritten digits whose weights are part of the package.

    Three convolutions and a dense layer, trained on scikit-learn's scanned digits by
    `benchmarks/digits_classifier.py`. With it you can compute distances at once, without a
    download. Compare these distances only with each other, not with published ones, which come from
    `inception_fid`.

    Args:
        weights: the path of a file with other weights, or None for random ones.

    Returns:
        A `keras.Model` from images (batch, height, width, 1) in [-1, 1], of any size, to a dict of
        `features` (batch, 64), at least 0, and `logits` (batch, 10), float32.

    Example:

    >>> network = kerasgan.metrics.features.digits_classifier()
    >>> images = next(iter(kerasgan.data.load("digits", split="test", batch_size=100)))
    >>> outputs = network(np.asarray(images), training=False)
    >>> outputs["features"].shape[1], outputs["logits"].shape[1]
    (64, 10)
    """
    with measuring_networks():
        network = _network()
    if weights is not None:
        network.load_weights(weights)
    return network


def _network():
    images = keras.Input((None, None, 1))
    # The scans have 8x8 pixels; larger ones are enlarged scans.
    x = layers.Resizing(16, 16, antialias=True)(images)
    for width in (32, 48, 64):
        x = layers.Conv2D(width, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    features = layers.Dense(64, "relu")(x)
    logits = layers.Dense(10)(layers.Dropout(0.3)(features))
    outputs = {"features": features, "logits": logits}
    return keras.Model(images, outputs, name="digits_classifier")

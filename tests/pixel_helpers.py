"""Small autoregressive models, and what their numbers depend on."""

import itertools

import keras
import numpy as np

import kerasgan
from kerasgan import backend

SMALL = {"base_width": 6, "num_blocks": 1, "levels": 2, "seed": 0}
CASES = (
    ("pixel_cnn", kerasgan.PixelCNN, {}),
    ("gated_pixel_cnn", kerasgan.GatedPixelCNN, {}),
    ("row_lstm", kerasgan.PixelRNN, {"variant": "row"}),
    ("diagonal_bilstm", kerasgan.PixelRNN, {"variant": "diagonal"}),
    ("plus_plus", kerasgan.PixelCNNPlusPlus, {"num_mixtures": 2}),
)
OF_SOFTMAX = CASES[:4]


def small_model(cls, image_shape, scale=0.4, **settings):
    """A small model whose weights are far from where they start."""
    model = cls(image_shape, **{**SMALL, **settings})
    random = np.random.default_rng(3)
    for weight in model.network.trainable_weights:
        weight.assign(random.normal(0.0, scale, weight.shape))
    return model


def random_images(image_shape, count, levels, seed=0):
    values = np.random.default_rng(seed).integers(levels, size=(count, *image_shape))
    return (values / (0.5 * (levels - 1)) - 1.0).astype("float32")


def all_images(image_shape, levels):
    values = itertools.product(range(levels), repeat=int(np.prod(image_shape)))
    values = np.array(list(values)).reshape(-1, *image_shape)
    return (values / (0.5 * (levels - 1)) - 1.0).astype("float32")


def seen(model, image_shape):
    """Which numbers of an image, column by column, each number's parameters depend on."""
    height, width, channels = image_shape
    numbers = height * width * channels
    images = np.repeat(random_images(image_shape, 1, model.levels), numbers, axis=0)
    number = np.arange(numbers)

    def parameters(x):
        found = model.network(x)
        if model.network.sees_channels or channels == 1:
            found = keras.ops.reshape(found, (numbers, numbers, -1))
            found = keras.ops.take_along_axis(found, number[:, None, None], axis=1)
        else:
            found = keras.ops.reshape(found, (numbers, height * width, -1))
            found = keras.ops.take_along_axis(found, number[:, None, None] // channels, axis=1)
        # Not their plain sum, in which gradients could cancel.
        return keras.ops.sum(keras.ops.sin(found))

    gradient = backend.input_gradient(parameters, keras.ops.convert_to_tensor(images))
    return keras.ops.convert_to_numpy(gradient).reshape(numbers, numbers) != 0.0


def pixels_before(image_shape, row, column):
    """Which pixels of a gray image are before one: bool array (pixels,)."""
    return np.arange(image_shape[0] * image_shape[1]) < row * image_shape[1] + column


def nats_after_training(model, epochs=3, labels=False):
    """The mean negative log-likelihood of digits, before and after training."""
    data = kerasgan.data.load("digits", labels=labels)
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    nats = [model.evaluate(data, return_dict=True, verbose=0)["nll"]]
    model.fit(data, epochs=epochs, verbose=0)
    return [*nats, model.evaluate(data, return_dict=True, verbose=0)["nll"]]

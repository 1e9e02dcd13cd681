"""The features that a discriminator has learned, for other tasks."""

import keras
import numpy as np

from kerasgan import backend, checks, roles
from kerasgan.backend import private
from kerasgan.layers.modulated import ScaledLeakyReLU
from kerasgan.training.discriminating import Discriminates

GRID = 4  # rows and columns that each layer is pooled to
ACTIVATIONS = (
    keras.layers.LeakyReLU,
    keras.layers.ReLU,
    keras.layers.ELU,
    keras.layers.Activation,
    ScaledLeakyReLU,
)


def features(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Features learned without labels: all convolutional layers of a discriminator.

    The activations of each layer, in inference mode, are max-pooled to a grid of 4x4 and
    concatenated. A linear classifier on these features needs few labels.

    Args:
        model: a GAN of images, or a discriminator, a functional Keras model. If it takes a label,
            the label must not reach its convolutions.
        images: float array (n, height, width, channels) in [-1, 1].

    Returns:
        float32 array (n, d).

    Raises:
        ValueError: for a model without such layers, or images of another shape or range.

    Example:

    >>> gan = kerasgan.DCGAN((16, 16, 1), latent_dim=8, base_width=4)
    >>> kerasgan.features(gan, np.zeros((5, 16, 16, 1))).shape
    (5, 192)

    Reference: Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
    Networks, Radford, Metz & Chintala, 2016, arXiv:1511.06434, section 5.1.
    """
    discriminator = model.discriminator if roles.has(model, Discriminates) else model
    tensors = activations(discriminator)
    picture = discriminator.inputs[0]
    images = checks.as_numpy(images)
    checks.check_images(images, "the images", picture.shape[1:], "the discriminator sees")
    if not len(images):
        raise ValueError("the images are none; give at least one.")
    images = images.astype("float32")
    network = keras.Model(picture, tensors)
    found = []
    for start in range(0, len(images), 256):
        layers = backend.predict(network, images[start : start + 256])
        layers = layers if isinstance(layers, (list, tuple)) else [layers]
        found.append(np.concatenate([pooled(layer) for layer in layers], axis=1))
    return np.concatenate(found)


def activations(discriminator: keras.Model) -> list:
    """The activations of a functional model's convolutions that depend on its first input alone.

    Returns:
        List of symbolic tensors (n, height, width, channels), from the image onwards.

    Raises:
        ValueError: when there are none.
    """
    picture, *others = getattr(discriminator, "inputs", None) or [None]
    sees: dict[int, bool] = {id(picture): False, **{id(other): True for other in others}}
    found = []

    def of_others(tensor):
        if id(tensor) not in sees:
            before = [of_others(one) for one in private.made_from(tensor)]
            sees[id(tensor)] = any(before)
            layer = private.layer_before(tensor)
            if not any(before) and len(tensor.shape) == 4 and isinstance(layer, ACTIVATIONS):
                found.append(tensor)
        return sees[id(tensor)]

    for output in getattr(discriminator, "outputs", None) or []:
        of_others(output)
    if not found:
        raise ValueError(
            f"{type(discriminator).__name__} has no convolutions with activations that see only "
            "the image; use the discriminator of an unconditional GAN of images, a functional "
            "Keras model."
        )
    return found


def pooled(layer: np.ndarray) -> np.ndarray:
    """Max-pools a layer to a grid of 4x4 parts, which overlap if the size is not a multiple of 4.

    Args:
        layer: float array (n, height, width, channels).

    Returns:
        float32 array (n, 16 channels); a smaller layer is returned whole.
    """
    layer = np.asarray(layer, "float32")
    for axis in (1, 2):
        size = layer.shape[axis]
        if size > GRID:
            ends = [(n * size // GRID, -(-(n + 1) * size // GRID)) for n in range(GRID)]
            parts = [
                np.take(layer, np.arange(*end), axis=axis).max(axis=axis, keepdims=True)
                for end in ends
            ]
            layer = np.concatenate(parts, axis=axis)
    return layer.reshape(len(layer), -1)

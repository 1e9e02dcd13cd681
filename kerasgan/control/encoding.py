"""Trains an encoder from images to points on a model's own images."""

import keras
import numpy as np
from keras import layers

from kerasgan.checks.arguments import whole_number
from kerasgan.layers.autoencoding import convolutional_features
from kerasgan.roles.base import require
from kerasgan.roles.generates_images import HasLatents


def train_encoder(
    model: keras.Model,
    space: str | None = None,
    steps: int = 1000,
    batch_size: int = 32,
    base_width: int = 16,
    *,
    seed: int = 0,
    verbose: int | str = 0,
) -> keras.Model:
    """Trains an encoder that predicts the point of a space that an image was made from.

    It trains on images of random points, each seen once, and needs no real images. For real images
    its prediction is a starting point for `model.project(start=encoder)`, which then needs fewer
    steps.

    Args:
        model: an unconditional model with latents.
        space: str, one of the model's `spaces`; None for the first.
        steps: int, the number of batches.
        batch_size: int.
        base_width: int, the number of feature maps of the layer next to the image.
        seed: int, the seed of the points.
        verbose: as for `keras.Model.fit`.

    Returns:
        A `keras.Model` from images (batch, height, width, channels) to points (batch, *shape).

    Raises:
        ValueError: for a model without latents or such a space, or a conditional one.

    Example:

    >>> gan = kerasgan.DCGAN((8, 8, 1), latent_dim=8, base_width=8)
    >>> encoder = kerasgan.control.train_encoder(gan, steps=2)
    >>> found = gan.project(gan.generate(2, seed=0), steps=5, start=encoder)

    Reference: only the loss in w of the conventional encoder in In-Domain GAN Inversion for Real
    Image Editing, Zhu, Shen, Zhao & Zhou, 2020, arXiv:2004.00049, section 3.1.
    """
    require(model, HasLatents, "kerasgan.control.train_encoder")
    for name, number in {
        "steps": steps,
        "batch_size": batch_size,
        "base_width": base_width,
    }.items():
        whole_number(name, number, 1)
    space = model.checked_space(space)
    if model.condition is not None:
        raise ValueError(
            f"{type(model).__name__} is conditional; encoders are for unconditional models."
        )
    if len(model.image_shape) != 3:
        name = type(model).__name__
        raise ValueError(f"{name} makes vectors of shape {model.image_shape}, not images.")
    shape = model.point_shape(space)
    inputs, x = convolutional_features(model.image_shape, base_width, batch_norm=True)
    x = layers.Dense(256, "relu", name="hidden")(x)
    x = layers.Dense(int(np.prod(shape)), dtype="float32", name="numbers")(x)
    encoder = keras.Model(inputs, layers.Reshape(shape, name="points")(x), name="encoder")
    encoder.compile(keras.optimizers.Adam(1e-3), "mse")
    encoder.fit(_Samples(model, space, steps, batch_size, seed), epochs=1, verbose=verbose)
    return encoder


class _Samples(keras.utils.PyDataset):
    def __init__(self, model, space, steps, batch_size, seed):
        super().__init__()
        self.model, self.space, self.steps = model, space, steps
        self.latents = model.latents(steps * batch_size, seed=seed)

    def __len__(self):
        return self.steps

    def __getitem__(self, step):
        points = self.model.points(self.latents[step :: self.steps], self.space)
        return self.model.generate_from_points(points, self.space), points

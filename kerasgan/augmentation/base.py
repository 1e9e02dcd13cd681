"""The base class of augmentations, which change what the discriminator sees."""

import math

import keras
import numpy as np
from keras import ops

from kerasgan import backend


class Augmentation(keras.layers.Layer):
    """Base class of random, differentiable changes to the images that a discriminator sees.

    With `compile(augmentation=...)` a `GAN` augments all real and generated images before its
    discriminator sees them. Gradients of the generator, and of gradient penalties, flow back
    through the augmentation to the original images.

    A subclass defines:

    - `num_draws`: int, how many random numbers the change of an image needs;
    - `change(images, draws)`: returns the changed images, given float32 images (batch, height,
      width, channels) in [-1, 1] and uniform numbers (batch, num_draws) from 0 to 1; written with
      `keras.ops`.

    It may override `look(real_logits)`, which is called with the discriminator's logits for the
    real images of each update, and `logs()`, which returns scalars to log by name.

    Args:
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Example:

    >>> class Brightness(kerasgan.augmentation.Augmentation):
    ...     num_draws = 1
    ...     def change(self, images, draws):
    ...         return images + draws[:, :, None, None] - 0.5
    >>> Brightness()(np.zeros((2, 8, 8, 1), "float32")).shape == (2, 8, 8, 1)
    True
    """

    num_draws: int = 0

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        # A seed of its own, so that an augmentation that changes nothing does not change training
        # either.
        self.seed_generator = backend.SeedGenerator(0)
        self.built = True

    def draw(self, images, seed=None):
        """Draws the random numbers of a batch: float32 tensor (batch, num_draws).

        Args:
            images: tensor (batch, ...).
            seed: int or `keras.random.SeedGenerator`; None for the layer's own.
        """
        seed = self.seed_generator if seed is None else seed
        shape = (ops.shape(images)[0], self.num_draws)
        return keras.random.uniform(shape, dtype="float32", seed=seed)

    def change(self, images, draws):
        """Changes images according to random numbers; see the class."""
        raise NotImplementedError(f"Give {type(self).__name__} a method `change(images, draws)`.")

    def __call__(self, images, seed=None):
        self.check_image_shape(np.shape(images)[1:])  # not in `call`, whose errors Keras wraps
        return super().__call__(images, seed=seed)

    def call(self, images, seed=None):
        return self.change(images, self.draw(images, seed))

    def look(self, real_logits):
        """Observes the discriminator's logits for real images; does nothing by default."""

    def look_back(self) -> None:
        """Warns of problems at the end of an epoch; does nothing by default."""

    def logs(self) -> dict:
        """The scalars to log, by name."""
        return {}

    def check_image_shape(self, image_shape) -> None:
        """Checks that it can change images of a shape.

        Raises:
            ValueError: for vectors, and for images that do not have 1 or 3 channels.
        """
        if len(image_shape) != 3 or image_shape[-1] not in (1, 3):
            raise ValueError(
                f"augmentation={type(self).__name__} changes batches of images (height, width, 1 "
                f"or 3), not of {tuple(image_shape)}; give it such images, or leave the "
                "augmentation out."
            )


def constant(values):
    """A constant as a float32 tensor, because not every framework multiplies tensors by arrays."""
    return ops.convert_to_tensor(values, "float32")


def normal(uniform):
    """Turns uniform numbers into normal ones."""
    uniform = ops.clip(uniform, 1e-6, 1.0 - 1e-6)
    return np.float32(np.sqrt(2.0)) * ops.erfinv(2.0 * uniform - 1.0)


def along(axis, matrices, images):
    """Applies a matrix, or one for each image, along the height (1) or the width (2).

    Args:
        axis: 1 or 2.
        matrices: (new, old), or (batch, new, old).
        images: (batch, height, width, channels).
    """
    matrices = ops.convert_to_tensor(matrices)
    _, height, width, channels = images.shape
    new = matrices.shape[-2]
    if axis == 1:
        lines = ops.reshape(images, (-1, height, width * channels))
        return ops.reshape(ops.matmul(matrices, lines), (-1, new, width, channels))
    matrices = ops.swapaxes(matrices, -2, -1)
    if len(matrices.shape) == 3:
        matrices = matrices[:, None]
    return ops.transpose(ops.matmul(ops.transpose(images, (0, 3, 1, 2)), matrices), (0, 2, 3, 1))


def chosen(condition, changed, images):
    """Chooses changed or original images by bool (batch,); originals stay exactly the same."""
    shape = (-1, *images.shape[1:])
    # As vectors, because TensorFlow is slow at spreading a condition over many axes.
    changed, images = (ops.reshape(x, (-1, math.prod(shape[1:]))) for x in (changed, images))
    return ops.reshape(ops.where(condition[:, None], changed, images), shape)

"""What augmentations have in common: they change what the discriminator sees."""

import keras
import numpy as np
from keras import ops

from kerasgan import backend


class Augmentation(keras.layers.Layer):
    """Random changes of images, differentiable, which the discriminator sees instead of images.

    A `GAN` with `compile(augmentation=...)` shows its discriminator real and generated images
    through it at every update; gradients of the generator, and of gradient penalties, go back
    through it to the images as they were before.

    A subclass owes:

    - `num_draws`: int, how many random numbers the changes of an image are made from;
    - `change(images, draws)`: written with `keras.ops`, from float32 images (batch, height, width,
      channels) in [-1, 1] and uniform numbers (batch, num_draws) from 0 to 1 to images.

    It may override `look(real_logits)`, which is called with what the discriminator makes of the
    real images of an update, and `logs()`, scalars for the log by name.
    """

    num_draws: int = 0

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        # Its own, so that one that changes nothing does not change a training either.
        self.seed_generator = backend.SeedGenerator(0)
        self.built = True

    def draw(self, images, seed=None):
        """The random numbers of a batch: float32 tensor (batch, num_draws).

        Args:
            images: tensor (batch, ...).
            seed: int or `keras.random.SeedGenerator`, or None for the layer's own.
        """
        seed = self.seed_generator if seed is None else seed
        shape = (ops.shape(images)[0], self.num_draws)
        return keras.random.uniform(shape, dtype="float32", seed=seed)

    def change(self, images, draws):
        """Images changed as random numbers say; see the class."""
        raise NotImplementedError(f"Give {type(self).__name__} a method `change(images, draws)`.")

    def call(self, images, seed=None):
        return self.change(images, self.draw(images, seed))

    def look(self, real_logits):
        """Takes note of what the discriminator makes of real images; here, of nothing."""

    def look_back(self) -> None:
        """Warns of what is wrong with an epoch that has ended; here, of nothing."""

    def logs(self) -> dict:
        """What to log, by name: scalars."""
        return {}

    def check_image_shape(self, image_shape) -> None:
        """Makes sure that it can change images of a shape.

        Raises:
            ValueError: for vectors, and for images that are neither gray nor of three colours.
        """
        if len(image_shape) != 3 or image_shape[-1] not in (1, 3):
            raise ValueError(
                f"augmentation={type(self).__name__} changes images (height, width, 1 or 3), but "
                f"the model makes {tuple(image_shape)}; leave it out."
            )


def constant(values):
    """A constant as a float32 tensor, which not every framework multiplies with an array."""
    return ops.convert_to_tensor(values, "float32")


def normal(uniform):
    """Normal numbers of uniform ones."""
    uniform = ops.clip(uniform, 1e-6, 1.0 - 1e-6)
    return np.float32(np.sqrt(2.0)) * ops.erfinv(2.0 * uniform - 1.0)


def along(axis, matrices, images):
    """Applies a matrix, or one for each image, along the height (1) or the width (2).

    Args:
        axis: 1 or 2.
        matrices: (new, old), or (batch, new, old).
        images: (batch, height, width, channels).
    """
    old = "y" if axis == 1 else "x"
    matrix = ("b" if len(matrices.shape) == 3 else "") + f"n{old}"
    matrices = ops.convert_to_tensor(matrices)
    return ops.einsum(f"{matrix},byxc->b{'nxc' if axis == 1 else 'ync'}", matrices, images)


def chosen(condition, changed, images):
    """For each image the changed one, or the image itself to the last bit: by bool (batch,)."""
    return ops.where(condition[:, None, None, None], changed, images)

"""A buffer of earlier generated images, which the discriminator sees together with new ones."""

import keras
from keras import layers, ops

from kerasgan import backend


@keras.saving.register_keras_serializable(package="kerasgan")
class ImageHistory(layers.Layer):
    """Keeps generated images, and returns for each new one either itself or an earlier one.

    Until it is full it stores each image and returns it. After that, with probability 1/2, it
    returns a stored image and puts the new one in its place. A discriminator that also sees earlier
    images oscillates less.

    The images are weights, so they are saved with the model and stay on the device. The images of a
    batch are exchanged for different ones, while the published code may return one twice. On
    several devices the history holds images of the first device only.

    Args:
        size: int, how many images to keep; with 0 it returns the new images.
        seed: int or None, the seed of the choices.
        **kwargs: `name`, as for `keras.layers.Layer`.

    Inputs and output: (batch, height, width, channels), batch at most `size`.

    Raises:
        ValueError: when called with a batch larger than `size`, or of unknown size.

    Example:

    >>> history = ImageHistory(size=2)
    >>> first = np.zeros((1, 4, 4, 1), "float32")
    >>> bool(keras.ops.all(history(first) == first))
    True

    Reference: Learning from Simulated and Unsupervised Images through Adversarial Training,
    Shrivastava et al., 2017, arXiv:1612.07828, section 2.3; in CycleGAN, Zhu et al., 2017,
    arXiv:1703.10593, section 4.
    """

    def __init__(self, size: int = 50, seed: int | None = None, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.size = size
        self.seed = seed
        self.seed_generator = backend.SeedGenerator(seed)

    def build(self, input_shape):
        settings = {"trainable": False, "aggregation": "only_first_replica"}
        if self.size:
            shape = (self.size, *input_shape[1:])
            self.images = self.add_weight(shape, "zeros", name="images", **settings)
            self.count = self.add_weight((), "zeros", "int32", name="count", **settings)

    def call(self, images):
        if not self.size:
            return images
        batch = images.shape[0]
        if batch is None or batch > self.size:
            raise ValueError(
                f"a history of {self.size} images cannot take a batch of {batch}; use batches of "
                "a known size up to that (drop_remainder=True), or a larger history."
            )
        next_places = self.count + ops.arange(batch, dtype="int32")
        fills = next_places < self.size
        # A random permutation gives as many different places as there are images.
        order = ops.argsort(keras.random.uniform((self.size,), seed=self.seed_generator))
        places = ops.where(
            self.count < self.size, next_places % self.size, ops.cast(order[:batch], "int32")
        )
        even = keras.random.uniform((batch,), seed=self.seed_generator) < 0.5
        exchanges = ops.logical_and(even, self.count >= self.size)
        mask = ops.reshape(exchanges, (batch, 1, 1, 1))
        stores = ops.reshape(ops.logical_or(fills, exchanges), (batch, 1, 1, 1))
        held = ops.take(self.images, places, axis=0)
        stored = ops.where(stores, images, held)
        self.images.assign(ops.scatter_update(self.images, places[:, None], stored))
        self.count.assign(ops.minimum(self.count + batch, self.size))
        return ops.where(mask, held, images)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self) -> dict:
        return {"name": self.name, "size": self.size, "seed": self.seed}

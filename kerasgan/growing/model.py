"""GANs whose networks grow from 4x4 to the final resolution, Karras et al. 2018."""

from collections.abc import Callable
from typing import Self

import keras
from keras import layers, ops

from kerasgan import backend
from kerasgan.core.gan import GAN
from kerasgan.growing.networks import GrowingNetwork
from kerasgan.layers.minibatch import split_batch
from kerasgan.layers.precision import dtype_policy
from kerasgan.roles.grows import Grows
from kerasgan.training.optimizers import all_layers

FLOAT_IMAGES = {"dtype": "float32", "data_format": "channels_last"}


class GrowingGAN(Grows, GAN):
    """A `GAN` that `kerasgan.callbacks.ProgressiveGrowing` grows, of `GrowingNetwork`s.

    The data is images of the final resolution throughout. The model reduces them to the resolution
    of its stage, by the mean of each square of pixels, and while a stage fades in, real images are
    faded from the stage before as the generated ones are. Without the callback it is trained at the
    final resolution from the start.

    `generate`, `evaluate` and `export` work at the current stage, and `image_shape` is what they
    make. Which stage that is, and how far its fade has come, is part of the model and its files.

    A subclass gives `networks()`.

    Args:
        image_shape: (size, size, channels), the final one: size is 4 doubled once or more often
            (8, 16, 32, ..., 1024), channels is 1 or 3.
        latent_dim: int, length of the noise vector.
        base_width: int, feature maps next to the image at the final resolution; each halving of it
            doubles them.
        max_width: int, the largest number of feature maps.
        ema_decay: None, or the decay of an averaged copy of the generator; see `kerasgan.GAN`.
        seed: int or None, the seed of the random numbers in training.
        dtype: None or a dtype policy such as `"mixed_bfloat16"`, for both networks;
            `"mixed_float16"` cannot grow under JAX.
        **kwargs: `name`, as for `keras.Model`.

    Raises:
        ValueError: for an image_shape that the networks cannot generate.

    Reference: Progressive Growing of GANs for Improved Quality, Stability, and Variation, Karras
    et al., 2018, arXiv:1710.10196.
    """

    _trained_at = _tested_at = None  # the stage for which steps were made

    def __init__(
        self,
        image_shape: tuple[int, ...],
        latent_dim: int = 512,
        base_width: int = 16,
        max_width: int = 512,
        *,
        ema_decay: float | None = 0.999,
        seed: int | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs,
    ):
        make_generator, make_discriminator = self.networks()
        widths = {"base_width": base_width, "max_width": max_width}
        with dtype_policy(dtype):
            super().__init__(
                make_generator(image_shape, latent_dim, **widths, name="generator"),
                make_discriminator(image_shape, **widths, name="discriminator"),
                latent_dim,
                ema_decay=ema_decay,
                seed=seed,
                **kwargs,
            )
        self.base_width, self.max_width = base_width, max_width
        counter = {"initializer": "zeros", "dtype": "int", "trainable": False}
        counter |= {"aggregation": "only_first_replica"}
        self.images_seen = self.add_weight((), **counter, name="images_seen")
        self.fade_start = self.add_weight((), **counter, name="fade_start")
        self.fade_images = self.add_weight((), **counter, name="fade_images")
        self.images_an_epoch = self.add_weight((), **counter, name="images_an_epoch")
        self.batch_size: int | None = None  # of one round of the game, None for that of the data

    def networks(self) -> tuple[Callable, Callable]:
        """What makes the generator and the discriminator: their classes."""
        raise NotImplementedError

    # Growth ------------------------------------------------------------------------------------

    @property
    def growing_networks(self) -> list[GrowingNetwork]:
        """Every `GrowingNetwork` of the model, the averaged one included."""
        layers = all_layers(self.networks_and_averages)
        return [layer for layer in layers if isinstance(layer, GrowingNetwork)]

    @property
    def stage(self) -> int:
        """int, 0 for 4x4."""
        return self.discriminator.stage

    @property
    def last_stage(self) -> int:
        """The stage of the final resolution: int."""
        return self.discriminator.last_stage

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape of the images at the current stage."""
        return self.discriminator.image_shape

    @image_shape.setter
    def image_shape(self, shape: tuple[int, ...]) -> None:
        self.final_image_shape = shape

    @property
    def real_image_shape(self) -> tuple[int, ...]:
        return self.final_image_shape

    def grow_to(
        self,
        stage: int,
        fade_images: int = 0,
        batch_size: int | None = None,
        reset_optimizers: bool = False,
    ) -> None:
        """Goes to a stage; `fit` compiles its step anew.

        Args:
            stage: int from 0 (4x4) to `last_stage`.
            fade_images: int, over how many images the new layers fade in, from now on; 0 for at
                once.
            batch_size: None, or int: the batches of the data are divided into rounds of so many
                images.
            reset_optimizers: whether the optimizers forget their moments and start counting anew,
                as the paper's code does. If not, the moments of the layers in use stay; those of
                the new layers are zero while the count of steps is high, so Adam's correction of
                its bias does not apply to them, and their first steps are larger, up to ten times
                with beta_2=0.99.

        Raises:
            ValueError: for a stage that does not exist.
        """
        if not 0 <= stage <= self.last_stage:
            raise ValueError(f"stage={stage!r}; use a number from 0 to {self.last_stage}.")
        for network in self.growing_networks:
            network.stage = stage
            network.alpha.assign(0.0 if fade_images else 1.0)
        self._forget_predictions()
        self.fade_start.assign(int(ops.convert_to_numpy(self.images_seen)))
        self.fade_images.assign(fade_images)
        self.batch_size = batch_size
        if reset_optimizers and self.compiled:
            for optimizer in self.optimizer.optimizers:
                # Not the loss scale, which is no moment.
                optimizer = getattr(optimizer, "inner_optimizer", optimizer)
                for variable in optimizer.variables:
                    if variable is not optimizer.learning_rate:
                        variable.assign(ops.zeros(variable.shape, variable.dtype))

    def _fade(self):
        """Sets alpha, linear in the images that the model has seen."""
        done = ops.cast(self.images_seen.value - self.fade_start.value, "float32")
        length = ops.cast(self.fade_images.value, "float32")
        alpha = ops.where(length > 0.0, done / ops.maximum(length, 1.0), 1.0)
        alpha = ops.clip(alpha, 0.0, 1.0)
        for network in self.growing_networks:
            network.alpha.assign(alpha)

    def _forget_predictions(self):
        for network in self.networks_and_averages:
            network.predict_function = None  # it was made for another stage

    def load_own_variables(self, store):
        super().load_own_variables(store)
        self._forget_predictions()

    def set_weights(self, weights):
        super().set_weights(weights)
        for network in self.growing_networks:
            network.stage = int(ops.convert_to_numpy(network.saved_stage))
        self._forget_predictions()

    def make_train_function(self, force=False):
        stage = (self.stage, self.batch_size)
        changed = self._trained_at != stage
        self._trained_at = stage
        super().make_train_function(force=force or changed)

    def make_test_function(self, force=False):
        changed = self._tested_at != self.stage
        self._tested_at = self.stage
        super().make_test_function(force=force or changed)

    def part_variables(self, part: str) -> list:
        idle = {id(w) for network in self.growing_networks for w in network.idle_weights()}
        return [v for v in super().part_variables(part) if id(v) not in idle]

    def averaged_weights(self, network: keras.Model) -> list:
        idle = {id(w) for network in self.growing_networks for w in network.idle_weights()}
        return [w for w in network.weights if id(w) not in idle]

    # The game ----------------------------------------------------------------------------------

    def train_step(self, data):
        """The rounds of the game that a batch is enough for; returns the mean losses so far."""
        for part in self._rounds(data):
            self._fade()
            logs = super().train_step(part)
            images = ops.shape(keras.tree.flatten(part)[0])[0]
            self.images_seen.assign_add(
                ops.cast(images * backend.replicas(), self.images_seen.dtype)
            )
        return logs

    def _rounds(self, data):
        if self.batch_size is None:
            return [data]
        size = keras.tree.flatten(data)[0].shape[0]
        wanted = self.batch_size // backend.replicas()
        if size is None or wanted < 1 or (size > wanted and size % wanted):
            has = "batches of unknown size" if size is None else f"batches of {size}"
            raise ValueError(
                f"batch_size={self.batch_size} at {self.image_shape[0]}x{self.image_shape[0]}, but "
                f"the data has {has} (of one device); use batches of which that is a divisor and "
                "without a smaller last one: kerasgan.data.from_array for arrays, "
                ".batch(size, drop_remainder=True) for a tf.data.Dataset."
            )
        count = max(1, size // wanted)
        parts = [split_batch(array, count) for array in keras.tree.flatten(data)]
        return [
            keras.tree.pack_sequence_as(data, [pieces[index] for pieces in parts])
            for index in range(count)
        ]

    def real_images(self, images):
        return self.at_stage(super().real_images(images))

    def at_stage(self, images):
        """Images of the final resolution as real images of this stage; both are (batch, ...)."""
        for _ in range(self.last_stage - self.stage):
            images = layers.AveragePooling2D(2, **FLOAT_IMAGES)(images)
        if self.stage == 0:
            return images
        before = layers.AveragePooling2D(2, **FLOAT_IMAGES)(images)
        before = layers.UpSampling2D(2, **FLOAT_IMAGES)(before)
        return self.discriminator.faded(before, images)

    def get_config(self) -> dict:
        config = super().get_config()
        del config["generator"], config["discriminator"]  # made from what follows
        return {
            **config,
            "image_shape": self.final_image_shape,
            "base_width": self.base_width,
            "max_width": self.max_width,
            "batch_size": self.batch_size,
        }

    @classmethod
    def from_config(cls, config: dict) -> Self:
        arguments = {name: value for name, value in config.items() if name != "batch_size"}
        model = super().from_config(arguments)
        model.batch_size = config.get("batch_size")
        return model

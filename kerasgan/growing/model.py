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
    """A `GAN` of `GrowingNetwork`s, which `kerasgan.callbacks.ProgressiveGrowing` grows.

    The data is always images of the final resolution. The model downscales them to the resolution
    of its stage by averaging squares of pixels. While a stage fades in, real images are blended
    with those of the stage before, as the generated ones are. Without the callback the model trains
    at the final resolution from the start.

    `generate`, `evaluate` and `export` work at the current stage, whose image shape is
    `image_shape`. The stage and the progress of its fade-in are saved with the model.

    A subclass defines `networks()`.

    Args:
        image_shape: (size, size, channels), the final one: size is 4 doubled once or more often
            (8, 16, 32, ..., 1024), channels is 1 or 3.
        latent_dim: int, length of the noise vector.
        base_width: int, feature maps next to the image at the final resolution; their number
            doubles at each lower resolution.
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
        """The functions that create the generator and the discriminator: their classes."""
        raise NotImplementedError

    # Growth ------------------------------------------------------------------------------------

    @property
    def growing_networks(self) -> list[GrowingNetwork]:
        """Every `GrowingNetwork` of the model, the averaged one included."""
        layers = all_layers(self.networks_and_averages)
        return [layer for layer in layers if isinstance(layer, GrowingNetwork)]

    @property
    def stage(self) -> int:
        """The current stage: int, 0 for 4x4."""
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
        """Changes the stage; `fit` then compiles its step again.

        Args:
            stage: int from 0 (4x4) to `last_stage`.
            fade_images: int, over how many images, from now on, the new layers fade in; 0 to use
                them at once.
            batch_size: None, or int: the batches of the data are split into batches of this many
                images.
            reset_optimizers: whether to reset the moments and step counts of the optimizers, as the
                paper's code does. If False, the moments of the layers in use stay. Those of new
                layers are zero while the step count is high, so Adam's bias correction does not
                apply to them, and their first steps are larger, up to ten times with beta_2=0.99.

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
        """Runs as many training rounds as a batch provides for; returns the mean losses so far."""
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
                f"batch_size={self.batch_size} at {self.image_shape[0]}x{self.image_shape[0]}, "
                f"but the data has {has} (of one device); use batches whose size is a multiple of "
                "it, without a smaller last one: kerasgan.data.from_array for arrays, "
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

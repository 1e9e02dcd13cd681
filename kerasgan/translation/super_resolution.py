"""Super-resolution models, which learn from pairs of small and large images."""

from collections.abc import Callable
from typing import Self

import keras
from keras import layers, ops

from kerasgan import backend
from kerasgan.layers.precision import dtype_policy
from kerasgan.training.optimizers import adam
from kerasgan.translation.model import TranslationModel


class SuperResolutionModel(TranslationModel):
    """The base class of SRGAN and its successors.

    A generator enlarges images. It is first trained on the pixels alone, with `pretrain`, and then
    against a discriminator and on the features of another network. Adam(1e-4), batches of 16.

    A subclass must define:

    - `pixel_loss(large, fake)`: the loss of `pretrain`, float32 scalar, and `pixel_loss_name`, the
      name under which it is logged;
    - `generator_loss(small, large, fake, training)`: `(loss, logs)` with `content_loss`, and
      `pixel_loss_name` if it is another name, among the logs;
    - in its constructor, an argument `features`, which its config stores as a network.

    Args:
        image_shape: (height, width, channels) of the large images in training, multiples of
            `scale * size_multiple`.
        scale: 2 or 4.
        base_width: int, feature maps.
        make_generator: function from channels, scale and base_width to the generator.
        make_features: function from image_shape to the network of the features, or to None.
        feature_scale: float, by which features are multiplied.
        adversarial_weight: float.
        seed: int or None; the model draws no random numbers.
        dtype: None or a dtype policy, for generator and discriminator.
        **kwargs: `name`, as for `keras.Model`.

    Raises:
        ValueError: for an impossible scale or image_shape.
    """

    takes = "super_resolve"
    pair_names = ("small", "large")
    size_multiple = 1
    default_batch_size = 16
    waits_for_pretraining = ("discriminator",)
    pixel_loss_name: str

    def __init__(
        self,
        image_shape: tuple[int, ...],
        scale: int,
        base_width: int,
        *,
        make_generator: Callable,
        make_features: Callable,
        feature_scale: float,
        adversarial_weight: float,
        seed: int | None,
        dtype: str | keras.DTypePolicy | None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        height, width, channels = self.image_shape = tuple(image_shape)
        if not isinstance(scale, int) or scale not in (2, 4):
            raise ValueError(f"scale={scale!r}; use 2 or 4.")
        multiple = scale * self.size_multiple
        if height % multiple or width % multiple:
            raise ValueError(
                f"image_shape={self.image_shape}; use a height and width that are multiples of "
                f"{multiple}."
            )
        self.scale = scale
        self.base_width = base_width
        self.feature_scale = feature_scale
        self.adversarial_weight = adversarial_weight
        self.pretraining = False
        with dtype_policy(dtype):
            self.generator = make_generator(channels, scale, base_width)
            self.discriminator = srgan_discriminator(self.image_shape, base_width)
        with dtype_policy(None):
            self.features = make_features(self.image_shape)

    @property
    def players(self) -> dict[str, list]:
        return {"generator": [self.generator], "discriminator": [self.discriminator]}

    @property
    def loss_names(self) -> tuple[str, ...]:
        if self.pretraining:
            return ("generator_loss", self.pixel_loss_name)
        return (*super().loss_names, *dict.fromkeys(("content_loss", self.pixel_loss_name)))

    def default_optimizers(self) -> dict[str, keras.Optimizer]:
        return {player: adam(1e-4) for player in self.players}

    @property
    def networks_by_direction(self) -> dict:
        return {None: self.generator}

    @property
    def pair_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        height, width, channels = self.image_shape
        return (height // self.scale, width // self.scale, channels), self.image_shape

    # The game ----------------------------------------------------------------------------------

    def pretrain(self, *args, **kwargs) -> keras.callbacks.History:
        """Trains the generator alone on the pixels.

        Its epochs count: call `pretrain(data, epochs=100)`, then `fit(data, initial_epoch=100,
        epochs=150)`. The generator's optimizer keeps its moments. It logs the pixel loss as
        `generator_loss` and under the model's own name for it.

        Args:
            *args, **kwargs: as for `fit`.

        Returns:
            A `keras.callbacks.History`.
        """
        self._begin(pretraining=True)
        try:
            return self.fit(*args, **kwargs)
        finally:
            self._begin(pretraining=False)

    def _begin(self, pretraining):
        self.pretraining = pretraining
        self.choose_trackers()
        self.train_function = self.test_function = None

    def train_step(self, data):
        """One round on a batch of pairs; returns the mean losses so far."""
        if not self.pretraining:
            return super().train_step(data)
        small, large = self.image_pair(data)
        loss, _ = backend.update(
            lambda: (self.pixel_loss(large, *self.generated(small, large, training=True)), {}),
            self.part_variables("generator"),
            self.optimizer["generator"],
        )
        return self.track({"generator_loss": loss, self.pixel_loss_name: loss})

    def generated(self, small, large, training):
        return (self.generator(small, training=training),)

    def feature_difference(self, large, fake):
        """By how much features differ, times `feature_scale`; without features, pixels."""
        if self.features is None:
            return large - fake
        true, made = (self.features(images, training=False) for images in (large, fake))
        return self.feature_scale * (ops.cast(true, "float32") - ops.cast(made, "float32"))

    def realism_loss(self, large, fake, training):
        """The adversarial loss of the generator, float32 scalar."""
        return self.fooling_loss(
            self.discriminator(fake, training=training),
            lambda: self.discriminator(large, training=training),
        )

    def discriminator_loss(self, small, large, fake, training=True):
        """The discriminator's loss and logs: `(loss, logs)`."""
        loss = self.adversarial_loss.discriminator(
            self.discriminator(large, training=training),
            self.discriminator(fake, training=training),
        )
        return loss, {}

    def test_step(self, data):
        """Losses of a batch of pairs."""
        if not self.pretraining:
            return super().test_step(data)
        small, large = self.image_pair(data)
        loss = self.pixel_loss(large, *self.generated(small, large, training=False))
        return self.track({"generator_loss": loss, self.pixel_loss_name: loss})

    def call(self, images, training=False):
        """Small images to large images."""
        return self.generator(images, training=training)

    def get_config(self) -> dict:
        features = self.features
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "scale": self.scale,
            "base_width": self.base_width,
            "features": None if features is None else keras.saving.serialize_keras_object(features),
            "feature_scale": self.feature_scale,
            "adversarial_weight": self.adversarial_weight,
        }

    @classmethod
    def from_config(cls, config: dict) -> Self:
        features = keras.saving.deserialize_keras_object(config["features"])
        return super().from_config({**config, "features": features})


def srgan_discriminator(
    image_shape: tuple[int, ...], base_width: int = 64, name: str = "discriminator"
) -> keras.Model:
    """Figure 4 of SRGAN: eight convolutions of 3x3, every second of stride 2, two dense layers.

    Args:
        image_shape: (height, width, channels).
        base_width: int, feature maps of the first layer, doubled three times.
        name: str.

    Returns:
        A `keras.Model` from images to logits (batch, 1).

    Reference: Ledig et al., 2017, arXiv:1609.04802.
    """
    images = x = keras.Input(image_shape)
    for number in range(8):
        width = base_width * 2 ** (number // 2)
        x = convolution(width, 3, 1 + number % 2, name=f"conv{number}")(x)
        x = x if number == 0 else batch_normalization(f"norm{number}")(x)
        x = layers.LeakyReLU(0.2, name=f"relu{number}")(x)
    x = layers.Dense(16 * base_width, name="dense")(layers.Flatten(name="flatten")(x))
    x = layers.LeakyReLU(0.2, name="dense_relu")(x)
    return keras.Model(images, layers.Dense(1, name="logits", dtype="float32")(x), name=name)


def convolution(width, size, stride=1, **kwargs):
    """A convolution with zeros at the borders."""
    return layers.Conv2D(width, size, stride, padding="same", **kwargs)


def batch_normalization(name):
    """Batch normalization whose averages forget as fast as in SRGAN's code."""
    return layers.BatchNormalization(momentum=0.9, name=name)

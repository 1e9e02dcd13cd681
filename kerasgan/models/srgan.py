"""SRGAN, Ledig et al. 2017: large images from small ones."""

import os
import pathlib
from typing import Self

import keras
from keras import layers, ops

from kerasgan import backend
from kerasgan.layers.precision import dtype_policy
from kerasgan.metrics.mobilenet import MOBILENET, mobilenet_v2
from kerasgan.training.optimizers import adam
from kerasgan.translation.model import TranslationModel

VGG_LAYER, MOBILENET_LAYER = "block5_conv4", "block13"  # both at a sixteenth of the resolution


@keras.saving.register_keras_serializable(package="kerasgan")
class SRGAN(TranslationModel):
    """A residual network enlarges; what looks real is learned, what is alike is up to VGG19.

    Section 2.2 of the paper: the generator minimizes the content loss, the mean squared difference
    of the features of enlarged and true images, plus `adversarial_weight` times the adversarial
    loss -log D(G(small)). Section 3.2: it is first trained on the mean squared error of the pixels
    alone, which is `pretrain`; alone, that makes the paper's SRResNet. Adam(1e-4), batches of 16,
    crops of 96 pixels.

    The paper divides VGG's features by 12.75; here the content loss is divided by the square, 0.006
    of it being left, the same number.

    Args:
        image_shape: (height, width, channels) of the large images in training, multiples of
            `scale`. Afterwards images of any size are enlarged.
        scale: 2 or 4.
        base_width: int, feature maps.
        residual_blocks: int, B of the paper.
        features: what the content loss compares: `"vgg19"` for the paper's VGG19 with the weights
            of Keras, which are downloaded once; `"mobilenet_v2"`, not the paper's, for
            `kerasgan.metrics.mobilenet`, whose weights come with a package; the path of a file with
            VGG19's weights (`.weights.h5` or `.h5`) or of a Keras model (`.keras`); any
            `keras.Model` from images in [-1, 1] to features; None for the pixels themselves, the
            paper's SRGAN-MSE. They are saved with the model and not trained.
        feature_layer: str, the layer of VGG19, if the features are of it: `"block5_conv4"`, which
            None is, for the paper's SRGAN-VGG54, `"block2_conv2"` for its SRGAN-VGG22. Of
            MobileNetV2 `"block1"` to `"block17"`; None is `"block13"`.
        feature_scale: float, by which features are multiplied; 1 / 12.75 in the paper.
        adversarial_weight: float, 1e-3 in the paper.
        seed: int or None; the model draws no random numbers.
        dtype: None or a dtype policy such as `"mixed_bfloat16"`, for generator and discriminator.
        **kwargs: `name`, as for `keras.Model`.

    The data is (small images, large images): `kerasgan.data.paired(images, "super_resolve")`.

    Raises:
        ValueError: for a scale or image_shape that cannot be had, features for other channels.
        OSError: when VGG19's weights cannot be had; the message says how to get them.

    Example:

    >>> gan = kerasgan.SRGAN((16, 16, 1), scale=2, base_width=8, residual_blocks=2, features=None)
    >>> gan.compile()
    >>> digits = kerasgan.data.load("digits", image_size=16, batch_size=16)
    >>> pairs = kerasgan.data.paired(digits, "super_resolve", scale=2)
    >>> history = gan.pretrain(pairs, epochs=1, verbose=0)
    >>> history = gan.fit(pairs, initial_epoch=1, epochs=2, verbose=0)
    >>> gan.translate(np.zeros((1, 10, 12, 1), "float32")).shape
    (1, 20, 24, 1)

    Reference: Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network,
    Ledig et al., 2017, arXiv:1609.04802.
    """

    takes = "super_resolve"
    pair_names = ("small", "large")
    size_multiple = 1
    default_batch_size = 16
    waits_for_pretraining = ("discriminator",)

    def __init__(
        self,
        image_shape: tuple[int, ...],
        scale: int = 4,
        base_width: int = 64,
        *,
        residual_blocks: int = 16,
        features: str | os.PathLike | keras.Model | None = "vgg19",
        feature_layer: str | None = None,
        feature_scale: float = 1.0 / 12.75,
        adversarial_weight: float = 1e-3,
        seed: int | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        height, width, channels = self.image_shape = tuple(image_shape)
        if not isinstance(scale, int) or scale not in (2, 4):
            raise ValueError(f"scale={scale!r}; use 2 or 4.")
        if height % scale or width % scale:
            raise ValueError(f"image_shape={self.image_shape}; use multiples of scale={scale}.")
        self.scale = scale
        self.base_width = base_width
        self.residual_blocks = residual_blocks
        self.feature_scale = feature_scale
        self.adversarial_weight = adversarial_weight
        self.pretraining = False
        with dtype_policy(dtype):
            self.generator = srresnet(channels, scale, base_width, residual_blocks)
            self.discriminator = srgan_discriminator(self.image_shape, base_width)
        with dtype_policy(None):
            self.features = _features(features, feature_layer, self.image_shape)

    @property
    def players(self) -> dict[str, list]:
        return {"generator": [self.generator], "discriminator": [self.discriminator]}

    @property
    def loss_names(self) -> tuple[str, ...]:
        if self.pretraining:
            return ("generator_loss", "content_loss")
        return (*super().loss_names, "content_loss")

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
        """Trains the generator alone on the mean squared error of the pixels.

        Its epochs count: `pretrain(data, epochs=100)`, then `fit(data, initial_epoch=100,
        epochs=150)`. The generator's optimizer goes on with the moments that it has. What is logged
        is the mean squared error, as `content_loss` and `generator_loss`.

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
        loss, logs = backend.update(
            lambda: self.pixel_loss(large, *self.generated(small, large, training=True)),
            self.part_variables("generator"),
            self.optimizer["generator"],
        )
        return self.track({"generator_loss": loss, **logs})

    def generated(self, small, large, training):
        return (self.generator(small, training=training),)

    def pixel_loss(self, large, fake):
        """What the generator minimizes in pre-training, and logs: `(loss, logs)`."""
        loss = ops.mean(ops.square(large - fake))
        return loss, {"content_loss": loss}

    def content_loss(self, large, fake):
        """Equations 4 and 5: the mean squared difference of the features; float32 scalar."""
        if self.features is None:
            return ops.mean(ops.square(large - fake))
        true, made = (self.features(images, training=False) for images in (large, fake))
        difference = ops.cast(true, "float32") - ops.cast(made, "float32")
        return ops.mean(ops.square(self.feature_scale * difference))

    def generator_loss(self, small, large, fake, training=True):
        """Equation 3: what the generator minimizes, and logs: `(loss, logs)`."""
        content = self.content_loss(large, fake)
        adversarial = self.fooling_loss(
            self.discriminator(fake, training=training),
            lambda: self.discriminator(large, training=training),
        )
        return content + self.adversarial_weight * adversarial, {"content_loss": content}

    def discriminator_loss(self, small, large, fake, training=True):
        """Equation 2: what the discriminator minimizes, and logs: `(loss, logs)`."""
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
        loss, logs = self.pixel_loss(large, *self.generated(small, large, training=False))
        return self.track({"generator_loss": loss, **logs})

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
            "residual_blocks": self.residual_blocks,
            "features": None if features is None else keras.saving.serialize_keras_object(features),
            "feature_scale": self.feature_scale,
            "adversarial_weight": self.adversarial_weight,
        }

    @classmethod
    def from_config(cls, config: dict) -> Self:
        features = keras.saving.deserialize_keras_object(config["features"])
        return super().from_config({**config, "features": features})


# The networks -----------------------------------------------------------------------------------


def srresnet(
    channels: int,
    scale: int = 4,
    base_width: int = 64,
    residual_blocks: int = 16,
    name: str = "generator",
) -> keras.Model:
    """Figure 4, above: k9n64s1, residual blocks, a skip around them, pixel shuffles, k9n3s1.

    The output is not bounded in the paper and is not here, so that the squared error is of what was
    computed; `translate` gives what it gives.

    Args:
        channels: int, of the images on both sides.
        scale: 2 or 4.
        base_width: int, feature maps.
        residual_blocks: int.
        name: str.

    Returns:
        A `keras.Model` from (batch, height, width, channels) to (batch, height * scale, width *
        scale, channels).

    Example:

    >>> network = kerasgan.models.srgan.srresnet(3, scale=2, base_width=8, residual_blocks=1)
    >>> tuple(network(np.zeros((1, 5, 7, 3), "float32")).shape)
    (1, 10, 14, 3)
    """
    images = keras.Input((None, None, channels))
    first = x = _prelu(_convolution(base_width, 9, name="conv_in")(images), "conv_in")
    for number in range(1, residual_blocks + 1):
        x = _residual_block(x, f"block{number}")
    x = _convolution(base_width, 3, name="conv_after")(x)
    x = _normalization("conv_after_norm")(x)
    x = layers.Add(name="skip")([first, x])
    for number in range(1, scale.bit_length()):
        x = _convolution(4 * base_width, 3, name=f"up{number}")(x)
        x = _prelu(PixelShuffle(2, name=f"up{number}_shuffle")(x), f"up{number}")
    x = _convolution(channels, 9, name="images", dtype="float32")(x)
    return keras.Model(images, x, name=name)


def srgan_discriminator(
    image_shape: tuple[int, ...], base_width: int = 64, name: str = "discriminator"
) -> keras.Model:
    """Figure 4, below: eight convolutions of 3x3, every second of stride 2, and two dense layers.

    Args:
        image_shape: (height, width, channels).
        base_width: int, feature maps of the first layer, doubled three times.
        name: str.

    Returns:
        A `keras.Model` from images to logits (batch, 1).
    """
    images = x = keras.Input(image_shape)
    for number in range(8):
        width = base_width * 2 ** (number // 2)
        x = _convolution(width, 3, 1 + number % 2, name=f"conv{number}")(x)
        x = x if number == 0 else _normalization(f"norm{number}")(x)
        x = layers.LeakyReLU(0.2, name=f"relu{number}")(x)
    x = layers.Dense(16 * base_width, name="dense")(layers.Flatten(name="flatten")(x))
    x = layers.LeakyReLU(0.2, name="dense_relu")(x)
    return keras.Model(images, layers.Dense(1, name="logits", dtype="float32")(x), name=name)


def _residual_block(x, name):
    y = _convolution(x.shape[-1], 3, name=f"{name}_conv1")(x)
    y = _prelu(_normalization(f"{name}_norm1")(y), name)
    y = _convolution(x.shape[-1], 3, name=f"{name}_conv2")(y)
    return layers.Add(name=f"{name}_sum")([x, _normalization(f"{name}_norm2")(y)])


def _convolution(width, size, stride=1, **kwargs):
    return layers.Conv2D(width, size, stride, padding="same", **kwargs)


def _normalization(name):
    return layers.BatchNormalization(momentum=0.9, name=name)


def _prelu(x, name):
    return layers.PReLU(
        alpha_initializer=keras.initializers.Constant(0.25),
        shared_axes=[1, 2],
        name=f"{name}_prelu",
    )(x)


@keras.saving.register_keras_serializable(package="kerasgan")
class PixelShuffle(layers.Layer):
    """Moves channels to where pixels are: (h, w, c * factor^2) becomes (h * factor, w * factor, c).

    Args:
        factor: int.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Reference: Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
    Convolutional Neural Network, Shi et al., 2016, arXiv:1609.05158.
    """

    def __init__(self, factor=2, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x):
        return ops.depth_to_space(x, self.factor, data_format="channels_last")

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        sides = (None if side is None else side * self.factor for side in (height, width))
        return (batch, *sides, channels // self.factor**2)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


# The features -----------------------------------------------------------------------------------


def vgg19_features(
    weights: str | os.PathLike | None = "imagenet", layer: str = "block5_conv4"
) -> keras.Model:
    """VGG19 up to a layer, for images in [-1, 1].

    Args:
        weights: `"imagenet"` for those that Keras downloads once; the path of a file with them; or
            None for random ones.
        layer: str, a layer of `keras.applications.VGG19`: `"block5_conv4"` is phi 5,4 of the paper,
            `"block2_conv2"` its phi 2,2, both after their activation.

    Returns:
        A `keras.Model` from (batch, height, width, 3) to the features; its weights are not trained.

    Raises:
        OSError: when the weights cannot be had.
        ValueError: for a layer that there is not.

    Example:

    >>> features = kerasgan.models.srgan.vgg19_features(weights=None, layer="block2_conv2")
    >>> features.output_shape
    (None, None, None, 128)

    Reference: Very Deep Convolutional Networks for Large-Scale Image Recognition, Simonyan &
    Zisserman, 2015, arXiv:1409.1556.
    """
    file = None if weights in ("imagenet", None) else pathlib.Path(weights)
    if file is not None and not file.exists():
        raise FileNotFoundError(f"the file {file} with VGG19's weights does not exist. {_ADVICE}")
    try:
        vgg19 = keras.applications.VGG19(
            include_top=False, weights=weights if file is None else None, name="vgg19"
        )
    except Exception as error:  # Keras raises a bare one when a download fails
        raise OSError(f"VGG19's weights could not be downloaded ({error}). {_ADVICE}") from error
    if file is not None:
        vgg19.load_weights(file)
    names = [each.name for each in vgg19.layers]
    if layer not in names:
        raise ValueError(f"layer={layer!r}; VGG19 has {', '.join(names[1:])}.")
    until = keras.Model(vgg19.inputs, vgg19.get_layer(layer).output)
    images = keras.Input((None, None, 3))
    network = keras.Model(images, until(VGGInput(name="vgg_input")(images)), name="vgg19_features")
    network.trainable = False
    return network


_ADVICE = (
    "Where there is a network, keras.applications.VGG19(include_top=False)."
    'save_weights("vgg19.weights.h5") writes them; give features="vgg19.weights.h5" then. Or give '
    "any keras.Model from images in [-1, 1] to features, or features=None for the pixels."
)


@keras.saving.register_keras_serializable(package="kerasgan")
class VGGInput(layers.Layer):
    """Images in [-1, 1] as VGG's weights want them: BGR in 0..255, less ImageNet's mean."""

    def call(self, images):
        return keras.applications.vgg19.preprocess_input(
            (images + 1.0) * 127.5, data_format="channels_last"
        )

    def compute_output_shape(self, input_shape):
        return input_shape


def _named_features(features, layer):
    """The network that a name, or the path of VGG19's weights, stands for."""
    if features == MOBILENET:
        return mobilenet_v2(layer=layer or MOBILENET_LAYER)
    return vgg19_features("imagenet" if features == "vgg19" else features, layer or VGG_LAYER)


def _features(features, layer, image_shape):
    """The network that an argument `features` stands for, or None."""
    if features is None:
        return None
    if isinstance(features, (str, pathlib.Path)):
        if str(features).endswith(".keras"):
            features = keras.saving.load_model(features)
        else:
            features = _named_features(str(features), layer)
    if not isinstance(features, keras.Model):
        raise ValueError(
            f"features={features!r}; use 'vgg19', 'mobilenet_v2', a path, a keras.Model from "
            "images to features, or None for the pixels."
        )
    try:
        found = features(ops.zeros((1, *image_shape)), training=False)
    except Exception as error:  # whatever it makes of images that it cannot take
        raise ValueError(
            f"features cannot take images of image_shape={image_shape}: {error} Give a network for "
            "these, or features=None for the pixels."
        ) from error
    if not keras.ops.is_tensor(found):
        raise ValueError("features has several outputs; give a keras.Model with one.")
    return features

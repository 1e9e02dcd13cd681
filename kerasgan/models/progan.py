"""ProGAN, Karras et al. 2018: both networks grow, from 4x4 to the final resolution."""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops

from kerasgan.growing.model import GrowingGAN
from kerasgan.growing.networks import (
    START_SIZE,
    GrowingDiscriminator,
    GrowingNetwork,
    conv,
    stage_widths,
    to_image,
)
from kerasgan.layers.equalized import SQRT2, equalized
from kerasgan.layers.pixel_normalization import PixelNormalization
from kerasgan.layers.precision import dtype_policy
from kerasgan.losses.adversarial import Wasserstein
from kerasgan.losses.penalties import GradientPenalty
from kerasgan.training.official import Published, PublishedFile, gan_places
from kerasgan.training.optimizers import adam
from kerasgan.weight_files.pickles import Record
from kerasgan.weight_files.trees import check_tensors


@keras.saving.register_keras_serializable(package="kerasgan")
class ProGAN(GrowingGAN):
    """Grows from 4x4 to as much as 1024x1024 under `kerasgan.callbacks.ProgressiveGrowing`.

    Table 2 of the paper: a stage doubles the resolution, with two 3x3 convolutions in each network,
    leaky ReLU, nearest-neighbour upsampling and average pooling. Learning rates are equalized
    (section 4.1), the generator normalizes each pixel's features (4.2), the discriminator sees the
    standard deviation over the minibatch (3). Appendix A.1: WGAN-GP with a drift of 0.001, one
    update of each network in turn, Adam(1e-3, beta_1=0, beta_2=0.99, epsilon=1e-8). Samples come
    from an average of the generator's weights with decay 0.999. The paper's alternative is
    `compile(loss="least_squares", penalties=[])`.

    The paper's widths for 1024x1024 are the defaults: 16 feature maps next to the image, 512 at
    most. Its networks for a smaller image are the first stages of that, which
    `base_width=16 * 1024 // size` gives.

    Departures: the generator's output is not bounded, and samples are clipped to [-1, 1]; the
    least-squares variant of the paper adds noise to the discriminator's layers, which this one does
    not.

    Args:
        *args, **kwargs: as for `kerasgan.growing.model.GrowingGAN`: image_shape, latent_dim,
            base_width, max_width, ema_decay, seed, dtype.
        pool_first: True for the discriminator of the authors' released networks, which reduces
            features before it activates them; False for that of table 2, which does so after.
        widths: None, or a tuple of the feature maps at each resolution from 4x4 on, instead of
            base_width and max_width.
        first_bias: `"maps"` for a bias of each feature map after the generator's first layer, as in
            the authors' code; `"places"` for one at each place of each, as in FAIR's.

    `from_official` reads files of pytorch_GAN_zoo (FAIR). Its discriminator computes the minibatch
    standard deviation without bias, and gives some images the value of other groups: for batches of
    4 the imported weights compensate for this; for larger batches the logits differ slightly here.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> gan = kerasgan.ProGAN((16, 16, 1), latent_dim=32, base_width=8, max_width=32)
    >>> gan.compile()
    >>> growing = kerasgan.callbacks.ProgressiveGrowing(
    ...     kerasgan.callbacks.Stage(fade_in=0.5, stabilize=0.5, unit="epochs"), verbose=0
    ... )
    >>> digits = kerasgan.data.load("digits", image_size=16)
    >>> history = gan.fit(digits, epochs=3, callbacks=[growing], verbose=0)

    Reference: Progressive Growing of GANs for Improved Quality, Stability, and Variation, Karras,
    Aila, Laine & Lehtinen, 2018, arXiv:1710.10196.
    """

    default_loss = Wasserstein(drift=1e-3)
    networks_version = 2

    def __init__(
        self,
        *args,
        pool_first: bool = True,
        widths: tuple[int, ...] | None = None,
        first_bias: str = "maps",
        **kwargs,
    ):
        if first_bias not in ("maps", "places"):
            raise ValueError(f"first_bias={first_bias!r}; use 'maps' or 'places'.")
        self.pool_first = pool_first
        self.widths = None if widths is None else tuple(widths)
        self.first_bias = first_bias
        super().__init__(*args, **kwargs)

    def networks(self) -> tuple[Callable, Callable]:
        return (
            functools.partial(Generator, widths=self.widths, first_bias=self.first_bias),
            functools.partial(GrowingDiscriminator, widths=self.widths, pool_first=self.pool_first),
        )

    def default_penalties(self) -> GradientPenalty | list:
        return GradientPenalty.wgan_gp()

    def default_optimizers(self) -> dict[str, keras.Optimizer]:
        return {p: adam(1e-3, 0.0, 0.99) for p in self.players}

    def get_config(self) -> dict:
        own = ("pool_first", "widths", "first_bias")
        return {**super().get_config(), **{name: getattr(self, name) for name in own}}

    # Published files ---------------------------------------------------------------------------

    @classmethod
    def published_in(cls, file: PublishedFile, network: str | None = None) -> Published | None:
        states, ignored = published_states(file.tree)
        if not {"netG", "avgG"} & set(states):
            return None
        check_settings(file.tree.get("config"))
        places = gan_places(states, network, NETWORKS)
        ignored += [f"network {name}" for name in states if name not in places.values()]
        settings = settings_of_generator(states[places["generator"]])
        networks = {name: states[name] for name in dict.fromkeys(places.values())}
        for name, tensors in networks.items():
            kind = "discriminator" if name == "netD" else "generator"
            shapes = {place.theirs: place.shape for place in published_places(kind, settings)}
            check_tensors(tensors, with_biases(shapes), name)
        kind = "checkpoint of a progressive GAN (pytorch_GAN_zoo)"
        return Published(kind, settings, networks, places, tuple(ignored), licence=LICENCE)

    def load_network(self, name: str, tensors: Mapping[str, np.ndarray]) -> None:
        network = getattr(self, name)
        kind = "discriminator" if name == "discriminator" else "generator"
        for place in published_places(kind, self.get_config()):
            block = getattr(network, place.blocks)[place.stage]
            layer = block.get_layer(f"{place.layer}_eq")
            kernel, bias = (tensors[f"{place.theirs}.{part}"] for part in ("weight", "bias"))
            # The program multiplies what a layer has made, with its bias, by He's constant.
            bias = bias * math.sqrt(2.0 / math.prod(place.shape[1:]))
            layer.layer.kernel.assign(as_ours(place, kernel) * (SQRT2 / layer.gain))
            if place.theirs == "formatLayer":
                bias = bias.reshape(-1, START_SIZE, START_SIZE).transpose(1, 2, 0)
                block.get_layer("bias").bias.assign(bias)
            else:
                layer.layer.bias.assign(bias)


class Generator(GrowingNetwork):
    """The generator of table 2."""

    def __init__(
        self,
        image_shape,
        latent_dim,
        base_width,
        max_width,
        widths=None,
        first_bias="maps",
        **kwargs,
    ):
        super().__init__(image_shape, **kwargs)
        self.settings = {"latent_dim": latent_dim, "base_width": base_width, "max_width": max_width}
        self.settings |= {"widths": widths, "first_bias": first_bias}
        widths = stage_widths(image_shape, base_width, max_width, widths)
        with dtype_policy(self.dtype_policy):
            self.blocks = [first_block(latent_dim, widths[0], first_bias)]
            for stage in range(1, len(widths)):
                self.blocks.append(up_block(stage, widths[stage - 1], widths[stage]))
            self.to_image = [
                to_image(stage, width, image_shape[-1]) for stage, width in enumerate(widths)
            ]
            self.enlarge = layers.UpSampling2D(2, dtype="float32", name="enlarge")

    def layers_at(self, stage):
        return self.blocks[: stage + 1] + self.to_image[max(0, stage - 1) : stage + 1]

    def call(self, z, training=False):
        x = self.blocks[0](z)
        for block in self.blocks[1 : self.stage]:
            x = block(x)
        if self.stage == 0:
            images = self.to_image[0](x)
        else:
            before = self.enlarge(self.to_image[self.stage - 1](x))
            x = self.blocks[self.stage](x)
            images = self.faded(before, self.to_image[self.stage](x))
        return images if training else ops.clip(images, -1.0, 1.0)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *self.image_shape)

    def get_config(self):
        return {"name": self.name, "image_shape": self.final_image_shape, **self.settings}


def first_block(latent_dim, width, first_bias):
    """From the latent, as a point of the hypersphere, to 4x4 features."""
    z = keras.Input((latent_dim,))
    x = PixelNormalization(name="latent_norm")(z)
    # The first layer of the authors' code, of which each output sees all of z, has this gain.
    dense = layers.Dense(START_SIZE * START_SIZE * width, use_bias=False, name="dense")
    x = equalized(dense, gain=2.0**0.5 / 4.0)(x)
    x = layers.Reshape((START_SIZE, START_SIZE, width), name="reshape")(x)
    x = activated(Bias(first_bias == "places", name="bias")(x), "dense")
    return keras.Model(z, activated(conv(width, "conv")(x), "conv"), name="stage0")


def up_block(stage, inputs, width):
    """Twice the resolution."""
    features = keras.Input((START_SIZE * 2 ** (stage - 1),) * 2 + (inputs,))
    x = layers.UpSampling2D(2, name="up")(features)
    for number in (1, 2):
        x = activated(conv(width, f"conv{number}")(x), f"conv{number}")
    return keras.Model(features, x, name=f"stage{stage}")


def activated(x, name):
    """Leaky ReLU, then the normalization of each pixel's features."""
    return PixelNormalization(name=f"{name}_norm")(layers.LeakyReLU(0.2, name=f"{name}_relu")(x))


class Bias(layers.Layer):
    """Adds a bias to each feature map, at all places the same or not. Any shape.

    Args:
        by_place: whether it is not the same at all places.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.
    """

    def __init__(self, by_place=False, **kwargs):
        super().__init__(**kwargs)
        self.by_place = by_place

    def build(self, input_shape):
        shape = input_shape[1:] if self.by_place else input_shape[-1:]
        self.bias = self.add_weight(tuple(shape), "zeros", name="bias")

    def call(self, x):
        return x + self.bias

    def compute_output_shape(self, input_shape):
        return input_shape


# The published files ----------------------------------------------------------------------------

NETWORKS = ("netG", "avgG", "netD")
LICENCE = "a BSD licence"
MOST_STAGES = 9
# Of a group of 4, the deviation without bias by that with it.
UNBIASED = math.sqrt(4.0 / 3.0)
# What the program has to have been told, as far as its file says it.
NEEDED = {"equalizedlR": True, "perChannelNormalization": True, "leakyness": 0.2}


class Place(NamedTuple):
    """Where the kernel and bias of a published layer belong.

    Attributes:
        theirs: str, the layer's name.
        shape: that of its weight.
        blocks: str, the attribute of our network with a list of blocks.
        stage: int, which block.
        layer: str, the name of the layer in the block.
    """

    theirs: str
    shape: tuple[int, ...]
    blocks: str
    stage: int
    layer: str


def published_states(tree: Any) -> tuple[dict[str, dict[str, np.ndarray]], list[str]]:
    """The networks of a checkpoint, and what in it is ignored.

    Returns:
        dict from `netG`, `avgG` and `netD`, as far as they are there, to arrays by name, and lines.
    """
    found: dict[str, dict[str, np.ndarray]] = {}
    ignored: list[str] = []
    for name in NETWORKS if isinstance(tree, dict) else ():
        state = tree.get(name)
        if not isinstance(state, dict):
            continue
        if all(isinstance(value, np.ndarray) for value in state.values()):
            found[name] = {n.replace(".module.", "."): array for n, array in state.items()}
    # Other models of the program have netG, too.
    found = {
        n: s for n, s in found.items() if {"formatLayer.weight", "decisionLayer.weight"} & {*s}
    }
    judge = found.get("netD", {}).get("decisionLayer.weight")
    if judge is not None and judge.shape[:1] != (1,):
        ignored.append("network netD: it classifies, too, which a ProGAN does not")
        del found["netD"]
    return found, ignored


def check_settings(config: Any) -> None:
    """Makes sure that a program was told what `ProGAN` is, as far as its file has settings.

    Raises:
        ValueError: for other settings.
    """
    told = config.state if isinstance(config, Record) else {}
    for name, wanted in NEEDED.items():
        if told.get(name, wanted) != wanted:
            raise ValueError(f"it has {name}={told[name]!r}; ProGAN has {wanted!r}.")


def settings_of_generator(tensors: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The arguments of `ProGAN` for the arrays of a published generator.

    Raises:
        ValueError: for a size that `ProGAN` does not have.
    """
    width = tensors["groupScale0.0.weight"].shape[0]
    widths = [width]
    while f"scaleLayers.{len(widths) - 1}.0.weight" in tensors and len(widths) < MOST_STAGES:
        widths.append(tensors[f"scaleLayers.{len(widths) - 1}.0.weight"].shape[0])
    if len(widths) < 2:
        raise ValueError("its generator makes images of 4x4, but ProGAN makes 8x8 and more.")
    size = START_SIZE * 2 ** (len(widths) - 1)
    return {
        "image_shape": (size, size, tensors["toRGBLayers.0.weight"].shape[0]),
        "latent_dim": tensors["formatLayer.weight"].shape[1],
        "widths": tuple(widths),
        "pool_first": False,
        "first_bias": "places",
    }


def published_places(kind: str, settings: Mapping[str, Any]) -> list[Place]:
    """Where the layers of a published network belong.

    Args:
        kind: `"generator"` or `"discriminator"`.
        settings: arguments of `ProGAN`.
    """
    widths, channels = settings["widths"], settings["image_shape"][-1]
    width, all_places = widths[0], START_SIZE**2
    if kind == "generator":
        latent = settings["latent_dim"]
        shape: tuple[int, ...] = (all_places * width, latent)
        places = [
            Place("formatLayer", shape, "blocks", 0, "dense"),
            Place("groupScale0.0", (width, width, 3, 3), "blocks", 0, "conv"),
        ]
    else:
        places = [
            Place("groupScaleZero.0", (width, width + 1, 3, 3), "blocks", 0, "conv"),
            Place("groupScaleZero.1", (width, all_places * width), "blocks", 0, "dense"),
            Place("decisionLayer", (1, width), "blocks", 0, "logit"),
        ]
    for stage, width in enumerate(widths):
        if kind == "generator":
            shape, image = (channels, width, 1, 1), "toRGBLayers"
            places.append(Place(f"{image}.{stage}", shape, "to_image", stage, "conv"))
        else:
            shape, image = (width, channels, 1, 1), "fromRGBLayers"
            places.append(Place(f"{image}.{stage}", shape, "from_image", stage, "conv"))
        if stage > 0:
            before = widths[stage - 1]
            pairs = [(before, width), (width, width)]
            if kind == "discriminator":
                pairs = [(width, width), (width, before)]
            for number, (inputs, outputs) in enumerate(pairs):
                theirs, shape = f"scaleLayers.{stage - 1}.{number}", (outputs, inputs, 3, 3)
                places.append(Place(theirs, shape, "blocks", stage, f"conv{number + 1}"))
    return places


def as_ours(place: Place, kernel: np.ndarray) -> np.ndarray:
    """A published kernel with its axes, and numbers of 4x4 places, in our order."""
    if place.theirs == "formatLayer":
        maps = kernel.reshape(-1, START_SIZE, START_SIZE, place.shape[1])
        return maps.transpose(3, 1, 2, 0).reshape(place.shape[::-1])
    if place.theirs == "groupScaleZero.1":
        maps = kernel.reshape(place.shape[0], -1, START_SIZE, START_SIZE)
        return maps.transpose(2, 3, 1, 0).reshape(place.shape[::-1])
    if place.theirs == "groupScaleZero.0":
        kernel = np.concatenate([kernel[:, :-1], UNBIASED * kernel[:, -1:]], axis=1)
    return kernel.transpose(2, 3, 1, 0) if kernel.ndim == 4 else kernel.T


def with_biases(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The shapes of weights and biases of layers, by name."""
    found: dict[str, tuple[int, ...]] = {}
    for name, shape in shapes.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return found

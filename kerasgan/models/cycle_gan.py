"""CycleGAN, Zhu et al. 2017: between two sets of images of which none belong together."""

import re
from collections.abc import Mapping
from functools import partial

import keras
import numpy as np
from keras import layers, ops

from kerasgan import backend
from kerasgan.layers.image_history import ImageHistory
from kerasgan.layers.patch_gan import (
    convolution,
    instance_normalization,
    patch_discriminator,
    transposed_convolution,
)
from kerasgan.layers.precision import dtype_policy
from kerasgan.layers.reflection_padding import ReflectionPadding2D
from kerasgan.losses.adversarial import LeastSquares
from kerasgan.training.official import Published, PublishedFile
from kerasgan.translation.model import TranslationModel
from kerasgan.translation.published_files import (
    LICENCE,
    MOST_LAYERS,
    PublishedLayer,
    channels_seen,
    check_norm,
    is_patch_discriminator,
    load_layers,
    patch_layers,
    published_states,
    shapes_of,
    without_statistics,
)
from kerasgan.weight_files.trees import check_tensors

PUBLISHED_SIZE = (256, 256)
# Our networks by the names of the published program, whose D_A judges what G_A makes, so B.
PLACES = {
    True: {"": "a_to_b", "G_B": "b_to_a"},
    False: {"": "discriminator_b", "D_B": "discriminator_a"},
}


@keras.saving.register_keras_serializable(package="kerasgan")
class CycleGAN(TranslationModel):
    """G translates A to B, F translates B to A, and each undoes the other.

    Section 3 of the paper: both generators minimize their adversarial losses plus `cycle_weight`
    times the mean absolute differences between F(G(a)) and a and between G(F(b)) and b. Section 5.2
    adds `identity_weight` times `cycle_weight` times those between G(b) and b and between F(a) and
    a. Section 4: least-squares losses, halved for the discriminators; the discriminators also see
    earlier translations; Adam(2e-4, beta_1=0.5), batches of 1, weights from N(0, 0.02). The paper
    lowers the learning rate linearly to zero in the second half of training:
    `kerasgan.LinearDecay`.

    Its loss is `LeastSquares(weight=2.0)`: the name `"least_squares"` means LSGAN's loss, whose
    factors of 1/2 would double the relative weight of the cycle loss.

    The generators are one player and the discriminators another. As in the authors' code the
    generators are updated first. Each network's forward pass is computed once per step for all
    losses of a player.

    Args:
        image_shape: (height, width, channels), multiples of 4, of images of A and of B.
        base_width: int, feature maps next to the image.
        residual_blocks: None for the paper's: 9 from 256 pixels on, else 6; or int.
        receptive_field: 1, 16, 34, 70, 142 or 286, the patch that each logit judges, in pixels.
        cycle_weight: float, lambda of the paper.
        identity_weight: float, relative to cycle_weight; 0 for none.
        history_size: int, how many earlier translations are kept for each discriminator.
        seed: int or None, the seed of the choices from the history.
        dtype: None or a dtype policy such as `"mixed_bfloat16"`, for all networks.
        **kwargs: `name`, as for `keras.Model`.

    The data is (images of A, images of B), in batches of a known size.

    Raises:
        ValueError: for an image_shape or receptive_field that is not possible.

    Example:

    >>> gan = kerasgan.CycleGAN((16, 16, 1), base_width=4, residual_blocks=1, receptive_field=16)
    >>> gan.compile()
    >>> a = np.random.default_rng(0).uniform(-1, 1, (4, 16, 16, 1)).astype("float32")
    >>> history = gan.fit(a, -a[::-1], batch_size=1, verbose=0)
    >>> gan.translate(a, to="B").shape
    (4, 16, 16, 1)

    Reference: Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks, Zhu,
    Park, Isola & Efros, 2017, arXiv:1703.10593.
    """

    # The paper's have no factor of 1/2 for the generators.
    default_loss = LeastSquares(weight=2.0)
    networks_version = 2
    takes = "unpaired"
    pair_names = ("A", "B")
    size_multiple = 4
    least_size = 8  # a border of one feature cannot be mirrored

    def __init__(
        self,
        image_shape: tuple[int, ...],
        base_width: int = 64,
        *,
        residual_blocks: int | None = None,
        receptive_field: int = 70,
        cycle_weight: float = 10.0,
        identity_weight: float = 0.5,
        history_size: int = 50,
        seed: int | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        height, width, channels = self.image_shape = tuple(image_shape)
        if height % 4 or width % 4:
            raise ValueError(
                f"image_shape={self.image_shape}; use a height and width that are multiples of 4."
            )
        if residual_blocks is None:
            residual_blocks = 9 if max(height, width) >= 256 else 6
        self.base_width = base_width
        self.residual_blocks = residual_blocks
        self.receptive_field = receptive_field
        self.cycle_weight, self.identity_weight = cycle_weight, identity_weight
        self.history_size = history_size
        with dtype_policy(dtype):
            self.a_to_b, self.b_to_a = (
                resnet_generator(channels, base_width, residual_blocks, name=name)
                for name in ("a_to_b", "b_to_a")
            )
            self.discriminator_a, self.discriminator_b = (
                patch_discriminator(self.image_shape, receptive_field, base_width, name=name)
                for name in ("discriminator_a", "discriminator_b")
            )
        seeds = [None, None] if seed is None else [seed + 1, seed + 2]
        self.history_a, self.history_b = (
            ImageHistory(history_size, seed, name=name)
            for name, seed in zip(("history_a", "history_b"), seeds, strict=True)
        )
        for history in (self.history_a, self.history_b):
            history.build((None, *self.image_shape))

    @property
    def players(self) -> dict[str, list]:
        return {
            "generator": [self.a_to_b, self.b_to_a],
            "discriminator": [self.discriminator_a, self.discriminator_b],
        }

    @property
    def loss_names(self) -> tuple[str, ...]:
        return (*super().loss_names, "cycle_loss", "identity_loss")

    @property
    def pair_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return self.image_shape, self.image_shape

    @property
    def networks_by_direction(self) -> dict:
        return {"B": self.a_to_b, "A": self.b_to_a}

    # Published files ---------------------------------------------------------------------------

    @classmethod
    def published_in(cls, file: PublishedFile, network: str | None = None) -> Published | None:
        settings: dict = {}
        places, networks, ignored, others = {}, {}, [], []
        for name, state in published_states(file).items():
            tensors, said = without_statistics(state)
            made = published_layers(tensors)
            if made is None:
                others.append(name or "it")
                continue
            own, layers_there = made
            check_norm(tensors, layers_there, name or "it", "instance")
            check_tensors(tensors, shapes_of(layers_there), name or "it")
            for argument, value in own.items():
                if settings.setdefault(argument, value) != value:
                    raise ValueError(
                        f"its networks have {argument}={settings[argument]} and {value}; those of "
                        "a CycleGAN have the same."
                    )
            is_generator = "residual_blocks" in own
            ours = PLACES[is_generator].get(name, PLACES[is_generator][""])
            networks[name or ours], places[ours] = tensors, name or ours
            ignored += [line for line in said if line not in ignored]
        if not networks:
            return None
        if others:
            raise ValueError(
                f"{others[0]} is neither a generator of residual blocks nor a PatchGAN, which a "
                "CycleGAN consists of."
            )
        if network is not None:
            raise ValueError(f"network={network!r}; use None for files with one network.")
        settings["image_shape"] = (*PUBLISHED_SIZE, settings.pop("channels"))
        kind = "state dicts of CycleGAN (pytorch-CycleGAN-and-pix2pix)"
        return Published(kind, settings, networks, places, tuple(ignored), licence=LICENCE)

    def load_network(self, name: str, tensors: Mapping[str, np.ndarray]) -> None:
        found = published_layers(tensors)
        layers_there = [] if found is None else found[1]
        load_layers(getattr(self, name), layers_there, tensors)

    # The game ----------------------------------------------------------------------------------

    def train_step(self, data):
        """One round on a batch of each set; returns the mean losses so far."""
        pair = self.image_pair(data)

        def generators():
            # The cycles go through the generators once more, so gradients cannot wait.
            fakes = self.generated(*pair, training=True)
            loss, logs = self.generator_loss(*pair, *fakes)
            return loss, (logs, fakes)

        generator_loss, (logs, (fake_b, fake_a)) = backend.update(
            generators, self.part_variables("generator"), self.optimizer["generator"]
        )
        shown = self.history_a(fake_a), self.history_b(fake_b)
        discriminator_loss, _ = backend.update(
            lambda: self.discriminator_loss(*pair, *reversed(shown)),
            self.part_variables("discriminator"),
            self.optimizer["discriminator"],
        )
        logs |= {"generator_loss": generator_loss, "discriminator_loss": discriminator_loss}
        return self.track(logs)

    def generated(self, real_a, real_b, training):
        return self.a_to_b(real_a, training=training), self.b_to_a(real_b, training=training)

    def generator_loss(self, real_a, real_b, fake_b, fake_a, training=True):
        """The generators' loss and logs: `(loss, logs)`."""
        judge_a = partial(self.discriminator_a, training=training)
        judge_b = partial(self.discriminator_b, training=training)
        loss = self.fooling_loss(judge_b(fake_b), lambda: judge_b(real_b))
        loss += self.fooling_loss(judge_a(fake_a), lambda: judge_a(real_a))
        cycle = _distance(self.b_to_a(fake_b, training=training), real_a)
        cycle += _distance(self.a_to_b(fake_a, training=training), real_b)
        identity = ops.zeros((), "float32")
        if self.identity_weight:
            identity = _distance(self.a_to_b(real_b, training=training), real_b)
            identity += _distance(self.b_to_a(real_a, training=training), real_a)
        loss += self.cycle_weight * (cycle + self.identity_weight * identity)
        return loss, {"cycle_loss": cycle, "identity_loss": identity}

    def discriminator_loss(self, real_a, real_b, fake_b, fake_a, training=True):
        """The discriminators' loss and logs: `(loss, logs)`."""
        loss = 0.0
        for judge, real, fake in (
            (self.discriminator_a, real_a, fake_a),
            (self.discriminator_b, real_b, fake_b),
        ):
            loss += 0.5 * self.adversarial_loss.discriminator(
                judge(real, training=training), judge(fake, training=training)
            )
        return loss, {}

    def call(self, images, training=False):
        """Images of A to images of B."""
        return self.a_to_b(images, training=training)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "base_width": self.base_width,
            "residual_blocks": self.residual_blocks,
            "receptive_field": self.receptive_field,
            "cycle_weight": self.cycle_weight,
            "identity_weight": self.identity_weight,
            "history_size": self.history_size,
        }


def _distance(images, others):
    return ops.mean(ops.abs(images - others))


def resnet_generator(
    channels: int, base_width: int = 64, residual_blocks: int = 9, name: str = "generator"
) -> keras.Model:
    """The appendix: c7s1-64, d128, d256, R256 so many times, u128, u64, c7s1-3.

    Reflection padding, instance normalization without scale and bias, ReLU, tanh at the end. The
    3x3 convolutions that halve the resolution pad one zero at each side, as in the authors' code;
    Keras' `"same"` would pad below and to the right only. Those that double it are their
    transposes.

    Args:
        channels: int, of the images on both sides.
        base_width: int, feature maps next to the image.
        residual_blocks: int.
        name: str.

    Returns:
        A `keras.Model` from (batch, height, width, channels) to the same shape in [-1, 1]; height
        and width are multiples of 4.

    Reference: the network is of Perceptual Losses for Real-Time Style Transfer and
    Super-Resolution, Johnson et al., 2016, arXiv:1603.08155.
    """
    images = keras.Input((None, None, channels))
    x = ReflectionPadding2D(3, name="pad_in")(images)
    x = _normalized(convolution(base_width, 7, name="conv_in")(x), "conv_in")
    for number in (1, 2):
        width = base_width * 2**number
        x = layers.ZeroPadding2D(1, name=f"down{number}_pad")(x)
        x = convolution(width, 3, 2, name=f"down{number}")(x)
        x = _normalized(x, f"down{number}")
    for number in range(1, residual_blocks + 1):
        x = _residual_block(x, f"block{number}")
    for number in (2, 1):
        width = base_width * 2 ** (number - 1)
        x = transposed_convolution(width, 3, padding="valid", name=f"up{number}")(x)
        x = layers.Cropping2D(((1, 0), (1, 0)), name=f"up{number}_crop")(x)
        x = _normalized(x, f"up{number}")
    x = ReflectionPadding2D(3, name="pad_out")(x)
    x = convolution(channels, 7, name="conv_out", dtype="float32")(x)
    return keras.Model(
        images, layers.Activation("tanh", dtype="float32", name="images")(x), name=name
    )


def _normalized(x, name):
    return layers.ReLU(name=f"{name}_relu")(instance_normalization(f"{name}_norm")(x))


def _residual_block(x, name):
    width = x.shape[-1]
    y = ReflectionPadding2D(1, name=f"{name}_pad1")(x)
    y = _normalized(convolution(width, 3, name=f"{name}_conv1")(y), f"{name}_conv1")
    y = ReflectionPadding2D(1, name=f"{name}_pad2")(y)
    y = convolution(width, 3, name=f"{name}_conv2")(y)
    return layers.Add(name=f"{name}_sum")([x, instance_normalization(f"{name}_conv2_norm")(y)])


# The published files --------------------------------------------------------------------------


def published_layers(
    tensors: Mapping[str, np.ndarray],
) -> tuple[dict, list[PublishedLayer]] | None:
    """What the arrays of a published generator or discriminator say.

    Args:
        tensors: arrays by their names in the published program.

    Returns:
        None for another network; or arguments of `CycleGAN` (but `channels`) and the layers.
        Those of a generator have `residual_blocks`.

    Raises:
        ValueError: for a network of another depth.
    """
    if is_patch_discriminator(tensors, normalized=False):
        settings, found = patch_layers(tensors, normalized=False)
        return {**settings, "channels": channels_seen(tensors)}, found
    first = tensors.get("model.1.weight", np.empty(0))
    if first.ndim != 4 or first.shape[2:] != (7, 7):
        return None
    width, channels = first.shape[:2]
    pattern = r"model\.\d{1,3}\.conv_block\.1\.weight"
    blocks = sum(re.fullmatch(pattern, name) is not None for name in tensors)
    if not 0 < blocks <= MOST_LAYERS:
        raise ValueError(f"its generator has {blocks} residual blocks; use 1 to {MOST_LAYERS}.")
    # Dropout between them, which trains only, takes a number.
    second = 6 if "model.10.conv_block.6.weight" in tensors else 5
    found = [
        PublishedLayer("conv_in", "model.1", (width, channels, 7, 7), width),
        PublishedLayer("down1", "model.4", (2 * width, width, 3, 3), 2 * width),
        PublishedLayer("down2", "model.7", (4 * width, 2 * width, 3, 3), 4 * width),
    ]
    wide = 4 * width
    for block in range(blocks):
        for number, place in ((1, 1), (2, second)):
            theirs = f"model.{10 + block}.conv_block.{place}"
            ours = f"block{block + 1}_conv{number}"
            found.append(PublishedLayer(ours, theirs, (wide, wide, 3, 3), wide))
    found += [
        PublishedLayer("up2", f"model.{10 + blocks}", (wide, 2 * width, 3, 3), 2 * width),
        PublishedLayer("up1", f"model.{13 + blocks}", (2 * width, width, 3, 3), width),
        PublishedLayer("conv_out", f"model.{17 + blocks}", (channels, width, 7, 7), channels),
    ]
    return {"base_width": width, "residual_blocks": blocks, "channels": channels}, found

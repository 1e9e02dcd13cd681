"""Pix2Pix, Isola et al. 2017: image to image from pairs, with a loss that is learned."""

from collections.abc import Container, Mapping, Sequence

import keras
import numpy as np
from keras import layers, ops

from kerasgan import backend
from kerasgan.layers.patch_gan import (
    affine_instance_normalization,
    convolution,
    patch_discriminator,
    transposed_convolution,
)
from kerasgan.layers.precision import dtype_policy
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

PUBLISHED_SIZE = 256


@keras.saving.register_keras_serializable(package="kerasgan")
class Pix2Pix(TranslationModel):
    """A U-Net translates; a PatchGAN judges the translation beside its source.

    Section 3 of the paper: the generator minimizes the adversarial loss plus `l1_weight` times the
    mean absolute difference from the target; the discriminator sees source and target, or source
    and translation, its loss halved. The noise is dropout, in training and afterwards; the `seed`
    of `translate` determines it. One update of each network in turn, Adam(2e-4, beta_1=0.5),
    batches of 1, weights from N(0, 0.02).

    Normalization uses the statistics of each image, as the paper's batch norm does with a batch of
    one; in larger batches, too, each image is normalized by itself. The generator is updated on the
    images that the discriminator has just seen, judged again, as in the authors' code.

    Args:
        image_shape: (height, width, channels) of the target images, for example (256, 256, 3);
            height and width a multiple of 4. The depth of the U-Net follows: it halves until a side
            is odd, 8 times at most.
        source_channels: int, channels of the source images; None for as many as the target images
            have.
        base_width: int, feature maps next to the image.
        depth: None, or int of at least 2, how often the U-Net halves the image.
        dropout_levels: the upsampling layers with dropout, numbered from 0 for the layer that
            reaches the size of the image; None as in the paper, for the first three. The authors'
            PyTorch code has no dropout in the first, and uses (4, 5, 6) of eight.
        receptive_field: 1, 16, 34, 70, 142 or 286, the patch that each of the discriminator's
            logits judges, in pixels.
        l1_weight: float, lambda of the paper.
        seed: int or None, the seed of the dropout.
        dtype: None or a dtype policy such as `"mixed_bfloat16"`, for both networks.
        **kwargs: `name`, as for `keras.Model`.

    The data is (source, target).

    Raises:
        ValueError: for an image_shape or receptive_field that is not possible.

    Example:

    >>> gan = kerasgan.Pix2Pix((16, 16, 1), base_width=8, receptive_field=16)
    >>> gan.compile()
    >>> target = np.random.default_rng(0).uniform(-1, 1, (4, 16, 16, 1)).astype("float32")
    >>> history = gan.fit(-target, target, batch_size=1, verbose=0)
    >>> gan.translate(-target).shape
    (4, 16, 16, 1)

    Reference: Image-to-Image Translation with Conditional Adversarial Networks, Isola, Zhu, Zhou &
    Efros, 2017, arXiv:1611.07004.
    """

    pair_names = ("source", "target")

    def __init__(
        self,
        image_shape: tuple[int, ...],
        source_channels: int | None = None,
        base_width: int = 64,
        *,
        depth: int | None = None,
        dropout_levels: tuple[int, ...] | None = None,
        receptive_field: int = 70,
        l1_weight: float = 100.0,
        seed: int | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        **kwargs,
    ):
        super().__init__(seed=seed, **kwargs)
        height, width, channels = self.image_shape = tuple(image_shape)
        self.source_channels = channels if source_channels is None else source_channels
        self.base_width = base_width
        self.receptive_field = receptive_field
        self.l1_weight = l1_weight
        most = halvings(height, width)
        if depth is not None and not (isinstance(depth, int) and 2 <= depth <= most):
            raise ValueError(
                f"depth={depth!r}; use None or a whole number from 2 to {most}, which is as often "
                f"as {height}x{width} can be halved."
            )
        self.asked_depth, self.depth = depth, most if depth is None else depth
        dropped: Sequence[int] = range(max(self.depth - 3, 1), self.depth)
        if dropout_levels is not None:
            dropped = tuple(dropout_levels)
            if not set(dropped) <= set(range(1, self.depth)):
                raise ValueError(
                    f"dropout_levels={dropout_levels!r}; use None or numbers from 1 to "
                    f"{self.depth - 1}."
                )
        self.dropout_levels = dropout_levels if dropout_levels is None else dropped
        with dtype_policy(dtype):
            self.generator = unet(
                self.depth, self.source_channels, channels, base_width, seed, dropped=dropped
            )
            self.discriminator = patch_discriminator(
                (height, width, self.source_channels + channels),
                receptive_field,
                base_width,
                affine_instance_normalization,
            )

    @property
    def players(self) -> dict[str, list]:
        return {"generator": [self.generator], "discriminator": [self.discriminator]}

    @property
    def loss_names(self) -> tuple[str, ...]:
        return (*super().loss_names, "l1_loss")

    @classmethod
    def arguments_for(cls, source_shape: tuple[int, ...], target_shape: tuple[int, ...]) -> dict:
        return {"image_shape": target_shape, "source_channels": source_shape[-1]}

    @property
    def pair_shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        height, width, channels = self.image_shape
        return (height, width, self.source_channels), (height, width, channels)

    @property
    def size_multiple(self) -> int:
        return 2**self.depth

    @property
    def networks_by_direction(self) -> dict:
        return {None: self.generator}

    # Published files ---------------------------------------------------------------------------

    @classmethod
    def published_in(cls, file: PublishedFile, network: str | None = None) -> Published | None:
        found, ignored = {}, []
        for name, state in published_states(file).items():
            tensors, said = without_statistics(state)
            if "model.model.0.weight" in tensors:
                made = unet_layers(tensors)
                ours = "generator"
            elif is_patch_discriminator(tensors, normalized=True):
                made = patch_layers(tensors, normalized=True)
                ours = "discriminator"
            else:
                continue
            check_norm(tensors, made[1], name or "it", "batch")
            check_tensors(tensors, shapes_of(made[1]), name or "it")
            found[ours] = (name or ours, tensors, made[0])
            ignored += [line for line in said if line not in ignored]
        if not found:
            return None
        if network is not None:
            raise ValueError(f"network={network!r}; use None for files with one network.")
        settings: dict = {}
        for _, _, own in found.values():
            for argument, value in own.items():
                if settings.setdefault(argument, value) != value:
                    raise ValueError(
                        f"its networks have {argument}={settings[argument]} and {value}; those of "
                        "a Pix2Pix have the same."
                    )
        if "discriminator" in found:
            both = channels_seen(found["discriminator"][1])
            if "generator" not in found:
                settings |= {"target_channels": both // 2, "source_channels": (both + 1) // 2}
            elif both != settings["target_channels"] + settings["source_channels"]:
                raise ValueError(
                    f"its discriminator sees {both} channels, which are not those of the generator."
                )
        channels = settings.pop("target_channels")
        size = max(2 ** settings["depth"], 32) if "depth" in settings else PUBLISHED_SIZE
        settings["image_shape"] = (size, size, channels)
        return Published(
            "state dicts of Pix2Pix (pytorch-CycleGAN-and-pix2pix)",
            settings,
            {name: tensors for name, tensors, _ in found.values()},
            {ours: name for ours, (name, *_) in found.items()},
            tuple(ignored),
            licence=LICENCE,
        )

    def load_network(self, name: str, tensors: Mapping[str, np.ndarray]) -> None:
        if name == "generator":
            _, layers_there = unet_layers(tensors)
        else:
            _, layers_there = patch_layers(tensors, normalized=True)
        load_layers(getattr(self, name), layers_there, tensors)

    # The game ----------------------------------------------------------------------------------

    def generated(self, source, target, training):
        return (self.generator(source, training=training),)

    def discriminator_loss(self, source, target, fake, training=True):
        """The discriminator's loss and logs: `(loss, logs)`."""
        real_logits = self.discriminate(source, target, training)
        fake_logits = self.discriminate(source, fake, training)
        return 0.5 * self.adversarial_loss.discriminator(real_logits, fake_logits), {}

    def generator_loss(self, source, target, fake, training=True):
        """The generator's loss and logs: `(loss, logs)`."""
        l1 = ops.mean(ops.abs(target - fake))
        fooling = self.fooling_loss(
            self.discriminate(source, fake, training),
            lambda: self.discriminate(source, target, training),
        )
        return fooling + self.l1_weight * l1, {"l1_loss": l1}

    def discriminate(self, source, images, training):
        """A map of logits for images together with their source images."""
        return self.discriminator(ops.concatenate([source, images], axis=-1), training=training)

    def call(self, images, training=False):
        """Source images to target images."""
        return self.generator(images, training=training)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "image_shape": self.image_shape,
            "source_channels": self.source_channels,
            "base_width": self.base_width,
            "depth": self.asked_depth,
            "dropout_levels": self.dropout_levels,
            "receptive_field": self.receptive_field,
            "l1_weight": self.l1_weight,
        }


class ConstantSeed(keras.random.SeedGenerator):
    """A seed generator that gives its state, again and again."""

    def next(self, ordered=True):
        return self.state.value


@keras.saving.register_keras_serializable(package="kerasgan")
class DropoutNoise(layers.Layer):
    """Dropout in training and afterwards, where it is the same at each call and for each image.

    Afterwards it depends only on the state of `sampling_seed`, so that the translation of an image
    does not depend on other images in the batch.

    Args:
        rate: float, the share of the inputs to set to zero.
        seed: int or None, the seed of the random numbers in training.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.
    """

    def __init__(self, rate, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.seed = seed
        self.training_seed = backend.SeedGenerator(seed)
        self.sampling_seed = ConstantSeed(0)

    def call(self, x, training=False):
        images, *shape = ops.shape(x)
        shape = (images if training else 1, *shape)
        seed = self.training_seed if training else self.sampling_seed
        kept = keras.random.uniform(shape, dtype="float32", seed=seed) >= self.rate
        return ops.where(kept, x / (1.0 - self.rate), ops.zeros((), x.dtype))

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


def halvings(height, width, at_most=8):
    """How often a U-Net halves an image: until a side is odd.

    Raises:
        ValueError: for an image that cannot be halved twice.
    """
    depth = 0
    while depth < at_most and not (height % 2 ** (depth + 1) or width % 2 ** (depth + 1)):
        depth += 1
    if depth < 2:
        raise ValueError(
            f"image_shape has height {height} and width {width}; use multiples of 4, best powers "
            "of 2 such as (256, 256, 3)."
        )
    return depth


def unet(
    depth: int,
    source_channels: int,
    target_channels: int,
    base_width: int = 64,
    seed: int | None = None,
    name: str = "generator",
    dropped: Container[int] | None = None,
) -> keras.Model:
    """Section 6.1.1: C64-C128-C256-C512-... down, the same up, each with what was seen on the way.

    Convolutions of 4x4 and stride 2, with a border of one zero at each side, which is `"same"` for
    sides that are even; leaky ReLU of 0.2 down, ReLU up; dropout of 0.5 in the first three layers
    up, as far as there are so many before the last; tanh at the end.

    Args:
        depth: int of at least 2, how often the image is halved.
        source_channels, target_channels: int.
        base_width: int, feature maps next to the image, doubled up to three times.
        seed: int or None, the seed of the dropout.
        name: str.
        dropped: the upsampling layers with dropout, see `Pix2Pix`; None for the paper's.

    Returns:
        A `keras.Model` from (batch, height, width, source_channels) to (batch, height, width,
        target_channels) in [-1, 1]; height and width are multiples of 2**depth.

    Example:

    >>> unet(3, 1, 3, base_width=8).output_shape
    (None, None, None, 3)
    """
    dropped = range(depth - 3, depth) if dropped is None else dropped
    images = keras.Input((None, None, source_channels))
    x, skips = images, []
    for level in range(depth):
        if level > 0:
            skips.append(x)
            x = layers.LeakyReLU(0.2, name=f"down{level}_relu")(x)
        width = base_width * min(2**level, 8)
        x = convolution(width, 4, 2, padding="same", use_bias=False, name=f"down{level}")(x)
        if 0 < level < depth - 1:
            x = affine_instance_normalization(f"down{level}_norm")(x)
    for level in reversed(range(1, depth)):
        x = layers.ReLU(name=f"up{level}_relu")(x)
        width = base_width * min(2 ** (level - 1), 8)
        x = transposed_convolution(width, 4, use_bias=False, name=f"up{level}")(x)
        x = affine_instance_normalization(f"up{level}_norm")(x)
        if level in dropped:
            layer_seed = None if seed is None else seed + level
            x = DropoutNoise(0.5, layer_seed, name=f"up{level}_dropout")(x)
        x = layers.Concatenate(name=f"up{level}_skip")([skips.pop(), x])
    x = layers.ReLU(name="up0_relu")(x)
    x = transposed_convolution(target_channels, 4, dtype="float32", name="up0")(x)
    return keras.Model(
        images, layers.Activation("tanh", dtype="float32", name="images")(x), name=name
    )


# The published files --------------------------------------------------------------------------


def unet_layers(tensors: Mapping[str, np.ndarray]) -> tuple[dict, list[PublishedLayer]]:
    """What the arrays of a published U-Net say.

    Args:
        tensors: arrays by their names in the published program, where each level is within the one
            before it.

    Returns:
        Arguments of `Pix2Pix`, with `target_channels`, and the layers.

    Raises:
        ValueError: for a network of another depth.
    """
    starts = ["model.model"]
    while len(starts) <= MOST_LAYERS:
        inner = "1.model" if len(starts) == 1 else "3.model"
        if f"{starts[-1]}.{inner}.1.weight" not in tensors:
            break
        starts.append(f"{starts[-1]}.{inner}")
    depth = len(starts)
    if not 2 <= depth <= 8:
        raise ValueError(f"its U-Net has {depth} levels; use 2 to 8.")
    width, source = tensors["model.model.0.weight"].shape[:2]
    target = tensors["model.model.3.weight"].shape[1]
    widths = [width * min(2**level, 8) for level in range(depth)]
    found = [
        PublishedLayer("down0", "model.model.0", (width, source, 4, 4), None),
        PublishedLayer("up0", "model.model.3", (2 * width, target, 4, 4), target),
    ]
    for level in range(1, depth):
        start, own, before = starts[level], widths[level], widths[level - 1]
        last = level == depth - 1
        found.append(PublishedLayer(f"down{level}", f"{start}.1", (own, before, 4, 4), None))
        if not last:
            found.append(PublishedLayer(f"down{level}_norm", f"{start}.2", (own,), own))
        up, norm = (3, 4) if last else (5, 6)
        shape = (own if last else 2 * own, before, 4, 4)
        found.append(PublishedLayer(f"up{level}", f"{start}.{up}", shape, None))
        found.append(PublishedLayer(f"up{level}_norm", f"{start}.{norm}", (before,), before))
    settings = {
        "base_width": width,
        "source_channels": source,
        "target_channels": target,
        "depth": depth,
        "dropout_levels": tuple(range(4, depth - 1)),
    }
    return settings, found

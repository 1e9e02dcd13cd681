"""BigGAN, Brock et al. 2019: larger batches, wider networks, and what keeps them stable."""

import functools

import keras
from keras import layers, ops

from kerasgan.core.image_gan import ImageGAN
from kerasgan.layers.attention import SelfAttention2D
from kerasgan.layers.conditioning import ConditionalBatchNormalization
from kerasgan.layers.orthogonal import OrthogonalRegularization
from kerasgan.layers.residual import down_block, pooled_logits, up_block
from kerasgan.layers.shapes import doublings_to
from kerasgan.layers.spectral_normalization import normalized
from kerasgan.training.optimizers import adam


@keras.saving.register_keras_serializable(package="kerasgan")
class BigGAN(ImageGAN):
    """Class-conditional GAN with skip-z, a shared embedding, and truncation at sampling.

    SAGAN made large (section 3 and appendix B): the noise is split into as many parts as the
    generator has blocks and one more; the first makes the first features, and each of the others
    with an embedding of the class, which all blocks share, scales and shifts the batch norms of its
    block. The discriminator projects the class. Both are spectrally normalized, with attention at
    64x64 in images that are larger. Orthogonal initialization, orthogonal regularization of the
    generator. Hinge loss, two updates of the discriminator for one of the generator, Adam with
    beta_1=0, beta_2=0.999 at 2e-4 and 5e-5, and an average of the generator's weights that samples.
    `generate(truncation=0.5)` trades variety for quality.

    `base_width` is ch of the paper's tables, 96 there, with a batch of 2,048. Widths follow tables
    4 to 6 for 128 to 512 pixels and the authors' released code below: for 32 and less, four times
    `base_width` throughout.

    Departures: inside attention and batch norm weights are initialized as Keras does (Glorot) and
    not regularized; the averaged generator is in use from the start, with a lower decay at first,
    instead of after 20,000 updates; batch norm samples with moving averages, not with statistics
    collected for each truncation.

    `fit`'s batch is cut into two: 512 for the smallest updates that the paper tries, of 256 images,
    4,096 for its best. In minutes such settings show nothing; small digits are learnt with
    `base_width=8` (32 feature maps), updates of 32 images and learning rates of 1e-3
    (docs/digits_family.md).

    Args:
        image_shape: (size, size, channels), as for `kerasgan.ImageGAN`.
        num_classes: int.
        latent_dim: int, or None for 20 each part, as in the paper: 120 at 128x128.
        base_width: int, ch in the tables.
        embedding_dim: int, length of the shared embedding of the class.
        orthogonal_weight: float, of the generator's orthogonal regularization; 0 for none.
        ema_decay: None, or the decay of the averaged copy of the generator.
        seed, dtype, name: as for `kerasgan.ImageGAN`.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> gan = kerasgan.BigGAN((16, 16, 1), num_classes=10, base_width=4)
    >>> gan.compile()
    >>> digits = kerasgan.data.load("digits", image_size=16, batch_size=128, labels=True)
    >>> history = gan.fit(digits, epochs=1, verbose=0)
    >>> gan.generate(4, seed=0, labels=3, truncation=0.5).shape
    (4, 16, 16, 1)

    Reference: Large Scale GAN Training for High Fidelity Natural Image Synthesis, Brock, Donahue &
    Simonyan, 2019, arXiv:1809.11096.
    """

    needs_classes = True
    short_run = {"num_classes": 10, "base_width": 8, "learning_rate": 1e-3}
    default_loss = "hinge"
    default_discriminator_steps = 2
    default_batch_size = 512  # two updates of 256, the smallest that the paper tries
    truncation_limits = (0.001, 1e9)

    def __init__(
        self,
        image_shape: tuple[int, ...],
        num_classes: int,
        latent_dim: int | None = None,
        base_width: int = 96,
        *,
        embedding_dim: int = 128,
        orthogonal_weight: float = 1e-4,
        ema_decay: float | None = 0.9999,
        seed: int | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ):
        _, doublings = doublings_to(image_shape)
        latent_dim = latent_dim or 20 * (doublings + 1)
        if latent_dim <= doublings:
            raise ValueError(
                f"latent_dim={latent_dim}; the noise is split into {doublings + 1} parts, so use "
                f"{doublings + 1} or more."
            )
        make_generator = functools.partial(
            generator, embedding_dim=embedding_dim, orthogonal_weight=orthogonal_weight
        )
        super().__init__(
            image_shape,
            latent_dim,
            base_width,
            num_classes=num_classes,
            networks=(make_generator, discriminator),
            ema_decay=ema_decay,
            seed=seed,
            dtype=dtype,
            name=name,
        )
        self.embedding_dim = embedding_dim
        self.orthogonal_weight = orthogonal_weight

    def default_optimizers(self) -> dict[str, keras.Optimizer]:
        rates = {"discriminator": 2e-4, "generator": 5e-5}
        return {player: adam(rates[player], 0.0, 0.999) for player in self.players}

    def get_config(self) -> dict:
        config = super().get_config()
        del config["conditioning"]
        own = {"embedding_dim": self.embedding_dim, "orthogonal_weight": self.orthogonal_weight}
        return {**config, **own}


def generator(
    image_shape: tuple[int, ...],
    latent_dim: int,
    base_width: int,
    num_classes: int,
    conditioning: str | None = None,
    embedding_dim: int = 128,
    orthogonal_weight: float = 1e-4,
) -> keras.Model:
    """The generator of figure 15: [z, label] to images."""
    start_size, doublings = doublings_to(image_shape)
    widths = [base_width * factor for factor in generator_widths(doublings)]
    of_kernels = {"kernel_initializer": "orthogonal"}
    if orthogonal_weight:
        of_kernels["kernel_regularizer"] = OrthogonalRegularization(orthogonal_weight)
    z = keras.Input((latent_dim,), name="z")
    label = keras.Input((), dtype="int32", name="label")
    ends = [latent_dim * part // (doublings + 1) for part in range(1, doublings + 1)]
    first, *others = ops.split(z, ends, axis=-1)
    embedding = layers.Embedding(num_classes, embedding_dim, "orthogonal", name="shared_embedding")(
        label
    )

    def convolution(filters, size, name):
        return normalized(layers.Conv2D(filters, size, padding="same", name=name, **of_kernels))

    def norm_given(condition, x, name):
        norm = ConditionalBatchNormalization(
            momentum=0.9, epsilon=1e-4, spectral_normalization=True, name=name
        )
        return norm([x, condition])

    dense = layers.Dense(start_size * start_size * widths[0], name="project", **of_kernels)
    x = layers.Reshape((start_size, start_size, widths[0]), name="reshape")(
        normalized(dense)(first)
    )
    for block, (part, width) in enumerate(zip(others, widths[1:], strict=True)):
        condition = layers.Concatenate(name=f"block{block}_condition")([embedding, part])
        norm = functools.partial(norm_given, condition)
        x = up_block(x, width, norm, convolution, f"block{block}")
        if x.shape[1] == 64 < image_shape[0]:
            x = SelfAttention2D(name="attention")(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-4, name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = convolution(image_shape[2], 3, "to_image")(x)
    images = layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model([z, label], images, name="generator")


def discriminator(
    image_shape: tuple[int, ...], base_width: int, num_classes: int, conditioning: str | None = None
) -> keras.Model:
    """The discriminator of figure 15: [images, label] to logits."""
    _, doublings = doublings_to(image_shape)

    def convolution(filters, size, name):
        conv = layers.Conv2D(
            filters, size, padding="same", kernel_initializer="orthogonal", name=name
        )
        return normalized(conv)

    images = keras.Input(image_shape, name="images")
    label = keras.Input((), dtype="int32", name="label")
    widths, halvings = discriminator_widths(doublings)
    x = images
    for block, factor in enumerate(widths):
        x = down_block(
            x,
            base_width * factor,
            convolution,
            f"block{block}",
            halves=block < halvings,
            first=block == 0,
        )
        if x.shape[1] == 64 < image_shape[0]:
            x = SelfAttention2D(name="attention")(x)
    orthogonal = keras.initializers.Orthogonal
    output = pooled_logits(x, label, num_classes, "projection", normalized, orthogonal)
    return keras.Model([images, label], output, name="discriminator")


def generator_widths(doublings):
    """Multiples of ch: of the first features, then of each block."""
    if doublings < 4:
        return (4,) * (doublings + 1)
    tables = {4: (16, 16, 8, 4, 2), 5: (16, 16, 8, 4, 2, 1), 6: (16, 16, 8, 8, 4, 2, 1)}
    return tables.get(doublings) or (*generator_widths(doublings - 1), 1)


def discriminator_widths(doublings):
    """Multiples of ch of each block, and how many blocks halve the resolution."""
    if doublings < 4:
        halvings = max(1, doublings - 1)
        return (4,) * (halvings + 2), halvings
    tables = {4: (1, 2, 4, 8, 16), 5: (1, 2, 4, 8, 16, 16), 6: (1, 2, 4, 8, 8, 16, 16)}
    widths = tables.get(doublings) or (1, *discriminator_widths(doublings - 1)[0])
    return widths, doublings

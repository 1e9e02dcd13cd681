"""PacGAN, Lin et al. 2018: a discriminator that judges several examples at once."""

import functools
from collections.abc import Callable

import keras
from keras import layers, ops

from kerasgan.core.image_gan import ImageGAN
from kerasgan.layers.convolutional import convolutional_discriminator, convolutional_generator
from kerasgan.layers.minibatch import Pack
from kerasgan.training.optimizers import adam


@keras.saving.register_keras_serializable(package="kerasgan")
class PacGAN(ImageGAN):
    """GAN whose discriminator sees packs of examples, all real or all generated.

    The packs of a generator that misses modes are too much alike, which the discriminator notices.
    The networks are those of the authors' code. For vectors: a generator with four layers of 400
    ReLUs with batch norm and without biases, a discriminator with three layers of 200 maxout units
    with five pieces each, all initialized from N(0, 0.02), with Adam(1e-4, beta_1=0.8). For images:
    DCGAN's, as in the experiments on stacked MNIST. Packing is only the first layer of the
    discriminator, `kerasgan.layers.Pack`, which you can use in your own discriminator, too.

    `fit` splits its batch into packs, so the paper's batch of 100 packs of m is a batch of 100 m
    here (64 m for images). The paper counts epochs in packs, with 1,000 updates per epoch for any
    m, and trains for 400; `fit` counts points, so an epoch has m times fewer updates.
    docs/mode_collapse.md has results of short runs.

    Departures: the two networks are updated in turn, while the code for vectors updates both at
    once; batch norm normalizes a whole batch, while the code normalizes each position of the packs
    by itself; noise for images is normal, while the code's is uniform.

    Args:
        image_shape: (size, size, channels), as for `kerasgan.ImageGAN`, or (n,) for vectors.
        packing: int, the degree m, the number of examples per pack; 1 gives the ordinary GAN.
        latent_dim: int, length of the noise vector.
        base_width: int, the width of DCGAN's networks; ignored for vectors.
        ema_decay, seed, dtype, name: as for `kerasgan.ImageGAN`.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> gan = kerasgan.PacGAN((2,), packing=2, latent_dim=2)
    >>> gan.compile(metrics=[kerasgan.metrics.ModeCoverage(*kerasgan.data.mixture("grid25"))])
    >>> points = kerasgan.data.load("grid25", batch_size=200)
    >>> history = gan.fit(points, epochs=1, verbose=0)

    Reference: PacGAN: The power of two samples in generative adversarial networks, Lin, Khetan,
    Fanti & Oh, 2018, arXiv:1712.04086.
    """

    default_batch_size = 200  # 100 packs of 2

    @classmethod
    def batch_size_for(cls, /, *, packing: int = 2, **settings) -> int:
        packs = super().batch_size_for(**settings) // 2
        return packs * packing if isinstance(packing, int) and packing > 0 else 2 * packs

    def __init__(
        self,
        image_shape: tuple[int, ...],
        packing: int = 2,
        latent_dim: int = 100,
        base_width: int = 64,
        *,
        ema_decay: float | None = None,
        seed: int | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ):
        if not isinstance(packing, int) or packing < 1:
            raise ValueError(f"packing={packing!r}; use a whole number of at least 1.")
        if len(image_shape) not in (1, 3):
            raise ValueError(
                f"image_shape={tuple(image_shape)} is neither (size, size, channels) of an image "
                "nor (n,) of a vector."
            )
        networks: tuple[Callable, Callable] = generator_of_vectors, discriminator_of_vectors
        if len(image_shape) == 3:
            networks = convolutional_generator, convolutional_discriminator
        generator, discriminator = networks
        super().__init__(
            image_shape,
            latent_dim,
            base_width,
            networks=(generator, functools.partial(discriminator, packing=packing)),
            ema_decay=ema_decay,
            seed=seed,
            dtype=dtype,
            name=name,
        )
        self.packing = packing
        if len(image_shape) == 1:
            self.networks_version = 2

    def default_optimizers(self) -> dict[str, keras.Optimizer]:
        if len(self.image_shape) == 3:
            return super().default_optimizers()
        return {player: adam(1e-4, beta_1=0.8) for player in self.players}

    def get_config(self) -> dict:
        return {**super().get_config(), "packing": self.packing}


def generator_of_vectors(
    shape: tuple[int, ...], latent_dim: int = 2, base_width: int | None = None, **_
) -> keras.Model:
    """The generator of section 4.1: four hidden layers with batch norm, and no bound."""
    z = x = keras.Input((latent_dim,), name="z")
    for index in range(4):
        name = f"hidden{index}"
        x = layers.Dense(400, use_bias=False, kernel_initializer=_normal(), name=name)(x)
        x = layers.BatchNormalization(momentum=0.95, epsilon=1e-4, name=f"{name}_norm")(x)
        x = layers.ReLU(name=f"{name}_relu")(x)
    vectors = layers.Dense(shape[0], kernel_initializer=_normal(), dtype="float32", name="vectors")(
        x
    )
    return keras.Model(z, vectors, name="generator")


def discriminator_of_vectors(
    shape: tuple[int, ...], base_width: int | None = None, packing: int = 1, **_
) -> keras.Model:
    """The discriminator of section 4.1: three hidden layers of maxout units, no batch norm."""
    vectors = keras.Input(shape, name="vectors")
    x = Pack(packing, name="pack")(vectors)
    for index in range(3):
        pieces = layers.Dense(200 * 5, kernel_initializer=_normal(), name=f"hidden{index}")(x)
        x = ops.max(ops.reshape(pieces, (-1, 5, 200)), axis=1)
    logits = layers.Dense(1, kernel_initializer=_normal(), dtype="float32", name="logits")(x)
    return keras.Model(vectors, logits, name="discriminator")


def _normal():
    return keras.initializers.RandomNormal(0.0, 0.02)

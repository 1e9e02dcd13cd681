"""The shared base of BigGAN and BigGAN-deep, Brock et al. 2019."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import keras

from kerasgan.core.image_gan import ImageGAN
from kerasgan.layers.orthogonal import OrthogonalRegularization
from kerasgan.training.optimizers import adam


class LargeScaleGAN(ImageGAN):
    """Training and sampling of BigGAN and BigGAN-deep.

    Args:
        image_shape, num_classes, latent_dim, base_width: as for `kerasgan.BigGAN`.
        networks: the functions that create the generator and the discriminator.
        embedding_dim, orthogonal_weight, norm_epsilon: as for `kerasgan.BigGAN`; the generator's.
        ema_decay, seed, dtype, name: as for `kerasgan.ImageGAN`.
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
        latent_dim: int,
        base_width: int,
        networks: tuple[Callable, Callable],
        *,
        embedding_dim: int | None,
        orthogonal_weight: float,
        norm_epsilon: float,
        ema_decay: float | None,
        seed: int | None,
        dtype: str | keras.DTypePolicy | None,
        name: str | None,
    ):
        make_generator, make_discriminator = networks
        make_generator = functools.partial(
            make_generator,
            embedding_dim=embedding_dim,
            orthogonal_weight=orthogonal_weight,
            norm_epsilon=norm_epsilon,
        )
        super().__init__(
            image_shape,
            latent_dim,
            base_width,
            num_classes=num_classes,
            networks=(make_generator, make_discriminator),
            ema_decay=ema_decay,
            seed=seed,
            dtype=dtype,
            name=name,
        )
        self.embedding_dim = embedding_dim
        self.orthogonal_weight = orthogonal_weight
        self.norm_epsilon = norm_epsilon

    def default_optimizers(self) -> dict[str, keras.Optimizer]:
        rates = {"discriminator": 2e-4, "generator": 5e-5}
        return {player: adam(rates[player], 0.0, 0.999) for player in self.players}

    def get_config(self) -> dict:
        config = super().get_config()
        del config["conditioning"]
        own = ("embedding_dim", "orthogonal_weight", "norm_epsilon")
        return {**config, **{name: getattr(self, name) for name in own}}


def generator_widths(doublings):
    """Multiples of ch: of the first features, then of each block."""
    if doublings < 4:
        return (4,) * (doublings + 1)
    tables = {4: (16, 16, 8, 4, 2), 5: (16, 16, 8, 4, 2, 1), 6: (16, 16, 8, 8, 4, 2, 1)}
    return tables.get(doublings) or (*generator_widths(doublings - 1), 1)


def kernels(orthogonal_weight: float) -> dict[str, Any]:
    """The initializer and regularizer of the generator's kernels: arguments of layers."""
    if not orthogonal_weight:
        return {"kernel_initializer": "orthogonal"}
    regularizer = OrthogonalRegularization(orthogonal_weight)
    return {"kernel_initializer": "orthogonal", "kernel_regularizer": regularizer}


class Place(NamedTuple):
    """The place of a published layer in this model.

    Attributes:
        theirs: str, its name.
        shape: that of its weight.
        ours: str, the name of our layer, or of the layer and of one within it, with a dot between.
        bias: whether it has one.
        kind: `"linear"`, which is spectrally normalized, `"embedding"`, which is not, `"gain"`, an
            embedding of scales, `"statistics"`, `"norm"`, which has these and a scale and a bias,
            or `"gamma"`.
    """

    theirs: str
    shape: tuple[int, ...]
    ours: str
    bias: bool = False
    kind: str = "linear"

    def within(self, network: keras.Model) -> Any:
        """Our layer in a network."""
        first, *rest = self.ours.split(".")
        return functools.reduce(getattr, rest, network.get_layer(first))

"""RealNVP, Dinh et al. 2017: coupling layers with checkerboards, halves and several scales."""

import keras
from keras import layers

from kerasgan import checks
from kerasgan.density.flow import ALPHA, Flow, scales_of
from kerasgan.layers.reversible import (
    ActNorm,
    Affine,
    Chain,
    CheckerboardCoupling,
    Coupling,
    Logit,
    MultiScale,
    Squeeze,
    dense_network,
)


@keras.saving.register_keras_serializable(package="kerasgan")
class RealNVP(Flow):
    """Real-valued non-volume preserving transformations of images, or of vectors, to N(0, I).

    Image values are mapped into (0, 1), then to their logit (section 4.1). Each scale has three
    checkerboard couplings with alternating masks, a squeeze of 2x2 pixels into channels, and three
    couplings of halves of the channels; then half of the channels leave for the code. The last
    scale has only four checkerboard couplings. The networks in couplings are residual, and their
    width doubles from scale to scale. `kerasgan.density.Flow` explains the likelihood of 8-bit
    images.

    For vectors, such as the points of `"ring8"`, the couplings are of halves, with dense networks
    of two layers, and the likelihood is a density.

    Args:
        image_shape: (height, width, channels), with sides that can be halved once per scale after
            the first; or (n,), n at least 2, for vectors.
        base_width: int, feature maps of the networks of the first scale; for vectors the width of
            the dense layers.
        residual_blocks: int, residual blocks in each network, for images.
        scales: int, or None for as many as the image size allows, at most 3.
        couplings: int, couplings in a row; None for 3 as in the paper for images, and 8 for
            vectors.
        seed: int or None, the seed of the random numbers in training.
        dtype: None or a dtype policy such as `"mixed_bfloat16"`, for the networks of the
            couplings. Reversible layers compute in the dtype of their weights.
        **kwargs: `name`, as for `keras.Model`.

    Raises:
        ValueError: for an argument out of range, or odd sides where they would be halved.

    Example:

    >>> flow = kerasgan.RealNVP(image_shape=(8, 8, 1), base_width=8, residual_blocks=1, scales=2)
    >>> flow.compile()
    >>> digits = kerasgan.data.load("digits")
    >>> history = flow.fit(digits, epochs=1, verbose=0)
    >>> sorted(history.history)
    ['bits_per_dim', 'loss', 'nll']
    >>> images = flow.generate(4, seed=0, temperature=0.7)
    >>> codes = flow.encode(images)
    >>> codes.shape, bool(np.abs(flow.decode(codes) - images).max() < 1e-4)
    ((4, 64), True)

    Reference: Density Estimation Using Real NVP, Dinh, Sohl-Dickstein & Bengio, 2017,
    arXiv:1605.08803.

    Departures: Glow's `kerasgan.layers.reversible.ActNorm` replaces the batch norm between
    couplings, so that the code of an image does not depend on its batch, and the networks have
    neither batch norm nor weight norm. The logit is that of alpha + (1 - 2 alpha) x, alpha 0.05,
    rather than of alpha + (1 - alpha) x, which is infinite for 1.
    """

    def __init__(
        self,
        image_shape: tuple[int, ...],
        base_width: int = 32,
        *,
        residual_blocks: int = 4,
        scales: int | None = None,
        couplings: int | None = None,
        seed: int | None = None,
        dtype: str | None = None,
        **kwargs,
    ):
        checks.whole_number("residual_blocks", residual_blocks, 1)
        of_images = len(image_shape) == 3
        given = scales, couplings
        if of_images:
            scales = scales_of("RealNVP", image_shape, scales, halvings_before=0)
        couplings = (3 if of_images else 8) if couplings is None else couplings
        checks.whole_number("couplings", couplings, 2)

        def networks():
            if not of_images:
                return MultiScale(
                    [Chain(_of_vectors(image_shape[0], couplings, base_width), name="vectors")],
                    name="real_nvp",
                )
            scale = (1.0 - 2.0 * ALPHA) * 255.0 / 512.0
            before = [Affine(scale, 0.5, name="inside"), Logit(name="logit")]
            of_scales = _scales(image_shape, scales, couplings, base_width, residual_blocks)
            return Chain([*before, MultiScale(of_scales, name="scales")], name="real_nvp")

        super().__init__(image_shape, networks, seed=seed, dtype=dtype, **kwargs)
        self.base_width, self.residual_blocks = base_width, residual_blocks
        self.given_scales, self.given_couplings = given

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "base_width": self.base_width,
            "residual_blocks": self.residual_blocks,
            "scales": self.given_scales,
            "couplings": self.given_couplings,
        }


def _of_vectors(numbers, couplings, width):
    steps = [ActNorm(name="start")]
    for number in range(couplings):
        second = number % 2 == 0
        seen = numbers // 2 if second else numbers - numbers // 2
        network = dense_network(seen, 2 * (numbers - seen), width, f"network{number}")
        steps += [
            Coupling(network, second, name=f"coupling{number}"),
            ActNorm(name=f"norm{number}"),
        ]
    return steps


def _scales(image_shape, scales, couplings, width, blocks):
    height, size, channels = image_shape
    made = []
    for scale in range(scales):
        is_last = scale == scales - 1
        shape = (height, size, channels)
        steps = [ActNorm(name=f"start{scale}")]
        for number in range(couplings + is_last):
            name = f"pixels{scale}_{number}"
            network = residual_network(shape, 2 * channels, width, blocks, f"{name}_network")
            steps.append(CheckerboardCoupling(network, number % 2 == 0, name=name))
            steps.append(ActNorm(name=f"{name}_norm"))
        if not is_last:
            steps.append(Squeeze(name=f"squeeze{scale}"))
            height, size, channels, width = height // 2, size // 2, 4 * channels, 2 * width
            shape = (height, size, channels // 2)
            for number in range(couplings):
                name = f"channels{scale}_{number}"
                network = residual_network(shape, channels, width, blocks, f"{name}_network")
                steps.append(Coupling(network, number % 2 == 0, name=name))
                steps.append(ActNorm(name=f"{name}_norm"))
            channels //= 2
        made.append(Chain(steps, name=f"scale{scale}"))
    return made


def residual_network(
    image_shape: tuple, outputs: int, width: int, blocks: int, name: str
) -> keras.Model:
    """The network of a coupling of images: residual blocks between two convolutions.

    Args:
        image_shape: (height, width, channels) of what it sees.
        outputs: int, channels.
        width: int, feature maps.
        blocks: int.
        name: str.
    """

    def convolution(x, filters, size, name, **kwargs):
        return layers.Conv2D(filters, size, padding="same", name=name, **kwargs)(x)

    dtype = keras.config.dtype_policy().variable_dtype
    inputs = keras.Input(image_shape, dtype=dtype)
    x = convolution(inputs, width, 3, "first")
    for block in range(blocks):
        h = layers.ReLU(name=f"block{block}_relu1")(x)
        h = convolution(h, width, 3, f"block{block}_1")
        h = layers.ReLU(name=f"block{block}_relu2")(h)
        h = convolution(h, width, 3, f"block{block}_2")
        x = layers.Add(name=f"block{block}")([x, h])
    x = layers.ReLU(name="last_relu")(x)
    x = convolution(x, outputs, 1, "last", kernel_initializer="zeros", dtype=dtype)
    return keras.Model(inputs, x, name=name)

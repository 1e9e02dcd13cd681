"""Glow, Kingma & Dhariwal 2018: a flow with invertible 1x1 convolutions."""

import keras
from keras import layers

from kerasgan import checks
from kerasgan.density.flow import Flow, scales_of
from kerasgan.layers.reversible import (
    ActNorm,
    Affine,
    Chain,
    Coupling,
    InvertibleConv,
    MultiScale,
    Squeeze,
    dense_network,
)


@keras.saving.register_keras_serializable(package="kerasgan")
class Glow(Flow):
    """Generative flow with invertible 1x1 convolutions, of images, or of vectors.

    A step of flow is ActNorm, an invertible 1x1 convolution (in the form P L U of equation 10) and
    an affine coupling of the halves of the channels. A scale is a squeeze of 2x2 pixels into
    channels followed by `steps` steps. Then half of the channels leave for the code, normalized by
    a mean and a deviation that a convolution predicts from the other half. So all of the code
    follows N(0, I). `kerasgan.density.Flow` explains the likelihood of 8-bit images.

    For vectors, such as the points of `"ring8"`, there is one scale without a squeeze, the
    couplings have dense networks, and the likelihood is a density.

    Args:
        image_shape: (height, width, channels), with sides that can be halved once per scale; or
            (n,), n at least 2, for vectors.
        base_width: int, feature maps of the networks in the couplings; for vectors the width of the
            dense layers.
        steps: int, steps per scale; None for 32 as in the paper for images, and 8 for vectors.
        scales: int, or None for as many as the image size allows, at most 3.
        seed: int or None, the seed of the random numbers in training.
        dtype: None or a dtype policy such as `"mixed_bfloat16"`, for the networks of the
            couplings. Reversible layers compute in the dtype of their weights.
        **kwargs: `name`, as for `keras.Model`.

    Raises:
        ValueError: for an argument out of range, or odd sides where they would be halved.

    Example:

    >>> flow = kerasgan.Glow(image_shape=(8, 8, 1), base_width=8, steps=2, scales=2)
    >>> flow.compile()
    >>> digits = kerasgan.data.load("digits")
    >>> history = flow.fit(digits, epochs=1, verbose=0)
    >>> sorted(history.history)
    ['bits_per_dim', 'loss', 'nll']
    >>> images = flow.generate(4, seed=0, temperature=0.7)
    >>> flow.interpolate(images[0], images[1], num_images=5).shape
    (5, 8, 8, 1)

    Reference: Glow: Generative Flow with Invertible 1x1 Convolutions, Kingma & Dhariwal, 2018,
    arXiv:1807.03039.

    Departures: log s of a coupling is bounded as in RealNVP, by tanh with a learned strength; the
    convolutions inside couplings have no ActNorm. There are no classes.
    """

    def __init__(
        self,
        image_shape: tuple[int, ...],
        base_width: int = 512,
        *,
        steps: int | None = None,
        scales: int | None = None,
        seed: int | None = None,
        dtype: str | None = None,
        **kwargs,
    ):
        of_images = len(image_shape) == 3
        given = steps, scales
        if of_images:
            scales = scales_of("Glow", image_shape, scales, halvings_before=1)
        steps = (32 if of_images else 8) if steps is None else steps
        checks.whole_number("steps", steps, 1)

        def networks():
            if not of_images:
                chain = _steps(image_shape, steps, base_width, "vectors")
                return MultiScale([Chain(chain, name="vectors")], name="glow")
            centred = Affine(255.0 / 512.0, name="centred")
            of_scales = _scales(image_shape, scales, steps, base_width)
            return Chain([centred, MultiScale(of_scales, name="scales")], name="glow")

        super().__init__(image_shape, networks, seed=seed, dtype=dtype, **kwargs)
        self.base_width = base_width
        self.given_steps, self.given_scales = given

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "base_width": self.base_width,
            "steps": self.given_steps,
            "scales": self.given_scales,
        }


def _steps(shape, steps, width, name):
    """Steps of flow on examples of this shape."""
    seen = shape[-1] // 2
    outputs = 2 * (shape[-1] - seen)
    made = []
    for step in range(steps):
        of_step = f"{name}_{step}"
        network = (
            dense_network(seen, outputs, width, f"{of_step}_network")
            if len(shape) == 1
            else convolutional_network((*shape[:-1], seen), outputs, width, f"{of_step}_network")
        )
        made += [
            ActNorm(name=f"{of_step}_norm"),
            InvertibleConv(name=f"{of_step}_conv"),
            Coupling(network, name=f"{of_step}_coupling"),
        ]
    return made


def _scales(image_shape, scales, steps, width):
    height, size, channels = image_shape
    made = []
    for scale in range(scales):
        height, size, channels = height // 2, size // 2, 4 * channels
        shape = (height, size, channels)
        chain = [
            Squeeze(name=f"squeeze{scale}"),
            *_steps(shape, steps, width, f"scale{scale}"),
        ]
        if scale < scales - 1:
            # A prior of what leaves, given what stays, is one more coupling.
            seen = _images((height, size, channels // 2))
            prior = keras.Sequential([seen, _last(channels)], name=f"prior{scale}")
            chain.append(Coupling(prior, name=f"scale{scale}_prior"))
        made.append(Chain(chain, name=f"scale{scale}"))
        channels //= 2
    return made


def convolutional_network(image_shape: tuple, outputs: int, width: int, name: str) -> keras.Model:
    """The network of a coupling of images: convolutions of 3x3, 1x1 and 3x3 pixels.

    Args:
        image_shape: (height, width, channels) of what it sees.
        outputs: int, channels.
        width: int, feature maps.
        name: str.
    """
    return keras.Sequential(
        [
            _images(image_shape),
            layers.Conv2D(width, 3, padding="same", activation="relu", name="hidden0"),
            layers.Conv2D(width, 1, activation="relu", name="hidden1"),
            _last(outputs),
        ],
        name=name,
    )


def _images(shape):
    return keras.Input(shape, dtype=keras.config.dtype_policy().variable_dtype)


def _last(outputs):
    return layers.Conv2D(
        outputs,
        3,
        padding="same",
        kernel_initializer="zeros",
        dtype=keras.config.dtype_policy().variable_dtype,
        name="last",
    )

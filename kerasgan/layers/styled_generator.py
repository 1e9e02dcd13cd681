"""The generator of a StyleGAN: from latents to styles, from styles to images."""

import itertools
from collections.abc import Callable

import keras
from keras import ops

from kerasgan import backend
from kerasgan.layers.precision import dtype_policy
from kerasgan.layers.styles import given_styles


class StyledGenerator(keras.Model):
    """A mapping network and a synthesis network, with style mixing in training.

    Args:
        make_mapping: function that creates the network from latents (batch, latent_dim), or
            [latents, labels], to styles w (batch, latent_dim).
        make_synthesis: function that creates the network from styles (batch, style_layers,
            latent_dim), or [styles, *noise], to images. The network has the attributes
            `style_layers` and `image_shape`.
        settings: dict, the arguments of the subclass, with `latent_dim` and, for style mixing,
            `mixing_probability`, the share of training images with the styles of two latents.
        mean_decay: float, the decay of the moving average of w.
        **kwargs: `name`, as for `keras.Model`.

    Attributes:
        mapping, synthesis: the networks.
        mean: float32 variable (latent_dim,), the mean of w in training.

    Reference: A Style-Based Generator Architecture for Generative Adversarial Networks, Karras et
    al., 2019, arXiv:1812.04948, section 3.1 for mixed styles, appendix B for the mean.
    """

    def __init__(
        self,
        make_mapping: Callable[[], keras.Model],
        make_synthesis: Callable[[], keras.Model],
        settings: dict,
        mean_decay: float = 0.995,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.settings = settings
        self.mean_decay = mean_decay
        self.mixing_probability = settings.get("mixing_probability", 0.0)
        with dtype_policy(self.dtype_policy):
            self.mapping = make_mapping()
            self.synthesis = make_synthesis()
        self.mean = self.add_weight(
            (settings["latent_dim"],),
            "zeros",
            "float32",
            trainable=False,
            autocast=False,
            aggregation="mean",
            name="mean_style",
        )
        self.seed_generator = backend.SeedGenerator()

    def call(self, inputs, training=False):
        return self.synthesis(self.styles(inputs, training), training=training)

    def styles(self, inputs, training=False):
        """The styles of latents, or [latents, labels], for each layer; mixed in training."""
        w = self.mapping(inputs)
        if training:
            mean = ops.mean(ops.stop_gradient(ops.cast(w, "float32")), axis=0)
            self.mean.assign(self.mean + (1.0 - self.mean_decay) * (mean - self.mean))
        styles = ops.repeat(w[:, None, :], self.synthesis.style_layers, axis=1)
        if training and self.mixing_probability > 0.0:
            styles = self.mixed(styles, inputs)
        return styles

    def mixed(self, styles, inputs):
        """Mixes styles: from some layer on, some images get those of another latent."""
        batch = ops.shape(styles)[0]
        count, latent_dim = styles.shape[1:]
        seed = self.seed_generator
        latents = keras.random.normal((batch, latent_dim), seed=seed)
        labels = list(inputs[1:]) if isinstance(inputs, (list, tuple)) else []
        others = self.mapping([latents, *labels] if labels else latents)
        # At least the first layer, and at most all but the last, keep their style.
        crossover = 1.0 + keras.random.uniform((batch, 1, 1), 0.0, count - 1.0, "float32", seed)
        mixes = (
            keras.random.uniform((batch, 1, 1), dtype="float32", seed=seed)
            < self.mixing_probability
        )
        index = ops.reshape(ops.arange(count, dtype="float32"), (1, count, 1))
        other = ops.logical_and(mixes, index >= ops.floor(crossover))
        return ops.where(other, others[:, None, :], styles)

    def compute_output_shape(self, input_shape):
        return (None, *self.synthesis.image_shape)

    def get_config(self):
        return {"name": self.name, **self.settings}


class StyledSynthesis(keras.Model):
    """Base class of synthesis networks, from styles (batch, style_layers, latent_dim) to images.

    The input is styles, or [styles, *noise]. Instead of styles w it can also be the outputs of the
    affine layers, with the channels of all layers in one vector: {"channels": float (batch, n),
    "noise": list}.

    A subclass defines:

    - `style_layers`, int, and `image_shape`;
    - `affines`: list of pairs of an int and a layer, in the order of use: the index of the w that
      the layer takes, and the affine layer from w to a style. Each is called through
      `kerasgan.layers.styles.style_of`;
    - `images_of(styles, noise, training)`: from styles of the first kind to images that are not
      clipped.

    Reference: the second kind of input is the StyleSpace of StyleSpace Analysis: Disentangled
    Controls for StyleGAN Image Generation, Wu, Lischinski & Shechtman, 2021, arXiv:2011.12799.
    """

    def call(self, inputs, training=False, bounded=True):
        if isinstance(inputs, dict):
            images = self._of_channels(inputs["channels"], inputs["noise"], training)
        else:
            styles, *noise = inputs if isinstance(inputs, (list, tuple)) else [inputs]
            images = self.images_of(styles, noise, training)
        return ops.clip(images, -1.0, 1.0) if bounded and not training else images

    def _of_channels(self, channels, noise, training):
        affines = [affine for _, affine in self.affines]
        ends = list(itertools.accumulate(self.style_widths))
        parts = ops.split(channels, ends[:-1], axis=1)
        # Only the shape of w is used.
        latent_dim = affines[0].layer.kernel.shape[0]
        w = ops.zeros((ops.shape(channels)[0], self.style_layers, latent_dim))
        with given_styles(zip(affines, parts, strict=True)):
            return self.images_of(w, noise, training)

    @property
    def style_widths(self):
        """The number of channels of each affine layer: tuple of ints."""
        return tuple(affine.layer.units for _, affine in self.affines)

    def channels(self, styles):
        """The outputs of the affine layers for styles w: float32 tensor (batch, n)."""
        made = [affine(styles[:, number]) for number, affine in self.affines]
        return ops.concatenate([ops.cast(style, "float32") for style in made], axis=1)

    def compute_output_shape(self, input_shape):
        return (None, *self.image_shape)

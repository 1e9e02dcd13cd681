"""R3GAN, Huang et al. 2024: a plain loss that converges, and networks without normalization."""

import math

import keras
from keras import layers

from kerasgan.core.image_gan import ImageGAN
from kerasgan.core.optimizers import adam
from kerasgan.layers.conditioning import label_maps, labelled_latents, logits
from kerasgan.layers.grouped import GroupedConv2D
from kerasgan.layers.shapes import doublings_to
from kerasgan.losses.penalties import GradientPenalty


@keras.saving.register_keras_serializable(package="kerasgan")
class R3GAN(ImageGAN):
    """The modern baseline: relativistic loss in pairs, R1 and R2, ResNets without normalization.

    Section 3: the discriminator minimizes `E[f(D(x) - D(G(z)))]` with `f(t) = log(1 + exp(-t))`,
    the generator the same with real and generated exchanged, and the discriminator pays
    `gamma / 2 E[|grad D|^2]` at real images (R1) and at generated ones (R2); without either penalty
    it need not converge. Section 4, configuration E: both networks are stages of two residual
    blocks each, one stage a resolution, that mirror each other: 1x1 convolution to twice the width,
    3x3 in groups of 16 maps, 1x1 back, LeakyReLU between, no normalization, initialized by their
    number so that the variance stays (Fix-up). The average of the generator's weights samples.

    Departures: the paper lowers gamma (from 0.05 to 150, by data set, to a tenth of it), the
    learning rate, and beta_2's distance to 1, in the course of training; here they are constant:
    gamma 1, Adam(2e-4, beta_1=0, beta_2=0.99). It augments the images that the discriminator sees.
    Its images are not bounded; here they pass through tanh, since all of ours are in [-1, 1].
    Resolutions change by bilinear interpolation between the centres of pixels and by the mean of
    2x2. Labels are joined to the noise and stacked on the image unless `conditioning` says
    otherwise.

    Args:
        image_shape, latent_dim: as for `kerasgan.ImageGAN`.
        base_width: int, feature maps next to the image, twice as many after each halving up to
            eight times: 96 in the paper's networks for 256x256. Where it is no multiple of 8, the
            maps next to the image are one group.
        ema_decay: None, or the decay of the averaged copy of the generator.
        **kwargs: as for `kerasgan.ImageGAN`.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> gan = kerasgan.R3GAN((16, 16, 1), base_width=8)
    >>> gan.compile(penalties=["r1", "r2"])  # gamma 10
    >>> history = gan.fit(kerasgan.data.load("digits", image_size=16), epochs=1, verbose=0)

    Reference: The GAN is dead; long live the GAN! A Modern Baseline GAN, Huang, Gokaslan,
    Kuleshov & Tompkin, 2024, arXiv:2501.05441.
    """

    default_batch_size = 256  # of the paper's networks for 256x256

    default_loss = "relativistic"

    def __init__(self, image_shape, latent_dim=64, base_width=96, *, ema_decay=0.999, **kwargs):
        super().__init__(image_shape, latent_dim, base_width, ema_decay=ema_decay, **kwargs)

    @staticmethod
    def networks():
        return generator, discriminator

    def default_penalties(self):
        return [GradientPenalty.r1(1.0), GradientPenalty.r2(1.0)]

    def default_optimizers(self):
        return {player: adam(2e-4, 0.0, 0.99) for player in self.players}


BLOCKS = 2  # a stage


def generator(image_shape, latent_dim=64, base_width=96, num_classes=None, conditioning="one_hot"):
    """The generator: a learned basis weighed by z, then stages at twice the resolution each."""
    start_size, doublings = doublings_to(image_shape)
    inputs, z = labelled_latents(latent_dim, num_classes)
    widths = stage_widths(base_width, doublings)[::-1]
    x = Basis(start_size, widths[0], name="basis")(z)
    for stage, width in enumerate(widths):
        if stage > 0:
            x = layers.UpSampling2D(interpolation="bilinear", name=f"stage{stage}_up")(x)
            x = transition(x, width, f"stage{stage}_transition")
        x = residual_blocks(x, len(widths), f"stage{stage}")
    x = layers.Conv2D(image_shape[2], 1, kernel_initializer=scaled(1.0), name="to_image")(x)
    images = layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model(inputs, images, name="generator")


def discriminator(image_shape, base_width=96, num_classes=None, conditioning="one_hot"):
    """The discriminator: the generator in reverse, with a depthwise convolution for the basis."""
    _, doublings = doublings_to(image_shape)
    inputs, x, label = label_maps(image_shape, num_classes, conditioning)
    widths = stage_widths(base_width, doublings)
    x = layers.Conv2D(widths[0], 1, kernel_initializer=scaled(1.0), name="from_image")(x)
    for stage, width in enumerate(widths):
        if stage > 0:
            x = layers.AveragePooling2D(2, name=f"stage{stage}_down")(x)
            x = transition(x, width, f"stage{stage}_transition")
        x = residual_blocks(x, len(widths), f"stage{stage}")
    size = x.shape[1]
    x = layers.DepthwiseConv2D(
        size,
        use_bias=False,
        depthwise_initializer=keras.initializers.RandomNormal(0.0, 1.0 / size),
        name="basis",
    )(x)
    x = layers.Flatten(name="flatten")(x)
    output = logits(x, label, num_classes, conditioning, lambda layer: layer, lambda: scaled(1.0))
    return keras.Model(inputs, output, name="discriminator")


def stage_widths(base_width, doublings):
    """Feature maps of each stage, from the image down."""
    return [base_width * 2 ** min(stage, 3) for stage in range(doublings + 1)]


def transition(x, width, name):
    """A 1x1 convolution, where the width changes."""
    if x.shape[-1] == width:
        return x
    conv = layers.Conv2D(width, 1, use_bias=False, kernel_initializer=scaled(1.0), name=name)
    return conv(x)


def residual_blocks(x, stages, name):
    """Two inverted bottlenecks, of which the last layer starts at 0."""
    width = x.shape[-1]
    # Fix-up: with L blocks of m = 3 layers the others are scaled by L^(-1 / (2m - 2)).
    gain = math.sqrt(2.0 / (1.0 + 0.2**2)) * (BLOCKS * stages) ** -0.25
    for block in range(BLOCKS):
        y = layers.Conv2D(
            2 * width, 1, kernel_initializer=scaled(gain), name=f"{name}_block{block}_conv1"
        )(x)
        y = layers.LeakyReLU(0.2, name=f"{name}_block{block}_relu1")(y)
        y = GroupedConv2D(
            2 * width,
            3,
            padding="same",
            groups=width // 8 if width % 8 == 0 else 1,
            kernel_initializer=scaled(gain),
            name=f"{name}_block{block}_conv2",
        )(y)
        y = layers.LeakyReLU(0.2, name=f"{name}_block{block}_relu2")(y)
        y = layers.Conv2D(
            width,
            1,
            use_bias=False,
            kernel_initializer="zeros",
            name=f"{name}_block{block}_conv3",
        )(y)
        x = layers.Add(name=f"{name}_block{block}")([x, y])
    return x


def scaled(gain):
    """Normal weights that keep the variance, times the square of the gain."""
    return keras.initializers.VarianceScaling(gain**2, "fan_in", "untruncated_normal")


@keras.saving.register_keras_serializable(package="kerasgan")
class Basis(layers.Layer):
    """Learned maps (size, size, width), each weighed by a linear function of the input.

    Args:
        size, width: int.
        **kwargs: `name` and `dtype`, as for `keras.layers.Layer`.

    Input: (batch, n). Output: (batch, size, size, width).
    """

    def __init__(self, size, width, **kwargs):
        super().__init__(**kwargs)
        self.size, self.width = size, width
        self.weigh = layers.Dense(
            width,
            use_bias=False,
            kernel_initializer=scaled(1.0),
            dtype=self.dtype_policy,
            name="weigh",
        )

    def build(self, input_shape):
        self.weigh.build(input_shape)
        normal = keras.initializers.RandomNormal(0.0, 1.0)
        self.maps = self.add_weight((self.size, self.size, self.width), normal, name="maps")

    def call(self, z):
        return self.maps * self.weigh(z)[:, None, None, :]

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.size, self.size, self.width)

    def get_config(self):
        return {**super().get_config(), "size": self.size, "width": self.width}

"""The networks of DCGAN, Radford et al. 2016, arXiv:1511.06434, which many papers build on."""

import functools

import keras
from keras import initializers, layers

from kerasgan.layers.conditioning import check_conditioning, label_maps, labelled_latents, logits
from kerasgan.layers.minibatch import Pack
from kerasgan.layers.shapes import doublings_to
from kerasgan.layers.spectral_normalization import normalized


def convolutional_generator(
    image_shape: tuple[int, ...],
    latent_dim: int = 100,
    base_width: int = 64,
    num_classes: int | None = None,
    conditioning: str = "one_hot",
    hidden_units: int | None = None,
) -> keras.Model:
    """DCGAN's generator: projects z to small maps, which transposed convolutions double in size.

    Args:
        image_shape: (size, size, channels): size is 4, 6 or 7 doubled once or more often, channels
            is 1 or 3.
        latent_dim: int, length of the noise vector z.
        base_width: int, feature maps of the layer next to the image; each halving of the
            resolution doubles it.
        num_classes: None, or int: the label is then a second input, joined to z as one-hot vector.
        conditioning: how the discriminator gets the label; ignored here.
        hidden_units: None, or the width of a dense layer before the projection.

    Returns:
        A `keras.Model` from z (batch, latent_dim), or [z, label] with label int (batch,), to images
        (batch, *image_shape) in [-1, 1], float32.

    Raises:
        ValueError: for an image_shape that doubling does not reach, or another conditioning.

    Example:

    >>> generator = kerasgan.layers.convolutional_generator((16, 16, 1), 8, base_width=4)
    >>> generator(np.zeros((2, 8), "float32")).shape == (2, 16, 16, 1)
    True

    Reference: Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
    Networks, Radford, Metz & Chintala, 2016, arXiv:1511.06434.
    """
    check_conditioning(conditioning)
    start_size, doublings = doublings_to(image_shape)
    width = base_width * 2 ** (doublings - 1)
    inputs, x = labelled_latents(latent_dim, num_classes)
    if hidden_units:
        x = _hidden(hidden_units)(x)
        x = layers.ReLU(name="hidden_relu")(_batch_norm("hidden_norm")(x))
    # A matrix product, the only one in DCGAN; equivalent to a transposed convolution of a 1x1 image
    # of z.
    x = layers.Dense(
        start_size * start_size * width,
        use_bias=False,
        kernel_initializer=_normal(),
        name="project",
    )(x)
    x = layers.Reshape((start_size, start_size, width), name="reshape")(x)
    x = _batch_norm("project_norm")(x)
    x = layers.ReLU(name="project_relu")(x)
    for doubling in range(1, doublings):
        x = _up(width // 2**doubling, f"up{doubling}", use_bias=False)(x)
        x = _batch_norm(f"up{doubling}_norm")(x)
        x = layers.ReLU(name=f"up{doubling}_relu")(x)
    x = _up(image_shape[2], "to_image")(x)
    # float32 whatever the policy, because losses, metrics and clients read the images.
    images = layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model(inputs, images, name="generator")


def convolutional_discriminator(
    image_shape: tuple[int, ...],
    base_width: int = 64,
    num_classes: int | None = None,
    conditioning: str = "one_hot",
    normalization: str | None = "batch",
    packing: int = 1,
    hidden_units: int | None = None,
    slope: float = 0.2,
) -> keras.Model:
    """DCGAN's discriminator: strided convolutions down to the generator's first size, one logit.

    Args:
        image_shape, base_width: as for `convolutional_generator`.
        num_classes: None, or int: the label is then a second input.
        conditioning: `"one_hot"`, matrices stacked on the image, or `"projection"`, the inner
            product of the last features with an embedding of the label.
        normalization: `"batch"` (not next to the image), `"spectral"`, or None.
        packing: int, how many images to judge together, if there are no labels; see
            `kerasgan.layers.Pack`.
        hidden_units: None, or the width of a dense layer with batch norm before the logit.
        slope: float, the negative slope of LeakyReLU.

    Returns:
        A `keras.Model` from images (batch, *image_shape), or [images, label] with label int
        (batch,), to logits (batch, 1), float32; with `packing`, (batch / packing, 1).

    Raises:
        ValueError: for an image_shape that doubling does not reach, or another conditioning or
            normalization.

    Example:

    >>> discriminator = kerasgan.layers.convolutional_discriminator((16, 16, 1), base_width=4)
    >>> discriminator.output_shape
    (None, 1)

    References: Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
    Networks, Radford, Metz & Chintala, 2016, arXiv:1511.06434; projection: cGANs with Projection
    Discriminator, Miyato & Koyama, 2018, arXiv:1802.05637.
    """
    if normalization not in ("batch", "spectral", None):
        raise ValueError(f"normalization={normalization!r}; use 'batch', 'spectral' or None.")
    check_conditioning(conditioning)
    _, doublings = doublings_to(image_shape)
    wrap = functools.partial(normalized, spectral=normalization == "spectral")
    inputs, x, label = label_maps(image_shape, num_classes, conditioning)
    if packing != 1:
        x = Pack(packing, name="pack")(x)
    for halving in range(doublings):
        batch_norm = normalization == "batch" and halving > 0
        convolution = layers.Conv2D(
            base_width * 2**halving,
            4,
            strides=2,
            padding="same",
            use_bias=not batch_norm,
            kernel_initializer=_normal(),
            name=f"down{halving}",
        )
        x = wrap(convolution)(x)
        if batch_norm:
            x = _batch_norm(f"down{halving}_norm")(x)
        x = layers.LeakyReLU(slope, name=f"down{halving}_relu")(x)
    x = layers.Flatten(name="flatten")(x)
    if hidden_units:
        x = _batch_norm("hidden_norm")(wrap(_hidden(hidden_units))(x))
        x = layers.LeakyReLU(slope, name="hidden_relu")(x)
    output = logits(x, label, num_classes, conditioning, wrap, _normal)
    return keras.Model(inputs, output, name="discriminator")


def _hidden(units):
    return layers.Dense(units, use_bias=False, kernel_initializer=_normal(), name="hidden")


def _up(filters, name, use_bias=True):
    return layers.Conv2DTranspose(
        filters,
        4,
        strides=2,
        padding="same",
        use_bias=use_bias,
        kernel_initializer=_normal(),
        name=name,
    )


def _batch_norm(name):
    # With Keras' momentum of 0.99 a short run would still sample with its first statistics.
    return layers.BatchNormalization(
        momentum=0.9,
        epsilon=1e-5,
        gamma_initializer=initializers.RandomNormal(1.0, 0.02),
        name=name,
    )


def _normal():
    return initializers.RandomNormal(0.0, 0.02)

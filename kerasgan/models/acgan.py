"""AC-GAN, Odena et al. 2017: the discriminator also says which class it sees."""

from collections.abc import Callable

import keras
from keras import layers, ops

from kerasgan.core.image_gan import ImageGAN
from kerasgan.layers.convolutional import convolutional_discriminator, convolutional_generator


@keras.saving.register_keras_serializable(package="kerasgan")
class ACGAN(ImageGAN):
    """GAN with an auxiliary classifier.

    The generator gets the class as an input; the discriminator has to predict it. Section 3: with
    L_S the log-likelihood of the source and L_C that of the class, both for real and generated
    images, the discriminator maximizes `L_S + L_C` and the generator `L_C - L_S`. Here they
    minimize the negatives, and `loss` may be any adversarial loss instead of L_S.

    The classifier is a second output of the discriminator. Adam(2e-4, beta_1=0.5), weights from
    N(0, 0.02), LeakyReLU of slope 0.2 and batches of 100, the paper's.

    Departures: the networks are DCGAN's. The paper's discriminator has six 3x3 convolutions of 16
    to 512 feature maps, of which every second halves the resolution, with dropout of 0.5 after each
    and, for CIFAR-10, noise added to the features; its generator has kernels of 5.

    Besides the two losses it logs `classification_loss`, the discriminator's `-L_C` in nats, and
    `generator_classification_loss`, the part of it for generated images.

    Args:
        image_shape, latent_dim, base_width: as for `kerasgan.ImageGAN`.
        num_classes: int.
        classification_weight: float, the weight of `L_C`; 1 in the paper.
        ema_decay, seed, dtype, name: as for `kerasgan.ImageGAN`.

    Raises:
        ValueError: for an argument out of range.

    Example:

    >>> gan = kerasgan.ACGAN((16, 16, 1), num_classes=10, base_width=8)
    >>> gan.compile()
    >>> digits = kerasgan.data.load("digits", image_size=16, labels=True)
    >>> history = gan.fit(digits, epochs=1, verbose=0)

    Reference: Conditional Image Synthesis with Auxiliary Classifier GANs, Odena, Olah & Shlens,
    2017, arXiv:1610.09585.
    """

    needs_classes = True
    short_run = {"num_classes": 10, "learning_rate": 1e-3}
    discriminator_takes_labels = False
    default_batch_size = 100

    def __init__(
        self,
        image_shape: tuple[int, ...],
        num_classes: int,
        latent_dim: int = 100,
        base_width: int = 64,
        *,
        classification_weight: float = 1.0,
        ema_decay: float | None = None,
        seed: int | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ):
        super().__init__(
            image_shape,
            latent_dim,
            base_width,
            num_classes=num_classes,
            ema_decay=ema_decay,
            seed=seed,
            dtype=dtype,
            name=name,
        )
        self.classification_weight = classification_weight

    @staticmethod
    def networks() -> tuple[Callable, Callable]:
        return convolutional_generator, classifying_discriminator

    @property
    def loss_names(self) -> tuple[str, ...]:
        return (*super().loss_names, "classification_loss", "generator_classification_loss")

    def discriminate(self, images, labels, training):
        return self.discriminator(self.seen(images), training=training)[0]

    def discriminator_loss(self, real, fake, labels, latents, training=True):
        real_logits, real_classes = self.discriminator(self.seen(real), training=training)
        fake_logits, fake_classes = self.discriminator(self.seen(fake), training=training)
        source = self.judging_loss(real_logits, fake_logits)
        classes = cross_entropy(labels, real_classes) + cross_entropy(labels, fake_classes)
        loss = source + self.classification_weight * classes
        loss, logs = self.with_penalties(loss, real, fake, labels, training)
        return loss, {"classification_loss": classes, **logs}

    def generator_loss(self, real, fake, labels, latents, training=True):
        fake_logits, fake_classes = self.discriminator(self.seen(fake), training=training)
        source = self.fooling_loss(fake_logits, self.real_logits(real, labels, training))
        classes = cross_entropy(labels, fake_classes)
        loss = source + self.classification_weight * classes
        return loss, {"generator_classification_loss": classes}

    def get_config(self) -> dict:
        config = super().get_config()
        del config["conditioning"]
        return {**config, "classification_weight": self.classification_weight}


def classifying_discriminator(
    image_shape: tuple[int, ...],
    base_width: int = 64,
    num_classes: int = 10,
    conditioning: str | None = None,
) -> keras.Model:
    """DCGAN's discriminator with a second output: images to logits and to class logits."""
    network = convolutional_discriminator(image_shape, base_width)
    classes = layers.Dense(
        num_classes,
        kernel_initializer=keras.initializers.RandomNormal(0.0, 0.02),
        dtype="float32",
        name="classes",
    )
    features = network.get_layer("flatten").output
    return keras.Model(network.input, [network.output, classes(features)], name="discriminator")


def cross_entropy(labels, classes):
    """The mean of `-log p(label)`, from logits."""
    each = keras.losses.sparse_categorical_crossentropy(labels, classes, from_logits=True)
    return ops.mean(each)

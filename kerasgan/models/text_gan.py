"""GAN-CLS and GAN-INT, Reed et al. 2016: generates images from texts."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias, cast

import keras
import numpy as np
from keras import layers, ops

from kerasgan import checks
from kerasgan.core.image_gan import ImageGAN
from kerasgan.data.captions import BagOfWords
from kerasgan.export.saved_model import Condition, Exports
from kerasgan.layers.convolutional import convolutional_discriminator, convolutional_generator

Texts: TypeAlias = str | Sequence[str] | np.ndarray
EXAMPLES = 64  # texts of the data that a model keeps, to draw them where nobody says which


@keras.saving.register_keras_serializable(package="kerasgan")
class TextGAN(ImageGAN):
    """DCGAN of images and embeddings of texts, whose discriminator is aware of what matches.

    The data is (images, embeddings): `embeddings` is float (n, text_dim), the encoding of each
    image's caption by an encoder of your choice: a mean of word vectors, a CLIP, a bag of words.
    Both networks compress it to `text_width` features (a dense layer and LeakyReLU). The generator
    concatenates these to z, the discriminator to each position of its last features, before a 1x1
    convolution and the logit.

    GAN-CLS, Algorithm 1: the discriminator sees a real image with its text, s_r, a real image with
    another text, s_w, and a generated image with the text it is of, s_f, and maximizes
    `log(s_r) + (log(1 - s_w) + log(1 - s_f)) / 2`; the generator maximizes `log(s_f)`. Without s_w
    the discriminator would have to find out by itself that texts matter. With another `loss` the
    discriminator's loss is likewise the mean of the loss against generated images and the loss
    against images with another text.

    GAN-INT, equation 5: with `interpolation=True` the generator also draws images for the midpoints
    of two texts, for which there are no real images, and its loss for these is added.

    Adam(2e-4, beta_1=0.5), batches of 64, latents of length 100 and texts compressed to 128 are the
    paper's settings.

    Departures: latents are from N(0, I), kernels are 4 and the last features are as in
    `kerasgan.DCGAN` (for example 7x7 for 28x28 images). The other text of an image is that of its
    neighbour in the batch; if both texts are the same they match, and s_f replaces s_w. The text
    encoder is not part of the model: the paper's is a convolutional recurrent network, trained
    beforehand and fixed.

    Args:
        image_shape, latent_dim, base_width: as for `kerasgan.ImageGAN`.
        text_dim: int, the length of an embedding; None for the length of the vocabulary.
        text_width: int, the number of features to which the networks compress it.
        interpolation: whether to train the generator on midpoints of texts, too.
        vocabulary: None, or a sequence of str: `encode_text` is then the bag of these words, which
            is saved with the model; see `kerasgan.data.captions`.
        ema_decay, seed, dtype, name: as for `kerasgan.ImageGAN`.

    Attributes:
        encode_text: None, or the function from a list of n str to embeddings, float (n, text_dim),
            with which `generate` encodes texts. Set it to the encoder of the training data. Only
            that of a vocabulary is saved.

    Raises:
        ValueError: for an argument out of range; neither text_dim nor vocabulary; a text_dim that
            is not the vocabulary's length.

    Example:

    >>> captions = ["a black square", "a white square"] * 32
    >>> images = np.tile([-1.0, 1.0], 32)[:, None, None, None] * np.ones((64, 8, 8, 1))
    >>> gan = kerasgan.TextGAN((8, 8, 1), vocabulary=["black", "white"], base_width=8)
    >>> gan.compile()
    >>> history = gan.fit(images, gan.encode_text(captions), batch_size=32, verbose=0)
    >>> gan.generate(2, text=["a white square", "a black square"], seed=0).shape
    (2, 8, 8, 1)

    Reference: Generative Adversarial Text to Image Synthesis, Reed, Akata, Yan, Logeswaran, Schiele
    & Lee, 2016, arXiv:1605.05396.
    """

    takes = "captioned"

    def __init__(
        self,
        image_shape: tuple[int, ...],
        text_dim: int | None = None,
        latent_dim: int = 100,
        base_width: int = 64,
        *,
        text_width: int = 128,
        interpolation: bool = False,
        vocabulary: Sequence[str] | None = None,
        ema_decay: float | None = None,
        seed: int | None = None,
        dtype: str | keras.DTypePolicy | None = None,
        name: str | None = None,
    ):
        encoder = None if vocabulary is None else BagOfWords(vocabulary)
        words = None if encoder is None else len(encoder.vocabulary)
        text_dim = words if text_dim is None else text_dim
        if text_dim is None:
            raise ValueError(
                "text_dim=None; give the length of the embeddings of texts, or a vocabulary."
            )
        checks.whole_number("text_dim", text_dim, 1)
        checks.whole_number("text_width", text_width, 1)
        if words not in (None, text_dim):
            raise ValueError(
                f"text_dim={text_dim}, but the vocabulary has {words} words; leave text_dim out."
            )
        # The networks are made for the `condition`, which tells of both.
        self.text_dim, self.encode_text = int(text_dim), cast("Callable | None", encoder)
        of_text: dict[str, Any] = {"text_dim": text_dim, "text_width": text_width}
        super().__init__(
            image_shape,
            latent_dim,
            base_width,
            ema_decay=ema_decay,
            seed=seed,
            dtype=dtype,
            name=name,
            networks=(partial(text_generator, **of_text), partial(text_discriminator, **of_text)),
        )
        self.text_width, self.interpolation = text_width, interpolation
        self.examples = self.add_weight(
            shape=(EXAMPLES, self.text_dim), initializer="zeros", trainable=False, name="examples"
        )

    # Texts ---------------------------------------------------------------------------------------

    @property
    def condition(self) -> Condition:
        return Condition("text", (self.text_dim,), "float32", vocabulary=self.vocabulary)

    @property
    def vocabulary(self) -> tuple[str, ...] | None:
        """The words of the bag of words `encode_text`; None for another encoder."""
        return self.encode_text.vocabulary if isinstance(self.encode_text, BagOfWords) else None

    @property
    def _without_condition(self):
        return (
            f"TextGAN takes (images, embeddings), and the data is images alone; add the embedding "
            f"of each image's text, float (n, {self.text_dim})."
        )

    def check_condition(self, labels) -> None:
        wants = "this TextGAN is told"
        checks.check_images(labels, "the embeddings of texts", self.condition.shape, wants)

    def prepare_networks(self, first_batch: Callable) -> None:
        super().prepare_networks(first_batch)
        if not np.any(ops.convert_to_numpy(self.examples)):
            _, texts = self.real_batch(first_batch())
            self.examples.assign(np.resize(ops.convert_to_numpy(texts), self.examples.shape))

    def all_classes(self, num_images: int) -> np.ndarray:
        """Embeddings of texts from the training data: float32 (num_images, text_dim)."""
        examples = ops.convert_to_numpy(self.examples)
        return examples[np.arange(num_images) % len(examples)]

    def exports(self) -> Exports:
        """Endpoints take texts if there is a `vocabulary`, which the card has, else embeddings."""
        exports = super().exports()
        exports.card["vocabulary"] = self.vocabulary
        return exports

    def checked_labels(self, labels: Any, num_images: int) -> np.ndarray:
        """Texts as `generate` takes them, as embeddings: float32 array (num_images, text_dim).

        Args:
            labels: str for all images, or a sequence of num_images of them; or embeddings, float
                (text_dim,) or (num_images, text_dim).
            num_images: int.

        Raises:
            ValueError: for texts that are missing, not as many, or that nothing can encode; for
                embeddings of another shape.
        """
        if labels is None:
            raise ValueError(
                "TextGAN draws what a text says: give text=..., one for all images or one for each."
            )
        texts = [labels] if isinstance(labels, str) else labels
        several = isinstance(texts, (list, tuple, np.ndarray)) and len(texts) > 0
        is_text = several and all(isinstance(text, str) for text in texts)
        if is_text and self.encode_text is None:
            raise ValueError(
                f"text={texts[0]!r}: this TextGAN does not know how to encode texts; give "
                "embeddings, or set its attribute encode_text to the function that made the "
                "embeddings of the data."
            )
        given = self.encode_text(list(texts)) if is_text and self.encode_text else texts
        array = checks.as_floats("text", given)
        if isinstance(labels, str) or array.ndim == 1:
            array = np.broadcast_to(array.reshape(-1), (num_images, array.size))
        if array.shape != (num_images, self.text_dim):
            raise ValueError(
                f"the texts have embeddings of shape {array.shape}; use one text for all, or one "
                f"for each of the {num_images} images, of {self.text_dim} numbers."
            )
        checks.check_images(array, "the embeddings of texts")
        return array

    def generate(
        self,
        num_images: int,
        *,
        text: Texts | None = None,
        seed: int | None = None,
        labels: Any = None,
        truncation: float | None = None,
    ) -> np.ndarray:
        """Draws images from texts.

        Args:
            num_images: int, how many.
            text: str for all images, or a sequence of num_images of them, which `encode_text`
                encodes; or embeddings, float (text_dim,) or (num_images, text_dim).
            seed, truncation: as for `kerasgan.GAN`.
            labels: another name for `text`, for code that handles any conditional model.

        Returns:
            float32 array (num_images, height, width, channels) in [-1, 1].

        Raises:
            ValueError: for an argument out of range, texts that are missing or cannot be encoded.
        """
        if text is not None and labels is not None:
            raise ValueError("text and labels mean the same here; give only one of them.")
        labels = labels if text is None else text
        return super().generate(num_images, seed=seed, labels=labels, truncation=truncation)

    # The game ------------------------------------------------------------------------------------

    def generate_like(self, real, latents, labels):
        if not self.interpolation:
            return super().generate_like(real, latents, labels)
        both = ops.concatenate([labels, midpoints(labels)])
        latents = ops.concatenate([latents, self.sample_latents(ops.shape(real)[0])])
        return super().generate_like(real, latents, both)

    def discriminator_loss(self, real, fake, labels, latents, training=True):
        fake = fake[: ops.shape(real)[0]]  # there is no telling who is right of midpoints
        real_logits = self.discriminate(real, labels, training=training)
        fake_logits = self.discriminate(fake, labels, training=training)
        others = ops.roll(labels, 1, axis=0)
        wrong_logits = self.discriminate(real, others, training=training)
        same = ops.all(ops.equal(others, labels), axis=-1, keepdims=True)
        wrong_logits = ops.where(same, fake_logits, wrong_logits)
        against_fake = self.judging_loss(real_logits, fake_logits)
        against_wrong = self.adversarial_loss.discriminator(real_logits, wrong_logits)
        loss = (against_fake + against_wrong) / 2.0
        return self.with_penalties(loss, real, fake, labels, training)

    def generator_loss(self, real, fake, labels, latents, training=True):
        count = ops.shape(real)[0]
        loss, logs = super().generator_loss(real, fake[:count], labels, latents, training)
        if self.interpolation and training:
            of_midpoints, _ = super().generator_loss(
                real, fake[count:], midpoints(labels), latents, training
            )
            loss += of_midpoints
        return loss, logs

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "text_dim": self.text_dim,
            "text_width": self.text_width,
            "interpolation": self.interpolation,
            "vocabulary": None if self.vocabulary is None else list(self.vocabulary),
        }


def midpoints(embeddings):
    """Halfway between each text and that of its neighbour in the batch (beta = 0.5)."""
    return (embeddings + ops.roll(embeddings, 1, axis=0)) / 2.0


def text_generator(
    image_shape: tuple[int, ...],
    latent_dim: int,
    base_width: int,
    *,
    text_dim: int,
    text_width: int,
    **_,
) -> keras.Model:
    """DCGAN's generator of z and the compressed text: [latents, texts] to images."""
    z = keras.Input((latent_dim,), name="z")
    text, compressed = _compressed(text_dim, text_width)
    joined = layers.Concatenate(name="z_and_text")([z, compressed])
    network = convolutional_generator(image_shape, latent_dim + text_width, base_width)
    return keras.Model([z, text], network(joined), name="text_generator")


def text_discriminator(
    image_shape: tuple[int, ...],
    base_width: int,
    *,
    text_dim: int,
    text_width: int,
    **_,
) -> keras.Model:
    """DCGAN's discriminator with the text at each place of its last features."""
    network = convolutional_discriminator(image_shape, base_width)
    features = network.get_layer("flatten").input
    text, x = _compressed(text_dim, text_width)
    height, width, channels = features.shape[1:]
    x = layers.RepeatVector(height * width, name="text_everywhere")(x)
    x = layers.Reshape((height, width, text_width), name="text_maps")(x)
    x = layers.Concatenate(name="features_and_text")([features, x])
    x = layers.Conv2D(channels, 1, use_bias=False, kernel_initializer=_normal(), name="mix")(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="mix_norm")(x)
    x = layers.Flatten(name="flatten_mix")(layers.LeakyReLU(0.2, name="mix_relu")(x))
    dense = layers.Dense(1, kernel_initializer=_normal(), dtype="float32", name="logits")
    return keras.Model([network.input, text], dense(x), name="text_discriminator")


def _compressed(text_dim, text_width):
    text = keras.Input((text_dim,), name="text")
    x = layers.Dense(text_width, kernel_initializer=_normal(), name="compress")(text)
    return text, layers.LeakyReLU(0.2, name="compress_relu")(x)


def _normal():
    return keras.initializers.RandomNormal(0.0, 0.02)

"""A small CLIP, trained from scratch on digits and their captions, that classifies by words alone.

    python examples/clip.py --data-dir DIR [--epochs 4] [--out runs/clip]

Ten minutes on two cores. It learns from images of MNIST and captions such as "a thin slanted
three" that belong together: a batch of n pairs is a table of n x n cosines, whose rows are images
and whose columns are texts, and the loss is the cross-entropy of finding the own text in each row
and the own image in each column (Radford et al. 2021, arXiv:2103.00020). No label is ever a target.
Then ten texts, "a zero" to "a nine", are a classifier of test images that were not trained on, and
others tell thick from thin digits.
"""

import argparse
import os
import pathlib
import time

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers, ops

from kerasgan.data import captions

LENGTH = 6  # words that a text may have
WIDTH = 64  # of the space that both encoders lead to


@keras.saving.register_keras_serializable(package="kerasgan_examples")
class SmallCLIP(keras.Model):
    """An image encoder of convolutions, a text encoder of one transformer block, a temperature.

    Args:
        image_shape: (height, width, channels).
        vocabulary: the words that it knows, a sequence of str.
    """

    def __init__(self, image_shape, vocabulary, **kwargs):
        super().__init__(**kwargs)
        self.image_shape, self.vocabulary = tuple(image_shape), tuple(vocabulary)
        self.of_images = image_encoder(self.image_shape)
        self.of_texts = text_encoder(len(self.vocabulary) + 1)
        # It is learned as its logarithm, and begins at 1 / 0.07.
        self.log_scale = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(np.log(1.0 / 0.07)),
            name="log_scale",
        )

    def call(self, inputs, training=False):
        """The table of logits, images x texts, of a dict with `images` and `tokens`."""
        images = ops.normalize(self.of_images(inputs["images"], training=training), axis=-1)
        texts = ops.normalize(self.of_texts(inputs["tokens"], training=training), axis=-1)
        # The paper cuts it off at 100, or training would become unstable.
        scale = ops.exp(ops.minimum(self.log_scale, np.float32(np.log(100.0))))
        logits = scale * ops.matmul(images, ops.transpose(texts))
        if training:
            self.add_loss(kerasgan.losses.contrastive_loss(logits))
        return logits

    @property
    def scale(self):
        """What cosines are multiplied with."""
        return min(float(np.exp(ops.convert_to_numpy(self.log_scale))), 100.0)

    def tokens(self, texts):
        """The numbers of words, int32 (n, LENGTH); 0 where there is none, or an unknown one."""
        number = {word: place for place, word in enumerate(self.vocabulary, 1)}
        found = np.zeros((len(texts), LENGTH), "int32")
        for row, text in enumerate(texts):
            words = captions.words(text)[:LENGTH]
            found[row, : len(words)] = [number.get(word, 0) for word in words]
        return found

    def encode_images(self, images):
        found = self.of_images(images, training=False)
        return found if ops.is_tensor(images) else ops.convert_to_numpy(found)

    def encode_texts(self, texts):
        return ops.convert_to_numpy(self.of_texts(self.tokens(texts), training=False))

    def get_config(self):
        return {"image_shape": self.image_shape, "vocabulary": list(self.vocabulary)}


def image_encoder(image_shape):
    inputs = x = keras.Input(image_shape)
    for width in (32, 64, 128):
        x = layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    x = layers.Flatten()(x)
    return keras.Model(inputs, layers.Dense(WIDTH)(x), name="of_images")


def text_encoder(words):
    tokens = keras.Input((LENGTH,), dtype="int32")
    x = layers.Embedding(words, WIDTH)(tokens)
    places = layers.Embedding(LENGTH, WIDTH)
    x = x + places(ops.arange(LENGTH))
    normal = layers.LayerNormalization()(x)
    x = x + layers.MultiHeadAttention(4, WIDTH // 4)(normal, normal)
    normal = layers.LayerNormalization()(x)
    x = x + layers.Dense(WIDTH)(layers.Dense(4 * WIDTH, "gelu")(normal))
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(tokens, layers.Dense(WIDTH, use_bias=False)(x), name="of_texts")


def digits(split, data_dir, most):
    """Images of MNIST, their labels, and their captions."""
    data = kerasgan.data.load("mnist", split, labels=True, shuffle=False, data_dir=data_dir)
    parts = zip(*data.as_numpy_iterator(), strict=True)
    images, labels = (np.concatenate(part)[:most] for part in parts)
    return images, labels, captions.of_digits(images, labels)


def shortened(texts, seed):
    """Captions that leave out each adjective half of the time, as people do.

    Else "a seven" would be one that is neither thick nor thin, and say nothing of the others.
    """
    random = np.random.default_rng(seed)
    found = []
    for text in texts:
        *adjectives, digit = text.split()[1:]
        found.append(captions.caption(*(w for w in adjectives if random.random() < 0.5), digit))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--most", type=int, help="Use so many images only.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/clip"))
    arguments = parser.parse_args()
    keras.utils.set_random_seed(arguments.seed)

    images, _, texts = digits("train", arguments.data_dir, arguments.most)
    print(f"{len(images)} images, {len(set(texts))} different captions, such as {texts[:3]}")
    texts = shortened(texts, arguments.seed)
    clip = SmallCLIP(images.shape[1:], captions.frequent_words(texts))
    clip.compile(keras.optimizers.AdamW(1e-3, weight_decay=0.01))
    started = time.process_time()
    clip.fit(
        {"images": images, "tokens": clip.tokens(texts)},
        batch_size=arguments.batch_size,
        epochs=arguments.epochs,
        verbose=2,
    )
    print(f"{time.process_time() - started:.0f} CPU seconds, logits are cosines * {clip.scale:.1f}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    clip.save(arguments.out / "clip.keras")

    images, labels, texts = digits("test", arguments.data_dir, arguments.most)
    prompts = {digit: captions.caption(digit) for digit in captions.DIGITS}
    classify = kerasgan.metrics.ZeroShot(clip, prompts)
    print(f"zero-shot accuracy of ten digits: {np.mean(classify(images).argmax(1) == labels):.4f}")
    prompts = {
        digit: [
            captions.caption(stroke, slant, digit)
            for stroke in captions.STROKES
            for slant in captions.SLANTS
        ]
        for digit in captions.DIGITS
    }
    classify = kerasgan.metrics.ZeroShot(clip, prompts)
    print(f"with nine texts a digit: {np.mean(classify(images).argmax(1) == labels):.4f}")
    stroke = np.array([text.split()[1] in ("thin", "thick") for text in texts])
    right = []
    for digit, name in enumerate(captions.DIGITS):
        own = stroke & (labels == digit)
        thick = np.array(["thick" in text for text in texts])[own]
        classify = kerasgan.metrics.ZeroShot(clip, [f"a thin {name}", f"a thick {name}"])
        right.append(classify(images[own]).argmax(1) == thick)
    print(f"thin or thick, of those that are either: {np.concatenate(right).mean():.4f}")
    score = kerasgan.metrics.CLIPScore(clip, prompt="{}")
    own, others = score.each(images, texts).mean(), score.each(images, texts[1:] + texts[:1]).mean()
    print(f"CLIPScore of images with their captions {own:.3f}, with others' {others:.3f}")


if __name__ == "__main__":
    main()

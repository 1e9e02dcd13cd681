"""TextGAN on scanned digits and their captions: "a thick seven", "a thin slanted three".

    python examples/text_gan.py [--epochs 60] [--out runs/text_gan]

A few minutes on two cores. The captions are made by measuring the scans. At the end it draws what
captions ask for, also pairs of words that are rare, and measures whether that is there: a
classifier of digits reads them, and thick ones have to have more ink than thin ones of the same
digit and latents, slanted ones have to lean further than upright ones.
"""

import argparse
import os
import pathlib

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from kerasgan import pictures
from kerasgan.data import captions

KINDS = ("thin", "thick", "upright", "slanted")


def captioned_digits(size):
    """Images (n, size, size, 1), their captions, and the bag of words that encodes these."""
    digits = kerasgan.data.load("digits", image_size=size, labels=True, shuffle=False)
    images, labels = map(np.concatenate, zip(*digits.as_numpy_iterator(), strict=True))
    return images, captions.of_digits(images, labels), captions.digit_words()


def drawn(gan, kind, each=50):
    """Images (10, each, height, width, 1) of each digit, such as "a thick seven"."""
    texts = [f"a {kind} {digit}" for digit in captions.DIGITS for _ in range(each)]
    # The latents are the same for each digit and kind, so that nothing but words differs.
    latents = np.tile(gan.latents(each, seed=1), (10, 1))
    images = gan.generate_from(latents, labels=texts)
    return np.clip(images, -1.0, 1.0).reshape(10, each, *images.shape[1:])


def measured(gan, scans, texts):
    """How much of what is asked for is drawn: dict of numbers.

    Variety is how much images of one text differ, as a share of how much scans of it do.
    """
    images = {kind: drawn(gan, kind) for kind in KINDS}
    flat = {kind: of_kind.reshape(-1, *of_kind.shape[2:]) for kind, of_kind in images.items()}
    read = kerasgan.metrics.features.digits_classifier()
    wanted = np.repeat(np.arange(10), images["thin"].shape[1])
    right = [
        np.mean(read.predict(flat[kind], verbose=0)["logits"].argmax(1) == wanted) for kind in KINDS
    ]
    ink = {kind: captions.ink(flat[kind]) for kind in ("thin", "thick")}
    slant = {kind: captions.slant(flat[kind]) for kind in ("upright", "slanted")}
    varied = []
    for kind in KINDS:
        for place, digit in enumerate(captions.DIGITS):
            own = [kind in text and text.endswith(digit) for text in texts]
            varied.append(images[kind][place].std(0).mean() / scans[np.array(own)].std(0).mean())
    return {
        "variety": np.mean(varied),
        "digit is the one asked for": np.mean(right),
        "mean ink of thin": ink["thin"].mean(),
        "mean ink of thick": ink["thick"].mean(),
        "thick has more ink than thin": np.mean(ink["thick"] > ink["thin"]),
        "mean slant of upright": slant["upright"].mean(),
        "mean slant of slanted": slant["slanted"].mean(),
        "slanted leans further than upright": np.mean(slant["slanted"] > slant["upright"]),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--base-width", type=int, default=32)
    parser.add_argument("--text-width", type=int, default=16)
    parser.add_argument("--plain", action="store_true", help="GAN-CLS without GAN-INT.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/text_gan"))
    arguments = parser.parse_args()
    keras.utils.set_random_seed(arguments.seed)

    images, texts, encode = captioned_digits(arguments.size)
    gan = kerasgan.TextGAN(
        images.shape[1:],
        latent_dim=64,
        base_width=arguments.base_width,
        text_width=arguments.text_width,
        interpolation=not arguments.plain,
        vocabulary=encode.vocabulary,
        ema_decay=0.99,
        seed=arguments.seed,
    )
    gan.compile()
    for optimizer in gan.optimizer.optimizers:
        optimizer.learning_rate = 1e-3
    gan.fit(
        images,
        encode(texts),
        batch_size=32,
        epochs=arguments.epochs,
        callbacks=[kerasgan.callbacks.TrainingLog(batch_size=32)],
        verbose=0,
    )
    gan.save(arguments.out / "text_gan.keras")
    for kind in KINDS:
        rows = drawn(gan, kind)[:, :10]
        grid = pictures.draw(rows.reshape(-1, *rows.shape[2:]))
        pictures.write_png(arguments.out / f"{kind}.png", grid)
    for what, number in measured(gan, images, texts).items():
        print(f"{what}: {number:.3f}")


if __name__ == "__main__":
    main()

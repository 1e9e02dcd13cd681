"""Codes that are told what they stand for, and codes that are not: cGAN, AC-GAN and InfoGAN.

Each is trained on scanned digits, 16x16, for `--seconds` of CPU time. Part of what an image is made
from is a code of ten values, and two numbers: the label and two numbers of the noise of cGAN
(conditioning) and AC-GAN (conditioning and an auxiliary loss), a categorical and two continuous
codes of InfoGAN, which has the auxiliary loss and no labels. Of `--images` generated images three
factors are measured: the digit, by the package's classifier, how much ink there is, and the slant.
Then

- `purity`: the share of images whose digit is the most frequent one of their code's value;
- `MIG`, `disentanglement`, `completeness`, `informativeness` of codes and factors, as
  `kerasgan.control.mig` and `kerasgan.control.dci` say.

    python benchmarks/disentanglement.py [--seconds 120] [--images 2000]
"""

import argparse
import os
import time

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from kerasgan.control import dci, mig
from kerasgan.data.captions import ink, slant
from kerasgan.metrics.features import digits_classifier

SHAPE, DIGITS = (16, 16, 1), 10
MODELS = {
    "cGAN": lambda: kerasgan.CGAN(SHAPE, DIGITS, 64, base_width=32, ema_decay=0.99, seed=0),
    "AC-GAN": lambda: kerasgan.ACGAN(SHAPE, DIGITS, 64, base_width=32, ema_decay=0.99, seed=0),
    "InfoGAN": lambda: kerasgan.InfoGAN(
        SHAPE, 64, base_width=32, categorical=(DIGITS,), continuous=2, ema_decay=0.99, seed=0
    ),
}


class Budget(keras.callbacks.Callback):
    """Ends training after so many seconds of CPU time."""

    def __init__(self, seconds):
        super().__init__()
        self.end = time.process_time() + seconds

    def on_train_batch_end(self, batch, logs=None):
        if time.process_time() > self.end:
            self.model.stop_training = True


def draw(model, count):
    """Images, and the codes that they are made from: arrays (count, ...), (count, 3)."""
    random = np.random.default_rng(0)
    values = random.integers(0, DIGITS, count)
    if isinstance(model, kerasgan.InfoGAN):
        numbers = random.uniform(-1.0, 1.0, (count, 2)).astype("float32")
        images = model.generate(count, seed=0, categories=values, continuous=numbers)
    else:
        latents = model.latents(count, seed=0)
        numbers = latents[:, :2]
        images = model.generate_from(latents, labels=values)
    return images, np.column_stack([values, numbers])


def purity(values, digits):
    """The share of digits that are the most frequent one of their value."""
    table = np.zeros((DIGITS, DIGITS), int)
    np.add.at(table, (values.astype(int), digits), 1)
    return table.max(1).sum() / len(digits)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0, help="of CPU time, for each model")
    parser.add_argument("--images", type=int, default=2000)
    arguments = parser.parse_args()
    classifier = digits_classifier()
    print("| model | updates | purity | MIG | disentanglement | completeness | informativeness |")
    print("|---|---|---|---|---|---|---|")
    for name, make in MODELS.items():
        keras.utils.set_random_seed(0)
        model = make()
        labels = model.num_classes is not None
        data = kerasgan.data.load("digits", image_size=16, labels=labels, batch_size=64)
        model.compile()
        for optimizer in model.optimizer.optimizers:
            optimizer.learning_rate = 1e-3  # of short runs, docs/models.md
        model.fit(data, epochs=1_000_000, callbacks=[Budget(arguments.seconds)], verbose=0)
        images, codes = draw(model, arguments.images)
        digits = classifier.predict(images, verbose=0)["logits"].argmax(1)
        factors = np.column_stack([digits, ink(images), slant(images)])
        of_digits = mig(codes, digits[:, None])
        numbers = dci(codes, factors)
        print(
            f"| {name} | {model.iterations:,} | {purity(codes[:, 0], digits):.2f} | "
            f"{of_digits:.2f} | {' | '.join(f'{number:.2f}' for number in numbers)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

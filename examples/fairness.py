"""Whether a generator is fair to rare digits, and whether it copies, in minutes on two cores.

A DCGAN learns from all of scikit-learn's digits, another one from a training set with only one in
twenty of its 3s and 8s, and a conditional GAN from that set, too. A classifier that has seen all
digits says what they draw, which is compared with the test digits.

    python examples/fairness.py [--epochs 100] [--out runs/fairness]

OUT/fairness.png shows the differences. OUT/neighbours.png shows which images of the first GAN are
nearest to its training images, below each the training image, and below these the same for the 3s
of the conditional GAN, which has seen eight.
"""

import argparse
import os
import pathlib
import time

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers

from kerasgan import pictures
from kerasgan.metrics import fairness_report, memorization_report

RARE, ONE_IN = (3, 8), 20


def digits(split):
    """Images float32 (n, 16, 16, 1) and labels (n,)."""
    batches = kerasgan.data.load("digits", split, image_size=16, labels=True, shuffle=False)
    images, labels = zip(*batches.as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def unbalanced(images, labels):
    """Without most of the rare digits."""
    kept = ~np.isin(labels, RARE)
    for digit in RARE:
        kept[np.flatnonzero(labels == digit)[::ONE_IN]] = True
    return images[kept], labels[kept]


def classifier(images, labels):
    """A Keras model from images to the logits of the ten digits."""
    model = keras.Sequential(
        [
            keras.Input(images.shape[1:]),
            layers.RandomTranslation(0.06, 0.06, fill_value=-1.0, fill_mode="constant"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    model.fit(images, labels, epochs=40, verbose=0)
    return model


def train(name, images, labels, epochs):
    keras.utils.set_random_seed(0)
    options = {"latent_dim": 64, "base_width": 32, "ema_decay": 0.99, "seed": 0}
    if name == "CGAN":
        gan = kerasgan.CGAN((16, 16, 1), num_classes=10, **options)
    else:
        gan = kerasgan.DCGAN((16, 16, 1), **options)
    gan.compile()
    for optimizer in gan.optimizer.optimizers:
        optimizer.learning_rate = 1e-3  # for so short a training
    batches = kerasgan.data.from_array(images, labels if name == "CGAN" else None)
    print(f"{name}: {epochs} epochs of {len(images)} digits", flush=True)
    gan.fit(batches, epochs=epochs, verbose=0)
    return gan


def joined(drawings):
    """The first two side by side, the third, which is wider, below."""
    above, below = np.concatenate(drawings[:2], axis=1), drawings[2]
    missing = below.shape[1] - above.shape[1]
    above = np.pad(above, ((0, 0), (0, missing), (0, 0)), constant_values=255)
    return np.concatenate([above, below])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/fairness"))
    arguments = parser.parse_args()
    out = arguments.out
    out.mkdir(parents=True, exist_ok=True)

    keras.utils.set_random_seed(0)
    training, test = digits("train"), digits("test")
    judge = classifier(*training)
    accuracy = judge.evaluate(*test, verbose=0, return_dict=True)["accuracy"]
    print(f"the classifier is right for {100 * accuracy:.1f} % of the test digits")

    few = unbalanced(*training)
    drawings, suspects = [], []
    for name, data, title in (
        ("DCGAN", training, "DCGAN, all digits"),
        ("DCGAN", few, "DCGAN, few 3s and 8s"),
        ("CGAN", few, "CGAN, few 3s and 8s"),
    ):
        gan = train(name, *data, arguments.epochs)
        report = fairness_report(gan, judge, test)
        print(f"\n{title}\n{report.table()}\n", flush=True)
        drawings.append(report.plot(title))
        if data is training:
            copying = memorization_report(gan.generate(2000, seed=0), training, test)
        elif name == "CGAN":
            threes = [images[labels == 3] for images, labels in (few, test)]
            copying = memorization_report(gan.generate(200, seed=0, labels=3), *threes)
        else:
            continue  # the test digits are not of the distribution of this training set
        print(f"{copying.table()}\n", flush=True)
        suspects.extend(copying.suspects)

    pictures.write_png(out / "neighbours.png", pictures.strip(suspects))
    pictures.write_png(out / "fairness.png", joined(drawings))
    print(f"{time.process_time() / 60:.1f} CPU minutes; look at {out / 'fairness.png'}")


if __name__ == "__main__":
    main()

"""Does CycleGAN find the map between two domains, where it is known?

Domain A are digits of scikit-learn, white on black, at 32x32 in three channels. Domain B are other
digits, inverted and tinted: -0.7 a + (0.3, 0, -0.3). No image of B belongs to one of A. The table
has mean absolute errors on test digits: of A translated to B, of A left as it is (the identity),
of B translated to A; and the CPU minutes that training took.

    python benchmarks/known_map.py [--seeds 3] [--epochs 5] [--identity-weight 0] [--out FOLDER]

The identity loss is left out by default: it asks the network that inverts A to leave B as it is,
and an inverted digit differs from a digit in its surroundings only.
"""

import argparse
import os
import pathlib
import time

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from kerasgan import pictures

TINT = np.array([0.3, 0.0, -0.3], "float32")
SETTINGS = {"base_width": 8, "residual_blocks": 2, "receptive_field": 34}


def to_b(a):
    return -0.7 * a + TINT


def digits(split):
    batches = kerasgan.data.load(
        "digits", split=split, image_size=32, channels=3, shuffle=False, batch_size=100
    )
    return np.concatenate(list(batches))


def train(seed, epochs, identity_weight):
    """The trained model and its CPU minutes."""
    keras.utils.set_random_seed(seed)
    images = np.random.default_rng(seed).permutation(digits("train"))
    half = len(images) // 2
    domains = (images[:half], to_b(images[half : 2 * half]))
    data = [kerasgan.data.from_array(d, batch_size=4, seed=seed + i) for i, d in enumerate(domains)]
    gan = kerasgan.CycleGAN((32, 32, 3), identity_weight=identity_weight, seed=seed, **SETTINGS)
    steps = epochs * len(data[0]) // 2
    rate = kerasgan.LinearDecay(5e-4, steps, steps)
    gan.compile({player: keras.optimizers.Adam(rate, beta_1=0.5) for player in gan.players})
    begin = time.process_time()
    gan.fit(zip_data(*data), epochs=epochs, verbose=0)
    return gan, (time.process_time() - begin) / 60


def zip_data(a, b):
    import tensorflow as tf

    return tf.data.Dataset.zip(a, b)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--identity-weight", type=float, default=0.0)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/known_map"))
    arguments = parser.parse_args()
    a = digits("test")
    b = to_b(a)
    print("seed   A to B   identity   ratio   B to A   CPU minutes", flush=True)
    for seed in range(arguments.seeds):
        gan, minutes = train(seed, arguments.epochs, arguments.identity_weight)
        forth, back = gan.translate(a, to="B"), gan.translate(b, to="A")
        error, identity = np.abs(forth - b).mean(), np.abs(a - b).mean()
        print(
            f"{seed:4}   {error:.4f}   {identity:.4f}     {error / identity:.3f}   "
            f"{np.abs(back - a).mean():.4f}   {minutes:.1f}",
            flush=True,
        )
        picture = pictures.strip([row[:12] for row in (a, forth, b, back)])
        pictures.write_png(arguments.out / f"known_map_{seed}.png", picture)


if __name__ == "__main__":
    main()

"""Whether reading data limits training: `fit` on `kerasgan.data` against one batch repeated.

The repeated batch costs nothing to read, so the ratio of the two times is what reading adds. The
models are the DCGAN at its default width, and the 2-D MLP GAN, whose step is so short that any
pipeline would be felt first there.

    python benchmarks/data_pipeline.py [--rounds 7] [--data-dir DIR]

`--data-dir` names a folder of TensorFlow Datasets with MNIST; without it MNIST is left out.
"""

import argparse
import os
import statistics
import time

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

STEPS = 22


def cases(data_dir):
    """Name, data set and model of each case."""
    digits = kerasgan.data.load("digits", image_size=32)
    yield "digits 32x32, DCGAN", digits, kerasgan.DCGAN((32, 32, 1))
    if data_dir:
        mnist = kerasgan.data.load("mnist", data_dir=data_dir)
        yield "mnist 28x28, DCGAN", mnist, kerasgan.DCGAN((28, 28, 1))
    points = kerasgan.data.load("ring8")
    yield "ring8, MLP GAN", points, kerasgan.VanillaGAN((2,), 2, hidden_units=(64, 64))


def measure(name, data, gan, rounds):
    steps = STEPS if "DCGAN" in name else 20 * STEPS
    batch = next(iter(data))
    ways = {
        "read": data.take(steps),
        "repeated": tf.data.Dataset.from_tensors(batch).repeat(steps),
    }
    gan.compile(jit_compile=False)
    seconds = {way: [] for way in ways}
    for way_data in ways.values():
        gan.fit(way_data, verbose=0)
    for _ in range(rounds):
        for way, way_data in ways.items():
            begin = time.perf_counter()
            gan.fit(way_data, verbose=0)
            seconds[way].append(time.perf_counter() - begin)
    ratios = [a / b for a, b in zip(*seconds.values(), strict=True)]
    images = steps * batch.shape[0]
    begin = time.perf_counter()
    for _ in data.take(steps):
        pass
    alone = (time.perf_counter() - begin) / images
    step = statistics.median(seconds["read"]) / images
    print(
        f"{name}: training {step * 1e3:.4f} ms an image, reading alone {alone * 1e3:.4f} ms; "
        f"fit on read / on repeated data: median {statistics.median(ratios):.2f} "
        f"[{min(ratios):.2f}-{max(ratios):.2f}]"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--data-dir")
    arguments = parser.parse_args()
    for name, data, gan in cases(arguments.data_dir):
        measure(name, data, gan, arguments.rounds)


if __name__ == "__main__":
    main()

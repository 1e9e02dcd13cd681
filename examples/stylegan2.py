"""StyleGAN2 learns digits, or what you have, in minutes on two cores; and DCGAN beside it.

    python examples/stylegan2.py [stylegan2|dcgan] [--data digits] [--data-dir DIR] [--size 16]
        [--cpu-minutes 15] [--out DIR]

`--data mnist` takes MNIST from TensorFlow Datasets. Both models train for as many minutes of CPU
time as `--cpu-minutes` says; then the Fréchet distance of 1,000 samples to the test data, on the
features of the digits' classifier, is printed. The folder gets grids of samples, and of StyleGAN2
`mixing.png`: the first column are targets, the first row sources, the rest targets with the coarse
styles of a source.
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
from kerasgan.metrics import FrechetDistance

# More updates of fewer images are better for a StyleGAN2 in so little time.
BATCH_SIZES = {"stylegan2": 32, "dcgan": 64}


class CPUTime(keras.callbacks.Callback):
    """Ends training when this process has computed for so many minutes since it began."""

    def __init__(self, minutes):
        super().__init__()
        self.minutes, self.start = minutes, time.process_time()

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = time.process_time() - self.start > 60.0 * self.minutes


def make(name, size):
    """A model that learns in minutes; the paper's widths need hours."""
    if name == "dcgan":
        gan = kerasgan.DCGAN((size, size, 1), base_width=32, ema_decay=0.99, seed=0)
        gan.compile()
        return gan
    width = max(8, 256 // size)
    gan = kerasgan.StyleGAN2(
        (size, size, 1), 32, width, max_width=64, batch_size=BATCH_SIZES[name], seed=0
    )
    # The published rule gives images of 16x16 a thousandth of it; with that digits collapse to few.
    gan.compile(penalties=kerasgan.losses.GradientPenalty.r1(1.0, every=16))
    return gan


def draw_mixing(gan, path, columns=8, rows=6):
    """Writes the table of targets with the coarse styles of sources."""
    sources, targets = gan.latents(columns, seed=1), gan.latents(rows, seed=2)
    left = np.stack([np.ones(gan.image_shape), *gan.generate_from(targets)])
    mixed = gan.style_mix(sources, targets, "coarse")
    table = np.concatenate([gan.generate_from(sources)[:, None], mixed], axis=1)
    table = np.concatenate([left[None], table]).swapaxes(0, 1)
    images = table.reshape(-1, *gan.image_shape)
    pictures.write_png(path, pictures.draw(images, columns=columns + 1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="stylegan2", choices=("stylegan2", "dcgan"))
    parser.add_argument("--data", default="digits")
    parser.add_argument("--data-dir")
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--cpu-minutes", type=float, default=15.0)
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    out = arguments.out or pathlib.Path("runs") / f"{arguments.model}-example"

    keras.utils.set_random_seed(0)
    given = {
        "data_dir": arguments.data_dir,
        "image_size": arguments.size,
        "batch_size": BATCH_SIZES[arguments.model],
    }
    train = kerasgan.data.load(arguments.data, **given)
    test = kerasgan.data.load(arguments.data, split="test", shuffle=False, **given)
    gan = make(arguments.model, arguments.size)
    gan.fit(
        train,
        epochs=10_000,
        callbacks=[CPUTime(arguments.cpu_minutes), kerasgan.callbacks.SampleGrid(out, every=10)],
        verbose=2,
    )
    real = np.concatenate([batch.numpy() for batch in test])[:1000]
    distance = FrechetDistance(features="digits")
    distance.update_state(real, gan.generate(1000, seed=0))
    if arguments.model == "stylegan2":
        draw_mixing(gan, out / "mixing.png")
    print(
        f"{arguments.model}: Fréchet distance {float(distance.result()):.2f} after "
        f"{gan.iterations} steps; pictures are in {out}"
    )


if __name__ == "__main__":
    main()

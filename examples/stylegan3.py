"""StyleGAN3 learns digits, or what you have, in minutes on two cores; then they move and turn.

    python examples/stylegan3.py [t|r] [--data digits] [--data-dir DIR] [--size 16]
        [--cpu-minutes 15] [--out DIR]

`--data mnist` takes MNIST from TensorFlow Datasets. The model trains for as many minutes of CPU
time as `--cpu-minutes` says; then the Fréchet distance of 1,000 samples to the test data, on the
features of the digits' classifier, is printed, and how well images move and turn with what they are
made from. The folder gets grids of samples, and `moved.png`: a row is one latent, which moves to
the right and then turns.
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


class CPUTime(keras.callbacks.Callback):
    """Ends training when this process has computed for so many minutes since it began."""

    def __init__(self, minutes):
        super().__init__()
        self.minutes, self.start = minutes, time.process_time()

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = time.process_time() - self.start > 60.0 * self.minutes


def draw_moved(gan, path, rows=4):
    """Writes the table of images that move and then turn."""
    styles = gan.styles(gan.latents(rows, seed=1))
    moves = [{"translate": (share, 0.0)} for share in (-0.2, -0.1, 0.0, 0.1, 0.2)]
    turns = [{"rotate": degrees} for degrees in (15.0, 30.0, 45.0, 60.0)]
    table = np.stack([gan.generate_from_styles(styles, **each) for each in moves + turns], axis=1)
    images = table.reshape(-1, *gan.image_shape)
    pictures.write_png(path, pictures.draw(images, columns=len(moves + turns)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("variant", nargs="?", default="t", choices=("t", "r"))
    parser.add_argument("--data", default="digits")
    parser.add_argument("--data-dir")
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--cpu-minutes", type=float, default=15.0)
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    out = arguments.out or pathlib.Path("runs") / f"stylegan3-{arguments.variant}-example"

    keras.utils.set_random_seed(0)
    given = {"data_dir": arguments.data_dir, "image_size": arguments.size, "batch_size": 32}
    train = kerasgan.data.load(arguments.data, **given)
    test = kerasgan.data.load(arguments.data, split="test", shuffle=False, **given)
    gan = kerasgan.StyleGAN3(
        (arguments.size, arguments.size, 1),
        latent_dim=32,
        base_width=8,
        max_width=24,
        variant=arguments.variant,
        num_layers=5,
        blur_sigma=0.0,
        seed=0,
    )
    gan.compile()
    gan.fit(
        train,
        epochs=10_000,
        callbacks=[CPUTime(arguments.cpu_minutes), kerasgan.callbacks.SampleGrid(out, every=10)],
        verbose=2,
    )
    real = np.concatenate([batch.numpy() for batch in test])[:1000]
    distance = FrechetDistance(features="digits")
    distance.update_state(real, gan.generate(1000, seed=0))
    draw_moved(gan, out / "moved.png")
    print(
        f"Fréchet distance {float(distance.result()):.2f} after {gan.iterations} steps; pictures "
        f"are in {out}"
    )


if __name__ == "__main__":
    main()

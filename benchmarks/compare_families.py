"""VAE, VAE-GAN, DCGAN, PixelCNN and Glow under one budget of CPU time: the lecture in numbers.

Each model is trained in a process of its own until it has used `--seconds` of CPU time, tracing
included, with convolutional networks that fit it. Then, against test images,

- `fid`: Fréchet distance of features of the package's digit classifier;
- `precision`, `recall`: of the same features;
- `reconstruction`: the mean squared error of a pixel from 0 to 1, of models that encode images;
- `nats`: the log-likelihood of an image whose pixels are drawn as black or white, exact of
  PixelCNN, which draws such images only; of the VAE its importance weighted bound of 50 samples;
- `bits`: those a dimension of the 256 values of a pixel, of Glow;
- `seconds`: wall time for 64 samples, the median of five.

    python benchmarks/compare_families.py [--data mnist --data-dir DIR] [--seconds 600]
        [--images 10000] [--only MODEL ...] [--out runs/compare_families]

What is in `--out` already is not trained again. It prints the table, and `wall.png` in `--out` has
a row of samples for each model, and a row of reconstructions for those that encode.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from kerasgan import pictures, roles

WIDTH = 16
MODELS = {
    "vae": lambda shape: kerasgan.VAE(
        shape, 32, convolutional=True, base_width=WIDTH, warmup_steps=500, seed=0
    ),
    "vae_gan": lambda shape: kerasgan.VAEGAN(shape, 32, base_width=WIDTH, gamma=1e-2, seed=0),
    "dcgan": lambda shape: kerasgan.DCGAN(shape, 64, WIDTH, ema_decay=0.99, seed=0),
    "pixel_cnn": lambda shape: kerasgan.PixelCNN(shape, WIDTH, num_blocks=7, levels=2, seed=0),
    "glow": lambda shape: kerasgan.Glow(shape, 4 * WIDTH, steps=8, seed=0),
}
COLUMNS = ("updates", "fid", "precision", "recall", "reconstruction", "nats", "bits", "seconds")


class Budget(keras.callbacks.Callback):
    """Ends training when the process has used so many seconds of CPU time."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def on_train_batch_end(self, batch, logs=None):
        if time.process_time() > self.seconds:
            self.model.stop_training = True


def load(arguments, split):
    return kerasgan.data.load(
        arguments.data, split, data_dir=arguments.data_dir, shuffle=split == "train"
    )


def first_images(data, count):
    found = []
    for batch in data.as_numpy_iterator():
        found.append(batch)
        if sum(map(len, found)) >= count:
            break
    return np.concatenate(found)[:count]


def measure(model, real):
    """The row of a model, as far as it can be had: dict from a column to a number."""
    metrics = [
        kerasgan.metrics.FrechetDistance(features="digits"),
        kerasgan.metrics.PrecisionRecall(features="digits"),
    ]
    made = model.generate(len(real), seed=0)
    row = {"updates": model.iterations}
    for metric in metrics:
        metric.update_state(real, np.clip(made, -1.0, 1.0))
        found = metric.result()
        row |= found if isinstance(found, dict) else {"fid": float(found)}
    if roles.has(model, roles.Encodes):
        error = (real - model.reconstruct(real)) / 2.0
        row["reconstruction"] = float((error**2).mean())
    if isinstance(model, kerasgan.VAE):
        row["nats"] = float(model.log_likelihood(real[:1000], samples=50).mean())
    elif roles.has(model, roles.HasLikelihood):
        nats = float(model.log_likelihood(real[:1000]).mean())
        row |= (
            {"nats": nats} if model.levels == 2 else {"bits": model.bits_per_dimension(real[:1000])}
        )
    taken = []
    for _ in range(6):  # the first is traced
        start = time.perf_counter()
        model.generate(64, seed=0)
        taken.append(time.perf_counter() - start)
    return {**row, "seconds": statistics.median(taken[1:])}


def train(name, arguments):
    """Trains a model and keeps what it makes and its row."""
    keras.utils.set_random_seed(0)
    data = load(arguments, "train")
    real = first_images(load(arguments, "test"), arguments.images)
    model = MODELS[name](real.shape[1:])
    model.compile()
    for optimizer in model.optimizer.optimizers:
        optimizer.learning_rate = 1e-3  # of short runs, docs/models.md
    model.fit(data, epochs=1_000_000, callbacks=[Budget(arguments.seconds)], verbose=2)
    rows = [model.generate(20, seed=0)]
    if roles.has(model, roles.Encodes):
        rows.append(model.reconstruct(real[:20]))
    row = {"model": type(model).__name__, **measure(model, real)}
    temporary = arguments.out / f"{name}.part.npz"
    np.savez(temporary, row=json.dumps(row), real=real[:20], rows=np.stack(rows))
    temporary.rename(arguments.out / f"{name}.npz")


def train_elsewhere(name, arguments):
    """Trains a model in a process of its own, unless that has been done; returns its file."""
    file = arguments.out / f"{name}.npz"
    if not file.exists():
        command = [sys.executable, __file__, "--train", name, "--out", str(arguments.out)]
        command += ["--seconds", str(arguments.seconds), "--images", str(arguments.images)]
        command += ["--data", arguments.data]
        command += ["--data-dir", arguments.data_dir] if arguments.data_dir else []
        with open(file.with_suffix(".log"), "w") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log)
    return np.load(file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="digits")
    parser.add_argument("--data-dir")
    parser.add_argument("--seconds", type=float, default=600.0, help="CPU time for each model")
    parser.add_argument("--images", type=int, default=10_000, help="at most, to compare")
    parser.add_argument("--only", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/compare_families"))
    parser.add_argument("--train", choices=MODELS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.train:
        train(arguments.train, arguments)
        return
    files = [train_elsewhere(name, arguments) for name in arguments.only]
    print(f"| model | {' | '.join(COLUMNS)} |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for file in files:
        row = json.loads(str(file["row"]))
        cells = [f"{row[name]:.4g}" if name in row else "-" for name in COLUMNS]
        print(f"| `{row['model']}` | {' | '.join(cells)} |")
    wall = [files[0]["real"], *(images for file in files for images in file["rows"])]
    pictures.write_png(arguments.out / "wall.png", pictures.strip(wall))


if __name__ == "__main__":
    main()

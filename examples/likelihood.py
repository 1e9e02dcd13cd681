"""Models that tell how likely an image is, trained for so many CPU minutes.

    python examples/likelihood.py train MODEL [--data digits] [--data-dir DIR] [--minutes 2]

It prints the test images' negative log-likelihood over the CPU time of training (measuring does not
count), and writes the curve, samples and completions to `--out`. The data is the scanned digits of
scikit-learn, or with `--data mnist --data-dir DIR` MNIST from TensorFlow Datasets; pixels are black
and white, drawn anew from gray at each step (dynamic binarization), and once for all test images.
The networks are small enough for two cores. Adam's rate falls to zero along half a cosine.
"""

import argparse
import math
import os
import pathlib
import time

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from kerasgan import pictures

# Settings and Adam's rate at the start.
MODELS = {
    "pixel_cnn": (kerasgan.PixelCNN, {"base_width": 16, "num_blocks": 7}, 3e-3),
    "gated_pixel_cnn": (kerasgan.GatedPixelCNN, {"base_width": 16, "num_blocks": 5}, 3e-3),
    "pixel_cnn_plus_plus": (
        kerasgan.PixelCNNPlusPlus,
        {"base_width": 16, "num_blocks": 1, "num_mixtures": 5, "dropout": 0.0},
        1e-3,
    ),
    "pixel_rnn": (kerasgan.PixelRNN, {"base_width": 16, "num_blocks": 2}, 3e-3),
}


class Budget(keras.callbacks.Callback):
    """Ends training after so many CPU seconds, lowers the rate until then, and measures.

    Args:
        seconds: float.
        rate: float, the learning rate at the start.
        unseen: images that are measured a dozen times.
    """

    def __init__(self, seconds, rate, unseen):
        super().__init__()
        self.seconds, self.rate, self.unseen = seconds, rate, unseen
        self.used, self.curve = 0.0, []

    def on_train_begin(self, logs=None):
        self.since = time.process_time()

    def on_train_batch_end(self, batch, logs=None):
        now = time.process_time()
        self.used, self.since = self.used + now - self.since, now
        spent = min(self.used / self.seconds, 1.0)
        (optimizer,) = self.model.optimizer.optimizers
        optimizer.learning_rate = self.rate * 0.5 * (1.0 + math.cos(math.pi * spent))
        if spent == 1.0:
            self.model.stop_training = True
        elif spent > len(self.curve) / 12.0:
            self.measure()

    def on_train_end(self, logs=None):
        self.measure()

    def measure(self):
        """The nats of an unseen image, as after all of the time so far."""
        nats = -float(self.model.log_likelihood(self.unseen).mean())
        self.curve.append((self.used / 60.0, nats))
        print(f"{self.used / 60.0:5.1f} CPU minutes: {nats:.2f} nats an image", flush=True)
        self.since = time.process_time()


def load(arguments, split):
    """The images of a split as an array in [-1, 1]."""
    data = kerasgan.data.load(
        arguments.data,
        data_dir=arguments.data_dir,
        split=split,
        labels=False,
        shuffle=False,
        batch_size=256,
    )
    return np.concatenate(list(data.as_numpy_iterator()))


def train(arguments):
    """Trains a model and draws what it makes."""
    images, unseen = (load(arguments, split) for split in ("train", "test"))
    make, settings, rate = MODELS[arguments.model]
    model = make(images.shape[1:], levels=2, seed=0, **settings)
    model.compile(optimizer=keras.optimizers.Adam(rate, epsilon=1e-8))
    budget = Budget(60.0 * arguments.minutes, rate, unseen)
    begin = time.time()
    model.fit(images, batch_size=64, epochs=10_000, callbacks=[budget], verbose=0)
    print(
        f"{model.network.count_params()} weights, {model.iterations} steps of 64 images, "
        f"{(time.time() - begin) / 60.0:.1f} minutes by the clock"
    )
    model.save(arguments.out / "model.keras")
    draw(model, budget.curve, unseen, arguments.out)


def draw(model, curve, unseen, out):
    """Writes the curve, samples and completions of unseen images."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pictures.write_png(out / "samples.png", pictures.draw(model.generate(64, seed=0)))
    height, width, _ = model.image_shape
    upper = np.repeat(np.arange(height) < height // 2, width).reshape(height, width)
    whole = np.where(unseen[:10] > 0.0, np.float32(1.0), np.float32(-1.0))
    half = np.where(upper[..., None], whole, np.float32(0.0))
    made = [model.complete(half, upper, seed=seed) for seed in range(3)]
    pictures.write_png(out / "completions.png", pictures.strip([half, *made, whole]))
    figure, axis = pyplot.subplots(figsize=(5, 3.5))
    axis.plot(*zip(*curve[1:], strict=True), marker="o")
    axis.set_xlabel("CPU minutes of training")
    axis.set_ylabel("nats a test image")
    axis.grid(alpha=0.3)
    figure.savefig(out / "curve.png", dpi=100, bbox_inches="tight")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["train"])
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--data-dir")
    parser.add_argument("--minutes", type=float, default=2.0, help="CPU minutes of training")
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.out = arguments.out or pathlib.Path("runs") / f"likelihood-{arguments.model}"
    arguments.out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    train(arguments)
    print(f"Open {arguments.out}")


if __name__ == "__main__":
    main()

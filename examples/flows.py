"""RealNVP and Glow: a density in the plane, and images, in minutes on two cores.

    python examples/flows.py plane real_nvp [--minutes 3]   # the density of ring8, and its KL
    python examples/flows.py train glow [--minutes 3]       # samples, interpolation, the curve
    python examples/flows.py train glow --data mnist --data-dir DIR --minutes 20

Minutes are of the CPU, of the whole process. Each command prints its numbers and writes pictures
to `--out`. The data of `train` is the scanned digits of scikit-learn, or with `--data mnist
--data-dir DIR` MNIST from TensorFlow Datasets; bits are those a dimension of the 256 values of
images that were not trained on, with uniform dequantization.
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

MODELS = {"real_nvp": kerasgan.RealNVP, "glow": kerasgan.Glow}
IN_THE_PLANE = {
    "real_nvp": {"couplings": 16, "base_width": 64},
    "glow": {"steps": 16, "base_width": 64},
}
OF_IMAGES = {
    "real_nvp": {"base_width": 24, "residual_blocks": 1, "scales": 2},
    "glow": {"steps": 8, "base_width": 64},
}


def load(data, data_dir, split):
    """The images of a split as an array in [-1, 1], or the points of one."""
    batches = kerasgan.data.load(
        data, data_dir=data_dir, split=split, shuffle=False, batch_size=256
    )
    return np.concatenate(list(batches.as_numpy_iterator()))


def train_for(minutes, model, real, unseen, batch_size, a_round, learning_rate, blur=0.0):
    """Trains in rounds until the CPU minutes are over, with a rate that falls to 0.

    Args:
        minutes: of the CPU, of the whole process.
        model: a flow.
        real, unseen: arrays, to train on and to measure with.
        batch_size: int.
        a_round: int, examples of a round.
        learning_rate: float, at the beginning.
        blur: float, deviation of noise that is added to `real`, and falls to 0 in half of the time:
            narrow modes are found as wide ones, or single points tear the model about.

    Returns:
        List of (CPU minutes, nats of `unseen`, bits a dimension of them).
    """
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate, epsilon=1e-8, global_clipnorm=10.0)
    )
    random = np.random.default_rng(0)
    curve = []
    while (share := time.process_time() / (60 * minutes)) < 1.0:
        model.optimizer["flow"].learning_rate = learning_rate * (1.0 - share)
        some = real[random.permutation(len(real))[:a_round]]
        if blur and share < 0.5:
            noise = blur * (1.0 - 2.0 * share) ** 2
            some = (some + noise * random.standard_normal(some.shape)).astype("float32")
        model.fit(some, batch_size=batch_size, verbose=0)
        found = model.evaluate(unseen, batch_size=250, verbose=0, return_dict=True)
        curve.append((time.process_time() / 60, found["nll"], found["bits_per_dim"]))
        print(
            "{:.2f} CPU minutes: {:.3f} nats, {:.4f} bits a dimension".format(*curve[-1]),
            flush=True,
        )
    return curve


def plane(arguments):
    """The density of ring8, and the divergence from the true one."""
    real, unseen = (load("ring8", None, split) for split in ("train", "test"))
    model = MODELS[arguments.model]((2,), seed=0, **IN_THE_PLANE[arguments.model])
    train_for(arguments.minutes, model, real, unseen[:2000], 500, len(real), 1e-3, blur=0.2)
    modes, sigma = kerasgan.data.mixture("ring8")
    distances = ((unseen[:, None].astype("float64") - modes) ** 2).sum(-1)
    parts = -0.5 * distances / sigma**2 - np.log(2 * np.pi * sigma**2 * len(modes))
    differences = np.logaddexp.reduce(parts, axis=1) - model.log_likelihood(unseen)
    error = differences.std() / np.sqrt(len(unseen))
    print(f"KL(true || model) {differences.mean():.3f} +- {error:.3f} nats")
    density = np.exp(
        np.stack([on_a_grid(model, (-1.5, 1.5)), on_a_grid(model, (0.9, 1.1), (-0.1, 0.1))])
    )
    pictures.write_png(arguments.out / "density.png", drawn(density, arguments.model))
    points = pictures.draw(model.generate(2000, seed=0), limits=(-1.5, 1.5))
    pictures.write_png(arguments.out / "points.png", points)


def on_a_grid(model, horizontal, vertical=None, count=200):
    """The nats of the model at the points of a square: array (count, count)."""
    xs, ys = (np.linspace(*ends, count) for ends in (horizontal, vertical or horizontal))
    points = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2).astype("float32")
    return model.log_likelihood(points).reshape(count, count)


def drawn(densities, name):
    """Densities in the plane as one picture: all of it, and around one mode."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    ends = ((-1.5, 1.5, -1.5, 1.5), (0.9, 1.1, -0.1, 0.1))
    for axis, density, extent in zip(figure.subplots(1, 2), densities, ends, strict=True):
        image = axis.imshow(np.log10(np.maximum(density, 1e-4)), origin="lower", extent=extent)
        figure.colorbar(image, label="log10 of the density")
    figure.suptitle(name)
    return pictures.figure_pixels(figure)


def train(arguments):
    """Samples, interpolation in the code, and test bits a dimension over CPU minutes."""
    real, unseen = (load(arguments.data, arguments.data_dir, split) for split in ("train", "test"))
    model = MODELS[arguments.model](real.shape[1:], seed=0, **OF_IMAGES[arguments.model])
    print(f"{model.network.count_params()} weights")
    model.start_at(real[:512])
    curve = train_for(arguments.minutes, model, real, unseen[:2000], 64, 6400, 2e-3)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="CPU minutes", ylabel="test bits a dimension")
    minutes, _, bits = zip(*curve, strict=True)
    axes.plot(minutes, bits)
    axes.set_ylim(top=max(bits[min(2, len(bits) - 1)], bits[-1] + 0.1))
    pictures.write_png(arguments.out / "curve.png", pictures.figure_pixels(figure))
    ways = [model.interpolate(unseen[n], unseen[n + 1], 10) for n in range(0, 12, 2)]
    pictures.write_png(arguments.out / "interpolation.png", pictures.strip(ways))
    for temperature in (0.7, 1.0):
        samples = pictures.draw(model.generate(64, seed=0, temperature=temperature))
        pictures.write_png(arguments.out / f"samples_{temperature}.png", samples)
    model.save(arguments.out / "model.keras")
    found = model.evaluate(unseen, batch_size=250, verbose=0, return_dict=True)
    print(f"{found['bits_per_dim']:.4f} bits a dimension of {len(unseen)} test images")
    back = np.round((model.decode(model.encode(unseen[:500])) + 1.0) * 127.5)
    print("decode(encode(x)) is x:", np.array_equal(back, np.round((unseen[:500] + 1.0) * 127.5)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = (plane, train)
    parser.add_argument("command", choices=[command.__name__ for command in commands])
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--data-dir")
    parser.add_argument("--minutes", type=float, default=3.0, help="of the CPU")
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    folder = f"flows-{arguments.command}-{arguments.model}"
    arguments.out = arguments.out or pathlib.Path("runs") / folder
    arguments.out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(0)
    {command.__name__: command for command in commands}[arguments.command](arguments)
    print(f"{time.process_time() / 60:.1f} CPU minutes. Open {arguments.out}")


if __name__ == "__main__":
    main()

"""How many modes of a mixture each way of training finds, after PacGAN's protocol.

Lin et al. 2018 (arXiv:1712.04086), section 4.1: points around 8 modes on a circle or 25 on a grid;
generator 4x400 ReLU with batch norm and z of 2 numbers; discriminator 3x200 maxout of 5 pieces;
Adam at 1e-4 with beta_1 0.8; 100 packs a batch; 2,500 samples scored. The paper trains for 400
epochs of 100,000 packs, 1,000 updates whatever the packing, and repeats it ten times; here it is
`--epochs` and `--seeds`. The last row is the start that docs/mode_collapse.md recommends, with
networks, a batch and epochs of its own.

    python benchmarks/mode_collapse.py [--epochs 3] [--seeds 3] [--data ring8 grid25]
        [--only NAME ...] [--jobs 1] [--out runs/mode_collapse]

Each run leaves its samples and its scores in the folder `--out`; what is there already is not run
again. At the end there is a table, and `mode_collapse.png`, with the samples of the first seed.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import time

import kerasgan

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

PUBLISHED = {
    "GAN": {"ring8": 6.3, "grid25": 17.3},
    "PacGAN2": {"ring8": 7.9, "grid25": 23.8},
    "PacGAN4": {"ring8": 7.8, "grid25": 24.8},
}
RECOMMENDED = "GAN + R1"
NAMES = (*PUBLISHED, RECOMMENDED)
RECOMMENDED_EPOCHS = 120


def pac_gan(packing, seed):
    """The paper's networks and optimizers; packing 1 is the GAN that it compares with."""

    gan = kerasgan.PacGAN((2,), packing=packing, latent_dim=2, seed=seed)
    gan.compile()
    return gan, kerasgan.PacGAN.batch_size_for(packing=packing)


def recommended(epochs, seed):
    """The start that docs/mode_collapse.md recommends."""
    import keras
    from keras import layers

    hidden = [layers.Dense(128, "relu", kernel_initializer="he_normal") for _ in range(3)]
    stretch = layers.Rescaling(4.0)  # so that it can be steep between the modes
    generator = keras.Sequential([keras.Input((2,)), stretch, *hidden, layers.Dense(2)])
    hidden = [layers.Dense(128, "leaky_relu") for _ in range(3)]
    discriminator = keras.Sequential([keras.Input((2,)), *hidden, layers.Dense(1)])
    gan = kerasgan.GAN(generator, discriminator, latent_dim=2, ema_decay=0.999, seed=seed)
    steps = epochs * -(-100_000 // 128)
    rate = keras.optimizers.schedules.PolynomialDecay(2e-3, steps, end_learning_rate=0.0)
    gan.compile(
        optimizer=keras.optimizers.Adam(rate, beta_1=0.5, beta_2=0.99),
        penalties=kerasgan.losses.GradientPenalty.r1(0.1),
    )
    return gan, 128


def run(name, data, seed, epochs, file):
    """Trains and scores one model."""
    import keras

    keras.utils.set_random_seed(seed)
    begin = time.process_time()
    if name == RECOMMENDED:
        epochs = RECOMMENDED_EPOCHS
        gan, batch_size = recommended(epochs, seed)
    else:
        packing = int(name.removeprefix("PacGAN").replace("GAN", "1"))
        gan, batch_size = pac_gan(packing, seed)
        epochs *= packing  # an epoch of points is fewer packs
    points = kerasgan.data.load(data, batch_size=batch_size, seed=seed)
    gan.fit(points, epochs=epochs, verbose=2)
    minutes = (time.process_time() - begin) / 60
    samples = gan.generate(2500, seed=seed)
    metric = kerasgan.metrics.ModeCoverage(*kerasgan.data.mixture(data))
    metric.update_state(samples, samples)
    scores = {key: float(value) for key, value in metric.result().items()}
    scores |= {"updates": gan.iterations, "minutes": minutes}
    temporary = file.with_suffix(".part.npz")
    np.savez(temporary, samples=samples, scores=json.dumps(scores))
    temporary.rename(file)


def draw(files, path):
    """Draws the samples of each file over the modes: a row a data set, a column a configuration."""
    from matplotlib.figure import Figure

    names = [name for name in NAMES if any(key[0] == name for key in files)]
    rows = list(dict.fromkeys(data for _, data in files))
    figure = Figure(figsize=(3 * len(names), 3 * len(rows)), layout="constrained")
    panels = figure.subplots(len(rows), len(names), squeeze=False)
    for (name, data), file in files.items():
        axes = panels[rows.index(data)][names.index(name)]
        modes, _ = kerasgan.data.mixture(data)
        bound = 1.25 * np.abs(modes).max()
        axes.scatter(*modes.T, s=60, facecolors="none", edgecolors="tab:orange", linewidths=0.8)
        axes.scatter(*np.load(file)["samples"].T, s=1.5, alpha=0.5, linewidths=0)
        axes.set(xlim=(-bound, bound), ylim=(-bound, bound), xticks=[], yticks=[], aspect="equal")
        if data == rows[0]:
            axes.set_title(name)
    figure.savefig(path, dpi=80)


def table(results):
    """Prints mean and standard error over the seeds, beside the published numbers."""
    print(
        "| configuration | data | modes | published | high quality | worst seed | reverse KL "
        "| updates | CPU minutes at most |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for (name, data), scores in results.items():

        def mean(key, digits, scores=scores):
            values = [score[key] for score in scores]
            error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
            return f"{np.mean(values):.{digits}f} ± {error:.{digits}f}"

        published = PUBLISHED.get(name, {}).get(data, "-")
        updates, minutes = scores[0]["updates"], max(score["minutes"] for score in scores)
        worst = min((score["modes_covered"], score["high_quality"]) for score in scores)
        print(
            f"| {name} | {data} | {mean('modes_covered', 1)} | {published} | "
            f"{mean('high_quality', 3)} | {worst[0]:.0f}, {worst[1]:.3f} | "
            f"{mean('reverse_kl', 3)} | {updates} | {minutes:.1f} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=3, help="of the paper's configurations")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--data", nargs="+", choices=("ring8", "grid25"), default=["ring8", "grid25"]
    )
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/mode_collapse"))
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    def file_of(name, data, seed):
        return arguments.out / f"{name.replace(' ', '')}-{data}-{seed}.npz"

    if arguments.run:
        name, data, seed = arguments.run
        run(name, data, int(seed), arguments.epochs, file_of(name, data, seed))
        return

    def train(key):
        if not file_of(*key).exists():
            command = [sys.executable, __file__, "--run", *map(str, key)]
            command += ["--epochs", str(arguments.epochs), "--out", str(arguments.out)]
            with open(file_of(*key).with_suffix(".log"), "w") as log:
                subprocess.run(command, check=True, stdout=log, stderr=log)
        return key, json.loads(str(np.load(file_of(*key))["scores"]))

    keys = [
        (name, data, seed)
        for seed in range(arguments.seeds)
        for data in arguments.data
        for name in arguments.only
    ]
    results = {(name, data): [] for data in arguments.data for name in arguments.only}
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for (name, data, seed), scores in pool.map(train, keys):
            results[name, data].append(scores)
            print(f"{name}, {data}, seed {seed}: {scores}", file=sys.stderr, flush=True)
    table(results)
    picture = arguments.out / "mode_collapse.png"
    draw({key: file_of(*key, 0) for key in results}, picture)
    print(f"The samples of the first seed are in {picture}")


if __name__ == "__main__":
    main()

"""Every model of the family on the scanned digits of scikit-learn, under one budget.

The models and their settings are those of examples/digits.py: networks of one width, 16x16 images.
Each is trained in a process of its own until it has used `--seconds` of CPU time, tracing included,
and then judged by a support vector machine that was trained on the real digits (it is right on 98 %
or so of those that it has not seen):

- sure: the share of 1,000 samples for whose class it gives a probability above 0.8;
- classes: exp of the entropy of the classes that it sees: 10 if all are drawn equally often;
- right: for conditional models, how often that class is the one that was asked for;
- diversity: the mean distance between two samples, divided by that between two real digits.

    python benchmarks/digits_family.py [--seconds 90] [--only MODEL ...] [--jobs 1]
        [--out runs/digits_family] [--docs docs]

What is in `--out` already is not trained again. The table and the picture go to `--docs`, as
digits_family.md and digits_family.png.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import runpy
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

ROOT = pathlib.Path(__file__).parents[1]
EXAMPLE = runpy.run_path(str(ROOT / "examples" / "digits.py"))


def train(name, seconds, file):
    """Trains a model and keeps its samples and what it took."""
    import keras

    keras.utils.set_random_seed(0)
    gan, digits = EXAMPLE["make"](name)
    epochs = 0
    while time.process_time() < seconds:
        epochs += 1
        gan.fit(digits, initial_epoch=epochs - 1, epochs=epochs, verbose=2)
    labels = None if gan.num_classes is None else np.arange(1000) % 10
    samples = gan.generate(1000, seed=0, labels=labels)
    weights = {p: sum(int(np.prod(v.shape)) for v in gan.part_variables(p)) for p in gan.players}
    taken = {
        "class_name": type(gan).__name__,
        "conditional": labels is not None,
        "seconds": seconds,
        "updates": gan.iterations,
        "weights": weights,
    }
    temporary = file.with_suffix(".part.npz")
    np.savez(temporary, samples=samples, taken=json.dumps(taken))
    temporary.rename(file)


def real_digits(split):
    import kerasgan

    data = kerasgan.data.load("digits", split=split, image_size=16, labels=True, shuffle=False)
    images, labels = zip(*data.as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def judge():
    """The support vector machine, and how often it is right on unseen digits."""
    from sklearn.svm import SVC

    images, labels = real_digits("train")
    machine = SVC(probability=True, random_state=0).fit(images.reshape(len(images), -1), labels)
    unseen, of_unseen = real_digits("test")
    return machine, machine.score(unseen.reshape(len(unseen), -1), of_unseen)


def score(machine, samples, conditional, real_distance):
    """The columns of the table, by name."""
    from kerasgan.callbacks.collapse_monitor import mean_distance

    chances = machine.predict_proba(samples.reshape(len(samples), -1))
    seen = chances.argmax(1)
    shares = np.bincount(seen, minlength=10) / len(seen)
    entropy = -np.sum(shares[shares > 0] * np.log(shares[shares > 0]))
    right = f"{np.mean(seen == np.arange(len(seen)) % 10):.2f}" if conditional else "-"
    return {
        "sure": f"{np.mean(chances.max(1) > 0.8):.2f}",
        "classes": f"{np.exp(entropy):.1f}",
        "right": right,
        "diversity": f"{mean_distance(samples) / real_distance:.2f}",
    }


def draw(samples_by_name, path):
    """A row of twenty samples for each model."""
    from matplotlib.figure import Figure

    from kerasgan import pictures

    rows = len(samples_by_name)
    figure = Figure(figsize=(11, 0.5 * rows), layout="constrained")
    panels = figure.subplots(rows, 1, squeeze=False)[:, 0]
    for axes, (name, samples) in zip(panels, samples_by_name.items(), strict=True):
        axes.imshow(pictures.draw(samples[:20], columns=20), interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
        axes.spines[:].set_visible(False)
    figure.savefig(path, dpi=80)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=90.0, help="CPU time for each model")
    parser.add_argument("--only", nargs="+", choices=EXAMPLE["MODELS"])
    parser.add_argument("--jobs", type=int, default=1, help="models at a time")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/digits_family"))
    parser.add_argument("--docs", type=pathlib.Path, default=ROOT / "docs")
    parser.add_argument("--train", choices=EXAMPLE["MODELS"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.train:
        train(arguments.train, arguments.seconds, arguments.out / f"{arguments.train}.npz")
        return

    def train_elsewhere(name):
        file = arguments.out / f"{name}.npz"
        if not file.exists():
            command = [sys.executable, __file__, "--train", name, "--out", str(arguments.out)]
            with open(file.with_suffix(".log"), "w") as log:
                command += ["--seconds", str(arguments.seconds)]
                subprocess.run(command, check=True, stdout=log, stderr=log)
        print(f"{name} is trained.", file=sys.stderr, flush=True)
        return np.load(file)

    from kerasgan.callbacks.collapse_monitor import mean_distance

    names = arguments.only or list(EXAMPLE["MODELS"])
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        files = list(pool.map(train_elsewhere, names))
    machine, accuracy = judge()
    real, _ = real_digits("train")
    real_distance = mean_distance(real[:1000])
    columns = ("updates", "sure", "classes", "right", "diversity")
    lines = [f"| model | weights | {' | '.join(columns)} |", "|---" * (len(columns) + 2) + "|"]
    samples_by_name = {"real digits": real}
    for file in files:
        taken = json.loads(str(file["taken"]))
        row = score(machine, file["samples"], taken["conditional"], real_distance)
        row |= {"updates": str(taken["updates"])}
        weights = f"{sum(taken['weights'].values()) / 1e6:.2f} M"
        cells = [f"`{taken['class_name']}`", weights, *(row[name] for name in columns)]
        lines.append(f"| {' | '.join(cells)} |")
        samples_by_name[taken["class_name"]] = file["samples"]
    print("\n".join(lines))
    print(f"The machine is right on {accuracy:.1%} of the unseen real digits.")
    arguments.docs.mkdir(parents=True, exist_ok=True)
    draw(samples_by_name, arguments.docs / "digits_family.png")
    text = PAGE.format(seconds=arguments.seconds, accuracy=accuracy, table="\n".join(lines))
    (arguments.docs / "digits_family.md").write_text(text, encoding="utf-8")


PAGE = """# The family on digits

Written by `benchmarks/digits_family.py`, whose first lines say what the columns are. Each model had
{seconds:.0f} seconds of CPU time for the 1,437 digits, 16x16 pixels, that scikit-learn ships for
training; the settings are those of [examples/digits.py](../examples/digits.py). The machine that
judges is right on {accuracy:.1%} of unseen real digits. So short a run on so few images compares
implementations, not papers: what wins here need not win on photographs.

{table}

![Twenty digits by each model](digits_family.png)

```shell
python benchmarks/digits_family.py
```
"""


if __name__ == "__main__":
    main()

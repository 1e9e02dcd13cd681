"""FakeNet: detectors of generated pictures, on a folder that `kerasgan fakes` has written.

    kerasgan fakes --preset dcgan_mnist --data mnist --data-dir DIR --num 2000 --out runs/fakes
    kerasgan fakes --preset vae_mnist --data mnist --data-dir DIR --num 2000 --out runs/fakes
    python examples/fakenet.py runs/fakes [--size 32] [--epochs 10] [--seeds 1] [--out runs/fakenet]

It prints the table of baselines (backbone, what the detector sees, text) for triplets that were not
trained on, a control whose labels are shuffled, what spoiled pictures do to the detector of pairs,
and how detectors do on a generator that they have never seen. `--out` gets the table of each
triplet and the model of the detector of pairs, and the triplets that are hardest and easiest to it.
"""

import argparse
import os
import pathlib
import time

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from kerasgan import detection, pictures

ROWS = [
    {"backbone": "cnn"},
    {"backbone": "cnn", "spectrum": True},
    {"backbone": "cnn", "text": "bag_of_words"},
    {"backbone": "cnn", "pair": True},
    {"backbone": "cnn", "pair": True, "spectrum": True},
    {"backbone": "cnn", "pair": True, "text": "bag_of_words"},
    {"backbone": "mobilenet"},
    {"backbone": "mobilenet", "pair": True},
]


def trained(settings, shape, triplets, epochs, seed, shuffled=False):
    keras.utils.set_random_seed(seed)
    detector = detection.Detector(shape, seed=seed, **settings)
    inputs, labels = detector.examples(triplets)
    if shuffled:
        labels = np.random.default_rng(seed).permutation(labels)
    detector.fit(inputs, labels, epochs=epochs, batch_size=64, verbose=0)
    return detector


def row(settings, found, note=""):
    """A line of the table: what is looked at, and the mean of the numbers over seeds."""
    seen = "pair" if settings.get("pair") else "single"
    seen += ", spectrum" if settings.get("spectrum") else ""
    text = "bag of words" if settings.get("text") else "none"
    numbers = []
    for name in ("accuracy", "average_precision", "auroc", "calibration_error"):
        values = [one[name] for one in found]
        spread = f" ± {np.std(values):.3f}" if len(values) > 1 else ""
        numbers.append(f"{np.mean(values):.3f}{spread}")
    print(f"| {settings['backbone']}{note} | {seen} | {text} | {' | '.join(numbers)} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--size", type=int)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--backbones", nargs="+", default=["cnn", "mobilenet"])
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/fakenet"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    parts = [
        kerasgan.data.triplets(arguments.folder, split, image_size=arguments.size)
        for split in ("train", "test")
    ]
    train, test = parts
    shape, how = train.original.shape[1:], {"epochs": arguments.epochs}
    print(f"{len(train)} triplets of {sorted(set(train.generators))} to learn, {len(test)} to test")
    print("| backbone | sees | text | accuracy | average precision | AUROC | calibration error |")
    print("|---|---|---|---|---|---|---|")
    for settings in ROWS:
        if settings["backbone"] in arguments.backbones:
            seeds = range(arguments.seeds)
            detectors = [trained(settings, shape, train, seed=seed, **how) for seed in seeds]
            row(settings, [detection.evaluate(detector, test) for detector in detectors])
    control = trained(ROWS[0], shape, train, seed=0, shuffled=True, **how)
    row(ROWS[0], [detection.evaluate(control, test)], ", shuffled labels")

    detector = trained(ROWS[3], shape, train, seed=0, **how)
    found = detection.evaluate(detector, test, spoiled=True)
    print("\n| pairs | accuracy | AUROC |\n|---|---|---|")
    for name, numbers in [*found["by_generator"].items(), *found.items()]:
        if isinstance(numbers, dict) and name != "by_generator":
            print(f"| {name} | {numbers['accuracy']:.3f} | {numbers['auroc']:.3f} |")
    detection.table(detector, test, arguments.out / "table.csv")
    detector.save(arguments.out / "detector.keras")
    sure = detector.probability_real(test.original, test.generated)
    order = np.argsort(sure)
    shown = np.concatenate([order[:8], order[-8:]])
    rows = [test.original[shown], test.generated[shown]]
    pictures.write_png(arguments.out / "hardest_and_easiest.png", pictures.strip(rows))

    if len(set(train.generators)) > 1:
        print("\n| never seen | single: AUROC | pairs: AUROC |\n|---|---|---|")
        both = []
        for settings in (ROWS[0], ROWS[3]):

            def make(settings=settings):
                keras.utils.set_random_seed(0)
                return detection.Detector(shape, seed=0, **settings)

            both.append(detection.leave_one_out(make, train, test, batch_size=64, **how))
        for name in both[0]:
            print(f"| {name} | {both[0][name]['auroc']:.3f} | {both[1][name]['auroc']:.3f} |")
    print(f"{time.process_time():.0f} CPU seconds. Open {arguments.out}")


if __name__ == "__main__":
    main()

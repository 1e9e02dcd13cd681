"""What the papers' learning rates reach in a short run, and what one of 1e-3 does.

The models and their small networks are those of examples/digits.py, on the digits that scikit-learn
ships for training, 16x16 pixels. Each is trained from one start at both rates until it has used
`--seconds` of CPU time, tracing included, and then judged as in benchmarks/digits_family.py: "sure"
is the share of 1,000 samples for whose class the judge gives a probability above 0.8, "right" how
often that class is the one that was asked for (chance is 0.10).

    python benchmarks/short_runs.py [--seconds 45] [--only cgan wgan_gp sagan big_gan]
"""

import argparse
import os
import pathlib
import runpy
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from kerasgan.callbacks.collapse_monitor import mean_distance

FAMILY = runpy.run_path(str(pathlib.Path(__file__).with_name("digits_family.py")))
MODELS = ("cgan", "wgan_gp", "sagan", "big_gan")


def train(name, seconds, papers_rate):
    """A model after so much CPU time, with the paper's optimizers or the example's rate."""
    keras.utils.set_random_seed(0)
    begin, epochs = time.process_time(), 0
    gan, digits = FAMILY["EXAMPLE"]["make"](name)
    if papers_rate:
        gan.compile()
    rates = [f"{float(optimizer.learning_rate):.0e}" for optimizer in gan.optimizer.optimizers]
    while time.process_time() - begin < seconds:
        epochs += 1
        gan.fit(digits, initial_epoch=epochs - 1, epochs=epochs, verbose=0)
    return gan, ", ".join(dict.fromkeys(rate.replace("e-0", "e-") for rate in rates))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=45.0, help="CPU time for each run")
    parser.add_argument("--only", nargs="+", choices=FAMILY["EXAMPLE"]["SETTINGS"], default=MODELS)
    arguments = parser.parse_args()
    machine, _ = FAMILY["judge"]()
    real, _ = FAMILY["real_digits"]("train")
    real_distance = mean_distance(real[:1000])
    print("| model | learning rate | updates | sure | right |\n|---|---|---|---|---|")
    for name in arguments.only:
        for papers_rate in (True, False):
            gan, rate = train(name, arguments.seconds, papers_rate)
            labels = None if gan.num_classes is None else np.arange(1000) % 10
            samples = gan.generate(1000, seed=0, labels=labels)
            row = FAMILY["score"](machine, samples, labels is not None, real_distance)
            whose = " (the paper's)" if papers_rate else ""
            cells = [f"`{type(gan).__name__}`", rate + whose, str(gan.iterations)]
            print(f"| {' | '.join([*cells, row['sure'], row['right']])} |", flush=True)


if __name__ == "__main__":
    main()

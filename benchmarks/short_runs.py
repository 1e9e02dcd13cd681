"""What the papers' learning rates reach in a short run, and what one of 1e-3 does.

The models and their small networks are those of examples/digits.py, on the digits that scikit-learn
ships for training, 16x16 pixels. Each is trained from one start at both rates for `--updates` of
its generator, on batches of 32, and then judged as in benchmarks/digits_family.py: "sure" is the
share of 1,000 samples for whose class the judge gives a probability above 0.8, "right" how often
that class is the one that was asked for (chance is 0.10). CPU seconds include tracing.

    python benchmarks/short_runs.py [--updates 440] [--only cgan wgan_gp sagan big_gan]
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


def train(name, updates, papers_rate):
    """A model after so many updates, and the learning rates that it had."""
    keras.utils.set_random_seed(0)
    gan, digits = FAMILY["EXAMPLE"]["make"](name)
    if papers_rate:
        gan.compile()
    rates = [f"{float(optimizer.learning_rate):.0e}" for optimizer in gan.optimizer.optimizers]
    gan.fit(digits, epochs=round(updates / len(digits)), verbose=0)
    return gan, ", ".join(dict.fromkeys(rate.replace("e-0", "e-") for rate in rates))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=440, help="of the generator")
    parser.add_argument("--only", nargs="+", choices=FAMILY["EXAMPLE"]["MODELS"], default=MODELS)
    arguments = parser.parse_args()
    machine, _ = FAMILY["judge"]()
    real, _ = FAMILY["real_digits"]("train")
    real_distance = mean_distance(real[:1000])
    print("| model | learning rate | updates | CPU seconds | sure | right |")
    print("|---|---|---|---|---|---|")
    for name in arguments.only:
        for papers_rate in (True, False):
            begin = time.process_time()
            gan, rate = train(name, arguments.updates, papers_rate)
            seconds = time.process_time() - begin
            labels = None if gan.num_classes is None else np.arange(1000) % 10
            samples = gan.generate(1000, seed=0, labels=labels)
            row = FAMILY["score"](machine, samples, labels is not None, real_distance)
            whose = " (the paper's)" if papers_rate else ""
            cells = [f"`{type(gan).__name__}`", rate + whose, gan.iterations, round(seconds)]
            print(f"| {' | '.join(map(str, [*cells, row['sure'], row['right']]))} |", flush=True)


if __name__ == "__main__":
    main()

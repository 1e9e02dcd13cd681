"""What augmentation adds to a training step at 32x32, with and without, by turns.

ADA has all its transformations on, at p = 0.8. Its random choices do not change what it costs.

    python benchmarks/augmentation_cost.py [--model dcgan|stylegan2] [--rounds 5] [--base-width 64]
"""

import argparse
import os
import statistics
import time

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from kerasgan.augmentation import ADA, DiffAugment, Pipeline

MODELS = {"dcgan": kerasgan.DCGAN, "stylegan2": kerasgan.StyleGAN2}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="dcgan", choices=MODELS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--base-width", type=int, default=64)
    parser.add_argument("--channels", type=int, default=3, choices=(1, 3))
    arguments = parser.parse_args()
    shape = (32, 32, arguments.channels)
    images = np.random.default_rng(0).uniform(-1, 1, (640, *shape)).astype("float32")
    ways = {
        "none": None,
        "diffaugment": DiffAugment(),
        "ada": ADA(p=0.8, pipeline=Pipeline(filter=1.0, cutout=1.0)),
    }
    models = {}
    for name, augmentation in ways.items():
        model = models[name] = MODELS[arguments.model](
            shape, base_width=arguments.base_width, seed=0
        )
        model.compile(augmentation=augmentation)
        model.fit(images, batch_size=64, verbose=0)
    seconds = {name: [] for name in ways}
    for _ in range(arguments.rounds):
        for name, model in models.items():
            begin = time.process_time()
            model.fit(images, batch_size=64, verbose=0)
            seconds[name].append((time.process_time() - begin) / len(images))
    for name, values in seconds.items():
        ratios = [a / b for a, b in zip(values, seconds["none"], strict=True)]
        print(
            f"{name:12} {statistics.median(values) * 1e3:7.3f} ms CPU an image, "
            f"{statistics.median(ratios):.2f} times none [{min(ratios):.2f}-{max(ratios):.2f}]"
        )


if __name__ == "__main__":
    main()

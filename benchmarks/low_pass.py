"""What the low-pass filter of StyleGAN and R3GAN costs: a depthwise convolution, and means.

    KERAS_BACKEND=tensorflow|jax|torch python benchmarks/low_pass.py [--step]

Of the filter [1, 3, 3, 1] at several sizes: the CPU time of the filter, of the gradient of the sum
of its squares, and of the gradient of the sum of that gradient's squares, beside the same numbers
made with three means of 2x2. Both are compiled, and take turns; each figure is the least of the
rounds. `--step` measures instead the updates of a StyleGAN2 at 32x32 with either filter.
"""

import argparse
import functools
import os
import statistics
import time

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from filtered_activation import cpu_time, of_order
from keras import ops

from kerasgan import backend
from kerasgan.backend import common

CASES = ((64, 32, 16), (64, 32, 8), (64, 32, 1), (64, 8, 64), (4, 128, 32))  # batch, size, channels


def means(x, times):
    """The filter by means of 2x2."""
    for _ in range(times):
        x = ops.average_pool(x, 2, strides=1, data_format="channels_last")
    return x


WAYS = {"depthwise": common.binomial, "means": means}


def measure_filter(rounds):
    print("batch x size x size x channels, order: depthwise ms, means ms, ratio")
    for batch, size, channels in CASES:
        random = np.random.default_rng(0)
        x = random.normal(size=(batch, size + 3, size + 3, channels)).astype("float32")
        x = ops.convert_to_tensor(x)
        if keras.backend.backend() == "torch":
            x.requires_grad_(True)
        for order in range(3):
            filters = [functools.partial(way, times=3) for way in WAYS.values()]
            compiled = [of_order(way, order) for way in filters]
            values = [cpu_time(way, x)[1] for way in compiled]
            np.testing.assert_allclose(*values, rtol=1e-3, atol=1e-4)
            times = [[cpu_time(way, x)[0] for way in compiled] for _ in range(rounds)]
            one, other = 1e3 * np.min(times, axis=0)
            print(
                f"{batch}x{size}x{size}x{channels}, {order}: {one:.1f} {other:.1f} "
                f"{other / one:.1f}",
                flush=True,
            )


def measure_step(rounds):
    images = np.random.default_rng(0).uniform(-1, 1, (64 * 16, 32, 32, 1)).astype("float32")
    for width in (8, 16):
        models = {}
        for name, way in WAYS.items():
            backend.binomial = way  # until the first `fit` has traced the step
            gan = models[name] = kerasgan.StyleGAN2(
                (32, 32, 1), 32, width, 64, batch_size=64, seed=0
            )
            gan.compile()
            gan.fit(images, batch_size=64, verbose=0)
        seconds = {name: [] for name in models}
        for _ in range(rounds):
            for name, gan in models.items():
                start = time.process_time()
                gan.fit(images, batch_size=64, verbose=0)
                seconds[name].append((time.process_time() - start) / 16)
        ratios = [m / d for d, m in zip(seconds["depthwise"], seconds["means"], strict=True)]
        print(
            f"width {width}: {1e3 * statistics.median(seconds['depthwise']):.0f} ms an update with "
            f"depthwise convolutions, {1e3 * statistics.median(seconds['means']):.0f} with means, "
            f"ratio {statistics.median(ratios):.2f} [{min(ratios):.2f}-{max(ratios):.2f}]"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--step", action="store_true")
    arguments = parser.parse_args()
    (measure_step if arguments.step else measure_filter)(arguments.rounds)


if __name__ == "__main__":
    main()

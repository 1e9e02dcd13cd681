"""How fast images are drawn pixel by pixel: with caches, and with the whole network for each pixel.

Naive sampling runs the network on whole images once a pixel, 784 times for 28x28. What is measured
of it is `--naive-runs` compiled runs of the network alone, scaled up to 784, so the true cost is
higher by what drawing adds; that both draw the same images is tested (tests/roles). Sampling with
caches is measured whole, as `generate` does it. Compiling is not counted. CPU seconds are those of
all threads.

    python benchmarks/autoregressive_sampling.py [--models pixel_cnn gated_pixel_cnn]
        [--images 1 16 256] [--naive-runs 5]
"""

import argparse
import os
import time

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

SHAPE = (28, 28, 1)
MODELS = {
    "pixel_cnn": (kerasgan.PixelCNN, {"base_width": 16, "num_blocks": 15, "levels": 2}),
    "gated_pixel_cnn": (kerasgan.GatedPixelCNN, {"base_width": 32, "num_blocks": 7, "levels": 2}),
    "pixel_cnn_plus_plus": (
        kerasgan.PixelCNNPlusPlus,
        {"base_width": 16, "num_blocks": 2, "num_mixtures": 5},
    ),
}


def seconds(function, times=1):
    """CPU seconds and seconds by the clock of one call, of so many after a first one."""
    function()
    cpu, clock = time.process_time(), time.perf_counter()
    for _ in range(times):
        function()
    return (time.process_time() - cpu) / times, (time.perf_counter() - clock) / times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS)[:2])
    parser.add_argument("--images", nargs="+", type=int, default=[1, 16, 256])
    parser.add_argument("--naive-runs", type=int, default=5)
    arguments = parser.parse_args()
    pixels = SHAPE[0] * SHAPE[1]
    print("| model | images | naive, CPU s | cached, CPU s | ratio | naive, s | cached, s |")
    print("|---|---|---|---|---|---|---|")
    for name in arguments.models:
        model_class, settings = MODELS[name]
        model = model_class(SHAPE, seed=0, **settings)
        for count in arguments.images:
            images = np.ones((count, *SHAPE), "float32")
            naive = seconds(
                lambda given=images: model.network.predict_on_batch(given), arguments.naive_runs
            )
            naive = [pixels * each for each in naive]
            cached = seconds(lambda count=count: model.generate(count, seed=0))
            cells = [f"`{model_class.__name__}`", count, f"{naive[0]:.0f}", f"{cached[0]:.2f}"]
            cells += [f"{naive[0] / cached[0]:.0f}", f"{naive[1]:.0f}", f"{cached[1]:.2f}"]
            print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()

"""What the filters of StyleGAN3 cost: products with banded matrices, and depthwise convolutions.

    KERAS_BACKEND=tensorflow|jax|torch python benchmarks/filtered_activation.py

Of a `FilteredLeakyReLU` at three sizes: the CPU time of the layer, of the gradient of the sum of
its squares, and of the gradient of the sum of that gradient's squares, beside the same numbers made
with depthwise convolutions along each axis. Both are compiled, and take turns; each figure is the
least of the rounds. Prints also the largest difference of the two.
"""

import argparse
import functools
import os
import time

import kerasgan  # before TensorFlow, which then uses oneDNN

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import ops

# Images, their size, the size and the rates of the layer, and channels.
CASES = (
    (8, 38, 36, (16, 16), 32),
    (8, 54, 84, (32, 64), 32),
    (2, 150, 148, (128, 128), 32),
)


def depthwise(layer, x):
    """The layer by zeros in between and depthwise convolutions."""
    batch, size, _, channels = x.shape
    first, last = layer.paddings(size)
    up, down = layer.up, layer.down
    y = ops.reshape(x, (batch, size, 1, size, 1, channels))
    y = ops.pad(y, ((0, 0), (0, 0), (0, up - 1), (0, 0), (0, up - 1), (0, 0)))
    y = ops.reshape(y, (batch, size * up, size * up, channels))
    cut = slice(max(0, -first), size * up - max(0, -last))
    border = (max(0, first), max(0, last))
    y = ops.pad(y[:, cut, cut], ((0, 0), border, border, (0, 0)))

    def filtered(y, taps):
        for shape in ((-1, 1, 1, 1), (1, -1, 1, 1)):
            kernel = np.tile(np.reshape(taps, shape), (1, 1, channels, 1)).astype("float32")
            y = ops.depthwise_conv(y, ops.convert_to_tensor(kernel), data_format="channels_last")
        return y

    y = filtered(y, up * layer.up_filter)
    y = ops.leaky_relu(y, 0.2) * np.float32(np.sqrt(2.0))
    return filtered(y, layer.down_filter)[:, ::down, ::down]


def of_order(function, order):
    """The function, or the gradient of its squares, or of the squares of those, compiled."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        def gradient(of, x):
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = tf.reduce_sum(of(x) ** 2)
            return tape.gradient(y, x)

        for _ in range(order):
            function = functools.partial(gradient, function)
        return tf.function(function)
    if backend == "jax":
        import jax

        for _ in range(order):
            function = jax.grad(lambda x, of=function: (of(x) ** 2).sum())
        return jax.jit(function)
    import torch

    def gradient(of, x):
        return torch.autograd.grad((of(x) ** 2).sum(), x, create_graph=True)[0]

    for _ in range(order):
        function = functools.partial(gradient, function)
    return function


def cpu_time(function, x):
    start = time.process_time()
    value = np.array(ops.convert_to_numpy(function(x)))
    return time.process_time() - start, value


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    print("input, order: banded ms, depthwise ms, ratio, relative difference")
    for batch, size, new_size, rates, channels in CASES:
        layer = kerasgan.layers.FilteredLeakyReLU(
            new_size, rates, (rates[0] / 4, rates[1] / 4), (rates[0] / 4, rates[1] / 4)
        )
        random = np.random.default_rng(0)
        x = random.normal(size=(batch, size, size, channels)).astype("float32")
        x = ops.convert_to_tensor(x)
        if keras.backend.backend() == "torch":
            x.requires_grad_(True)
        layer(x)
        for order in range(3):
            ways = [of_order(f, order) for f in (layer, functools.partial(depthwise, layer))]
            values = [cpu_time(way, x)[1] for way in ways]  # compiles
            times = [[cpu_time(way, x)[0] for way in ways] for _ in range(rounds)]
            banded, other = 1e3 * np.min(times, axis=0)
            error = np.abs(values[0] - values[1]).max() / np.abs(values[1]).max()
            shape = f"{batch}x{size}x{size}x{channels} to {new_size}"
            print(
                f"{shape}, {order}: {banded:.0f} {other:.0f} {other / banded:.1f} {error:.0e}",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""What a framework need not supply: the parts of the seam as they are where nothing special is."""

import math

import keras
import numpy as np

SeedGenerator = keras.random.SeedGenerator


def predict(network, inputs):
    """What the network makes of a batch, as a NumPy array."""
    return network.predict_on_batch(inputs)


def scan(step, carry, inputs, dtypes):
    """A loop over the first axis of arrays; see `kerasgan.backend.tensorflow.scan`."""
    return keras.ops.scan(step, carry, inputs)


def accelerate(optimizer):
    """Nothing: the framework's own kernels are used already."""


def replicas():
    """1: all devices together compute one batch, so nothing is a replica's own."""
    return 1


def is_distributed():
    """Whether there are several replicas; no."""
    return False


def with_xla(function):
    """A function of tensors that XLA compiles by itself; here, the function as it is."""
    return function


def binomial(x, times):
    """Filters maps with [1, 1] / 2, `times` times each way.

    Args:
        x: tensor (batch, height, width, channels); only places where the filter fits are kept.
        times: int of at least 1.
    """
    row = [math.comb(times, k) / 2.0**times for k in range(times + 1)]
    kernel = np.repeat(np.outer(row, row)[:, :, None, None], x.shape[-1], axis=2)
    kernel = keras.ops.convert_to_tensor(kernel, x.dtype)
    return keras.ops.depthwise_conv(x, kernel, data_format="channels_last")


class _BatchesInOrder(keras.utils.PyDataset):
    def __init__(self, arrays, count, batch_size, order):
        super().__init__()
        self.arrays, self.count, self.batch_size = arrays, count, batch_size
        self.order, self.rows = order, range(count)

    def __len__(self):
        return math.ceil(self.count / self.batch_size)

    def on_epoch_begin(self):
        self.rows = self.order()

    def __getitem__(self, index):
        rows = self.rows[index * self.batch_size : (index + 1) * self.batch_size]
        return keras.tree.map_structure(lambda array: array[rows], self.arrays)


# See `kerasgan.backend.tensorflow.batches_in_order`.
batches_in_order = _BatchesInOrder

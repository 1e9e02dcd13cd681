"""What a framework need not supply: the parts of the seam as they are where nothing special is."""

import keras

SeedGenerator = keras.random.SeedGenerator
compile_steps = None  # Keras runs several steps well enough, or cannot


def predict(network, inputs):
    """What the network makes of a batch, as a NumPy array."""
    return network.predict_on_batch(inputs)


def accelerate(optimizer):
    """Nothing: the framework's own kernels are used already."""


def replicas():
    """1: all devices together compute one batch, so nothing is a replica's own."""
    return 1


def is_distributed():
    """Whether there are several replicas; no."""
    return False

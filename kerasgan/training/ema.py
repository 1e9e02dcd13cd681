"""The averaged copy of a network that samples better than the network itself."""

import keras
from keras import ops


def copy_network(network, inputs):
    """A frozen copy of a built network with the same weights.

    Args:
        network: a built Keras model.
        inputs: `keras.Input` or a list of them, to build the copy with.
    """
    if getattr(network, "inputs", None):
        copy = keras.models.clone_model(network)
    else:  # a subclassed network
        copy = type(network).from_config(network.get_config())
        copy(inputs)
    copy.set_weights(network.get_weights())
    copy.trainable = False
    return copy


def update_average(average, weights, decay, updates, moved):
    """Moves `average` towards `weights`, batch-norm statistics included.

    Args:
        average: list of the weights of the copy.
        weights: list of those of the network in training.
        decay: the share of the old average that is kept, below 1.
        updates: how many updates the network has had. Early on the decay is lowered to
            `(1 + updates) / (10 + updates)`, or the average of a short run would still be
            mostly its random initial weights.
        moved: bool scalar tensor, whether this step was an update; else the average stays, too. A
            step that only accumulates gradients, or skips those that float16 cannot hold, is none.
    """
    updates = ops.cast(updates, "float32")
    decay = ops.minimum(decay, (1.0 + updates) / (10.0 + updates))
    decay = ops.where(moved, decay, 1.0)
    for mean, value in zip(average, weights, strict=True):
        step = ops.cast(1.0 - decay, mean.dtype) * (value - mean)
        mean.assign_add(step)

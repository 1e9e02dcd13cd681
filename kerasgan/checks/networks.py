"""Networks that were given: whether they end in what losses take."""

import keras

from kerasgan.backend import private

PROBABILITIES = ("sigmoid", "hard_sigmoid", "softmax", "log_softmax", "log_sigmoid")
POSITIVE = ("relu", "relu6", "softplus", "exponential")
# Layers behind which the same numbers come out.
PASSING = ("Reshape", "Flatten", "Identity", "Dropout", "Permute", "GetItem", "Cast")


def last_activation(network):
    """The name of the activation that makes what a network returns, None where it is not known."""
    outputs = getattr(network, "outputs", None)
    if not outputs:
        return None  # a subclassed network does not tell
    return _activation(outputs[0])


def _activation(tensor):
    if not isinstance(tensor, keras.KerasTensor):
        return None
    operation = private.layer_before(tensor)
    if isinstance(operation, keras.Model):
        return last_activation(operation)
    if type(operation).__name__ in PASSING:
        return _activation(operation.input)
    layer = getattr(operation, "layer", operation)  # inside of a wrapper
    activation = getattr(layer, "activation", None)
    named = type(layer) if activation is None else activation
    name = getattr(named, "__name__", type(named).__name__)
    return (
        "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
        .lstrip("_")
        .replace("re_l_u", "relu")
    )


def check_discriminator(network):
    """Raises a ValueError for a discriminator that returns probabilities."""
    activation = last_activation(network)
    if activation in PROBABILITIES:
        raise ValueError(
            f"the discriminator ends in {activation}, so it returns probabilities; the losses take "
            "logits. Leave its last activation out: Dense(1)."
        )


def check_generator(network, image_shape):
    """Raises a ValueError for a generator of images that cannot make a dark pixel."""
    activation = last_activation(network)
    if len(image_shape) == 3 and activation in PROBABILITIES + POSITIVE:
        raise ValueError(
            f"the generator ends in {activation}, so it makes no images in [-1, 1], which the data "
            'is; end it in "tanh".'
        )

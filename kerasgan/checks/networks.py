"""Networks that were given: whether they take what they get, and end in what losses take."""

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


def check_logits(network, role, what):
    """Raises a ValueError for a network that does not return log-odds of any size.

    Args:
        network: Keras model.
        role: str, what it is.
        what: str, what takes the log-odds.
    """
    activation = last_activation(network)
    if activation in (*PROBABILITIES, *POSITIVE, "tanh"):
        raise ValueError(
            f"the {role} ends in {activation}, but {what} takes log-odds, numbers of any size; "
            "leave its last activation out."
        )


def check_shares(network, role, what):
    """Raises a ValueError for a network that is known not to return numbers between 0 and 1."""
    activation = last_activation(network)
    if activation not in (None, "sigmoid", "hard_sigmoid", "softmax"):
        raise ValueError(
            f"the {role} ends in {activation}, but {what} needs numbers between 0 and 1; end it in "
            '"sigmoid".'
        )


def check_autoencoder(encoder, decoder, image_shape, code_outputs=1):
    """Makes sure that an encoder and a decoder that were given fit each other.

    Args:
        encoder, decoder: built Keras models, or both None.
        image_shape: None if they were given, a shape if not.
        code_outputs: int, how many outputs of one shape the encoder must have.

    Returns:
        The image shape and the length of a code, or None if no networks were given.

    Raises:
        ValueError: when one is missing, or they do not fit.
    """
    if encoder is None and decoder is None:
        if image_shape is None:
            raise ValueError("image_shape=None; give an image_shape, or an encoder and a decoder.")
        return None
    if image_shape is not None:
        raise ValueError(
            f"image_shape={tuple(image_shape)} is given together with networks, which define the "
            "shape; leave image_shape out."
        )
    for role, network in (("encoder", encoder), ("decoder", decoder)):
        if not getattr(network, "outputs", None) or len(network.inputs) != 1:
            raise ValueError(
                f"{role}={network!r}; use a built Keras model with one input, keras.Sequential "
                "with a keras.Input or a functional one, and pass both networks or none."
            )
    shapes = [tuple(output.shape[1:]) for output in encoder.outputs]
    if len(shapes) != code_outputs or len(set(shapes)) != 1 or len(shapes[0]) != 1:
        wanted = (
            "one of shape (n,), the code"
            if code_outputs == 1
            else "two of shape (n,), the mean and the logarithm of the variance of the code"
        )
        raise ValueError(f"the encoder has outputs of the shapes {shapes}; it needs {wanted}.")
    check_inputs(decoder, "decoder", shapes[0], "the codes of the encoder")
    shape, made = (tuple(s[1:]) for s in (encoder.inputs[0].shape, decoder.outputs[0].shape))
    if shape != made or len(shape) != 3 or None in shape:
        raise ValueError(
            f"the encoder takes images of shape {shape}, but the decoder makes {made}; both have "
            "to be the same (height, width, channels)."
        )
    return shape, shapes[0][0]


def check_generator(network, image_shape):
    """Raises a ValueError for a generator of images that cannot make a dark pixel."""
    activation = last_activation(network)
    if len(image_shape) == 3 and activation in PROBABILITIES + POSITIVE:
        raise ValueError(
            f"the generator ends in {activation}, so it cannot make images in [-1, 1], the range "
            'of the data; end it in "tanh".'
        )


def check_inputs(network, role, shape, what, num_classes=None, any_number=False):
    """Makes sure that a network takes what it will be given.

    Args:
        network: Keras model; a subclassed one does not tell and passes.
        role: str, what it is.
        shape: the shape of its first input.
        what: str, what that is.
        num_classes: int if it is given labels, too, else None.
        any_number: whether it may have further inputs.

    Raises:
        ValueError: when it takes something else.
    """
    inputs = getattr(network, "inputs", None) or []
    if not inputs:
        return
    expected = tuple(inputs[0].shape[1:])
    fits = len(expected) == len(shape) and all(
        e is None or e == s for e, s in zip(expected, shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"the {role} takes inputs of shape {expected}, but {what} have shape {shape}; give it "
            "that input shape."
        )
    wanted = 1 if num_classes is None else 2
    if len(inputs) != wanted and not any_number:
        raise ValueError(
            f"the {role} has {len(inputs)} inputs; with num_classes={num_classes} it has to have "
            f"{wanted}: {'no label' if wanted == 1 else 'the second is the label'}."
        )

"""Transfer learning: starts training from the weights of a trained model."""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from kerasgan.backend import private


class Transfer(NamedTuple):
    """The weights that a model took from another one.

    Attributes:
        taken: list of the names of the weights that fit, such as `"generator/up1/kernel"`.
        left: dict from the name of a weight of the model that did not fit to the reason, such as
            `"(3, 32) there, (10, 32) here"`.
        share: float from 0 to 1, the share of the model's weights that were taken.
    """

    taken: list[str]
    left: dict[str, str]
    share: float

    def __str__(self) -> str:
        found = f"{len(self.taken)} of {len(self.taken) + len(self.left)} weights"
        lines = [f"Took {found}, {100.0 * self.share:.1f} % of the numbers."]
        if self.left:
            lines.append("These do not fit and start anew:")
            lines += [f"    {name}: {reason}" for name, reason in self.left.items()]
        return "\n".join(lines)


def transfer(donor: keras.Model, model: keras.Model) -> Transfer:
    """Copies the weights of a trained model to a new one, wherever name and shape are the same.

    The two may differ in the number of classes, the image size, losses or penalties. Weights of
    another shape, such as an embedding of the classes, start anew, as do the optimizers and the
    count of epochs. The averaged generator is copied from that of the donor or, if it has none,
    from its generator.

    Args:
        donor: the trained model; it does not change.
        model: the model to train.

    Returns:
        A `Transfer`; print it to see what did not fit.

    Raises:
        ValueError: when nothing fits.

    Example:

    >>> donor = kerasgan.StyleGAN2((8, 8, 1), 16, base_width=8, max_width=16, seed=0)
    >>> gan = kerasgan.StyleGAN2((8, 8, 1), 16, base_width=8, max_width=16, num_classes=10)
    >>> found = kerasgan.transfer(donor, gan)
    >>> "generator/synthesis/b8/conv1/conv/kernel" in found.taken
    True
    >>> found.left["generator/embed_eq/embed/kernel"]
    'not there'
    """
    sources = _networks(donor)
    if "ema_generator" not in sources and "generator" in sources:
        sources["ema_generator"] = sources["generator"]
    taken, left, numbers = [], {}, 0
    for part, network in _networks(model).items():
        own = _by_name(network)
        found = _by_name(sources[part]) if part in sources else {}
        for name, variable in own.items():
            shape = tuple(variable.shape)
            there = found.get(name)
            if there is None:
                left[f"{part}/{name}"] = "not there"
            elif tuple(there.shape) != shape:
                left[f"{part}/{name}"] = f"{tuple(there.shape)} there, {shape} here"
            else:
                variable.assign(ops.convert_to_numpy(there))
                taken.append(f"{part}/{name}")
                numbers += int(np.prod(shape))
    if not taken:
        raise ValueError(
            f"nothing of a {type(donor).__name__} fits this {type(model).__name__}: no weights "
            "have the same name and shape. Use a model of the same kind and width."
        )
    return Transfer(
        taken, left, numbers / sum(network.count_params() for network in _networks(model).values())
    )


def _networks(model):
    """The networks of a model by a name that says what they are for: dict."""
    found = {}
    for part, networks in model.parts.items():
        names = [part] if len(networks) == 1 else [f"{part}{n}" for n in range(len(networks))]
        found |= dict(zip(names, networks, strict=True))
    known = {id(network) for network in found.values()}
    averages = [n for n in model.networks_and_averages if id(n) not in known]
    names = [f"ema_generator{n or ''}" for n in range(len(averages))]
    return found | dict(zip(names, averages, strict=True))


def _by_name(network):
    """The weights of a network by a name without that of the network: dict."""
    return {weight.path.removeprefix(f"{network.name}/"): weight for weight in network.weights}


def layers_from_image(discriminator: keras.Model) -> list:
    """The layers with weights that see the image, those nearest to it first: list.

    Args:
        discriminator: a Keras functional model from an image, or [image, labels], to a logit.

    Raises:
        ValueError: when its layers are not a graph that Keras knows.
    """
    if not isinstance(discriminator, keras.Model) or not getattr(discriminator, "operations", None):
        raise ValueError(
            f"the discriminator is a {type(discriminator).__name__}, whose layers have no order; "
            "set trainable = False on the layers to freeze."
        )
    sees = {id(discriminator.inputs[0]): True}
    layers = []

    def visit(tensor):
        if id(tensor) not in sees:
            seen = [visit(before) for before in private.made_from(tensor)]
            sees[id(tensor)] = any(seen)
            layer = private.layer_before(tensor)
            if any(seen) and getattr(layer, "weights", None) and layer not in layers:
                layers.append(layer)
        return sees[id(tensor)]

    for output in discriminator.outputs:
        visit(output)
    return layers

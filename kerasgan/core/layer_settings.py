"""What users change on the layers of a finished model, as part of its file.

A model of the zoo makes its networks from its own arguments, so what was set on a layer afterwards
(`trainable`, the rate of a Dropout, the momentum of a batch normalization) is in none of them.
"""

import json

import keras

from kerasgan.core.optimizers import all_layers

# Compile chooses `synchronized`, and what is made at building has no effect afterwards.
_NOT_RECORDED = ("name", "trainable", "synchronized", "build_input_shape")


def record(networks):
    """The settings of all layers of networks, and which of their weights are trained.

    Args:
        networks: list of built Keras models.

    Returns:
        A dict that JSON can hold, for `restore`.
    """
    layers = all_layers(networks)
    return {
        "layers": [
            {"class": type(layer).__name__, "trainable": layer.trainable, **_settings(layer)}
            for layer in layers
        ],
        "trained_weights": [w.trainable for network in networks for w in network.weights],
    }


def restore(networks, recorded):
    """Sets on freshly made networks what `record` found on others of the same kind.

    Raises:
        ValueError: when they have other layers.
    """
    layers = all_layers(networks)
    weights = [w for network in networks for w in network.weights]
    kinds = [type(layer).__name__ for layer in layers]
    if kinds != [of_layer["class"] for of_layer in recorded["layers"]] or len(weights) != len(
        recorded["trained_weights"]
    ):
        raise ValueError(
            "the file holds the settings of other layers than this model makes. If its networks "
            "were replaced after it was made, save the networks themselves, or give them to "
            "kerasgan.GAN; else it is of another version of kerasgan."
        )
    for layer, wanted in zip(layers, recorded["layers"], strict=True):
        _restore_settings(layer, wanted)
        if layer.trainable != wanted["trainable"]:
            layer.trainable = wanted["trainable"]  # parents come first: it is of their layers, too
    for weight, trained in zip(weights, recorded["trained_weights"], strict=True):
        if weight.trainable != trained:
            weight.trainable = trained


def _settings(layer):
    """What a layer says of itself, without the layers inside it, which are asked themselves."""
    if isinstance(layer, keras.Model):
        return {}
    config = {
        name: value
        for name, value in layer.get_config().items()
        if name not in _NOT_RECORDED and not name.endswith("_initializer")
    }
    inner = [name for name, value in config.items() if _is_layer(value)]
    config = {name: value for name, value in config.items() if name not in inner}
    text = json.dumps(config, default=keras.saving.serialize_keras_object)
    return json.loads(text, object_hook=_without_identity)


def _without_identity(config):
    """While a file is written Keras gives each object a number, another one each time."""
    return {name: value for name, value in config.items() if name != "shared_object_id"}


def _is_layer(value):
    return isinstance(value, dict) and "build_config" in value


def _restore_settings(layer, wanted):
    has = _settings(layer)
    changed = [name for name in has if name in wanted and wanted[name] != has[name]]
    if not changed:
        return
    # A setting such as an activation is not what the configuration holds but made from it.
    made = type(layer).from_config({**layer.get_config(), **{n: wanted[n] for n in changed}})
    for name in changed:
        attribute = "dtype_policy" if name == "dtype" else name
        setattr(layer, attribute, getattr(made, attribute))

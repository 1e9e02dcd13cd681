"""What users change on the layers of a finished model, as part of its file.

A model of the zoo makes its networks from its own arguments, so what was set on a layer afterwards
(`trainable`, the rate of a Dropout, the momentum of a batch normalization) is in none of them.
"""

import json

import keras

from kerasgan.training.optimizers import all_layers

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
            "kerasgan.GAN; otherwise another version of kerasgan wrote the file."
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
    settings = {"dtype": layer.dtype_policy.name}
    if isinstance(layer, keras.Model):
        return settings
    has_inner = len(all_layers([layer])) > 1
    for name, value in layer.get_config().items():
        inner = has_inner and isinstance(value, (dict, list))
        made_when_built = name.endswith("_initializer")
        if name not in (*_NOT_RECORDED, *settings) and not made_when_built and not inner:
            settings[name] = _plain(value)
    return settings


def _plain(value):
    """A value of a configuration as it comes back from JSON."""
    value = json.loads(json.dumps(value, default=keras.saving.serialize_keras_object))
    # While a model is saved, Keras numbers what occurs twice.
    return _without_numbers(value)


def _without_numbers(value):
    if isinstance(value, dict):
        return {k: _without_numbers(v) for k, v in value.items() if k != "shared_object_id"}
    return [_without_numbers(v) for v in value] if isinstance(value, list) else value


def _restore_settings(layer, wanted):
    has = _settings(layer)
    changed = {n: wanted[n] for n in has if n in wanted and wanted[n] != has[n]}
    if "dtype" in changed:
        layer.dtype_policy = keras.dtype_policies.get(changed.pop("dtype"))
    made = None
    for name, value in changed.items():
        if isinstance(value, (int, float)) and getattr(layer, name, None) == has[name]:
            setattr(layer, name, value)
            continue
        # What the configuration holds stands for something else, such as an activation.
        made = made or type(layer).from_config({**layer.get_config(), **changed})
        setattr(layer, name, getattr(made, name))

"""The names of Keras and TensorFlow that kerasgan needs and that are not their public API.

Nothing else of kerasgan uses such a name (tests/test_architecture.py). Each of the functions below
says what its name is for. Where Keras or TensorFlow has it no more, the function raises a
RuntimeError that names the versions, and so does the import for methods that Keras calls.
"""

import functools
import inspect

import keras

KERAS_VERSIONS = "3.15 and the nightly builds of 3.16"
TENSORFLOW_VERSIONS = "2.18 to 2.21"

# What the Trainer classes of kerasgan.backend override, by backend. Keras would not call them any
# more under other names, and nobody would notice.
OVERRIDDEN = {
    "tensorflow": {
        "_maybe_symbolic_build": "train on several machines",
        "_make_function": "add up gradients in one order",
    },
    "jax": {"_purge_model_variables": "keep a model's weights when a step fails"},
    "torch": {},
}


def check_overridden(backend=None):
    """Raises a RuntimeError unless Keras' trainer has every method that kerasgan overrides.

    Args:
        backend: str; None for the one that Keras runs on.
    """
    for name, purpose in OVERRIDDEN[backend or keras.backend.backend()].items():
        if not callable(getattr(keras.Model, name, None)):
            raise _missing(f"keras.Model.{name}", purpose)


def layers_of(network):
    """A layer or network, and every layer inside it, at any depth.

    Keras lists publicly those of a model only, and none that are inside of another layer.

    Returns:
        List of layers, `network` first.
    """
    return _of(network, "_flatten_layers", "find all layers of a network")()


def layer_before(tensor):
    """The layer, or network, that made a symbolic tensor.

    Keras tells publicly what a layer gives, not which one gave a tensor.

    Args:
        tensor: `keras.KerasTensor`.
    """
    return _of(tensor, "_keras_history", "find the last layer of a network").operation


def made_from(tensor):
    """The symbolic tensors that a symbolic tensor was made from, none of an input: list.

    Args:
        tensor: `keras.KerasTensor`.
    """
    what = "see which layers an input reaches"
    history = _of(tensor, "_keras_history", what)
    return _of(history.operation, "_inbound_nodes", what)[history.node_index].input_tensors


def variables_moved_by(optimizer):
    """The variables that an optimizer was built for: list.

    Publicly an optimizer lists its own variables only, such as moments.
    """
    return _of(optimizer, "_trainable_variables", "find out whether some variables are frozen")


def calls_of(optimizer):
    """How often an optimizer was called, a `keras.Variable`.

    The public `iterations` counts the updates, of which each can take several calls.
    """
    return _of(optimizer, "_iterations", "accumulate gradients")


def adam_moments(optimizer, variable):
    """The two moments that Adam keeps for a variable; publicly they are two of many in a list.

    Args:
        optimizer: a built `keras.optimizers.Adam`.
        variable: one of the variables that it was built for.

    Returns:
        Tuple of two variables, the mean of the gradients and that of their squares.
    """
    purpose = "use TensorFlow's kernel for Adam"
    index = _of(optimizer, "_get_variable_index", purpose)(variable)
    momentums = _of(optimizer, "_momentums", purpose)
    return momentums[index], _of(optimizer, "_velocities", purpose)[index]


def direction_of(metric):
    """Which way a metric of Keras is better.

    Returns:
        "up" or "down"; None where it does not say, as metrics of other authors.
    """
    _has_directions()
    return getattr(metric, "_direction", None)


@functools.cache
def _has_directions():
    metric = keras.metrics.MeanSquaredError()
    if _of(metric, "_direction", "tell which way a metric is better") != "down":
        raise _missing("the direction of MeanSquaredError", "tell which way a metric is better")


FROM_FIT = "_use_cached_eval_dataset"  # an argument


def is_from_fit(arguments):
    """Whether `evaluate` was called by `fit`, which has looked at the data already.

    Args:
        arguments: dict of the named arguments that `evaluate` was called with.
    """
    _fit_tells()
    return FROM_FIT in arguments


@functools.cache
def _fit_tells():
    constants = inspect.unwrap(keras.Model.fit).__code__.co_consts
    if not any(isinstance(c, tuple) and FROM_FIT in c for c in constants):
        raise _missing(f"the argument {FROM_FIT} of evaluate", "tell whether fit validates")


def sources_of(dataset):
    """The data sets that one of `tf.data` was made from by `map`, `zip`, `take` and so on: list.

    TensorFlow has no public way back. There is none for what is not a `tf.data.Dataset`, such as
    one that a strategy distributes.
    """
    import tensorflow as tf

    if not isinstance(dataset, tf.data.Dataset):
        return []
    return _of(dataset, "_inputs", "give each epoch an order of its own", tf)()


def uses_onednn():
    """Whether TensorFlow computes with oneDNN, which also depends on the processor: bool."""
    import tensorflow as tf

    try:
        from tensorflow.python.util import _pywrap_util_port

        return _pywrap_util_port.IsMklEnabled()
    except (ImportError, AttributeError):
        raise _missing("IsMklEnabled", "tell whether it computes with oneDNN", tf) from None


def change_adding_up(change):
    """Changes how gradients with respect to one tensor are added up, from now on.

    TensorFlow has no public way to say in which order.

    Args:
        change: function that takes today's function of a list of gradients and returns another.
    """
    import tensorflow as tf

    try:
        from tensorflow.python import pywrap_tfe
        from tensorflow.python.eager import backprop

        register, space = pywrap_tfe.TFE_Py_RegisterVSpace, backprop._default_vspace
        register(space._replace(aggregate_fn=change(space.aggregate_fn)))
    except (ImportError, AttributeError):
        raise _missing("the default VSpace of its tapes", "add up in one order", tf) from None


def _of(owner, name, purpose, package=keras):
    try:
        return getattr(owner, name)
    except AttributeError:
        raise _missing(f"{type(owner).__name__}.{name}", purpose, package) from None


def _missing(what, purpose, package=keras):
    title, known = {
        "keras": ("Keras", KERAS_VERSIONS),
        "tensorflow": ("TensorFlow", TENSORFLOW_VERSIONS),
    }[package.__name__]
    return RuntimeError(
        f"{title} {package.__version__} does not have {what}, which kerasgan needs to {purpose}. "
        f"kerasgan is known to work with {title} {known}; install one of these."
    )


check_overridden()

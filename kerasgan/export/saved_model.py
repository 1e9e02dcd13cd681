"""From networks to a SavedModel that needs neither kerasgan nor Keras."""

import dataclasses
import json
import pathlib
from typing import NamedTuple

import keras

from kerasgan.utils.files import atomic_path

MODEL_CARD = "assets.extra/model_card.json"  # TensorFlow Serving looks at neither


class Computation(NamedTuple):
    """A function of tensors, written with `keras.ops`, that a SavedModel is to hold.

    Attributes:
        function: takes one tensor for each input.
        inputs: dict from an input's name to its `keras.InputSpec`.
    """

    function: object
    inputs: dict


class Condition(NamedTuple):
    """What an image is told beside its random numbers.

    Attributes:
        name: str, of the input of an endpoint.
        shape: tuple of int, that of one image: () for a label, (n,) for a vector.
        dtype: str.
        num_classes: int, of a label; None of a vector.
        vocabulary: tuple of str, the words of a text; an endpoint then takes texts, and makes the
            vector of each. None of anything else.
    """

    name: str
    shape: tuple
    dtype: str
    num_classes: int | None = None
    vocabulary: tuple | None = None


def check_destination(filepath):
    """Makes sure that a SavedModel can be written to a folder; see `export_model`."""
    if keras.backend.backend() == "torch":
        raise RuntimeError(
            "a SavedModel cannot be written under PyTorch; save the model as a .keras file and "
            "export that under TensorFlow: KERAS_BACKEND=tensorflow kerasgan export "
            f"MODEL.keras {filepath}"
        )
    filepath = pathlib.Path(filepath)
    if filepath.exists() and (filepath.is_file() or any(filepath.iterdir())):
        version = int(filepath.name) + 1 if filepath.name.isdigit() else 1
        raise FileExistsError(
            f"{filepath} exists already; export to a new folder, for TensorFlow Serving with a "
            f"version number as its name, for example {filepath.with_name(str(version))}."
        )


@dataclasses.dataclass
class Exports:
    """What a model's roles put into its SavedModel.

    Attributes:
        networks: list of the Keras models that the computations use.
        computations: dict from a name to a `Computation`: what the model's framework computes.
        signatures: list of functions from dict of these, as functions of TensorFlow's tensors, to
            dict from the name of a signature to (function, list of `tf.TensorSpec`). Of all, the
            first is `serving_default` as well, unless one has that name.
        card: dict, which becomes `assets.extra/model_card.json`.
    """

    networks: list = dataclasses.field(default_factory=list)
    computations: dict = dataclasses.field(default_factory=dict)
    signatures: list = dataclasses.field(default_factory=list)
    card: dict = dataclasses.field(default_factory=dict)


def export_model(filepath, exports, jit_compile=False):
    """Writes a SavedModel, with a model card beside its graph.

    Args:
        filepath: a folder that does not exist or is empty.
        exports: `Exports`.
        jit_compile: whether XLA compiles the computations.

    Raises:
        FileExistsError: when the folder holds something.
        RuntimeError: under PyTorch, which cannot write a SavedModel.
    """
    check_destination(filepath)
    backend = keras.backend.backend()
    import tensorflow as tf

    from kerasgan.export.endpoints import compiled, traced

    model_card = {**exports.card, "tensorflow": tf.__version__}
    card = json.dumps(model_card, indent=2, allow_nan=False, default=str) + "\n"
    archive = keras.export.ExportArchive()
    for network in {id(network): network for network in exports.networks}.values():
        archive.track(network)  # all before the first endpoint, or JAX misses their variables
    functions = {}
    for name, (function, inputs) in exports.computations.items():
        if backend == "jax":
            # JAX computes it as an endpoint of its own, which the signatures call. It would compile
            # for the device at hand, and a server may have the other one.
            platforms = {"jax2tf_kwargs": {"native_serialization_platforms": ("cpu", "cuda")}}
            specs = [
                keras.InputSpec(shape=s.shape, dtype=s.dtype, name=n) for n, s in inputs.items()
            ]
            functions[name] = archive.add_endpoint(name, function, specs, **platforms)
        else:
            functions[name] = compiled(function, jit_compile)
    signatures = {}
    for of_role in exports.signatures:
        signatures |= of_role(functions)
    signatures.setdefault("serving_default", next(iter(signatures.values())))
    for name, (function, specs) in signatures.items():
        archive.add_endpoint(name, traced(function, specs))
    with atomic_path(filepath) as temporary:
        archive.write_out(str(temporary), verbose=False)
        (temporary / MODEL_CARD).parent.mkdir()
        (temporary / MODEL_CARD).write_text(card, encoding="utf-8")

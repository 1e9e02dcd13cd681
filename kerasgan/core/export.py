"""From networks to a SavedModel that needs neither kerasgan nor Keras."""

import pathlib

import keras

from kerasgan.core.files import atomic_path


def export_networks(signatures, filepath, inputs, output):
    """Writes a SavedModel.

    Args:
        signatures: dict from the name of a signature, one of them `serving_default`, to the Keras
            model that answers it.
        filepath: a folder that does not exist or is empty.
        inputs: dict from the name of an input to its `keras.InputSpec`, in the networks' order.
        output: the name of the output.

    Raises:
        FileExistsError: when the folder holds something.
        RuntimeError: under PyTorch, which cannot write a SavedModel.
    """
    backend = keras.backend.backend()
    if backend == "torch":
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
    specs = [
        keras.InputSpec(shape=spec.shape, dtype=spec.dtype, name=name)
        for name, spec in inputs.items()
    ]

    archive = keras.export.ExportArchive()
    # JAX would compile for the device at hand; a server may have the other one.
    platforms = {"jax2tf_kwargs": {"native_serialization_platforms": ("cpu", "cuda")}}
    for network in {id(network): network for network in signatures.values()}.values():
        archive.track(network)  # all before the first endpoint, or JAX misses their variables
    for signature, network in signatures.items():
        serve = _serving(network, output)
        archive.add_endpoint(signature, serve, specs, **(platforms if backend == "jax" else {}))
    with atomic_path(filepath) as temporary:
        archive.write_out(str(temporary), verbose=False)


def _serving(network, output):
    def serve(*tensors):
        images = network(tensors[0] if len(tensors) == 1 else list(tensors), training=False)
        return {output: keras.ops.cast(images, "float32")}

    return serve

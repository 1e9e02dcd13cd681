"""SavedModels for TensorFlow Serving: versions, model cards, warm-up requests."""

import contextlib
import io
import json
import os
import pathlib
import shutil

import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from kerasgan.control.directions import Directions
from kerasgan.export.saved_model import MODEL_CARD, check_destination
from kerasgan.serving.folders import (
    BATCH_SIZES,
    WARMUP_REQUESTS,
    foreign_files,
    version_folders,
    version_number,
)
from kerasgan.utils.files import atomic_path, make_folder, move

REMOVED = ".partial-removed-"


def export_version(
    model: keras.Model,
    folder: str | os.PathLike,
    *,
    keep: int | None = None,
    jit_compile: bool = False,
    model_card: dict | None = None,
    directions: Directions | None = None,
) -> pathlib.Path:
    """Exports a model as the next version in a folder, which a server may be watching.

    A server never sees a half-written version.

    Args:
        model: a kerasgan model.
        folder: path of the model's folder, such as `savedmodels/digits`.
        keep: None to keep all versions, or int of at least 1: how many of the newest to keep.
        jit_compile, model_card, directions: as for the model's `export`.

    Returns:
        The path of the version. It contains warm-up requests if tensorflow-serving-api is
        installed.

    Raises:
        ValueError: for another `keep`, or when the folder of an old version holds other files.
        RuntimeError: under PyTorch, which cannot write a SavedModel.

    Example:

    >>> gan = kerasgan.VanillaGAN((8, 8, 1), hidden_units=(16,))
    >>> export_version(gan, "savedmodels/digits").as_posix()
    'savedmodels/digits/1'
    """
    if keep is not None and keep < 1:
        raise ValueError(f"keep={keep!r}; use None or a number of at least 1.")
    folder = pathlib.Path(folder)
    if folder.is_file():
        raise ValueError(f"{folder} is a file; name a folder.")
    make_folder(folder)
    with _alone(folder):
        arguments = {"jit_compile": jit_compile, "model_card": model_card, "directions": directions}
        return _export_next(model, folder, keep, arguments)


@contextlib.contextmanager
def _alone(folder):
    """Waits until no other process exports to a folder, on systems with file locks."""
    try:
        import fcntl
    except ModuleNotFoundError:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # released even if the process is killed
        yield
    finally:
        os.close(descriptor)


def _export_next(model, folder, keep, arguments):
    numbers = [version_number(path.name) or 0 for path in folder.glob("*")]
    path = folder / str(max(numbers, default=0) + 1)
    outdated = list(version_folders(folder).values())[: 1 - keep or None] if keep else []
    foreign = [file for old in outdated for file in foreign_files(old)]
    if foreign:
        raise ValueError(
            f"keep={keep} would remove {foreign[0]}, which is not part of a SavedModel of "
            "kerasgan; move it away."
        )
    write_version(model, path, **arguments)
    for left in folder.glob(f"{REMOVED}*"):  # by a process that was killed
        shutil.rmtree(left)
    for old in outdated:
        # Renamed first, so that no server sees a half-deleted version.
        removed = folder / f"{REMOVED}{old.name}"
        move(old, removed)
        shutil.rmtree(removed)
    return path


def write_version(model, path, *, jit_compile=False, **arguments):
    """Exports a model to the folder of a version, with warm-up requests if they can be written."""
    path = pathlib.Path(path)
    check_destination(path)  # the model gets a temporary path
    with atomic_path(path) as temporary:
        model.export(temporary, jit_compile=jit_compile, **arguments)
        sizes = BATCH_SIZES if jit_compile else (1,)
        write_warmup_requests(temporary, path.parent.name, sizes)


def write_warmup_requests(path, name, batch_sizes=(1,)):
    """Writes warm-up requests, which TensorFlow Serving answers before all others.

    Args:
        path: the folder of a version.
        name: str, the name of the model.
        batch_sizes: the batch sizes of the requests; each signature gets one request of each size.

    Returns:
        Whether they could be written, which needs tensorflow-serving-api.
    """
    try:
        from tensorflow_serving.apis import prediction_log_pb2
    except ModuleNotFoundError:
        return False
    with tf.io.TFRecordWriter(str(pathlib.Path(path) / WARMUP_REQUESTS)) as file:
        for signature, definition in signature_defs(path).items():
            for size in batch_sizes:
                log = prediction_log_pb2.PredictionLog()
                request = log.predict_log.request
                request.model_spec.name = name
                request.model_spec.signature_name = signature
                for key, array in example_inputs(definition, read_model_card(path), size).items():
                    request.inputs[key].CopyFrom(tf.make_tensor_proto(array))
                file.write(log.SerializeToString())
    return True


def signature_defs(path):
    """The signatures of a SavedModel, without loading it: dict from a name to a `SignatureDef`."""
    saved_model = saved_model_pb2.SavedModel()
    saved_model.ParseFromString((pathlib.Path(path) / "saved_model.pb").read_bytes())
    (graph,) = (g for g in saved_model.meta_graphs if "serve" in g.meta_info_def.tags)
    return {
        name: definition
        for name, definition in graph.signature_def.items()
        if not name.startswith("__")  # TensorFlow's own
    }


def read_model_card(path):
    """Reads the model card of an exported model: dict, empty if kerasgan did not export it."""
    card = pathlib.Path(path) / MODEL_CARD
    return json.loads(card.read_text(encoding="utf-8")) if card.exists() else {}


def example_inputs(definition, card, batch_size):
    """Example inputs for a signature that kerasgan exported: dict of arrays.

    Args:
        definition: a `SignatureDef`.
        card: the model card.
        batch_size: int.
    """
    inputs = {}
    for name, info in definition.inputs.items():
        shape = [None if d.size < 0 else d.size for d in info.tensor_shape.dim]
        if name == "image_bytes":
            file = io.BytesIO()
            Image.new("L", card["image_shape"][1::-1]).save(file, "PNG")
            inputs[name] = np.array([file.getvalue()] * batch_size, object)
            continue
        of_card = [batch_size, *card.get("image_shape", ())]
        filled = [size or of_card[axis] for axis, size in enumerate(shape)]
        dtype = tf.as_dtype(info.dtype)
        inputs[name] = np.zeros(filled, str if dtype == tf.string else dtype.as_numpy_dtype)
        if name == "truncation":
            inputs[name] -= 1.0  # none
    return inputs

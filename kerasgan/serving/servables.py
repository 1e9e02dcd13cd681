"""Loads the models in a folder and keeps them up to date while versions come and go."""

import contextlib
import dataclasses
import gc
import itertools
import logging
import math
import pathlib
import re
import threading

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.framework import types_pb2

from kerasgan.export.endpoints import sides
from kerasgan.serving import saved_models
from kerasgan.serving.configuration import LOADED_VERSIONS, labels_of
from kerasgan.serving.errors import ServingError
from kerasgan.serving.folders import CONFIG, model_folders, version_folders

logger = logging.getLogger(__name__)

GRAPH_NOISE = (
    "Graph execution error:",
    "<stack traces",
    "Detected at node",
    "File",
    "[[",
    "Function",
)
# Run as a graph, so that its errors read like those of a model's own graph.
sides_of_file = tf.function(sides, input_signature=[tf.TensorSpec((), tf.string)], autograph=False)
CODES = {
    tf.errors.INVALID_ARGUMENT: "INVALID_ARGUMENT",
    tf.errors.RESOURCE_EXHAUSTED: "RESOURCE_EXHAUSTED",
    tf.errors.UNIMPLEMENTED: "UNIMPLEMENTED",
}


@dataclasses.dataclass
class Version:
    """A version of a model, and its state.

    Attributes:
        number: int.
        state: str, as in TensorFlow Serving: "LOADING", "AVAILABLE" or "END".
        error: str, why it could not be loaded, or "".
        servable: `Servable` if it is available.
        stamp: a value that changes when its files change.
    """

    number: int
    state: str
    error: str = ""
    servable: object = None
    stamp: object = None


class Servable:
    """A SavedModel in memory.

    Args:
        name: str.
        version: int.
        path: folder of the version.

    Raises:
        Exception: from TensorFlow, when the files are damaged.
    """

    def __init__(self, name, version, path):
        self.name, self.version = name, version
        self.definitions = saved_models.signature_defs(path)
        self.card = saved_models.read_model_card(path)
        self._loaded = tf.saved_model.load(str(path))
        for signature, inputs in _warmup_requests(path):
            self.compute(signature, inputs)

    def compute(self, signature, inputs):
        """Computes a signature: dict of arrays to dict of arrays."""
        tensors = {name: tf.constant(array) for name, array in inputs.items()}
        with _errors_of_tensorflow():
            outputs = self._loaded.signatures[signature](**tensors)
        return {name: tensor.numpy() for name, tensor in outputs.items()}

    def pixels(self, signature, arrays):
        """How many pixels a kerasgan model computes for some inputs: int; 0 for other models.

        Args:
            signature: str.
            arrays: the result of `arrays`.

        Raises:
            ServingError: for bytes that are not a picture.
        """
        if "size_multiple" in self.card:  # it translates pictures of any size
            multiple, scale = self.card["size_multiple"], self.card["scale"]
            (array,) = arrays.values()
            with _errors_of_tensorflow():
                pictures = [
                    sides_of_file(file).numpy().tolist()
                    if isinstance(file, bytes)
                    else file.shape[:2]
                    for file in array
                ]
            filled_up = ([-(-side // multiple) * multiple * scale for side in p] for p in pictures)
            return sum(map(math.prod, filled_up))
        image_shape = self.card.get("image_shape", ())
        if len(image_shape) < 3:
            return 0
        return len(next(iter(arrays.values()))) * math.prod(image_shape[:2])

    def definition(self, signature):
        """The `SignatureDef` of a signature.

        Raises:
            ServingError: when there is none of that name.
        """
        if signature not in self.definitions:
            raise ServingError(
                "INVALID_ARGUMENT",
                f"{self.name} has no signature {signature[:80]!r}; it has "
                f"{', '.join(sorted(self.definitions))}",
            )
        return self.definitions[signature]

    def arrays(self, signature, inputs):
        """Converts inputs to arrays of the types and ranks that a signature requires.

        Args:
            signature: str.
            inputs: dict from a name to an array, or lists of numbers or bytes.

        Returns:
            Dict of arrays.

        Raises:
            ServingError: when they are not.
        """
        wanted = self.wanted(signature, inputs)
        return {name: _array(name, inputs[name], info) for name, info in wanted.items()}

    def check_shapes(self, signature, shapes):
        """The size of the batch of inputs of these shapes; None if the signature has no batch.

        Args:
            signature: str.
            shapes: dict from a name to a sequence of int.

        Raises:
            ServingError: when they are not those that the signature requires.
        """
        wanted = self.wanted(signature, shapes)
        for name, info in wanted.items():
            _check_shape(name, shapes[name], info)
        batched = all(
            i.tensor_shape.dim and i.tensor_shape.dim[0].size < 0 for i in wanted.values()
        )
        if not batched or not wanted:
            return None
        sizes = {name: shapes[name][0] for name in wanted}
        if len(set(sizes.values())) > 1:
            raise ServingError(
                "INVALID_ARGUMENT",
                f"all inputs need the same number of examples, but they have {sizes}",
            )
        return next(iter(sizes.values()))

    def wanted(self, signature, inputs):
        """The inputs that a signature requires: dict from a name to a `TensorInfo`.

        Args:
            signature: str.
            inputs: the given inputs, a dict from a name to anything.

        Raises:
            ServingError: when the names differ.
        """
        wanted = self.definition(signature).inputs
        if len(inputs) != len(wanted) or set(inputs) != set(wanted):
            raise ServingError(
                "INVALID_ARGUMENT",
                f"the inputs are {_names(inputs)}; {signature!r} takes {_names(wanted)}",
            )
        return wanted


class Models:
    """The models in a folder, in their newest versions.

    The constructor loads none; `watch` and `refresh` do. A version is served once it has been
    loaded and has answered its warm-up requests, until enough newer versions are served. A version
    that cannot be loaded changes nothing; loading it is tried again when its files change. A
    version whose files vanish stays available; one whose files are replaced is loaded again.

    Args:
        folder: path of a folder with a folder for each model, or of a single model's folder.

    Attributes:
        looked: `threading.Event`, set once loading has been tried for all initial versions.
    """

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.looked = threading.Event()
        self._versions = {}  # by model, then by number
        self._lock = threading.RLock()
        self._refreshing = threading.Lock()
        self._stopped = threading.Event()
        self._announce()

    def watch(self, seconds):
        """Loads the models and looks for new versions every `seconds` seconds, in a thread."""

        def work():
            while not self._stopped.is_set():
                try:
                    self.refresh()
                except Exception:  # the problem may be gone the next time
                    logger.exception("%s cannot be looked at", self.folder)
                self.looked.set()
                self._stopped.wait(seconds)

        threading.Thread(target=work, name="versions", daemon=True).start()

    def stop(self):
        """Stops looking for new versions."""
        self._stopped.set()

    def refresh(self):
        """Loads new ones among the newest versions, and releases those that they replace."""
        with self._refreshing:
            replaced = False
            for name, present in self._announce().items():
                served = 0
                for number, path in reversed(present.items()):
                    if served == LOADED_VERSIONS or self._stopped.is_set():
                        break  # older ones are only used if newer ones are damaged
                    before = self._servable(name, number)
                    served += self._load(name, number, path)
                    replaced |= before not in (None, self._servable(name, number))
                    del before
                replaced |= self._release(name, present)
            if replaced:
                # TensorFlow's functions form reference cycles of tens of megabytes per model.
                gc.collect()

    def _announce(self):
        """The versions in the folder by model; those to be loaded are marked LOADING."""
        found = {name: version_folders(f) for name, f in model_folders(self.folder).items()}
        with self._lock:
            for name, present in found.items():
                known = self._versions.setdefault(name, {})
                for number in list(present)[-LOADED_VERSIONS:]:
                    known.setdefault(number, Version(number, "LOADING"))
        return found

    def _servable(self, name, number):
        version = self._versions[name].get(number)
        return version and version.servable

    def _load(self, name, number, path):
        """Loads a version if it should be tried; returns whether it is served."""
        version = self._versions.get(name, {}).get(number)
        try:
            stamp = _stamp(path)
        except OSError:  # it has just been deleted
            return version is not None and version.servable is not None
        if version is not None and version.stamp == stamp:
            return version.servable is not None
        if version is None or version.servable is None:
            version = Version(number, "LOADING")
            with self._lock:
                self._versions.setdefault(name, {})[number] = version
        version.stamp = stamp
        try:
            servable = Servable(name, number, path)
        except Exception as error:  # damaged files make TensorFlow raise nearly any type
            message = _in_one_line(str(error)) or type(error).__name__
            logger.warning("%s version %d cannot be served: %s", name, number, message)
            if version.servable is None:
                version.state, version.error = "END", message
            return version.servable is not None
        with self._lock:
            version.servable, version.state = servable, "AVAILABLE"
        logger.info("%s version %d is served", name, number)
        return True

    def _release(self, name, present):
        """Releases replaced versions, and forgets those neither served nor in the folder.

        Returns whether it released any.
        """
        with self._lock:
            known = self._versions.get(name, {})
            available = sorted(number for number, version in known.items() if version.servable)
            replaced = available[:-LOADED_VERSIONS]
            for number in replaced:
                known[number].servable, known[number].state = None, "END"
                logger.info("%s version %d is served no longer", name, number)
            for number in set(known) - set(available) - set(present):
                del known[number]
        return bool(replaced)

    def names(self):
        """The models that can be served: list of str."""
        with self._lock:
            return sorted(
                n for n, vs in self._versions.items() if any(v.servable for v in vs.values())
            )

    def loading(self):
        """The models without a version that can be served yet: list of str."""
        with self._lock:
            return sorted(n for n in self._versions if self._is_loading(n))

    def errors(self):
        """The errors that keep versions from being served: list of str."""
        with self._lock:
            return [
                f"{name} version {version.number}: {version.error}"
                for name, versions in self._versions.items()
                for version in versions.values()
                if version.error
            ]

    def statuses(self, name, version=None, label=None):
        """The versions of a model: list of `Version`, the newest first.

        Raises:
            ServingError: for a model, version or label that does not exist.
        """
        if version is not None or label is not None:
            version = self._number(name, version, label)
        name = self._name(name)
        with self._lock:
            known = self._versions.get(name, {})
            found = [v for number, v in known.items() if version in (None, number)]
        if not found:
            raise ServingError("NOT_FOUND", f"{name} has no version {version}")
        return sorted(found, key=lambda v: -v.number)

    def get(self, name, version=None, label=None):
        """The `Servable` of a model's newest version, or of the version with a number or label.

        Raises:
            ServingError: when there is none.
        """
        with self._lock:  # otherwise the version of a label could be released before it is found
            name = self._name(name)
            number = self._number(name, version, label)
            if number is None:
                raise ServingError("NOT_FOUND", f"no version of {name} can be served")
            found = self._versions[name][number]
        if found.servable is None:
            if found.state == "LOADING":
                raise _still_loading(f"{name} version {number}")
            raise ServingError("NOT_FOUND", f"{name} version {number} is not served")
        return found.servable

    def labels(self, name):
        """The labels of a model: dict from label to version number."""
        available = self._available(name)
        config = self.folder / CONFIG
        if not config.exists():
            return labels_of(available)
        from tensorflow_serving.config import model_server_config_pb2

        parsed = model_server_config_pb2.ModelServerConfig()
        try:
            text_format.Parse(config.read_text(encoding="utf-8"), parsed)
        except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
            raise ServingError("INTERNAL", f"{config} is damaged: {error}") from error
        configured = {
            label: number
            for model in parsed.model_config_list.config
            for label, number in model.version_labels.items()
            if model.name == name and number in available
        }
        # It may date from a time with other versions.
        return {**labels_of(available), **configured}

    def _name(self, name):
        known = self.names()
        to_come = self.loading()
        if name == "default" and name not in known and len(known + to_come) == 1:
            return (known + to_come)[0]  # for clients that were given no name
        if not self._versions.get(name):
            raise ServingError(
                "NOT_FOUND",
                f"there is no model {name[:80]!r}; the server has {', '.join(known) or 'none'}",
            )
        return name

    def _is_loading(self, name):
        with self._lock:
            versions = self._versions[name].values()
            to_come = any(version.state == "LOADING" for version in versions)
            return to_come and not any(version.servable for version in versions)

    def _available(self, name):
        with self._lock:
            return sorted(n for n, v in self._versions.get(name, {}).items() if v.servable)

    def _number(self, name, version, label):
        name = self._name(name)
        available = self._available(name)
        if version is None and self._is_loading(name):
            raise _still_loading(name)
        if label is not None:
            labels = self.labels(name)
            if label not in labels:
                known = ", ".join(sorted(labels)) or "none"
                raise ServingError(
                    "NOT_FOUND", f"{name} has no label {label[:80]!r}; it has {known}"
                )
            version = labels[label]
        if version is None:
            return available[-1] if available else None
        if version not in self._versions[name]:
            raise ServingError("NOT_FOUND", f"{name} has no version {version}; it has {available}")
        return version


def _stamp(path):
    """A value that changes when files of a version are rewritten."""
    return sorted((f.as_posix(), f.stat().st_mtime_ns, f.stat().st_size) for f in path.rglob("*"))


def _warmup_requests(path):
    """The signatures and inputs of a version's warm-up requests, none if it has no file of them."""
    file = path / saved_models.WARMUP_REQUESTS
    if not file.exists():
        return
    from tensorflow_serving.apis import prediction_log_pb2

    for record in tf.data.TFRecordDataset(str(file)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
        yield request.model_spec.signature_name, inputs


def _still_loading(what):
    # A client of TensorFlow Serving, which does not listen before this, gets the same error.
    return ServingError("UNAVAILABLE", f"{what} is being loaded; try again")


@contextlib.contextmanager
def _errors_of_tensorflow():
    try:
        yield
    except tf.errors.OpError as error:
        code = CODES.get(error.error_code, "INTERNAL")
        raise ServingError(code, _in_one_line(error.message)) from error


def _names(inputs):
    some = itertools.islice(inputs, 20)
    return ", ".join(repr(name[:80]) for name in sorted(some)) or "none"


def _wanted(name, info):
    sizes = ["any" if d.size < 0 else d.size for d in info.tensor_shape.dim]
    return f"{name!r} has to be {tf.as_dtype(info.dtype).name} of shape {sizes}"


def check_type(name, dtype, info):
    """Checks the type of an input.

    Args:
        name: str.
        dtype: a number of TensorFlow's `DataType`, which need not exist.
        info: the `TensorInfo` of the input.

    Raises:
        ServingError: when it has another type.
    """
    if dtype != info.dtype:
        known = dtype in types_pb2.DataType.values() and dtype != types_pb2.DT_INVALID
        found = tf.as_dtype(dtype).name if known else f"of an unknown type, {dtype}"
        raise ServingError("INVALID_ARGUMENT", f"{_wanted(name, info)}; it is {found}")


def _check_shape(name, shape, info):
    sizes = [d.size for d in info.tensor_shape.dim]
    # TensorFlow's kernels do not support axes of length 0.
    if (
        len(shape) != len(sizes)
        or any(have < 1 for have in shape)
        or any(size not in (-1, have) for size, have in zip(sizes, shape, strict=True))
    ):
        raise ServingError("INVALID_ARGUMENT", f"{_wanted(name, info)}; its shape is {list(shape)}")


def _array(name, values, info):
    """Converts an input to an array of the type and rank in its `TensorInfo`."""
    dtype = tf.as_dtype(info.dtype)
    rank = len(info.tensor_shape.dim)
    wanted = _wanted(name, info)
    if info.dtype == types_pb2.DT_STRING:
        array = values if isinstance(values, np.ndarray) else np.empty(len(values), object)
        if array is not values:
            array[:] = values
        right = array.dtype == object and all(isinstance(v, bytes) for v in array.flat)
    else:
        try:
            array = np.asarray(values)
        except ValueError as error:  # lists of unequal lengths
            raise ServingError("INVALID_ARGUMENT", f"{wanted}: {error}") from error
        kinds = "iu" if dtype.is_integer else "iuf"
        right = array.dtype.kind in kinds
        if array is values:  # a tensor, which has a type, unlike a list of numbers
            right = array.dtype == dtype.as_numpy_dtype
        if right and dtype.is_integer:
            limits = np.iinfo(dtype.as_numpy_dtype)
            right = array.size == 0 or (limits.min <= array.min() and array.max() <= limits.max)
    if not right or array.ndim != rank:
        raise ServingError("INVALID_ARGUMENT", f"{wanted}; it is {array.dtype} of {array.shape}")
    if info.dtype == types_pb2.DT_STRING:
        return array
    with np.errstate(over="ignore"):
        array = array.astype(dtype.as_numpy_dtype)
    if dtype.is_floating and not np.isfinite(array).all():
        raise ServingError("INVALID_ARGUMENT", f"{wanted}; some of its numbers are not finite")
    return array


def _in_one_line(message):
    """TensorFlow's error message without the location in its graph."""
    lines = (line.strip() for line in message.splitlines())
    useful = [line for line in lines if line and not line.startswith(GRAPH_NOISE)]
    text = " ".join(useful).removeprefix("assertion failed: ")
    return re.sub(r"^\[(.*; got)\] ", r"\1 ", text)[:500]  # the lists of our own checks

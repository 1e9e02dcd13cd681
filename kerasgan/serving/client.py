"""A client of TensorFlow Serving or `kerasgan serve`."""

import base64
import io
import random
import time
import urllib.parse
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from kerasgan.serving.errors import ServingError, code_of_http
from kerasgan.utils.image_numbers import numbers_of_images
from kerasgan.utils.images import png

LONGEST_PAUSE = 2.0  # seconds between two tries
LARGEST_CHUNK = 3 * 2**20  # bytes; as JSON they are five times as large
NO_TRUNCATION = -1.0


class Client:
    """A client of one model, by gRPC or REST.

    Args:
        address: str, "host:port" for gRPC, "http://host:port" or "https://..." for REST.
        model: str, its name on the server. TensorFlow Serving calls a single model without a name
            "default"; `kerasgan serve` accepts that name for its only model.
        version: None for the newest, or int.
        label: None, or str, such as "stable" or "canary".
        timeout: float, the longest time to wait for an answer, in seconds.
        retries: int, how often to repeat a request to a server that cannot be reached or says that
            it is UNAVAILABLE, after pauses that double, from a tenth of a second to two.
        chunk: int, how many images to request at once; fewer if they are large, or if the server
            refuses that many.

    Raises:
        ValueError: when both version and label are given, or an argument is out of range.
        ModuleNotFoundError: for gRPC without tensorflow-serving-api.

    Every method raises `ServingError` when the server does not answer, or refuses the request.

    Example (with `kerasgan serve savedmodels/` running):

        client = kerasgan.serving.Client("localhost:8500", model="digits")
        images = client.sample(16, seed=0, labels=3)  # uint8 (16, 16, 16, 1)
    """

    def __init__(
        self,
        address: str,
        model: str = "default",
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float = 60.0,
        retries: int = 6,
        chunk: int = 32,
    ):
        if version is not None and label is not None:
            raise ValueError(f"version={version!r} and label={label!r}; give one of them.")
        if chunk < 1 or retries < 0 or timeout <= 0:
            raise ValueError(
                f"chunk={chunk!r}, retries={retries!r}, timeout={timeout!r}; use a chunk of at "
                "least 1, no negative retries, and a timeout above 0."
            )
        by_rest = address.lower().startswith(("http://", "https://"))
        if "://" in address and not by_rest:
            raise ValueError(f"address={address!r}; use host:port, http://... or https://...")
        self._server = (_Rest if by_rest else _Grpc)(address, model, version, label, timeout)
        self.address, self.model = address, model
        self.retries = retries
        self.chunk = chunk
        self._signatures = None

    def sample(
        self,
        num: int,
        seed: int = 0,
        labels: ArrayLike | None = None,
        truncation: float | None = None,
        text: str | Sequence[str] | ArrayLike | None = None,
    ) -> np.ndarray:
        """Requests images from a generator: the same as those of `generate(num, seed=seed)`.

        Args:
            num: int, the number of images.
            seed: int from 0 to 2**31 - 1. Image i does not depend on `num`.
            labels: int for all images, or a sequence of `num` ints; for conditional models.
            truncation: None, or a number as for `generate`; for models that support it.
            text: for models that draw from texts, a text for all images or a sequence of `num`
                texts; for a model without a vocabulary, embeddings (text_dim,) or (num, text_dim).

        Returns:
            uint8 array (num, height, width, channels).

        Raises:
            ValueError: for an argument that the model does not take, or a missing one that it
                needs.
        """
        if not isinstance(num, (int, np.integer)) or num < 1:
            raise ValueError(f"num={num!r}; use a whole number of at least 1.")
        takes = self._signature("sample")["inputs"]
        inputs = {"seed": numbers_of_images(seed, range(num))}
        if labels is not None and "label" not in takes:
            raise ValueError(
                f"labels={labels!r}: the model {self.model!r} has no classes; leave labels out."
            )
        if truncation is not None and "truncation" not in takes:
            raise ValueError(
                f"truncation={truncation!r}: the model {self.model!r} takes no truncation; leave "
                "it out."
            )
        if "label" in takes:
            if labels is None or np.shape(labels) not in ((), (num,)):
                raise ValueError(
                    f"labels={labels!r}; give the model {self.model!r} one label, or {num} of them."
                )
            labels = np.broadcast_to(labels, num)
            if labels.dtype.kind not in "iu" or np.any(labels != labels.astype("int32")):
                raise ValueError(f"labels={labels!r}; use whole numbers.")
            inputs["label"] = labels.astype("int32")
        if text is not None and "text" not in takes:
            raise ValueError(f"text: the model {self.model!r} takes no text; leave it out.")
        if "text" in takes:
            inputs["text"] = self._texts(text, num, takes["text"])
        if "truncation" in takes:
            wanted = NO_TRUNCATION if truncation is None else truncation
            inputs["truncation"] = np.full(num, wanted, "float32")
        files = self.predict(inputs, "sample")["image_bytes"]
        return np.stack([_pixels(file) for file in files])

    def _texts(self, text, num, takes):
        array, (_, *shape) = np.asarray(text), takes["shape"]
        in_words = takes["dtype"] == "string"
        if array.dtype.kind not in ("U" if in_words else "iuf") or array.shape not in (
            tuple(shape),
            (num, *shape),
        ):
            one = "a text" if in_words else f"an embedding of {shape[0]} numbers"
            raise ValueError(
                f"text={text!r}; give the model {self.model!r} {one}, or {num} of them."
            )
        return np.broadcast_to(array if in_words else array.astype("float32"), (num, *shape))

    def translate(
        self, images: np.ndarray | Sequence[np.ndarray] | Sequence[bytes], to: str | None = None
    ) -> list[np.ndarray]:
        """Translates images with a model on the server.

        Args:
            images: uint8 array (num, height, width, channels), or a sequence of such (height,
                width, channels) of any sizes, or of PNG or JPEG files as bytes.
            to: str, the target domain, for models that translate both ways.

        Returns:
            List of uint8 arrays (height, width, channels).

        Raises:
            ValueError: for other images, or a domain that does not exist.
        """
        signature = "translate" if to is None else f"translate_to_{to}"
        self._signature(signature)
        files = [image if isinstance(image, bytes) else _file(image) for image in images]
        if not files:
            return []
        inputs = {"image_bytes": np.array([*files, None], object)[:-1]}
        return [_pixels(file) for file in self.predict(inputs, signature)["image_bytes"]]

    def predict(
        self, inputs: dict[str, np.ndarray], signature: str = "serving_default"
    ) -> dict[str, np.ndarray]:
        """Requests the outputs of a signature, in chunks.

        Args:
            inputs: dict from a name to an array whose first axis is the batch.
            signature: str.

        Returns:
            Dict of arrays.

        Raises:
            ValueError: for a signature that does not exist, or inputs of different lengths.
        """
        outputs = self._signature(signature)["outputs"]
        sizes = {name: len(array) for name, array in inputs.items()}
        if len(set(sizes.values())) != 1:
            raise ValueError(f"all inputs need the same number of examples, but they have {sizes}.")
        parts = [
            part
            for some in _chunks(inputs, self.chunk)
            for part in self._ask_for({n: a[some] for n, a in inputs.items()}, signature, outputs)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def metadata(self) -> dict:
        """The interface of the model.

        Returns:
            dict with its `version` and its `signatures`. A signature is a dict of `inputs` and
            `outputs`, each a dict from a name to `dtype` and `shape`, in which None stands for any
            size.

        Raises:
            ServingError: when the server does not answer, or refuses the request.
        """
        return _metadata(self._ask("metadata"))

    def status(self) -> list[dict]:
        """The model's versions, the newest first.

        Returns:
            List of dicts of `version`, `state`, `error`.

        Raises:
            ServingError: when the server does not answer, or refuses the request.
        """
        return sorted(_status(self._ask("status")), key=lambda status: -status["version"])

    def close(self) -> None:
        """Closes the connection."""
        self._server.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def _signature(self, signature):
        if self._signatures is None:
            self._signatures = self.metadata()["signatures"]
        if signature not in self._signatures:
            raise ValueError(
                f"the model {self.model!r} has no signature {signature!r}; it has "
                f"{', '.join(sorted(self._signatures))}."
            )
        return self._signatures[signature]

    def _ask_for(self, inputs, signature, outputs):
        """The answers to a request, or to its halves if the server does not accept it whole."""
        size = len(next(iter(inputs.values())))
        try:
            return [self._ask("predict", signature, inputs, outputs)]
        except ServingError as error:
            if error.code != "RESOURCE_EXHAUSTED" or size < 2:
                raise
        halves = slice(size // 2), slice(size // 2, None)
        return [
            part
            for half in halves
            for part in self._ask_for({n: a[half] for n, a in inputs.items()}, signature, outputs)
        ]

    def _ask(self, what, *arguments):
        pause = 0.1
        for tries_left in range(self.retries, -1, -1):
            try:
                return getattr(self._server, what)(*arguments)
            except ServingError as error:
                if error.code != "UNAVAILABLE" or not tries_left:
                    raise
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE)


class _Grpc:
    def __init__(self, address, model, version, label, timeout):
        import grpc
        from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

        unlimited = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        self._channel = grpc.insecure_channel(address, unlimited)
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)
        self._of_model = model, version, label
        self._timeout = timeout

    def predict(self, signature, inputs, outputs):
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = self._about(predict_pb2.PredictRequest())
        request.model_spec.signature_name = signature
        for name, array in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
        answer = self._call(self._predictions.Predict, request).outputs
        return {name: tf.make_ndarray(answer[name]) for name in outputs}

    def metadata(self):
        from tensorflow_serving.apis import get_model_metadata_pb2

        from kerasgan.serving.messages import as_json

        request = self._about(get_model_metadata_pb2.GetModelMetadataRequest())
        request.metadata_field.append("signature_def")
        return as_json(self._call(self._predictions.GetModelMetadata, request))

    def status(self):
        from tensorflow_serving.apis import get_model_status_pb2

        from kerasgan.serving.messages import as_json

        request = self._about(get_model_status_pb2.GetModelStatusRequest())
        return as_json(self._call(self._models.GetModelStatus, request))

    def close(self):
        self._channel.close()

    def _about(self, request):
        request.model_spec.name, version, label = self._of_model
        if version is not None:
            request.model_spec.version.value = version
        if label is not None:  # an empty label would replace the version
            request.model_spec.version_label = label
        return request

    def _call(self, method, request):
        import grpc

        try:
            return method(request, timeout=self._timeout)
        except grpc.RpcError as error:
            raise ServingError(error.code().name, error.details()) from error


class _Rest:
    def __init__(self, address, model, version, label, timeout):
        import requests

        self._session = requests.Session()
        place = (
            f"/versions/{version}"
            if version is not None
            else f"/labels/{_quoted(label)}"
            if label is not None
            else ""
        )
        self._address = f"{address.rstrip('/')}/v1/models/{_quoted(model)}{place}"
        self._timeout = timeout

    def predict(self, signature, inputs, outputs):
        columns = {name: _json_values(array) for name, array in inputs.items()}
        request = {"signature_name": signature, "inputs": columns}
        answer = self._call("POST", ":predict", json=request)["outputs"]
        if len(outputs) == 1:  # whose name is left out
            answer = dict.fromkeys(outputs, answer)
        return {name: _array(answer[name], info["dtype"]) for name, info in outputs.items()}

    def metadata(self):
        return self._call("GET", "/metadata")

    def status(self):
        return self._call("GET", "")

    def close(self):
        self._session.close()

    def _call(self, method, path, **body):
        import requests

        try:
            answer = self._session.request(
                method, self._address + path, timeout=self._timeout, **body
            )
        except requests.Timeout as error:
            raise ServingError("DEADLINE_EXCEEDED", f"no answer in {self._timeout} s") from error
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
            message = f"no HTTP server answers at {self._address}"
            raise ServingError("UNAVAILABLE", message) from error
        except requests.exceptions.InvalidJSONError as error:
            raise ServingError("INVALID_ARGUMENT", f"JSON cannot hold that: {error}") from error
        try:
            content = answer.json()
        except ValueError:
            content = {"error": f"the answer is not JSON, but {answer.text[:80]!r}"}
        code = code_of_http(answer.status_code)
        if code or not isinstance(content, dict) or "error" in content:
            message = content.get("error", content) if isinstance(content, dict) else content
            raise ServingError(code or "INTERNAL", f"{message} (HTTP {answer.status_code})")
        return content


def _chunks(inputs, most):
    """Slices of at most `most` examples, and of limited bytes if a slice has several examples."""
    arrays = list(inputs.values())
    start = size = 0
    for index, example in enumerate(zip(*arrays, strict=True)):
        of_example = sum(len(v) if isinstance(v, bytes) else np.asarray(v).nbytes for v in example)
        if index > start and (index - start == most or size + of_example > LARGEST_CHUNK):
            yield slice(start, index)
            start, size = index, 0
        size += of_example
    yield slice(start, len(arrays[0]))


def _metadata(answer):
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    return {
        "version": int(answer["model_spec"]["version"]),
        "signatures": {
            name: {
                side: {key: _tensor_info(info) for key, info in definition.get(side, {}).items()}
                for side in ("inputs", "outputs")
            }
            for name, definition in signatures.items()
            if not name.startswith("__")
        },
    }


def _tensor_info(info):
    """An input or output of a signature: name of TensorFlow's type, sizes or None."""
    name = info["dtype"].removeprefix("DT_").lower()
    name = {"float": "float32", "double": "float64", "half": "float16"}.get(name, name)
    sizes = [int(d["size"]) for d in info.get("tensor_shape", {}).get("dim", [])]
    return {"dtype": name, "shape": [None if size < 0 else size for size in sizes]}


def _status(answer):
    return [
        {
            "version": int(version["version"]),
            "state": version["state"],
            "error": version.get("status", {}).get("error_message", ""),
        }
        for version in answer["model_version_status"]
    ]


def _quoted(name):
    return urllib.parse.quote(name, safe="")


def _json_values(array):
    if isinstance(array, np.ndarray) and array.dtype == object:
        return [{"b64": base64.b64encode(value).decode("ascii")} for value in array]
    return np.asarray(array).tolist()


def _array(values, dtype):
    if dtype != "string":
        return np.asarray(values, dtype)
    decoded = [base64.b64decode(v["b64"]) if isinstance(v, dict) else v.encode() for v in values]
    return np.array([*decoded, None], object)[:-1]


def _pixels(file):
    pixels = np.asarray(Image.open(io.BytesIO(file)))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _file(image):
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] not in (1, 3):
        raise ValueError(
            f"an image is {image.dtype} of shape {image.shape}; use uint8 (height, width, 1 or 3), "
            "or a PNG or JPEG file as bytes."
        )
    return png(image)

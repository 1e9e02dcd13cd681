"""TensorFlow Serving's gRPC services."""

import asyncio
import math
import threading

import grpc
import tensorflow as tf
from google.protobuf.message import DecodeError
from grpc import aio
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
)

from kerasgan.serving.errors import ServingError
from kerasgan.serving.servables import check_type

POINTER = 8  # bytes
HANDSHAKE_SECONDS = 10
CONNECTION_SECONDS = 300  # then a client is asked to reconnect, which gRPC clients do by themselves


class RpcServer:
    """A gRPC server that runs in a thread of its own once started.

    One event loop reads all requests. With a thread per request, clients that send incomplete
    requests could occupy all threads.

    Args:
        engine: `Engine`.
        address: str, "host:port"; port 0 for any free port.

    Attributes:
        port: int.

    Raises:
        RuntimeError: for an address that is not available.
    """

    def __init__(self, engine, address):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="grpc", daemon=True)
        self._thread.start()
        try:
            self._server, self.port = self._run(_make_server(engine, address))
        except BaseException:
            self._end()
            raise

    def start(self):
        """Starts answering requests."""
        self._run(self._server.start())

    def stop(self, seconds):
        """Stops accepting requests, and waits up to `seconds` for the answers to earlier ones."""
        if not self._loop.is_closed():
            self._run(self._server.stop(seconds))
            self._end()

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _end(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _make_server(engine, address):
    limits = engine.limits
    server = aio.server(
        options=[
            ("grpc.max_receive_message_length", limits.request_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
            ("grpc.server_handshake_timeout_ms", 1000 * HANDSHAKE_SECONDS),
            ("grpc.max_connection_age_ms", 1000 * CONNECTION_SECONDS),
            ("grpc.max_connection_age_grace_ms", int(1000 * limits.request_seconds)),
        ],
    )
    service = Service(engine)
    methods = {
        "PredictionService": {
            "Predict": (predict_pb2.PredictRequest, service.predict),
            "GetModelMetadata": (
                get_model_metadata_pb2.GetModelMetadataRequest,
                service.metadata,
            ),
        },
        "ModelService": {
            "GetModelStatus": (get_model_status_pb2.GetModelStatusRequest, service.status),
        },
    }
    for name, of_service in methods.items():
        handlers = {method: _handler(*pair) for method, pair in of_service.items()}
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(f"tensorflow.serving.{name}", handlers)]
        )
    return server, server.add_insecure_port(address)


def _handler(message, method):
    """The handler of a method's requests, which reports errors with gRPC's codes."""

    async def answer(body, context):
        try:
            return await method(message.FromString(body))
        except ServingError as error:
            code, reason = error.code, error.message
        except DecodeError as error:
            code, reason = "INVALID_ARGUMENT", str(error)
        # Not above, where the errors would keep the request alive until garbage collection.
        del body
        await context.abort(getattr(grpc.StatusCode, code), reason)

    return grpc.unary_unary_rpc_method_handler(
        answer, response_serializer=lambda response: response.SerializeToString()
    )


class Service:
    """The service: coroutines from a message to a message.

    Methods for classifiers are UNIMPLEMENTED, as are those that change models: the models are those
    of the folder.

    Args:
        engine: `Engine`.
    """

    def __init__(self, engine):
        self.engine = engine

    async def predict(self, request):
        """Answers a `PredictRequest`."""
        servable = self.engine.models.get(**_of_spec(request.model_spec))
        signature = request.model_spec.signature_name or "serving_default"
        definition = servable.definition(signature)
        wanted = set(request.output_filter) or set(definition.outputs)
        if not wanted <= set(definition.outputs):
            raise ServingError(
                "INVALID_ARGUMENT",
                f"output_filter has {sorted(wanted)}; the outputs are {sorted(definition.outputs)}",
            )
        future = self.engine.predict(
            servable, signature, self._arrays(request, servable, signature)
        )
        try:
            outputs = await asyncio.wait_for(
                asyncio.wrap_future(future), self.engine.limits.request_seconds
            )
        except TimeoutError:
            raise self.engine.too_late() from None
        response = predict_pb2.PredictResponse()
        _describe(response.model_spec, servable, signature)
        for name in wanted:
            response.outputs[name].CopyFrom(tf.make_tensor_proto(outputs[name]))
        return response

    def _arrays(self, request, servable, signature):
        # A few bytes can declare a huge shape, so it is checked before it is filled.
        wanted = servable.wanted(signature, request.inputs)
        shapes = {
            name: [dim.size for dim in request.inputs[name].tensor_shape.dim] for name in wanted
        }
        self.engine.check_shapes(servable, signature, shapes)
        return {name: self._array(name, request.inputs[name], wanted[name]) for name in wanted}

    def _array(self, name, proto, info):
        check_type(name, proto.dtype, info)
        size = math.prod(dim.size for dim in proto.tensor_shape.dim)
        if _bytes_of(proto, size) > self.engine.limits.request_bytes:
            raise ServingError(
                "RESOURCE_EXHAUSTED",
                f"{name!r} has {size} elements; send at most "
                f"{self.engine.limits.request_bytes} bytes of them",
            )
        try:
            if any(len(v) > 2 * size for f, v in proto.ListFields() if f.name.endswith("_val")):
                raise ValueError(f"it holds more values than {size}")
            return tf.make_ndarray(proto)
        except (TypeError, ValueError, KeyError) as error:
            raise ServingError(
                "INVALID_ARGUMENT", f"{name!r} is not a valid tensor: {error}"
            ) from error

    async def metadata(self, request):
        """Answers a `GetModelMetadataRequest`."""
        if list(request.metadata_field) != ["signature_def"]:
            raise ServingError("INVALID_ARGUMENT", 'metadata_field has to be ["signature_def"]')
        servable = self.engine.models.get(**_of_spec(request.model_spec))
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        _describe(response.model_spec, servable)
        response.metadata["signature_def"].Pack(signatures(servable))
        return response

    async def status(self, request):
        """Answers a `GetModelStatusRequest`."""
        return status(self.engine.models, **_of_spec(request.model_spec))


def signatures(servable):
    """The signatures of a model: a `SignatureDefMap`."""
    message = get_model_metadata_pb2.SignatureDefMap()
    for name, definition in servable.definitions.items():
        message.signature_def[name].CopyFrom(definition)
    return message


def status(models, name, version=None, label=None):
    """The versions of a model as a `GetModelStatusResponse`."""
    response = get_model_status_pb2.GetModelStatusResponse()
    states = get_model_status_pb2.ModelVersionStatus.State
    for version_ in models.statuses(name, version, label):
        added = response.model_version_status.add(
            version=version_.number, state=states.Value(version_.state)
        )
        if version_.error:
            added.status.error_code = tf.errors.INTERNAL
            added.status.error_message = version_.error
        else:
            added.status.error_code = tf.errors.OK
    return response


def _of_spec(spec):
    return {
        "name": spec.name,
        "version": spec.version.value if spec.HasField("version") else None,
        "label": spec.version_label or None,
    }


def _describe(spec, servable, signature=""):
    spec.name = servable.name
    spec.version.value = servable.version
    spec.signature_name = signature


def _bytes_of(proto, size):
    """How many bytes a `TensorProto` of `size` elements becomes when its last value is repeated."""
    if proto.dtype != types_pb2.DT_STRING:
        return size * tf.as_dtype(proto.dtype).size
    given = len(proto.string_val)
    repeated = len(proto.string_val[-1]) * max(0, size - given) if given else 0
    return proto.ByteSize() + repeated + POINTER * size

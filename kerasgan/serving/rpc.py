"""TensorFlow Serving's gRPC services."""

import math
from concurrent import futures

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from kerasgan.serving.errors import ServingError


def make_server(engine, address):
    """A gRPC server, not started yet.

    Args:
        engine: `Engine`.
        address: str, "host:port"; port 0 for any that is free.

    Returns:
        `grpc.Server` and the port.

    Raises:
        RuntimeError: for an address that cannot be had.
    """
    limits = engine.limits
    threads = limits.queue + 8
    server = grpc.server(
        futures.ThreadPoolExecutor(threads, thread_name_prefix="grpc"),
        maximum_concurrent_rpcs=threads,  # RESOURCE_EXHAUSTED beyond
        options=[
            ("grpc.max_receive_message_length", limits.request_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
        ],
    )
    services = prediction_service_pb2_grpc, model_service_pb2_grpc
    services[0].add_PredictionServiceServicer_to_server(PredictionService(engine), server)
    services[1].add_ModelServiceServicer_to_server(ModelService(engine.models), server)
    return server, server.add_insecure_port(address)


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """`Predict` and `GetModelMetadata`; what is for classifiers is UNIMPLEMENTED."""

    def __init__(self, engine):
        self.engine = engine

    def Predict(self, request, context):  # noqa: N802
        return _answer(context, lambda: self._predict(request, context))

    def _predict(self, request, context):
        servable = self.engine.models.get(**_of_spec(request.model_spec))
        signature = request.model_spec.signature_name or "serving_default"
        inputs = {name: self._array(name, proto) for name, proto in request.inputs.items()}
        future = self.engine.predict(servable, signature, inputs)
        context.add_callback(future.cancel)
        outputs = future.result()
        wanted = list(request.output_filter) or list(outputs)
        if not set(wanted) <= set(outputs):
            raise ServingError(
                "INVALID_ARGUMENT", f"output_filter: {wanted}; there are {sorted(outputs)}"
            )
        response = predict_pb2.PredictResponse()
        _describe(response.model_spec, servable, signature)
        for name in wanted:
            response.outputs[name].CopyFrom(tf.make_tensor_proto(outputs[name]))
        return response

    def _array(self, name, proto):
        shape = [d.size for d in proto.tensor_shape.dim]
        # A shape is a few bytes, whatever it promises.
        if math.prod(shape) > self.engine.limits.request_bytes:
            raise ServingError("RESOURCE_EXHAUSTED", f"{name!r} has the shape {shape}")
        try:
            if min(shape, default=0) < 0:
                raise ValueError(f"its shape is {shape}")
            return tf.make_ndarray(proto)
        except (TypeError, ValueError, KeyError) as error:
            raise ServingError("INVALID_ARGUMENT", f"{name!r} is no tensor: {error}") from error

    def GetModelMetadata(self, request, context):  # noqa: N802
        return _answer(context, lambda: self._metadata(request))

    def _metadata(self, request):
        if list(request.metadata_field) != ["signature_def"]:
            raise ServingError("INVALID_ARGUMENT", 'metadata_field has to be ["signature_def"]')
        servable = self.engine.models.get(**_of_spec(request.model_spec))
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        _describe(response.model_spec, servable)
        response.metadata["signature_def"].Pack(signatures(servable))
        return response


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """`GetModelStatus`; the models are those of the folder, so they cannot be changed from here."""

    def __init__(self, models):
        self.models = models

    def GetModelStatus(self, request, context):  # noqa: N802
        return _answer(context, lambda: status(self.models, **_of_spec(request.model_spec)))


def signatures(servable):
    """What a model is asked with: a `SignatureDefMap`."""
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


def _answer(context, answer):
    try:
        return answer()
    except ServingError as error:
        context.abort(getattr(grpc.StatusCode, error.code), error.message)
    except futures.CancelledError:
        context.abort(grpc.StatusCode.CANCELLED, "the client has gone away")

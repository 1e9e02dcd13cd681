"""TensorFlow Serving's REST API, and a gallery."""

import base64
import binascii
import contextlib
import json
import math
import threading

import flask
import numpy as np
from tensorflow.core.framework import types_pb2
from werkzeug import routing

from kerasgan.serving import rpc, web
from kerasgan.serving.errors import HTTP_STATUS, ServingError
from kerasgan.serving.messages import as_json

SMALL_BODY = 2**16  # bytes
MODEL = "/v1/models/<word:name>"
PLACES = (MODEL, f"{MODEL}/versions/<int:version>", f"{MODEL}/labels/<word:label>")


class Word(routing.BaseConverter):
    """A path component without the colon of a method: GET `NAME:predict` is no status request."""

    regex = "[^/:]+"


def create_app(engine, host="127.0.0.1"):
    """The web application.

    Args:
        engine: `Engine`.
        host: str, the address or name that the server listens on.

    Returns:
        `flask.Flask`.
    """
    models = engine.models
    parsing = threading.Lock()  # one large request at a time
    app = flask.Flask(__name__, static_folder=None, template_folder=".")
    app.url_map.converters["word"] = Word
    app.config.update(MAX_CONTENT_LENGTH=engine.limits.request_bytes)
    web.guard(app, host, programs=True)
    web.errors_as_json(app)

    @app.errorhandler(ServingError)
    def refuse(error):
        return {"error": error.message}, HTTP_STATUS[error.code]

    def predict(name, version=None, label=None):
        # JSON takes up to thirty times its size in memory until it is an array.
        with parsing if _is_large() else contextlib.nullcontext():
            by_row, future = submit(name, version, label)
        outputs = engine.result(future)
        return as_rows(outputs) if by_row else as_columns(outputs)

    def submit(*place):
        # A request has a list for each pixel and row of its images.
        request = _request(2 * engine.limits.request_pixels)
        servable = models.get(*place)
        signature = request.get("signature_name") or "serving_default"
        definition = servable.definition(signature)
        by_row = "instances" in request
        inputs = (of_rows if by_row else of_columns)(
            request["instances" if by_row else "inputs"], definition
        )
        return by_row, engine.predict(servable, signature, inputs)

    def status(name, version=None, label=None):
        return as_json(rpc.status(models, name, version, label))

    def metadata(name, version=None, label=None):
        servable = models.get(name, version, label)
        spec = {"name": servable.name, "signature_name": "", "version": str(servable.version)}
        return {
            "model_spec": spec,
            "metadata": {"signature_def": as_json(rpc.signatures(servable))},
        }

    for place in PLACES:
        app.add_url_rule(f"{place}:predict", view_func=predict, methods=["POST"])
        app.add_url_rule(f"{place}/metadata", view_func=metadata)
        app.add_url_rule(place, view_func=status)

    @app.get("/")
    def gallery():
        return flask.render_template("gallery.html")

    @app.get("/gallery.json")
    def shown():
        served = {
            servable.name: {
                "version": servable.version,
                "card": servable.card,
                "signatures": {s: sorted(d.inputs) for s, d in servable.definitions.items()},
                "at_most": _images_at_most(servable.card, engine.limits),
            }
            for servable in map(models.get, models.names())
        }
        return {"served": served, "loading": models.loading()}

    return app


def _images_at_most(card, limits):
    """How many generated images a request may ask for."""
    of_one = math.prod(card.get("image_shape", (1,))[:2])
    return max(1, min(limits.request_images, limits.request_pixels // of_one))


def _is_large():
    length = flask.request.content_length
    return length is None or length > SMALL_BODY


def _request(most):
    """The body of a prediction request, with at most `most` lists and objects: dict."""
    body = flask.request.get_data(cache=False)
    parts = body.count(b"[") + body.count(b"{")
    if parts > most:
        raise ServingError(
            "RESOURCE_EXHAUSTED",
            f"the request has {parts} lists and objects; send at most {most} (kerasgan serve "
            "--max-pixels)",
        )
    try:
        request = json.loads(body, object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise ServingError("INVALID_ARGUMENT", f"the request is not JSON: {error}") from error
    if not isinstance(request, dict) or ("instances" in request) == ("inputs" in request):
        raise ServingError("INVALID_ARGUMENT", "send an object with either 'instances' or 'inputs'")
    if not isinstance(request.get("signature_name", ""), str):
        raise ServingError("INVALID_ARGUMENT", "signature_name has to be a string")
    return request


def _without_duplicates(pairs):
    """Parses a JSON object; duplicate names are errors, because parsers treat them differently."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has the same name twice")
    return found


def of_rows(instances, definition):
    """The inputs of a request with a row per example: dict from a name to a list."""
    if not isinstance(instances, list) or not instances:
        raise ServingError(
            "INVALID_ARGUMENT", "'instances' has to be a list of at least one instance"
        )
    names = set(definition.inputs)
    if len(names) == 1 and not all(isinstance(i, dict) and set(i) == names for i in instances):
        (name,) = names
        instances = [{name: instance} for instance in instances]
    if any(not isinstance(i, dict) or set(i) != names for i in instances):
        raise ServingError(
            "INVALID_ARGUMENT", f"each instance has to be an object with {sorted(names)}"
        )
    columns = {name: [instance[name] for instance in instances] for name in names}
    return of_columns(columns, definition)


def of_columns(inputs, definition):
    """The inputs of a request with a list per name: dict from a name to a list."""
    names = set(definition.inputs)
    if len(names) == 1 and not (isinstance(inputs, dict) and set(inputs) == names):
        inputs = dict.fromkeys(names, inputs)
    if not isinstance(inputs, dict):
        raise ServingError("INVALID_ARGUMENT", f"'inputs' has to be an object with {sorted(names)}")
    inputs = dict(inputs)
    for name in names & set(inputs):
        info = definition.inputs[name]
        rank = len(info.tensor_shape.dim)
        if info.dtype == types_pb2.DT_STRING:
            inputs[name] = [_bytes(value, name) for value in _list(inputs[name], name)]
        elif not _are_numbers(inputs[name], rank):
            raise ServingError(
                "INVALID_ARGUMENT", f"{name!r} has to be lists of numbers, {rank} deep"
            )
    return inputs


def _list(values, name):
    if not isinstance(values, list):
        raise ServingError("INVALID_ARGUMENT", f"{name!r} has to be a list of values")
    return values


def _are_numbers(values, rank):
    if isinstance(values, list):
        return rank > 0 and all(_are_numbers(value, rank - 1) for value in values)
    return isinstance(values, (int, float)) and not isinstance(values, bool)


def _bytes(value, name):
    if isinstance(value, str):
        try:
            return value.encode("utf-8")
        except UnicodeEncodeError as error:  # half of a pair of surrogates
            raise ServingError("INVALID_ARGUMENT", f"a string is not Unicode: {error}") from error
    if isinstance(value, dict) and list(value) == ["b64"] and isinstance(value["b64"], str):
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise ServingError("INVALID_ARGUMENT", f"b64: {error}") from error
    # By TensorFlow Serving's convention, this suffix says what is no text.
    wanted = 'be {"b64": "..."}, the bytes of a file' if name.endswith("_bytes") else "be strings"
    found = json.dumps(value)
    found = found if len(found) <= 40 else f"{found[:40]}..."
    raise ServingError("INVALID_ARGUMENT", f"the values of {name!r} have to {wanted}, not {found}")


def as_rows(outputs):
    """Outputs as the answer to `instances`."""
    lengths = {array.shape[:1] for array in outputs.values()}
    if len(lengths) != 1 or () in lengths:
        raise ServingError(
            "INVALID_ARGUMENT",
            "the outputs do not share a batch; send 'inputs' instead of 'instances'",
        )
    columns = {name: _values(name, array) for name, array in outputs.items()}
    if len(columns) == 1:
        return {"predictions": next(iter(columns.values()))}
    rows = zip(*columns.values(), strict=True)
    return {"predictions": [dict(zip(columns, row, strict=True)) for row in rows]}


def as_columns(outputs):
    """Outputs as the answer to `inputs`."""
    columns = {name: _values(name, array) for name, array in outputs.items()}
    return {"outputs": next(iter(columns.values())) if len(columns) == 1 else columns}


def _values(name, array):
    if array.dtype != object:
        return array.tolist()
    as_text = np.frompyfunc(_encoded if name.endswith("_bytes") else _text, 1, 1)
    return np.asarray(as_text(array), object).tolist()


def _encoded(value):
    return {"b64": base64.b64encode(value).decode("ascii")}


def _text(value):
    return value.decode("utf-8", "replace")

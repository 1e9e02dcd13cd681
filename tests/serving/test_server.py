"""The server's two protocols, over sockets: what it answers, and what it refuses."""

import base64
import contextlib
import functools
import http.client
import io
import itertools
import json
import random
import socket
import threading
import time
import urllib.parse
from concurrent import futures
from unittest import mock

import grpc
import numpy as np
import tensorflow as tf
from backends import needs_backend
from PIL import Image
from served_models import (
    LATENT_DIM,
    NUM_CLASSES,
    SIZE,
    decoded,
    differences,
    encoded,
    pixels,
    served,
    zoo,
)
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from kerasgan.serving import Client, ServingError, rest, servables, web

pytestmark = needs_backend("tensorflow", reason="a server does not know what wrote its SavedModels")

TIMEOUT = 20.0
LARGEST = 2**20  # bytes of a request
PIXELS = 2**16  # of its pictures
SAMPLE = {"seed": [0, 1], "label": [2, 0]}


def unpacked(files):
    return np.stack([decoded(base64.b64decode(file["b64"], validate=True)) for file in files])


stack = contextlib.ExitStack()


@functools.cache
def server():
    return stack.enter_context(
        served(request_bytes=LARGEST, request_images=4, request_pixels=PIXELS, queue=16)
    )


def tearDownModule():
    stack.close()


class ServerTestCase(tf.test.TestCase):
    """Has a server of three models, and asks it without kerasgan's client."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = server()
        cls.place = urllib.parse.urlsplit(cls.server.url)
        cls.channel = grpc.insecure_channel(f"127.0.0.1:{cls.server.port}")
        cls.predictions = prediction_service_pb2_grpc.PredictionServiceStub(cls.channel)
        cls.statuses = model_service_pb2_grpc.ModelServiceStub(cls.channel)

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        super().tearDownClass()

    def http(self, method, path, body=None, **headers):
        """The status, the headers and the body of an answer."""
        connection = http.client.HTTPConnection(self.place.netloc, timeout=TIMEOUT)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            return reply.status, reply.headers, reply.read()

    def get(self, path):
        status, headers, body = self.http("GET", path)
        self.assertEqual((status, headers["Content-Type"]), (200, "application/json"), body)
        return json.loads(body)

    def ask(self, path, body):
        """The status and the JSON of an answer to a POST."""
        body = body if isinstance(body, (bytes, str)) else json.dumps(body)
        status, headers, content = self.http("POST", f"/v1/models/{path}", body)
        self.assertEqual(headers["Content-Type"], "application/json", content)
        return status, json.loads(content)

    def answer(self, path, **body):
        status, answer = self.ask(path, body)
        self.assertEqual(status, 200, answer)
        return answer

    def request(self, model="classes", inputs=None, signature="", version=None, label=None):
        request = predict_pb2.PredictRequest()
        request.model_spec.name = model
        request.model_spec.signature_name = signature
        if version is not None:
            request.model_spec.version.value = version
        if label is not None:
            request.model_spec.version_label = label
        for name, value in (inputs or {}).items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        return request

    def predict(self, *arguments, **keywords):
        return self.predictions.Predict(self.request(*arguments, **keywords), timeout=TIMEOUT)

    def code(self, method, request):
        """The name of the code with which a request is refused, and why."""
        with self.assertRaises(grpc.RpcError) as refused:
            method(request, timeout=TIMEOUT)
        return refused.exception.code().name, refused.exception.details()


def latents(num=2):
    return {
        "latent": np.random.default_rng(0).normal(size=(num, LATENT_DIM)).astype("float32"),
        "label": np.arange(num, dtype="int32") % NUM_CLASSES,
    }


def sample_inputs(num=2):
    return {"seed": np.arange(num, dtype="int64"), "label": np.ones(num, "int32")}


class GrpcTest(ServerTestCase):
    def test_the_default_signature_is_that_of_arrays(self):
        inputs = latents()
        answer = self.predict(inputs=inputs)
        spec = answer.model_spec
        self.assertEqual(
            (spec.name, spec.version.value, spec.signature_name), ("classes", 1, "serving_default")
        )
        self.assertEqual(list(answer.outputs), ["images"])
        images = tf.make_ndarray(answer.outputs["images"])
        self.assertEqual((images.dtype, images.shape), (np.float32, (2, SIZE, SIZE, 1)))
        expected = zoo().classes.generate_from(inputs["latent"], labels=inputs["label"])
        self.assertAllClose(images, expected, atol=1e-5)

    def test_a_signature_is_chosen_by_name_and_files_are_bytes(self):
        answer = self.predict(inputs=sample_inputs(), signature="sample")
        self.assertEqual(answer.model_spec.signature_name, "sample")
        self.assertEqual(answer.outputs["image_bytes"].dtype, types_pb2.DT_STRING)
        files = answer.outputs["image_bytes"].string_val
        self.assertEqual([decoded(file).shape for file in files], [(SIZE, SIZE, 1)] * 2)

    def test_an_output_filter_chooses_outputs(self):
        request = self.request(inputs=latents())
        request.output_filter.append("images")
        answer = self.predictions.Predict(request, timeout=TIMEOUT)
        self.assertEqual(list(answer.outputs), ["images"])
        request.output_filter.append("pictures")
        code, message = self.code(self.predictions.Predict, request)
        self.assertEqual(code, "INVALID_ARGUMENT")
        self.assertIn("pictures", message)

    def test_versions_and_labels_choose_what_there_is(self):
        for of_version in ({"version": 1}, {"label": "stable"}, {"label": "canary"}):
            self.assertEqual(
                self.predict(inputs=latents(), **of_version).model_spec.version.value, 1
            )

    def test_metadata_are_the_signatures_of_the_files(self):
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = "styles"
        answer = self.predictions.GetModelMetadata(request, timeout=TIMEOUT)
        self.assertEqual((answer.model_spec.name, answer.model_spec.version.value), ("styles", 1))
        signatures = get_model_metadata_pb2.SignatureDefMap()
        self.assertTrue(answer.metadata["signature_def"].Unpack(signatures))
        found = {name: dict(d.inputs) for name, d in signatures.signature_def.items()}
        self.assertCountEqual(found, ["serving_default", "sample"])
        types = {name: info.dtype for name, info in found["sample"].items()}
        self.assertEqual(types, {"seed": types_pb2.DT_INT64, "truncation": types_pb2.DT_FLOAT})
        for fields in ([], ["signatures"], ["signature_def", "signature_def"]):
            del request.metadata_field[:]
            request.metadata_field.extend(fields)
            code, message = self.code(self.predictions.GetModelMetadata, request)
            self.assertEqual(code, "INVALID_ARGUMENT")
            self.assertIn("signature_def", message)

    def test_status_is_that_of_the_versions(self):
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = "classes"
        (status,) = self.statuses.GetModelStatus(request, timeout=TIMEOUT).model_version_status
        available = get_model_status_pb2.ModelVersionStatus.AVAILABLE
        self.assertEqual((status.version, status.state), (1, available))
        self.assertEqual((status.status.error_code, status.status.error_message), (0, ""))

    def test_what_is_not_for_generators_is_unimplemented(self):
        from tensorflow_serving.apis import classification_pb2, model_management_pb2

        for method, request in (
            (self.predictions.Classify, classification_pb2.ClassificationRequest()),
            (self.statuses.HandleReloadConfigRequest, model_management_pb2.ReloadConfigRequest()),
        ):
            self.assertEqual(self.code(method, request)[0], "UNIMPLEMENTED")


class RestTest(ServerTestCase):
    """The shapes are those of https://www.tensorflow.org/tfx/serving/api_rest."""

    def test_status(self):
        expected = {
            "model_version_status": [
                {
                    "version": "1",
                    "state": "AVAILABLE",
                    "status": {"error_code": "OK", "error_message": ""},
                }
            ]
        }
        for path in ("", "/versions/1", "/labels/stable"):
            self.assertEqual(self.get(f"/v1/models/classes{path}"), expected)

    def test_metadata(self):
        for path in ("", "/versions/1", "/labels/canary"):
            answer = self.get(f"/v1/models/classes{path}/metadata")
            self.assertEqual(
                answer["model_spec"], {"name": "classes", "signature_name": "", "version": "1"}
            )
            self.assertEqual(list(answer["metadata"]), ["signature_def"])
            self.assertEqual(list(answer["metadata"]["signature_def"]), ["signature_def"])
            signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
            self.assertEqual(signature["method_name"], "tensorflow/serving/predict")
            latent = signature["inputs"]["latent"]
            self.assertStartsWith(latent.pop("name"), "serving_default_latent")
            sizes = [{"name": "", "size": size} for size in ("-1", str(LATENT_DIM))]
            self.assertEqual(
                latent,
                {"dtype": "DT_FLOAT", "tensor_shape": {"dim": sizes, "unknown_rank": False}},
            )

    def test_rows_and_columns_are_the_same(self):
        columns = {name: array.tolist() for name, array in latents(3).items()}
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        by_row = self.answer("classes:predict", instances=rows)
        by_column = self.answer("classes:predict", inputs=columns)
        self.assertEqual((list(by_row), list(by_column)), (["predictions"], ["outputs"]))
        self.assertEqual(by_row["predictions"], by_column["outputs"])
        expected = zoo().classes.generate_from(columns["latent"], labels=columns["label"])
        self.assertAllClose(by_row["predictions"], expected, atol=1e-5)

    def test_a_single_input_needs_no_name(self):
        latent = np.random.default_rng(1).normal(size=(3, 2)).tolist()
        expected = zoo().styles.generate_from(np.array(latent, "float32"))
        for body in (
            {"instances": latent},
            {"instances": [{"latent": row} for row in latent]},
            {"inputs": latent},
            {"inputs": {"latent": latent}},
        ):
            (images,) = self.answer("styles:predict", **body).values()
            self.assertAllClose(images, expected, atol=1e-4)

    def test_bytes_are_base64_in_both_directions(self):
        image = np.random.default_rng(0).integers(0, 256, (20, 24, 1), dtype="uint8")
        file = {"b64": base64.b64encode(encoded(image)).decode()}
        for body in (
            {"instances": [file]},
            {"instances": [{"image_bytes": file}]},
            {"inputs": [file]},
            {"inputs": {"image_bytes": [file]}},
        ):
            answer = self.answer("colours:predict", signature_name="translate", **body)
            (files,) = answer.values()
            self.assertEqual(list(files[0]), ["b64"])
            self.assertEqual(unpacked(files).shape, (1, 20, 24, 3))

    def test_versions_labels_and_the_default_signature(self):
        expected = self.answer("classes:predict", signature_name="sample", inputs=SAMPLE)
        for place in ("/versions/1", "/labels/stable", "/labels/canary"):
            body = {"signature_name": "sample", "inputs": SAMPLE}
            self.assertEqual(self.answer(f"classes{place}:predict", **body), expected)
        inputs = {name: array.tolist() for name, array in latents(1).items()}
        self.assertEqual(
            self.answer("classes:predict", signature_name="", inputs=inputs),
            self.answer("classes:predict", signature_name="serving_default", inputs=inputs),
        )

    def test_numbers_that_no_double_holds_arrive(self):
        seed = 2**62 + 1  # a double is 2**62
        inputs = {"seed": [seed], "label": [0]}
        answer = self.answer("classes:predict", signature_name="sample", inputs=inputs)
        expected = zoo().classes.generate_numbers(np.array([seed]), labels=0)
        self.assertLessEqual(differences(unpacked(answer["outputs"]), pixels(expected)), 1)


@functools.cache
def saved_model(model):
    return tf.saved_model.load(str(zoo().folder / model / "1"))


class OutputsTest(tf.test.TestCase):
    """Of somebody else's models, too."""

    def test_rows_and_columns(self):
        strings = np.array([[b"a", b"b"], [b"c", b"\xff"]], object)
        numbers = np.array([1.5, 2.5], "float32")
        self.assertEqual(rest.as_rows({"x": numbers}), {"predictions": [1.5, 2.5]})
        self.assertEqual(rest.as_columns({"x": np.array(3)}), {"outputs": 3})
        self.assertEqual(
            rest.as_rows({"text": strings, "x": numbers}),
            {"predictions": [{"text": ["a", "b"], "x": 1.5}, {"text": ["c", "\ufffd"], "x": 2.5}]},
        )
        self.assertEqual(
            rest.as_columns({"x_bytes": strings[0], "x": numbers}),
            {"outputs": {"x_bytes": [{"b64": "YQ=="}, {"b64": "Yg=="}], "x": [1.5, 2.5]}},
        )
        self.assertEqual(rest.as_columns({"text": np.array(b"a", object)}), {"outputs": "a"})

    def test_texts(self):
        definition = meta_graph_pb2.SignatureDef()
        definition.inputs["text"].dtype = types_pb2.DT_STRING
        definition.inputs["text"].tensor_shape.dim.add(size=-1)
        self.assertEqual(rest.of_columns(["a seven"], definition), {"text": [b"a seven"]})
        for value, message in (
            ([3], "values of 'text' have to be strings, not 3$"),
            ([["a"] * 99], r"have to be strings, not \[.{39}\.\.\.$"),
            ("a seven", "'text' has to be a list of values"),
        ):
            with self.assertRaisesRegex(ServingError, message):
                rest.of_columns(value, definition)

    def test_what_has_no_rows_is_refused_by_row(self):
        for outputs in (
            {"x": np.array(3)},
            {"x": np.zeros(2), "y": np.array(3)},
            {"x": np.zeros(2), "y": np.zeros(3)},
        ):
            with self.assertRaisesRegex(
                ServingError, "INVALID_ARGUMENT.*send 'inputs' instead of 'instances'"
            ):
                rest.as_rows(outputs)


class SameImagesTest(ServerTestCase):
    def all_answers(self, model, signature, inputs):
        """The files that gRPC, REST in rows and columns, and the SavedModel itself answer."""
        loaded = saved_model(model).signatures[signature]
        lists = {
            name: [{"b64": base64.b64encode(v).decode()} for v in values]
            if isinstance(values, list)
            else values.tolist()
            for name, values in inputs.items()
        }
        rows = [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
        body = {"signature_name": signature}
        tensors = {name: tf.constant(values) for name, values in inputs.items()}
        answer = self.predict(model, inputs, signature).outputs["image_bytes"]
        return {
            "gRPC": np.stack([decoded(file) for file in answer.string_val]),
            "columns": unpacked(self.answer(f"{model}:predict", **body, inputs=lists)["outputs"]),
            "rows": unpacked(
                self.answer(f"{model}:predict", **body, instances=rows)["predictions"]
            ),
            "SavedModel": np.stack(
                [decoded(file) for file in loaded(**tensors)["image_bytes"].numpy()]
            ),
        }

    def test_samples(self):
        seeds = np.int64(7) * 2**32 + np.arange(3)
        strengths = np.full(3, 0.7, "float32")
        for model, inputs, expected in (
            (
                "classes",
                {"seed": seeds, "label": np.array([2, 0, 1], "int32")},
                zoo().classes.generate(3, seed=7, labels=[2, 0, 1]),
            ),
            (
                "styles",
                {"seed": seeds, "truncation": strengths},
                zoo().styles.generate(3, seed=7, truncation=0.7),
            ),
            (
                "styles",
                {"seed": seeds, "truncation": -np.ones(3, "float32")},
                zoo().styles.generate(3, seed=7),
            ),
        ):
            for way, images in self.all_answers(model, "sample", inputs).items():
                self.assertLessEqual(differences(images, pixels(expected)), 1, (model, way))

    def test_translations(self):
        images = np.random.default_rng(0).integers(0, 256, (2, 16, 32, 1), dtype="uint8")
        files = [encoded(image) for image in images]
        expected = zoo().colours.translate(images / np.float32(127.5) - 1.0, seed=0)
        answers = self.all_answers("colours", "translate", {"image_bytes": files})
        for way, images in answers.items():
            self.assertLessEqual(differences(images, pixels(expected)), 1, way)

    def test_images_do_not_depend_on_those_that_are_asked_for_at_the_same_time(self):
        def one(number):
            inputs = {"seed": [number], "label": [number % NUM_CLASSES]}
            body = {"signature_name": "sample", "inputs": inputs}
            status, answer = self.ask("classes:predict", body)
            return unpacked(answer["outputs"])[0] if status == 200 else status

        with futures.ThreadPoolExecutor(8) as pool:
            images = list(pool.map(one, range(40)))
        expected = zoo().classes.generate(40, seed=0, labels=np.arange(40) % NUM_CLASSES)
        self.assertLessEqual(differences(np.stack(images), pixels(expected)), 1)


def nested(depth):
    return "[" * depth + "0" + "]" * depth


class RefusalTest(ServerTestCase):
    def assert_refused(self, path, body, status, message):
        found, answer = self.ask(path, body)
        self.assertEqual((found, list(answer)), (status, ["error"]), (body, answer))
        self.assertRegex(answer["error"], message)
        self.assertNotIn("\n", answer["error"])

    def test_places_that_there_are_not(self):
        body = {"signature_name": "sample", "inputs": SAMPLE}
        for path, message in (
            ("nothing:predict", "no model 'nothing'; the server has classes, colours, styles"),
            ("default:predict", "no model 'default'"),
            ("classes/versions/2:predict", r"no version 2; it has \[1\]"),
            (f"classes/versions/{2**70}:predict", "no version"),
            ("classes/labels/best:predict", "no label 'best'; it has canary, stable"),
        ):
            self.assert_refused(path, body, 404, message)
            for question in ("", "/metadata"):
                question = path.replace(":predict", question)
                status, _, content = self.http("GET", f"/v1/models/{question}")
                self.assertEqual(status, 404, question)
                self.assertRegex(json.loads(content)["error"], message)
        for path in ("/v1", "/v2/models/classes", "/v1/models/classes/versions/x", "/x"):
            status, headers, content = self.http("GET", path)
            self.assertEqual((status, headers["Content-Type"]), (404, "application/json"))
            self.assertEqual(list(json.loads(content)), ["error"])
        self.assertEqual(self.http("POST", "/v1/models/classes")[0], 405)
        for place in ("classes", "classes/versions/1", "classes/labels/stable"):
            status, headers, _ = self.http("GET", f"/v1/models/{place}:predict")
            self.assertEqual((status, "POST" in headers["Allow"]), (405, True), place)

    def test_the_same_places_by_grpc(self):
        for keywords, code in (
            ({"model": "nothing"}, "NOT_FOUND"),
            ({"model": ""}, "NOT_FOUND"),
            ({"version": 2}, "NOT_FOUND"),
            ({"version": -1}, "NOT_FOUND"),
            ({"label": "best"}, "NOT_FOUND"),
            ({"signature": "nothing"}, "INVALID_ARGUMENT"),
        ):
            request = self.request(inputs=latents(), **keywords)
            self.assertEqual(self.code(self.predictions.Predict, request)[0], code, keywords)
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = "nothing"
        self.assertEqual(self.code(self.statuses.GetModelStatus, request)[0], "NOT_FOUND")

    def test_requests_of_another_form(self):
        for body, message in (
            ("", "not JSON"),
            ("{", "not JSON"),
            (b"\xff\xfe\x00", "not JSON"),
            (b"\x80abc", "not JSON"),
            ("[]", "an object with either"),
            ("3", "an object with either"),
            ("{}", "an object with either"),
            ({"instances": [], "inputs": {}}, "an object with either"),
            ({"instances": []}, "at least one"),
            ({"instances": {}}, "at least one"),
            ({"instances": 1}, "at least one"),
            ({"instances": [1, 2]}, "'label', 'seed'"),
            ({"instances": [{"seed": 1}]}, "'label', 'seed'"),
            ({"instances": [{"seed": 1, "label": 1, "x": 1}]}, "'label', 'seed'"),
            ({"inputs": [1, 2]}, "an object with"),
            ({"inputs": None}, "an object with"),
            ({"inputs": {"seed": [1]}}, "'sample' takes 'label', 'seed'"),
            ({"inputs": {**SAMPLE, "x": [1, 2]}}, "'sample' takes 'label', 'seed'"),
            ({"signature_name": 3, "inputs": SAMPLE}, "signature_name has to be a string"),
            ({"signature_name": None, "inputs": SAMPLE}, "signature_name has to be a string"),
            ({"signature_name": "nothing", "inputs": SAMPLE}, "'nothing'; it has sample, serv"),
            ('{"inputs": ' + "9" * 5000 + "}", "not JSON"),
        ):
            if isinstance(body, dict):
                body = {"signature_name": "sample", **body}
            self.assert_refused("classes:predict", body, 400, message)

    def test_values_that_are_no_seeds(self):
        for values in (
            *([True, 1], [1, False], ["1", "2"], [None, 1], [{}, 1], [[0], [1]], 3, "ab", [], None),
            *([0.0, 1.0], [0.5, 1.5], [2**63, 0], [-(2**63) - 1, 0], [10**30, 0], [[], []], True),
            *([2**63, -1], [0, 1, 2], [0], [[0, 1]], {"b64": "AAAA"}, [float("nan"), 1]),
        ):
            body = {"signature_name": "sample", "inputs": {"seed": values, "label": [0, 0]}}
            self.assert_refused("classes:predict", body, 400, "seed|number of examples")

    def test_values_that_are_no_latents(self):
        row = [0.0] * LATENT_DIM
        for values in (
            *([], [[]], [[*row, 0.0]], row, [[[0.0]] * LATENT_DIM], 0, "0", None, {}),
            *([row, [0.0]], [["0", *row[1:]]], [[None, *row[1:]]], [[True, *row[1:]]]),
            *([[float("nan"), *row[1:]]], [[float("-inf"), *row[1:]]], [[1e39, *row[1:]]]),
        ):
            body = {"inputs": {"latent": values, "label": [0]}}
            self.assert_refused("classes:predict", body, 400, "latent")

    def test_numbers_too_large_for_a_float_are_not_finite(self):
        row = "[1e400" + ", 0" * (LATENT_DIM - 1) + "]"
        body = f'{{"inputs": {{"latent": [{row}], "label": [0]}}}}'
        self.assert_refused("classes:predict", body, 400, "not finite")

    def test_json_that_is_nested_deeply(self):
        # Python's own limit, NumPy's, and that of what looks through lists are all different.
        for depth in (20, 65, 500, 900, 990, 1100, 5000, 100_000):
            for body in (
                f'{{"inputs": {{"latent": {nested(depth)}, "label": [0]}}}}',
                f'{{"instances": [{{"latent": {nested(depth)}, "label": 0}}]}}',
                nested(depth),
            ):
                self.assert_refused("classes:predict", body, 400, ".")
            files = f'{{"signature_name": "translate", "inputs": {nested(depth)}}}'
            self.assert_refused("colours:predict", files, 400, ".")

    def test_bytes_that_are_no_pictures(self):
        good = encoded(np.zeros((8, 8, 1), "uint8"))
        for value, message in (
            ({"b64": "***"}, "b64"),
            ({"b64": "AAA"}, "b64"),
            ({"b64": "é"}, "b64"),
            ({"b64": 3}, "'image_bytes' have to be {.*, not {.*3}"),
            ({"b64": "", "x": ""}, "have to be {"),
            (3, "have to be {.*the bytes of a file, not 3"),
            ([], "have to be {"),
            (None, "have to be {"),
            ({"b64": ""}, "."),
            ("text", "."),
            ({"b64": base64.b64encode(good[:40]).decode()}, "."),
            ({"b64": base64.b64encode(good[:-20]).decode()}, "."),
        ):
            body = {"signature_name": "translate", "inputs": [value]}
            self.assert_refused("colours:predict", body, 400, message)
        for inputs in ({"b64": "AAAA"}, "text", {"image_bytes": "text"}, {"image_bytes": {}}):
            body = {"signature_name": "translate", "inputs": inputs}
            self.assert_refused("colours:predict", body, 400, ".")

    def test_labels_seeds_and_truncation_out_of_range_in_both_protocols(self):
        for model, inputs, message in (
            (
                "classes",
                {"seed": np.int64([0]), "label": np.int32([NUM_CLASSES])},
                "label: use whole numbers from 0 to 2",
            ),
            ("classes", {"seed": np.int64([0]), "label": np.int32([-1])}, "label: use"),
            ("classes", {"seed": np.int64([-1]), "label": np.int32([0])}, "seed: use"),
            (
                "styles",
                {"seed": np.int64([0]), "truncation": np.float32([1.5])},
                "truncation: use numbers from 0.0 to 1.0",
            ),
            (
                "classes",
                {"seed": np.int64([0]), "label": np.int64([2**31])},
                "'label' has to be int32",
            ),
        ):
            lists = {name: values.tolist() for name, values in inputs.items()}
            body = {"signature_name": "sample", "inputs": lists}
            self.assert_refused(f"{model}:predict", body, 400, message)
            request = self.request(model, inputs, "sample")
            code, found = self.code(self.predictions.Predict, request)
            self.assertEqual(code, "INVALID_ARGUMENT")
            self.assertRegex(found, message)

    def test_too_many_images(self):
        inputs = sample_inputs(5)
        lists = {name: values.tolist() for name, values in inputs.items()}
        body = {"signature_name": "sample", "inputs": lists}
        self.assert_refused("classes:predict", body, 429, "5 examples.*at most 4")
        code, message = self.code(
            self.predictions.Predict, self.request(inputs=inputs, signature="sample")
        )
        self.assertEqual(code, "RESOURCE_EXHAUSTED")
        self.assertRegex(message, "5 examples.*at most 4")

    def test_requests_too_large(self):
        self.assert_refused("styles:predict", b" " * (LARGEST + 1), 413, "large|exceeds")
        self.assert_refused("styles:predict", b" " * LARGEST, 400, "not JSON")
        inputs = {"latent": np.zeros((LARGEST // 8 + 10, 2), "float32")}
        code, _ = self.code(self.predictions.Predict, self.request("styles", inputs))
        self.assertEqual(code, "RESOURCE_EXHAUSTED")

    def test_a_body_of_unknown_size_is_too_large_as_soon_as_it_is(self):
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        with socket.create_connection(self.place.netloc.split(":"), TIMEOUT) as connection:
            connection.sendall(
                b"POST /v1/models/styles:predict HTTP/1.1\r\nHost: localhost\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n"
            )
            reply = b""
            with contextlib.suppress(ConnectionError):  # closed, when it is enough
                for _ in range(40):
                    connection.sendall(chunk)
                connection.sendall(b"0\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                reply = connection.recv(1000)
        self.assertTrue(reply == b"" or b" 413 " in reply, reply)

    def test_tensors_of_other_types_and_shapes(self):
        def tensor(value):
            return tf.make_tensor_proto(value)

        def floats(shape, value=0.0):
            return tensor(np.full(shape, value, "float32"))

        label = tensor(np.int32([0]))
        latent = floats((1, LATENT_DIM))
        strings = tensor([b"0"])
        for inputs, message in (
            ({}, "the inputs are none; 'serving_default' takes 'label', 'latent'"),
            ({"latent": latent}, "takes 'label', 'latent'"),
            ({"latent": latent, "label": label, "x": label}, "takes 'label', 'latent'"),
            ({"latent": latent, "label": strings}, "'label' has to be int32"),
            ({"latent": latent, "label": tensor([True])}, "'label' has to be int32"),
            ({"latent": latent, "label": tensor([0.0])}, "'label' has to be int32"),
            ({"latent": latent, "label": tensor(0)}, "'label' has to be int32"),
            ({"latent": latent, "label": tensor([0, 1])}, "the same number of examples"),
            ({"latent": strings, "label": label}, "'latent' has to be float32"),
            ({"latent": tensor([1j]), "label": label}, "'latent' has to be float32"),
            ({"latent": floats((1, 9)), "label": label}, r"'latent' .* its shape is \[1, 9\]"),
            ({"latent": floats((0, LATENT_DIM)), "label": label}, r"its shape is \[0, 4\]"),
            ({"latent": floats((1, LATENT_DIM), np.nan), "label": label}, "not finite"),
            # TensorFlow Serving converts no types, either.
            ({"latent": tensor(np.zeros((1, LATENT_DIM))), "label": label}, "it is float64"),
            ({"latent": latent, "label": tensor(np.int64([0]))}, "it is int64"),
        ):
            request = self.request()
            for name, proto in inputs.items():
                request.inputs[name].CopyFrom(proto)
            code, found = self.code(self.predictions.Predict, request)
            self.assertEqual(code, "INVALID_ARGUMENT", (inputs, found))
            self.assertRegex(found, message)

    def test_tensors_that_are_none(self):
        def proto(dtype=types_pb2.DT_FLOAT, dims=(1, LATENT_DIM), **values):
            made = tf.make_tensor_proto(np.float32(0))
            made.Clear()
            made.dtype = dtype
            for size in dims:
                made.tensor_shape.dim.add(size=size)
            for name, value in values.items():
                if isinstance(value, bytes):
                    setattr(made, name, value)
                else:
                    getattr(made, name).extend(value)
            return made

        for tensor in (
            proto(dims=(10**12, LATENT_DIM), float_val=[0.0]),
            proto(dims=(10**12,), float_val=[0.0]),
            proto(dims=(2**62, 2**62)),
            proto(types_pb2.DT_STRING, (10**12,), string_val=[b""]),
            proto(dims=(10**12, 0)),
            proto(dims=(-1, LATENT_DIM), float_val=[0.0]),
            proto(dims=(-(2**63), 3), float_val=[0.0]),
            proto(dims=(1,) * 200, float_val=[0.0]),
            proto(tensor_content=b"123"),
            proto(tensor_content=b"1234" * 99),
            proto(float_val=[0.0] * 99),
            *(proto(d) for d in types_pb2.DataType.values() if d != types_pb2.DT_FLOAT),
            proto(77),
            proto(types_pb2.DT_QINT8, tensor_content=b"1234"),
        ):
            request = self.request(inputs={"label": np.int32([0])})
            request.inputs["latent"].CopyFrom(tensor)
            code, _ = self.code(self.predictions.Predict, request)
            self.assertEqual(code, "INVALID_ARGUMENT", str(tensor))

    def test_what_a_few_bytes_promise_is_not_made(self):
        def promised(value, *dims):
            tensor = tf.make_tensor_proto(value)
            for dim, size in zip(tensor.tensor_shape.dim, dims, strict=True):
                dim.size = size
            return tensor

        many = 2**24
        picture = encoded(np.zeros((16, 16, 1), "uint8")) + bytes(LARGEST // 2)
        no_picture = {"images": promised(np.zeros((1, 1, 1, 1), "float32"), 1, many, many, 1)}
        with mock.patch.object(tf, "make_ndarray", side_effect=AssertionError("made")):
            for model, signature, inputs in (
                (
                    "classes",
                    "sample",
                    {"seed": promised([0], many), "label": promised([0], many)},
                ),
                ("styles", "", {"latent": promised(np.zeros((1, 2), "float32"), many, 2)}),
                ("colours", "translate", {"image_bytes": promised([picture], 4)}),
                ("colours", "", no_picture),
            ):
                request = self.request(model, signature=signature)
                for name, tensor in inputs.items():
                    request.inputs[name].CopyFrom(tensor)
                code, message = self.code(self.predictions.Predict, request)
                self.assertEqual(code, "RESOURCE_EXHAUSTED", message)
                self.assertRegex(message, f"{many}|at most")

    def test_pixels_are_counted_before_they_are_computed(self):
        def black(height, width, kind="PNG"):
            file = io.BytesIO()
            Image.new("L", (width, height)).save(file, kind)
            return file.getvalue()

        # A side of 1 is filled up to 16.
        for pictures, found in (
            ([black(257, 256)], 272 * 256),
            ([black(256, 257, "JPEG")], 256 * 272),
            ([black(1, 4097)], 16 * 4112),
            ([black(128, 130)] * 4, 4 * 128 * 144),
            ([black(4096, 4096)], 4096**2),
        ):
            for ask in (self.by_grpc, self.by_rest):
                code, message = ask("colours", "translate", pictures)
                self.assertEqual(code, "RESOURCE_EXHAUSTED", message)
                self.assertStartsWith(message, f"{found} pixels in a request; ")
                self.assertIn(f"at most {PIXELS} together", message)
        floats = self.request("colours", {"images": np.zeros((1, 16, 16 * 257, 1), "float32")})
        code, message = self.code(self.predictions.Predict, floats)
        self.assertEqual((code, message[:13]), ("RESOURCE_EXHAUSTED", "65792 pixels "))
        for ask in (self.by_grpc, self.by_rest):
            self.assertEqual(ask("colours", "translate", [black(128, 128)] * 4)[0], "OK")

    def by_grpc(self, model, signature, files):
        request = self.request(model, {"image_bytes": files}, signature)
        try:
            self.predictions.Predict(request, timeout=TIMEOUT)
        except grpc.RpcError as error:
            return error.code().name, error.details()
        return "OK", ""

    def by_rest(self, model, signature, files):
        values = [{"b64": base64.b64encode(file).decode()} for file in files]
        body = {"signature_name": signature, "inputs": values}
        status, answer = self.ask(f"{model}:predict", body)
        return {200: "OK", 429: "RESOURCE_EXHAUSTED"}[status], answer.get("error", "")

    def test_oddities_of_json(self):
        seeds = '{"signature_name": "sample", "inputs": {"seed": [%s], "label": [0]}}'
        for body, status, message in (
            (seeds % "0", 200, "^$"),
            (b"\xef\xbb\xbf" + (seeds % "0").encode(), 200, "^$"),
            ((seeds % "0").encode("utf-16"), 200, "^$"),
            ((seeds % "0").encode("latin-1") + b"\xe9", 400, "not JSON"),
            (seeds % "NaN", 400, "seed"),
            (seeds % "-Infinity", 400, "seed"),
            (seeds % ("9" * 400), 400, "seed"),
            (seeds % ("9" * 5000), 400, "not JSON"),
            (seeds % '"\\ud800"', 400, "seed"),
            (seeds % f'"{"x" * 500_000}"', 400, "seed"),
            ('{"inputs": [' + "[]," * 2 * PIXELS + "0]}", 429, "the request has .* lists"),
            ('{"inputs": 1, "inputs": 2}', 400, "an object has the same name twice"),
            (seeds % '0], "seed": [1', 400, "an object has the same name twice"),
            ('{"signature_name": "\\udfff", "inputs": {}}', 400, r"no signature '\\udfff'"),
            (json.dumps({"signature_name": "x" * 500_000, "inputs": {}}), 400, "no signature 'xxx"),
            (json.dumps({"inputs": {"y" * 500_000: [0]}}), 400, "the inputs are 'yyy"),
            (json.dumps({"inputs": {str(n): [0] for n in range(9999)}}), 400, "the inputs are"),
        ):
            found, answer = self.ask("classes:predict", body)
            self.assertEqual(found, status, (body[:99], answer))
            self.assertRegex(answer.get("error", ""), message)
            self.assertLess(len(answer.get("error", "")), 1100)
        for value in (
            '"\\ud800"',
            '["\\udfff\\ud800"]',
            '{"b64": "\\ud800"}',
            '[{"b64": "\\ud800"}]',
        ):
            body = f'{{"signature_name": "translate", "inputs": {value}}}'
            self.assertEqual(self.ask("colours:predict", body)[0], 400)

    def test_pictures_of_every_size_are_answered_or_refused(self):
        for shape in ((1, 0, 0, 1), (1, 1, 1, 1), (1, 17, 16, 1), (1, 16, 0, 1), (2, 3, 5, 1)):
            request = self.request("colours", {"images": np.zeros(shape, "float32")})
            try:
                answer = self.predictions.Predict(request, timeout=TIMEOUT).outputs["images"]
            except grpc.RpcError as error:
                self.assertEqual(error.code().name, "INVALID_ARGUMENT", (shape, error.details()))
                self.assertGreater(sum(size % 16 for size in shape[1:3]) + (0 in shape), 0)
            else:
                self.assertEqual(tf.make_ndarray(answer).shape, (*shape[:3], 3))

    def test_pages_of_other_sites_are_refused(self):
        body = json.dumps({"signature_name": "sample", "inputs": SAMPLE})
        path = "/v1/models/classes:predict"
        own = self.place.netloc
        for headers, status in (
            ({}, 200),
            ({"Origin": f"http://{own}"}, 200),
            ({"Host": f"localhost:{self.place.port}"}, 200),
            ({"Host": "localhost", "Origin": "http://localhost"}, 200),
            ({"Origin": "http://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": f"https://{own}"}, 403),
            ({"Origin": "http://127.0.0.1:1"}, 403),
            ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
            ({"Host": f"evil.example:{self.place.port}"}, 403),
            ({"Host": "127.0.0.1.evil.example"}, 403),
            ({"Host": "[::1"}, 403),
            ({"Host": ""}, 403),
        ):
            found, reply, content = self.http("POST", path, body, **headers)
            self.assertEqual((found, reply["Content-Type"]), (status, "application/json"), headers)
            self.assertEqual("error" in json.loads(content), status == 403)
        for path in ("/", "/gallery.json", "/v1/models/classes"):
            self.assertEqual(self.http("GET", path, Host="evil.example")[0], 403)
            _, headers, _ = self.http("GET", path, Origin="http://evil.example")
            self.assertNotIn("Access-Control-Allow-Origin", headers)


class GarbageTest(ServerTestCase):
    """Seeded mutations of what is right; whatever is made of them, the server goes on."""

    CLIENT_ERRORS = ("INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED", "UNIMPLEMENTED")

    def setUp(self):
        super().setUp()
        self.random = random.Random(0)
        self.addCleanup(self.assert_still_right)

    def assert_still_right(self):
        body = {"signature_name": "sample", "inputs": SAMPLE}
        images = unpacked(self.answer("classes:predict", **body)["outputs"])
        expected = pixels(zoo().classes.generate(2, seed=0, labels=SAMPLE["label"]))
        self.assertLessEqual(differences(images, expected), 1)
        self.assertLen(self.predict(inputs=latents()).outputs["images"].tensor_shape.dim, 4)

    def mutated(self, body):
        """Bytes of which some are others, missing, or there twice."""
        body = bytearray(body)
        for _ in range(self.random.randint(1, 4)):
            start = self.random.randrange(len(body))
            part = slice(start, start + self.random.choice((1, 1, 2, 8, 30)))
            what = self.random.randrange(4)
            if what == 0:
                body[part] = self.random.randbytes(self.random.choice((1, 1, 4)))
            elif what == 1 and len(body) > 40:
                del body[part]
            elif what == 2:
                body[part] = 2 * body[part]
            else:
                body[start:start] = self.random.choice(
                    (b"-", b"1e9", b"[", b"]", b"{", b'"', b"null", b"NaN", b"\xff\xff\xff\xff\x0f")
                )
        return bytes(body)

    def test_bodies_of_rest(self):
        picture = {"b64": base64.b64encode(encoded(np.zeros((16, 16, 1), "uint8"))).decode()}
        rows = [{"seed": 1, "label": 2}, {"seed": 3, "label": 0}]
        right = [
            ("classes", {"signature_name": "sample", "inputs": SAMPLE}),
            ("classes", {"signature_name": "sample", "instances": rows}),
            ("classes", {"inputs": {n: array.tolist() for n, array in latents().items()}}),
            ("styles", {"instances": [[0.5, 0.5]]}),
            ("colours", {"signature_name": "translate", "instances": [picture]}),
        ]
        statuses = []
        connection = http.client.HTTPConnection(self.place.netloc, timeout=TIMEOUT)
        with contextlib.closing(connection):
            for model, body in itertools.islice(itertools.cycle(right), 450):
                body = self.mutated(json.dumps(body).encode())
                connection.request("POST", f"/v1/models/{model}:predict", body)
                reply = connection.getresponse()
                content = json.loads(reply.read())
                self.assertIn(reply.status, (200, 400, 404, 429), (model, body, content))
                self.assertEqual("error" in content, reply.status != 200, (body, content))
                statuses.append(reply.status)
        self.assertGreater(statuses.count(400), 300)

    def test_bytes_of_grpc(self):
        picture = encoded(np.zeros((16, 16, 1), "uint8"))
        right = [
            self.request(inputs=latents(), label="stable"),
            self.request(inputs=sample_inputs(), signature="sample", version=1),
            self.request("colours", {"image_bytes": [picture]}, "translate"),
            self.request("colours", {"images": np.zeros((1, 16, 16, 1), "float32")}),
        ]
        ask = self.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        codes = []
        for request in itertools.islice(itertools.cycle(right), 450):
            body = self.mutated(request.SerializeToString())
            try:
                ask(body, timeout=TIMEOUT)
                codes.append("OK")
            except grpc.RpcError as error:
                codes.append(error.code().name)
                self.assertIn(codes[-1], self.CLIENT_ERRORS, (body, error.details()))
        self.assertGreater(len(codes) - codes.count("OK"), 200)

    def test_garbage_on_the_sockets(self):
        head = b"POST /v1/models/classes:predict HTTP/1.1\r\nHost: localhost\r\n"
        garbage = [
            b"\0" * 100,
            b"GET\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET /" + b"x" * 300_000 + b" HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 50_000 + b"\r\n",
            head + b"Content-Length: -1\r\n\r\n",
            head + b"Content-Length: x\r\n\r\n",
            head + b"Content-Length: 99999999999999999999\r\n\r\n",
            head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
            head + b"Transfer-Encoding: gzip\r\n\r\n",
            head + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc",
            *(self.random.randbytes(self.random.randint(1, 400)) for _ in range(38)),
        ]
        for sent, port in itertools.product(garbage, (self.place.port, self.server.port)):
            reply = b""
            with socket.create_connection(("127.0.0.1", port), TIMEOUT) as connection:
                with contextlib.suppress(OSError):  # closed, or reset, as soon as it is seen
                    connection.sendall(sent)
                    connection.shutdown(socket.SHUT_WR)
                    while part := connection.recv(4096):
                        reply += part
            if port == self.place.port and reply:
                self.assertRegex(reply, rb"\AHTTP/1\.[01] (4\d\d|501) ", sent[:80])

    def test_clients_that_go_away(self):
        body = json.dumps({"signature_name": "sample", "inputs": SAMPLE}).encode()
        head = b"POST /v1/models/classes:predict HTTP/1.1\r\nHost: localhost\r\n"
        whole = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
        for sent in (whole, whole[:-20], whole[: len(head)], whole * 3):
            for _ in range(5):
                with socket.create_connection(("127.0.0.1", self.place.port), TIMEOUT) as gone:
                    gone.sendall(sent)
        request = self.request(inputs=sample_inputs(), signature="sample")
        for _ in range(20):
            self.predictions.Predict.future(request, timeout=TIMEOUT).cancel()
        for _ in range(5):
            with grpc.insecure_channel(f"127.0.0.1:{self.server.port}") as channel:
                stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
                stub.Predict.future(request, timeout=TIMEOUT)
        for _ in range(200):
            if not self.server.engine.batcher._waiting:
                break
            time.sleep(0.05)
        self.assertEmpty(self.server.engine.batcher._waiting)


class SlowClientsTest(ServerTestCase):
    """More of them than there are threads, and by REST than there may be connections."""

    def test_halves_of_requests_keep_nobody_waiting(self):
        half = b"POST /v1/models/classes:predict HTTP/1.1\r\nHost: localhost\r\n"
        body = {"signature_name": "sample", "inputs": SAMPLE}
        with contextlib.ExitStack() as open_sockets, mock.patch.object(web, "CONNECTIONS", 40):
            for number in range(60):
                slow = socket.create_connection(("127.0.0.1", self.place.port), TIMEOUT)
                open_sockets.enter_context(slow).sendall(half[: 20 + number])
            self.assertLen(self.answer("classes:predict", **body)["outputs"], 2)
            self.assertLess(len(self.server._rest.active_channels), 50)

            # Streams of gRPC that have begun and bring no message.
            channel = open_sockets.enter_context(
                grpc.insecure_channel(f"127.0.0.1:{self.server.port}")
            )
            ask = channel.stream_unary(
                "/tensorflow.serving.PredictionService/Predict", lambda message: message
            )
            end = threading.Event()
            open_sockets.callback(end.set)
            calls = [ask.future(iter(lambda: end.wait(TIMEOUT) and None, None)) for _ in range(60)]
            for _ in range(3):
                self.assertLen(self.predict(inputs=latents()).outputs, 1)
            self.assertEqual(sum(call.done() for call in calls), 0)
            for call in calls:
                call.cancel()

    def test_a_request_has_to_arrive_in_time_even_byte_by_byte(self):
        with (
            mock.patch.object(web, "REQUEST_SECONDS", 1),
            served(zoo().folder / "classes") as server,
        ):
            port = urllib.parse.urlsplit(server.url).port
            with socket.create_connection(("127.0.0.1", port), TIMEOUT) as slow:
                begin = time.monotonic()
                with contextlib.suppress(ConnectionError):
                    while time.monotonic() < begin + TIMEOUT:
                        slow.sendall(b"G")
                        time.sleep(0.2)
                self.assertLess(time.monotonic() - begin, TIMEOUT / 2)


class LoadTest(tf.test.TestCase):
    """A server whose computation is held, so that requests wait."""

    def setUp(self):
        super().setUp()
        self.free = threading.Event()
        self.addCleanup(self.free.set)
        compute = servables.Servable.compute

        def held(servable, *arguments):
            if servable.name == "classes" and self.loaded:
                assert self.free.wait(TIMEOUT)
            return compute(servable, *arguments)

        self.loaded = False
        patch = mock.patch.object(servables.Servable, "compute", held)
        patch.start()
        self.addCleanup(patch.stop)

    @contextlib.contextmanager
    def held(self, **limits):
        with served(zoo().folder / "classes", **limits) as server:
            self.loaded = True
            with contextlib.ExitStack() as clients:
                self.clients = [
                    clients.enter_context(Client(address, retries=0, timeout=TIMEOUT))
                    for address in (f"127.0.0.1:{server.port}", server.url)
                ]
                yield server
                self.free.set()

    def ask(self, way, number):
        """The image of a seed, or the code of the refusal."""
        try:
            return self.clients[way].predict(
                {"seed": np.int64([number]), "label": np.int32([0])}, "sample"
            )["image_bytes"][0]
        except ServingError as error:
            return error.code

    def wait_for(self, condition):
        end = time.monotonic() + TIMEOUT
        while not condition() and time.monotonic() < end:
            time.sleep(0.01)
        self.assertTrue(condition())

    def test_beyond_the_queue_requests_are_refused_in_both_protocols(self):
        with self.held(queue=3) as server, futures.ThreadPoolExecutor(4) as pool:
            waiting = server.engine.batcher._waiting
            asked = [pool.submit(self.ask, 0, 0)]
            self.wait_for(lambda: server.engine.batcher._running)
            asked += [pool.submit(self.ask, number % 2, number) for number in (1, 2, 3)]
            self.wait_for(lambda: len(server.engine.batcher._waiting) == 3)
            self.assertEqual([self.ask(way, 9) for way in (0, 1)], ["RESOURCE_EXHAUSTED"] * 2)
            self.free.set()
            self.assertEqual(
                [decoded(f.result(TIMEOUT)).shape for f in asked], [(SIZE, SIZE, 1)] * 4
            )
            self.assertEqual(decoded(self.ask(0, 9)).shape, (SIZE, SIZE, 1))
            self.assertEmpty(waiting)

    def test_an_answer_that_takes_too_long_is_refused(self):
        with self.held(request_seconds=0.3) as server:
            self.assertEqual([self.ask(way, 0) for way in (0, 1)], ["DEADLINE_EXCEEDED"] * 2)
            self.free.set()
            self.wait_for(lambda: not server.engine.batcher._running)
            self.assertEqual(decoded(self.ask(1, 0)).shape, (SIZE, SIZE, 1))

    def test_at_the_end_what_was_accepted_is_answered_and_nothing_is_left(self):
        before = set(threading.enumerate())
        with self.held() as server, futures.ThreadPoolExecutor(16) as pool:
            asked = [pool.submit(self.ask, number % 2, number) for number in range(16)]
            batcher = server.engine.batcher
            self.wait_for(lambda: len(batcher._waiting) + batcher._running == 16)
            stopped = threading.Thread(target=lambda: self.answered.append(server.stop()))
            self.answered = []
            stopped.start()
            self.wait_for(lambda: batcher._ending)
            self.assertEqual(self.ask(1, 99), "UNAVAILABLE")
            self.free.set()
            stopped.join(TIMEOUT)
            self.assertEqual(self.answered, [True])
            images = np.stack([decoded(future.result(TIMEOUT)) for future in asked])
            expected = zoo().classes.generate_numbers(np.arange(16), labels=0)
            self.assertLessEqual(differences(images, pixels(expected)), 1)
            self.assertEqual([self.ask(way, 0) for way in (0, 1)], ["UNAVAILABLE"] * 2)
        left = {
            thread for thread in set(threading.enumerate()) - before if "grpc" not in thread.name
        }
        for thread in left:
            thread.join(TIMEOUT)
        self.assertEmpty([thread.name for thread in left if thread.is_alive()])

    def test_it_does_not_wait_for_ever(self):
        with self.held() as server, futures.ThreadPoolExecutor(1) as pool:
            pool.submit(self.ask, 0, 0)
            self.wait_for(lambda: server.engine.batcher._running)
            self.assertFalse(server.stop(seconds=0.1))
            self.free.set()

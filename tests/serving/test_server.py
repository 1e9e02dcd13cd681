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

import grpc
import numpy as np
import tensorflow as tf
from absl.testing import parameterized
from PIL import Image
from served_models import LATENT_DIM, NUM_CLASSES, SIZE, pixels, served, zoo
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

TIMEOUT = 20.0
LARGEST = 2**20  # bytes of a request
SAMPLE = {"seed": [0, 1], "label": [2, 0]}


def decoded(file):
    array = np.asarray(Image.open(io.BytesIO(file)))
    return array[..., None] if array.ndim == 2 else array


def encoded(image):
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG")
    return file.getvalue()


def unpacked(files):
    return np.stack([decoded(base64.b64decode(file["b64"], validate=True)) for file in files])


stack = contextlib.ExitStack()


@functools.cache
def server():
    return stack.enter_context(served(request_bytes=LARGEST, request_images=4, queue=16))


def tearDownModule():  # noqa: N802
    stack.close()


class ServerTestCase(tf.test.TestCase, parameterized.TestCase):
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
            self.assertEqual(self.predict(inputs=latents(), **of_version).model_spec.version.value, 1)

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


def differences(images, others):
    images, others = np.int64(images), np.int64(others)
    assert images.shape == others.shape, (images.shape, others.shape)
    assert np.ptp(images) > 50, images
    return np.abs(images - others).max()


class SameImagesTest(ServerTestCase):
    def all_answers(self, model, signature, inputs):
        """The files that gRPC, REST in rows and columns, and the SavedModel itself answer."""
        loaded = tf.saved_model.load(str(zoo().folder / model / "1")).signatures[signature]
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
            "rows": unpacked(self.answer(f"{model}:predict", **body, instances=rows)["predictions"]),
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
            ("styles", {"seed": seeds, "truncation": -np.ones(3, "float32")}, zoo().styles.generate(3, seed=7)),
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

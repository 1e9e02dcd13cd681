"""What the client asks for, by both protocols, and what it says when that goes wrong."""

import contextlib
import functools
import http.server
import json
import pathlib
import socket
import subprocess
import sys
import textwrap
import threading
from concurrent import futures
from unittest import mock

import grpc
import numpy as np
import pytest
import tensorflow as tf
from backends import needs_backend
from editing.editing_page import texts
from served_models import NUM_CLASSES, SIZE, differences, encoded, pixels, served, zoo
from tensorflow_serving.apis import prediction_service_pb2_grpc

from kerasgan.serving import Client, ServingError, export_version
from kerasgan.serving import client as clients

pytestmark = needs_backend("tensorflow", reason="a server does not know what wrote its SavedModels")

TIMEOUT = 20.0
stack = contextlib.ExitStack()


@functools.cache
def server():
    return stack.enter_context(served(request_images=32))


def tearDownModule():
    stack.close()


class ClientTestCase(tf.test.TestCase):
    def client(self, address, model="classes", **arguments):
        client = Client(address, model, **{"timeout": TIMEOUT, **arguments})
        self.addCleanup(client.close)
        return client

    def both(self, model="classes", **arguments):
        """Clients by gRPC and by REST."""
        addresses = f"127.0.0.1:{server().port}", server().url
        return [self.client(address, model, **arguments) for address in addresses]

    def code(self, ask, *arguments, **keywords):
        with self.assertRaises(ServingError) as refused:
            ask(*arguments, **keywords)
        return refused.exception.code, refused.exception.message


class SampleTest(ClientTestCase):
    @pytest.mark.slow
    def test_chunks_are_the_images_of_one_call_of_generate(self):
        labels = np.arange(70) % NUM_CLASSES
        expected = pixels(zoo().classes.generate(70, seed=5, labels=labels))
        for client in self.both():
            with mock.patch.object(
                client._server, "predict", side_effect=client._server.predict
            ) as predict:
                images = client.sample(70, seed=5, labels=labels)
            sizes = [len(call.args[1]["seed"]) for call in predict.call_args_list]
            self.assertEqual(sizes, [32, 32, 6])
            self.assertEqual((images.dtype, images.shape), (np.uint8, (70, SIZE, SIZE, 1)))
            self.assertLessEqual(differences(images, expected), 1)

    def test_large_examples_are_asked_for_in_smaller_chunks(self):
        inputs = {"latent": np.zeros((5, 100), "float32"), "label": np.zeros(5, "int32")}
        files = {"image_bytes": np.array([b"1234", b"12", b"123456789", b"1", b"12"], object)}
        for largest, of_arrays, of_files in (
            (3 * 404, [3, 2], [3, 2]),
            (404, [1] * 5, [3, 2]),
            (9, [1] * 5, [2, 1, 2]),
            (5, [1] * 5, [1, 1, 1, 2]),
        ):
            with mock.patch.object(clients, "LARGEST_CHUNK", largest):
                for examples, expected in ((inputs, of_arrays), (files, of_files)):
                    chunks = list(clients._chunks(examples, 3))
                    found = np.concatenate([np.arange(5)[chunk] for chunk in chunks])
                    self.assertAllEqual(found, np.arange(5))
                    self.assertEqual([c.stop - c.start for c in chunks], expected)

    def test_the_number_of_images_and_the_chunk_make_no_difference(self):
        for client in self.both(chunk=3):
            few = client.sample(4, seed=1, labels=2)
            self.assertAllEqual(client.sample(7, seed=1, labels=[2] * 7)[:4], few)
            self.assertGreater(np.abs(np.int64(client.sample(4, labels=2)) - few).max(), 50)

    def test_truncation(self):
        gan = zoo().styles
        for client in self.both("styles"):
            for truncation in (None, 0.5, 0, np.float32(1)):
                images = client.sample(3, seed=2, truncation=truncation)
                of_paper = None if truncation is None else float(truncation)
                expected = pixels(gan.generate(3, seed=2, truncation=of_paper))
                self.assertLessEqual(differences(images, expected), 1)
            few, none = client.sample(3, truncation=0.2), client.sample(3)
            self.assertGreater(differences(few, none), 20)
            code, message = self.code(client.sample, 1, truncation=1.5)
            self.assertEqual(code, "INVALID_ARGUMENT")
            self.assertIn("truncation: use numbers from 0.0 to 1.0", message)

    def test_wrong_arguments(self):
        for client in self.both():
            for arguments, message in (
                ({"num": 0}, "num=0"),
                ({"num": 1.5}, "num=1.5"),
                ({"num": 2}, "labels=None; give the model 'classes' one label, or 2"),
                ({"num": 2, "labels": [1, 2, 0]}, "give the model 'classes' one label, or 2"),
                ({"num": 2, "labels": [[1, 2]]}, "give the model 'classes' one label, or 2"),
                ({"num": 2, "labels": 0.5}, "labels=.*whole numbers"),
                ({"num": 2, "labels": [1, 2**40]}, "labels=.*whole numbers"),
                ({"num": 2, "labels": "ab"}, "labels=.*whole numbers"),
                ({"num": 1, "labels": 0, "seed": -1}, "seed=-1"),
                ({"num": 1, "labels": 0, "seed": 2**31}, "seed=2147483648"),
                (
                    {"num": 1, "labels": 0, "truncation": 0.5},
                    "0.5: the model 'classes' takes no truncation",
                ),
            ):
                with self.assertRaisesRegex(ValueError, message):
                    client.sample(**arguments)
            with self.assertRaisesRegex(ValueError, "no signature 'translate'; it has sample, s"):
                client.translate([np.zeros((8, 8, 1), "uint8")])
            code, message = self.code(client.sample, 1, labels=NUM_CLASSES)
            self.assertEqual(code, "INVALID_ARGUMENT")
            self.assertIn("label: use whole numbers from 0 to 2", message)
        for client in self.both("styles"):
            with self.assertRaisesRegex(ValueError, "labels=1: the model 'styles' has no classes"):
                client.sample(1, labels=1)
            with self.assertRaisesRegex(ValueError, "text: the model 'styles' takes no text"):
                client.sample(1, text=[0.0])

    def test_a_text_is_that_of_generate(self):
        gan, folder = texts(), pathlib.Path(self.create_tempdir().full_path)
        export_version(gan, folder / "texts")
        expected = pixels(gan.generate(2, seed=3, text=["a thick one", "thin"]))
        with served(folder) as own:  # its requests to warm up have been answered
            for address in (f"127.0.0.1:{own.port}", own.url):
                client = self.client(address, "texts")
                images = client.sample(2, seed=3, text=["A THICK one, or 11", "thin;Ones"])
                self.assertLessEqual(differences(images, expected), 1)
                self.assertAllEqual(client.sample(1, seed=3, text="one thick"), images[:1])
                latent = {"latent": np.ones((2, 4), "float32"), "text": np.array(["thin", "é"])}
                drawn = client.predict(latent)["images"]
                bags = np.float32([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
                self.assertAllClose(
                    drawn, gan.generate_from(latent["latent"], labels=bags), atol=1e-5
                )
                for text in (None, ["one"], 3, [0.0, 1.0, 1.0]):
                    with self.assertRaisesRegex(
                        ValueError, "give the model 'texts' a text, or 2 of them"
                    ):
                        client.sample(2, text=text)

    @pytest.mark.slow
    def test_the_embedding_of_a_text(self):
        client = self.client(server().url, "texts")
        takes = {
            "seed": {"shape": [None], "dtype": "int64"},
            "text": {"shape": [None, 3], "dtype": "float32"},
        }
        client._signatures = {"sample": {"inputs": takes}}
        images = {"image_bytes": [encoded(np.zeros((8, 8, 1), "uint8"))] * 2}
        with mock.patch.object(client, "predict", return_value=images) as predict:
            client.sample(2, text=[0.0, 1.0, 2.0])
            self.assertAllEqual(predict.call_args[0][0]["text"], [[0.0, 1.0, 2.0]] * 2)
            for text in (None, "a one", [0.0], np.zeros((3, 3))):
                with self.assertRaisesRegex(ValueError, "an embedding of 3 numbers, or 2 of them"):
                    client.sample(2, text=text)

    def test_wrong_arguments_of_the_client(self):
        for arguments, message in (
            ({"version": 1, "label": "stable"}, "version=1 and label='stable'; give one"),
            ({"chunk": 0}, "chunk=0"),
            ({"retries": -1}, "retries=-1"),
            ({"timeout": 0}, "timeout=0"),
        ):
            for address in ("localhost:8500", "http://localhost:8501"):
                with self.assertRaisesRegex(ValueError, message):
                    Client(address, **arguments)


class TranslateTest(ClientTestCase):
    def test_arrays_of_different_sizes_and_files(self):
        random = np.random.default_rng(0)
        images = [
            random.integers(0, 256, (height, width, 1), dtype="uint8")
            for height, width in ((16, 16), (20, 37), (48, 17))
        ]
        answers = [
            client.translate(given)
            for client in self.both("colours", chunk=2)
            for given in (images, [encoded(image) for image in images])
        ]
        for answer in answers:
            self.assertEqual([a.shape for a in answer], [(*i.shape[:2], 3) for i in images])
            self.assertEqual({a.dtype for a in answer}, {np.dtype("uint8")})
            for one, other in zip(answer, answers[0], strict=True):
                self.assertLessEqual(differences(one, other), 1)
        expected = zoo().colours.translate(images[0][None] / np.float32(127.5) - 1.0, seed=0)
        self.assertLessEqual(differences(answers[0][0][None], pixels(expected)), 1)

    def test_other_things(self):
        for client in self.both("colours"):
            self.assertEqual(client.translate([]), [])
            for image in (np.zeros((8, 8)), np.zeros((8, 8, 1)), np.zeros((8, 8, 2), "uint8"), "a"):
                with self.assertRaisesRegex(ValueError, "use uint8 .*, or a PNG or JPEG file"):
                    client.translate([image])
            code, message = self.code(client.translate, [b"no picture"])
            self.assertEqual((code, message == ""), ("INVALID_ARGUMENT", False))
            with self.assertRaisesRegex(ValueError, "no signature 'translate_to_B'"):
                client.translate([np.zeros((16, 16, 1), "uint8")], to="B")
            with self.assertRaisesRegex(ValueError, "no signature 'sample'"):
                client.sample(1)


class SameTest(ClientTestCase):
    def test_metadata_and_status_are_the_same_by_both(self):
        for model in ("classes", "styles", "colours"):
            by_grpc, by_rest = self.both(model)
            self.assertEqual(by_grpc.metadata(), by_rest.metadata())
            self.assertEqual(by_grpc.status(), by_rest.status())
            self.assertEqual(by_rest.status(), [{"version": 1, "state": "AVAILABLE", "error": ""}])
        signatures = self.both()[1].metadata()["signatures"]
        self.assertEqual(
            signatures["sample"],
            {
                "inputs": {
                    "seed": {"dtype": "int64", "shape": [None]},
                    "label": {"dtype": "int32", "shape": [None]},
                },
                "outputs": {"image_bytes": {"dtype": "string", "shape": [None]}},
            },
        )

    def test_arrays_are_the_same_by_both(self):
        latent = np.random.default_rng(0).normal(size=(5, 2)).astype("float32")
        by_grpc, by_rest = (
            client.predict({"latent": latent})["images"] for client in self.both("styles", chunk=2)
        )
        self.assertEqual((by_grpc.dtype, by_rest.dtype), (np.float32, np.float32))
        self.assertAllClose(by_grpc, by_rest, atol=1e-6)
        self.assertAllClose(by_grpc, zoo().styles.generate_from(latent), atol=1e-4)
        for client in self.both(chunk=4):
            inputs = {"latent": np.zeros((5, 4), "float32"), "label": np.zeros(4, "int32")}
            with self.assertRaisesRegex(ValueError, "number of examples, .*5.*4"):
                client.predict(inputs)
            with self.assertRaisesRegex(ValueError, "no signature 'x'; it has sample, serving_def"):
                client.predict(inputs, "x")

    def test_versions_labels_and_names(self):
        for arguments in ({"version": 1}, {"label": "stable"}, {"label": "canary"}):
            for client in self.both(**arguments):
                self.assertEqual(client.sample(1, labels=0).shape, (1, SIZE, SIZE, 1))
                self.assertEqual(client.status()[0]["version"], 1)
        for model, arguments, message in (
            ("classes", {"version": 2}, "no version 2"),
            ("classes", {"label": "best"}, "no label 'best'"),
            ("nothing", {}, "no model 'nothing'"),
            ("a name?", {}, "no model 'a name[?]'"),
            ("default", {}, "no model 'default'"),
        ):
            for client in self.both(model, **arguments):
                for ask in (client.metadata, client.status):
                    code, found = self.code(ask)
                    self.assertEqual(code, "NOT_FOUND")
                    self.assertRegex(found, message)

    def test_what_the_server_refuses_has_the_same_code_by_both(self):
        large = np.random.default_rng(0).bytes(17 * 2**20)
        for client in self.both("colours"):
            self.assertEqual(self.code(client.translate, [large])[0], "RESOURCE_EXHAUSTED")

    def test_what_is_too_much_for_the_server_is_asked_for_in_halves(self):
        first, second = (client.sample(33, labels=1) for client in self.both(chunk=100))
        self.assertAllEqual(first, second)
        (third,) = {client.sample(33, labels=1).tobytes() for client in self.both(chunk=32)}
        self.assertEqual(third, first.tobytes())

    def test_it_is_a_context_manager(self):
        for address in (f"127.0.0.1:{server().port}", server().url):
            with Client(address, "classes") as client:
                self.assertEqual(client.metadata()["version"], 1)


METADATA = {
    "model_spec": {"name": "m", "signature_name": "", "version": "7"},
    "metadata": {"signature_def": {"signature_def": {}}},
}


class StubRest:
    """A server that answers with what it is given, then with the metadata of a small model."""

    def __init__(self, *answers, body=None, wait=None):
        self.answers = list(answers)
        self.requests = []
        self.wait = wait
        self.body = json.dumps(METADATA).encode() if body is None else body
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                stub.requests.append(self.path)
                if stub.wait is not None:
                    stub.wait.wait(TIMEOUT)
                status = stub.answers.pop(0) if stub.answers else 200
                if status is None:
                    return  # closes the connection
                body = stub.body if status == 200 else b'{"error": "because"}'
                self.send_response(status)
                self.end_headers()
                with contextlib.suppress(ConnectionError):
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        if self.wait is not None:
            self.wait.set()
        self.server.shutdown()
        self.server.server_close()


class StubGrpc(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Refuses metadata with these codes, then has them."""

    def __init__(self, *codes, wait=None):
        self.codes = list(codes)
        self.requests = []
        self.wait = wait

    def GetModelMetadata(self, request, context):  # noqa: N802
        from tensorflow_serving.apis import get_model_metadata_pb2

        self.requests.append(request)
        if self.wait is not None:
            self.wait.wait(TIMEOUT)
        if self.codes:
            context.abort(self.codes.pop(0), "because")
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        answer.model_spec.version.value = 7
        answer.metadata["signature_def"].Pack(get_model_metadata_pb2.SignatureDefMap())
        return answer

    @contextlib.contextmanager
    def served(self, port=0):
        server = grpc.server(futures.ThreadPoolExecutor(2), options=[("grpc.so_reuseport", 0)])
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(self, server)
        port = server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            if self.wait is not None:
                self.wait.set()
            server.stop(None).wait()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


class RetryTest(ClientTestCase):
    def setUp(self):
        super().setUp()
        self.pauses = []
        real = clients.time.sleep

        def sleep(seconds):
            self.pauses.append(seconds)
            real(seconds / 20)

        self.enter_context(mock.patch.object(clients.time, "sleep", sleep))

    def test_an_unavailable_server_is_asked_again_after_longer_and_longer_pauses(self):
        with StubRest(503, 503, 503, 503, 503, 503) as stub:
            self.assertEqual(self.client(stub.url).metadata()["version"], 7)
            self.assertLen(stub.requests, 7)
        of_rest, self.pauses = self.pauses, []
        stub = StubGrpc(*[grpc.StatusCode.UNAVAILABLE] * 6)
        with stub.served() as address:
            self.assertEqual(self.client(address).metadata()["version"], 7)
            self.assertLen(stub.requests, 7)
        for pauses in (of_rest, self.pauses):
            for pause, longest in zip(pauses, (0.1, 0.2, 0.4, 0.8, 1.6, 2.0), strict=True):
                self.assertBetween(pause, longest / 2, longest)

    def test_tries_end(self):
        with StubRest(503, 503, 503) as stub:
            code, message = self.code(self.client(stub.url, retries=2).metadata)
            self.assertEqual((code, message), ("UNAVAILABLE", "because (HTTP 503)"))
            self.assertLen(stub.requests, 3)
        stub = StubGrpc(*[grpc.StatusCode.UNAVAILABLE] * 3)
        with stub.served() as address:
            code, message = self.code(self.client(address, retries=2).metadata)
            self.assertEqual((code, message), ("UNAVAILABLE", "because"))
            self.assertLen(stub.requests, 3)

    def test_other_errors_are_not_tried_again(self):
        for status, code in (
            (400, "INVALID_ARGUMENT"),
            (403, "PERMISSION_DENIED"),
            (404, "NOT_FOUND"),
            (405, "INVALID_ARGUMENT"),
            (413, "RESOURCE_EXHAUSTED"),
            (429, "RESOURCE_EXHAUSTED"),
            (500, "INTERNAL"),
            (502, "INTERNAL"),
            (504, "DEADLINE_EXCEEDED"),
        ):
            with StubRest(status) as stub:
                found = self.code(self.client(stub.url).metadata)
                self.assertEqual(found, (code, f"because (HTTP {status})"))
                self.assertLen(stub.requests, 1)
        for code in ("INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED", "INTERNAL", "UNKNOWN"):
            stub = StubGrpc(grpc.StatusCode[code])
            with stub.served() as address:
                self.assertEqual(self.code(self.client(address).metadata), (code, "because"))
                self.assertLen(stub.requests, 1)
        self.assertEqual(self.pauses, [])

    def test_a_connection_that_breaks_is_made_again(self):
        with StubRest(None, 200) as stub:
            self.assertEqual(self.client(stub.url).metadata()["version"], 7)
            self.assertLen(stub.requests, 2)

    def test_a_timeout_is_an_error_of_its_own_and_not_tried_again(self):
        stub = StubGrpc(wait=threading.Event())
        with StubRest(wait=threading.Event()) as rest, stub.served() as address:
            for where in (rest.url, address):
                code, message = self.code(self.client(where, timeout=0.2).metadata)
                self.assertEqual(code, "DEADLINE_EXCEEDED")
                self.assertNotEmpty(message)
            self.assertLen(rest.requests, 1)
            self.assertLen(stub.requests, 1)

    def test_what_is_no_json_is_told(self):
        for body, message in (
            (b"<html>A proxy", "the answer is not JSON, but '<html>A proxy' .HTTP 200."),
            (b"[1, 2]", r"\[1, 2\] .HTTP 200."),
            (b'{"error": "odd"}', "odd"),
            (b"", "not JSON"),
        ):
            with StubRest(body=body) as stub:
                code, found = self.code(self.client(stub.url).metadata)
                self.assertEqual(code, "INTERNAL")
                self.assertRegex(found, message)


class LateServerTest(ClientTestCase):
    def test_nothing_answers(self):
        port = free_port()
        for address in (f"127.0.0.1:{port}", f"http://127.0.0.1:{port}"):
            code, message = self.code(self.client(address, retries=1).metadata)
            self.assertEqual(code, "UNAVAILABLE")
            self.assertIn(str(port), message)

    def test_a_server_that_comes_up_late_is_waited_for(self):
        stub = StubGrpc()
        client = self.client(f"127.0.0.1:{(port := free_port())}")
        with futures.ThreadPoolExecutor(1) as pool, contextlib.ExitStack() as later:
            asked = pool.submit(client.metadata)
            threading.Event().wait(0.4)
            self.assertFalse(asked.done())
            later.enter_context(stub.served(port))
            self.assertEqual(asked.result(TIMEOUT)["version"], 7)

    def test_an_address_that_cannot_be_one(self):
        for address in ("http://", "http://[::1", "grpc://localhost:8500"):
            with self.assertRaises(ValueError):
                self.client(address).metadata()


class ImportTest(tf.test.TestCase):
    def test_by_rest_neither_keras_nor_tensorflow_is_needed(self):
        code = textwrap.dedent("""
            import sys
            class Without:
                def __init__(self, finder):
                    self.finder = finder
                def find_spec(self, name, path=None, target=None):
                    if name.split(".")[0] not in ("keras", "tensorflow", "grpc"):
                        return self.finder.find_spec(name, path, target)
            sys.meta_path = [Without(finder) for finder in sys.meta_path]
            import kerasgan
            client = kerasgan.serving.Client(sys.argv[1], "classes", timeout=20)
            print(client.sample(3, seed=4, labels=1).tolist())
            client = kerasgan.serving.Client(sys.argv[1], "colours", timeout=20)
            print(client.translate([__import__("numpy").zeros((16, 16, 1), "uint8")])[0].shape)
            loaded = {name.split(".")[0] for name in sys.modules}
            assert not loaded & {"keras", "tensorflow", "grpc", "jax", "torch"}, loaded
        """)
        done = subprocess.run(
            [sys.executable, "-c", code, server().url], capture_output=True, text=True, check=False
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        images, shape = done.stdout.splitlines()
        expected = pixels(zoo().classes.generate(3, seed=4, labels=1))
        self.assertLessEqual(differences(json.loads(images), expected), 1)
        self.assertEqual(shape, "(16, 16, 3)")

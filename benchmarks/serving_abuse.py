"""What hostile clients make of the local server.

    python benchmarks/serving_abuse.py [--folder savedmodels]

Starts `kerasgan serve` with the models `digits` and `inpaint`, attacks it in one way after the
other, and prints for each how a client with an honest request fares meanwhile and afterwards, by
gRPC and by REST: the longest time of its answers, and by how much the server's memory grew at most.
Ends with 1 if an honest request is refused or takes longer than `--seconds`, if the memory grows by
more than `--mebibytes`, or if an attack is answered with a server's error.
"""

import argparse
import base64
import contextlib
import io
import json
import pathlib
import socket
import sys
import threading
import time
import urllib.parse

import grpc
import numpy as np
import requests
import tensorflow as tf
from PIL import Image
from serving import served
from tensorflow_serving.apis import predict_pb2

from kerasgan.serving import Client, ServingError

SLOW = 600  # connections
HEAD = b"POST /v1/models/digits:predict HTTP/1.1\r\nHost: localhost\r\n"
REFUSALS = {"INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED", "UNIMPLEMENTED"}


class Target:
    """The server's addresses, and ways to ask that no honest client has."""

    def __init__(self, addresses):
        self.addresses = addresses
        self.grpc_place = addresses["grpc"].split(":")
        rest = urllib.parse.urlsplit(addresses["rest"])
        self.rest_place = rest.hostname, rest.port
        self.errors = []

    def post(self, body, model="digits"):
        """Sends a body that the server has to refuse."""
        url = f"{self.addresses['rest']}v1/models/{model}:predict"
        answer = requests.post(url, data=body, timeout=300)
        if not 400 <= answer.status_code < 500:
            self.errors.append(f"HTTP {answer.status_code}: {answer.text[:80]}")

    def call(self, body):
        """Sends a message that the server has to refuse."""
        with grpc.insecure_channel(self.addresses["grpc"]) as channel:
            ask = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
            try:
                ask(body, timeout=300)
                self.errors.append("gRPC: an answer")
            except grpc.RpcError as error:
                if error.code().name not in REFUSALS:
                    self.errors.append(f"gRPC {error.code().name}: {error.details()[:80]}")


def message(model, signature, **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for name, tensor in inputs.items():
        request.inputs[name].CopyFrom(tensor)
    return request


def promised(value, size):
    """A tensor of one value that says it has as many as `size`."""
    tensor = tf.make_tensor_proto([value])
    tensor.tensor_shape.dim[0].size = size
    return tensor


def promises(target):
    """An attack returns what does it, so that what it needs is made before time is taken."""
    seeds = promised(np.int64(0), 2**24), promised(np.int32(0), 2**24)
    small = message("digits", "sample", seed=seeds[0], label=seeds[1])
    picture = promised(black(4, 4) + bytes(8 * 2**20), 64)
    large = message("inpaint", "translate", image_bytes=picture)
    messages = [small.SerializeToString(), large.SerializeToString()] * 5
    return lambda: all_of(target.call, messages)


def many_values(target):
    tensor = promised(np.int64(0), 1)
    del tensor.int64_val[:]
    tensor.int64_val.extend([1] * (15 * 2**20))
    many = message("digits", "sample", seed=tensor, label=promised(np.int32(0), 1))
    strings = tf.make_tensor_proto([b""])
    strings.string_val.extend([b""] * (7 * 2**20))
    names = message("digits", "sample")
    for number in range(500_000):
        names.inputs[f"{number:x}"].Clear()
    requests = many, message("inpaint", "translate", image_bytes=strings), names
    messages = [request.SerializeToString() for request in requests] * 5
    return lambda: all_of(target.call, messages)


def garbage(target):
    random = np.random.default_rng(0)
    bodies = [random.bytes(1000) for _ in range(50)]

    def attack():
        all_of(target.call, bodies)
        all_of(target.post, bodies)

    return attack


def json_bombs(target):
    size = 15 * 2**20
    bodies = [
        b'{"inputs": [' + b"[]," * (size // 3) + b"0]}",
        b'{"inputs": [' + b"{}," * (size // 3) + b"0]}",
        b'{"inputs": ' + b"[" * size,
        b'{"inputs": "' + b"\xc3\xa9" * (size // 2) + b'"}',
        b'{"signature_name": "' + b"x" * size + b'", "inputs": 0}',
        b'{"inputs": ["\\ud800"], "signature_name": "translate"}',
        b'{"inputs": {"seed": [NaN], "label": [Infinity]}, "signature_name": "sample"}',
    ]
    return lambda: together(lambda body: target.post(body, "inpaint"), 4 * bodies)


def black(height, width):
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, "PNG")
    return file.getvalue()


def black_pictures(target):
    bodies, messages = [], []
    for pictures in ([black(4096, 4096)], [black(512, 512)] * 64, [black(1, 2**20)]):
        values = [{"b64": base64.b64encode(picture).decode()} for picture in pictures]
        bodies.append(json.dumps({"signature_name": "translate", "inputs": values}))
        files = tf.make_tensor_proto(pictures)
        messages.append(message("inpaint", "translate", image_bytes=files).SerializeToString())

    def attack():
        all_of(lambda body: target.post(body, "inpaint"), bodies)
        all_of(target.call, messages)

    return attack


@contextlib.contextmanager
def slow_connections(place, beginning, drip):
    """Connections that say something, and then now and then a byte."""
    with contextlib.ExitStack() as stack:
        sockets = []
        for _ in range(SLOW):
            slow = stack.enter_context(socket.create_connection(place, 60))
            slow.sendall(beginning)
            sockets.append(slow)
        ended = threading.Event()

        def work():
            while drip and not ended.wait(1.0):
                for slow in sockets:
                    with contextlib.suppress(OSError):
                        slow.sendall(drip)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


@contextlib.contextmanager
def slow_streams(target):
    """Calls of gRPC that begin and bring no message, on a few connections."""
    ended = threading.Event()
    with contextlib.ExitStack() as stack:
        stack.callback(ended.set)
        for _ in range(10):
            channel = stack.enter_context(grpc.insecure_channel(target.addresses["grpc"]))
            ask = channel.stream_unary("/tensorflow.serving.PredictionService/Predict", bytes)
            for _ in range(SLOW // 10):
                stack.callback(ask.future(iter(lambda: ended.wait(600) and None, None)).cancel)
        yield


def all_of(function, values):
    for value in values:
        function(value)


def together(function, values):
    threads = [threading.Thread(target=function, args=(value,)) for value in values]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Honest:
    """A client that asks for a digit again and again, by gRPC and by REST."""

    def __init__(self, addresses):
        self.addresses = addresses
        self.longest, self.failed, self.answers = 0.0, [], 0
        self._ended = threading.Event()

    def work(self, address):
        # A connection a request, for that is what may not be had.
        while not self._ended.is_set():
            begin = time.perf_counter()
            try:
                with Client(address, "digits", timeout=60, retries=0) as client:
                    client.sample(1, labels=3)
                self.answers += 1
            except ServingError as error:
                self.failed.append(str(error)[:100])
            self.longest = max(self.longest, time.perf_counter() - begin)
            self._ended.wait(0.1)

    def __enter__(self):
        self._threads = [
            threading.Thread(target=self.work, args=(address,))
            for address in self.addresses.values()
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self._ended.set()
        for thread in self._threads:
            thread.join()


class Memory:
    """The most that a process has while something is done."""

    def __init__(self, process):
        self.process, self.most = process, process.memory_info().rss
        self._ended = threading.Event()

    def work(self):
        while not self._ended.wait(0.01):
            self.most = max(self.most, self.process.memory_info().rss)

    def __enter__(self):
        self.before = self.most
        self._thread = threading.Thread(target=self.work)
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._ended.set()
        self._thread.join()


def held(context):
    """An attack that lasts for five seconds."""

    def attack(target):
        def hold():
            with context(target):
                time.sleep(5.0)

        return hold

    return attack


ATTACKS = {
    "nothing": held(contextlib.nullcontext),
    "16 million seeds in 64 bytes; 8 MiB, 64 times": promises,
    "millions of values and of names": many_values,
    "random bytes": garbage,
    "JSON: deep, long, of many parts, 28 at a time": json_bombs,
    "black pictures of 16 megapixels": black_pictures,
    f"{SLOW} heads by REST, never ended": held(
        lambda target: slow_connections(target.rest_place, HEAD, b"")
    ),
    f"{SLOW} bodies by REST, a byte a second": held(
        lambda target: slow_connections(
            target.rest_place, HEAD + b"Content-Length: 9999\r\n\r\n{", b" "
        )
    ),
    f"{SLOW} connections to gRPC that say nothing": held(
        lambda target: slow_connections(target.grpc_place, b"", b"")
    ),
    f"{SLOW} calls of gRPC without a message": held(slow_streams),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("savedmodels"))
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--mebibytes", type=float, default=1024.0)
    arguments = parser.parse_args()
    broken = False
    print(f"{'attack':50}  answers  longest s  + MiB")
    with served(arguments.folder) as (process, addresses):
        for name, attack in ATTACKS.items():
            target = Target(addresses)
            prepared = attack(target)
            with Memory(process) as memory, Honest(addresses) as honest:
                prepared()
            grown = (memory.most - memory.before) / 2**20
            print(f"{name:50}  {honest.answers:7}  {honest.longest:9.2f}  {grown:5.0f}", flush=True)
            for problem in sorted({*honest.failed, *target.errors}):
                print(f"    {problem}")
            broken |= bool(honest.failed or target.errors or not honest.answers)
            broken |= honest.longest > arguments.seconds or grown > arguments.mebibytes
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())

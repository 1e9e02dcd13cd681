"""What the local server makes of many clients, and what it costs.

    python benchmarks/serving.py [--model savedmodels/digits] [--seconds 60] [--clients 1,8,64,64]
        [--protocol grpc]

Prints, for each number of clients that ask for an image at a time and ask again as soon as it is
there: images a second, the 50th, 95th and 99th percentile of an answer's time, failed requests, and
the server's memory before and after. Then two ratios: images a second of 64 clients with requests
computed together over those computed one by one, each on a server of its own, in turn; and the time
of one request over that of calling the SavedModel in this process, for one image and for 32.

Client and server share the machine, as they do with `kerasgan serve`. TensorFlow Serving itself is
measured with the same clients: start it and give `--address`.
"""

import argparse
import contextlib
import os
import pathlib
import re
import statistics
import subprocess
import sys
import threading
import time

import kerasgan  # noqa: F401  (before TensorFlow, which then uses oneDNN)

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import psutil
import requests
import tensorflow as tf

from kerasgan.serving import Client, ServingError


@contextlib.contextmanager
def served(folder, *options):
    """A server in a process of its own: its process and its addresses by protocol."""
    command = [sys.executable, "-m", "kerasgan", "serve", str(folder), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--rest-port", "0", *options], stdout=subprocess.PIPE, text=True
    )
    try:
        text = ""
        while "gallery" not in text:
            line = process.stdout.readline()
            if not line:
                raise SystemExit("the server did not start")
            text += line
        grpc, rest = re.search(r"gRPC at (\S+), REST and a gallery at (\S+);", text).groups()
        while requests.get(f"{rest}gallery.json", timeout=60).json()["loading"]:
            time.sleep(0.1)
        yield psutil.Process(process.pid), {"grpc": grpc, "rest": rest}
    finally:
        process.terminate()
        process.wait()


def inputs_for(definition, numbers):
    """Inputs of the `sample` signature for images of these numbers."""
    examples = {
        "seed": np.asarray(numbers, "int64"),
        "label": np.zeros(len(numbers), "int32"),
        "truncation": np.full(len(numbers), -1.0, "float32"),
    }
    return {name: examples[name] for name in definition["inputs"]}


def load(address, model, clients, seconds):
    """Times in seconds of the answered requests, and how many failed."""
    times, failed, threads = [], [], []
    end = time.perf_counter() + seconds

    def work(index):
        with Client(address, model, retries=0) as client:
            definition = client.metadata()["signatures"]["sample"]
            number = index * 10**6
            while time.perf_counter() < end:
                begin = time.perf_counter()
                try:
                    client.predict(inputs_for(definition, [number]), "sample")
                    times.append(time.perf_counter() - begin)
                except ServingError as error:
                    failed.append(str(error))
                number += 1

    for index in range(clients):
        threads.append(threading.Thread(target=work, args=(index,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    return times, failed


def one_request(client, images, rounds):
    """The median time of a request for so many images, in seconds."""
    definition = client.metadata()["signatures"]["sample"]
    return median_time(
        lambda i: client.predict(inputs_for(definition, range(i, i + images)), "sample"), rounds
    )


def one_call(path, definition, images, rounds):
    """The median time of calling the SavedModel for so many images, in seconds."""
    loaded = tf.saved_model.load(str(path))
    sample = loaded.signatures["sample"]

    def call(i):
        inputs = inputs_for(definition, range(i, i + images))
        sample(**{n: tf.constant(a) for n, a in inputs.items()})["image_bytes"].numpy()

    return median_time(call, rounds)


def median_time(call, rounds):
    times = []
    for i in range(rounds + 5):
        begin = time.perf_counter()
        call(i)
        times.append(time.perf_counter() - begin)
    return statistics.median(times[5:])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=pathlib.Path, default=pathlib.Path("savedmodels/digits"))
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--clients", default="1,8,64,64")
    parser.add_argument("--protocol", choices=("grpc", "rest"), default="grpc")
    parser.add_argument("--rounds", type=int, default=5, help="of the ratios")
    parser.add_argument("--address", help="of a server that runs already; no ratios then")
    arguments = parser.parse_args()
    name = arguments.model.resolve().name
    print("clients  images/s  p50 ms  p95 ms  p99 ms  failed  memory MiB before, after")
    with contextlib.ExitStack() as stack:
        if arguments.address:
            process, address = psutil.Process(), arguments.address
        else:
            process, addresses = stack.enter_context(served(arguments.model))
            address = addresses[arguments.protocol]
        load(address, name, 8, 5.0)  # what is allocated once
        for clients in map(int, arguments.clients.split(",")):
            before = process.memory_info().rss / 2**20
            times, failed = load(address, name, clients, arguments.seconds)
            after = process.memory_info().rss / 2**20
            p50, p95, p99 = 1000 * np.percentile(times, [50, 95, 99])
            print(
                f"{clients:7}  {len(times) / arguments.seconds:8.0f}  {p50:6.1f}  {p95:6.1f}  "
                f"{p99:6.1f}  {len(failed):6}  {before:.0f}, {after:.0f}",
                flush=True,
            )
            for error in sorted(set(failed))[:3]:
                print(f"         {error}")
    if arguments.address:
        return

    together, alone = [], []
    with (
        served(arguments.model) as (_, many),
        served(arguments.model, "--max-batch", "1") as (
            _,
            one,
        ),
    ):
        for _ in range(arguments.rounds):
            for address, counts in ((many, together), (one, alone)):
                times, _ = load(address[arguments.protocol], name, 64, 5.0)
                counts.append(len(times) / 5.0)
        ratios = sorted(a / b for a, b in zip(together, alone, strict=True))
        print(
            f"64 clients, together / one by one: {statistics.median(together):.0f} / "
            f"{statistics.median(alone):.0f} images/s = {statistics.median(ratios):.2f} "
            f"[{ratios[0]:.2f}-{ratios[-1]:.2f}]"
        )
        (version,) = (p for p in arguments.model.glob("*/") if (p / "saved_model.pb").exists())
        with Client(many[arguments.protocol], name) as client:
            definition = client.metadata()["signatures"]["sample"]
            for images in (1, 32):
                pairs = [
                    (
                        1000 * one_request(client, images, 100),
                        1000 * one_call(version, definition, images, 100),
                    )
                    for _ in range(arguments.rounds)
                ]
                ratios = sorted(a / b for a, b in pairs)
                asked, called = (statistics.median(times) for times in zip(*pairs, strict=True))
                print(
                    f"{images} images, request / call of the SavedModel: {asked:.1f} / "
                    f"{called:.1f} ms = {statistics.median(ratios):.2f} "
                    f"[{ratios[0]:.2f}-{ratios[-1]:.2f}]"
                )


if __name__ == "__main__":
    main()

"""What training on several machines costs: time a step, bytes a step, and a model of the rest.

    python benchmarks/scaling.py [--model dcgan] [--processes 1 2 4] [--set KEY=VALUE ...]

Each process is a worker of a `tf.distribute.MultiWorkerMirroredStrategy` over loopback, with one
thread for its operations and a batch of its own, so that on enough cores the time a step would stay
the same. The bytes are those that the loopback interface counted, over the steps: all workers
together, protocol included. Beside them stands what the algorithm has to move: a ring sends
2 (n - 1) / n times the gradients, and as often the sums of synchronized batch norm, from each
of n workers. From that and the time of a step alone follows the bandwidth a worker at which
waiting for the network would take a tenth of the step; `--step-seconds` gives the time of a step
on another device.
"""

import argparse
import ast
import json
import os
import pathlib
import socket
import subprocess
import sys
import time

import kerasgan

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

BATCH_SIZE, STEPS, EPOCHS = 64, 5, 3


def reduced_bytes(gan):
    """Bytes that one step reduces over the workers, by what they are."""
    import keras

    from kerasgan.training.optimizers import all_layers

    rounds = {"discriminator": gan.discriminator_steps}
    gradients = {
        player: 4 * rounds.get(player, 1) * sum(v.value.shape.num_elements() for v in variables)
        for player, variables in ((p, gan.part_variables(p)) for p in gan.players)
    }
    # The discriminator runs on real, fake, and fake again; the generator once a round. A batch
    # norm reduces three sums of its size forward (of x, x^2 and 1) and two backward.
    runs = {"discriminator": 2 * gan.discriminator_steps + 1, "generator": gan.discriminator_steps}
    norm = sum(
        4 * 5 * runs.get(player, 1) * layer.moving_mean.shape[0]
        for player, networks in gan.players.items()
        for layer in all_layers(networks)
        if isinstance(layer, keras.layers.BatchNormalization)
    )
    return {**gradients, "batch norm": norm}


def loopback_bytes():
    """Bytes sent over the loopback interface since the machine started."""
    return int(pathlib.Path("/sys/class/net/lo/statistics/tx_bytes").read_text())


def work(name, settings):
    """One worker: prints the seconds and loopback bytes of a step."""
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    from kerasgan.models import registry

    entry = next(entry for entry in registry.entries() if entry.name == name)
    several = "TF_CONFIG" in os.environ
    strategy = (
        tf.distribute.MultiWorkerMirroredStrategy() if several else tf.distribute.get_strategy()
    )
    workers = strategy.num_replicas_in_sync
    with strategy.scope():
        gan = getattr(kerasgan, entry.class_name)(**settings)
        gan.compile(steps_per_execution=1)
    shape = (STEPS * BATCH_SIZE * workers, *gan.image_shape)
    images = np.random.default_rng(0).uniform(-1, 1, shape).astype("float32")
    data = kerasgan.data.from_array(images, batch_size=BATCH_SIZE * workers)
    gan.fit(data, epochs=1, verbose=0)
    sent, begin = loopback_bytes(), time.perf_counter()
    gan.fit(data, epochs=EPOCHS, verbose=0)
    result = {
        "seconds": (time.perf_counter() - begin) / (EPOCHS * STEPS),
        "loopback": (loopback_bytes() - sent) / (EPOCHS * STEPS),
        "reduced": reduced_bytes(gan),
    }
    if gan.is_chief:
        print(json.dumps(result))


def run(processes, name, settings):
    """Starts the workers and returns what the chief measured."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(processes)]
    addresses = [f"localhost:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    started = []
    for index in range(processes):
        task = {"type": "worker", "index": index}
        config = json.dumps({"cluster": {"worker": addresses}, "task": task})
        command = [sys.executable, __file__, "--work", "--model", name, "--set"]
        command += [f"{key}={value!r}" for key, value in settings.items()]
        environment = {**os.environ, "TF_CONFIG": config} if processes > 1 else None
        started.append(
            subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        )
    outputs = [process.communicate() for process in started]
    if any(process.returncode for process in started):
        sys.exit("\n".join(error[-2000:] for _, error in outputs))
    return json.loads(outputs[0][0].splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="dcgan")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--set", nargs="*", default=["image_shape=(28, 28, 1)"])
    parser.add_argument("--step-seconds", type=float)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    pairs = (pair.split("=", 1) for pair in arguments.set)
    settings = {key: ast.literal_eval(value) for key, value in pairs}
    if arguments.work:
        work(arguments.model, settings)
        return
    print(f"{arguments.model} {settings}, {BATCH_SIZE} images a step and worker")
    alone = arguments.step_seconds
    for processes in arguments.processes:
        measured = run(processes, arguments.model, settings)
        total = sum(measured["reduced"].values())
        sent = 2 * (processes - 1) / processes * total
        alone = alone or measured["seconds"]
        print(
            f"  {processes} processes: {measured['seconds'] * 1e3:7.1f} ms a step; "
            f"{measured['loopback'] / 1e6:7.2f} MB over loopback, "
            f"{processes * sent / 1e6:.2f} MB by the ring",
            flush=True,
        )
    parts = ", ".join(f"{name} {size / 1e6:.2f} MB" for name, size in measured["reduced"].items())
    print(f"  reduced a step: {parts}")
    print(f"  a step alone: {alone * 1e3:.1f} ms; the network takes a tenth of it")
    for workers in (2, 4, 8, 64):
        bandwidth = 2 * (workers - 1) / workers * total / (0.1 * alone)
        print(f"    with {workers:2} workers at {bandwidth * 8 / 1e9:.3f} Gbit/s a worker")


if __name__ == "__main__":
    main()

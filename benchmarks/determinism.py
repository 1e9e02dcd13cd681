"""Whether equal trainings end equal on a busy machine, and what TensorFlow's settings cost.

    python benchmarks/determinism.py equal [--model NAME ...] [--setting NAME ...]
        [--runs 20] [--processes 4] [--epochs 3]
    python benchmarks/determinism.py sums [--model NAME ...] [--setting NAME ...]
    python benchmarks/determinism.py speed [--model NAME ...] [--setting NAME ...] [--rounds 5]

`equal` trains a small version of each model of the zoo so many times, from the same weights, seeds
and data, in so many processes at a time, and compares all weights, optimizers and random states bit
by bit after every epoch. More processes than cores disturb each other, which is the point. A
process makes its model once and trains it several times. Where trainings differ, it says from which
epoch on and in which arrays, and exits with 1. Models that grow do so. Under JAX and PyTorch
(`KERAS_BACKEND`) say `--setting as-it-is`.

`sums` counts, in the graph of a training step as TensorFlow executes it, the sums of more than two
tensors, whose order TensorFlow leaves to the moment; it exits with 1 if there are any.

`speed` gives each setting a process of its own. After a warm-up they take turns; a turn is an
epoch, and its figure the CPU time of the process over the images seen. The ratios are to the first
setting. Without `--model` it takes networks of several sizes, else the small versions of `equal`.

The settings: `onednn` and `plain` are TF_ENABLE_ONEDNN_OPTS=1 and 0. After a `+`: `determinism`
switches on `tf.config.experimental.enable_op_determinism`, `any-order` leaves sums to TensorFlow
(see `kerasgan.backend.tensorflow.add_in_order`).
"""

import argparse
import contextlib
import hashlib
import importlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from kerasgan import onednn
from kerasgan.models import registry

# Small, but with work for several threads.
SMALL = {
    "image_shape": (16, 16, 3),
    "latent_dim": 64,
    "base_width": 16,
    "max_width": 64,
    "residual_blocks": 2,
    "receptive_field": 16,
    "features": None,
    "ema_decay": 0.99,
    "seed": 1,
}
# For `speed`: a model, its arguments, how many images an epoch has and a batch.
SIZES = {
    "vanilla_gan, points": ("vanilla_gan", {"image_shape": (2,), "latent_dim": 2}, 12800, 64),
    "dcgan 8x8x1, width 4": ("dcgan", {"image_shape": (8, 8, 1), "base_width": 4}, 2560, 64),
    "dcgan 16x16x1, width 16": ("dcgan", {"image_shape": (16, 16, 1), "base_width": 16}, 1280, 64),
    "dcgan 28x28x1, width 64": ("dcgan", {"image_shape": (28, 28, 1), "base_width": 64}, 256, 64),
    "dcgan 32x32x3, width 64": ("dcgan", {"image_shape": (32, 32, 3), "base_width": 64}, 192, 64),
    "wgan_gp 32x32x3, width 64": (
        "wgan_gp",
        {"image_shape": (32, 32, 3), "base_width": 64},
        320,
        320,
    ),
    "r3_gan 16x16x3, width 16": (
        "r3_gan",
        {"image_shape": (16, 16, 3), "base_width": 16},
        128,
        64,
    ),
    "progan 16x16x1": ("progan", {"image_shape": (16, 16, 1)}, 320, 32),
    "stylegan 16x16x1": ("stylegan", {"image_shape": (16, 16, 1), "max_width": 64}, 128, 32),
}
BATCH_SIZE = 32
CLASSES = 4


def small(name):
    """The case of a model for `equal`; see `SIZES`."""
    model_class = load(name)
    taken = registry.parameters(model_class)
    arguments = {argument: value for argument, value in SMALL.items() if argument in taken}
    translates = "latent_dim" not in taken
    return name, arguments, *((4, 1) if translates else (8 * BATCH_SIZE, BATCH_SIZE))


def load(name):
    entry = next(entry for entry in registry.entries() if entry.name == name)
    return getattr(importlib.import_module(entry.module), entry.class_name)


def make(name, arguments, count, batch_size):
    """A compiled model, its data, and the callbacks that it is trained with."""
    import keras
    import numpy as np

    import kerasgan
    from kerasgan.callbacks import ProgressiveGrowing, Stage
    from kerasgan.growing.model import GrowingGAN

    keras.utils.set_random_seed(0)
    model_class = load(name)
    if registry.is_conditional(model_class, arguments):
        arguments = {**arguments, "num_classes": CLASSES}
    model = model_class(**arguments)
    model.compile()
    random = np.random.default_rng(0)

    def images(shape):
        return random.uniform(-1, 1, (count, *shape)).astype("float32")

    if hasattr(model, "pair_shapes"):
        import tensorflow as tf

        pairs = tf.data.Dataset.from_tensor_slices(tuple(map(images, model.pair_shapes)))
        return model, pairs.batch(batch_size), []
    real = images(model.real_image_shape)
    labels = None if model.num_classes is None else random.integers(CLASSES, size=count)
    data = kerasgan.data.from_array(real, labels, batch_size=batch_size)
    growing = isinstance(model, GrowingGAN)
    stage = Stage(count // 2, count // 2)  # so that three epochs see three resolutions
    return model, data, [ProgressiveGrowing(stage, verbose=0)] if growing else []


def state(model):
    """A hash of each array that a file of the model would hold, by name."""
    import keras

    found = {f"{index} {w.path}": w for index, w in enumerate(model.weights)}
    found |= model.optimizer.state()
    seeds = [v for v in model.variables if v.name == "seed_generator_state"]
    found |= {f"seed {index}": seed for index, seed in enumerate(seeds)}
    return {
        name: hashlib.md5(keras.ops.convert_to_numpy(value).tobytes()).hexdigest()
        for name, value in found.items()
    }


def train_often(case, epochs, runs):
    """Trains so many times; prints for each run the state after every epoch as JSON."""
    import keras

    model, data, callbacks = make(*case)

    class Note(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            states.append(state(model))

    with tempfile.TemporaryDirectory() as folder:
        start = pathlib.Path(folder) / "start.weights.h5"
        model.save_weights(start)
        for _ in range(runs):
            states = []
            model.load_weights(start)
            model.fit(data, epochs=epochs, callbacks=[*callbacks, Note()], verbose=0)
            print(json.dumps(states), flush=True)


def count_sums(case):
    """Prints how many sums of more than two tensors a training step computes."""
    import tensorflow as tf
    from tensorflow.python.eager import context

    model, data, _ = make(*case)
    model.make_train_function()
    step = tf.function(model.train_step)
    batch = next(iter(data))
    context.enable_run_metadata()
    step(batch)
    graphs = [
        each.post_optimization_graph for each in context.export_run_metadata().function_graphs
    ]
    nodes = [node for graph in graphs for node in graph.node]
    nodes += [n for graph in graphs for f in graph.library.function for n in f.node_def]
    inputs = ([i for i in n.input if not i.startswith("^")] for n in nodes if n.op == "AddN")
    print(sum(len(each) > 2 for each in inputs))


def take_turns(case):
    """Trains for an epoch whenever a line comes in; prints its CPU seconds an image."""
    model, data, _ = make(*case)  # at its full resolution
    images = case[2]
    for _ in range(2):
        model.fit(data, verbose=0)
    print("ready", flush=True)
    for _ in sys.stdin:
        begin = time.process_time()
        model.fit(data, verbose=0)
        print((time.process_time() - begin) / images, flush=True)


def start(setting, do, *arguments, **kwargs):
    """A process of this script in which a setting holds, and what it does."""
    environment = dict(os.environ)
    kernels = setting.split("+")[0]
    if kernels != "as-it-is":
        environment[onednn.VARIABLE] = {"onednn": "1", "plain": "0"}[kernels]
    command = [sys.executable, __file__, "work", setting, do.__name__, *map(json.dumps, arguments)]
    pipes = {"stdout": subprocess.PIPE, "text": True, **kwargs}
    return subprocess.Popen(command, env=environment, **pipes)


def work(setting, do, *arguments):
    """What such a process runs."""
    extras = setting.split("+")[1:]
    if extras:
        import tensorflow as tf

        from kerasgan.backend import tensorflow as seam

        if "determinism" in extras:
            tf.config.experimental.enable_op_determinism()
        if "any-order" in extras:
            seam.add_in_order = lambda: None
    globals()[do](*map(json.loads, arguments))


def sums(models, settings):
    """Prints the number of sums of more than two tensors; returns that of all together."""
    found = 0
    for name in models:
        for setting in settings:
            count = int(start(setting, count_sums, small(name)).communicate()[0])
            print(f"{name}, {setting}: {count} sums of more than two tensors", flush=True)
            found += count
    return found


def equal(models, settings, runs, processes, epochs):
    """Compares trainings; returns how many models and settings had some that differ."""
    at_fault = 0
    for name in models:
        for setting in settings:
            shares = [runs // processes + (i < runs % processes) for i in range(processes)]
            begun = [start(setting, train_often, small(name), epochs, n) for n in shares if n]
            trained = [json.loads(line) for p in begun for line in p.communicate()[0].splitlines()]
            if len(trained) != runs:
                sys.exit(f"{name}, {setting}: {runs - len(trained)} of {runs} runs failed")
            final = [json.dumps(states[-1], sort_keys=True) for states in trained]
            usual = trained[final.index(statistics.mode(final))]
            different = [states for states in trained if states[-1] != usual[-1]]
            at_fault += bool(different)
            print(f"{name}, {setting}: {len(different)} of {runs} differ", flush=True)
            for states in different:
                epoch = next(e for e in range(epochs) if states[e] != usual[e])
                names = [n for n, value in states[epoch].items() if usual[epoch][n] != value]
                shown = ", ".join(names[:3])
                print(f"    in epoch {epoch + 1}: {len(names)} of {len(usual[0])} arrays: {shown}")
    return at_fault


def speed(cases, settings, rounds):
    """Prints CPU time an image under each setting, and the ratios to the first."""
    for title, case in cases.items():
        with contextlib.ExitStack() as stack:
            workers = {}
            for setting in settings:
                worker = stack.enter_context(
                    start(setting, take_turns, case, stdin=subprocess.PIPE)
                )
                stack.callback(worker.stdin.close)
                if worker.stdout.readline().strip() != "ready":
                    sys.exit(f"{title}, {setting}: failed")
                workers[setting] = worker
            seconds = {setting: [] for setting in settings}
            for _ in range(rounds):
                for setting, worker in workers.items():
                    print("go", file=worker.stdin, flush=True)
                    seconds[setting].append(float(worker.stdout.readline()))
        print(title)
        for setting, found in seconds.items():
            ratios = [a / b for a, b in zip(found, seconds[settings[0]], strict=True)]
            print(
                f"  {setting:24} {1e3 * statistics.median(found):8.4f} ms an image, ratio "
                f"{statistics.median(ratios):.2f} [{min(ratios):.2f}-{max(ratios):.2f}]",
                flush=True,
            )


def main():
    if sys.argv[1:2] == ["work"]:
        return work(*sys.argv[2:])
    names = [entry.name for entry in registry.entries()]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("equal", "sums", "speed"))
    parser.add_argument("--model", nargs="+", choices=names)
    parser.add_argument("--setting", nargs="+", default=["onednn", "plain"])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    models = given.model or names
    if given.what == "sums":
        return sums(models, given.setting)
    if given.what == "equal":
        return equal(models, given.setting, given.runs, given.processes, given.epochs)
    cases = {name: small(name) for name in given.model} if given.model else SIZES
    return speed(cases, given.setting, given.rounds)


if __name__ == "__main__":
    sys.exit(bool(main()))

"""Studies whose images say to the test, and to nobody else, what they are."""

import contextlib
import csv
import io
import threading

import numpy as np
from PIL import Image

from kerasgan.hype.study import LARGEST_BODY, Answers, Study, create_app
from kerasgan.serving import web

SIZE = 8


def images(kind, count, channels=1):
    """Noise; the parity of the first pixel is 1 in real images."""
    random = np.random.default_rng(kind == "real")
    pixels = random.integers(0, 128, (count, SIZE, SIZE, channels), dtype="uint8") * 2
    pixels[:, 0, 0, 0] += kind == "real"
    return pixels


def truth_of(png):
    """What an image is, by its first pixel."""
    pixels = np.asarray(Image.open(io.BytesIO(png)))
    return "real" if pixels.flat[0] % 2 else "generated"


def make_study(path, mode="infinity", num=12, count=None, channels=1, seed=0):
    return Study(
        images("real", count or num, channels),
        images("generated", count or num, channels),
        Answers(path, "run", "digits (train)"),
        mode=mode,
        num=num,
        seed=seed,
    )


def read_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@contextlib.contextmanager
def served(study):
    """The URL at which the study is served, on a free port."""
    listening = web.listen("127.0.0.1", 0)
    server = web.make_server(create_app(study), listening, LARGEST_BODY)

    def run():
        with contextlib.suppress(OSError):  # its sockets are closed under it
            server.run()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield web.url_of(listening)
    finally:
        server.close()
        server.task_dispatcher.shutdown()
        thread.join(timeout=5)
        listening.close()

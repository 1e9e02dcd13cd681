"""A page of `kerasgan edit`, served for a test."""

import contextlib
import threading

import keras
import numpy as np
from served_models import roughen

import kerasgan
from kerasgan.control import Directions
from kerasgan.editing.application import LARGEST_BODY, create_app
from kerasgan.serving import web


def styled():
    """A small model with styles, and two directions in w: one of 1.5 and one of 0.5 deviations."""
    keras.utils.set_random_seed(0)
    gan = kerasgan.StyleGAN((8, 8, 1), 2, 2, 4, mapping_layers=2)
    roughen(gan)
    vectors = np.eye(2, gan.latent_dim, dtype="float32")
    deviations, ones = np.array([1.5, 0.5], "float32"), np.ones(2, "float32")
    return gan, Directions(("wide", "<b>tall</b>"), "w", vectors, deviations, ones, "linear")


def classes():
    """A small model of three classes."""
    keras.utils.set_random_seed(0)
    gan = kerasgan.CGAN((8, 8, 1), 3, 4, base_width=4)
    roughen(gan)
    return gan


class Brightness:
    """A CLIP whose space has two axes, how bright an image is, and how dark."""

    def encode_images(self, images):
        bright = (keras.ops.mean(images, axis=(1, 2, 3)) + 1.0) / 2.0
        return keras.ops.stack([bright, 1.0 - bright], axis=1)

    def encode_texts(self, texts):
        return np.array([[1.0, 0.0] if "white" in text else [0.0, 1.0] for text in texts])


def texts():
    """A small model that draws texts of three words; its data said "thick one" first."""
    keras.utils.set_random_seed(0)
    gan = kerasgan.TextGAN((8, 8, 1), None, 4, 4, vocabulary=["thin", "thick", "one"])
    gan.examples.assign(np.tile([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]], (32, 1)))
    roughen(gan)
    return gan


def colours():
    """A small model from gray to colours."""
    keras.utils.set_random_seed(0)
    model = kerasgan.Pix2Pix((16, 16, 3), 1, base_width=4, receptive_field=16)
    roughen(model)
    return model


@contextlib.contextmanager
def served(editor):
    """The URL at which an editor is served, on a free port."""
    listening = web.listen("127.0.0.1", 0)
    server = web.make_server(create_app(editor), listening, LARGEST_BODY)

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

"""Small models as SavedModels, and a server of them, for the tests of serving."""

import atexit
import contextlib
import functools
import io
import pathlib
import shutil
import tempfile
import types

import keras
import numpy as np
from PIL import Image

import kerasgan
from kerasgan.serving import export_version, web
from kerasgan.serving.batching import Limits
from kerasgan.serving.server import Server

NUM_CLASSES = 3
LATENT_DIM = 4
SIZE = 8


@functools.cache
def zoo():
    """Three models in a `folder`, only to be read, and the same models in memory."""
    folder = pathlib.Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    keras.utils.set_random_seed(0)
    models = {
        "classes": kerasgan.CGAN((SIZE, SIZE, 1), NUM_CLASSES, LATENT_DIM, base_width=4),
        "styles": kerasgan.StyleGAN((SIZE, SIZE, 1), 2, 2, 4, mapping_layers=2),
        "colours": kerasgan.Pix2Pix((16, 16, 3), 1, base_width=4, receptive_field=16),
    }
    for name, model in models.items():
        roughen(model)
        export_version(model, folder / name)
    return types.SimpleNamespace(folder=folder, **models)


def roughen(model):
    """Weights that make images of many colours; fresh ones make grey."""
    random = np.random.default_rng(0)
    for variable in model.generator.trainable_variables:
        # StyleGAN's mapping network has weights of 100, which count a hundredth.
        variable.assign(random.normal(0.0, max(0.7, np.std(variable)), variable.shape))
    if getattr(model, "ema_generator", None) is not None:
        model.ema_generator.set_weights(model.generator.get_weights())


def pixels(images):
    """Images in [-1, 1] as a PNG file has them."""
    return np.clip(np.round((np.asarray(images) + 1.0) * 127.5), 0, 255).astype("uint8")


def decoded(file):
    """The pixels of a PNG file."""
    array = np.asarray(Image.open(io.BytesIO(file)))
    return array[..., None] if array.ndim == 2 else array


def encoded(image):
    """A PNG file of pixels."""
    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG")
    return file.getvalue()


def differences(images, others):
    """By how much images differ at most, of which those wanted are not all grey."""
    images, others = np.int64(images), np.int64(others)
    assert images.shape == others.shape, (images.shape, others.shape)
    assert np.ptp(images) > 50, images
    return np.abs(images - others).max()


@contextlib.contextmanager
def served(folder=None, poll_seconds=0.05, **limits):
    """A `Server` of a folder, on free ports."""
    listening = web.listen("127.0.0.1", 0)
    folder = folder or zoo().folder
    server = Server(folder, "127.0.0.1", 0, listening, Limits(**limits), poll_seconds)
    server.start()
    try:
        server.wait()
        yield server
    finally:
        server.stop(seconds=10.0)
        listening.close()

"""Trains models on one device, on several, or as one of several workers, and dumps the weights.

    python distributed_training.py WHERE FOLDER [--kill-in-epoch N]

WHERE is `single`, `mirrored` (two logical CPUs under TensorFlow), `parallel` (four under JAX), or
`worker` (a process of the cluster in TF_CONFIG). Each process writes `FOLDER/WHERE[-index].npz`.
"""

import argparse
import contextlib
import functools
import json
import os
import pathlib
import signal
import sys
import threading

sys.path.append(str(pathlib.Path(__file__).parents[1] / "models"))
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
parser = argparse.ArgumentParser()
parser.add_argument("where", choices=["single", "mirrored", "parallel", "worker"])
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("--kill-in-epoch", type=int)
arguments = parser.parse_args()
if arguments.where == "parallel":
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4"

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from zoo import batch_for, compile_small, labels_for, small_model

import kerasgan
from kerasgan import backend
from kerasgan.callbacks import ProgressiveGrowing, Stage
from kerasgan.growing.model import GrowingGAN
from kerasgan.layers.minibatch import MinibatchStdDev, split_batch
from kerasgan.layers.styles import NoiseInjection
from kerasgan.models import registry, vae

# Shares of it can be cut into one, four and five parts.
BATCH_SIZE, STEPS, EPOCHS = 40, 5, 2


class PenaltyGAN(kerasgan.GAN):
    """A critic that pays for gradients that are not of norm 1, and a third player."""

    def __init__(self, *networks, **arguments):
        super().__init__(*networks, **arguments)
        self.guesser = keras.Sequential([keras.Input(self.image_shape), layers.Dense(1)])

    @property
    def players(self):
        return {**super().players, "guesser": [self.guesser]}

    def guesser_loss(self, real, fake, labels, latents, training=True):
        guess = self.guesser(fake, training=training)
        return ops.mean(ops.square(guess - ops.sum(latents, axis=-1, keepdims=True))), {}

    def discriminator_loss(self, real, fake, *others, **arguments):
        loss, logs = super().discriminator_loss(real, fake, *others, **arguments)
        gradient = backend.input_gradient(self.discriminator, 0.3 * real + 0.7 * fake)
        norms = ops.sqrt(ops.sum(ops.square(gradient), axis=-1) + 1e-6)
        return loss + 10.0 * ops.mean(ops.square(norms - 1.0)), logs


here = threading.local()  # a replica's step runs in a thread of its own


def with_equal_latents(model):
    """The model, with latents that are a function of the real images, wherever these are."""

    class EqualLatents(type(model)):
        def train_step(self, data):
            here.steps = self.discriminator_steps
            return super().train_step(data)

        def test_step(self, data):
            here.steps = 1
            return super().test_step(data)

        def real_images(self, images):
            images = super().real_images(images)
            # Outside of steps, where metrics are fed, nobody asks for latents.
            here.parts = iter(split_batch(images, getattr(here, "steps", 1)))
            return images

        def sample_latents(self, num_images, seed=None):
            pixels = ops.reshape(next(here.parts), (num_images, int(np.prod(self.image_shape))))
            repeats = -(-self.latent_dim // pixels.shape[1])
            return 2.0 * ops.tile(pixels, (1, repeats))[:, : self.latent_dim]

    model.__class__ = EqualLatents
    return model


def penalty_gan():
    generator = [keras.Input((3,)), layers.Dense(8), layers.BatchNormalization(), layers.Dense(2)]
    critic = [keras.Input((2,)), layers.Dense(8, "tanh"), layers.Dense(1)]
    return PenaltyGAN(keras.Sequential(generator), keras.Sequential(critic), 3, ema_decay=0.5)


# A model of each kind of step and of layer. Not DRAGAN, whose noise is scaled by the standard
# deviation of a device's share of the batch; nor InfoGAN, whose recognizer normalizes features that
# hardly differ as long as the generator is untrained, which Keras does to three digits on replicas.
MODELS = {
    "dcgan": {},
    "cgan": {},
    "wgan_gp": {},
    "sngan": {"architecture": "dcgan"},
    "pac_gan": {},
    "r3_gan": {},
    "progan": {},
}


def style_gan(entry):
    """Without what is drawn in its steps: mixed styles, and noise that is not the saved one."""
    gan = small_model(entry, latent_dim=6, mixing_probability=0.0)
    inject = NoiseInjection.call
    NoiseInjection.call = lambda self, x, noise=None, training=False: inject(self, x, noise)
    # AdaIN divides by the deviation of features, which is zero where a constant of ones begins.
    constant = gan.generator.synthesis.blocks[0].constant
    constant.assign(np.random.default_rng(0).normal(size=constant.shape))
    return gan


def variational(entry):
    """With codes that are a function of the images, wherever these are."""
    vae.drawn_code = lambda mean, log_variance, seed: mean + 0.5 * ops.exp(0.5 * log_variance)
    return small_model(entry)


def cases():
    """Name, model maker and further arguments of `compile` of each.

    Workers are slow, so they train two models. Under JAX, XLA divides the program of one device, so
    one model for each kind of state is enough.
    """
    entries = {entry.name: entry for entry in registry.entries()}
    makers = {
        name: functools.partial(small_model, entries[name], latent_dim=6, **settings)
        for name, settings in MODELS.items()
    }
    makers["stylegan"] = functools.partial(style_gan, entries["stylegan"])
    makers["vae"] = functools.partial(variational, entries["vae"])
    names = ("dcgan", "sngan", "progan") if keras.backend.backend() == "jax" else tuple(makers)
    for name in ("dcgan",) if arguments.where == "worker" else names:
        yield name, makers[name], {}
    yield "penalty", penalty_gan, {"discriminator_steps": 4}


def scope():
    if arguments.where == "mirrored":
        cpu = tf.config.list_physical_devices("CPU")[0]
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
        return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    if arguments.where == "parallel":
        distribution = keras.distribution.DataParallel()
        keras.distribution.set_distribution(distribution)
        assert len(distribution.device_mesh.devices) == 4
    if arguments.where == "worker":
        return tf.distribute.MultiWorkerMirroredStrategy()
    return None


class Kill(keras.callbacks.Callback):
    """Ends this process in the middle of an epoch, as a machine that fails would."""

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch + 1 == arguments.kill_in_epoch:
            os.kill(os.getpid(), signal.SIGKILL)


def refusals(gan, strategy):
    """The errors that name what cannot be had under a strategy."""
    messages = []
    for argument in ({"jit_compile": True}, {"steps_per_execution": 4}):
        try:
            with strategy.scope():
                gan.compile(**argument)
        except ValueError as error:
            messages.append(str(error))
    return messages


def main():
    strategy = scope()
    task = json.loads(os.environ.get("TF_CONFIG", '{"task": {"index": 0}}'))["task"]["index"]
    backup = arguments.where in ("mirrored", "worker")
    results = {}
    # Interpolates of gradient penalties, equal wherever they are drawn.
    keras.random.uniform = lambda shape, **kwargs: ops.full(shape, 0.3)
    # Statistics of a device's share of the batch.
    MinibatchStdDev.call = lambda self, x: ops.pad(x, ((0, 0),) * (len(x.shape) - 1) + ((0, 1),))
    for name, make, compile_arguments in cases():
        keras.utils.set_random_seed(3)
        with strategy.scope() if strategy else contextlib.nullcontext():
            gan = make()
            gan = with_equal_latents(gan) if isinstance(gan, kerasgan.GAN) else gan
            optimizer = keras.optimizers.SGD(0.02)
            metric = keras.metrics.MeanSquaredError(name="error")
            compile_small(gan, optimizer=optimizer, metrics=[metric], **compile_arguments)
        data = kerasgan.data.from_array(*batch_for(gan, STEPS * BATCH_SIZE), batch_size=BATCH_SIZE)
        run = arguments.folder / f"run-{arguments.where}-{name}"
        callbacks = [
            kerasgan.callbacks.SampleGrid(run),
            kerasgan.callbacks.TrainingCurves(run),
            keras.callbacks.ModelCheckpoint(run / "model.keras"),
        ]
        if isinstance(gan, GrowingGAN):  # in the middle of both epochs
            stages = {4: Stage(0, 120), 8: Stage(160, 0, batch_size=20)}
            callbacks.append(ProgressiveGrowing(stages, verbose=0))
        if backup:
            callbacks.append(keras.callbacks.BackupAndRestore(run / "backup"))
        if arguments.kill_in_epoch:
            callbacks.append(Kill())
        history = gan.fit(
            data, validation_data=data.take(2), epochs=EPOCHS, verbose=0, callbacks=callbacks
        )
        results |= {f"{name}/weight {i}": w for i, w in enumerate(gan.get_weights())}
        results |= {f"{name}/history {k}": np.array(v) for k, v in history.history.items()}
        results[f"{name}/sample"] = gan.generate(3, seed=0, labels=labels_for(gan, 3))
        if arguments.where == "mirrored" and isinstance(gan, kerasgan.GAN):
            super_latents = super(type(gan), gan).sample_latents
            drawn = strategy.run(lambda: super_latents(1000))
            results[f"{name}/latents"] = np.stack(strategy.experimental_local_results(drawn))
            results[f"{name}/refused"] = np.array(refusals(gan, strategy))
    suffix = f"-{task}" if arguments.where == "worker" else ""
    np.savez(arguments.folder / f"{arguments.where}{suffix}.npz", **results)


main()

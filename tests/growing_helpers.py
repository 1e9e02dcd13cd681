"""Small models that grow, and what their tests share."""

import functools

import keras
import numpy as np
from backends import BACKEND
from keras import ops

import kerasgan
from kerasgan.layers import Equalized
from kerasgan.training.optimizers import all_layers

SMALL = {
    "image_shape": (16, 16, 1),
    "latent_dim": 6,
    "base_width": 4,
    "max_width": 8,
    "ema_decay": 0.5,
    "seed": 0,
}


def values(x):
    return ops.convert_to_numpy(x)


def growing(name, **overrides):
    """A small model, whose weights a seed decides."""
    keras.utils.set_random_seed(0)
    return getattr(kerasgan, name)(**{**SMALL, **overrides})


@functools.cache
def _made_once(name):
    gan = growing(name)
    return gan, gan.get_weights(), [values(seed) for seed in gan._seed_states()]


def shared(name):
    """A model as `growing` makes it, not to be compiled: making one takes seconds."""
    gan, weights, seeds = _made_once(name)
    if gan.stage != gan.last_stage:  # or `generate` would be traced anew
        gan.grow_to(gan.last_stage)
    gan.set_weights(weights)
    for seed, start in zip(gan._seed_states(), seeds, strict=True):
        seed.assign(start)
    return gan


def trainable(name="ProGAN", **overrides):
    """A small model that is compiled without a penalty, which takes long to trace.

    TensorFlow runs few steps sooner than it traces one.
    """
    gan = growing(name, **overrides)
    gan.compile(penalties=[])
    gan.run_eagerly = BACKEND == "tensorflow"
    return gan


def made(gan, latents):
    """What the averaged generator makes of latents."""
    return values(gan.sampling_generator(latents, training=False))


def randomize(gan, seed=0):
    """Gives weights that are the same on every backend, and none where it begins.

    Biases and strengths begin at zero. Images stay within [-1, 1], where nothing is cut.
    """
    random = np.random.default_rng(seed)
    for network in (gan.generator, gan.discriminator):
        multipliers = {
            id(weight): layer.learning_rate_multiplier
            for layer in all_layers([network])
            if isinstance(layer, Equalized)
            for weight in layer.weights
        }
        drawn = {id(w) for w in network.weights if w.path.endswith("noise")}
        for weight in network.weights:
            if id(weight) in drawn or weight.trainable:
                size = 1.0 if weight.path.endswith(("kernel", "noise")) else 0.3
                size /= multipliers.get(id(weight), 1.0)
                weight.assign(random.normal(0.0, size, weight.shape).astype("float32"))
    for layer in synthesis(gan.generator).to_image:
        for weight in layer.trainable_weights:
            weight.assign(0.03 * values(weight))
    gan.ema_generator.set_weights(gan.generator.get_weights())
    return gan


def synthesis(generator):
    """The part of a generator that grows."""
    return getattr(generator, "synthesis", generator)


def images(gan, count, seed=0):
    """What stands for real images, of the final resolution."""
    shape = (count, *gan.real_image_shape)
    return np.random.default_rng(seed).uniform(-1.0, 1.0, shape).astype("float32")


def reduced(x, times=1):
    """The mean of each square of 2 x 2 pixels, so many times."""
    for _ in range(times):
        n, height, width, channels = x.shape
        x = x.reshape(n, height // 2, 2, width // 2, 2, channels).mean((2, 4))
    return x


def enlarged(x):
    """By the nearest neighbour."""
    return x.repeat(2, axis=1).repeat(2, axis=2)


def state(gan):
    """All weights, and what optimizers and seeds hold, as arrays by name."""
    found = {f"{index} {w.path.split('/', 1)[1]}": w for index, w in enumerate(gan.weights)}
    found |= gan.optimizer.state()
    found |= {f"seed {index}": seed for index, seed in enumerate(gan._seed_states())}
    return {name: values(variable).copy() for name, variable in found.items()}


def assert_equal_states(test, found, expected):
    """Bit for bit."""
    test.assertCountEqual(found, expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, name)

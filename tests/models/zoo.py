"""Small versions of the models of the zoo, and data for them, from what each model takes."""

import ast
import importlib
import inspect
import re

import numpy as np

from kerasgan import roles
from kerasgan.models import registry

# What all models are made small with, as far as they take it and their example does not say it.
SMALL = {"latent_dim": 14, "base_width": 4, "max_width": 8, "ema_decay": 0.5, "seed": 1}
NUM_CLASSES = 3

# Networks of DCGAN or BigGAN with another loss or penalty, or blocks of the same layers.
LIKE_OTHERS = (
    *("big_gan_deep", "cgan", "dragan", "lsgan", "pac_gan", "projection_gan", "sagan", "sngan"),
    *("vanilla_gan", "wgan"),
)


def small_model(entry, **overrides):
    """A small model of an entry of the registry; the rest is as in its docstring's example."""
    model = getattr(importlib.import_module(entry.module), entry.class_name)
    taken = registry.parameters(model)
    small = {name: value for name, value in SMALL.items() if name in taken}
    small = {**example_arguments(model), **small}
    if not roles.has(model, roles.Translates):
        small["image_shape"] = (8, 8, 1)
    if registry.is_conditional(model, overrides):
        small["num_classes"] = NUM_CLASSES
    elif "num_classes" not in overrides:
        small.pop("num_classes", None)
    return model(**{**small, **overrides})


def example_arguments(model):
    """The arguments with which the example in a model's docstring makes it: dict."""
    call = re.search(rf">>> \w+ = kerasgan\.({model.__name__}\(.*?\))\n", model.__doc__, re.DOTALL)
    call = ast.parse(call[1], mode="eval").body
    arguments = dict(zip(["image_shape"], call.args, strict=False))
    arguments |= {keyword.arg: keyword.value for keyword in call.keywords}
    return {name: ast.literal_eval(value) for name, value in arguments.items()}


def compile_small(model, **arguments):
    """Compiles with the paper's settings, but of discriminator steps one: each is traced."""
    taken = inspect.signature(model.compile).parameters
    steps = {"discriminator_steps": 1} if "discriminator_steps" in taken else {}
    model.compile(**{**steps, **arguments})


def batch_for(model, num_images, seed=0):
    """Real data in [-1, 1], as a tuple of the arrays that `fit` and `evaluate` take."""
    random = np.random.default_rng(seed)

    def draw(shape):
        return random.uniform(-1.0, 1.0, (num_images, *shape)).astype("float32")

    if roles.has(model, roles.Translates):
        return tuple(map(draw, model.pair_shapes))
    images = draw(model.real_image_shape)
    if getattr(model, "levels", None) is not None:  # a likelihood of as many values
        steps = (model.levels - 1) / 2.0
        images = np.float32(np.round((images + 1.0) * steps) / steps - 1.0)
    if model.condition is None:
        return (images,)
    if model.num_classes is None:
        return images, draw(model.condition.shape)
    return images, random.integers(model.num_classes, size=num_images).astype("int32")


def labels_for(model, num_images):
    """What `generate` takes as `labels`: None for an unconditional model."""
    return model.all_classes(num_images)


def draw(model, num_images):
    """What the model makes, the same at every call: of noise, or of images."""
    if roles.has(model, roles.GeneratesImages):
        return model.generate(num_images, seed=0, labels=labels_for(model, num_images))
    images = batch_for(model, num_images, seed=7)
    if roles.has(model, roles.Reconstructs):
        return model.reconstruct(*images)
    directions = enumerate(model.networks_by_direction)
    return np.concatenate([model.translate(images[half], to, seed=0) for half, to in directions])

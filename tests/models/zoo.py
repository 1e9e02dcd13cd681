"""Small versions of the models of the zoo, and data for them, from what each model takes."""

import importlib

import numpy as np

from kerasgan.models import registry

SMALL = {
    "image_shape": (8, 8, 1),
    "latent_dim": 6,
    "base_width": 4,
    "max_width": 8,
    "hidden_units": (16,),
    "categorical": (3,),
    "continuous": 1,
    "ema_decay": 0.5,
    "seed": 1,
}
NUM_CLASSES = 3


def small_model(entry, **overrides):
    """A model of an entry of the registry, with those of the `SMALL` arguments that it takes."""
    model = getattr(importlib.import_module(entry.module), entry.class_name)
    taken = registry.parameters(model)
    small = {name: value for name, value in SMALL.items() if name in taken}
    if registry.is_conditional(model, overrides):
        small["num_classes"] = NUM_CLASSES
    return model(**{**small, **overrides})


def compile_small(model, **arguments):
    """Compiles with the paper's settings, but of discriminator steps one: each is traced."""
    model.compile(**{"discriminator_steps": 1, **arguments})


def batch_for(model, num_images, seed=0):
    """Real data in [-1, 1], as a tuple of the arrays that `fit` and `evaluate` take."""
    shape = (num_images, *model.real_image_shape)
    random = np.random.default_rng(seed)
    images = random.uniform(-1.0, 1.0, shape).astype("float32")
    if model.num_classes is None:
        return (images,)
    return images, random.integers(model.num_classes, size=num_images).astype("int32")


def labels_for(model, num_images):
    """What `generate` takes as `labels`: None for an unconditional model."""
    return None if model.num_classes is None else np.arange(num_images) % model.num_classes

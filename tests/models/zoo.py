"""Small versions of the models of the zoo, and data for them, from what each model takes."""

import importlib
import inspect

import numpy as np

SMALL = {
    "image_shape": (16, 16, 1),
    "latent_dim": 6,
    "base_width": 4,
    "hidden_units": (16,),
    "ema_decay": 0.5,
    "seed": 1,
}


def small_model(entry, **overrides):
    """A model of an entry of the registry, with those of the `SMALL` arguments that it takes."""
    model = getattr(importlib.import_module(entry.module), entry.class_name)
    taken = inspect.signature(model.__init__).parameters
    small = {name: value for name, value in SMALL.items() if name in taken}
    return model(**{**small, **overrides})


def batch_for(model, num_images, seed=0):
    """Real data in [-1, 1], as a tuple of the arrays that `fit` and `evaluate` take."""
    shape = (num_images, *model.image_shape)
    return (np.random.default_rng(seed).uniform(-1.0, 1.0, shape).astype("float32"),)

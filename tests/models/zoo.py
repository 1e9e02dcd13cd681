"""Small versions of the models of the zoo, and data for them, from what each model takes."""

import importlib
import inspect

import numpy as np

from kerasgan.models import registry
from kerasgan.translation.model import TranslationModel

SMALL = {
    "image_shape": (8, 8, 1),
    "latent_dim": 6,
    "base_width": 4,
    "max_width": 8,
    "hidden_units": (16,),
    "categorical": (3,),
    "continuous": 1,
    "residual_blocks": 1,
    "receptive_field": 16,
    "features": None,
    "ema_decay": 0.5,
    "seed": 1,
}
# At 8x8 CycleGAN normalizes over 2x2 features, which makes rounding a hundred times larger.
SMALL_OF = {"cycle_gan": {"image_shape": (16, 16, 1)}}
NUM_CLASSES = 3


def small_model(entry, **overrides):
    """A model of an entry of the registry, with those of the `SMALL` arguments that it takes."""
    model = getattr(importlib.import_module(entry.module), entry.class_name)
    taken = registry.parameters(model)
    small = {name: value for name, value in SMALL.items() if name in taken}
    small |= SMALL_OF.get(entry.name, {})
    if registry.is_conditional(model, overrides):
        small["num_classes"] = NUM_CLASSES
    return model(**{**small, **overrides})


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

    if isinstance(model, TranslationModel):
        return tuple(map(draw, model.pair_shapes))
    images = draw(model.real_image_shape)
    if model.num_classes is None:
        return (images,)
    return images, random.integers(model.num_classes, size=num_images).astype("int32")


def labels_for(model, num_images):
    """What `generate` takes as `labels`: None for an unconditional model."""
    return None if model.num_classes is None else np.arange(num_images) % model.num_classes


def draw(model, num_images):
    """What the model makes, the same at every call: of noise, or of images."""
    if not isinstance(model, TranslationModel):
        return model.generate(num_images, seed=0, labels=labels_for(model, num_images))
    images = batch_for(model, num_images, seed=7)
    directions = enumerate(model.networks_by_direction)
    return np.concatenate([model.translate(images[half], to, seed=0) for half, to in directions])

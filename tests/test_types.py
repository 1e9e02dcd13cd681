"""Type hints of public names: that there are some. `mypy kerasgan` says whether they fit."""

import functools
import importlib
import inspect

import keras
import tensorflow as tf
from backends import needs_backend

import kerasgan
from kerasgan.models import registry

pytestmark = needs_backend("tensorflow", reason="it reads the source")

ROOMS = (
    "callbacks",
    "core",
    "data",
    "growing",
    "hype",
    "layers",
    "losses",
    "metrics",
    "roles",
    "serving",
    "training",
    "translation",
)
# Arguments that come in many forms, each told in the docstring.
DATA = ("data", "dataset", "generated", "held_out", "images_or_model", "reference", "training", "x")
# A tensor is of another class in each framework, so functions of tensors have no hints; nor has
# what ends in `_loss`.
OF_TENSORS = (
    *("add", "at_points", "at_stage", "batch_loss", "compare", "computed_with", "convolution_op"),
    *("discriminate", "discriminator", "distances", "draw", "ema_decay_after", "generate_like"),
    *("generated", "generator", "gradient_penalty", "image_pair", "images_from_noise", "look"),
    *("feature_difference", "images_from_points", "moved_images", "unbounded_images"),
    *("change", "check_condition", "check_image_shape", "in_evaluation", "in_levels"),
    *("judging_loss",),
    *("log_likelihood_of", "log_likelihood_of_parameters", "log_probabilities"),
    *("log_probability", "noisy", "paid", "path_lengths", "seen"),
    *(
        "move",
        "of_images",
        "path_lengths",
        "points",
        "power_iteration",
        "real_batch",
        "real_images",
    ),
    *("real_logits", "sample_latents", "show", "sigma", "split_codes", "to_latents", "with_codes"),
    *("with_labels", "with_penalties"),
)
# What Keras calls has its arguments; of what users call these have our own arguments or results.
OF_KERAS = (keras.Model, keras.callbacks.Callback, keras.metrics.Metric, keras.layers.Layer)
FOR_USERS = (
    *("__init__", "compile", "evaluate", "export", "fit", "from_config", "get_config"),
    *("load_weights", "save", "save_weights"),
)


def public():
    """The public classes and functions, by name."""
    for room in ROOMS:
        module = importlib.import_module(f"kerasgan.{room}")
        for name in getattr(module, "__all__", dir(module)):
            yield f"kerasgan.{room}.{name}", getattr(module, name)
    for entry in registry.entries():
        yield f"kerasgan.{entry.class_name}", getattr(kerasgan, entry.class_name)


def functions(name, thing):
    """The functions that a user can call with a public name, by their own names."""
    if inspect.isfunction(thing):
        yield name, thing
    elif inspect.isclass(thing):
        for parent in thing.__mro__:
            ours = parent.__module__.split(".")[1:2]
            if not parent.__module__.startswith("kerasgan.") or ours == ["backend"]:
                continue
            for method, member in vars(parent).items():
                if isinstance(member, property):
                    member = member.fget
                elif isinstance(member, functools.cached_property):
                    member = member.func
                elif isinstance(member, (classmethod, staticmethod)):
                    member = member.__func__
                called_by_keras = any(hasattr(kind, method) for kind in OF_KERAS)
                if inspect.isfunction(member) and (
                    method in FOR_USERS or not (method.startswith("_") or called_by_keras)
                ):
                    yield f"{parent.__name__}.{method}", inspect.unwrap(member)


def unhinted(name, function):
    """What a function should say and does not: its arguments, and "return"."""
    method = name.rsplit(".", 1)[-1]
    if method in OF_TENSORS or method.endswith("_loss"):
        return []
    signature = inspect.signature(function)
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    missing = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.annotation is parameter.empty
        and parameter.kind not in kinds
        and parameter.name not in ("self", "cls", *DATA)
    ]
    if method != "__init__" and signature.return_annotation is signature.empty:
        missing.append("return")
    return missing


class TypesTest(tf.test.TestCase):
    def test_public_names_have_type_hints(self):
        looked_at, missing = set(), {}
        for name, thing in public():
            for own_name, function in functions(name, thing):
                looked_at.add(own_name)
                if unhinted(own_name, function):
                    missing[own_name] = unhinted(own_name, function)
        self.assertEqual(missing, {})
        self.assertContainsSubset(
            ["GAN.__init__", "HasLatents.latents", "StyleGAN.style_layers", "kerasgan.data.load"],
            looked_at,
        )

    def test_what_a_model_forgets_is_found(self):
        class Forgetful(kerasgan.GAN):
            __module__ = "kerasgan.models.forgetful"

            def __init__(self, image_shape, size: int = 1, **kwargs):
                pass

            @property
            def size(self):
                pass

            @classmethod
            def smallest(cls, size=1) -> int:
                pass

            def generator_loss(self, real):
                pass

            def train_step(self, data):
                pass

            def _private(self, size):
                pass

        own = dict(functions("Forgetful", Forgetful))
        found = {
            name: unhinted(name, function)
            for name, function in own.items()
            if name.startswith("Forgetful.") and unhinted(name, function)
        }
        self.assertEqual(
            found,
            {
                "Forgetful.__init__": ["image_shape"],
                "Forgetful.size": ["return"],
                "Forgetful.smallest": ["size"],
            },
        )

"""The one seam to a framework.

Everything else in kerasgan is written with `keras.ops`. What Keras has no word for,
differentiating a function inside a training step, is in one file a backend, chosen as Keras
chooses its own (`KERAS_BACKEND`):

- `update(loss_fn, variables, optimizer, forwarded=None)`: one step of one player;
- `input_gradient(fn, x)`: d sum(fn(x)) / dx, itself differentiable;
- `forward(fn, variables)`: run a network now and differentiate it later;
- `accelerate(optimizer)`: the framework's own kernel for an optimizer, where it has one;
- `compile_steps(step, steps_per_execution, result)`: several steps as one program;
- `has_gpu()`, `is_distributed()`: what the framework runs on.
"""

import importlib

import keras

SUPPORTED = ("tensorflow",)

if keras.backend.backend() not in SUPPORTED:
    raise ImportError(
        f"kerasgan runs on the Keras backends {', '.join(SUPPORTED)}, and Keras is set to "
        f"{keras.backend.backend()!r}. Set the environment variable KERAS_BACKEND=tensorflow "
        "before Keras is imported."
    )

_implementation = importlib.import_module(f"kerasgan.backend.{keras.backend.backend()}")

update = _implementation.update
input_gradient = _implementation.input_gradient
forward = _implementation.forward
accelerate = _implementation.accelerate
compile_steps = _implementation.compile_steps
has_gpu = _implementation.has_gpu
is_distributed = _implementation.is_distributed

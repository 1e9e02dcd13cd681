"""The one seam to a framework.

Everything else in kerasgan is written with `keras.ops`. What Keras has no word for,
differentiating a function inside a training step, is in one file a backend, chosen as Keras
chooses its own (`KERAS_BACKEND`):

- `update(loss_fn, variables, optimizer, forwarded=None)`: one step of one player;
- `input_gradient(fn, x)`: d sum(fn(x)) / dx, itself differentiable;
- `value_and_gradient(fn, x)`: the same for what is not differentiated again, with what `fn` saw;
- `forward(fn, variables)`: run a network now and differentiate it later;
- `scan(step, carry, inputs, dtypes)`: a loop over the rows of arrays, compiled where steps are;
- `with_xla(function)`: a function that XLA compiles by itself, where a step is not compiled;
- `binomial(x, times)`: a low-pass filter, as the framework computes it fastest;
- `predict(network, inputs)`: a network's output for one batch, on this device;
- `Trainer`: what Keras' trainer lacks to run our steps, a base class of `AdversarialModel`;
- `accelerate(optimizer)`: the framework's own kernel for an optimizer, where it has one;
- `batches_in_order(arrays, count, batch_size, order)`: arrays as data for `fit`, in another order
  in each epoch;
- `SeedGenerator`: Keras' own, drawing other numbers on each replica;
- `devices(count)`: a scope in which models are made for several devices of this machine;
- `computed_with()`: what the last bits of a result depend on, besides the machine;
- `replicas()`, `is_distributed()`, `compiles_by_default()`, `reason_for_single_steps()`: how steps
  are run.

`kerasgan/backend/tensorflow.py` documents the arguments.
"""

import importlib

import keras

SUPPORTED = ("tensorflow", "jax", "torch")

if keras.backend.backend() not in SUPPORTED:
    raise ImportError(
        f"kerasgan runs on the Keras backends {', '.join(SUPPORTED)}, and Keras is set to "
        f"{keras.backend.backend()!r}. Set the environment variable KERAS_BACKEND to one of these "
        "before Keras is imported."
    )

_implementation = importlib.import_module(f"kerasgan.backend.{keras.backend.backend()}")

predict = _implementation.predict
Trainer = _implementation.Trainer
update = _implementation.update
input_gradient = _implementation.input_gradient
value_and_gradient = _implementation.value_and_gradient
forward = _implementation.forward
scan = _implementation.scan
with_xla = _implementation.with_xla
binomial = _implementation.binomial
accelerate = _implementation.accelerate
batches_in_order = _implementation.batches_in_order
SeedGenerator = _implementation.SeedGenerator
devices = _implementation.devices
computed_with = _implementation.computed_with
replicas = _implementation.replicas
is_distributed = _implementation.is_distributed
compiles_by_default = _implementation.compiles_by_default
reason_for_single_steps = _implementation.reason_for_single_steps

"""The seam for PyTorch; see `kerasgan.backend`."""

import keras
import torch

from kerasgan.backend.common import (  # noqa: F401
    SeedGenerator,
    accelerate,
    batches_in_order,
    binomial,
    is_distributed,
    predict,
    replicas,
    scan,
    with_xla,
)


def computed_with():
    """What the last bits of a result depend on; see `kerasgan.backend.tensorflow`."""
    return {"torch": torch.__version__}


def update(loss_fn, variables, optimizer, forwarded=None):
    """Moves one player; see `kerasgan.backend.tensorflow.update`."""
    at = [v.value for v in variables] if forwarded is None else forwarded[0]
    loss, logs = loss_fn() if forwarded is None else loss_fn(at)
    leaves = keras.tree.flatten(at)
    gradients = torch.autograd.grad(optimizer.scale_loss(loss), leaves, allow_unused=True)
    if forwarded is not None:
        gradients = forwarded[1](gradients)
    with torch.no_grad():
        optimizer.apply(list(gradients), variables)
    return keras.tree.map_structure(lambda x: x.detach() if torch.is_tensor(x) else x, (loss, logs))


def input_gradient(fn, x):
    """Gradient of `sum(fn(x))` with respect to `x`: the same shape as `x`, differentiable."""
    with torch.enable_grad():
        x = x if x.requires_grad else x.detach().requires_grad_()
        return torch.autograd.grad(fn(x).sum(), x, create_graph=True)[0]


def value_and_gradient(fn, x):
    """See `kerasgan.backend.tensorflow.value_and_gradient`."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        y, values = fn(x)
        gradient = None
        if y.requires_grad:
            (gradient,) = torch.autograd.grad(y.sum(), x, allow_unused=True)
    values = keras.tree.map_structure(lambda value: value.detach(), values)
    return values, torch.zeros_like(x) if gradient is None else gradient


def forward(fn, variables):
    """Runs `fn()` to be differentiated later; see `kerasgan.backend.tensorflow.forward`."""
    output = fn()
    values = [v.value for v in variables]

    def backward(gradients):
        pairs = zip(keras.tree.flatten(output), gradients, strict=True)
        used = [(o, g) for o, g in pairs if o.requires_grad and g is not None]
        outputs, gradients = zip(*used, strict=True)
        return torch.autograd.grad(outputs, values, gradients, allow_unused=True)

    return keras.tree.map_structure(lambda o: o.detach().requires_grad_(), output), backward


class Trainer:
    """Nothing is missing in Keras' trainer, which knows one device."""

    is_chief = True
    has_several_workers = False


def devices(count):
    """Raises: Keras trains on one device."""
    raise ValueError(
        f"devices={count}: Keras trains on one device under PyTorch; set KERAS_BACKEND to "
        "tensorflow or jax."
    )


def compiles_by_default():
    """False: `torch.compile` takes longer than it saves."""
    return False


def reason_for_single_steps():
    """Why several steps cannot be one execution; None where they can."""
    return "Keras runs one step at a time on PyTorch"

"""The seam for JAX; see `kerasgan.backend`.

Under JAX a step is a function of the values of all variables. Keras calls the collection of these
values a stateless scope; what runs under a JAX transformation has to get a scope of its own, and
the variables that it assigned (batch-norm statistics, seeds) have to leave through its result.
"""

import jax
import keras

from kerasgan.backend import private
from kerasgan.backend.common import (  # noqa: F401
    SeedGenerator,
    accelerate,
    batches_in_order,
    is_distributed,
    predict,
    replicas,
    scan,
    with_xla,
)


def binomial(x, times):
    """Filters maps; see `kerasgan.backend.common`.

    On a CPU XLA takes 5 to 30 times as long for a depthwise convolution as for these means
    (`benchmarks/low_pass.py`).
    """
    for _ in range(times):
        x = keras.ops.average_pool(x, 2, strides=1, data_format="channels_last")
    return x


def computed_with():
    """What the last bits of a result depend on; see `kerasgan.backend.tensorflow`."""
    return {"jax": jax.__version__}


def update(loss_fn, variables, optimizer, forwarded=None):
    """Moves one player; see `kerasgan.backend.tensorflow.update`."""

    def scaled_loss(at):
        if forwarded is None:
            (loss, logs), assigned = _run(loss_fn, variables, at)
        else:
            (loss, logs), assigned = _run(lambda: loss_fn(at))
        return optimizer.scale_loss(loss), (loss, logs, assigned)

    values = [v.value for v in variables]
    at = values if forwarded is None else forwarded[0]
    gradients, (loss, logs, assigned) = jax.grad(scaled_loss, has_aux=True)(at)
    _scope().state_mapping.update(assigned)
    if forwarded is not None:
        gradients = forwarded[1](gradients)
    if len(variables) < len(private.variables_moved_by(optimizer)):  # the others rest
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            raise NotImplementedError(
                "a network in float16 cannot grow under JAX: Keras' loss scaling moves all of its "
                "variables or none there. Use dtype='mixed_bfloat16', or another backend."
            )
        optimizer.apply(gradients, variables)
        return loss, logs
    state = [v.value for v in optimizer.variables]
    new_values, new_state = optimizer.stateless_apply(state, gradients, values)
    for variable, value in zip(
        variables + optimizer.variables, new_values + new_state, strict=True
    ):
        variable.assign(value)
    return loss, logs


def input_gradient(fn, x):
    """Gradient of `sum(fn(x))` with respect to `x`: the same shape as `x`, differentiable."""

    def total(x):
        y, assigned = _run(lambda: fn(x))
        return y.sum(), assigned

    gradient, assigned = jax.grad(total, has_aux=True)(x)
    scope = _scope()
    if scope is not None:
        scope.state_mapping.update(assigned)
    return gradient


def value_and_gradient(fn, x):
    """See `kerasgan.backend.tensorflow.value_and_gradient`."""

    def total(x):
        (y, values), assigned = _run(lambda: fn(x))
        return y.sum(), (values, assigned)

    gradient, (values, assigned) = jax.grad(total, has_aux=True)(x)
    scope = _scope()
    if scope is not None:
        scope.state_mapping.update(assigned)
    return values, gradient


def forward(fn, variables):
    """Runs `fn()` to be differentiated later; see `kerasgan.backend.tensorflow.forward`."""
    output, backward, assigned = jax.vjp(
        lambda values: _run(fn, variables, values), [v.value for v in variables], has_aux=True
    )
    _scope().state_mapping.update(assigned)
    return output, lambda gradient: backward(gradient)[0]


def _run(fn, variables=(), values=()):
    """Runs `fn()` with these values; returns its result and what it assigned, by id."""
    with keras.StatelessScope(collect_losses=True) as scope:
        # All of the outer scope: what is missing would silently read its initial value.
        mapping = scope.state_mapping
        if scope.original_scope is not None:
            mapping.update(scope.original_scope.state_mapping)
        mapping.update((id(v), value) for v, value in zip(variables, values, strict=True))
        before = dict(mapping)
        result = fn()
    return result, {k: value for k, value in mapping.items() if value is not before.get(k)}


def _scope():
    """The stateless scope that surrounds this call, or None."""
    with keras.StatelessScope(initialize_variables=False) as inner:
        return inner.original_scope


class Trainer:
    """Lets Keras' trainer run steps that take the data only, as on the other backends."""

    @property
    def is_chief(self):
        """Whether this process is the one of its cluster that writes files."""
        return jax.process_index() == 0

    @property
    def has_several_workers(self):
        """Whether other processes of a cluster train the same model."""
        return jax.process_count() > 1

    def _purge_model_variables(self, **kwargs):
        """Nothing: JAX frees what it is given to reuse when it runs the step.

        Keras frees it before, and a step that fails first, as on bad data, would leave the model
        without its weights.
        """

    def make_train_function(self, force=False):
        """Has a step that is made beside another one traced anew.

        `jax.jit` takes one method of one model for one function, which it has traced already.
        """
        step = self.train_step
        vars(self)["train_step"] = lambda *arguments: step(*arguments)
        try:
            super().make_train_function(force)
        finally:
            del vars(self)["train_step"]

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for name in {"train_step", "test_step"} & set(vars(cls)):
            setattr(cls, name, _stateless(vars(cls)[name]))


def _stateless(step):
    def stateless_step(self, *arguments):
        if len(arguments) == 1:  # a step that calls its parent's
            return step(self, *arguments)
        state, data = arguments
        groups = [self.trainable_variables, self.non_trainable_variables]
        groups += [self.optimizer.variables, self.metrics_variables][-(len(state) - 2) :]
        pairs = [
            pair for group in zip(groups, state, strict=True) for pair in zip(*group, strict=True)
        ]
        with keras.StatelessScope(pairs) as scope:
            logs = step(self, data)
        return logs, tuple([scope.get_current_value(v) for v in group] for group in groups)

    stateless_step.__doc__ = step.__doc__
    return stateless_step


def devices(count):
    """A scope for several devices; see `kerasgan.backend.tensorflow.devices`."""
    jax.config.update("jax_num_cpu_devices", count)  # without effect where there are GPUs
    if count > jax.device_count():
        raise ValueError(
            f"devices={count}, but this machine has {jax.device_count()}; use at most that many."
        )
    return keras.distribution.DataParallel(
        devices=keras.distribution.list_devices()[:count]
    ).scope()


def compiles_by_default():
    """True: JAX without compilation is for looking at."""
    return True


def reason_for_single_steps():
    """Why several steps cannot be one execution; None where they can."""

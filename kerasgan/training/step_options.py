"""How a training step is best run when the user has not said.

Measured by benchmarks/training_step.py; benchmarks/README.md has the figures.
"""

import dataclasses

from kerasgan import backend


@dataclasses.dataclass(frozen=True)
class StepOptions:
    """How the steps of a model are run.

    Attributes:
        jit_compile: whether XLA compiles the step.
        steps_per_execution: batches between two looks of the callbacks.
    """

    jit_compile: bool
    steps_per_execution: int


def choose(jit_compile, steps_per_execution, variables):
    """Answers `"auto"`.

    The choice depends on the networks and the device only, never on how long a run will be: a
    run that is interrupted and continued has to be computed in the same way as one that is not.

    - Dense networks: starting a step costs about as much as the step, so 32 at a time, where the
      backend can run several.
    - JAX, and TensorFlow on a GPU, compile everything. On a CPU TensorFlow's XLA makes
      convolutions and large matrix products slower.

    Args:
        jit_compile: as given to `compile`.
        steps_per_execution: as given to `compile`.
        variables: the trainable variables of all parts.

    Returns:
        A `StepOptions`.

    Raises:
        ValueError: when the backend cannot do what was asked for.
    """
    single = backend.reason_for_single_steps()
    if single and steps_per_execution not in (1, "auto"):
        raise ValueError(f"steps_per_execution={steps_per_execution}: {single}; use 1 or 'auto'.")
    if jit_compile is True and backend.is_distributed():
        raise ValueError(f"jit_compile=True: {single}; use False or 'auto'.")
    dense = all(len(v.shape) <= 2 for v in variables) and not single
    if steps_per_execution == "auto":
        steps_per_execution = 32 if dense else 1
    if jit_compile == "auto":
        jit_compile = backend.compiles_by_default()
    return StepOptions(jit_compile, steps_per_execution)

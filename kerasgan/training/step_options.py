"""How a training step is best run when the user has not said.

Measured by benchmarks/training_step.py; benchmarks/README.md has the figures.
"""

import dataclasses
import math

from kerasgan import backend

TINY_NETWORKS = 50_000  # weights of all players together
# By then, running 32 steps at a time has saved about what compiling costs.
STEPS_BEFORE_COMPILING = 6000


@dataclasses.dataclass(frozen=True)
class StepOptions:
    """How the steps of a model are run.

    Attributes:
        jit_compile: whether XLA compiles the step.
        steps_per_execution: batches between two looks of the callbacks.
        compile_after: optimizer steps after which XLA compiles all the same, or None.
    """

    jit_compile: bool
    steps_per_execution: int
    compile_after: int | None = None


def choose(jit_compile, steps_per_execution, variables):
    """Answers `"auto"`.

    The choice depends on the networks and the device only, never on how long a run will be: a
    run that is interrupted and continued has to be computed in the same way as one that is not.

    - Dense networks: starting a step costs about as much as the step, so 32 at a time, where the
      backend can run several.
    - JAX, and TensorFlow on a GPU, compile everything. On a CPU TensorFlow's XLA makes
      convolutions and large matrix products slower and tiny networks faster, but it takes
      seconds to compile: for those it waits until about as much has been saved by other means.

    Args:
        jit_compile: as given to `compile`.
        steps_per_execution: as given to `compile`.
        variables: the trainable variables of all players.

    Returns:
        An `StepOptions`.

    Raises:
        ValueError: when the backend cannot do what was asked for.
    """
    single = backend.reason_for_single_steps()
    if single and steps_per_execution not in (1, "auto"):
        raise ValueError(f"steps_per_execution={steps_per_execution}: {single}; use 1 or 'auto'.")
    if jit_compile is True and backend.is_distributed():
        raise ValueError(f"jit_compile=True: {single}; use False or 'auto'.")
    dense = all(len(v.shape) <= 2 for v in variables) and not single
    tiny = dense and sum(math.prod(v.shape) for v in variables) <= TINY_NETWORKS
    if steps_per_execution == "auto":
        steps_per_execution = 32 if dense else 1
    if jit_compile != "auto":
        return StepOptions(jit_compile, steps_per_execution)
    if backend.compiles_by_default():
        return StepOptions(True, steps_per_execution)
    compile_later = tiny and steps_per_execution > 1
    return StepOptions(
        False, steps_per_execution, STEPS_BEFORE_COMPILING if compile_later else None
    )

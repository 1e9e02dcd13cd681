"""A learning rate that falls to zero."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerasgan")
class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that is constant first and then falls linearly to zero.

    Args:
        initial_learning_rate: float above 0.
        constant_steps: int, steps at that rate. Keras counts a step that only accumulates
            gradients (`gradient_accumulation_steps`) as one.
        decay_steps: int of at least 1, steps over which it then falls to zero, where it stays.

    Raises:
        ValueError: for numbers out of range.

    Example:

    >>> rate = kerasgan.LinearDecay(2e-4, constant_steps=100, decay_steps=100)
    >>> [round(float(rate(step)), 6) for step in (0, 100, 150, 200, 300)]
    [0.0002, 0.0002, 0.0001, 0.0, 0.0]

    Reference: Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks, Zhu,
    Park, Isola & Efros, 2017, arXiv:1703.10593, section 4: 100 epochs each.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        constant_steps: int,
        decay_steps: int,
        name: str = "linear_decay",
    ):
        super().__init__()
        if not initial_learning_rate > 0 or constant_steps < 0 or decay_steps < 1:
            raise ValueError(
                f"initial_learning_rate={initial_learning_rate!r}, "
                f"constant_steps={constant_steps!r}, decay_steps={decay_steps!r}; use a rate "
                "above 0, constant_steps of at least 0 and decay_steps of at least 1."
            )
        self.initial_learning_rate = initial_learning_rate
        self.constant_steps, self.decay_steps = constant_steps, decay_steps
        self.name = name

    def __call__(self, step):
        step = ops.cast(step, "float32")
        left = (self.constant_steps + self.decay_steps - step) / self.decay_steps
        return self.initial_learning_rate * ops.clip(left, 0.0, 1.0)

    def get_config(self) -> dict:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "constant_steps": self.constant_steps,
            "decay_steps": self.decay_steps,
            "name": self.name,
        }

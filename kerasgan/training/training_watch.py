"""The callback in every `fit` that counts epochs and checks that losses are finite."""

import math

import keras
import numpy as np
from keras import ops

from kerasgan.training import data_order, measuring


class NonFiniteError(ArithmeticError):
    """A loss or a weight is NaN or infinite, so training cannot go on."""


class LossTracker(keras.metrics.Mean):
    """Mean of a loss over the epoch, which also remembers where it stopped being a number."""

    def __init__(self, name):
        super().__init__(name=name)
        self.non_finite_step = self.add_variable((), "zeros", "float32", name="non_finite_step")

    def update_state(self, value):
        super().update_state(value)
        first = ops.logical_and(
            ops.equal(self.non_finite_step, 0.0), ops.logical_not(ops.isfinite(value))
        )
        # `count` is the number of steps so far, this one included.
        self.non_finite_step.assign_add(ops.cast(first, "float32") * self.count)

    def state(self):
        """What is to be restored when the epoch goes on elsewhere: float32 array."""
        return np.array([ops.convert_to_numpy(v) for v in self.variables], "float32")

    def restore(self, state):
        """Sets what `state` gave."""
        for variable, value in zip(self.variables, state, strict=True):
            variable.assign(value)


def own_callbacks(given, is_chief):
    """The callbacks that `fit` was given and that this process runs: list."""
    given = getattr(given, "callbacks", given) or []  # of a CallbackList
    given = list(given) if isinstance(given, (list, tuple)) else [given]
    # Several workers would write the same files.
    return [c for c in given if is_chief or not getattr(c, "chief_only", False)]


class TrainingWatch(keras.callbacks.Callback):
    """First of the callbacks of each `fit`, put there by `AdversarialModel`.

    It counts the finished epochs and steps in the model before a checkpoint is written, tells the
    data which epoch is asked for, and raises `NonFiniteError` before another callback can act on a
    loss that is not a number. If the user has added `keras.callbacks.TerminateOnNaN`, that
    decides how training ends instead.

    Args:
        other_callbacks: list.
        *data: what `fit` was given to train on and to validate with.
    """

    def __init__(self, other_callbacks, *data):
        super().__init__()
        self.others = other_callbacks
        self.data = data
        self.defer = any(isinstance(c, keras.callbacks.TerminateOnNaN) for c in other_callbacks)
        self.keras_epoch = 0

    def on_train_begin(self, logs=None):
        self.model.skip_broken_saves = False
        for callback in self.others:
            if isinstance(callback, keras.callbacks.BackupAndRestore) and not self.model.is_chief:
                # All workers restore from the folder, but one writes to it and removes it.
                callback.save_freq = math.inf
                callback.delete_checkpoint = False
            # Keras knows which way only of metrics that were given to its own compile.
            if getattr(callback, "mode", None) == "auto":
                monitored = str(getattr(callback, "monitor", "")).removeprefix("val_")
                if monitored in self.model.higher_is_better:
                    callback.mode = "max"
                elif monitored in self.model.loss_names:
                    callback.mode = "min"
                else:
                    callback.mode = measuring.mode(self.model.generative_metrics, monitored)

    def on_train_end(self, logs=None):
        self.model.skip_broken_saves = False

    def on_epoch_begin(self, epoch, logs=None):
        self.keras_epoch = epoch
        model = self.model
        for data in self.data:
            data_order.set_epoch(data, model.epochs_trained)
        steps = self.params.get("steps")
        self.position = model.position  # under JAX, `self.model` costs much at each step
        self.position.begin_epoch(model.epochs_trained, steps, model.steps_per_execution)
        for tracker in model.loss_trackers:
            if tracker.name in self.position.means:
                tracker.restore(self.position.means[tracker.name])
        self.position.means = {}

    def on_train_batch_end(self, batch, logs=None):
        self.position.end_step(batch)
        broken = [name for name, value in (logs or {}).items() if not np.all(np.isfinite(value))]
        if not broken:
            return
        if self.defer:
            logs["loss"] = float("nan")  # the one name that TerminateOnNaN looks at
            self.model.skip_broken_saves = True  # a checkpoint must not raise in its place
            return
        name, step = broken[0], batch + 1
        if self.model.steps_per_execution > 1:
            trackers = [t for t in self.model.loss_trackers if t.name in broken]
            steps = {t.name: int(ops.convert_to_numpy(t.non_finite_step)) for t in trackers}
            name = min(filter(steps.get, steps), key=steps.get, default=name)
            step = steps.get(name) or step
        raise NonFiniteError(
            f"{name} became {logs[name]} at step {step} of epoch {self.keras_epoch + 1}; training "
            f"stopped. {self.model.last_saved_message()} A lower learning rate, float32 instead "
            "of mixed precision, or another loss may help."
        )

    def on_test_begin(self, logs=None):
        if self.model.position.step:  # validation uses the same trackers
            self.model.keep_means()

    def on_epoch_end(self, epoch, logs=None):
        self.model.epoch_counter.assign_add(1)
        self.position.clear()
        self.model.look_back()

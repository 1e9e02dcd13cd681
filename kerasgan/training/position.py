"""The position of a model in its data, so that an interrupted epoch can go on where it stopped."""

import warnings

import keras


class PositionWarning(UserWarning):
    """An epoch that was interrupted begins anew."""


class Position:
    """How far the running epoch has come.

    Attributes:
        epoch: int, how many epochs were finished before it.
        step: int, how many of its batches are behind the model; 0 between epochs. Part of a file.
        steps: int, how many it has, or None where that is not known. Part of a file.
        means: dict from the name of a loss to the state of its mean so far. Part of a file.
        first: int, the batch at which this `fit` began the epoch, after 0 if it was interrupted.
        passing: whether the batch at hand is one of those before `first`.
        can_pass: whether the data of this `fit` gives the same batches in each epoch.
    """

    def __init__(self):
        self.epoch = 0
        self.can_pass = False
        self.clear()

    def clear(self):
        """Says that no epoch is half done."""
        self.step, self.steps, self.means = 0, None, {}
        self.first, self.passing = 0, False

    def begin_epoch(self, epoch, steps, steps_per_execution):
        """Says that an epoch begins, or one that was interrupted goes on.

        Args:
            epoch: int, how many were finished before.
            steps: int, how many batches it has, or None.
            steps_per_execution: int.
        """
        at_boundary = self.step % steps_per_execution == 0 or self.step == steps
        if self.step and not (self.can_pass and self.steps == steps and at_boundary):
            has = "an unknown number of" if steps is None else steps
            warnings.warn(
                f"the model is at {self}, but this data, with {has} steps an epoch, cannot be "
                f"read from there. Epoch {epoch + 1} starts again, with the weights as they are.",
                PositionWarning,
                stacklevel=2,
            )
            self.clear()
        self.epoch, self.steps, self.first = epoch, steps, self.step

    def end_step(self, batch):
        """Says that a batch, counted from 0, is behind the model."""
        # Of the last execution of an epoch Keras tells where it would have ended.
        self.step = batch + 1 if self.steps is None else min(batch + 1, self.steps)

    def losses(self):
        """The means of the losses in the epoch that was interrupted: dict of floats by name."""
        return {name: total / count for name, (total, count, _) in self.means.items()}

    def __str__(self):
        of_steps = "" if self.steps is None else f" of {self.steps}"
        return f"epoch {self.epoch + 1}, step {self.step}{of_steps}"


class PassingCallbacks(keras.callbacks.CallbackList):
    """Callbacks that hear nothing of the batches before the one at which an epoch goes on."""

    def __init__(self, position, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.position = position

    def on_train_batch_begin(self, batch, logs=None):
        self.position.passing = batch < self.position.first
        if not self.position.passing:
            super().on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch, logs=None):
        if not self.position.passing:
            super().on_train_batch_end(batch, logs)


def passing(train_function, position, steps_per_execution, logs):
    """A train function of Keras that draws, but does not train on, the batches to be passed.

    `logs` is a function without arguments that gives the logs so far.
    """

    def pass_or_train(*arguments):
        if not position.passing:
            return train_function(*arguments)
        *state, batches = arguments  # JAX hands the state through
        if hasattr(batches, "__next__"):  # PyTorch's are drawn already
            for _ in range(steps_per_execution):
                next(batches, None)
        return (logs(), *state) if state else logs()

    return pass_or_train

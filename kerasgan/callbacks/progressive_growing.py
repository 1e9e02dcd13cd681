"""Grows a model during one `fit`, Karras et al. 2018."""

import dataclasses
import math
import time

import keras
from keras import ops

from kerasgan import roles
from kerasgan.growing.networks import START_SIZE

UNITS = ("images", "epochs")


@dataclasses.dataclass(frozen=True)
class Stage:
    """How long one resolution is trained.

    Attributes:
        fade_in: over how many images or epochs the new layers fade in. The first resolution has
            nothing to fade from, so there it is always 0.
        stabilize: for how many images or epochs the layers then train at full strength. The last
            stage lasts until `fit` ends.
        unit: `"images"` or `"epochs"`. The numbers of epochs need not be whole.
        batch_size: None for the batches of the data, or an int: each batch of the data is split
            into batches of this many images, with an update for each.

    Raises:
        ValueError: for a length, unit or batch size out of range.

    Example:

    >>> kerasgan.callbacks.Stage(fade_in=10_000, stabilize=20_000)
    Stage(fade_in=10000, stabilize=20000, unit='images', batch_size=None)

    Reference: Progressive Growing of GANs for Improved Quality, Stability, and Variation, Karras
    et al., 2018, arXiv:1710.10196, sections 2 and A.1.
    """

    fade_in: float
    stabilize: float
    unit: str = "images"
    batch_size: int | None = None

    def __post_init__(self):
        for name in ("fade_in", "stabilize"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ValueError(f"{name}={getattr(self, name)!r}; use a number of at least 0.")
        if self.unit not in UNITS:
            raise ValueError(f"unit={self.unit!r}; use one of {', '.join(map(repr, UNITS))}.")
        if self.batch_size is not None and (
            not isinstance(self.batch_size, int) or self.batch_size < 1
        ):
            raise ValueError(
                f"batch_size={self.batch_size!r}; use None or a whole number of at least 1."
            )


class ProgressiveGrowing(keras.callbacks.Callback):
    """Lets a `GrowingGAN` grow from 4x4 to its final resolution during `fit`.

    Each stage is a fade-in and a stabilisation. The schedule depends only on the number of images
    that the model has seen, which is saved with it. So you can stop at any point and continue in
    another process with the same schedule: training does what the uninterrupted run would have
    done. The model grows between two steps, at the first batch after the end of a stage. Its step
    is then compiled again, and the callback reports how long that took.

    With `unit="epochs"` the first stage lasts at least one epoch, because only the first epoch
    shows how many images an epoch has.

    Args:
        schedule: a `Stage` for all resolutions, or a dict from the resolution (4, 8, ..., the final
            one) to its `Stage`. Resolutions that are left out are skipped: `{32: ...}` starts at
            32x32.
        reset_optimizers: whether to reset the optimizers at each stage; see `GrowingGAN.grow_to`.
        verbose: 1 to print a line when a stage begins or is continued, and one when its step has
            been compiled; 0 for none.

    Attributes:
        stages: list of dicts, one each time that a stage begins or another `fit` continues it, with
            the keys `resolution`, `images_seen` until then, `fade_images` and, once its first step
            has run, `first_step_seconds`.

    Raises:
        ValueError: for an invalid schedule; when training begins, for a model that does not grow,
            for resolutions that it does not have, or for a model that has already grown further
            than the schedule says.

    Example:

    >>> gan = kerasgan.ProGAN((8, 8, 1), latent_dim=16, base_width=8)
    >>> gan.compile()
    >>> growing = kerasgan.callbacks.ProgressiveGrowing(
    ...     {4: Stage(0, 1000), 8: Stage(1000, 1000)}, verbose=0
    ... )
    >>> digits = kerasgan.data.load("digits", image_size=8)
    >>> history = gan.fit(digits, epochs=2, callbacks=[growing], verbose=0)
    >>> growing.stages[0]["resolution"]
    4

    Reference: Progressive Growing of GANs for Improved Quality, Stability, and Variation, Karras
    et al., 2018, arXiv:1710.10196, sections 2 and A.1.
    """

    def __init__(
        self, schedule: Stage | dict[int, Stage], reset_optimizers: bool = False, verbose: int = 1
    ):
        super().__init__()
        stages = schedule.values() if isinstance(schedule, dict) else [schedule]
        if not stages or not all(isinstance(stage, Stage) for stage in stages):
            raise ValueError(
                f"schedule={schedule!r}; use a kerasgan.callbacks.Stage, or a dict from resolution "
                "to Stage such as {4: Stage(0, 10_000), 8: Stage(10_000, 10_000)}."
            )
        self.schedule = schedule
        self.reset_optimizers = reset_optimizers
        self.verbose = verbose
        self.stages: list[dict] = []
        self.started = None  # when the first step of a stage did

    def plan(self, last_stage: int) -> dict[int, Stage]:
        """The `Stage` of each stage of a model, by its number: dict.

        Raises:
            ValueError: for resolutions that the model does not have.
        """
        sizes = {START_SIZE * 2**stage: stage for stage in range(last_stage + 1)}
        schedule = self.schedule
        if isinstance(schedule, Stage):
            schedule = dict.fromkeys(sizes, schedule)
        unknown = sorted(set(schedule) - set(sizes))
        if unknown or max(sizes) not in schedule:
            raise ValueError(
                f"schedule has the resolutions {sorted(schedule)}; use some of "
                f"{list(sizes)}, including the last one."
            )
        return {sizes[size]: schedule[size] for size in sorted(schedule)}

    def where(self, seen: int) -> tuple:  # type: ignore[return]  # the last stage has no end
        """Where the schedule is after `seen` images: `(stage, fade_images, end)`.

        `end` is the number of images after which the next stage begins, infinite for the last one
        and while it is not known how many images an epoch has.
        """
        images_an_epoch = int(ops.convert_to_numpy(self.model.images_an_epoch))
        begin: float = 0
        before: tuple = ()
        for index, (stage, lengths) in enumerate(self.planned.items()):
            unit = 1 if lengths.unit == "images" else images_an_epoch
            if index and not unit:
                return (*before, math.inf)  # not before it is known how long its fade is
            fade = round(lengths.fade_in * unit) if index else 0
            last = index == len(self.planned) - 1
            end = math.inf if last or not unit else begin + fade + round(lengths.stabilize * unit)
            if seen < end:
                return stage, fade, end
            begin, before = end, (stage, fade)

    def on_train_begin(self, logs=None):
        roles.require(self.model, roles.Grows, "ProgressiveGrowing", "ProGAN and StyleGAN can.")
        self.planned = self.plan(self.model.last_stage)
        self.images_a_call, self.calls, self.wait = 0, 0, 0
        self.begun = False

    def on_epoch_begin(self, epoch, logs=None):
        seen, position = self._seen(), self.model.position
        # An epoch that goes on began some of these images ago.
        here = position.first / ((position.steps or 0) * position.epoch + position.first or 1)
        self.epoch_start = seen - round(here * seen)
        # Not when training begins: a callback that comes after this one may restore the model then.
        if not self.begun:
            self.begun = True
            self._begin()

    def _begin(self):
        """Puts the model where the schedule is: at its beginning, or where the model left it."""
        self.seen = self._seen()
        if self.model.epochs_trained:  # and saved before this callback had seen the epoch's end
            self._learn_epoch(self.epoch_start // self.model.epochs_trained)
        stage, fade_images, _ = self.where(self.seen)
        if self.seen == 0:
            self._grow(stage, fade_images)
        elif stage == self.model.stage:
            self._continue(stage)
        elif stage < self.model.stage:
            planned, has = (START_SIZE * 2**s for s in (stage, self.model.stage))
            raise ValueError(
                f"after {self.seen:,} images the schedule is at {planned}x{planned}, but the "
                f"model has grown to {has}x{has}; use a schedule that has reached this size by "
                f"then, such as the one that the model was trained with, or call grow_to({stage}) "
                "to shrink the model."
            )

    def on_train_batch_begin(self, batch, logs=None):
        if self.calls >= self.wait:
            before, self.seen = self.seen, self._seen()
            self.images_a_call = max(self.images_a_call, (self.seen - before) / max(1, self.calls))
            stage, fade_images, end = self.where(self.seen)
            if stage != self.model.stage:
                self._grow(stage, fade_images)
            # Reading the counter makes the host wait for the device, so not at every step.
            soon = not self.images_a_call
            self.calls, self.wait = 0, 1 if soon else (end - self.seen) / self.images_a_call
        self.began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.calls += 1
        if self.stages and "first_step_seconds" not in self.stages[-1]:
            seconds = time.perf_counter() - self.began
            self.stages[-1]["first_step_seconds"] = seconds
            size = self.stages[-1]["resolution"]
            self._say(
                f"the first step at {size}x{size}, compilation included, took {seconds:.1f} s."
            )

    def on_epoch_end(self, epoch, logs=None):
        # Not all images seen: the model may have been saved in the middle of its first epoch.
        self._learn_epoch(self._seen() - self.epoch_start)

    def _learn_epoch(self, images):
        """Notes how many images an epoch has, once."""
        if not int(ops.convert_to_numpy(self.model.images_an_epoch)):
            self.model.images_an_epoch.assign(images)
            self.wait = 0

    def _seen(self):
        # JAX keeps the variables of a model in training elsewhere.
        getattr(self.model, "jax_state_sync", lambda: None)()
        return int(ops.convert_to_numpy(self.model.images_seen))

    def _grow(self, stage, fade_images):
        self.model.grow_to(
            stage,
            fade_images=fade_images,
            batch_size=self.planned[stage].batch_size,
            reset_optimizers=self.reset_optimizers and self.seen > 0,
        )
        size = self._begin_stage(stage, fade_images)
        fade = f", fading in over {fade_images:,} images" if fade_images else ""
        self._say(f"{size}x{size} from image {self.seen:,} on{fade}.")

    def _continue(self, stage):
        self.model.batch_size = self.planned[stage].batch_size  # which is not in a file
        size = self._begin_stage(stage, int(ops.convert_to_numpy(self.model.fade_images)))
        alpha = float(ops.convert_to_numpy(self.model.discriminator.alpha))
        self._say(f"continues at {size}x{size}, alpha {alpha:.2f}, from image {self.seen:,} on.")

    def _begin_stage(self, stage, fade_images):
        """Has the step compiled for the stage, and notes that it begins; returns its resolution."""
        self.model.make_train_function()
        size = START_SIZE * 2**stage
        self.stages.append(
            {"resolution": size, "images_seen": self.seen, "fade_images": fade_images}
        )
        return size

    def _say(self, message):
        if self.verbose:
            print(f"\nGrowing: {message}", flush=True)

"""The base class of generative models: training, saving, evaluation and export."""

import contextlib
import inspect
import math
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import keras
import numpy as np
from keras import ops

from kerasgan import backend, checks
from kerasgan.backend import private
from kerasgan.checks.checks_data import ChecksData
from kerasgan.control.directions import Directions
from kerasgan.control.exporting import add_edit
from kerasgan.export.saved_model import Exports, export_model
from kerasgan.layers.spectral_normalization import SpectralNormalization
from kerasgan.presets.has_presets import HasPresets
from kerasgan.roles.base import check_complete
from kerasgan.training import data_order, measuring, step_options
from kerasgan.training.official import ReadsOfficialFiles
from kerasgan.training.optimizers import all_layers, make_optimizers
from kerasgan.training.position import PassingCallbacks, Position, passing
from kerasgan.training.saving import SavesExactly
from kerasgan.training.training_watch import LossTracker, TrainingWatch, own_callbacks


class GenerativeModel(
    HasPresets, SavesExactly, ChecksData, ReadsOfficialFiles, backend.Trainer, keras.Model
):
    """A Keras model of networks that learn to generate, translate, encode or score data.

    A **part** is the set of networks that one optimizer updates together. This class gives a model
    `compile` with one optimizer per part, a `fit` that stops at the first loss that is not a
    number, files from which training continues bit for bit, `evaluate` with generative metrics, and
    `export`. Everything else comes from its roles (`kerasgan.roles`), further base classes.

    A subclass must define:

    - `parts`: dict from a part's name to the list of its networks, which must be built;
    - `default_optimizers()`: the paper's optimizers, a dict by part name;
    - `loss_names`: the names under which a step logs its losses;
    - the step: `batch_loss(data, training=True)`, which returns `(loss, logs)`: the scalar that the
      only part minimizes, logged as `"loss"`, and a dict of other values to log. A model with
      several parts overrides `train_step(data)` and `test_step(data)` instead, which return
      `self.track(logs)`.

    It may set:

    - `default_batch_size`: the paper's images per update;
    - `higher_is_better`: those of its `loss_names` that are better when higher, for callbacks like
      `keras.callbacks.EarlyStopping`; the others are better when lower;
    - `real_and_generated(batches, num_generated, seed)`: the images for metrics. Roles define it.

    The arguments of the constructor that `get_config` returns are saved with the model.

    Args:
        seed: int, the seed of the model's own random numbers (latents, and whatever else its step
            draws with `self.seed_generator`). None takes it from `keras.utils.set_random_seed`, or
            from entropy.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Raises:
        NotImplementedError: from `compile`, when a subclass lacks something that it must define.

    Example:

    >>> class Autoencoder(kerasgan.roles.Reconstructs, kerasgan.GenerativeModel):
    ...     loss_names = ("loss",)
    ...     def __init__(self, image_shape, **kwargs):
    ...         super().__init__(**kwargs)
    ...         self.image_shape = tuple(image_shape)
    ...         numbers = math.prod(image_shape)
    ...         self.encoder = keras.Sequential(
    ...             [keras.Input(image_shape), keras.layers.Flatten(), keras.layers.Dense(4)]
    ...         )
    ...         self.decoder = keras.Sequential(
    ...             [
    ...                 keras.Input((4,)),
    ...                 keras.layers.Dense(numbers, "tanh"),
    ...                 keras.layers.Reshape(image_shape),
    ...             ]
    ...         )
    ...     @property
    ...     def parts(self):
    ...         return {"autoencoder": [self.encoder, self.decoder]}
    ...     def default_optimizers(self):
    ...         return {"autoencoder": keras.optimizers.Adam(1e-3)}
    ...     def batch_loss(self, data, training=True):
    ...         images, _ = self.real_batch(data)
    ...         made = self.decoder(self.encoder(images, training=training), training=training)
    ...         return keras.ops.mean((images - made) ** 2), {}
    >>> model = Autoencoder((8, 8, 1))
    >>> model.compile()
    >>> history = model.fit(kerasgan.data.load("digits"), epochs=1, verbose=0)
    >>> sorted(history.history)
    ['loss']
    """

    owes = {
        "parts": "a property: dict from a part's name to the list of its networks",
        "default_optimizers": "a method: dict from a part's name to its optimizer",
        "loss_names": "the names of the losses that a step logs, a tuple",
    }
    takes: str | None = None  # the kind of its data, a name in kerasgan.data.KINDS; roles say it
    higher_is_better: tuple[str, ...] = ()  # those of `loss_names` that are better when higher
    default_batch_size = 64  # examples of a batch of `fit` with the paper's settings
    image_axes: int | None = None  # the required length of its image_shape, if any
    compares_pairs = False  # whether metrics compare each real image with its own generated one
    # The parts that `pretrain` does not train, where there is one.
    waits_for_pretraining: tuple[str, ...] = ()

    def __new__(cls, *args, **kwargs):
        checks.check_arguments(cls, args, kwargs)
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = backend.SeedGenerator(seed)
        self.evaluation_seed = backend.SeedGenerator(0)
        self.epoch_counter = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False, name="epochs_trained"
        )
        self.position = Position()
        self.built = True  # its networks are; Keras refuses to back up a model that is not

    @property
    def networks_and_averages(self) -> list[keras.Model]:
        """The networks of all parts, and their averaged copies if there are any: list."""
        return [network for networks in self.parts.values() for network in networks]

    @property
    def compares_vectors(self) -> bool:
        """Whether metrics compare vectors rather than images."""
        return False

    @property
    def compares_classes(self) -> bool:
        """Whether metrics get the labels of real and of generated images."""
        return False

    @classmethod
    def batch_size_for(cls, /, **settings) -> int:
        """The batch size of `fit` that gives each update as many examples as in the paper: int.

        Args:
            **settings: arguments of the constructor and of `compile` that are not the defaults.
        """
        return cls.default_batch_size

    def updates_per_batch(self, part: str) -> float:
        """How many updates the part has per batch of `fit`, on average: number."""
        return 1

    def part_variables(self, part: str) -> list:
        """The variables that the part's optimizer updates."""
        return [v for network in self.parts[part] for v in network.trainable_variables]

    def power_iteration(self, part: str) -> None:
        """Updates the part's estimates of the largest singular values of its weights.

        It does so for `kerasgan.layers.SpectralNormalization`, once per update. Steps that
        accumulate the gradients of one update see one estimate, as one large batch would.
        """
        begins = not self.compiled or self.optimizer.begins_update(part)
        for layer in all_layers(self.parts[part]):
            if isinstance(layer, SpectralNormalization):
                layer.power_iteration(begins)

    # Compiling ---------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: str | keras.Optimizer | dict | None = None,
        *,
        metrics: list | None = None,
        jit_compile: bool | str = "auto",
        steps_per_execution: int | str = "auto",
    ) -> None:
        """Prepares for training.

        Under a `tf.distribute` strategy batch norm computes its statistics over all replicas; to
        change that, set `synchronized = False` on the layers after `compile`.

        Args:
            optimizer: None for the paper's; one optimizer (or name) for all parts, each of
                which gets a copy; or a dict by part name, e.g.
                `{"generator": keras.optimizers.Adam(1e-4, beta_1=0.5)}`, where a part that is
                left out gets the paper's. Networks that compute in float16 get loss scaling.
            metrics: list of `keras.metrics.Metric` whose `update_state` takes `(real_images,
                generated_images)`, or of their names, such as `"fid"`; `evaluate` and
                `fit(validation_data=...)` compute them.
            jit_compile: True, False, or `"auto"`, which compiles with XLA where measurements showed
                that it is faster (benchmarks/README.md).
            steps_per_execution: how many batches run between two calls of the callbacks, or
                `"auto"`: several for networks so small that starting a step takes as long as the
                step.

        Raises:
            NotImplementedError: when a subclass lacks something that it must define.
            ValueError: for an unknown part, metric or jit_compile, or a way of running steps that
                the backend or strategy does not support.
        """
        check_complete(self)
        own = type(self)
        if (own.batch_loss, own.train_step) == (
            GenerativeModel.batch_loss,
            GenerativeModel.train_step,
        ):
            self.batch_loss(None)  # it raises the error that says that it is missing
        if jit_compile not in (True, False, "auto"):
            raise ValueError(f"jit_compile={jit_compile!r}; use True, False or 'auto'.")
        generative_metrics = measuring.get(metrics or [])
        for metric in generative_metrics:
            if getattr(metric, "paired", False) and not self.compares_pairs:
                raise ValueError(
                    f"metrics holds {type(metric).__name__}, which compares images in pairs, but "
                    "images made from noise have no partners. Use it for models that translate."
                )
        optimizers = make_optimizers(
            optimizer, self.default_optimizers(), self.parts, self._moved_variables()
        )
        variables = [v for part in self.parts for v in self.part_variables(part)]
        self.step_options = step_options.choose(jit_compile, steps_per_execution, variables)
        super().compile(
            jit_compile=self.step_options.jit_compile,
            steps_per_execution=self.step_options.steps_per_execution,
        )
        for layer in self._synchronizable_layers():
            layer.synchronized = backend.is_distributed()
        self.position.clear()
        self.optimizer = optimizers
        self.choose_trackers()
        self.generative_metrics = generative_metrics
        # The requested values rather than those chosen for "auto", because the next machine may
        # differ.
        self._asked_jit_compile = jit_compile
        self._asked_steps_per_execution = steps_per_execution

    def choose_trackers(self) -> None:
        """Starts to track the losses in `loss_names`."""
        self.loss_trackers = [LossTracker(name) for name in self.loss_names]

    def compile_arguments(self) -> dict:
        """The arguments with which `compile` sets up the same training again."""
        return {
            "optimizer": dict(self.optimizer.by_part),
            "metrics": list(self.generative_metrics),
            "jit_compile": self._asked_jit_compile,
            "steps_per_execution": self._asked_steps_per_execution,
        }

    # Training ----------------------------------------------------------------------------------

    def fit(self, *args, **kwargs) -> keras.callbacks.History:
        """Trains, as `keras.Model.fit` does.

        It differs in four ways. (1) The order of arrays, and of data from `kerasgan.data`, depends
        only on the number of epochs that the model has been trained, so a restored model goes on
        with the batches that it would have seen. (2) An epoch that was interrupted, in this process
        or before the model was saved, goes on with its remaining batches if the data has the same
        number of batches as then, and bit for bit if the data is the same. If an epoch does not
        read the data from beginning to end (an iterator, `steps_per_epoch`) you get a warning, and
        the epoch starts again. (3) A loss that is not a number raises `NonFiniteError`, which says
        where it happened and which file was saved last (unless `keras.callbacks.TerminateOnNaN` is
        among the callbacks, which then decides). (4) `fit` logs the metrics of `evaluate` as
        `val_...`. With several workers only the chief runs callbacks that have an attribute
        `chief_only = True`. If a callback has a method `during_fit()`, training runs inside the
        context that it returns.

        Args:
            *args, **kwargs: as for `keras.Model.fit`. The data is real images (float, NHWC in [-1,
                1]) or other data as the model's docstring says.

        Returns:
            A `keras.callbacks.History`.

        Raises:
            ValueError: for data that the model does not accept: for arrays before training, for
                batches before the step that would use them.
            NonFiniteError: when a loss or a weight becomes NaN or infinite.
        """
        bound = inspect.signature(super().fit).bind(*args, **kwargs)
        call = bound.arguments
        self.agree_on_classes(call.get("x"), learn=True)
        self.agree_on_classes(call.get("validation_data"))
        check = self.check_data(call)
        kept = own_callbacks(call.get("callbacks"), self.is_chief)
        x, steps = call.get("x"), call.get("steps_per_epoch")
        if hasattr(x, "element_spec"):
            call.setdefault("shuffle", False)  # a data set shuffles itself
        cardinality = getattr(x, "cardinality", None)
        in_epoch = int(cardinality()) if steps is None and cardinality else -1
        self._divide(steps, call.get("validation_steps"), at_most=in_epoch)
        validation = call.get("validation_data")
        if validation is not None:
            parts = validation if isinstance(validation, (tuple, list)) else (validation,)
            checked = dict(zip(("x", "y", "sample_weight"), parts, strict=False))
            self.check_data(checked, check)
            validation = call["validation_data"] = (
                checked["x"] if len(checked) == 1 else tuple(checked.values())
            )
            if self.compiled:
                self.prepare_metrics(checked["x"])
        self.position.epoch = self.epochs_trained
        data_order.bind(call, self.position)
        watch = TrainingWatch(kept, x, validation)
        call["callbacks"] = PassingCallbacks(
            self.position,
            [watch, *kept],
            add_history=True,
            add_progbar=call.get("verbose", "auto") != 0,
            model=self,
            verbose=call.get("verbose", "auto"),
            epochs=call.get("epochs", 1),
            steps=data_order.steps_in_epoch(call.get("x"), call.get("batch_size"), steps),
        )
        try:
            with contextlib.ExitStack() as around:
                around.enter_context(check.own_error())
                for callback in kept:
                    around.enter_context(getattr(callback, "during_fit", contextlib.nullcontext)())
                self.prepare_networks(partial(data_order.first_batch, call))
                return super().fit(*bound.args, **bound.kwargs)
        finally:
            self.keep_means()  # before another use of the model resets them

    def look_back(self) -> None:
        """Warns of problems at the end of an epoch; does nothing by default."""

    def prepare_networks(self, first_batch: Callable) -> None:
        """Prepares networks that must see data before the first step; does nothing by default.

        Args:
            first_batch: function without arguments that returns the first batch of `fit`'s data.
        """

    def evaluate(
        self,
        *args,
        num_generated: int | None = None,
        seed: int = 0,
        return_dict: bool = False,
        **kwargs,
    ) -> list[float] | dict[str, float]:
        """Compares generated images with real ones.

        Real images come from the data. Images are generated from the same latents at every call, so
        that results of two epochs differ only because of the networks. Training is not affected,
        because it has its own random numbers. The losses are computed first, in compiled steps;
        then the metrics are updated batch by batch outside compiled steps, so that they can keep
        any state and use NumPy.

        Args:
            *args, **kwargs: as for `keras.Model.evaluate`.
            num_generated: int, how many generated images the metrics get, besides all real images
                of the data; None for as many as real ones. It does not affect the losses. Labels,
                if any, are those of the real images, repeated as often as needed.
            seed: int; the images are those of `generate` with this seed.
            return_dict: whether to return a dict rather than a list.

        Returns:
            The losses and the metrics given to `compile`, by name with `return_dict=True`.

        Raises:
            ValueError: for a number out of range, or images that a metric does not accept.
        """
        whole = isinstance(num_generated, (int, np.integer))
        if num_generated is not None and (not whole or num_generated < 1):
            raise ValueError(
                f"num_generated={num_generated!r}; use None or a whole number of at least 1."
            )
        bound = inspect.signature(super().evaluate).bind(*args, **kwargs)
        call, check = bound.arguments, checks.BatchCheck(self.check_batch)
        if not private.is_from_fit(kwargs):  # not from fit, which has already done it
            self.agree_on_classes(call.get("x"))
            check = self.check_data(call)
            self._divide(call.get("steps"))
            self.prepare_metrics(call.get("x"))
        start = self.evaluation_seed.state
        start.assign(ops.zeros(start.shape, start.dtype))
        with check.own_error():
            results = super().evaluate(*bound.args, return_dict=True, **bound.kwargs)
        if self.generative_metrics:
            given = {name: call.get(name) for name in ("x", "y", "batch_size", "steps")}
            of_fit = getattr(call.get("callbacks"), "params", {})
            shown = call.get("verbose", of_fit.get("verbose", "auto")) not in (0, 2)
            pairs = self.real_and_generated(measuring.batches_of(**given), num_generated, seed)
            measuring.feed(self.generative_metrics, pairs, progress=shown)
            for metric in self.generative_metrics:
                results |= measuring.results(metric)
        return results if return_dict else list(results.values())

    def prepare_metrics(self, x) -> None:
        """Loads what the metrics need, so that missing files are noticed before long work.

        Args:
            x: the data for `evaluate`.

        Raises:
            ValueError, OSError: for a metric that lacks what it needs, or data that cannot be read
                twice.
        """
        of_model = self.compares_vectors, self.compares_classes
        measuring.prepare(self.generative_metrics, x, *of_model)

    def real_and_generated(
        self, batches: Iterable, num_generated: int | None = None, seed: int = 0
    ) -> Iterator:
        """Yields the batches with which metrics are updated.

        Args:
            batches: iterable of what `fit` takes as a batch.
            num_generated, seed: as for `evaluate`.

        Yields:
            Real and generated images, float32 arrays, as many of each, or none of a kind that has
            come to its end; for a model with classes also the labels of both.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no metrics. Give it `real_and_generated`, or a role that "
            "has it."
        )

    def _divide(self, *steps, at_most=-1):
        """Lowers an automatic `steps_per_execution` to a divisor of the requested steps.

        Otherwise Keras would run more steps than requested, and count past the end of a short
        epoch.
        """
        if self.compiled and self._asked_steps_per_execution == "auto":
            wanted = [n for n in steps if n]
            divisor = math.gcd(self.step_options.steps_per_execution, *wanted)
            if at_most > 0:
                divisor = min(divisor, at_most)
            if divisor != self.steps_per_execution:
                self.steps_per_execution = divisor
                self.train_function = self.test_function = None

    # The step ----------------------------------------------------------------------------------

    def batch_loss(self, data, training=True):
        """The loss and logs of the only part: `(loss, logs)`.

        Args:
            data: a batch of `fit`'s data.
            training: False in evaluation, where random numbers come from `self.evaluation_seed`.
        """
        raise NotImplementedError(
            f"{type(self).__name__} is incomplete. Give it `batch_loss`, a method that returns "
            "(loss, logs), or `train_step` and `test_step`."
        )

    def train_step(self, data):
        """Updates the only part; returns the mean losses so far."""
        (part,) = self.parts
        loss, logs = backend.update(
            lambda: self.batch_loss(data), self.part_variables(part), self.optimizer[part]
        )
        return self.track({"loss": loss, **logs})

    def test_step(self, data):
        """The losses of a batch."""
        loss, logs = self.batch_loss(data, training=False)
        return self.track({"loss": loss, **logs})

    # Counting --------------------------------------------------------------------------------

    def get_metrics_result(self):
        # Not the generative metrics, which are expensive: `evaluate` computes them once at its end.
        return self.tracked()

    def track(self, logs: dict) -> dict:
        """Adds a step's losses to the means of the epoch and returns those means by name."""
        for tracker in self.loss_trackers:
            tracker.update_state(logs[tracker.name])
        return self.tracked()

    def tracked(self) -> dict:
        """The means of the losses over the epoch so far, by name."""
        return {tracker.name: tracker.result() for tracker in self.loss_trackers}

    @property
    def iterations(self) -> int:
        """How many training steps the model has had: int.

        Steps that accumulate the gradients of one update count as one.
        """
        return int(ops.convert_to_numpy(self.optimizer.iterations))

    @property
    def epochs_trained(self) -> int:
        """How many epochs the model has finished, in this process and before: int."""
        return int(ops.convert_to_numpy(self.epoch_counter))

    def make_train_function(self, force=False):
        """Makes what `fit` calls for each execution; see `kerasgan.training.step_options`."""
        trained = [w.trainable for part in self.parts for w in self._part_weights(part)]
        trained += [layer.trainable for layer in all_layers(self.networks_and_averages)]
        # Layers may have been frozen since the step was created.
        if self.train_function is not None and not force and trained == self._trained_in_step:
            return
        self._trained_in_step = trained
        steps = self.steps_per_execution
        self.train_function = passing(self.make_step(), self.position, steps, self.tracked)

    def make_step(self) -> Callable:
        """The function with which Keras runs an execution of training steps."""
        super().make_train_function(force=True)
        return self.train_function

    # Export ------------------------------------------------------------------------------------

    def exports(self) -> Exports:
        """The endpoints of an exported model: `kerasgan.export.Exports`; roles add some."""
        return Exports(card=self.model_card())

    def export(
        self,
        filepath: str | os.PathLike,
        *,
        jit_compile: bool = False,
        model_card: dict | None = None,
        directions: Directions | None = None,
    ) -> None:
        """Writes a SavedModel that TensorFlow Serving loads.

        It needs neither kerasgan nor Keras. Each role of the model adds its endpoints:

        - `kerasgan.roles.HasLatents`: `serving_default`, `latent`, float32 (batch, latent_dim), and
          if conditional `label`, int32 (batch), to `images`, float32 (batch, height, width,
          channels) in [-1, 1];
        - `kerasgan.roles.GeneratesImages`: `sample`, `seed`, int64 (batch), `label` if conditional,
          and `truncation`, float32 (batch), -1 for none, of models whose papers have it, to
          `image_bytes`, a PNG file each. The seeds are what `generate_numbers` takes, so those from
          s * 2**32 on give the images of `generate(n, seed=s)`;
        - with `directions`: `edit`, as `sample` but with `offsets`, float32 (batch, k), how far to
          move along each direction in standard deviations; zeros give the images of `sample`;
        - `kerasgan.roles.Translates`: `serving_default` from `images` to `images`, and `translate`
          from and to `image_bytes`, picture files;
        - `kerasgan.roles.Encodes`: `encode`, `decode` and `reconstruct`;
        - `kerasgan.roles.HasLikelihood`: `log_likelihood`.

        The output for an example depends on that example only. Inputs out of range raise
        INVALID_ARGUMENT. Exported under JAX, the file also has the bare networks as endpoints,
        which check nothing. `assets.extra/model_card.json` in it describes the model.

        Args:
            filepath: a folder that does not exist or is empty. TensorFlow Serving wants its last
                part to be a version number: `savedmodels/digits/1`.
            jit_compile: whether XLA compiles the networks on the server, once for each batch size
                and image size. Use it for GPUs; on a CPU it makes convolutions slower.
            model_card: dict of further entries for the model card.
            directions: `kerasgan.control.Directions` of this model, for `edit`.

        Raises:
            FileExistsError: when the folder is not empty.
            RuntimeError: under PyTorch, which cannot write a SavedModel.
            ValueError: for a model without a role that has an endpoint; for directions of another
                model.
        """
        exports = self.exports()
        if directions is not None:
            add_edit(exports, self, directions)
        if not exports.signatures:
            raise ValueError(f"{type(self).__name__} has no role with an endpoint to export.")
        exports.card |= model_card or {}
        export_model(filepath, exports, jit_compile)

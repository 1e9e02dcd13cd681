"""The base of every model in which networks are trained against each other."""

import contextlib
import inspect
import math
import os
import pathlib

import keras
import numpy as np
from keras import ops

import kerasgan
from kerasgan import backend, checks, losses
from kerasgan.backend import private
from kerasgan.training import data_order, layer_settings, measuring, step_options
from kerasgan.training.optimizers import all_layers, make_optimizers, portable
from kerasgan.training.position import PassingCallbacks, Position, passing
from kerasgan.training.training_watch import LossTracker, NonFiniteError, TrainingWatch
from kerasgan.utils.files import atomic_path


class AdversarialModel(backend.Trainer, keras.Model):
    """Networks that play against each other, trained, saved and measured as one Keras model.

    A **player** is the set of networks that one optimizer moves together. A subclass names its
    players and the logs of its step, and writes `train_step` and `test_step`; this class gives it
    `compile` with one optimizer a player, a `fit` that stops at the first loss that is not a
    number, files that continue bit for bit, and generative metrics.

    A subclass provides:

    - `players`: dict from a player's name to the list of its networks, which must be built;
    - `loss_names`: the names under which `train_step` and `test_step` log their losses;
    - `default_optimizers()`: dict by player name, the paper's;
    - `default_loss`: the name of the paper's loss;
    - `default_batch_size`: the paper's images an update, times the updates that share a batch;
    - `train_step(data)` and `test_step(data)`, which return `self.track(logs)`;
    - `comparisons(batches)`: the real and generated images that metrics are fed with;
    - `check_batch(data)` and `batch_limits`, if its data is to be checked.

    Args:
        seed: int, where the model's own random numbers (latents, and whatever else its step
            draws) start. None takes it from `keras.utils.set_random_seed`, or from entropy.
        **kwargs: `name` and `dtype`, as for `keras.Model`.

    Reference: Generative Adversarial Networks, Goodfellow et al., 2014, arXiv:1406.2661.
    """

    default_loss = "non_saturating"
    networks_version = 1  # raised when the same weights begin to compute something else
    default_batch_size = 64  # examples of a batch of `fit` with the paper's settings
    image_axes = None  # how many numbers its image_shape has, if only so many will do
    skip_broken_saves = False  # while TerminateOnNaN ends a training
    _moved_when_compiled = None  # while a file is loaded: indices of weights by player

    def __new__(cls, *args, **kwargs):
        checks.check_arguments(cls, args, kwargs)
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = backend.SeedGenerator(seed)
        self.evaluation_seed = backend.SeedGenerator(0)
        self.epoch_counter = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False, name="epochs_trained"
        )
        self.position = Position()
        self.last_saved = None  # (path, what of the training is in it)
        self.built = True  # its networks are; Keras refuses to back up a model that is not

    @property
    def players(self):
        """Dict from a player's name to the list of networks that its optimizer moves."""
        raise NotImplementedError(f"{type(self).__name__} must say who its players are.")

    @property
    def networks_and_averages(self):
        """The networks of all players, and the averaged copies of some if there are any: list."""
        return [network for networks in self.players.values() for network in networks]

    @property
    def loss_names(self):
        """Names of the losses that a step logs."""
        return tuple(f"{player}_loss" for player in self.players)

    def default_optimizers(self):
        """The paper's optimizers, by player name."""
        raise NotImplementedError(f"{type(self).__name__} must give its default optimizers.")

    @classmethod
    def batch_size_for(cls, /, **settings):
        """The batch of `fit` with which each update sees as many examples as in the paper: int.

        Args:
            **settings: arguments of the constructor and of `compile` that are not the defaults.
        """
        return cls.default_batch_size

    def player_variables(self, player):
        """The variables that the player's optimizer moves."""
        return [v for network in self.players[player] for v in network.trainable_variables]

    def improve_estimates(self, player):
        """Lets the player's layers improve what they estimate of their weights, once an update.

        So far the largest singular values of `kerasgan.layers.SpectralNormalization`. Steps that
        accumulate the gradients of one update see one estimate, as one large batch would.
        """
        begins = not self.compiled or self.optimizer.begins_update(player)
        for layer in all_layers(self.players[player]):
            if hasattr(layer, "improve"):
                layer.improve(begins)

    # Compiling ---------------------------------------------------------------------------------

    def compile(
        self,
        optimizer=None,
        loss=None,
        *,
        metrics=None,
        jit_compile="auto",
        steps_per_execution="auto",
    ):
        """Prepares for training.

        Under a `tf.distribute` strategy batch norm takes its statistics of the batches of all
        replicas together; set `synchronized = False` on the layers after `compile` if not wanted.

        Args:
            optimizer: None for the paper's; one optimizer (or name) for all players, each of
                which gets a copy; or a dict by player name, e.g.
                `{"generator": keras.optimizers.Adam(1e-4, beta_1=0.5)}`, where a player that is
                left out gets the paper's. Networks that compute in float16 get loss scaling.
            loss: an adversarial loss or its name (see `kerasgan.losses`); None for the paper's.
            metrics: list of `keras.metrics.Metric` whose `update_state` takes
                `(real_images, generated_images)`, or of their names, such as `"fid"`; `evaluate`
                and `fit(validation_data=...)` feed them.
            jit_compile: True, False, or `"auto"`, which compiles with XLA where that was
                measured to pay (benchmarks/README.md).
            steps_per_execution: how many batches run between two looks of the callbacks, or
                `"auto"`: several for networks so small that starting a step costs as much as
                the step.

        Raises:
            ValueError: for an unknown player, loss, metric or jit_compile, or a way of running
                steps that the backend or strategy cannot do.
        """
        if jit_compile not in (True, False, "auto"):
            raise ValueError(f"jit_compile={jit_compile!r}; use True, False or 'auto'.")
        generative_metrics = measuring.get(metrics or [])
        adversarial_loss = losses.get(self.default_loss if loss is None else loss)
        optimizers = make_optimizers(
            optimizer, self.default_optimizers(), self.players, self._moved_variables()
        )
        variables = [v for player in self.players for v in self.player_variables(player)]
        self.execution = step_options.choose(jit_compile, steps_per_execution, variables)
        super().compile(
            jit_compile=self.execution.jit_compile,
            steps_per_execution=self.execution.steps_per_execution,
        )
        for layer in self._synchronizable_layers():
            layer.synchronized = backend.is_distributed()
        self.position.clear()
        self.optimizer = optimizers
        self.adversarial_loss = adversarial_loss
        self.choose_trackers()
        self.generative_metrics = generative_metrics
        # What was asked for rather than what "auto" became: the next machine may differ.
        self._asked_jit_compile = jit_compile
        self._asked_steps_per_execution = steps_per_execution

    def choose_trackers(self):
        """Tracks what `loss_names` says, from now on."""
        self.loss_trackers = [LossTracker(name) for name in self.loss_names]

    def compile_arguments(self):
        """The arguments with which `compile` gives the same training again."""
        return {
            "optimizer": dict(self.optimizer.by_player),
            "loss": self.adversarial_loss,
            "metrics": list(self.generative_metrics),
            "jit_compile": self._asked_jit_compile,
            "steps_per_execution": self._asked_steps_per_execution,
        }

    def get_compile_config(self):
        if not self.compiled:
            return None
        config = portable(keras.saving.serialize_keras_object(self.compile_arguments()))
        return {**config, "since_compiled": self._state_since_compiled()}

    def compile_from_config(self, config):
        # Files of earlier versions do not tell.
        since_compiled = config.get("since_compiled", {"moved": None, "synchronized": {}})
        config = {name: value for name, value in config.items() if name != "since_compiled"}
        arguments = keras.saving.deserialize_keras_object(config)
        if backend.reason_for_single_steps():  # unlike, perhaps, where the file was written
            arguments |= {"jit_compile": "auto", "steps_per_execution": "auto"}
        self._moved_when_compiled = since_compiled["moved"]
        try:
            self.compile(**arguments)
        finally:
            self._moved_when_compiled = None
        layers = self._synchronizable_layers()
        for index, synchronized in since_compiled["synchronized"].items():
            layers[int(index)].synchronized = synchronized

    def _state_since_compiled(self):
        """What `compile` chose and users may have changed since: dict that JSON can hold."""
        chosen = backend.is_distributed()
        moved = {id(v) for variables in self.optimizer.moved.values() for v in variables}
        return {
            "moved": {
                player: [i for i, w in enumerate(self._player_weights(player)) if id(w) in moved]
                for player in self.players
            },
            "synchronized": {
                str(index): layer.synchronized
                for index, layer in enumerate(self._synchronizable_layers())
                if layer.synchronized != chosen
            },
        }

    def _moved_variables(self):
        """By player what its optimizer has state for.

        These are the variables that were trainable when the model was compiled, in this process or
        before it was saved; layers may have been frozen since.
        """
        if self._moved_when_compiled is None:
            return {
                player: [v for network in networks for v in network.trainable_variables]
                for player, networks in self.players.items()
            }
        return {
            player: [self._player_weights(player)[index] for index in indices]
            for player, indices in self._moved_when_compiled.items()
        }

    def _player_weights(self, player):
        return [w for network in self.players[player] for w in network.weights]

    def _synchronizable_layers(self):
        layers = all_layers([network for player in self.players.values() for network in player])
        return [x for x in layers if isinstance(x, keras.layers.BatchNormalization)]

    # Training ----------------------------------------------------------------------------------

    def fit(self, *args, **kwargs):
        """Trains, as `keras.Model.fit` does.

        Four things are added. Arrays, and data from `kerasgan.data`, are shuffled as a function of
        the number of epochs that this model has been trained, so a restored model goes on with the
        batches that it would have seen. An epoch that was interrupted, in this process or before
        the model was saved, goes on with the batches that it lacks, if the data has as many as it
        had then: bit for bit if these are the same. Data that an epoch does not read from its
        beginning to its end (an iterator, `steps_per_epoch`) gives a warning, and the epoch
        begins anew. A loss that is not a number raises `NonFiniteError`, which says where it
        happened and what was saved last (unless `keras.callbacks.TerminateOnNaN` is among the
        callbacks, which then decides). And `evaluate`'s metrics come as `val_...`. Of several
        workers only the chief runs callbacks that have an attribute `chief_only = True`, and what
        a callback's `during_fit()` gives is a context around it all.

        Args:
            *args, **kwargs: as for `keras.Model.fit`. The data is real images (float, NHWC in
                [-1, 1]) or what else the model says.

        Returns:
            A `keras.callbacks.History`.

        Raises:
            ValueError: for data that is not what the model takes: arrays before training, batches
                before the step that would use them.
            NonFiniteError: when a loss or a weight becomes NaN or infinite.
        """
        bound = inspect.signature(super().fit).bind(*args, **kwargs)
        call = bound.arguments
        self.agree_on_classes(call.get("x"), learn=True)
        self.agree_on_classes(call.get("validation_data"))
        check = self._check_data(call)
        given = call.get("callbacks") or []
        given = getattr(given, "callbacks", given)  # of a CallbackList
        given = list(given) if isinstance(given, (list, tuple)) else [given]
        # Several workers would write the same files.
        kept = [c for c in given if self.is_chief or not getattr(c, "chief_only", False)]
        x, steps = call.get("x"), call.get("steps_per_epoch")
        if hasattr(x, "element_spec"):
            call.setdefault("shuffle", False)  # a data set shuffles itself
        in_epoch = int(x.cardinality()) if steps is None and hasattr(x, "cardinality") else -1
        self._divide(steps, call.get("validation_steps"), at_most=in_epoch)
        validation = call.get("validation_data")
        if validation is not None:
            parts = validation if isinstance(validation, (tuple, list)) else (validation,)
            checked = dict(zip(("x", "y", "sample_weight"), parts, strict=False))
            self._check_data(checked, check)
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
                return super().fit(*bound.args, **bound.kwargs)
        finally:
            self.keep_means()  # before another use of the model resets them

    def evaluate(self, *args, num_generated=None, seed=0, return_dict=False, **kwargs):
        """Compares generated images with real ones.

        Real images come from the data. Images are generated from the same latents at every call, so
        that the numbers of two epochs differ by the networks only. Training is not disturbed: its
        random numbers are not drawn from. The losses come first, from compiled steps; then the
        metrics are fed, batch by batch and outside of them, so that a metric may keep what it wants
        and use NumPy.

        Args:
            *args, **kwargs: as for `keras.Model.evaluate`.
            num_generated: int, how many generated images the metrics are given, of all real images
                of the data; None for as many as real ones. The losses are not concerned. Labels, if
                any, are the real images', again and again.
            seed: int; the images are those of `generate` with it.
            return_dict: whether to return a dict rather than a list.

        Returns:
            The losses and the metrics given to `compile`, by name with `return_dict=True`.

        Raises:
            ValueError: for a number out of range, or images that a metric cannot take.
        """
        whole = isinstance(num_generated, (int, np.integer))
        if num_generated is not None and (not whole or num_generated < 1):
            raise ValueError(
                f"num_generated={num_generated!r}; use None or a whole number of at least 1."
            )
        bound = inspect.signature(super().evaluate).bind(*args, **kwargs)
        call, check = bound.arguments, checks.BatchCheck(self.check_batch)
        if not private.is_from_fit(kwargs):  # which has done it
            self.agree_on_classes(call.get("x"))
            check = self._check_data(call)
            self._divide(kwargs.get("steps"))
            self.prepare_metrics(call.get("x"))
        start = self.evaluation_seed.state
        start.assign(ops.zeros(start.shape, start.dtype))
        with check.own_error():
            results = super().evaluate(*bound.args, return_dict=True, **bound.kwargs)
        if self.generative_metrics:
            given = {name: call.get(name) for name in ("x", "y", "batch_size", "steps")}
            of_fit = getattr(call.get("callbacks"), "params", {})
            shown = call.get("verbose", of_fit.get("verbose", "auto")) not in (0, 2)
            pairs = self.comparisons(measuring.batches_of(**given), num_generated, seed)
            measuring.feed(self.generative_metrics, pairs, progress=shown)
            for metric in self.generative_metrics:
                results |= measuring.results(metric)
        return results if return_dict else list(results.values())

    def prepare_metrics(self, x):
        """Loads what the metrics need, so that what is missing is known before long work.

        Args:
            x: the data that `evaluate` will take.

        Raises:
            ValueError, OSError: for a metric that cannot have what it needs, or data that cannot be
                read twice.
        """
        vectors = len(getattr(self, "image_shape", ())) == 1
        measuring.prepare(self.generative_metrics, x, vectors)

    def agree_on_classes(self, data, learn=False):
        """Makes sure that the labels of data mean what they mean to this model, if to it they do.

        Args:
            data: what `fit` takes.
            learn: whether a model whose classes have no names yet takes those of the data.

        Raises:
            ValueError: for a label that means something else.
        """

    def comparisons(self, batches, num_generated=None, seed=0):
        """What metrics are fed with.

        Args:
            batches: iterable of what `fit` takes as a batch.
            num_generated, seed: as for `evaluate`.

        Yields:
            Real and generated images, float32 arrays, as many of each or, where one kind has come
            to its end, none of it.
        """
        raise NotImplementedError(f"{type(self).__name__} must say what its metrics compare.")

    def _divide(self, *steps, at_most=-1):
        """Lowers an automatic `steps_per_execution` to a divisor of the steps asked for.

        Keras would run more steps than were asked for, and count past the end of a short epoch.
        """
        if self.compiled and self._asked_steps_per_execution == "auto":
            wanted = [n for n in steps if n]
            divisor = math.gcd(self.execution.steps_per_execution, *wanted)
            if at_most > 0:
                divisor = min(divisor, at_most)
            if divisor != self.steps_per_execution:
                self.steps_per_execution = divisor
                self.train_function = self.test_function = None

    # Checking ----------------------------------------------------------------------------------

    def check_batch(self, data):
        """Makes sure that a batch is what the model can be trained on; here, anything is.

        Args:
            data: what `fit` takes as a batch, or the specification of it; values are looked at
                where it holds NumPy arrays.

        Returns:
            Dict from the name of images in [-1, 1] to their lowest and highest value, where there
            are values.

        Raises:
            ValueError: for other data.
        """
        return {}

    @property
    def batch_limits(self):
        """The lowest and the highest value of each part of a batch: list of pairs, one or none."""
        return []

    def _check_data(self, arguments, check=None):
        """Puts data that is checked into the arguments of `fit` or `evaluate`.

        Args:
            arguments: dict with `x`, `y` and weights, as far as they were given.
            check: the `BatchCheck` whose `own_error` is to tell of these data, too.

        Returns:
            A `BatchCheck`.
        """
        weights = {name: arguments.get(name) for name in ("sample_weight", "class_weight")}
        checks.refuse_weights(**weights)
        own = checks.BatchCheck(self.check_batch, check)
        x, y = arguments.get("x"), arguments.get("y")
        arguments["x"] = checks.checked_data(x, y, own, self.batch_limits)
        return own

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, **kwargs):
        """One step on a batch, which is checked; see `fit` and `keras.Model.train_on_batch`."""
        given = {"x": x, "y": y, "sample_weight": sample_weight, "class_weight": class_weight}
        self._check_data(given)
        return super().train_on_batch(x, y, **kwargs)

    def test_on_batch(self, x, y=None, sample_weight=None, **kwargs):
        """The losses of a batch, which is checked; see `keras.Model.test_on_batch`."""
        self._check_data({"x": x, "y": y, "sample_weight": sample_weight})
        return super().test_on_batch(x, y, **kwargs)

    def get_metrics_result(self):
        # Not the generative metrics: they cost much, and `evaluate` asks them once at its end.
        return self.tracked()

    def track(self, logs):
        """Adds a step's losses to the means of the epoch and returns those means by name."""
        for tracker in self.loss_trackers:
            tracker.update_state(logs[tracker.name])
        return self.tracked()

    def tracked(self):
        """The means of the losses over the epoch so far, by name."""
        return {tracker.name: tracker.result() for tracker in self.loss_trackers}

    @property
    def iterations(self):
        """How many training steps the model has had: int.

        Steps that accumulate the gradients of one update count as one.
        """
        return int(ops.convert_to_numpy(self.optimizer.iterations))

    @property
    def epochs_trained(self):
        """How many epochs the model has finished, in this process and before: int."""
        return int(ops.convert_to_numpy(self.epoch_counter))

    def make_train_function(self, force=False):
        """Makes what `fit` calls for each execution; see `kerasgan.training.step_options`."""
        trained = [w.trainable for player in self.players for w in self._player_weights(player)]
        trained += [layer.trainable for layer in all_layers(self.networks_and_averages)]
        # Layers may have been frozen since the step was made, which knows nothing of it.
        if self.train_function is not None and not force and trained == self._trained_in_step:
            return
        self._trained_in_step = trained
        super().make_train_function(force=True)
        steps = self.steps_per_execution
        self.train_function = passing(self.train_function, self.position, steps, self.tracked)

    # Saving and restoring ----------------------------------------------------------------------

    def save(self, filepath, overwrite=True, **kwargs):
        """Saves everything: networks, optimizers, averages, seeds, counters.

        As `keras.Model.save`, except that an existing file is replaced in one move when the new
        one is complete, and that weights which are not numbers are not written.

        Args:
            filepath: a path that ends in `.keras`.
            overwrite: whether an existing file may be replaced; if not, Keras asks.
            **kwargs: as for `keras.Model.save`.

        Raises:
            NonFiniteError: when a weight is NaN or infinite.
            ValueError: for a path with another ending.
        """
        if isinstance(filepath, (str, os.PathLike)) and not str(filepath).endswith(".keras"):
            raise ValueError(
                f"filepath={str(filepath)!r}; use a name that ends in .keras. save_weights writes "
                ".weights.h5 files, export writes a SavedModel."
            )
        self._write(super().save, filepath, overwrite, kwargs)

    def save_weights(self, filepath, overwrite=True, **kwargs):
        """Saves the same state as `save`, without the configuration; see there.

        Args:
            filepath: a path that ends in `.weights.h5`.
            overwrite: whether an existing file may be replaced; if not, Keras asks.
            **kwargs: as for `keras.Model.save_weights`.
        """
        self._write(super().save_weights, filepath, overwrite, kwargs)

    def _write(self, write, filepath, overwrite, kwargs):
        if not self.is_chief:  # of several workers, who all have the same weights
            self._means()  # which all workers compute together
            return
        for weight in self.weights:
            if not np.all(np.isfinite(ops.convert_to_numpy(ops.cast(weight, "float32")))):
                if self.skip_broken_saves:
                    return
                raise NonFiniteError(
                    f"the weight {weight.path} is not finite, so {filepath} was not written. "
                    f"{self.last_saved_message()}"
                )
        local_file = isinstance(filepath, (str, os.PathLike)) and "://" not in str(filepath)
        if local_file and (overwrite or not os.path.exists(filepath)):
            with atomic_path(filepath) as temporary:
                write(str(temporary), overwrite=True, **kwargs)
        else:
            write(filepath, overwrite=overwrite, **kwargs)
        if local_file:
            self._remember(filepath)

    def load_weights(self, filepath, *args, **kwargs):
        """Restores what `save_weights` or `save` wrote, as `keras.Model.load_weights`.

        Raises:
            ValueError: when the file holds another model, or, if this model is compiled, other
                optimizers.
        """
        super().load_weights(filepath, *args, **kwargs)
        self._remember(filepath)

    def _remember(self, filepath):
        self.last_saved = (pathlib.Path(filepath), self.how_far())

    def how_far(self):
        """Such as `"after 2 epochs"`, `"at epoch 3, step 120 of 600"`, or None before training."""
        if self.position.step:
            return f"at {self.position}"
        if not self.epochs_trained:
            return None
        return f"after {self.epochs_trained} epoch{'' if self.epochs_trained == 1 else 's'}"

    def last_saved_message(self):
        """A sentence that says which file holds the model as it last was on disk."""
        if self.last_saved is None:
            return (
                "Nothing was saved since the model was made or loaded; "
                "kerasgan.callbacks.Autosave saves it after every epoch and within long ones."
            )
        path, how_far = self.last_saved
        return f"The model as it was {how_far or 'before training'} is in {path}."

    def model_card(self):
        """What an exported file tells of the model: dict that JSON can hold."""
        config = self.get_config()
        return {
            "model": type(self).__name__,
            "kerasgan": kerasgan.__version__,
            "keras": keras.__version__,
            "epochs_trained": self.epochs_trained,
            "steps_trained": self.iterations if self.compiled else None,
            "settings": {n: v for n, v in config.items() if not isinstance(v, dict)},
        }

    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["networks_version"] = np.int32(self.networks_version)
        for index, state in enumerate(self._seed_states()):
            store[f"seed_{index}"] = ops.convert_to_numpy(state)
        if self.position.step:
            store["position"] = np.array([self.position.step, self.position.steps or 0])
            for name, mean in self._means().items():
                store[f"mean_{name}"] = mean
        if self.compiled:
            for name, variable in self.optimizer.state().items():
                store[name] = ops.convert_to_numpy(variable)

    def load_own_variables(self, store):
        names = list(store.keys())
        version = int(np.asarray(store["networks_version"])) if "networks_version" in names else 1
        if version != self.networks_version:
            raise ValueError(self.other_networks(version))
        super().load_own_variables({name: store[name] for name in names if name.isdigit()})
        seeds = self._seed_states()
        found = sum(name.startswith("seed_") for name in names)
        if found != len(seeds):
            raise ValueError(
                f"the file holds {found} random states, this model has {len(seeds)}: it was saved "
                "from a model with other random layers."
            )
        for index, state in enumerate(seeds):
            state.assign(store[f"seed_{index}"])
        self.position.clear()
        self.position.epoch = self.epochs_trained
        if "position" in names:
            step, steps = map(int, store["position"])
            self.position.step, self.position.steps = step, steps or None
            means = [name for name in names if name.startswith("mean_")]
            self.position.means = {n.removeprefix("mean_"): np.array(store[n]) for n in means}
        if self.compiled:
            self.optimizer.load_state({n: store[n] for n in names if not n.isdigit()})

    @classmethod
    def other_networks(cls, version):
        """What is wrong with a file of networks of another version, and what to do."""
        name = cls.__name__
        return (
            f"the file holds version {version} of {name}'s networks, and this kerasgan has version "
            f"{cls.networks_version}, which computes something else with the same weights "
            "(docs/models.md). Use the file with the kerasgan that wrote it, or train anew. "
            "SavedModels that were exported are served as before."
        )

    def _means(self):
        if not self.position.step or not self.compiled:
            return {}
        now = {tracker.name: tracker.state() for tracker in self.loss_trackers}
        return self.position.means or now

    def keep_means(self):
        """Keeps the means of the losses of an epoch that is half done until it goes on."""
        self.position.means = self._means()

    def _seed_states(self):
        # Keras does not save seed generators, those of Dropout layers neither.
        weights = {id(v) for v in self.weights}
        return [
            v for v in self.variables if id(v) not in weights and v.name == "seed_generator_state"
        ]

    def get_config(self):
        return {
            "name": self.name,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "layer_settings": layer_settings.record(self.networks_and_averages),
        }

    @classmethod
    def from_config(cls, config):
        arguments = {name: value for name, value in config.items() if name != "layer_settings"}
        model = cls(**arguments)
        if "layer_settings" in config:
            layer_settings.restore(model.networks_and_averages, config["layer_settings"])
        return model

"""Saves and loads models with everything that training needs to go on bit for bit."""

import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import keras
import numpy as np
from keras import ops

import kerasgan
from kerasgan import backend
from kerasgan.training import layer_settings
from kerasgan.training.optimizers import all_layers, portable
from kerasgan.training.training_watch import NonFiniteError
from kerasgan.utils.files import atomic_path

if TYPE_CHECKING:
    from keras import Model as _Beside  # it uses what the model beside it has
else:
    _Beside = object

# Arguments that are networks, which a configuration holds as what Keras made of them.
NETWORKS = ("generator", "discriminator", "encoder", "decoder")


class SavesExactly(_Beside):
    """The methods of `GenerativeModel` for files, a base class beside `keras.Model`.

    A file holds the networks, optimizers, averages, seeds and counters, the settings that users
    made on layers, and the position in an unfinished epoch.
    """

    networks_version = 1  # raised when the same weights begin to compute something else
    skip_broken_saves = False  # while TerminateOnNaN ends a training
    last_saved = None  # (path, what of the training is in it)
    _moved_when_compiled = None  # while a file is loaded: indices of weights by part
    _of_networks_only = False  # while save_networks writes
    layers_of_game: Sequence = ()  # those that compile has added

    def save(self, filepath: str | os.PathLike, overwrite: bool = True, **kwargs) -> None:
        """Saves everything: networks, optimizers, averages, seeds, counters.

        As `keras.Model.save`, except that an existing file is replaced in one step once the new one
        is complete, and that NaN or infinite weights raise an error.

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

    def save_weights(self, filepath: str | os.PathLike, overwrite: bool = True, **kwargs) -> None:
        """Saves the same state as `save`, without the configuration; see `save`.

        Args:
            filepath: a path that ends in `.weights.h5`.
            overwrite: whether an existing file may be replaced; if not, Keras asks.
            **kwargs: as for `keras.Model.save_weights`.
        """
        self._write(super().save_weights, filepath, overwrite, kwargs)

    def save_networks(self, filepath: str | os.PathLike) -> None:
        """Saves what `save_weights` does, without optimizers and the position in an epoch.

        Args:
            filepath: a path that ends in `.weights.h5`, for `load_weights` before `compile`.
        """
        self._of_networks_only = True
        try:
            self.save_weights(filepath)
        finally:
            self._of_networks_only = False

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

    def load_weights(self, filepath: str | os.PathLike, *args, **kwargs) -> None:
        """Restores what `save_weights` or `save` wrote; see `keras.Model.load_weights`.

        Raises:
            ValueError: when the file holds another model, or, if this model is compiled, other
                optimizers.
        """
        super().load_weights(filepath, *args, **kwargs)
        self._remember(filepath)

    def _remember(self, filepath):
        self.last_saved = (pathlib.Path(filepath), self.how_far())

    def how_far(self) -> str | None:
        """`"after 2 epochs"`, `"at epoch 3, step 120 of 600"` or such; None before training."""
        if self.position.step:
            return f"at {self.position}"
        if not self.epochs_trained:
            return None
        return f"after {self.epochs_trained} epoch{'' if self.epochs_trained == 1 else 's'}"

    def last_saved_message(self) -> str:
        """A sentence that says which file holds the model as it last was on disk."""
        if self.last_saved is None:
            return (
                "Nothing has been saved since the model was made or loaded; "
                "kerasgan.callbacks.Autosave saves it after every epoch and within long ones."
            )
        path, how_far = self.last_saved
        return f"The model as it was {how_far or 'before training'} is in {path}."

    def save_own_variables(self, store):
        super().save_own_variables(store)
        store["networks_version"] = np.int32(self.networks_version)
        states = self._seed_states()
        if self._of_networks_only:
            added = {id(v) for layer in self.layers_of_game for v in layer.variables}
            states = [state for state in states if id(state) not in added]
        for index, state in enumerate(states):
            store[f"seed_{index}"] = ops.convert_to_numpy(state)
        if self._of_networks_only:
            return
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
    def other_networks(cls, version: int) -> str:
        """What is wrong with a file of networks of another version, and what to do."""
        name = cls.__name__
        return (
            f"the file holds version {version} of {name}'s networks, and this kerasgan has "
            f"version {cls.networks_version}, which computes something else with the same weights "
            "(docs/models.md). Use the file with the version of kerasgan that wrote it, or train "
            "the model again. Exported SavedModels still work."
        )

    def _means(self):
        if not self.position.step or not self.compiled:
            return {}
        now = {tracker.name: tracker.state() for tracker in self.loss_trackers}
        return self.position.means or now

    def keep_means(self) -> None:
        """Keeps the means of the losses of an epoch that is half done until it goes on."""
        self.position.means = self._means()

    def _seed_states(self):
        # Keras does not save seed generators, those of Dropout layers neither.
        weights = {id(v) for v in self.weights}
        return [
            v for v in self.variables if id(v) not in weights and v.name == "seed_generator_state"
        ]

    def model_card(self) -> dict:
        """The description of the model in an exported file: dict for JSON."""
        config = self.get_config()
        return {
            "model": type(self).__name__,
            "kerasgan": kerasgan.__version__,
            "keras": keras.__version__,
            "epochs_trained": self.epochs_trained,
            "steps_trained": self.iterations if self.compiled else None,
            "settings": {n: v for n, v in config.items() if not isinstance(v, dict)},
        }

    # How it is compiled ------------------------------------------------------------------------

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
                part: [i for i, w in enumerate(self._part_weights(part)) if id(w) in moved]
                for part in self.parts
            },
            "synchronized": {
                str(index): layer.synchronized
                for index, layer in enumerate(self._synchronizable_layers())
                if layer.synchronized != chosen
            },
        }

    def _moved_variables(self):
        """By part what its optimizer has state for.

        These are the variables that were trainable when the model was compiled, in this process or
        before it was saved; layers may have been frozen since.
        """
        if self._moved_when_compiled is None:
            return {
                part: [v for network in networks for v in network.trainable_variables]
                for part, networks in self.parts.items()
            }
        return {
            part: [self._part_weights(part)[index] for index in indices]
            for part, indices in self._moved_when_compiled.items()
        }

    def _part_weights(self, part):
        return [w for network in self.parts[part] for w in network.weights]

    def _synchronizable_layers(self):
        layers = all_layers([network for part in self.parts.values() for network in part])
        return [x for x in layers if isinstance(x, keras.layers.BatchNormalization)]

    def get_config(self) -> dict:
        return {
            "name": self.name,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "layer_settings": layer_settings.record(self.networks_and_averages),
        }

    @classmethod
    def from_config(cls, config: dict) -> Self:
        arguments = {name: value for name, value in config.items() if name != "layer_settings"}
        for name in NETWORKS:
            if isinstance(arguments.get(name), dict):
                arguments[name] = keras.saving.deserialize_keras_object(arguments[name])
        model = cls(**arguments)
        if "layer_settings" in config:
            layer_settings.restore(model.networks_and_averages, config["layer_settings"])
        return model


def load_model(path: str | os.PathLike) -> keras.Model:
    """Loads a model with everything that training needs, as `keras.saving.load_model` does.

    Args:
        path: a `.keras` file, or the folder of a run of `kerasgan train`.

    Returns:
        The model; compiled, if it was when it was saved.

    Raises:
        FileNotFoundError: when there is no such file.
        ValueError: when it is not a `.keras` file, or has networks that differ from those of this
            version.

    Example:

    >>> gan = kerasgan.DCGAN((8, 8, 1), latent_dim=8, base_width=4)
    >>> gan.save("model.keras")
    >>> gan = kerasgan.load_model("model.keras")
    >>> gan.freeze_discriminator(1)
    ['down0']
    >>> gan.compile(augmentation="ada")
    """
    file = pathlib.Path(path)
    file = file / "model.keras" if file.is_dir() else file
    if not file.is_file():
        raise FileNotFoundError(f"path={str(path)!r}: {file} does not exist; give a .keras file.")
    return keras.saving.load_model(file)

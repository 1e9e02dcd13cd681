"""One optimizer a part, kept together."""

import keras

from kerasgan import backend
from kerasgan.backend import private


class OptimizerGroup:
    """The optimizers of all parts, by part name, as one `model.optimizer`.

    Keras' trainers and callbacks ask a model's optimizer for `built`, `build` and `variables`.
    It is a plain object, not a Keras one, so that Keras does not save the optimizers: when the
    shapes differ Keras only warns and starts them anew, and a run that silently lost its Adam
    moments is not a continued run. `GenerativeModel` saves `state()` and restores it with
    `load_state`, which is strict.

    Args:
        by_part: dict by part name of built optimizers.
        moved: dict by part name of the list of variables that each was built for.
    """

    built = True

    def __init__(self, by_part, moved):
        self.by_part = by_part
        self.moved = moved

    def __getitem__(self, part):
        return self.by_part[part]

    def build(self, variables):
        """Nothing to do: each part's optimizer was built when the model was compiled."""

    @property
    def optimizers(self):
        return list(self.by_part.values())

    @property
    def iterations(self):
        # Of the last part, who moves once a step, however often the others do.
        return self.optimizers[-1].iterations

    def begins_update(self, part):
        """Whether the part's next step is the first for its next update.

        Returns:
            True, or, of an optimizer that accumulates gradients, a bool tensor.
        """
        optimizer = getattr(self.by_part[part], "inner_optimizer", self.by_part[part])
        steps = optimizer.gradient_accumulation_steps
        return private.calls_of(optimizer) % steps == 0 if steps else True

    @property
    def variables(self):
        return [v for optimizer in self.optimizers for v in optimizer.variables]

    def state(self):
        """All variables of all optimizers by a name that stays the same from run to run."""
        return {
            f"{part}_optimizer_{index}": variable
            for part, optimizer in self.by_part.items()
            for index, variable in enumerate(optimizer.variables)
        }

    def load_state(self, store):
        """Restores what `state` gave.

        Args:
            store: mapping from those names to arrays. Other names in it are ignored.

        Raises:
            ValueError: when the arrays are not exactly those of this group's optimizers.
        """
        saved = {name for name in store if "_optimizer_" in name}
        for part, optimizer in self.by_part.items():
            own = {f"{part}_optimizer_{i}": v for i, v in enumerate(optimizer.variables)}
            found = {name for name in saved if name.startswith(f"{part}_optimizer_")}
            if set(own) != found or any(tuple(v.shape) != store[n].shape for n, v in own.items()):
                kind = type(optimizer).__name__
                raise ValueError(
                    f"the file does not hold the state of the {part}'s optimizer: {kind} here "
                    f"has {len(own)} arrays, the file has {len(found)} for this part, or their "
                    "shapes differ. Compile with the optimizers that the file was saved with, or "
                    "load the weights before compile() to start with fresh optimizers."
                )
            for name, variable in own.items():
                variable.assign(store[name])


def adam(learning_rate, beta_1=0.9, beta_2=0.999):
    """Adam with the epsilon of its paper, 1e-8, where Keras has 1e-7.

    It is also that of TensorFlow 1, PyTorch, Chainer, Blocks and Torch, in which the papers'
    programs are written, and matters where gradients are small.

    Args:
        learning_rate, beta_1, beta_2: as for `keras.optimizers.Adam`.
    """
    return keras.optimizers.Adam(learning_rate, beta_1, beta_2, epsilon=1e-8)


def make_optimizers(optimizer, defaults, networks, moved):
    """The optimizers that `compile(optimizer=...)` stands for, built.

    Args:
        optimizer: None (the paper's), one optimizer, name or config for all parts, or a dict
            of these by part name, where a part that is left out or None gets the paper's.
        defaults: dict by part name of the paper's optimizers.
        networks: dict by part name of the list of networks that the part moves.
        moved: dict by part name of the list of their variables that the optimizer is built for.

    Returns:
        An `OptimizerGroup`.

    Raises:
        ValueError: for a name that is not a part.
    """
    by_part = isinstance(optimizer, dict) and "class_name" not in optimizer
    given = dict(optimizer) if by_part else dict.fromkeys(defaults, optimizer)
    unknown = sorted(set(given) - set(defaults))
    if unknown:
        raise ValueError(
            f"optimizer names the parts {unknown}; this model's parts are {list(defaults)}."
        )
    chosen = {}
    for part, default in defaults.items():
        own = given.get(part)
        own = keras.optimizers.get(default if own is None else own)
        if own.built or not by_part:
            # Slots belong to one part's variables, so each part has an optimizer of its own.
            own = type(own).from_config(own.get_config())
        if _has_float16(networks[part]) and not _scales_loss(own):
            own = keras.optimizers.LossScaleOptimizer(own)
        backend.accelerate(own.inner_optimizer if _scales_loss(own) else own)
        own.name = part  # under which callbacks log its learning rate
        own.build(moved[part])
        chosen[part] = own
    return OptimizerGroup(chosen, moved)


def portable(config):
    """A serialized structure without the names that only one backend of Keras can import.

    Under PyTorch Keras makes `keras.optimizers.Adam` a class of its own and writes down where
    that one is, so that the other backends cannot load the file.
    """
    if isinstance(config, dict):
        config = {name: portable(value) for name, value in config.items()}
        public = hasattr(keras.optimizers, str(config.get("class_name")))
        if public and str(config.get("module")).startswith("keras."):
            config |= {"module": "keras.optimizers", "registered_name": None}
        return config
    return [portable(value) for value in config] if isinstance(config, list) else config


def _scales_loss(optimizer):
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


def _has_float16(networks):
    return any(layer.compute_dtype == "float16" for layer in all_layers(networks))


def all_layers(networks):
    """Every layer of the networks, at any depth, the networks themselves included."""
    return [layer for network in networks for layer in private.layers_of(network)]

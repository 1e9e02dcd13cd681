"""One optimizer a player, kept together."""

import keras

from kerasgan import backend
from kerasgan.backend import private


class OptimizerGroup:
    """The optimizers of all players, by player name, as one `model.optimizer`.

    Keras' trainers and callbacks ask a model's optimizer for `built`, `build` and `variables`.
    It is a plain object, not a Keras one, so that Keras does not save the optimizers: when the
    shapes differ Keras only warns and starts them anew, and a run that silently lost its Adam
    moments is not a continued run. `AdversarialModel` saves `state()` and restores it with
    `load_state`, which is strict.

    Args:
        by_player: dict by player name of built optimizers.
        moved: dict by player name of the list of variables that each was built for.
    """

    built = True

    def __init__(self, by_player, moved):
        self.by_player = by_player
        self.moved = moved

    def __getitem__(self, player):
        return self.by_player[player]

    def build(self, variables):
        """Nothing to do: each player's optimizer was built when the model was compiled."""

    @property
    def optimizers(self):
        return list(self.by_player.values())

    @property
    def iterations(self):
        # Of the last player, who moves once a step, however often the others do.
        return self.optimizers[-1].iterations

    def begins_update(self, player):
        """Whether the player's next step is the first for its next update.

        Returns:
            True, or, of an optimizer that accumulates gradients, a bool tensor.
        """
        optimizer = getattr(self.by_player[player], "inner_optimizer", self.by_player[player])
        steps = optimizer.gradient_accumulation_steps
        return private.calls_of(optimizer) % steps == 0 if steps else True

    @property
    def variables(self):
        return [v for optimizer in self.optimizers for v in optimizer.variables]

    def state(self):
        """All variables of all optimizers by a name that stays the same from run to run."""
        return {
            f"{player}_optimizer_{index}": variable
            for player, optimizer in self.by_player.items()
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
        for player, optimizer in self.by_player.items():
            own = {f"{player}_optimizer_{i}": v for i, v in enumerate(optimizer.variables)}
            found = {name for name in saved if name.startswith(f"{player}_optimizer_")}
            if set(own) != found or any(tuple(v.shape) != store[n].shape for n, v in own.items()):
                kind = type(optimizer).__name__
                raise ValueError(
                    f"the file does not hold the state of the {player}'s optimizer: {kind} here "
                    f"has {len(own)} arrays, the file has {len(found)} for this player, or their "
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
        optimizer: None (the paper's), one optimizer, name or config for all players, or a dict
            of these by player name, where a player that is left out or None gets the paper's.
        defaults: dict by player name of the paper's optimizers.
        networks: dict by player name of the list of networks that the player moves.
        moved: dict by player name of the list of their variables that the optimizer is built for.

    Returns:
        An `OptimizerGroup`.

    Raises:
        ValueError: for a name that is not a player.
    """
    by_player = isinstance(optimizer, dict) and "class_name" not in optimizer
    given = dict(optimizer) if by_player else dict.fromkeys(defaults, optimizer)
    unknown = sorted(set(given) - set(defaults))
    if unknown:
        raise ValueError(
            f"optimizer names the players {unknown}; this model's players are {list(defaults)}."
        )
    chosen = {}
    for player, default in defaults.items():
        own = given.get(player)
        own = keras.optimizers.get(default if own is None else own)
        if own.built or not by_player:
            # Slots belong to one player's variables, so each player has an optimizer of its own.
            own = type(own).from_config(own.get_config())
        if _has_float16(networks[player]) and not _scales_loss(own):
            own = keras.optimizers.LossScaleOptimizer(own)
        backend.accelerate(own.inner_optimizer if _scales_loss(own) else own)
        own.name = player  # under which callbacks log its learning rate
        own.build(moved[player])
        chosen[player] = own
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

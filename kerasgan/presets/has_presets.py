"""From a preset to a model, and from a model to a preset."""

import datetime
import json
import math
import os
import pathlib
import warnings
from typing import TYPE_CHECKING, Any, Self

import keras

import kerasgan
from kerasgan.presets import catalogue
from kerasgan.utils.files import atomic_path

if TYPE_CHECKING:
    from keras import Model as _Beside  # it uses what the model beside it has
else:
    _Beside = object

# Arguments that can change without changing the layers.
KEEPS_LAYERS = {"name", "seed"}


class HasPresets(_Beside):
    """The methods of `GenerativeModel` for presets, a base class beside `keras.Model`."""

    @classmethod
    def from_preset(
        cls, preset: str | os.PathLike, /, *, weights: str | None = "preset", **settings: Any
    ) -> Self:
        """Creates the model of a preset, compiled with the preset's settings.

        Its optimizers, its augmentation and averages of its weights start anew. To continue a
        training run exactly, load a `.keras` file instead.

        Args:
            preset: the name of a preset of the package, which `kerasgan presets` lists (the model's
                own name can be left out: `R3GAN.from_preset("cifar10", weights=None)`), the path of
                a folder that `save_to_preset` wrote, or `"hf://user/name"`, such a folder on the
                Hugging Face Hub, which needs huggingface_hub.
            weights: `"preset"` for the preset's weights, None for random ones. Presets that are
                only a paper's settings have no weights.
            **settings: arguments of the constructor that replace the preset's. With weights, only
                those that keep the shapes of all weights.

        Returns:
            The model, of this class or a subclass.

        Raises:
            ValueError: for an unknown preset, one of another model, one without weights unless
                `weights=None`, or settings that its weights do not fit.
            ImportError: for `hf://` without huggingface_hub.

        Example:

        >>> gan = kerasgan.DCGAN.from_preset("dcgan_digits")
        >>> gan.generate(4, seed=0).shape
        (4, 16, 16, 1)
        >>> gan = kerasgan.SNGAN.from_preset("cifar10", weights=None, base_width=8)
        >>> gan.image_shape
        (32, 32, 3)
        """
        if weights not in ("preset", None):
            raise ValueError(f"weights={weights!r}; use 'preset' or None.")
        found = catalogue.find(preset, None if cls is HasPresets else cls.__name__)
        model_class = _class_of(found, cls)
        if weights is not None and found.weights is None:
            raise ValueError(
                f"the preset {found.name} has only the settings of a paper and no weights; use "
                "weights=None and train it."
            )
        config = {**found.config["config"], **settings}
        how = dict(found.config.get("compile_config") or {})
        if set(settings) - KEEPS_LAYERS:
            config.pop("layer_settings", None)
            how.pop("since_compiled", None)
        model = model_class.from_config(config)
        if weights is not None:
            _load_weights(model, found, settings)
        if found.config.get("compile_config") is not None:
            model.compile_from_config(how)
        return model

    def save_to_preset(self, folder: str | os.PathLike, *, card: str | None = None) -> None:
        """Writes a folder from which `from_preset` can create the model again.

        The folder gets `config.json`, `model.weights.h5`, `metadata.json` and, as `README.md`, the
        card. The state of optimizers and of training is left out; see `from_preset`.

        Args:
            folder: path. A preset in it is replaced; other files stay.
            card: str, Markdown that says what the model was trained on, how, and under which
                licence it may be used; None for a page with gaps to fill in, unless the folder has
                a card.

        Raises:
            ValueError: for a card that is no text, or a file in the place of the folder.
            NonFiniteError: when a weight is NaN or infinite.

        Example:

        >>> gan = kerasgan.DCGAN((16, 16, 1), base_width=8, seed=0)
        >>> gan.save_to_preset("my_digits")
        >>> same = kerasgan.from_preset("my_digits")
        >>> bool(np.all(same.generate(4, seed=0) == gan.generate(4, seed=0)))
        True
        """
        if card is not None and not isinstance(card, str):
            raise ValueError(f"card={card!r}; use None or a text in Markdown.")
        folder = pathlib.Path(folder)
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"folder={str(folder)!r} is a file; use the path of a folder.")
        config = keras.saving.serialize_keras_object(self)
        config.pop("build_config", None)
        metadata = {
            "keras_version": keras.__version__,
            "kerasgan_version": kerasgan.__version__,
            "parameter_count": sum(math.prod(w.shape) for w in self.weights),
            "date_saved": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d@%H:%M:%S"),
        }
        self.save_networks(folder / catalogue.WEIGHTS)
        texts = {catalogue.METADATA: _json(metadata), catalogue.CARD: card}
        if card is None and not (folder / catalogue.CARD).exists():
            texts[catalogue.CARD] = _card(folder.resolve().name, self)
        texts[catalogue.CONFIG] = _json(config)  # last: without it the folder is not a preset
        for name, text in texts.items():
            if text is not None:
                with atomic_path(folder / name) as temporary:
                    temporary.write_text(text, encoding="utf-8")


def from_preset(
    preset: str | os.PathLike, /, *, weights: str | None = "preset", **settings: Any
) -> Any:
    """Creates the model of a preset of any class; see `kerasgan.GenerativeModel.from_preset`.

    Args:
        preset, weights, **settings: as there.

    Returns:
        The model, of the class that the preset names.

    Raises:
        ValueError: for an unknown preset, one without weights unless `weights=None`, or settings
            that its weights do not fit.
        ImportError: for `hf://` without huggingface_hub.

    Example:

    >>> gan = kerasgan.from_preset("cgan_digits")
    >>> gan.generate(10, seed=0, labels=range(10)).shape
    (10, 16, 16, 1)
    """
    return HasPresets.from_preset(preset, weights=weights, **settings)


def _class_of(preset, asked):
    """The class of a preset's model, which must be `asked` or a subclass of it.

    Only classes that are registered with Keras are used, whatever the file names.
    """
    registered = preset.config["registered_name"]
    found = keras.saving.get_registered_object(registered)
    if not isinstance(found, type) or not issubclass(found, HasPresets):
        raise ValueError(
            f"the preset {preset.name} is of {registered!r}, which Keras does not know as a "
            "generative model. If it is one of yours, import the module that defines it first."
        )
    if not issubclass(found, asked):
        name = found.__name__
        raise ValueError(
            f"the preset {preset.name} is a {name}, not a {asked.__name__}; use "
            f"kerasgan.from_preset, or {name}.from_preset."
        )
    return found


def _load_weights(model, preset, settings):
    """Loads a preset's weights into a model that is not yet compiled, so has no optimizers."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a line for each layer, before the error
            model.load_weights(preset.weights)
    except OSError as error:
        raise ValueError(
            f"{preset.weights} is damaged, or not a file of weights; restore it from a copy."
        ) from error
    except ValueError as error:
        if not settings:
            raise ValueError(
                f"the weights of the preset {preset.name} do not fit its {catalogue.CONFIG}; "
                "restore both from a copy."
            ) from error
        given = ", ".join(f"{name}={value!r}" for name, value in settings.items())
        raise ValueError(
            f"the weights of the preset {preset.name} do not fit {given}; leave that out, or use "
            "weights=None for random ones."
        ) from error


def _json(values):
    return json.dumps(values, indent=2) + "\n"


def _card(name, model):
    """The default card of a preset."""
    settings = {n: v for n, v in model.get_config().items() if not isinstance(v, dict)}
    rows = "\n".join(f"| `{n}` | `{v!r}` |" for n, v in settings.items())
    return f"""---
library_name: kerasgan
---
# {name}

A `{type(model).__name__}` {model.how_far() or "before training"}.

```python
import kerasgan

model = kerasgan.from_preset("path/of/{name}")
```

| setting | value |
|---|---|
{rows}

Data, command, measurements and licence: say them here.
"""

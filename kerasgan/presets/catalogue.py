"""Lists presets and finds them by name."""

import dataclasses
import difflib
import functools
import json
import os
import pathlib
import re
from collections.abc import Mapping

CONFIG = "config.json"
WEIGHTS = "model.weights.h5"
METADATA = "metadata.json"
CARD = "README.md"
SHIPPED = pathlib.Path(__file__).parent
PAPERS = SHIPPED / "papers.json"
HUB = "hf://"


@dataclasses.dataclass(frozen=True)
class Preset:
    """A preset: a model with a name.

    Attributes:
        name: such as `"dcgan_mnist"`.
        config: dict, the model as Keras serializes it: `class_name`, `config`, `compile_config`.
        folder: the folder of its weights, or None for the settings of a paper.
        paper: dict with the `source` of a paper's settings, `batch_size`, the images per update,
            and `parameters`, the number of weights per network or of `all`, if the paper reports
            it; empty for a preset with weights.
    """

    name: str
    config: Mapping
    folder: pathlib.Path | None = None
    paper: Mapping = dataclasses.field(default_factory=dict)

    @property
    def class_name(self) -> str:
        """The name of the model's class."""
        return self.config["class_name"]

    @property
    def weights(self) -> pathlib.Path | None:
        """The path of its weights, or None for the settings of a paper."""
        return None if self.folder is None else self.folder / WEIGHTS


@functools.cache
def presets() -> Mapping[str, Preset]:
    """Returns all presets that ship with the package.

    Returns:
        Mapping from names to `Preset`, those with weights first.

    Example:

    >>> preset = kerasgan.presets.presets()["r3_gan_cifar10"]
    >>> preset.class_name, preset.weights, preset.paper["batch_size"]
    ('R3GAN', None, 512)
    """
    shipped = sorted(path.parent for path in SHIPPED.glob(f"*/{CONFIG}"))
    found = {folder.name: read(folder) for folder in shipped}
    for name, entry in json.loads(PAPERS.read_text(encoding="utf-8")).items():
        config = {n: entry.pop(n) for n in ("class_name", "config")}
        config["registered_name"] = f"kerasgan>{config['class_name']}"
        config["compile_config"] = entry.pop("compile_config", {})
        found[name] = Preset(name, config, paper=entry)
    return found


def find(name: str | os.PathLike, class_name: str | None = None) -> Preset:
    """Finds the preset for a name, a folder or an address.

    Args:
        name: the name of a preset of the package, which can leave out the model if `class_name`
            gives it, such as `"cifar10"` for `"r3_gan_cifar10"`; the path of a folder; or
            `"hf://user/name"`, a folder of the Hugging Face Hub, which needs huggingface_hub.
        class_name: the name of a model's class, or None.

    Returns:
        A `Preset`.

    Raises:
        ValueError: for an unknown name, a folder that holds no preset, or a damaged one, or an
            address from which nothing can be downloaded.
        ImportError: without huggingface_hub.

    Example:

    >>> kerasgan.presets.find("cifar10", "R3GAN").name
    'r3_gan_cifar10'
    """
    if not isinstance(name, (str, os.PathLike)):
        raise ValueError(
            f"preset={name!r}; use the name of a preset, the path of a folder, or {HUB}user/name."
        )
    text = os.fspath(name)
    if text.startswith(HUB):
        return read(_from_hub(text), text)
    known = presets()
    of_class = [n for n, p in known.items() if p.class_name == class_name]
    short = {_short(n, class_name): n for n in of_class}
    full = text if text in known else short.get(_short(text, class_name))
    if full is not None:
        return known[full]
    if os.path.isdir(text):
        return read(text)
    if isinstance(name, os.PathLike) or os.sep in text:
        raise ValueError(f"{text} is not a folder, so it holds no preset.")
    near = [n for n in known if text and not of_class and n.endswith(f"_{text}")]
    near = near or difflib.get_close_matches(text, [*of_class, *short, *known], n=1)
    hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    names = ", ".join(of_class or [n for n, p in known.items() if p.weights])
    whose = f"of {class_name}" if of_class else "with weights"
    rest = "" if of_class else "; `kerasgan presets` lists those without"
    raise ValueError(
        f"there is no preset {text!r}; those {whose} are {names}{rest}. You can also use a folder "
        f"or {HUB}user/name.{hint}"
    )


def is_folder(path: str | os.PathLike) -> bool:
    """Whether a path is the folder of a preset."""
    return (pathlib.Path(path) / CONFIG).is_file() and (pathlib.Path(path) / WEIGHTS).is_file()


def read(folder: str | os.PathLike, name: str | None = None) -> Preset:
    """Reads the preset in a folder.

    Args:
        folder: path.
        name: the name to give it; None for that of the folder.

    Raises:
        ValueError: for a folder that holds no preset, or a damaged one.
    """
    folder = pathlib.Path(folder)
    for file in (CONFIG, WEIGHTS):
        if not (folder / file).is_file():
            raise ValueError(
                f"{name or folder} holds no preset: {file} is missing. "
                "model.save_to_preset(folder) writes one."
            )
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        whole = all(isinstance(config[n], str) for n in ("class_name", "registered_name"))
        whole = whole and isinstance(config["config"], dict)
    except (ValueError, TypeError, KeyError):
        whole = False
    if not whole:
        raise ValueError(
            f"{folder / CONFIG} is damaged, or not of a model; restore it from a copy."
        )
    return Preset(name or folder.resolve().name, config, folder)


def _short(name, class_name):
    """A preset's name without that of its model, however that is written."""
    plain = name.lower().replace("_", "").replace("-", "")
    return plain.removeprefix((class_name or "").lower())


def _from_hub(address):
    """Downloads a preset from the Hugging Face Hub and returns its folder."""
    if re.fullmatch(r"hf://[\w.-]+/[\w.-]+", address) is None:
        raise ValueError(f"{address!r} is not the address of a preset; use {HUB}user/name.")
    try:
        import huggingface_hub
    except ImportError as error:
        raise ImportError(
            f"{address} needs huggingface_hub, which is not installed: pip install huggingface_hub"
        ) from error
    files = [CONFIG, WEIGHTS, METADATA, CARD]
    try:
        return huggingface_hub.snapshot_download(address.removeprefix(HUB), allow_patterns=files)
    except (OSError, ValueError) as error:  # what its own errors are, too
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{address} could not be downloaded; check the name and the connection, or use the "
            f"path of a folder. huggingface_hub says: {reason}"
        ) from error

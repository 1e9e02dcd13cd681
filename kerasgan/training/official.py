"""Loads models from files that papers' authors have published."""

import dataclasses
import math
import os
import pathlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np

from kerasgan.augmentation.ada import ADA
from kerasgan.augmentation.pipeline import Pipeline
from kerasgan.weight_files.pickles import WHAT_DAMAGE_RAISES
from kerasgan.weight_files.snapshots import snapshot_augmentation
from kerasgan.weight_files.torch_files import read_tree

MOST_FILES = 8  # of a folder
COPY = re.compile(r"_(best|copy)\d+$")
NVIDIA_LICENCE = "the NVIDIA Source Code License: research and evaluation, non-commercially"


@dataclasses.dataclass(frozen=True)
class PublishedFile:
    """What a published file holds, as data.

    Attributes:
        path: where it is.
        tree: what `kerasgan.weight_files.read_tree` gives; of a folder, a dict of those by the
            files' names.
    """

    path: pathlib.Path
    tree: Any

    @classmethod
    def read(cls, path: str | os.PathLike) -> Self:
        """Reads a file, or a folder of checkpoints; see `kerasgan.weight_files.read_tree`.

        Of a folder `pytorch_model.bin` is read, or else those `.pth` files that begin with
        `latest_`, or all without any such but for those of optimizers, of which each network has
        one, and for earlier copies, `G_best0.pth`, of a file that is there, too.
        """
        path = pathlib.Path(path)
        if (path / "pytorch_model.bin").is_file():
            path = path / "pytorch_model.bin"
        if not path.is_dir():
            return cls(path, read_tree(path))
        files = sorted(path.glob("latest_*.pth")) or sorted(path.glob("*.pth"))
        stems = {file.stem for file in files}
        copied = {stem for stem in stems if COPY.sub("", stem) in stems - {stem}}
        files = [f for f in files if "_optim" not in f.stem and f.stem not in copied]
        if not 0 < len(files) <= MOST_FILES:
            raise ValueError(
                f"{path} has {len(files)} .pth files; use a file, or a folder with one file for "
                "each network, such as latest_net_G_A.pth."
            )
        return cls(path, {file.stem: read_tree(file) for file in files})


@dataclasses.dataclass(frozen=True)
class Published:
    """What a model has recognized in a published file.

    Attributes:
        kind: str, what the file is: `"network pickle of StyleGAN2-ADA"`.
        settings: dict, the arguments that make the model.
        networks: dict from the file's name of a network to its arrays by their names in the file.
        places: dict from our name of a network to the file's name of what it is given.
        ignored: what in the file no model needs, or cannot have, in words.
        training: dict, arguments of `compile` with which a training goes on as the file says.
        licence: str, what the publisher's program, which wrote the file, is under.
    """

    kind: str
    settings: Mapping[str, Any]
    networks: Mapping[str, Mapping[str, np.ndarray]]
    places: Mapping[str, str]
    ignored: tuple[str, ...] = ()
    training: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    licence: str = ""

    def weights(self, network: str) -> int:
        """How many numbers the file has for a network, by the file's name."""
        return sum(math.prod(array.shape) for array in self.networks[network].values())


class ReadsOfficialFiles:
    """What `GenerativeModel` does with published files, apart from it: a base class beside it.

    A model whose authors have published files overrides `published_in` and `load_network`.
    """

    official: Published | None = None

    @classmethod
    def published_in(cls, file: PublishedFile, network: str | None = None) -> Published | None:
        """What this model can be made of in a published file; None if it is another model's.

        Every shape has been checked when this returns, because the model is made of the settings.

        Args:
            file: `PublishedFile`.
            network: None for each network in its place; or the file's name of the generator that
                is wanted, `"G_ema"`.

        Raises:
            ValueError: for a file of this model which cannot be read, in words that go on after the
                file's name.
        """
        return None

    def load_network(self, name: str, tensors: Mapping[str, np.ndarray]) -> None:
        """Gives the network with our name `name` the arrays of the file, by the file's names."""
        raise NotImplementedError

    def not_in_file(self: Any) -> list[str]:
        """The names of those networks that the published file did not have: they are random."""
        given = [getattr(self, name) for name in self.official.places] if self.official else []
        return [n.name for n in self.networks_and_averages if not any(n is g for g in given)]

    @classmethod
    def from_official(
        cls, path: str | os.PathLike, network: str | None = None, **settings: Any
    ) -> Self:
        """Creates a model with the weights of a file that the paper's authors have published.

        The file is read as data: nothing in it is executed, and PyTorch is not needed. The model is
        not compiled; `official.training` has the training settings in the file, as arguments of
        `compile`. docs/published_files.md lists the kinds of files.

        Args:
            path: the file, `.pkl`, `.pth` or `.bin`; or a folder of checkpoints, for models with a
                file per network.
            network: None to load every network of the file; or the name in the file of the
                generator to use, such as `"G"`, if it has several.
            **settings: arguments of the model that the file does not determine, such as `seed`.

        Returns:
            The model. Its attribute `official`, a `kerasgan.training.official.Published`, says what
            was found in the file; it is not saved with the model.

        Raises:
            ValueError: for a file that is damaged, unknown, or of another model.
            OSError: for a file that cannot be opened.
        """
        file = PublishedFile.read(path)
        model = cls.from_published_file(file, network, settings)
        if model is None:
            raise ValueError(
                f"{path} is not a file of a published {cls.__name__}; kerasgan.load_official "
                "finds the model of a file, and docs/published_files.md lists those that are "
                "known."
            )
        return model

    @classmethod
    def from_published_file(
        cls, file: PublishedFile, network: str | None, settings: Mapping[str, Any]
    ) -> Self | None:
        """`from_official` of a file that was read; None if it is another model's."""
        try:
            found = cls.published_in(file, network)
        except ValueError as error:
            raise ValueError(f"{file.path}: {error}") from error
        except WHAT_DAMAGE_RAISES as error:
            raise ValueError(f"{file.path}: its networks are damaged.") from error
        if found is None:
            return None
        try:
            model = cls(**{**found.settings, **settings})
            for ours, theirs in found.places.items():
                if getattr(model, ours) is not None:  # the average, which settings can leave out
                    model.load_network(ours, found.networks[theirs])
        except ValueError as error:
            raise ValueError(f"{file.path}: {error}") from error
        object.__setattr__(model, "official", found)
        return model


def gan_places(
    names: Iterable[str],
    network: str | None,
    theirs: tuple[str, str, str] = ("G", "G_ema", "D"),
) -> dict[str, str]:
    """Which network of a file each network of a GAN is given.

    Args:
        names: those of the file's networks.
        network: None, or the generator that a user wants.
        theirs: what the program calls the generator, its average and the discriminator.

    Returns:
        dict from `generator`, `ema_generator` and `discriminator` to one of `names`.

    Raises:
        ValueError: for a network that the file does not have.
    """
    names = tuple(names)
    *both, judge = theirs
    generators = [name for name in both if name in names]
    if network is not None and network not in generators:
        accepted = " or ".join(map(repr, generators))
        raise ValueError(f"it has no generator network={network!r}; use None or {accepted}.")
    if not generators:
        raise ValueError("it has no generator.")
    first, last = network or generators[0], network or generators[-1]
    places: dict[str, str] = {"generator": first, "ema_generator": last}
    return {**places, "discriminator": judge} if judge in names else places


def going_on(tree: Any) -> dict[str, Any]:
    """Arguments of `compile` with which the training of a snapshot goes on: its augmentation."""
    found = snapshot_augmentation(tree)
    if found is None or not found[0]:
        return {}
    p, factors = found
    limit = 0.8 if p <= 0.8 else min(p, 1.0)
    return {
        "augmentation": ADA(
            images=100_000, p=min(p, limit), max_p=limit, pipeline=Pipeline(**factors)
        )
    }

"""Finds the model for a published file."""

import importlib
import os
from typing import Any

from kerasgan.core.generative_model import GenerativeModel
from kerasgan.models import registry
from kerasgan.training.official import PublishedFile


def load_official(
    path: str | os.PathLike, network: str | None = None, **settings: Any
) -> GenerativeModel:
    """Creates a model with the weights of a file that a paper's authors have published.

    It reads the kinds of files that docs/published_files.md lists, such as network pickles of
    StyleGAN2-ADA and `.pth` files, without PyTorch and without executing anything in them. Each
    file has a licence of its authors, which also applies to the imported weights.

    Args:
        path: the file; or a folder of checkpoints, for models with a file per network.
        network: None to load every network of the file; or the name in the file of the generator to
            use, such as `"G_ema"`, if it has several.
        **settings: arguments of the model that the file does not determine, such as `image_shape`
            of `kerasgan.CycleGAN`.

    Returns:
        A model of the zoo. Its attribute `official` says what was found in the file.

    Raises:
        ValueError: for a file that is damaged or unknown.
        OSError: for a file that cannot be opened.

    Example:

    >>> path = "network.pkl"  # doctest: +SKIP
    >>> gan = kerasgan.load_official(path)  # doctest: +SKIP
    >>> gan.generate(4, seed=0, truncation=0.7).shape  # doctest: +SKIP
    (4, 1024, 1024, 3)
    """
    file = PublishedFile.read(path)
    for entry in registry.entries():
        model_class = getattr(importlib.import_module(entry.module), entry.class_name)
        model = model_class.from_published_file(file, network, settings)
        if model is not None:
            return model
    raise ValueError(
        f"{path} is a file of weights, but not of a model that kerasgan knows. "
        "docs/published_files.md lists the known files; kerasgan.weight_files.read_tree shows "
        "what this one holds."
    )

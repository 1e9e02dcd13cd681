"""Loads data by name, from folders and from arrays as `tf.data.Dataset`s in [-1, 1].

    kerasgan.data.load("digits", image_size=32)
    kerasgan.data.load("mnist", data_dir="...")
    kerasgan.data.load("photos/", image_size=64)
    kerasgan.data.from_array(images)
    kerasgan.data.load_pairs("facades/", source="right")
    kerasgan.data.load_unpaired("horses/", "zebras/")
    kerasgan.data.paired(kerasgan.data.load("photos/", image_size=64), "colorize")

The order of the examples depends only on the seed and on the epoch that the model in training has
reached, so a run that was interrupted goes on with the batches it would have seen.
"""

import keras  # noqa: F401  (first: it registers our classes; see kerasgan/__init__.py)

from kerasgan.data import captions
from kerasgan.data.kinds import KINDS, kind_of
from kerasgan.data.loading import class_names, from_array, load, num_classes
from kerasgan.data.pairs import load_pairs, load_unpaired
from kerasgan.data.sources import mixture
from kerasgan.data.tasks import paired
from kerasgan.data.triplets import Triplets, triplets, write_from_captions

__all__ = [
    "KINDS",
    "Triplets",
    "captions",
    "class_names",
    "from_array",
    "kind_of",
    "load",
    "load_pairs",
    "load_unpaired",
    "mixture",
    "num_classes",
    "paired",
    "triplets",
    "write_from_captions",
]

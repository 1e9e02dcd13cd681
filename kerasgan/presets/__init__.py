"""Models by name: trained ones that ship with the package, and the settings of papers.

`kerasgan presets` lists them. A preset is a folder with what a model is (`config.json`), its
weights (`model.weights.h5`), who wrote it (`metadata.json`) and its card (`README.md`), or, without
weights, an entry of `papers.json`. `kerasgan.from_preset` makes the model.
"""

from kerasgan.presets.catalogue import Preset, find, presets

__all__ = ["Preset", "find", "presets"]

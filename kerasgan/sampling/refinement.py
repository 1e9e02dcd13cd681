"""Pivotal tuning, Roich et al. 2021, arXiv:2106.05744: a generator learns the images it misses."""

import dataclasses
import pathlib
import sys
import tempfile

import keras
import numpy as np
from keras import ops

from kerasgan.sampling import projection

STEPS = 350
LEARNING_RATE = 3e-4
LOCALITY_WEIGHT = 0.1
LOCALITY_DISTANCE = 30.0  # from a pivot to where the generator is to stay as it is


def refined(projector, found, images, labels, seed, progress):
    """A projection by a copy of the model that was tuned at the points that were found.

    The generator is moved until its images of the pivots, which stay, are the wanted ones. Where
    it could be felt, at points between pivots and random ones, it is held to what it made before
    (section 3.3.2 of the paper, of weight 0.1).

    Args:
        projector, found: as for `project`, and its result so far.
        images, labels, seed, progress: as for `project`.

    Returns:
        A `Projection`, whose model is the copy.
    """
    model, space = projector.model, projector.space
    copy = copy_of(model)
    network = copy.sampling_generator
    # Styles are given, so what makes them has nothing to learn.
    learning = network if space == "z" else network.synthesis
    learning.trainable = True
    if space == "styles":
        for _, affine in network.synthesis.affines:
            affine.trainable = False
    tuning = _Tuning(copy, network, space)
    distance = projector.distance
    count = len(images)

    def cost(wanted, made):
        return ops.mean(distance.between(made, wanted, distance.of(wanted)))

    def unchanged(wanted, made):
        return LOCALITY_WEIGHT * ops.mean(ops.square(made - wanted))

    tuning.compile(keras.optimizers.Adam(LEARNING_RATE), [cost, unchanged])
    latents = model.latents(STEPS * count, seed=seed + 1)
    data = _Steps(projector, found, images, labels, latents)
    tuning.fit(data, epochs=1, verbose=int(progress and sys.stderr.isatty()))
    learning.trainable = False
    again = projection.Projector(copy, space, distance.features)
    flat = np.concatenate([x.reshape(count, -1) for x in (found.latents, *found.noise)], axis=1)
    tuned = projection.result(again, flat, found.history, images, labels, count)
    return dataclasses.replace(tuned, noise=found.noise, latents=found.latents)


def copy_of(model):
    """A model that is the same, by way of a file: whatever belongs to it is in there."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "model.keras"
        model.save(file)
        return keras.saving.load_model(file)


class _Steps(keras.utils.PyDataset):
    """For each step all pivots with their images, and points beside them with what they gave."""

    def __init__(self, projector, found, images, labels, latents):
        super().__init__()
        self.projector, self.found = projector, found
        self.images, self.labels, self.latents = images, labels, latents

    def __len__(self):
        return STEPS

    def __getitem__(self, step):
        pivots, projector = self.found.latents, self.projector
        model, space, count = projector.model, projector.space, len(pivots)
        latents = self.latents[step * count : (step + 1) * count]
        away = model.points(latents, space, labels=self.labels) - pivots
        length = np.sqrt(np.square(away).reshape(count, -1).sum(axis=1))
        share = LOCALITY_DISTANCE / np.maximum(length, LOCALITY_DISTANCE)
        beside = pivots + share.reshape(-1, *(1 for _ in pivots.shape[1:])) * away
        noise = self.found.noise
        flat = np.concatenate([x.reshape(count, -1) for x in (beside, *noise)], axis=1)
        labels = [] if self.labels is None else [self.labels]
        before = projector.render([flat.astype("float32"), *labels])
        inputs = {"pivots": pivots, "beside": beside.astype("float32")}
        inputs |= {f"noise_{number}": each for number, each in enumerate(noise)}
        inputs |= {} if self.labels is None else {"labels": self.labels}
        return inputs, (self.images, before)


class _Tuning(keras.Model):
    """Images of pivots and of points beside them, of the copy that learns."""

    def __init__(self, model, network, space):
        super().__init__(name="tuning")
        self.network, self.space = network, space
        self.images_from_points = model.images_from_points
        self.built = True

    def call(self, inputs, training=False):
        noise = [inputs[name] for name in sorted(inputs, key=_order) if name.startswith("noise")]
        labels = inputs.get("labels")
        return [
            self.images_from_points(inputs[name], self.space, labels, noise or None)
            for name in ("pivots", "beside")
        ]


def _order(name):
    return int(name.rpartition("_")[2]) if name.startswith("noise") else -1

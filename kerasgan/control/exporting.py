"""The endpoint `edit` of models that generate images from latents."""

import keras
import numpy as np
from keras import ops

from kerasgan.control.directions import Directions
from kerasgan.export.saved_model import Computation, Exports
from kerasgan.roles.base import require
from kerasgan.roles.generates_images import HasLatents


def add_edit(exports: Exports, model: keras.Model, directions: Directions) -> None:
    """Adds the endpoint `edit` to the exports of a model.

    It takes the inputs of `sample`, and `offsets`, float32 (batch, k): how far to move along each
    of k directions, in standard deviations, after the truncation. Offsets of zero give exactly the
    output of `sample`. The directions are constants of the graph; the model card lists their names,
    space and deviations.

    Args:
        exports: the result of the model's `exports`.
        model: a model with latents.
        directions: `kerasgan.control.Directions` of that model.

    Raises:
        ValueError: for a model without latents, or of vectors; for directions of another space or
            shape.
    """
    require(model, HasLatents, "export with directions")
    if len(model.image_shape) != 3:
        raise ValueError(
            f"directions: {type(model).__name__} makes vectors here, not images; leave directions "
            "out."
        )
    space, count = model.checked_space(directions.space), len(directions)
    shape = model.point_shape(space)
    if directions.vectors.shape != (count, *shape):
        raise ValueError(
            f"directions have shape {directions.vectors.shape[1:]}, but points in {space} of this "
            f"{type(model).__name__} have shape {shape}; use directions of this model."
        )
    steps = directions.vectors.reshape(count, -1) * directions.deviations[:, None]
    sampler = exports.computations["sampler"]
    others = len(model.noise_shapes)

    def editor(*given):
        *given, offsets = given
        move = ops.reshape(ops.matmul(offsets, np.float32(steps)), (-1, *shape))
        rest = list(given[others:])
        labels = None if model.condition is None else rest.pop(0)
        truncation = rest.pop(0) if "truncation" in sampler.inputs else None
        return model.moved_images(list(given[:others]), move, space, labels, truncation)

    def signatures(functions):
        from kerasgan.export.endpoints import edit

        return edit(
            functions["editor"],
            model.image_shape,
            model.noise_shapes,
            model.condition,
            model.truncation_limits,
            count,
        )

    offsets = {"offsets": keras.InputSpec(shape=(None, count), dtype="float32")}
    exports.computations["editor"] = Computation(editor, sampler.inputs | offsets)
    exports.signatures.append(signatures)
    exports.card["directions"] = {
        "names": list(directions.names),
        "space": space,
        "deviations": directions.deviations.tolist(),
    }

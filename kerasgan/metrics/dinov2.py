"""DINOv2's features of images, which Stein et al. 2023 found closest to human judgement."""

import os
from typing import Any, Self

import keras
import numpy as np
from keras import layers

from kerasgan.layers.precision import measuring_networks
from kerasgan.metrics.inception import Resize
from kerasgan.metrics.mobilenet import DEVIATION, MEAN

DINOV2 = "dinov2:"  # prefix of its name as features; the preset or folder of the backbone follows
FRECHET = "fd_dinov2"  # the Fréchet distance of its features
SIZE = 224
INSTALL = "pip install 'kerasgan[text]'"
# For interpolating position embeddings as DINOv2's code does: what is added to the number of
# patches, and the parameter of the cubic kernel.
OFFSET, CUBIC = 0.1, -0.75


@keras.saving.register_keras_serializable(package="kerasgan")
class DINOv2(keras.Model):
    """The class token of a keras-hub DINOv2, for images in [-1, 1].

    Section 3 of the paper: of many networks this one agrees best with people about how real images
    look. Images are resized to 224x224 with Pillow's bicubic interpolation, colours are normalized
    with ImageNet's mean and deviation, and the features are the class token after the last
    normalization. Their Fréchet distance is called `fd_dinov2`; published numbers use
    `"dinov2_large"` (ViT-L/14, 1024 features) and 50,000 images.

    A preset is loaded as in the paper, for 224x224 pixels, with position embeddings interpolated as
    DINOv2's code does, under every framework; for presets with registers, as keras-hub does. The
    paper's code rounds resized images to 8 bits unless its option `clean_resize` is set; this class
    never does.

    Args:
        backbone: the name of a preset of keras-hub such as `"dinov2_large"`, whose weights it
            downloads once, or whatever else `keras_hub.models.DINOV2Backbone.from_preset` takes,
            such as a folder that `save_to_preset` has written; or a
            `keras_hub.models.DINOV2Backbone`, which is used at its own input size and becomes not
            trainable.
        name: str.
        **kwargs: as for `keras.Model`.

    Input: (batch, height, width, 3) in [-1, 1], of any size. Output: (batch, hidden_dim).

    Raises:
        ValueError: for something else, or a preset of another network.
        OSError: when keras-hub is not installed, or the weights are not available.

    Example: a backbone with random weights.

    >>> import keras_hub
    >>> backbone = keras_hub.models.DINOV2Backbone(
    ...     14, 1, 8, 2, 16, image_shape=(28, 28, 3), position_embedding_shape=(28, 28, 3)
    ... )
    >>> network = kerasgan.metrics.DINOv2(backbone)
    >>> network(np.zeros((2, 32, 32, 3), "float32")).shape[-1]
    8
    >>> kerasgan.metrics.FrechetDistance(features=network).name
    'fd_dinov2'

    References: Exposing flaws of generative model evaluation metrics and their unfair treatment of
    diffusion models, Stein et al., 2023, arXiv:2306.04675. DINOv2: Learning Robust Visual Features
    without Supervision, Oquab et al., 2023, arXiv:2304.07193.
    """

    def __init__(self, backbone: str | os.PathLike | keras.Model, name: str = "dinov2", **kwargs):
        if isinstance(backbone, (str, os.PathLike)):
            backbone = _from_preset(os.fspath(backbone))
        shape = getattr(backbone, "image_shape", None)
        if not isinstance(backbone, keras.Model) or shape is None or shape[-1] != 3:
            raise ValueError(
                f"backbone={backbone!r}; use the name of a preset such as 'dinov2_large', a folder "
                "that save_to_preset has written, or a keras_hub.models.DINOV2Backbone of images "
                "(height, width, 3)."
            )
        scale = [1.0 / (255.0 * deviation) for deviation in DEVIATION]
        offset = [-mean / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)]
        with measuring_networks():
            images = keras.Input((None, None, 3), name="images")
            x = layers.Rescaling(127.5, 127.5, name="to_255")(images)
            x = Resize("clean", shape[0], name="resize")(x)
            x = layers.Rescaling(scale, offset, name="normalize")(x)
            tokens = backbone({"images": x})
        super().__init__(images, tokens[:, 0], name=name, **kwargs)
        self.backbone = backbone
        self.trainable = False

    def get_config(self) -> dict[str, Any]:
        return {"backbone": keras.saving.serialize_keras_object(self.backbone), "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        _keras_hub()  # which registers its classes
        backbone = keras.saving.deserialize_keras_object(config["backbone"])
        return cls(**{**config, "backbone": backbone})


def _keras_hub():
    try:
        import keras_hub
    except ImportError as error:
        raise OSError(f"DINOv2 needs keras-hub, which is not installed: {INSTALL}.") from error
    return keras_hub


def _from_preset(preset):
    """A backbone with the weights of a preset, for images of 224x224."""
    backbones = _keras_hub().models.DINOV2Backbone
    with measuring_networks():
        try:
            loaded = backbones.from_preset(preset, image_shape=(SIZE, SIZE, 3))
        except Exception as error:  # downloads raise many types
            kind = ValueError if isinstance(error, ValueError) else OSError
            reason = str(error).partition("\n")[0].partition(". ")[0]
            raise kind(
                f"backbone={preset!r} cannot be loaded by keras-hub ({reason}); use the name of a "
                "preset such as 'dinov2_large', whose weights it downloads once, or a folder that "
                "save_to_preset has written."
            ) from error
        # Built again as if trained for this size; otherwise loading a saved file would interpolate
        # once more.
        config = {**loaded.get_config(), "position_embedding_shape": (SIZE, SIZE, 3)}
        backbone = backbones.from_config(config)
    arrays = [keras.ops.convert_to_numpy(weight) for weight in loaded.weights]
    names = [weight.path.rpartition("/")[2] for weight in loaded.weights]
    places = arrays[names.index("interpolated_position_embeddings")]
    if not loaded.num_register_tokens:
        trained = arrays[names.index("position_embeddings")]
        places = interpolated(trained, SIZE // loaded.patch_size)
    for weight, name, array in zip(backbone.weights, names, arrays, strict=True):
        weight.assign(places if name.endswith("position_embeddings") else array)
    return backbone


def interpolated(positions: np.ndarray, patches: int) -> np.ndarray:
    """Interpolates position embeddings to another number of patches, as DINOv2's code does.

    Args:
        positions: float array (1, 1 + n * n, d): of the class token, and of n * n patches.
        patches: int, the number of patches on a side.

    Returns:
        float32 array (1, 1 + patches * patches, d).
    """
    count = round((positions.shape[1] - 1) ** 0.5)
    if count == patches:
        return positions
    step = count / (patches + OFFSET)
    at = (np.arange(patches) + 0.5) * step - 0.5
    matrix = np.zeros((patches, count))
    for neighbour in range(-1, 3):
        index = np.floor(at).astype(int) + neighbour
        weights = _cubic(np.abs(at - index))
        np.add.at(matrix, (np.arange(patches), np.clip(index, 0, count - 1)), weights)
    grid = positions[0, 1:].reshape(count, count, -1).astype("float64")
    grid = np.einsum("ij,kl,jld->ikd", matrix, matrix, grid, optimize=True)
    both = [positions[:, :1], grid.reshape(1, patches * patches, -1)]
    return np.concatenate(both, axis=1).astype("float32")


def _cubic(x):
    """The weights of the kernel of cubic convolution at distances from 0 to 2."""
    near = ((CUBIC + 2.0) * x - (CUBIC + 3.0)) * x**2 + 1.0
    far = CUBIC * (((x - 5.0) * x + 8.0) * x - 4.0)
    return np.where(x <= 1.0, near, far)

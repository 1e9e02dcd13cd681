"""Feature networks for metrics, and how to choose one."""

import functools
import hashlib
import importlib
import os
import pathlib
import pkgutil
import zipfile
from typing import TypeAlias

import keras
import numpy as np

from kerasgan import backend, roles
from kerasgan.core.generative_model import GenerativeModel
from kerasgan.layers.precision import measuring_networks
from kerasgan.metrics.digits import digits_classifier
from kerasgan.metrics.dinov2 import DINOV2, DINOv2
from kerasgan.metrics.inception import inception_fid
from kerasgan.metrics.lpips import LPIPS, files_of, lpips
from kerasgan.metrics.mobilenet import MOBILENET, mobilenet_v2
from kerasgan.training.optimizers import all_layers
from kerasgan.utils.images import to_uint8

__all__ = [
    "Extractor",
    "application",
    "digits_classifier",
    "extractor",
    "inception_fid",
    "lpips",
    "mobilenet_v2",
]

CHOICES = (
    "'inception', 'inception-clean', 'inception-pytorch', 'mobilenet_v2', "
    "'dinov2:PRESET_OR_FOLDER', 'lpips:BACKBONE,HEADS', 'digits', 'pixels', a path or a "
    "keras.Model"
)
INCEPTIONS = {
    "inception": "legacy",
    "inception-clean": "clean",
    "inception-pytorch": "pytorch",
}  # and how they resize


class Extractor:
    """Wraps a feature network for metrics: NumPy images in, checked NumPy features out.

    Metrics with the same extractor share the work on the same images: it remembers its last two
    results, for a real and a generated batch.

    Args:
        network: None for the pixels themselves, or a `keras.Model` from images (n, height, width,
            channels) in [-1, 1] to features, or to a dict with `features`, `logits` or both.
        name: str, the name of the features in results.
        batch_size: int, images at a time.
    """

    def __init__(self, network: keras.Model | None, name: str, batch_size: int = 64):
        self.network, self.name, self.batch_size = network, name, batch_size
        self._last: dict = {}  # from the examples to their features

    def __call__(self, examples, output="features"):
        """Computes the features of examples.

        Args:
            examples: float array of images (n, height, width, channels) in [-1, 1], or, without a
                network, of anything (n, ...). n is at least 1.
            output: `"features"` or `"logits"`.

        Returns:
            float32 array (n, d); vectors are returned as they are, float32 or float64.

        Raises:
            ValueError: for images that the network does not accept, for an output that it does not
                have, and for features that are not finite.
        """
        if self.network is None:
            return self._without_network(np.asarray(examples), output)
        examples = np.ascontiguousarray(examples, "float32")
        # Keyed by content, because the caller may fill the same array with new data.
        key = examples.shape, hashlib.blake2b(examples).digest()
        if key not in self._last:
            if len(self._last) == 2:
                self._last.pop(next(iter(self._last)))
            self._last[key] = self._outputs(_as_in_files(examples))
        if output not in self._last[key]:
            raise self._missing(output, self._last[key])
        return self._last[key][output]

    def unrounded(self, images: np.ndarray) -> np.ndarray:
        """The features of images that are not rounded to 8 bits, for very small differences.

        Args:
            images: float array (n, height, width, channels) in [-1, 1].

        Returns:
            float32 array (n, d).

        Raises:
            ValueError: as when called.
        """
        images = np.asarray(images, "float32")
        if self.network is None:
            return images.reshape(len(images), -1).copy()
        outputs = self._outputs(images)
        if "features" not in outputs:
            raise self._missing("features", outputs)
        return outputs["features"]

    @functools.cached_property
    def digest(self) -> str:
        """A str that identifies the network's weights and resizing."""
        found = hashlib.blake2b(digest_size=16)
        if self.network is not None:
            for layer in all_layers([self.network]):
                found.update(str(getattr(layer, "interpolation", "")).encode())
            for weight in self.network.weights:
                found.update(np.asarray(keras.ops.convert_to_numpy(weight), "float32").tobytes())
        return found.hexdigest()

    def _without_network(self, examples, output):
        if output != "features":
            raise self._missing(output, ["features"])
        flat = _as_in_files(examples) if examples.ndim == 4 else examples
        return flat.reshape(len(flat), -1).copy()  # the caller may reuse the array

    def _missing(self, output, known):
        return ValueError(
            f"features={self.name} makes {', '.join(known)} and no {output}; give a keras.Model "
            f"whose output is a dict with {output!r}, such as 'inception'."
        )

    def _outputs(self, images):
        images = self._fitted(images)
        found = []
        for start in range(0, len(images), self.batch_size):
            # The last batch is padded, so that the network is compiled for one shape only.
            batch = images[start : start + self.batch_size]
            rows = min(self.batch_size, len(images))
            padding = np.zeros((rows - len(batch), *batch.shape[1:]), "float32")
            made = backend.predict(self.network, np.concatenate([batch, padding]))
            made = made if isinstance(made, dict) else {"features": made}
            found.append({k: np.asarray(v, "float32")[: len(batch)] for k, v in made.items()})
        outputs = {k: np.concatenate([each[k] for each in found]) for k in found[0]}
        outputs = {k: v.reshape(len(v), -1) for k, v in outputs.items()}
        for kind, values in outputs.items():
            if not np.all(np.isfinite(values)):
                raise ValueError(
                    f"features={self.name}: the network makes {kind} that are NaN or infinite "
                    "from finite images; check its weights."
                )
        return outputs

    def _fitted(self, images):
        """Images with as many channels as the network takes."""
        least = getattr(self.network, "least_size", 1)
        if min(images.shape[1:3]) < least:
            raise ValueError(
                f"features={self.name}: the network takes images of at least {least}x{least} "
                f"pixels, these have {images.shape[1]}x{images.shape[2]}; use another network."
            )
        shape = getattr(self.network, "input_shape", None)  # a subclassed network has none
        if shape is None:
            return images
        channels, wanted = images.shape[-1], shape[-1]
        if channels == 1 and wanted == 3:
            images = images.repeat(3, axis=-1)
        elif channels == 3 and wanted == 1:
            images = images @ np.array([[0.299], [0.587], [0.114]], "float32")  # ITU-R BT.601
        elif wanted not in (None, channels):
            raise ValueError(
                f"features={self.name}: the network takes images with {wanted} channels, these "
                f"have {channels}; load them with channels={wanted}, or use another network."
            )
        sizes = list(zip(shape[1:3], images.shape[1:3], strict=True))
        if any(needed not in (None, has) for needed, has in sizes):
            raise ValueError(
                f"features={self.name}: the network takes images of {sizes[0][0]}x{sizes[1][0]} "
                f"pixels, these have {sizes[0][1]}x{sizes[1][1]}; put a keras.layers.Resizing "
                "before it, or use another network."
            )
        return images


def _as_in_files(images):
    """Images rounded to 8 bits, as a file would hold them."""
    return to_uint8(images).astype("float32") / 127.5 - 1.0


# What metrics take as `features`.
Features: TypeAlias = str | os.PathLike | keras.Model | Extractor


def extractor(features: Features) -> Extractor:
    """Returns the extractor for an argument `features`.

    Args:
        features: one of

            - `"inception"`, the network of published Fréchet distances, with its original resizing;
              `"inception-clean"`, with antialiased resizing; `"inception-pytorch"`, with the
              resizing and scaling of pytorch-fid. The weights are downloaded once;
            - `"mobilenet_v2"`, torchvision's network of photographs, whose weights come with a
              package (`kerasgan.metrics.mobilenet`); its distances are not FID;
            - `"dinov2:PRESET_OR_FOLDER"`, a DINOv2 of keras-hub, as `kerasgan.metrics.DINOv2`;
            - `"lpips:BACKBONE,HEADS"`, LPIPS with weights from two files, as
              `kerasgan.metrics.features.lpips`, for metrics that compare single images;
            - `"digits"`, the small network in the package, whose distances only compare with each
              other;
            - `"pixels"`, the pixels themselves, without a network;
            - the path of a `.keras` file, or of Inception's weights (`.pth`);
            - a `keras.Model` from images in [-1, 1] to features or to a dict with `features`,
              `logits` (of classes, which the inception score needs) or both; or an `Extractor`.

    Returns:
        An `Extractor`, the same one for the same argument.

    Raises:
        ValueError: for anything else.
        OSError: when weights are not available.

    Example:

    >>> features = kerasgan.metrics.features.extractor("digits")
    >>> features(np.zeros((2, 8, 8, 1), "float32")).shape
    (2, 64)
    """
    if isinstance(features, Extractor):
        return features
    if isinstance(features, keras.Model):
        if not hasattr(features, "_kerasgan_extractor"):
            object.__setattr__(features, "_kerasgan_extractor", Extractor(features, features.name))
        return features._kerasgan_extractor
    if not isinstance(features, (str, pathlib.Path)):
        raise ValueError(f"features={features!r}; use {CHOICES}.")
    return _named(str(features))


@functools.cache
def _named(features):
    if features in INCEPTIONS:
        try:
            return Extractor(inception_fid(resize=INCEPTIONS[features]), features)
        except OSError as error:
            raise OSError(
                f"{error} Or use the package's small network of digits, whose values cannot be "
                "compared with published ones: on the command line --features digits, in Python "
                'features="digits", as in '
                'compile(metrics=[kerasgan.metrics.FrechetDistance(features="digits")]).'
            ) from error
    if features == MOBILENET:
        return Extractor(mobilenet_v2(), features)
    if features.startswith(DINOV2):
        return Extractor(DINOv2(features.removeprefix(DINOV2)), features)
    if features.startswith(LPIPS):
        return Extractor(lpips(*files_of(features)), features)
    if features == "digits":
        return Extractor(digits_classifier(), features)
    if features == "pixels":
        return Extractor(None, features)
    path = pathlib.Path(features)
    if path.suffix == ".pth" and path.is_file():
        return Extractor(inception_fid(path), path.name)
    if path.suffix != ".keras" or not path.is_file():
        missing = "does not exist" if path.suffix in (".keras", ".pth") else "is no such name"
        raise ValueError(f"features={features!r} {missing}; use {CHOICES}.")
    if not zipfile.is_zipfile(path):
        raise ValueError(f"features={features!r} is damaged, or not a .keras file; save it again.")
    network = keras.saving.load_model(path)
    if not isinstance(network, keras.Model) or roles.has(network, GenerativeModel):
        raise ValueError(
            f"features={features!r} holds a {type(network).__name__}; give a network from images "
            "to features."
        )
    return Extractor(network, path.name)


def application(
    name: str, weights: str | os.PathLike | None = "imagenet", layer: str | None = None
) -> keras.Model:
    """A feature network from `keras.applications`.

    Args:
        name: str, such as `"VGG16"` or `"EfficientNetB0"`.
        weights: as for the application: `"imagenet"`, which downloads them, a path, or None.
        layer: str, the name of the layer whose outputs are the features; published precision and
            recall use "fc2" of `"VGG16"`. By default the layer before the classifier; a file of
            `weights` must then be one without the classifier.

    Returns:
        A `keras.Model` from images (batch, height, width, 3) in [-1, 1], of any size, to features
        (batch, n), float32. Feature maps are averaged over positions.

    Raises:
        ValueError: for an application or a layer that does not exist.

    Example:

    >>> network = kerasgan.metrics.features.application("MobileNetV2", weights=None)
    >>> kerasgan.metrics.FrechetDistance(features=network).name
    'fid'
    """
    make = getattr(keras.applications, name, None)
    if not callable(make):
        known = [n for n in dir(keras.applications) if n[0].isupper()]
        raise ValueError(f"{name!r} is not in keras.applications; it has {', '.join(known)}.")
    with measuring_networks():
        if layer is None:
            body = make(include_top=False, weights=weights, input_shape=(224, 224, 3))
        else:
            whole = make(weights=weights)  # at the size that it was trained at
            body = keras.Model(whole.input, whole.get_layer(layer).output)
        images = keras.Input((None, None, 3))
        x = keras.layers.Resizing(*body.input_shape[1:3], antialias=True)(images)
        x = body(ApplicationInput(name)(x))
        if len(x.shape) == 4:
            x = keras.layers.GlobalAveragePooling2D()(x)
        network = keras.Model(images, x, name=name.lower())
    network.trainable = False
    return network


@keras.saving.register_keras_serializable(package="kerasgan")
class ApplicationInput(keras.layers.Layer):
    """Converts images in [-1, 1] to the input of a network of `keras.applications`."""

    def __init__(self, application, **kwargs):
        super().__init__(**kwargs)
        self.application = application
        self.preprocess_input = _module_of(application).preprocess_input

    def call(self, images):
        return self.preprocess_input((images + 1.0) * 127.5, data_format="channels_last")

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "application": self.application}


def _module_of(application):
    """The module of `keras.applications` that prepares images for one of its networks."""
    modules = {
        found.name: importlib.import_module(f"keras.applications.{found.name}")
        for found in pkgutil.iter_modules(keras.applications.__path__)
    }
    holding = [name for name in modules if hasattr(modules[name], application)]
    # The module of MobileNetV3 does not contain its networks, but has a similar name.
    alike = [n for n in modules if application.lower().startswith(n.replace("_", ""))]
    return modules[holding[0] if holding else max(alike, key=len)]

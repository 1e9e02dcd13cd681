"""Feature maps of images, for perceptual losses."""

import os
import pathlib
from collections.abc import Callable

import keras
from keras import layers, ops

from kerasgan.metrics.lpips import LPIPS, files_of, lpips
from kerasgan.metrics.mobilenet import MOBILENET, mobilenet_v2

VGG_LAYER, MOBILENET_LAYER = "block5_conv4", "block13"  # both at a sixteenth of the resolution


def vgg19_features(
    weights: str | os.PathLike | None = "imagenet",
    layer: str = "block5_conv4",
    activated: bool = True,
) -> keras.Model:
    """VGG19 up to a given layer, for images in [-1, 1].

    Args:
        weights: `"imagenet"` for those that Keras downloads once; the path of a weight file; or
            None for random weights.
        layer: str, a layer of `keras.applications.VGG19`: `"block5_conv4"` is phi 5,4 of SRGAN's
            paper, `"block2_conv2"` its phi 2,2.
        activated: whether the features are those after the layer's ReLU, as in SRGAN, or those
            before it, as in ESRGAN.

    Returns:
        A `keras.Model` from images (batch, height, width, 3) to the features. It is not trainable.

    Raises:
        OSError: when the weights are not available.
        ValueError: for a layer that does not exist.

    Example:

    >>> features = kerasgan.models.srgan.vgg19_features(weights=None, layer="block2_conv2")
    >>> features.output_shape
    (None, None, None, 128)

    Reference: Very Deep Convolutional Networks for Large-Scale Image Recognition, Simonyan &
    Zisserman, 2015, arXiv:1409.1556.
    """
    file = None if weights in ("imagenet", None) else pathlib.Path(weights)
    if file is not None and not file.exists():
        raise FileNotFoundError(f"the file {file} with VGG19's weights does not exist. {_ADVICE}")
    try:
        vgg19 = keras.applications.VGG19(
            include_top=False, weights=weights if file is None else None, name="vgg19"
        )
    except Exception as error:  # Keras raises a bare one when a download fails
        raise OSError(f"VGG19's weights could not be downloaded ({error}). {_ADVICE}") from error
    if file is not None:
        vgg19.load_weights(file)
    names = [each.name for each in vgg19.layers]
    if layer not in names:
        raise ValueError(f"layer={layer!r}; VGG19 has {', '.join(names[1:])}.")
    until = keras.Model(vgg19.inputs, vgg19.get_layer(layer).output)
    if not activated and hasattr(vgg19.get_layer(layer), "activation"):
        vgg19.get_layer(layer).activation = keras.activations.linear
    images = keras.Input((None, None, 3))
    network = keras.Model(images, until(VGGInput(name="vgg_input")(images)), name="vgg19_features")
    network.trainable = False
    return network


_ADVICE = (
    "Where there is a network connection, "
    'keras.applications.VGG19(include_top=False).save_weights("vgg19.weights.h5") writes them; '
    'then give features="vgg19.weights.h5". Or give any keras.Model from images in [-1, 1] to '
    "features, or features=None for the pixels."
)


@keras.saving.register_keras_serializable(package="kerasgan")
class VGGInput(layers.Layer):
    """Converts images in [-1, 1] to VGG's input: BGR in 0..255, minus ImageNet's mean."""

    def call(self, images):
        return keras.applications.vgg19.preprocess_input(
            (images + 1.0) * 127.5, data_format="channels_last"
        )

    def compute_output_shape(self, input_shape):
        return input_shape


def feature_maps(
    features: str | os.PathLike | keras.Model | None,
    layer: str | None,
    image_shape: tuple[int, ...],
    vgg19: Callable = vgg19_features,
) -> keras.Model | None:
    """Returns the network for the argument `features` of a model.

    Args:
        features: `"vgg19"`, `"mobilenet_v2"`, `"lpips:BACKBONE,HEADS"`, the path of VGG19's
            weights or of a Keras model, a `keras.Model` from images to features, or None. For
            LPIPS, the mean of the squared differences is the distance.
        layer: None, or the layer of VGG19 or MobileNetV2, if `features` is one of these.
        image_shape: (height, width, channels) of the images that the network must accept.
        vgg19: function from weights and a layer to VGG19 up to that layer.

    Returns:
        A `keras.Model`, or None if `features` is None.

    Raises:
        ValueError: for anything else, for a network that does not accept the images, or for one
            with several outputs.
        OSError: when weights are not available.
    """
    if features is None:
        return None
    if isinstance(features, (str, pathlib.Path)):
        name = str(features)
        if name.endswith(".keras"):
            features = keras.saving.load_model(name)
        elif name == MOBILENET:
            features = mobilenet_v2(layer=layer or MOBILENET_LAYER)
        elif name.startswith(LPIPS):
            features = lpips(*files_of(name), as_mean=True)
        else:
            features = vgg19("imagenet" if name == "vgg19" else name, layer or VGG_LAYER)
    if not isinstance(features, keras.Model):
        raise ValueError(
            f"features={features!r}; use 'vgg19', 'mobilenet_v2', 'lpips:BACKBONE,HEADS', a path, "
            "a keras.Model from images to features, or None for the pixels."
        )
    try:
        found = features(ops.zeros((1, *image_shape)), training=False)
    except Exception as error:  # whatever it makes of images that it cannot take
        raise ValueError(
            f"features cannot take images of image_shape={image_shape}: {error} Give a network for "
            "these, or features=None for the pixels."
        ) from error
    if not keras.ops.is_tensor(found):
        raise ValueError("features has several outputs; give a keras.Model with one.")
    return features

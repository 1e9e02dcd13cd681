"""FakeNet: detects which of two pictures was generated, or whether one was."""

import os
from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import layers, ops

from kerasgan import checks
from kerasgan.checks.arguments import check_image_shape
from kerasgan.data.captions import BagOfWords, frequent_words
from kerasgan.data.triplets import Triplets
from kerasgan.export.saved_model import check_destination
from kerasgan.metrics.clip import CLIP
from kerasgan.utils.files import atomic_path

BACKBONES = ("cnn", "mobilenet")
WORDS = 512  # the number of words in a bag of words
LEAST_SIDE = 32  # that MobileNetV2 is made for


@keras.saving.register_keras_serializable(package="kerasgan")
class Detector(keras.Model):
    """A Keras model that tells real pictures from generated ones.

    Given one picture it predicts the probability that the picture is real. With `pair=True` it gets
    two, A and B, one of which is real, and predicts the probability that this is A. It is then
    antisymmetric: the logit of (B, A) is exactly minus that of (A, B), because it is `f(a, b) -
    f(b, a)`. A detector of pairs can compare, so it does not have to know what pictures look like
    in general.

    Train it with `kerasgan.data.Triplets`. It is already compiled with Adam, binary cross-entropy
    of logits, and accuracy:

        detector = Detector((64, 64, 3), pair=True)
        detector.fit(*detector.examples(train), epochs=10)
        kerasgan.detection.evaluate(detector, test)

    Args:
        image_shape: (height, width, channels).
        backbone: the network that extracts features from a picture:

            - `"cnn"`: four convolutions of stride 2 with batch norm, of 32 to 256 maps;
            - `"mobilenet"`: MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381) with random
              weights; images of at least 32x32;
            - a built `keras.Model` from images (n, *image_shape) in [-1, 1] to features (n, d), for
              example a pretrained one; set its `trainable` as you like.
        pair: whether it compares two pictures.
        text: how to encode captions: None to ignore them, `"bag_of_words"`, a function from a list
            of n str to a float array (n, d), or a CLIP, whose `encode_texts` is used; see
            `kerasgan.metrics.KerasHubCLIP`. A function or a CLIP is not saved with the detector:
            set `encode_text` after loading it.
        spectrum: whether it also gets the logarithm of the amplitudes of the Fourier transform, in
            which upsampling leaves traces.
        vocabulary: sequence of str, the words of the bag of words; None for the 512 most frequent
            words in the triplets of the first call of `examples`.
        text_dim: int, the dimension d of the text encoding; None to take it from the first
            examples.
        seed: int, or None.

    Raises:
        ValueError: for another backbone or text, images that are too small, and settings that are
            not what is said above.

    Example:

    >>> images = np.random.default_rng(0).uniform(-1.0, 1.0, (8, 16, 16, 1)).astype("float32")
    >>> names = tuple("abcdefgh")
    >>> found = kerasgan.data.Triplets(names, images, images**3, names, ("cube",) * 8)
    >>> detector = kerasgan.detection.Detector((16, 16, 1), pair=True)
    >>> history = detector.fit(*detector.examples(found), epochs=1, verbose=0)
    >>> detector.probability_real(images, images**3).shape
    (8,)

    Spectrum: Leveraging Frequency Analysis for Deep Fake Image Recognition, Frank et al., 2020,
    arXiv:2003.08685, with a cosine transform.
    """

    def __init__(
        self,
        image_shape: tuple[int, ...],
        backbone: str | keras.Model = "cnn",
        *,
        pair: bool = False,
        text: str | Callable | CLIP | None = None,
        spectrum: bool = False,
        vocabulary: Sequence[str] | None = None,
        text_dim: int | None = None,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_image_shape(image_shape, 3)
        self.image_shape = tuple(image_shape)
        _check_backbone(backbone, self.image_shape)
        for name, switch in {"pair": pair, "spectrum": spectrum}.items():
            if not isinstance(switch, (bool, np.bool_)):
                raise ValueError(f"{name}={switch!r}; use True or False.")
        for name, number, least in (("text_dim", text_dim, 1), ("seed", seed, 0)):
            if number is not None:
                checks.whole_number(name, number, least)
        text = getattr(text, "encode_texts", text)
        if not (text is None or text == "bag_of_words" or callable(text)):
            raise ValueError(f"text={text!r}; use None, 'bag_of_words', a function or a CLIP.")
        if vocabulary is not None:
            _check_vocabulary(vocabulary, text)
        if text_dim is not None and not callable(text):
            raise ValueError(f"text_dim={text_dim} is for text=FUNCTION or a CLIP; leave it out.")
        self.backbone, self.pair, self.spectrum, self.seed = backbone, pair, spectrum, seed
        self.encode_text = text if callable(text) else None
        self.text = text
        self.vocabulary = None if vocabulary is None else tuple(vocabulary)
        self.text_dim = text_dim
        self.network: keras.Model | None = None
        if text is None or self.vocabulary is not None or text_dim is not None:
            self._make_network()

    # The network ---------------------------------------------------------------------------------

    def _make_network(self):
        """Makes `network`, once the length of the caption vectors is known."""
        seeds = np.random.default_rng(self.seed)
        picture = keras.Input(self.image_shape, name="picture")
        looks = self.backbone
        if isinstance(looks, str):
            make = {"cnn": _cnn, "mobilenet": _mobilenet}[looks]
            looks = make(self.image_shape, seeds)
        features = [looks(picture)]
        if self.spectrum:
            amplitudes = LogAmplitudes()(picture)
            features.append(_cnn(amplitudes.shape[1:], seeds, name="of_spectrum")(amplitudes))
        seen = features[0] if len(features) == 1 else layers.Concatenate()(features)
        encoder = keras.Model(picture, seen, name="encoder")
        pictures = [
            keras.Input(self.image_shape, name=name) for name in ("a", "b")[: 1 + self.pair]
        ]
        caption = keras.Input((self._length_of_text(),), name="text")
        text = [] if self.text is None else [caption]
        codes = [encoder(picture) for picture in pictures]
        head = _head(sum(code.shape[-1] for code in [*codes, *text]), seeds)

        def judged(codes):
            parts = [*codes, *text]
            return head(parts[0] if len(parts) == 1 else layers.Concatenate()(parts))

        logit = judged(codes)
        if self.pair:
            logit = layers.Subtract()([logit, judged(codes[::-1])])
        self.network = keras.Model([*pictures, *text], logit, name="network")
        self.built = True
        if not self.compiled:
            self.compile(
                optimizer="adam",
                loss=keras.losses.BinaryCrossentropy(from_logits=True),
                metrics=[keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)],
            )

    def _length_of_text(self):
        return len(self.vocabulary) if self.text == "bag_of_words" else self.text_dim or 1

    def call(self, inputs, training=False):
        """Maps pictures, and caption vectors if it uses captions, to logits (n, 1).

        Args:
            inputs: the first result of `examples`: dict with `a`, with `b` if it compares pairs,
                and with `text` if it uses captions.
            training: as for every Keras layer.
        """
        wanted = ["a", "b"][: 1 + self.pair] + ["text"] * (self.text is not None)
        if not isinstance(inputs, dict) or not set(wanted) <= set(inputs):
            raise ValueError(
                f"this detector takes a dict with {', '.join(wanted)}; use "
                "detector.examples(triplets) for fit, and probability_real for pictures."
            )
        given = [inputs[name] for name in wanted]
        return self.made()(given if len(given) > 1 else given[0], training=training)

    def made(self) -> keras.Model:
        """The network, once the length of the caption vectors is known.

        Returns:
            A `keras.Model` from the inputs of `call`, as a list, to logits (n, 1).

        Raises:
            ValueError: while the length is unknown.
        """
        if self.network is None:
            raise ValueError(
                "the words of the captions are not known yet; call examples(triplets) with the "
                "training triplets first."
            )
        return self.network

    # Data ----------------------------------------------------------------------------------------

    def examples(self, triplets: Triplets, seed: int = 0) -> tuple[dict, np.ndarray]:
        """Converts triplets to inputs and labels for `fit`.

        Args:
            triplets: n of them, with images of `image_shape`.
            seed: int, the seed of the order of the two pictures.

        Returns:
            A dict of float32 arrays, and float32 labels, 1 for real. There are n pairs, labelled by
            whether `a` is real, or 2 n single pictures, the originals first.

        Raises:
            ValueError: for no triplets, or images of another shape.
        """
        if not isinstance(triplets, Triplets):
            raise ValueError(
                f"triplets is a {type(triplets).__name__}; use Triplets, such as "
                "kerasgan.data.triplets(FOLDER) reads."
            )
        if not len(triplets):
            raise ValueError("triplets has no triplet; give at least one.")
        if triplets.original.shape[1:] != self.image_shape:
            raise ValueError(
                f"the triplets have images of shape {triplets.original.shape[1:]}, but this "
                f"detector takes {self.image_shape}."
            )
        if self.network is None:
            self._learn_text(triplets.captions)
        captions = self.vectors(triplets.captions)
        if not self.pair:
            labels = np.repeat(np.array([1.0, 0.0], "float32"), len(triplets))
            inputs = {"a": np.concatenate([triplets.original, triplets.generated])}
            return inputs | {n: np.concatenate([c, c]) for n, c in captions.items()}, labels
        first = np.random.default_rng(seed).random(len(triplets)) < 0.5
        choice = first[:, None, None, None]
        inputs = {
            "a": np.where(choice, triplets.original, triplets.generated),
            "b": np.where(choice, triplets.generated, triplets.original),
        }
        return inputs | captions, first.astype("float32")

    def _learn_text(self, captions):
        if self.text == "bag_of_words":
            self.vocabulary = frequent_words(captions, WORDS) or ("",)
        else:
            found = checks.as_floats("what text returns", self.encode_text(list(captions[:1])))
            if found.ndim != 2 or not found.size:
                raise ValueError(_of_text(found.shape, 1, "d"))
            self.text_dim = found.shape[-1]
        self._make_network()

    def vectors(self, captions: Sequence[str]) -> dict:
        """The caption vectors as an input: dict, empty for a detector that ignores captions."""
        if self.text is None:
            return {}
        if isinstance(captions, str) or not all(isinstance(each, str) for each in captions):
            raise ValueError(f"captions={captions!r}; use a list of str, one for each picture.")
        if self.encode_text is not None:
            found = self.encode_text(list(captions))
            found = checks.as_floats("what text returns", found)
            if found.shape != (len(captions), self.text_dim):
                raise ValueError(_of_text(found.shape, len(captions), self.text_dim))
            return {"text": found}
        if self.vocabulary is None:
            self.made()  # it raises the error that says what is missing
        return {"text": BagOfWords(self.vocabulary or ("",))(captions)}

    def fit(self, x=None, *args, **kwargs) -> keras.callbacks.History:
        """Trains on `examples`; see `keras.Model.fit`.

        Raises:
            ValueError: for triplets themselves.
        """
        if isinstance(x, Triplets):
            raise ValueError(
                "x is Triplets; use detector.fit(*detector.examples(triplets)), which draws the "
                "order of each pair."
            )
        return super().fit(x, *args, **kwargs)

    def probability_real(
        self,
        images: np.ndarray,
        others: np.ndarray | None = None,
        captions: Sequence[str] | None = None,
    ) -> np.ndarray:
        """Predicts the probability that pictures are real.

        Args:
            images: float array (n, *image_shape) in [-1, 1].
            others: the same, the picture to compare each with; required with `pair=True`, and only
                then.
            captions: n str; required if the detector uses captions, and only then.

        Returns:
            float32 array (n,), from 0 to 1. Those of a pair and of its reverse sum to 1.

        Raises:
            ValueError: for inputs that are missing or unexpected, images of another shape or range,
                and another number of `others` or `captions`.
        """
        self.made()
        for name, value, wanted in (
            ("others", others, self.pair),
            ("captions", captions, self.text is not None),
        ):
            if (value is not None) != wanted:
                what = {"others": "one picture", "captions": "no captions"}[name]
                if wanted:
                    what = {"others": "two pictures", "captions": "captions"}[name]
                advice = f"give {name}, too" if wanted else f"leave {name} out"
                raise ValueError(f"this detector looks at {what}; {advice}.")
        inputs = {"a": self._pictures(images, "the images")}
        if others is not None:
            inputs["b"] = self._pictures(others, "the others")
        if captions is not None:
            inputs |= self.vectors(captions)
        numbers = {len(given) for given in inputs.values()}
        if len(numbers) > 1:
            names = {"a": "images", "b": "others", "text": "captions"}
            found = ", ".join(f"{len(given)} {names[name]}" for name, given in inputs.items())
            raise ValueError(f"there are {found}; give the same number of each.")
        if numbers == {0}:
            return np.zeros(0, "float32")
        logits = self.predict(inputs, verbose=0)[:, 0].astype("float64")
        return (1.0 / (1.0 + np.exp(-logits))).astype("float32")

    def _pictures(self, images, what):
        images = checks.as_numpy(images)
        checks.check_images(images, what, self.image_shape, "this detector takes")
        return images.astype("float32")

    # Files ---------------------------------------------------------------------------------------

    def export_endpoint(self, filepath: str | os.PathLike) -> None:
        """Writes a SavedModel with the endpoint `probability_real`.

        It takes `a`, float32 (n, *image_shape) in [-1, 1], `b` if the detector compares pairs, and
        `text` if it uses captions, their vectors (`detector.vectors(captions)["text"]`). It returns
        `probability_real`, float32 (n,).

        Args:
            filepath: a folder that does not exist or is empty.

        Raises:
            FileExistsError: when the folder is not empty.
            RuntimeError: under PyTorch, which cannot write a SavedModel.
        """
        check_destination(filepath)
        archive = keras.export.ExportArchive()
        network = self.made()
        archive.track(network)
        specs = [
            keras.InputSpec(shape=(None, *x.shape[1:]), dtype="float32", name=x.name.split(":")[0])
            for x in network.inputs
        ]

        def probability_real(*given):
            logits = network(list(given) if len(given) > 1 else given[0], training=False)
            return {"probability_real": ops.sigmoid(logits[:, 0])}

        archive.add_endpoint("probability_real", probability_real, input_signature=specs)
        with atomic_path(filepath) as temporary:
            archive.write_out(str(temporary), verbose=False)

    def get_config(self) -> dict:
        own = isinstance(self.backbone, str)
        return {
            "name": self.name,
            "image_shape": self.image_shape,
            "backbone": self.backbone
            if own
            else keras.saving.serialize_keras_object(self.backbone),
            "pair": self.pair,
            "text": self.text if self.encode_text is None else "function",
            "spectrum": self.spectrum,
            "vocabulary": self.vocabulary,
            "text_dim": self.text_dim,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict) -> "Detector":
        config = dict(config)
        if isinstance(config["backbone"], dict):
            config["backbone"] = keras.saving.deserialize_keras_object(config["backbone"])
        if config["text"] == "function":
            config["text"] = _lost_function
        return cls(**config)


def _check_backbone(backbone, image_shape):
    if isinstance(backbone, str) and backbone in BACKBONES:
        if backbone == "mobilenet" and min(image_shape[:2]) < LEAST_SIDE:
            raise ValueError(
                f"image_shape={image_shape}: 'mobilenet' needs {LEAST_SIDE}x{LEAST_SIDE} or more; "
                "use 'cnn'."
            )
        return
    if not isinstance(backbone, keras.Model):
        accepted = ", ".join(map(repr, BACKBONES))
        raise ValueError(f"backbone={backbone!r}; use {accepted} or a keras.Model.")
    try:
        found = backbone(keras.Input(image_shape))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"backbone: {backbone.name} does not take images of {image_shape}; use a model from "
            "these to features (n, d)."
        ) from error
    shape = getattr(found, "shape", None)
    if shape is None or len(shape) != 2:
        raise ValueError(
            f"backbone: {backbone.name} returns {shape}; it has to return features (n, d), so end "
            "it with GlobalAveragePooling2D or Flatten."
        )


def _check_vocabulary(vocabulary, text):
    if text != "bag_of_words":
        raise ValueError("vocabulary is for text='bag_of_words'; leave it out.")
    words = [] if isinstance(vocabulary, str) else vocabulary
    if not isinstance(words, Sequence) or not words or not all(isinstance(w, str) for w in words):
        raise ValueError(f"vocabulary={vocabulary!r}; use a sequence of words, at least one.")


def _of_text(shape, count, length):
    return (
        f"text returns an array of shape {shape} for {count} captions; it has to return one vector "
        f"for each, ({count}, {length})."
    )


def _lost_function(captions):
    raise ValueError(
        "the function that encodes captions is not in the file; set detector.encode_text to this "
        "function."
    )


class LogAmplitudes(layers.Layer):
    """The logarithm of the Fourier amplitudes, with the zero frequency in the middle.

    Maps images (n, height, width, channels), averaged over channels, to (n, height, width, 1).
    """

    def call(self, images):
        gray = ops.mean(images, axis=-1)
        real, imaginary = ops.fft2((gray, ops.zeros_like(gray)))
        amplitudes = ops.sqrt(ops.square(real) + ops.square(imaginary) + 1e-6)
        height, width = images.shape[1:3]
        return ops.roll(ops.log(amplitudes), (height // 2, width // 2), axis=(1, 2))[..., None]

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 1)


def _cnn(shape, seeds, name="cnn"):
    """Up to four convolutions of stride 2, as the image size allows, and global average pooling."""
    inputs = x = keras.Input(shape)
    for width in (32, 64, 128, 256):
        kernel = keras.initializers.HeNormal(seed=int(seeds.integers(2**31)))
        x = layers.Conv2D(width, 3, 2, "same", use_bias=False, kernel_initializer=kernel)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
        if min(x.shape[1:3]) <= 2:
            break
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(x), name=name)


def _mobilenet(shape, seeds):
    inputs = x = keras.Input(shape)
    if shape[-1] == 1:
        x = layers.Concatenate()([x, x, x])
    network = keras.applications.MobileNetV2(
        (*shape[:2], 3), include_top=False, weights=None, pooling="avg"
    )
    for layer in network.layers:  # whose own averages, of 0.999, take thousands of updates
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.9
    return keras.Model(inputs, network(x), name="mobilenet")


def _head(length, seeds):
    def kernel():
        return keras.initializers.GlorotUniform(seed=int(seeds.integers(2**31)))

    return keras.Sequential(
        [
            keras.Input((length,)),
            layers.Dense(128, "relu", kernel_initializer=kernel()),
            layers.Dropout(0.3, seed=0),
            layers.Dense(1, kernel_initializer=kernel()),
        ],
        name="head",
    )

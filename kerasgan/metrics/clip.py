"""Metrics and classifiers based on CLIP: how well texts describe images."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops

from kerasgan import checks
from kerasgan.metrics.batches import checked
from kerasgan.metrics.resizing import antialiased_bicubic
from kerasgan.utils.rows import some_at_a_time

# The mean and standard deviation of the colours, from 0 to 1, that OpenAI's CLIPs were trained
# with.
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
SCALE = 100.0  # of cosines before a softmax; training clips a CLIP's own scale to this


class CLIP(Protocol):
    """Protocol of a CLIP: an object with an image encoder and a text encoder into one space.

    `KerasHubCLIP` wraps one of keras-hub's; `examples/clip.py` trains a small one. `text_likeness`
    passes tensors to `encode_images` and needs tensors back, so write it with `keras.ops`.
    """

    def encode_images(self, images: np.ndarray) -> np.ndarray:
        """Encodes images (n, height, width, channels) in [-1, 1] as float (n, d), of any norm."""

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        """Encodes a list of n str as float (n, d), of any norm."""


class KerasHubCLIP:
    """Wraps a `keras_hub.models.CLIPBackbone` for `CLIPScore` and `ZeroShot`.

    It resizes images to the input size of the backbone, turns gray images into RGB, and normalizes
    colours as for OpenAI's CLIPs, whose weights the presets contain. The class itself downloads
    nothing; keras-hub's `from_preset` does when you call it.

        backbone = keras_hub.models.CLIPBackbone.from_preset("clip_vit_base_patch32")
        tokenize = keras_hub.models.CLIPPreprocessor.from_preset("clip_vit_base_patch32")
        clip = kerasgan.metrics.KerasHubCLIP(backbone, tokenize)

    `KerasHubCLIP.from_preset("clip_vit_base_patch32")` is the same.

    Args:
        backbone: a built `keras_hub.models.CLIPBackbone`, or an object with its
            `get_vision_embeddings`, `get_text_embeddings` and `vision_encoder.image_shape`.
        tokenize: a `keras_hub.models.CLIPPreprocessor`, or a function from a list of n str to token
            ids, int (n, length).
    """

    def __init__(self, backbone: keras.Model, tokenize: Callable):
        self.backbone, self.tokenize = backbone, tokenize

    @classmethod
    def from_preset(cls, preset: str) -> "KerasHubCLIP":
        """Loads a keras-hub preset, which may be downloaded, or a folder that keras-hub wrote.

        Args:
            preset: str, as for `keras_hub.models.CLIPBackbone.from_preset`.

        Returns:
            A `KerasHubCLIP`.

        Raises:
            ModuleNotFoundError: without keras-hub (`pip install 'kerasgan[text]'`).
            ValueError: for a preset or folder that keras-hub does not recognize as a CLIP.
        """
        import keras_hub

        try:
            backbone = keras_hub.models.CLIPBackbone.from_preset(preset)
            tokenize = keras_hub.models.CLIPPreprocessor.from_preset(preset)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{preset} is not a CLIP of keras-hub: {error}") from error
        return cls(backbone, tokenize)

    def encode_images(self, images: np.ndarray) -> Any:
        height, width, channels = self.backbone.vision_encoder.image_shape
        x = (ops.convert_to_tensor(images, "float32") + 1.0) / 2.0
        if x.shape[-1] != channels:
            x = ops.repeat(x, channels, axis=-1)
        rows, columns = (
            antialiased_bicubic(before, after).astype("float32")
            for before, after in zip(x.shape[1:3], (height, width), strict=True)
        )
        x = ops.einsum("ai,bj,nijc->nabc", rows, columns, x)
        mean, deviation = (ops.convert_to_tensor(numbers) for numbers in (MEAN, DEVIATION))
        x = (ops.clip(x, 0.0, 1.0) - mean) / deviation
        found = self.backbone.get_vision_embeddings(x)
        return found if ops.is_tensor(images) else ops.convert_to_numpy(found)

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        if hasattr(self.tokenize, "tokenizer"):
            tokens = self.tokenize({"images": None, "prompts": texts})["token_ids"]
        else:
            tokens = self.tokenize(texts)
        tokens = ops.convert_to_tensor(tokens, "int32")
        return ops.convert_to_numpy(self.backbone.get_text_embeddings(tokens))


def cosines(clip: CLIP, images: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """The CLIP similarity of images and texts: float64 array (n images, m texts) from -1 to 1.

    Args:
        clip: the `CLIP` that encodes both.
        images: float array (n, height, width, channels) in [-1, 1].
        texts: m str.

    Raises:
        ValueError: for invalid images, or for embeddings whose shapes do not match.
    """
    images = checked(images, "the images")
    of_images = _encoded_images(clip, images)
    return of_images @ _encoded_texts(clip, texts, of_images.shape[1]).T


def text_likeness(clip: CLIP, text: str) -> Callable:
    """An objective that steers images towards a text: their cosine similarity with it.

    Args:
        clip: an object whose `encode_images` returns tensors, such as `KerasHubCLIP`.
        text: str.

    Returns:
        A function from an image tensor (n, height, width, channels) to a tensor (n,), to use as the
        objective of `kerasgan.control.steer`.

    Raises:
        ValueError: for a text that is not a str.

    Example:

    >>> class Brightness:
    ...     def encode_images(self, images):
    ...         bright = (keras.ops.mean(images, axis=(1, 2, 3)) + 1.0) / 2.0
    ...         return keras.ops.stack([bright, 1.0 - bright], axis=1)
    ...     def encode_texts(self, texts):
    ...         return np.array([[1.0, 0.0] if "white" in text else [0.0, 1.0] for text in texts])
    >>> gan = kerasgan.DCGAN((8, 8, 1), latent_dim=8, base_width=8)
    >>> z = gan.latents(2, seed=0)
    >>> white = kerasgan.metrics.text_likeness(Brightness(), "a white square")
    >>> moved = kerasgan.control.steer(gan, z, white, steps=3)
    >>> bool(np.all(white(gan.generate_from(moved)) > white(gan.generate_from(z))))
    True

    Reference: StyleCLIP: Text-Driven Manipulation of StyleGAN Imagery, Patashnik, Wu, Shechtman,
    Cohen-Or & Lischinski, 2021, arXiv:2103.17249, section 4, without its terms that keep the image
    similar to the original: `steer` takes a fixed number of steps instead.
    """
    _check_clip(clip)
    (goal,) = _encoded_texts(clip, [text]).astype("float32")

    def likeness(images):
        # A CLIP has seen no values beyond this range.
        encoded = clip.encode_images(ops.clip(images, -1.0, 1.0))
        if not ops.is_tensor(encoded):
            return encoded  # the caller reports that it has no gradient
        unit = ops.normalize(ops.cast(encoded, "float32"), axis=-1)
        return ops.sum(unit * ops.convert_to_tensor(goal), axis=-1)

    return likeness


def _check_clip(clip):
    for name in ("encode_images", "encode_texts"):
        if not callable(getattr(clip, name, None)):
            raise ValueError(
                f"clip is a {type(clip).__name__}, which has no method {name}; use an object with "
                "encode_images and encode_texts, such as KerasHubCLIP."
            )


def _encoded_images(clip, images):
    found = some_at_a_time(lambda some: checks.as_numpy(clip.encode_images(some)), images)
    return _unit(found, len(images), "encode_images")


def _encoded_texts(clip, texts, length=None):
    texts = list(texts)
    if not texts or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"texts={texts!r}; use at least one str.")
    found = _unit(clip.encode_texts(texts), len(texts), "encode_texts")
    if length not in (None, found.shape[1]):
        raise ValueError(
            f"encode_images gives vectors of {length} numbers and encode_texts of "
            f"{found.shape[1]}; both have to be in the same space."
        )
    return found


def _unit(vectors, count, of):
    array = np.asarray(checks.as_numpy(vectors), "float64")
    if array.ndim != 2 or len(array) != count or not np.all(np.isfinite(array)):
        raise ValueError(
            f"{of} returns an array of shape {array.shape}; it has to return finite numbers of "
            f"shape ({count}, d)."
        )
    return array / np.maximum(np.linalg.norm(array, axis=1, keepdims=True), 1e-12)


@keras.saving.register_keras_serializable(package="kerasgan")
class CLIPScore(keras.metrics.Metric):
    """CLIPScore: how well images match their texts, without a reference, as the mean of CLIP-S.

    `CLIP-S(image, text) = 2.5 * max(cos(E_image, E_text), 0)`, where the cosine is that of a CLIP's
    embeddings. The factor 2.5 spreads the usual cosines of CLIPs, 0 to 0.4, over 0 to 1. Scores of
    different CLIPs cannot be compared. Call `update_state` yourself with images and their texts; do
    not pass the metric to `compile`, because a model's data has no texts. The CLIP is not part of
    the metric's configuration.

    Args:
        clip: an object with `encode_images` and `encode_texts`, such as `KerasHubCLIP`.
        weight: float, the factor.
        prompt: str in which `{}` stands for the text; the default is the paper's. Use `"{}"` with a
            CLIP that was trained on texts like yours.
        name: str.
        **kwargs: as for `keras.metrics.Metric`.

    Returns:
        `result()` is a float.

    Raises:
        ValueError: when there are not as many texts as images, or for a prompt without `{}`.

    Example: a CLIP whose space has two axes, how bright an image is, and how dark.

    >>> class Brightness:
    ...     def encode_images(self, images):
    ...         bright = (images.mean((1, 2, 3)) + 1.0) / 2.0
    ...         return np.stack([bright, 1.0 - bright], axis=1)
    ...     def encode_texts(self, texts):
    ...         return np.array([[1.0, 0.0] if "white" in text else [0.0, 1.0] for text in texts])
    >>> metric = kerasgan.metrics.CLIPScore(Brightness())
    >>> metric.update_state(np.ones((2, 4, 4, 1)), ["a white square", "a black square"])
    >>> metric.result()
    1.25

    Reference: CLIPScore: A Reference-free Evaluation Metric for Image Captioning, Hessel, Holtzman,
    Forbes, Le Bras & Choi, 2021, arXiv:2104.08718, section 3.
    """

    def __init__(
        self,
        clip: CLIP,
        weight: float = 2.5,
        prompt: str = "A photo depicts {}",
        name: str = "clip_score",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        checks.above_zero("weight", weight)
        _check_clip(clip)
        if not isinstance(prompt, str) or "{}" not in prompt:
            raise ValueError(f"prompt={prompt!r}; use a str with {{}} where the text goes.")
        self.clip, self.weight, self.prompt = clip, weight, prompt
        self.reset_state()

    def each(self, images: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """The score of each image with its text: float64 array (n,) from 0 to `weight`.

        Args:
            images: float array (n, height, width, channels) in [-1, 1].
            texts: n str.
        """
        images = checked(images, "the images")
        if isinstance(texts, str) or len(texts) != len(images):
            raise ValueError(f"there are {len(images)} images; give one text for each.")
        if not all(isinstance(text, str) for text in texts):
            raise ValueError(f"texts={texts!r}; use a list of str.")
        prompts = [self.prompt.replace("{}", text) for text in texts]
        different = list(dict.fromkeys(prompts))
        table = cosines(self.clip, images, different)
        column = [different.index(prompt) for prompt in prompts]
        return self.weight * np.maximum(table[np.arange(len(images)), column], 0.0)

    def update_state(self, images, texts, sample_weight=None):
        """Adds images and their texts; see `each`."""
        scores = self.each(images, texts)
        self._total += float(scores.sum())
        self._count += len(scores)

    def result(self) -> float:
        if not self._count:
            raise ValueError("CLIPScore has seen no images.")
        return self._total / self._count

    def reset_state(self):
        self._total, self._count = 0.0, 0


class ZeroShot:
    """Zero-shot classifier: which of several texts describes an image best.

    The probabilities are the softmax of a CLIP's cosines times `scale`. A class with several
    prompts uses the mean of their embeddings (section 3.1.4 of the paper). Pass `scores` to
    `kerasgan.control.directions` to find directions named after the classes.

    Args:
        clip: an object with `encode_images` and `encode_texts`, such as `KerasHubCLIP`.
        prompts: dict from the name of each class to a text or a sequence of texts; or a sequence of
            texts, which are then also the names. At least two classes.
        scale: float, the factor of the cosines; None for the attribute `scale` of the CLIP, or 100
            if it has none.

    Raises:
        ValueError: for fewer than two classes, or for invalid texts.

    Example:

    >>> class Brightness:
    ...     scale = 10.0
    ...     def encode_images(self, images):
    ...         bright = (images.mean((1, 2, 3)) + 1.0) / 2.0
    ...         return np.stack([bright, 1.0 - bright], axis=1)
    ...     def encode_texts(self, texts):
    ...         return np.array([[1.0, 0.0] if "white" in text else [0.0, 1.0] for text in texts])
    >>> prompts = {"bright": "a white square", "dark": "a black square"}
    >>> classify = kerasgan.metrics.ZeroShot(Brightness(), prompts)
    >>> classify(np.ones((1, 4, 4, 1))).round(3).tolist()
    [[1.0, 0.0]]
    >>> gan = kerasgan.DCGAN((8, 8, 1), latent_dim=8, base_width=8)
    >>> found = kerasgan.control.directions(gan, classify.scores, "linear", num_points=100)
    >>> found.names
    ('bright', 'dark')

    Reference: Learning Transferable Visual Models From Natural Language Supervision, Radford et
    al., 2021, arXiv:2103.00020, section 3.1.
    """

    def __init__(
        self,
        clip: CLIP,
        prompts: Mapping[str, str | Sequence[str]] | Sequence[str],
        scale: float | None = None,
    ):
        _check_clip(clip)
        if isinstance(prompts, str) or len(prompts) < 2:
            raise ValueError(f"prompts={prompts!r}; use texts of at least two classes.")
        by_name: dict[str, Any] = dict(
            prompts if isinstance(prompts, Mapping) else zip(prompts, prompts, strict=True)
        )
        self.clip, self.names = clip, tuple(by_name)
        self.scale = float(getattr(clip, "scale", SCALE)) if scale is None else scale
        checks.above_zero("scale", self.scale)
        means = []
        for texts in by_name.values():
            if not isinstance(texts, (str, list, tuple)):
                raise ValueError(f"prompts: {texts!r} is no text; use a str, or a list of str.")
            encoded = _encoded_texts(clip, [texts] if isinstance(texts, str) else texts)
            means.append(encoded.mean(0))
        self.weights = _unit(np.stack(means), len(means), "encode_texts")

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """The probabilities of the classes: float64 array (n, classes), whose rows sum to 1.

        Args:
            images: float array (n, height, width, channels) in [-1, 1].
        """
        images = checked(images, "the images")
        logits = self.scale * _encoded_images(self.clip, images) @ self.weights.T
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def scores(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """The probabilities by the names of the classes: dict to float64 arrays (n,)."""
        return dict(zip(self.names, self(images).T, strict=True))

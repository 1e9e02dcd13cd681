"""Evaluates detectors: on unseen triplets, degraded pictures, and unseen generators."""

import csv
import os
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from kerasgan.data.triplets import Triplets, through_jpeg
from kerasgan.detection.detector import Detector
from kerasgan.utils.files import atomic_path
from kerasgan.utils.images import to_uint8

BINS = 10  # of probabilities, for the calibration error


def evaluate(detector: Detector, triplets: Triplets, *, spoiled: bool = False) -> dict:
    """Evaluates a detector.

    Args:
        detector: a trained `Detector`.
        triplets: the triplets to evaluate on; use none that it was trained on.
        spoiled: whether to evaluate on degraded pictures, too; both pictures of a triplet are
            degraded.

    Returns:
        A dict of numbers from 0 to 1:

        - `accuracy`, at a probability of 0.5, `average_precision` and `auroc`, over all triplets;
        - `calibration_error`: the mean difference between the probabilities and the share that is
          real, over ten bins of equal width;
        - `by_generator`: dict from a name to `{"accuracy", "auroc"}`;
        - with `spoiled`, a dict of `accuracy` and `auroc` for each of `jpeg_90`, `jpeg_50`,
          `blur_1` (a Gaussian of 1 pixel) and `half_size` (downscaled by half and upscaled again).

    Raises:
        ValueError: for no triplets, images of another shape than the detector's, or a detector that
            does not know the words of captions yet.

    Example:

    >>> images = np.random.default_rng(0).uniform(-1.0, 1.0, (8, 8, 8, 1)).astype("float32")
    >>> names, generators = tuple("abcdefgh"), ("cube",) * 4 + ("sine",) * 4
    >>> test = kerasgan.data.Triplets(names, images, images**3, ("",) * 8, generators)
    >>> detector = kerasgan.detection.Detector((8, 8, 1), pair=True)
    >>> found = kerasgan.detection.evaluate(detector, test)
    >>> sorted(found)
    ['accuracy', 'auroc', 'average_precision', 'by_generator', 'calibration_error']
    >>> sorted(found["by_generator"])
    ['cube', 'sine']
    """
    if isinstance(detector, Detector):
        detector.made()
    found = _numbers(detector, triplets)
    parts = {name: _numbers(detector, some) for name, some in triplets.by_generator()}
    found["by_generator"] = {name: _short(part) for name, part in parts.items()}
    for name, spoil in SPOILED.items() if spoiled else ():
        worse = Triplets(
            triplets.ids,
            _each(triplets.original, spoil),
            _each(triplets.generated, spoil),
            triplets.captions,
            triplets.generators,
        )
        found[name] = _short(_numbers(detector, worse))
    return found


def _short(found):
    return {name: found[name] for name in ("accuracy", "auroc")}


def _numbers(detector, triplets):
    from sklearn import metrics  # which takes longer to import than all of this package

    inputs, real = detector.examples(triplets)
    logits = detector.predict(inputs, verbose=0)[:, 0].astype("float64")
    if detector.pair:  # which one is A has no meaning, so each pair counts in both orders
        logits, real = np.concatenate([logits, -logits]), np.concatenate([real, 1.0 - real])
    probabilities = 1.0 / (1.0 + np.exp(-logits))
    bins = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    gaps = [abs((probabilities - real)[bins == number].sum()) for number in range(BINS)]
    return {
        "accuracy": float(np.mean((logits > 0.0) == (real == 1.0))),
        "average_precision": float(metrics.average_precision_score(real, logits)),
        "auroc": float(metrics.roc_auc_score(real, logits)),
        "calibration_error": float(sum(gaps) / len(real)),
    }


def leave_one_out(
    make: Callable[[], Detector], train: Triplets, test: Triplets, epochs: int = 10, **fit
) -> dict[str, dict]:
    """Trains detectors without one of the generators each, and evaluates them on that generator.

    Args:
        make: function without arguments that returns a compiled `Detector`.
        train, test: triplets of two or more generators.
        epochs: int, the number of epochs for each detector.
        **fit: further arguments of `fit`.

    Returns:
        Dict from the name of the generator that was left out to the result of `evaluate` on it.

    Raises:
        ValueError: when train has less than two generators, or test lacks one of them, or for
            images of another shape than the detector's.

    Example:

    >>> images = np.random.default_rng(0).uniform(-1.0, 1.0, (8, 8, 8, 1)).astype("float32")
    >>> names, generators = tuple("abcdefgh"), ("cube",) * 4 + ("sine",) * 4
    >>> data = kerasgan.data.Triplets(names, images, images**3, ("",) * 8, generators)
    >>> def make():
    ...     pixels = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten()])
    ...     detector = kerasgan.detection.Detector((8, 8, 1), pixels, pair=True)
    ...     detector.compile("adam", detector.loss, run_eagerly=True)  # fast for so few triplets
    ...     return detector
    >>> sorted(kerasgan.detection.leave_one_out(make, data, data, epochs=1))
    ['cube', 'sine']
    """
    names = sorted(set(train.generators))
    if len(names) < 2:
        raise ValueError(
            f"train has the generators {names}; to leave one out, it needs at least two."
        )
    if missing := sorted(set(names) - set(test.generators)):
        raise ValueError(f"test has no triplets of {missing}; it needs some of each generator.")
    found = {}
    for name in names:
        seen = np.array([generator != name for generator in train.generators])
        unseen = np.array([generator == name for generator in test.generators])
        detector = make()
        detector.fit(*detector.examples(train[seen]), epochs=epochs, verbose=0, **fit)
        found[name] = evaluate(detector, test[unseen])
    return found


def table(detector: Detector, triplets: Triplets, path: str | os.PathLike) -> None:
    """Writes the predictions of a detector for each triplet as CSV.

    The columns are `id`, `generator`, `caption`, `real_original` and `real_generated`, the
    probabilities that each picture is real (for a detector of pairs, compared with the other one),
    and `correct`, whether the original has the higher probability.

    Args:
        detector: a trained `Detector`.
        triplets: the triplets to predict.
        path: file to write.

    Raises:
        ValueError: for images of another shape than the detector's, or a detector that does not
            know the words of captions yet.

    Example:

    >>> images = np.random.default_rng(0).uniform(-1.0, 1.0, (8, 8, 8, 1)).astype("float32")
    >>> names, generators = tuple("abcdefgh"), ("cube",) * 4 + ("sine",) * 4
    >>> test = kerasgan.data.Triplets(names, images, images**3, ("",) * 8, generators)
    >>> detector = kerasgan.detection.Detector((8, 8, 1), pair=True)
    >>> kerasgan.detection.table(detector, test, "predictions.csv")
    >>> with open("predictions.csv") as file:
    ...     print(file.readline().strip())
    id,generator,caption,real_original,real_generated,correct
    """
    captions = None if detector.text is None else triplets.captions
    both = triplets.original, triplets.generated
    probabilities = [
        detector.probability_real(one, other if detector.pair else None, captions)
        for one, other in (both, both[::-1])
    ]
    with (
        atomic_path(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as file,
    ):
        rows = csv.writer(file)
        rows.writerow(("id", "generator", "caption", "real_original", "real_generated", "correct"))
        texts = (triplets.ids, triplets.generators, triplets.captions)
        for *of, original, generated in zip(*texts, *probabilities, strict=True):
            rows.writerow((*of, f"{original:.6f}", f"{generated:.6f}", int(original > generated)))


# Spoiled pictures -------------------------------------------------------------------------------


def _each(images, spoil):
    pixels = np.stack([spoil(picture) for picture in to_uint8(images)])
    return pixels / np.float32(127.5) - 1.0


def _with_pillow(pixels, change):
    squeezed = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    return np.asarray(change(Image.fromarray(squeezed))).reshape(pixels.shape)


def _blurred(pixels):
    return _with_pillow(pixels, lambda picture: picture.filter(ImageFilter.GaussianBlur(1.0)))


def _half_size(pixels):
    def change(picture):
        small = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS)
        return small.resize(picture.size, Image.Resampling.BICUBIC)

    return _with_pillow(pixels, change)


SPOILED = {
    "jpeg_90": lambda pixels: through_jpeg(pixels, 90),
    "jpeg_50": lambda pixels: through_jpeg(pixels, 50),
    "blur_1": _blurred,
    "half_size": _half_size,
}

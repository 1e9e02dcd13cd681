"""Captions for digits, based on measurements of the images, and captions as vectors."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from kerasgan import checks

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
STROKES = ("thin", "", "thick")  # the third of a digit's images with the least ink, and so on
SLANTS = ("upright", "", "slanted")


def ink(images: np.ndarray) -> np.ndarray:
    """The amount of ink: the mean of the pixels, 0 for black and 1 for white.

    Args:
        images: float array (n, height, width, channels) in [-1, 1], of white on black.

    Returns:
        float64 array (n,).

    Example:

    >>> kerasgan.data.captions.ink(np.ones((1, 4, 4, 1)))
    array([1.])
    """
    return _mass(images).mean((1, 2))


def slant(images: np.ndarray) -> np.ndarray:
    """How far the writing leans to the right, from its second-order moments.

    With x to the right and y upwards it is the covariance of x and y divided by the variance of y:
    by how many pixels the middle of a row lies further right than that of the row below. It is 0
    for a vertical stroke and 1 for one that leans by 45 degrees.

    Args:
        images: as for `ink`.

    Returns:
        float64 array (n,), 0 for images without ink, and for ink in a single line.

    Example:

    >>> stroke = np.fliplr(np.eye(5))[None, ..., None] * 2.0 - 1.0
    >>> round(float(kerasgan.data.captions.slant(stroke)[0]), 6)
    1.0
    """
    mass = _mass(images)
    total = np.maximum(mass.sum((1, 2)), 1e-12)
    height, width = mass.shape[1:]
    y, x = -np.arange(height, dtype="float64"), np.arange(width, dtype="float64")
    rows, columns = mass.sum(2) / total[:, None], mass.sum(1) / total[:, None]
    mean_y, mean_x = rows @ y, columns @ x
    products = np.einsum("nyx,y,x->n", mass, y, x) / total
    variance = rows @ y**2 - mean_y**2
    flat = variance < 1e-9
    return np.where(flat, 0.0, (products - mean_y * mean_x) / np.where(flat, 1.0, variance))


def _mass(images):
    images = checks.as_numpy(images)
    checks.check_images(images, "the images")
    return (images.astype("float64").mean(-1) + 1.0) / 2.0


def of_digits(images: np.ndarray, labels: np.ndarray) -> tuple[str, ...]:
    """Captions that say which digit an image shows and how it is written.

    Within each digit, the third of the images with the most ink is "thick", the third with the
    least "thin"; the third that leans most to the right is "slanted", the third that leans least
    "upright". The middle thirds are not mentioned: "a thick seven", "a thin slanted three", "an
    upright one", "an eight".

    Args:
        images: float array (n, height, width, channels) in [-1, 1], of white on black.
        labels: whole numbers (n,) from 0 to 9.

    Returns:
        Tuple of n str.

    Raises:
        ValueError: for other labels, or another number of them.

    Example:

    >>> digits = kerasgan.data.load("digits", labels=True, batch_size=1000, shuffle=False)
    >>> images, labels = next(iter(digits.as_numpy_iterator()))
    >>> kerasgan.data.captions.of_digits(images, labels)[:2]
    ('a slanted three', 'a nine')
    """
    labels = np.asarray(checks.as_numpy(labels))
    checks.check_labels(labels, "the labels", 10, len(images))
    strokes = _thirds(ink(images), labels)
    slants = _thirds(slant(images), labels)
    return tuple(
        caption(STROKES[stroke], SLANTS[lean], DIGITS[label])
        for stroke, lean, label in zip(strokes, slants, labels, strict=True)
    )


def caption(*words: str) -> str:
    """Joins words and adds the article: "a thin one", "an eight"; empty words are left out."""
    said = " ".join(filter(None, words))
    return f"{'an' if said[0] in 'aeiu' else 'a'} {said}"


def _thirds(values, labels):
    """In which third of those with its label each value is: int array of 0, 1 and 2."""
    found = np.empty(len(values), "int64")
    for label in np.unique(labels):
        own = labels == label
        ranks = values[own].argsort(kind="stable").argsort(kind="stable")
        found[own] = ranks * 3 // own.sum()
    return found


def words(caption: str) -> list[str]:
    """The words of a caption in lower case: list of str."""
    return re.findall(r"\w+", caption.lower())


def frequent_words(captions: Sequence[str], most: int = 512) -> tuple[str, ...]:
    """The words that occur in the most captions, with ties in alphabetical order.

    Args:
        captions: sequence of str.
        most: int, the largest number of words to return.

    Returns:
        Tuple of str.

    Example:

    >>> kerasgan.data.captions.frequent_words(["a thin one", "a two"], most=2)
    ('a', 'one')
    """
    counts = Counter(word for caption in captions for word in set(words(caption)))
    found = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(word for word, _ in found[:most])


class BagOfWords:
    """Encodes captions as vectors that say which words of a vocabulary they contain.

    The simplest text encoder: a function from n captions to a float32 array (n, d) of zeros and
    ones. It ignores the order of the words.

    Args:
        vocabulary: sequence of d different str, for example from `frequent_words`. Words that are
            not in it are ignored.

    Raises:
        ValueError: for no words, or a word that comes twice.

    Example:

    >>> encode = kerasgan.data.captions.BagOfWords(["thin", "thick", "one"])
    >>> encode(["a thick one"]).tolist()
    [[0.0, 1.0, 1.0]]
    """

    def __init__(self, vocabulary: Sequence[str]):
        self.vocabulary = tuple(vocabulary)
        if not self.vocabulary or len(set(self.vocabulary)) < len(self.vocabulary):
            raise ValueError(
                f"vocabulary={vocabulary!r}; use at least one word, and each word only once."
            )

    def __call__(self, captions: Sequence[str]) -> np.ndarray:
        position = {word: number for number, word in enumerate(self.vocabulary)}
        bags = np.zeros((len(captions), len(position)), "float32")
        for row, caption in enumerate(captions):
            for word in set(words(caption)) & set(position):
                bags[row, position[word]] = 1.0
        return bags

    def read(self, bags: np.ndarray) -> list[str]:
        """The words of vectors, in the order of the vocabulary: a list of n str.

        Example:

        >>> encode = kerasgan.data.captions.BagOfWords(["thin", "thick", "one"])
        >>> encode.read(encode(["a one that is thick"]))
        ['thick one']
        """
        return [
            " ".join(word for word, is_in in zip(self.vocabulary, bag, strict=True) if is_in > 0.5)
            for bag in np.asarray(bags)
        ]


def digit_words() -> BagOfWords:
    """The bag of all words of `of_digits` except the article: vectors of 14 numbers."""
    return BagOfWords([word for word in (*STROKES, *SLANTS, *DIGITS) if word])

"""Triplets of an original picture, a caption and a generated picture, to train fake detectors."""

import contextlib
import csv
import dataclasses
import io
import os
import pathlib
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from kerasgan.checks.arguments import whole_number
from kerasgan.checks.images import as_numpy, check_images
from kerasgan.data.folders import SUFFIXES, regular_file
from kerasgan.data.images import fit_image, read_named
from kerasgan.utils.files import atomic_path
from kerasgan.utils.images import png, to_uint8
from kerasgan.utils.printable import printable

SIDES = ("original", "generated")
TABLE = "captions.csv"
COLUMNS = ("id", "caption", "split")
SPLITS = ("train", "validation", "test")
AT_ONCE = 16  # captions that a model of texts is given


@dataclasses.dataclass(frozen=True)
class Triplets:
    """Originals, captions and generated images that belong together.

    Attributes:
        ids: tuple of n str.
        original, generated: float32 arrays (n, height, width, channels) in [-1, 1].
        captions: tuple of n str.
        generators: tuple of n str, the generator of each generated image; "" where it is unknown.

    Example:

    >>> images = np.zeros((3, 8, 8, 1), "float32")
    >>> generators = ("dcgan", "vae", "vae")
    >>> found = kerasgan.data.Triplets(tuple("abc"), images, images, ("a square",) * 3, generators)
    >>> len(found), found[1:].ids
    (3, ('b', 'c'))
    >>> [(name, some.ids) for name, some in found.by_generator()]
    [('dcgan', ('a',)), ('vae', ('b', 'c'))]
    """

    ids: tuple[str, ...]
    original: np.ndarray
    generated: np.ndarray
    captions: tuple[str, ...]
    generators: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows) -> "Triplets":
        """Selects triplets by a slice, an index, or an array of indices or bools."""
        rows = np.atleast_1d(np.arange(len(self))[rows])
        texts = {
            name: tuple(getattr(self, name)[row] for row in rows)
            for name in ("ids", "captions", "generators")
        }
        return Triplets(original=self.original[rows], generated=self.generated[rows], **texts)

    def by_generator(self) -> Iterator[tuple[str, "Triplets"]]:
        """The triplets of each generator, by name, in sorted order."""
        for name in sorted(set(self.generators)):
            yield name, self[np.array([generator == name for generator in self.generators])]


def triplets(
    folder: str | os.PathLike,
    split: str | None = None,
    *,
    image_size: int | None = None,
    channels: int | None = None,
) -> Triplets:
    """Reads a folder of triplets, as `kerasgan fakes` writes it.

    The folder holds `original/ID.png`, `generated/ID.png` (or JPEG, ...), and `captions.csv` with
    the columns `id`, `caption` and `split` and, if there are several generators, `generator`.

    Args:
        folder: the path of the folder.
        split: `"train"`, `"validation"` or `"test"`; None for all.
        image_size: int; both pictures are resized to squares of this size in the same way. None
            keeps their size; they must then be squares of one size.
        channels: 1 or 3; None for 1 if all pictures are gray, else 3.

    Returns:
        `Triplets`.

    Raises:
        FileNotFoundError: when the folder, the table or a picture is missing.
        ValueError: for a table without these columns, a duplicate id, another split, pictures of
            several sizes, or a file that is not a picture.

    Example:

    >>> import numpy as np
    >>> from kerasgan.data.triplets import write
    >>> images = np.zeros((4, 8, 8, 1))
    >>> write("fakes", images, images - 1.0, ["a gray square"] * 4, generator="black")
    4
    >>> found = kerasgan.data.triplets("fakes")
    >>> found.original.shape, found.captions[0], found.generators[0]
    ((4, 8, 8, 1), 'a gray square', 'black')
    """
    if image_size is not None:
        whole_number("image_size", image_size, 1)
    if channels not in (None, 1, 3):
        raise ValueError(f"channels={channels!r}; use 1, 3 or None.")
    folder = pathlib.Path(folder)
    rows = read_table(folder)
    if split is not None:
        if split not in SPLITS:
            raise ValueError(f"split={split!r}; use one of {', '.join(map(repr, SPLITS))} or None.")
        rows = [row for row in rows if row["split"] == split]
        if not rows:
            raise ValueError(
                f"split={split!r}: {printable(folder / TABLE)} has no triplets of this split."
            )
    files = {side: [_picture(folder / side, row["id"]) for row in rows] for side in SIDES}
    every = [file for side in SIDES for file in files[side]]
    images = {
        side: [read_named(file, image_size, channels or 3, "crop") for file in files[side]]
        for side in SIDES
    }
    shapes = {image.shape for side in SIDES for image in images[side]}
    if len(shapes) > 1:
        found = ", ".join(f"{width}x{height}" for height, width, _ in sorted(shapes)[:3])
        raise ValueError(
            f"the pictures in {printable(folder)} have several sizes ({found}); give image_size."
        )
    arrays = {side: np.stack(images[side]) for side in SIDES}
    if channels is None and every and all((a == a[..., :1]).all() for a in arrays.values()):
        arrays = {side: array[..., :1] for side, array in arrays.items()}
    return Triplets(
        ids=tuple(row["id"] for row in rows),
        captions=tuple(row["caption"] for row in rows),
        generators=tuple(row.get("generator") or "" for row in rows),
        **{side: (array / np.float32(127.5) - 1.0) for side, array in arrays.items()},
    )


def read_table(folder):
    """The rows of the table of a folder of triplets: list of dict; see `triplets`."""
    path = folder / TABLE
    if not path.is_file():
        raise FileNotFoundError(
            f"{printable(path)} does not exist; it has to list the triplets, with the columns "
            f"{', '.join(COLUMNS)} (kerasgan fakes writes such a folder)."
        )
    with _opened(path) as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{printable(path)} has no column {missing[0]!r}.")
        rows = list(reader)
    seen = set()
    for number, row in enumerate(rows, 2):
        if row["split"] not in SPLITS:
            raise ValueError(
                f"{printable(path)}, line {number}: split={row['split']!r}; use one of "
                f"{', '.join(SPLITS)}."
            )
        if not row["id"] or row["id"] in seen or pathlib.PurePath(row["id"]).name != row["id"]:
            raise ValueError(
                f"{printable(path)}, line {number}: id={row['id']!r}; use a different name, "
                "without a folder, for each triplet."
            )
        seen.add(row["id"])
    if not rows:
        raise ValueError(f"{printable(path)} lists no triplets.")
    return rows


@contextlib.contextmanager
def _opened(path):
    """Opens a table, and refuses one that is not text or not CSV."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            yield file
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(
            f"{printable(path)} is not a table in UTF-8: {error}; save it as CSV in UTF-8."
        ) from error


def _picture(folder, name):
    for suffix in SUFFIXES:
        if (folder / f"{name}{suffix}").exists():
            return regular_file(folder / f"{name}{suffix}")
    raise FileNotFoundError(f"{printable(folder / name)}.png does not exist.")


# Writing ----------------------------------------------------------------------------------------


def write(
    folder: str | os.PathLike,
    original: np.ndarray,
    generated: np.ndarray,
    captions: list[str],
    *,
    generator: str,
    start: int = 0,
    jpeg: int | None = None,
) -> int:
    """Adds triplets to a folder, which is made if it is missing; returns how many.

    Both pictures of a triplet are processed alike: converted from [-1, 1] to 256 values, passed
    through a JPEG file if `jpeg` gives a quality, and written as PNG files without metadata. A
    detector that is always right has often only learned that originals were once JPEG files and
    generated images were not; with `jpeg` both were.

    The position of an original in its data decides the split: of every ten the first seven are for
    training, one is for validation and two are for testing. So you can add pictures of several
    generators one after the other, and no original is in two splits.

    Args:
        folder: path.
        original, generated: float arrays (n, height, width, 1 or 3) of one shape in [-1, 1].
        captions: list of n str.
        generator: str, the name of the generator, with which the file names begin.
        start: int, the position of the first original in its data.
        jpeg: int from 1 to 100, the JPEG quality, or None.

    Raises:
        ValueError: for arrays of several shapes or another range, for a name that cannot begin a
            file's name, a quality that does not exist, or triplets that exist already.
    """
    folder = pathlib.Path(folder)
    _check_settings(generator, jpeg)
    for what, images in (("the originals", original), ("the generated images", generated)):
        check_images(images, what, (None, None, None))
    if not len(original) == len(generated) == len(captions) or original.shape != generated.shape:
        raise ValueError(
            f"original has shape {original.shape}, generated {generated.shape}, and there are "
            f"{len(captions)} captions; use the same number of each, and one shape for all images."
        )
    rows = read_table(folder) if (folder / TABLE).exists() else []
    names = [f"{generator}-{start + number:06d}" for number in range(len(original))]
    there = {row["id"] for row in rows} & set(names)
    if there:
        raise ValueError(
            f"{printable(folder)} holds {min(there)} already; choose another folder, or another "
            "name for the generator."
        )
    for side, images in zip(SIDES, (original, generated), strict=True):
        for name, pixels in zip(names, to_uint8(images), strict=True):
            with atomic_path(folder / side / f"{name}.png") as temporary:
                temporary.write_bytes(png(pixels if jpeg is None else through_jpeg(pixels, jpeg)))
    for number, (name, caption) in enumerate(zip(names, captions, strict=True), start):
        split = SPLITS[0 if number % 10 < 7 else 1 if number % 10 == 7 else 2]
        rows.append({"id": name, "caption": caption, "split": split, "generator": generator})
    with (
        atomic_path(folder / TABLE) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as file,
    ):
        table = csv.DictWriter(file, [*COLUMNS, "generator"], extrasaction="ignore", restval="")
        table.writeheader()
        table.writerows(rows)
    return len(names)


def write_from_captions(
    folder: str | os.PathLike,
    text_to_image: Callable,
    table: str | os.PathLike,
    *,
    pictures: str | os.PathLike | None = None,
    generator: str = "text_to_image",
    image_size: int | None = None,
    num: int | None = None,
    jpeg: int | None = None,
) -> int:
    """Adds triplets of captioned pictures and images generated from their captions; see `write`.

    Both pictures of a triplet are processed alike: cropped to the same square and downscaled with
    the same filter, whatever the size of the generated images.

    Args:
        folder: path; made if missing.
        text_to_image: function from a list of at most 16 str to as many images, float in [-1, 1] or
            uint8, (n, height, width, 1 or 3): Stable Diffusion, `TextGAN.generate`, ...
        table: a CSV file with the columns `file` and `caption`.
        pictures: the folder of the files in the table; None for that of the table.
        generator: str, the name of the generator, with which the file names begin.
        image_size: int, the size of both pictures; None for the shorter side of the generated
            images.
        num: int, how many triplets to add; None for all rows.
        jpeg: as for `write`.

    Returns:
        How many triplets were added.

    Raises:
        FileNotFoundError: when the table or a picture is missing.
        ValueError: for a table without these columns or without rows; for a function that returns
            anything else; as `write`.

    Example:

    >>> import csv, imageio
    >>> imageio.imwrite("gray.png", np.full((8, 8, 3), 128, "uint8"))
    >>> with open("captions.csv", "w") as file:
    ...     csv.writer(file).writerows([["file", "caption"], ["gray.png", "a gray square"]])
    >>> def draw(texts):
    ...     return np.zeros((len(texts), 16, 16, 3), "uint8")
    >>> kerasgan.data.write_from_captions("fakes", draw, "captions.csv", image_size=8)
    1
    """
    _check_settings(generator, jpeg)
    for name, number in {"image_size": image_size, "num": num}.items():
        if number is not None:
            whole_number(name, number, 1)
    table = pathlib.Path(table)
    rows = _captioned(table)[:num]
    pictures = table.parent if pictures is None else pathlib.Path(pictures)
    files = [regular_file(pictures / row["file"]) for row in rows]
    done = 0
    while done < len(rows):
        some = slice(done, done + AT_ONCE)
        captions = [row["caption"] for row in rows[some]]
        made = _as_pictures(text_to_image(captions), len(captions))
        size = image_size or min(made.shape[1:3])
        fakes = np.stack([fit_image(pixels, size, made.shape[-1], "crop") for pixels in made])
        reals = np.stack([read_named(file, size, made.shape[-1], "crop") for file in files[some]])
        original, generated = (side / np.float32(127.5) - 1.0 for side in (reals, fakes))
        done += write(
            folder, original, generated, captions, generator=generator, start=done, jpeg=jpeg
        )
    return done


def _check_settings(generator, jpeg):
    if (
        not isinstance(generator, str)
        or pathlib.PurePath(f"{generator}-0").name != f"{generator}-0"
    ):
        raise ValueError(
            f"generator={generator!r}: file names begin with it, so use a str without a slash."
        )
    if jpeg is not None and jpeg not in range(1, 101):
        raise ValueError(f"jpeg={jpeg!r}; use a quality from 1 to 100, or None.")


def _captioned(table):
    """The rows of a table of captioned pictures: list of dict."""
    if not table.is_file():
        raise FileNotFoundError(f"{printable(table)} does not exist.")
    with _opened(table) as file:
        reader = csv.DictReader(file)
        missing = [name for name in ("file", "caption") if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(
                f"{printable(table)} has no column {missing[0]!r}; it has to list pictures, with "
                "the columns file and caption."
            )
        rows = list(reader)
    for number, row in enumerate(rows, 2):
        if not row["file"] or not row["caption"]:
            raise ValueError(
                f"{printable(table)}, line {number}: the file or the caption is missing."
            )
    if not rows:
        raise ValueError(f"{printable(table)} lists no pictures.")
    return rows


def _as_pictures(made, count):
    """Converts the images of a function to a uint8 array (count, height, width, 1 or 3)."""
    images = np.asarray(as_numpy(made))
    if images.ndim != 4 or len(images) != count or images.shape[-1] not in (1, 3):
        raise ValueError(
            f"text_to_image returns {images.dtype} of shape {images.shape} for {count} captions; "
            f"it has to return images of shape ({count}, height, width, 1 or 3)."
        )
    if images.dtype == np.uint8:
        return images
    check_images(images, "what text_to_image gives")
    return to_uint8(images)


def through_jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    """Compresses a picture as JPEG and decodes it again.

    Args:
        pixels: uint8 array (height, width, 1 or 3).
        quality: int from 1 to 100.

    Returns:
        uint8 array of the same shape.
    """
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(
        file, "JPEG", quality=quality
    )
    return fit_image(Image.open(file), None, pixels.shape[-1])

"""What stands behind the page: a model in memory, or a SavedModel."""

import base64
import functools
import io

import keras
import numpy as np

from kerasgan import roles
from kerasgan.checks.images import as_numpy
from kerasgan.control.steering import Steering
from kerasgan.data.images import read_image
from kerasgan.editing import brushes
from kerasgan.metrics.clip import text_likeness
from kerasgan.roles.has_styles import PARTS
from kerasgan.sampling.latents import way
from kerasgan.sampling.normals import standard_normal
from kerasgan.serving.servables import Servable
from kerasgan.utils.image_numbers import numbers_of_images
from kerasgan.utils.images import png, to_uint8

WAYS = 100  # steps of the way from one seed to another
STEPS = 300  # of a projection
LARGEST_BOUND = 3.0  # of latents, on the slider; beyond nothing changes that can be seen
NO_TRUNCATION = -1.0
# Of a press of the button "More like this": together at most half as far as points are from their
# mean, so that the picture can still be known again.
TEXT_STEPS, TEXT_WAY = 10, 0.5


def _common(name, title, image_shape, labels, limits, directions, hint, caption=None):
    """What both kinds of page with sliders are told."""
    if limits is not None:
        limits = [limits[0], min(limits[1], LARGEST_BOUND)]
    return {
        "name": name,
        "title": title,
        "shape": list(image_shape),
        "labels": labels,
        "caption": caption,
        "truncation": limits,
        "directions": directions,
        "hint": hint,
        "steps": WAYS,
    }


def _names_of_classes(num_classes, names):
    return list(names or map(str, range(num_classes))) if num_classes else []


def _first_caption(model):
    """What a model that draws texts is asked for at first; None for another model."""
    if not model.draws_texts:
        return None
    if model.encode_text is None:
        raise ValueError(
            f"{type(model).__name__} was trained with an encoder of texts that is not in the "
            "file; if it was the encoder of a CLIP, give it with --clip CLIP."
        )
    if model.vocabulary is None:
        return "a photo"
    return model.encode_text.read(model.all_classes(1))[0] or model.vocabulary[0]


class LiveEditor:
    """Images of a model with latents, moved, mixed and projected.

    Args:
        model: a model with latents, of images.
        directions: `kerasgan.control.Directions` of it, or None.
        name: str, what it is called.
        hint: str, what is to be said of the directions.
        clip: a `kerasgan.metrics.clip.CLIP` that gives tensors, by which images become like a text;
            or None.

    Raises:
        ValueError: for a model without latents, or of vectors; directions of another model; a model
            of texts that nothing encodes.
    """

    template = "sliders.html"

    def __init__(self, model, directions, name, hint="", clip=None):
        roles.require(model, roles.HasLatents, "kerasgan edit")
        if len(model.image_shape) != 3:
            raise ValueError(f"{type(model).__name__} makes vectors here, not images.")
        self.model, self.directions, self.clip = model, directions, clip
        self.has_styles = roles.has(model, roles.HasStyles)
        # In w+ a picture is found best; but what moves in z has to begin there.
        moves_in_z = directions is not None and directions.space == "z"
        self.space = "w+" if self.has_styles and not moves_in_z else "z"
        self.steps = None
        if directions is not None:
            shape = model.point_shape(model.checked_space(directions.space))
            if directions.vectors.shape[1:] != shape:
                raise ValueError(
                    f"the directions have shape {directions.vectors.shape[1:]}, but points in "
                    f"{directions.space} of this {type(model).__name__} have shape {shape}; use "
                    "directions of this model."
                )
            widths = directions.deviations.reshape(-1, *(1 for _ in shape))
            self.steps = directions.vectors * widths
        names = [] if directions is None else list(directions.names)
        labels = _names_of_classes(model.num_classes, model.class_names)
        title, limits = type(model).__name__, model.truncation_limits
        self.settings = {
            **_common(
                name, title, model.image_shape, labels, limits, names, hint, _first_caption(model)
            ),
            "parts": list(PARTS) if self.has_styles else [],
            "noise": len(model.noise_shapes) > 1,
            "mixes": True,
            "projects": "",
            "words": clip is not None,
            "keeps_offsets": directions is not None and directions.space == "styles",
        }
        self.steering = functools.lru_cache(maxsize=8)(self._steering)  # each compiles

    def images(self, edit, ways):
        """Images on the way from the seed, or point, of an edit to its other seed.

        Args:
            edit: an `Edit`.
            ways: sequence of float from 0 to 1.

        Returns:
            uint8 array (len(ways), height, width, channels).

        Raises:
            ValueError: for what the model has not.
        """
        self.check(edit)
        draw = self._of_styles if self.has_styles else self._of_latents
        return to_uint8(draw(edit, np.asarray(ways)))

    def check(self, edit):
        model, count = self.model, 0 if self.steps is None else len(self.steps)
        if len(edit.offsets) not in (0, count):
            raise ValueError(
                f"there are {len(edit.offsets)} offsets, but this model takes {count}."
            )
        model.checked_labels(edit.label, 1)
        model.check_truncation(edit.truncation)
        if edit.mix and not self.has_styles:
            raise ValueError(f"{type(model).__name__} has no styles to mix.")

    def project(self, file, label):
        """The point whose image is nearest to a picture, and how far the image is off.

        Args:
            file: bytes of a picture.
            label: int, or None.

        Returns:
            float32 array, float.
        """
        height, _, channels = self.model.image_shape
        picture = _picture(file, height, channels)
        images = picture[None].astype("float32") / 127.5 - 1.0
        found = self.model.project(images, self.space, STEPS, labels=label, progress=False)
        return found.latents[0], float(found.distance[0])

    def resemble(self, edit, text):
        """A point whose image is more like a text than that of an edit, from which it goes.

        Where there is none nearby it is the point of the edit itself.

        Args:
            edit: an `Edit`. What a point cannot hold is left out: directions in styles, and where
                directions are in z, the second seed.
            text: str.

        Returns:
            float32 array, and how like the text the image was and is: two floats, cosines.

        Raises:
            ValueError: for what the model has not, or without a CLIP.
        """
        if self.clip is None:
            raise ValueError("only a CLIP can tell what a text means; give one with --clip CLIP.")
        self.check(edit)
        ways = np.array([edit.way])
        if not self.has_styles:
            start = self._latents(edit, ways)
        else:
            start = self._ends(edit)[0] if self.space == "z" else self._styles(edit, ways)
        likeness, steering = self.steering(text)
        points = [start]
        for _ in range(TEXT_STEPS):
            points.append(steering(points[-1], 1, edit.label))
        points = np.concatenate(points)
        images = self.model.generate_from_points(points, self.space, labels=edit.label)
        values = as_numpy(likeness(keras.ops.convert_to_tensor(images)))
        best = values.argmax()  # a step can be too long
        return points[best], float(values[0]), float(values[best])

    def _steering(self, text):
        likeness = text_likeness(self.clip, text)
        rate = TEXT_WAY * np.sqrt(self.model.latent_dim) / TEXT_STEPS
        return likeness, Steering(self.model, likeness, space=self.space, rate=rate)

    def _of_latents(self, edit, ways):
        return self.model.generate_from(self._latents(edit, ways), labels=edit.label)

    def _latents(self, edit, ways):
        model = self.model
        truncation = None if edit.truncation is None else np.float32(edit.truncation)
        ends = [
            keras.ops.convert_to_numpy(model.to_latents(normal, truncation))
            for normal, *_ in map(self._noise, (edit.seed, edit.other))
        ]
        if edit.point is not None:
            ends[0] = self._point(edit)
        path = "slerp" if model.normal_latents else "lerp"
        return self._between(ends[0][0], ends[1][0], ways, path) + self._move(edit)

    def _of_styles(self, edit, ways):
        styles = self._styles(edit, ways)
        if self.steps is not None and self.directions.space == "styles":
            styles = self.model.channels(styles) + self._move(edit)
        noise = [np.repeat(n, len(ways), axis=0) for n in self._noise(edit.seed)[1:]]
        if not edit.noise:
            noise = [np.zeros_like(array) for array in noise]
        return self.model.generate_from_styles(styles.astype("float32"), noise)

    def _styles(self, edit, ways):
        """The styles w of images, moved, but for directions in what layers make of them."""
        model, move = self.model, self._move(edit)
        ends = self._ends(edit)
        first, second = (model.styles(z, edit.truncation, labels=edit.label) for z in ends)
        if edit.point is not None and self.space != "z":
            first = self._point(edit)
        styles = self._between(first[0], second[0], ways, "lerp")
        for part in edit.mix:
            layers = model.chosen_layers(part)
            styles[:, layers] = second[:, layers]
        if self.steps is not None and self.directions.space in ("w", "w+"):
            styles = styles + (move[:, None] if self.directions.space == "w" else move)
        return styles

    def _ends(self, edit):
        """The latents of both seeds of a model with styles, moved where directions are in z."""
        latents = [self._noise(seed)[0] for seed in (edit.seed, edit.other)]
        if self.space == "z":
            if edit.point is not None:
                latents[0] = self._point(edit)
            latents = [latent + self._move(edit) for latent in latents]
        return latents

    def _noise(self, seed):
        """What `generate(1, seed=seed)` begins with."""
        number = numbers_of_images(seed, range(1))
        shapes = enumerate(self.model.noise_shapes)
        arrays = (standard_normal(number, shape, stream) for stream, shape in shapes)
        return [keras.ops.convert_to_numpy(array) for array in arrays]

    def _point(self, edit):
        return self.model.checked_points(edit.point.reshape(1, *self._shape(edit)), self.space)

    def _shape(self, edit):
        shape = self.model.point_shape(self.space)
        if edit.point.size != np.prod(shape):
            raise ValueError("the point in the link belongs to another model.")
        return shape

    def _between(self, first, second, ways, path):
        if not ways.any():
            return np.repeat(first[None], len(ways), axis=0)
        points = way(first, second, WAYS + 1, path)
        return points[np.round(ways * WAYS).astype(int)]

    def _move(self, edit):
        """By how much an edit moves points: float32 array (1, *point_shape)."""
        if self.steps is None or not edit.offsets:
            space = "z" if self.steps is None else self.directions.space
            return np.zeros((1, *self.model.point_shape(space)), "float32")
        return np.tensordot(np.float32([edit.offsets]), self.steps, axes=1)


class ServedEditor:
    """Images of a SavedModel with the signature `edit`, or `sample`.

    Args:
        servable: `kerasgan.serving.servables.Servable`.
        name: str, what it is called.

    Raises:
        ValueError: when it has neither.
    """

    template = "sliders.html"

    def __init__(self, servable, name):
        self.servable, card = servable, servable.card
        self.signature = next((s for s in ("edit", "sample") if s in servable.definitions), None)
        if self.signature is None:
            raise ValueError(f"{name} has no signature edit, sample or translate.")
        names = card["directions"]["names"] if self.signature == "edit" else []
        hint = "" if names else "For sliders, export the run with directions.npz in it."
        labels = _names_of_classes(card["num_classes"], card.get("class_names"))
        title, limits = card["model"], card["truncation"]
        self.limits = limits
        caption, words = None, card.get("vocabulary")
        self.draws_texts = "text" in servable.definitions[self.signature].inputs
        if self.draws_texts:
            if words is None:
                raise ValueError(f"{name} takes embeddings of texts, which a page cannot make.")
            caption = words[-1]
        self.settings = {
            **_common(name, title, card["image_shape"], labels, limits, names, hint, caption),
            "parts": [],
            "noise": False,
            "mixes": False,
            "projects": "A SavedModel cannot project pictures: open the run, or its .keras file.",
            "words": False,
            "keeps_offsets": False,
        }

    def images(self, edit, ways):
        """As `LiveEditor.images`, of a way of one image."""
        if edit.point is not None or edit.mix or not edit.noise or any(ways):
            raise ValueError("a SavedModel can neither mix nor project; open the run for that.")
        inputs = {"seed": numbers_of_images(edit.seed, range(1))}
        if self.settings["labels"]:
            if type(edit.label) is str:
                raise ValueError("label: use a whole number")
            inputs["label"] = np.array([-1 if edit.label is None else edit.label], "int32")
        if self.draws_texts:
            if type(edit.label) is not str:
                raise ValueError("label: use a text, because this model draws texts")
            inputs["text"] = np.array([edit.label])
        if self.limits:
            none = edit.truncation is None
            strength = NO_TRUNCATION if none else edit.truncation
            inputs["truncation"] = np.array([strength], "float32")
        if self.signature == "edit":
            offsets = edit.offsets or [0.0] * len(self.settings["directions"])
            inputs["offsets"] = np.array([offsets], "float32")
        self.servable.check_shapes(self.signature, {n: a.shape for n, a in inputs.items()})
        files = self.servable.compute(self.signature, inputs)["image_bytes"]
        return np.stack([read_image(io.BytesIO(f), None, self._channels, "crop") for f in files])

    @property
    def _channels(self):
        return 1 if self.settings["shape"][-1] == 1 else 3

    def project(self, file, label):
        raise ValueError(self.settings["projects"])

    def resemble(self, edit, text):
        raise ValueError("a SavedModel cannot be steered by a text; open the run for that.")


class Painter:
    """A model that translates what is drawn.

    Args:
        name: str, what it is called.
        title: str, the class of the model.
        sources: dict from a direction, or None, to the (height, width, channels) of what is drawn.
        translate: function of a PNG file and a direction to a PNG file.
        pictures: dict from a direction to uint8 arrays (n, height, width, channels) of what the
            model is used to; the first is shown at the beginning.
        erases: whether mid-grey is a hole.
    """

    template = "drawing.html"

    def __init__(self, name, title, sources, translate, pictures=None, erases=False):
        self.sources, self.translate = sources, translate
        pictures = pictures or {}
        self.settings = {
            "name": name,
            "title": title,
            "erases": erases,
            "directions": [
                {"to": to, "shape": list(shape), **self._start(shape, pictures.get(to))}
                for to, shape in sources.items()
            ],
        }

    def _start(self, shape, pictures):
        if pictures is None or not len(pictures):
            gray = shape[-1] == 1
            return {"picture": None, "brushes": list(brushes.GRAYS if gray else brushes.DEFAULT)}
        return {"picture": _b64(png(pictures[0])), "brushes": brushes.brushes(pictures)}

    def source(self, file, to):
        """A picture in the size of the model's sources, and its colours: dict for the page."""
        shape = self.sources[to]
        picture = _picture(file, shape[0], shape[-1])
        return self._start(shape, picture[None])


def _picture(file, size, channels):
    """The picture in the bytes of a file: uint8 array."""
    try:
        return read_image(io.BytesIO(file), size, channels, "crop")
    except OSError as error:
        raise ValueError(
            "The file cannot be read as a picture; use one that a browser shows, such as PNG."
        ) from error


def _b64(data):
    return base64.b64encode(data).decode()


def live_painter(model, name, pictures=None, erases=False):
    """A `Painter` of a model in memory.

    Args:
        model: a model that translates.
        name, pictures, erases: as for `Painter`.
    """
    shapes = dict(zip(model.networks_by_direction, model.pair_shapes, strict=False))

    def translate(file, to):
        channels = model.translator(to).input_shape[-1]
        picture = _picture(file, None, channels)
        if picture.shape != tuple(shapes[to]):
            raise ValueError(f"the drawing has shape {picture.shape}; use {tuple(shapes[to])}.")
        images = picture[None].astype("float32") / 127.5 - 1.0
        return png(to_uint8(model.translate(images, to, seed=0)[0]))

    return Painter(name, type(model).__name__, shapes, translate, pictures, erases)


def served_painter(servable, name):
    """A `Painter` of a SavedModel with `translate`."""
    height, width, channels = servable.card["image_shape"]
    scale = servable.card["scale"]
    ways = [s for s in servable.definitions if s.startswith("translate_to_")] or ["translate"]
    signatures = {way.removeprefix("translate").removeprefix("_to_") or None: way for way in ways}
    shape = (height // scale, width // scale, channels)

    def translate(file, to):
        inputs = {"image_bytes": np.array([file], object)}
        return servable.compute(signatures[to], inputs)["image_bytes"][0]

    title = servable.card["model"]
    return Painter(name, title, dict.fromkeys(signatures, shape), translate)


def served(path, name):
    """What stands behind the page of a SavedModel.

    Args:
        path: the folder of a version.
        name: str.

    Raises:
        ValueError: for one that is damaged, or not of kerasgan's.
    """
    try:
        servable = Servable(name, 1, path)
    except Exception as error:
        raise ValueError(f"{path} cannot be loaded as a SavedModel: {error}") from error
    if "image_shape" not in servable.card:
        raise ValueError(f"{path} is not a SavedModel of an image model of kerasgan.")
    if "translate" in servable.definitions:
        return served_painter(servable, name)
    return ServedEditor(servable, name)

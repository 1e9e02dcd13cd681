"""The kinds of data that models take, and how to load each.

A model names its kind in its attribute `takes`. Code that trains and measures models looks it up in
`KINDS`, so a new kind of data needs only one entry.
"""

import pathlib
import statistics

import keras
import numpy as np

from kerasgan.data import captions, folders, loading, pairs, tasks

PAIRS_SIZE = 256  # of pictures if no size is given, that of the papers
SIZES = (64, 32, 16, 8)  # of images made from noise; larger ones must be requested


class Kind:
    """A kind of data: how to load it, and which arguments of a model follow from it.

    Settings are a dict of what the user requested: `data`, `split`, `data_dir`, `image_size`,
    `batch_size`, `seed` and `skip_damaged`, those specific to a kind, and `set`, a dict of
    arguments of the model. A missing setting is None.

    Attributes:
        settings: tuple of the names of the settings that are specific to this kind.
    """

    settings: tuple[str, ...] = ()

    def uses(self, settings):
        """Which of the kind's own settings have an effect, given the others: set of str."""
        return set(self.settings)

    def load(self, settings, training=True):
        """Loads the examples that settings describe.

        Args:
            settings: dict, see above.
            training: whether to shuffle and augment, rather than give every example as it is.

        Returns:
            A `tf.data.Dataset` for `fit` of these models.

        Raises:
            ValueError: for data that is not of this kind, or a setting out of range.
            OSError: for data that is not available.
        """
        raise NotImplementedError

    def image_size(self, settings):
        """A suitable size for pictures of any size, and why; `(None, "")` if there is no choice.

        Args:
            settings: dict, see above, without an `image_size`.
        """
        return None, ""

    def arguments(self, model_class, examples):
        """The arguments of a model's constructor for these examples: dict."""
        raise NotImplementedError

    def fitted(self, model, settings, image_size=None):
        """The settings of examples that suit a model, to measure it.

        Args:
            model: the model.
            settings: the settings that it was trained with, as far as they are known.
            image_size: int, or None for a size that suits the model.

        Raises:
            ValueError: when there are none.
        """
        raise NotImplementedError

    def real_images(self, examples, count=64):
        """Some images that a model learns to generate, (n, height, width, channels), or None."""
        return None


class Images(Kind):
    """Images, or vectors, and their labels with the setting `labels`."""

    settings: tuple[str, ...] = ("crop", "mirror")

    def load(self, settings, training=True):
        return loading.load(
            settings["data"],
            labels=bool(settings.get("labels")),
            channels=settings.get("channels"),
            augment_crop=settings.get("crop") if training else None,
            augment_flip=bool(settings.get("mirror")) and training,
            class_names=None if training else settings.get("class_names"),
            **_common(settings, training),
        )

    def image_size(self, settings):
        folder = pathlib.Path(settings["data"]).expanduser()
        sides = folders.sides(folder) if folder.is_dir() else []
        if not sides:
            return None, ""
        size = next((n for n in SIZES if n <= statistics.median(sides)), SIZES[-1])
        return size, f"the shorter sides of the pictures have {min(sides)} to {max(sides)} pixels"

    def arguments(self, model_class, examples):
        images, labels, _ = keras.utils.unpack_x_y_sample_weight(examples.element_spec)
        found = {"image_shape": tuple(images.shape[1:])}
        return found if labels is None else {**found, "num_classes": loading.num_classes(examples)}

    def fitted(self, model, settings, image_size=None):
        name, shape = type(model).__name__, model.real_image_shape
        if image_size not in (None, shape[0]):
            raise ValueError(
                f"image_size={image_size}, but {name} makes {shape}; leave image_size out."
            )
        if len(shape) == 3 and shape[0] != shape[1]:
            raise ValueError(
                f"{name} makes images of {shape[0]}x{shape[1]}, but data becomes squares; measure "
                "this model in Python, with data of its shape."
            )
        size, channels = (shape[0], shape[-1]) if len(shape) == 3 else (None, None)
        return {
            **settings,
            "image_size": size,
            "channels": channels,
            "batch_size": 64,
            "labels": model.num_classes is not None,
            "class_names": model.class_names,  # the numbers that the model knows its classes by
        }

    def real_images(self, examples, count=64):
        images, *_ = keras.utils.unpack_x_y_sample_weight(next(iter(examples)))
        images = np.asarray(images)[:count]
        return images if images.ndim == 4 else None


class Captioned(Images):
    """Digits and their captions as bags of words; see `data.captions`."""

    settings = ()

    def load(self, settings, training=True):
        examples = super().load({**settings, "labels": True}, training=False)
        names = loading.class_names(examples)
        if loading.num_classes(examples) != 10 or names not in (None, tuple("0123456789")):
            raise ValueError(
                f"data={settings['data']!r}: captions can be made only for digits (digits, "
                "mnist). For other data, call fit in Python with the images and the embeddings of "
                "your captions."
            )
        images, labels = (np.concatenate(part) for part in zip(*examples, strict=True))
        texts = captions.digit_words()(captions.of_digits(images, labels))
        how = {"batch_size": settings["batch_size"], "seed": settings["seed"]}
        return loading.from_array(images, texts, shuffle=training, **how)

    def arguments(self, model_class, examples):
        vocabulary = list(captions.digit_words().vocabulary)
        return {"image_shape": tuple(examples.element_spec[0].shape[1:]), "vocabulary": vocabulary}

    def fitted(self, model, settings, image_size=None):
        found = super().fitted(model, settings, image_size)
        if model.vocabulary != captions.digit_words().vocabulary:
            raise ValueError(
                f"{type(model).__name__} was trained with embeddings of another encoder; measure "
                "it in Python, with embeddings of the same encoder."
            )
        return found


class Pairs(Kind):
    """Pairs of pictures that belong together, or that a task makes from pictures."""

    settings: tuple[str, ...] = ("source", "task", "crop")

    def uses(self, settings):
        return {"task", "crop"} if settings.get("task") else {"source"}

    def load(self, settings, training=True):
        task = settings.get("task")
        if task == "super_resolve":
            raise ValueError(
                f"task={task!r} is only for the models srgan and esrgan; use one of these, or "
                "another task."
            )
        if task:
            return tasks.paired(_pictures(settings, training), task, seed=settings["seed"])
        how = _common(settings, training, PAIRS_SIZE)
        source = settings.get("source")
        return pairs.load_pairs(settings["data"], source=source, augment=training, **how)

    def arguments(self, model_class, examples):
        return model_class.arguments_for(*(tuple(h.shape[1:]) for h in examples.element_spec))

    def fitted(self, model, settings, image_size=None):
        size = image_size or settings.get("image_size") or model.pair_shapes[1][0]
        return {**settings, "image_size": size, "batch_size": 1}


class Unpaired(Pairs):
    """Pictures of two domains."""

    settings = ("data_b",)

    def uses(self, settings):
        return set(self.settings)

    def load(self, settings, training=True):
        how = _common(settings, training, PAIRS_SIZE)
        second = settings.get("data_b")
        return pairs.load_unpaired(settings["data"], second, augment=training, **how)


class SuperResolve(Pairs):
    """Pairs of a small and a large picture; `scale` in `set` says how much larger."""

    settings = ("crop",)

    def uses(self, settings):
        return set(self.settings)

    def load(self, settings, training=True):
        scale = settings.get("set", {}).get("scale", 4)
        images = _pictures(settings, training)
        return tasks.paired(images, "super_resolve", seed=settings["seed"], scale=scale)

    def fitted(self, model, settings, image_size=None):
        found = super().fitted(model, settings, image_size)
        return {**found, "set": {**settings.get("set", {}), "scale": model.scale}}


KINDS = {
    "images": Images(),
    "captioned": Captioned(),
    "pairs": Pairs(),
    "unpaired": Unpaired(),
    "super_resolve": SuperResolve(),
}


def kind_of(model: keras.Model | type[keras.Model]) -> Kind:
    """Returns the kind of data that a model, or a class of models, takes.

    Args:
        model: a model, or its class.

    Returns:
        A `Kind`, one of the values of `kerasgan.data.KINDS`.

    Raises:
        ValueError: when it names no kind, or an unknown one.

    Example:

    >>> kerasgan.data.kind_of(kerasgan.CycleGAN) is kerasgan.data.KINDS["unpaired"]
    True
    """
    if model.takes not in KINDS:
        name = model.__name__ if isinstance(model, type) else type(model).__name__
        raise ValueError(
            f"takes={model.takes!r}: {name} has to say which data it takes, one of "
            f"{', '.join(map(repr, KINDS))}; or give it a role that says so, such as "
            "kerasgan.roles.TakesImages."
        )
    return KINDS[model.takes]


def _common(settings, training, image_size=None):
    how = {name: settings.get(name) for name in ("split", "batch_size", "seed", "data_dir")}
    how["image_size"] = settings.get("image_size") or image_size
    return how | {"shuffle": training, "skip_damaged": bool(settings.get("skip_damaged"))}


def _pictures(settings, training):
    augment = {"augment_crop": settings.get("crop"), "augment_flip": training}
    return loading.load(settings["data"], **augment, **_common(settings, training))

"""The role of models that are trained on images, or vectors, with or without labels."""

from collections.abc import Sequence
from typing import Self

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from kerasgan import checks
from kerasgan.checks import class_names as naming
from kerasgan.export.saved_model import Condition
from kerasgan.roles.base import Role


class TakesImages(Role):
    """A model whose data is real images, or pairs (images, labels) if it is conditional.

    A subclass must define:

    - `image_shape`: (height, width, channels), or (n,) for vectors.

    It may set:

    - `num_classes`: None, or int: the data is (images, labels), and labels are 0 to
      num_classes - 1.

    Its step gets the images as float32 with `self.real_batch(data)`.

    Its attribute `class_names` names the classes: a tuple of str that `fit` takes from the data if
    it has names (`kerasgan.data.class_names`), or that you set. It is saved and exported with the
    model, and data with other names raises an error.
    """

    owes = {"image_shape": "the shape of an image, (height, width, channels), or (n,) of a vector"}
    takes: str | None = "images"  # the kind of data, a name in kerasgan.data.KINDS
    num_classes: int | None = None
    _class_names: tuple[str, ...] | None = None

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The names of the classes, the name of label i at position i, or None: tuple of str."""
        return self._class_names

    @class_names.setter
    def class_names(self, names: Sequence[str] | None) -> None:
        if names is not None and self.num_classes is None:
            raise ValueError(
                f"class_names={names!r}: this {type(self).__name__} is unconditional and has no "
                "classes; leave class_names out."
            )
        self._class_names = None if names is None else naming.checked(names, self.num_classes)

    def agree_on_classes(self, data, learn: bool = False) -> None:
        names = naming.of_data(data)
        if self.num_classes is None or names is None:
            return
        if self.class_names is None and len(names) > self.num_classes:
            raise ValueError(
                f"the data has {len(names)} classes ({naming.listed(names)}), but "
                f"{type(self).__name__} has num_classes={self.num_classes}; make a model with "
                f"num_classes={len(names)}, or choose other data."
            )
        naming.compare(self.class_names, names, f"this {type(self).__name__}", "the data")
        if learn and self.class_names is None:
            others = range(len(names), self.num_classes)
            self.class_names = (*names, *(f"unnamed {label}" for label in others))

    @property
    def condition(self) -> Condition | None:
        """The condition that comes with each image in data and network inputs, or None."""
        if self.num_classes is None:
            return None
        return Condition("label", (), "int32", self.num_classes)

    @property
    def real_image_shape(self) -> tuple[int, ...]:
        """The shape of the images that `fit` and `evaluate` take."""
        return self.image_shape

    @property
    def compares_vectors(self) -> bool:
        return len(self.real_image_shape) == 1

    def check_batch(self, data) -> dict:
        images, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
        checks.refuse_weights(sample_weight=weights)
        if labels is not None and self.condition is None:
            raise ValueError(
                f"{type(self).__name__} is unconditional and takes images alone, but the data is "
                "(images, labels); leave the labels out (kerasgan.data: labels=False)."
            )
        if labels is None and self.condition is not None:
            raise ValueError(self._without_condition)
        what = "the real images"
        ends = checks.check_images(images, what, self.real_image_shape, "the generator makes")
        if labels is not None:
            self.check_condition(labels)
        return {what: ends} if ends and len(self.real_image_shape) == 3 else {}

    @property
    def _without_condition(self):
        return (
            f"{type(self).__name__} is conditional and takes (images, labels), but the data is "
            "images alone; add the labels (kerasgan.data: labels=True)."
        )

    def check_condition(self, labels) -> None:
        """Raises a ValueError for invalid labels of a batch, array or tensor."""
        checks.check_labels(labels, "the labels", self.num_classes)

    @property
    def batch_limits(self) -> list:
        limits = [checks.limits(self.real_image_shape)]
        condition = self.condition
        if condition is None:
            return limits
        classes = condition.num_classes
        return [*limits, checks.limits(condition.shape) if classes is None else (0, classes - 1)]

    def real_batch(self, data):
        """The images and labels (None if unconditional) of a batch that `fit` was given.

        Raises:
            ValueError: as `check_batch`.
        """
        self.check_batch(data)
        images, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        images = self.real_images(images)
        return images, None if labels is None else ops.cast(labels, self.condition.dtype)

    def real_images(self, images):
        """The images of a batch as float32.

        Raises:
            ValueError: for integers, or another image shape.
        """
        shape, wants = self.real_image_shape, "the generator makes"
        return checks.float_images(images, shape, "the real images", wants)

    def checked_labels(self, labels: ArrayLike | None, num_images: int) -> np.ndarray | None:
        """Labels as `generate` takes them, as int32 array (num_images,), or None if unconditional.

        Args:
            labels: int for all images, or a sequence of num_images ints, or names of classes
                instead; required for conditional models, and only for these.
            num_images: int.

        Raises:
            ValueError: for labels that are missing or unexpected, not whole, or out of range.
        """
        name = type(self).__name__
        if self.num_classes is None:
            if labels is not None:
                raise ValueError(
                    f"{name} is unconditional: generate takes no labels; leave them out."
                )
            return None
        classes = f"0 to {self.num_classes - 1}"
        if labels is None:
            raise ValueError(
                f"{name} is conditional: generate needs labels, one for all images or one for "
                f"each, from {classes}."
            )
        array = np.asarray(naming.to_numbers(labels, self.class_names))
        array = np.broadcast_to(array, (num_images,)) if array.ndim == 0 else array
        checks.check_labels(array, "the labels", self.num_classes, num_images)
        return array.astype("int32")

    def all_classes(self, num_images: int) -> np.ndarray | None:
        """Labels of all classes in turn: int array (num_images,), or None if unconditional."""
        return None if self.num_classes is None else np.arange(num_images) % self.num_classes

    def get_config(self) -> dict:
        names = {} if self.class_names is None else {"class_names": self.class_names}
        return {**super().get_config(), **names}

    @classmethod
    def from_config(cls, config: dict) -> Self:
        names = config.get("class_names")
        config = {name: value for name, value in config.items() if name != "class_names"}
        model = super().from_config(config)
        model.class_names = names
        return model

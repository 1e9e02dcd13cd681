"""What the labels of a conditional model, and of a data set, stand for."""

import itertools

import numpy as np

from kerasgan.utils.printable import printable

LISTED = 20  # names in a message


def checked(names, num_classes=None):
    """Names of classes as a tuple of str, the name of label i at position i.

    Args:
        names: sequence of different str.
        num_classes: int, how many there have to be, or None for any number.

    Raises:
        ValueError: for anything else.
    """
    found = () if isinstance(names, str) else tuple(names)
    different = len(set(map(str, found))) == len(found) > 0
    if not different or not all(isinstance(name, str) for name in found):
        raise ValueError(
            f"class_names={names!r}; use strings that all differ, the name of class 0 first, for "
            "example ('cat', 'dog')."
        )
    if num_classes is not None and len(found) != num_classes:
        raise ValueError(
            f"class_names={listed(found)}: {len(found)} names for num_classes={num_classes}; give "
            "one for each class."
        )
    return found


def of_data(data):
    """The names that a data set has in its attribute `class_names`: tuple of str, or None."""
    names = getattr(data, "class_names", None)
    return None if names is None else tuple(map(str, names))


def compare(names, others, whose, whose_others):
    """Makes sure that a label means the same to both sides, as far as both have names.

    Args:
        names: tuple of str, or None.
        others: tuple of str, or None; they may be fewer, but none may be in another place.
        whose, whose_others: str, what an error calls either side, such as "the data".

    Raises:
        ValueError: for a label that has another name, or none.
    """
    if names is None or others is None:
        return
    for label, (name, other) in enumerate(itertools.zip_longest(names, others)):
        if other is not None and name != other:
            meaning = "there is no such class" if name is None else f"it is {name!r}"
            raise ValueError(
                f"label {label} is {other!r} in {whose_others}, but in {whose} {meaning}: "
                f"{whose_others} has the classes {listed(others)}, {whose} {listed(names)}. Load "
                "the data with class_names=model.class_names (kerasgan.data.load, from_array), so "
                "that the labels keep their meaning."
            )


def renumbered(names, wanted, data):
    """What each class of a data set becomes in another list of classes: int32 (len(names),).

    Args:
        names: tuple of str, the data's.
        wanted: tuple of str, which has all of them.
        data: str, what an error calls the data.

    Raises:
        ValueError: for a class that is not among those wanted.
    """
    unknown = [name for name in names if name not in wanted]
    if unknown:
        raise ValueError(
            f"{printable(data)} has the classes {listed(names)}, but class_names={listed(wanted)} "
            f"lacks {listed(unknown)}; add these names, or remove the classes from the data."
        )
    return np.array([wanted.index(name) for name in names], "int32")


def to_numbers(labels, names):
    """Labels, of which each may be a name, as numbers; what is no name is left as it is.

    Args:
        labels: a label, or a sequence of labels.
        names: tuple of str, or None.

    Raises:
        ValueError: for an unknown name.
    """
    array = np.asarray(labels)
    if array.dtype.kind != "U":
        return labels
    unknown = next((name for name in array.flat if name not in (names or ())), None)
    if unknown is not None:
        has = "no names" if names is None else f"the names {listed(names)}"
        raise ValueError(f"labels={str(unknown)!r}: the classes of this model have {has}.")
    return np.array([names.index(name) for name in array.flat]).reshape(array.shape)


def listed(names):
    """Names in a message: str."""
    shown = ", ".join(map(repr, names[:LISTED]))
    return f"{shown}, ... ({len(names)} in all)" if len(names) > LISTED else shown

"""Objects by name."""

import difflib


def look_up(argument, value, kind, by_name):
    """The object that a name or an object stands for.

    Args:
        argument: what the user called it, for errors.
        value: an object of the class `kind`, or a name.
        kind: the class.
        by_name: dict from name to a function that makes the object.

    Raises:
        ValueError: for a name that is not known.
        TypeError: for anything that is neither a name nor a `kind`.
    """
    if isinstance(value, kind):
        return value
    if not isinstance(value, str):
        raise TypeError(
            f"{argument}={value!r} is neither a name ({', '.join(by_name)}) nor a "
            f"kerasgan.{kind.__module__.split(chr(46))[1]}.{kind.__name__}."
        )
    if value not in by_name:
        near = difflib.get_close_matches(value.lower(), by_name, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(
            f"{argument}={value!r} is not known; the names are "
            f"{', '.join(map(repr, by_name))}.{hint}"
        )
    return by_name[value]()

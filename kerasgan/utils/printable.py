"""Names of files and classes as messages show them."""


def printable(text):
    """A text on one line, with what a terminal would not print, or would obey, as an escape.

    Args:
        text: str, or what `str` makes one of, such as a path.

    Example:

    >>> print(printable("a\\x1b[2J\\n.png"))
    a\\x1b[2J\\n.png
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))

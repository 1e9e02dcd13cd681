"""HTML pages in one file, with their pictures inside."""

import base64

import jinja2

from kerasgan.utils.images import png

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("kerasgan.pictures", "."),
    autoescape=True,
    keep_trailing_newline=True,
    trim_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_PARTS = _TEMPLATES.get_template("parts.html").module


def page(title, sections):
    """A page: str.

    Args:
        title: str.
        sections: dict from a heading to a list of HTML, such as `table` makes. What is only str is
            shown as it is, tags included.
    """
    return _TEMPLATES.get_template("page.html").render(title=title, sections=sections)


def table(rows, header=()):
    """A table of rows, each a sequence whose first cell names the others: HTML."""
    return _PARTS.table(rows, header)


def code(text):
    """Something to be typed: HTML."""
    return _PARTS.code(text)


def paragraph(text):
    """A sentence or more: HTML."""
    return _PARTS.paragraph(text)


def figure(picture, caption, kind="pixels"):
    """A uint8 picture (height, width, 3) with what is to be seen: HTML.

    Args:
        picture: the array.
        caption: str.
        kind: `"pixels"`, shown as they are; or `"chart"`, shown at the size of a chart.
    """
    return _PARTS.figure(base64.b64encode(png(picture)).decode("ascii"), caption, kind)

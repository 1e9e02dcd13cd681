"""HTML pages in one file, with their pictures inside."""

import base64
import html
import io

from PIL import Image


def page(title, sections):
    """A page: str.

    Args:
        title: str.
        sections: dict from a heading to HTML.
    """
    body = "\n".join(f"<h2>{html.escape(name)}</h2>\n{part}" for name, part in sections.items())
    return _PAGE.format(title=html.escape(title), body=body)


def table(rows, header=()):
    """A table of rows, each a sequence whose first cell names the others: HTML."""
    lines = [_line(header, "th", "th")] if header else []
    lines += [_line(row, "th", "td") for row in rows]
    return '<div class="table"><table>' + "\n".join(lines) + "</table></div>"


def _line(cells, first, others):
    tags = [first] + [others] * (len(cells) - 1)
    cells = (
        f"<{tag}>{html.escape(str(cell))}</{tag}>" for tag, cell in zip(tags, cells, strict=True)
    )
    return f"<tr>{''.join(cells)}</tr>"


def code(text):
    """Something to be typed: HTML."""
    return f"<pre>{html.escape(text)}</pre>"


def figure(picture, caption, kind="pixels"):
    """A uint8 picture (height, width, 3) with what is to be seen: HTML.

    Args:
        picture: the array.
        caption: str.
        kind: `"pixels"`, shown as they are; or `"chart"`, shown at the size of a chart.
    """
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG")
    data = base64.b64encode(file.getvalue()).decode("ascii")
    caption = html.escape(caption)
    return (
        f'<figure class="{kind}"><img src="data:image/png;base64,{data}" alt="{caption}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff; }}
.table {{ overflow-x: auto; }}
table {{ border-collapse: collapse; }}
th, td {{ text-align: left; padding: .2rem 1rem .2rem 0; border-bottom: 1px solid #ddd;
  vertical-align: top; }}
th {{ font-weight: 500; color: #555; }}
figure {{ display: inline-block; margin: 0 1rem 1rem 0; }}
figcaption {{ color: #555; font-size: .9rem; }}
pre {{ white-space: pre-wrap; background: #f4f4f4; padding: .5rem 1rem; }}
img {{ max-width: 100%; }}
.pixels img {{ image-rendering: pixelated; }}
.chart img {{ width: 24rem; }}
@media (max-width: 30rem) {{
  body {{ margin: 1rem auto; }}
  figure {{ margin-right: 0; }}
  td {{ overflow-wrap: anywhere; min-width: 4.5rem; }}
}}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""

"""The parts of what a notebook shows: the frame, facts, tables, images."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy
from numpy.typing import NDArray

from mnistburn.pages.markup import Content, Markup, tag
from mnistburn.pages.png import image_address

__all__ = ["facts", "framed", "picture", "scores_table", "table"]

# The colours of a notebook's theme are not known: text and lines have that of the text around, and
# all others are between light and dark. The two of curves differ for any kind of colour vision.
_STYLE: Final = """
.mnistburn{font-size:13px;line-height:1.4}
.mnistburn table{border-collapse:collapse;margin:.4em 0;font-variant-numeric:tabular-nums}
.mnistburn th,.mnistburn td{padding:.15em .6em;text-align:right;background:none;color:inherit;
border-bottom:1px solid rgba(128,128,128,.35);white-space:nowrap}
.mnistburn th{font-weight:600}
.mnistburn th.name,.mnistburn td.name{text-align:left;max-width:24em;overflow:hidden;
text-overflow:ellipsis}
.mnistburn .row{display:flex;flex-wrap:wrap;gap:.6em 1.4em;align-items:flex-start}
.mnistburn .tile{max-width:9em;font-size:11px;overflow-wrap:anywhere}
.mnistburn img{image-rendering:pixelated;display:block;width:64px;height:64px;object-fit:contain;
margin:0;background:rgba(128,128,128,.25)}
.mnistburn .small{flex-wrap:nowrap;gap:3px}
.mnistburn .small img{width:40px;height:40px}
.mnistburn .facts td{white-space:normal;max-width:48em;overflow-wrap:anywhere}
.mnistburn pre{font-size:12px;margin:.4em 0;background:none;color:inherit;overflow-x:auto}
.mnistburn svg{display:block;width:340px;max-width:100%;height:auto}
.mnistburn svg text{fill:currentColor;font:12px sans-serif}
.mnistburn svg .x{text-anchor:middle}
.mnistburn svg .y{text-anchor:end}
.mnistburn svg .grid{stroke:currentColor;stroke-opacity:.18}
.mnistburn svg polyline{fill:none;stroke-width:2}
.mnistburn svg .train polyline{stroke:#c8690a;stroke-dasharray:6 4}
.mnistburn svg .train circle{fill:#c8690a}
.mnistburn svg .valid polyline{stroke:#3f86c9}
.mnistburn svg .valid circle{fill:#3f86c9}
.mnistburn svg .ideal polyline{stroke:currentColor;stroke-opacity:.5;stroke-dasharray:2 3}
"""


def framed(*content: Content) -> str:
    """Return content with the style that it needs, as a notebook takes it."""
    return str(tag("div", tag("style", Markup(_STYLE)), *content, class_="mnistburn"))


def facts(rows: Iterable[tuple[str, Content]]) -> Markup:
    """Return a table of names and values."""
    return tag(
        "table",
        *(
            tag("tr", tag("th", name, scope="row", class_="name"), tag("td", value, class_="name"))
            for name, value in rows
        ),
        class_="facts",
    )


def table(titles: Sequence[Content], rows: Iterable[Sequence[Content]]) -> Markup:
    """Return a table whose first column has names."""
    head = tag("tr", *(_cell("th", place, title) for place, title in enumerate(titles)))
    body = (tag("tr", *(_cell("td", place, cell) for place, cell in enumerate(r))) for r in rows)
    return tag("table", tag("thead", head), tag("tbody", *body))


def _cell(name: str, place: int, content: Content) -> Markup:
    return tag(name, content, class_=None if place else "name")


def scores_table(rows: Iterable[tuple[str, float, float, float, int]]) -> Markup:
    """Return the table of name, precision, recall, F1 and support of classes."""
    return table(
        ("class", "precision", "recall", "F1", "images"),
        (
            (name, *(f"{value:.4f}" for value in (precision, recall, f1)), f"{support:,}")
            for name, precision, recall, f1, support in rows
        ),
    )


def picture(image: NDArray[numpy.uint8], text: str, side: int = 64) -> Markup:
    """Return an image, no larger than it has to be.

    Args:
        image: Its pixels, ``[height, width]`` or ``[height, width, 3]``.
        text: What it shows.
        side: A larger image is shown by every second pixel, or every third, and so on.

    Returns:
        The element.
    """
    step = -(-max(image.shape[:2]) // side)
    pixels = numpy.ascontiguousarray(image[::step, ::step])
    return tag("img", src=image_address(pixels), alt=text)

"""A data set in a notebook."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy
from numpy.typing import NDArray

from mnistburn.notebook.parts import facts, framed, picture, table
from mnistburn.pages.markup import Content, joined, tag
from mnistburn.plots.dataset import examples

__all__ = ["dataset_html"]

# Of more classes there is one image each.
_MOST_ROWS: Final = 12
_IMAGES: Final = 8
_MOST_CLASSES: Final = 48
_SMALL: Final = 40


def dataset_html(
    rows: Iterable[tuple[str, Content]],
    images: Callable[[Any], NDArray[numpy.uint8]],
    targets: NDArray[numpy.int64],
    class_names: Sequence[str],
) -> str:
    """Return a data set for a notebook: what it holds, and images of each class.

    Args:
        rows: What there is to know of it, by name.
        images: Gives the images at positions.
        targets: The classes of all.
        class_names: The names of the classes.

    Returns:
        The HTML.
    """
    many = len(class_names) > _MOST_ROWS
    shown = examples(targets, len(class_names), _MOST_CLASSES, 1 if many else _IMAGES)
    if many:
        tiles = [
            tag("div", picture(images(places)[0], name), tag("div", name), class_="tile")
            for places in shown
            for name in [class_names[targets[places[0]]]]
        ]
        left_out = len(class_names) - len(shown)
        more = tag("p", f"and {left_out} classes more") if left_out else None
        return framed(facts(rows), tag("div", *tiles, class_="row"), more)
    counts = numpy.bincount(targets, minlength=len(class_names))
    cells = []
    for places in shown:
        number = targets[places[0]]
        name = class_names[number]
        pictures = joined(picture(image, name, _SMALL) for image in images(places))
        cells.append((name, f"{counts[number]:,}", tag("div", pictures, class_="row small")))
    return framed(facts(rows), table(("class", "images", ""), cells) if cells else None)

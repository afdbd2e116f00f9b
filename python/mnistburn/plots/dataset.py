"""The picture of a data set."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy
from numpy.typing import NDArray

from mnistburn.errors import DataError
from mnistburn.plots.images import Tile, draw_images

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_dataset", "examples"]

# Of more classes there is one image each.
_MOST_ROWS: Final = 12
_COLUMNS: Final = 10
_MOST_CLASSES: Final = 100
_MOST_IMAGES: Final = 400


def examples(
    targets: NDArray[numpy.int64], num_classes: int, rows: int, columns: int
) -> list[NDArray[numpy.int64]]:
    """Return the positions of the first images of each class that has any.

    Args:
        targets: The classes of the images.
        num_classes: The number of classes.
        rows: The largest number of classes.
        columns: The largest number of images of each.

    Returns:
        The positions, an array for each class.
    """
    found = (numpy.flatnonzero(targets == number)[:columns] for number in range(num_classes))
    return [positions for positions in found if len(positions)][:rows]


def draw_dataset(
    images: Callable[[Any], NDArray[numpy.uint8]],
    targets: NDArray[numpy.int64],
    class_names: Sequence[str],
    indices: NDArray[numpy.integer] | None,
    *,
    ax: object = None,
) -> "Axes":
    """Draw images with their classes.

    Args:
        images: Gives the images at positions.
        targets: The classes of all.
        class_names: The names of the classes.
        indices: Positions of the images to draw; None for examples of each class.
        ax: The Axes; None for a figure of its own.

    Returns:
        The Axes.

    Raises:
        DataError: There is no image, or there are too many.
        ConfigError: Matplotlib is not installed, or ax is no Axes.
    """
    if not (len(targets) if indices is None else len(indices)):
        message = "there is nothing to draw: the data set, or indices, has no image"
        raise DataError(message)
    if indices is None and len(class_names) <= _MOST_ROWS:
        rows = examples(targets, len(class_names), _MOST_ROWS, _COLUMNS)
        columns = max(map(len, rows))
        tiles: list[Tile | None] = []
        for places in rows:
            tiles += [Tile(image) for image in images(places)]
            tiles += [None] * (columns - len(places))
        names = [class_names[targets[places[0]]] for places in rows]
        return draw_images(tiles, columns, row_names=names, ax=ax, inches=0.6)
    if indices is None:
        one_each = examples(targets, len(class_names), _MOST_CLASSES, 1)
        indices = numpy.concatenate(one_each)
    if len(indices) > _MOST_IMAGES:
        message = f"indices must name at most {_MOST_IMAGES} images to draw, got {len(indices):,}"
        raise DataError(message)
    named = [
        Tile(image, [class_names[targets[index]]])
        for image, index in zip(images(indices), indices, strict=True)
    ]
    return draw_images(named, _COLUMNS, ax=ax)

"""Pictures of many images in a grid, each with its caption."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy
from numpy.typing import NDArray

from mnistburn.plots.axes import axes_for
from mnistburn.text_table import clipped, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Tile", "draw_images"]

# The sizes below are shares of the width of a tile.
_GAP: Final = 0.12
_LINE: Final = 0.15
# Letters in points, where a tile is an inch wide, and the smallest that can be read.
_FONT: Final = 7.5
_SMALLEST_FONT: Final = 4.5
_LARGEST_NAME: Final = 9.0
_LONGEST_NAME: Final = 24
# The width of a letter over its height, roughly.
_LETTER: Final = 0.58
_POINTS: Final = 72


class Tile(NamedTuple):
    """An image of a grid.

    Attributes:
        image: The pixels, ``[height, width]`` or ``[height, width, 3]``, uint8 or floats in 0..1.
        caption: The lines above it.
    """

    image: NDArray[numpy.uint8] | NDArray[numpy.float32]
    caption: Sequence[str] = ()


def draw_images(
    tiles: Sequence[Tile | None],
    columns: int,
    *,
    row_names: Sequence[str] = (),
    ax: object = None,
    inches: float = 1.0,
    cmap: str = "gray",
) -> "Axes":
    """Draw images of one size in a grid, row by row.

    Captions that would be too small to be read are left out.

    Args:
        tiles: The images, at least one; None for an empty place.
        columns: The number of images in a row; into Axes of the caller, without names of rows, as
            many as make the images largest.
        row_names: The names before the rows, if any.
        ax: The Axes; None for a figure of its own, whose size follows the grid.
        inches: The width of an image in that figure.
        cmap: The colour map of images of one channel.

    Returns:
        The Axes, in which an image is one unit wide.

    Raises:
        ConfigError: Matplotlib is not installed, or ax is no Axes.
    """
    placed = [(place, tile) for place, tile in enumerate(tiles) if tile is not None]
    height, width = placed[0][1].image.shape[:2]
    tall = height / width
    lines = max(len(tile.caption) for _, tile in placed)
    above = lines * _LINE + (0.05 if lines else 0.0)
    columns = min(columns, len(tiles))
    names = [clipped(name, _LONGEST_NAME) for name in row_names]
    margin = 0.15 + 0.09 * max(map(width_of, names), default=0)
    step_x, step_y = 1 + _GAP, tall + above + _GAP

    def extent(number: int) -> tuple[float, float]:
        """Return the size of a grid of so many columns."""
        return number * step_x - _GAP, -(-len(tiles) // number) * step_y - _GAP

    across, down = extent(columns)
    axes = axes_for(ax, across * inches + margin + 0.1, down * inches + 0.2)
    if ax is not None:
        box = axes.get_window_extent()
        dots = axes.figure.dpi

        def size_of(number: int) -> float:
            wide, high = extent(number)
            return min(box.width / wide, box.height / high) / dots

        if not names:
            columns = max(range(1, len(tiles) + 1), key=size_of)
        inches = size_of(columns)
        across, down = extent(columns)
    font = min(_FONT, _FONT * inches)
    if lines and font < _SMALLEST_FONT:
        bare = [None if tile is None else Tile(tile.image) for tile in tiles]
        return draw_images(bare, columns, row_names=row_names, ax=axes, cmap=cmap)
    letters = max(3, math.floor(_POINTS * (1 + _GAP / 2) * inches / (font * _LETTER)))
    axes.set_axis_off()
    for place, tile in placed:
        row, column = divmod(place, columns)
        left, top = column * step_x, row * step_y + above
        axes.imshow(
            tile.image,
            cmap=cmap,
            vmin=0,
            vmax=255 if tile.image.dtype == numpy.uint8 else 1,
            extent=(left, left + 1, top + tall, top),
            interpolation="nearest",
        )
        for number, text in enumerate(reversed(tile.caption)):
            axes.text(
                left,
                top - 0.05 - number * _LINE,
                clipped(text, letters),
                fontsize=font,
                va="bottom",
                parse_math=False,
            )
    for number, name in enumerate(names):
        axes.text(
            -_GAP,
            number * step_y + above + tall / 2,
            name,
            fontsize=min(_LARGEST_NAME, _POINTS * step_y * inches / 2),
            ha="right",
            va="center",
            parse_math=False,
        )
    # Each imshow has moved them.
    axes.set_xlim(0, across)
    axes.set_ylim(down, 0)
    # Room that is left over goes to the names.
    axes.set_aspect("equal", anchor="E" if names else "C")
    return axes

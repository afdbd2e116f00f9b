"""The picture of the filters of a convolution."""

import math
from typing import TYPE_CHECKING, Final

import numpy
from numpy.typing import NDArray

from mnistburn.plots.images import Tile, draw_images

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FILTER_DIMENSIONS", "draw_filters"]

FILTER_DIMENSIONS: Final = 4
"""The weights of a convolution are ``[filters, channels, height, width]``."""


_CHANNELS_OF_COLOURS: Final = 3
# Filters of a deeper layer, and kernels of each, that are drawn.
_MOST: Final = 16


def draw_filters(weights: NDArray[numpy.float32], *, ax: object = None) -> "Axes":
    """Draw the filters of a convolution.

    Filters of one channel are blue where a weight is below 0 and red where it is above, in the same
    scale for all. Those of three channels are colours, each filter from its smallest to its largest
    weight. Of a deeper layer each row is a filter, with a kernel for each of its channels.

    Args:
        weights: The weights, ``[filters, channels, height, width]``.
        ax: The Axes; None for a figure of its own.

    Returns:
        The Axes.

    Raises:
        ConfigError: Matplotlib is not installed, or ax is no Axes.
    """
    filters, channels = weights.shape[:2]
    columns = max(1, math.ceil(math.sqrt(2 * filters)))
    if channels == _CHANNELS_OF_COLOURS:
        lowest = weights.min(axis=(1, 2, 3), keepdims=True)
        width = numpy.maximum(weights.max(axis=(1, 2, 3), keepdims=True) - lowest, 1e-12)
        colours = ((weights - lowest) / width).transpose(0, 2, 3, 1)
        return draw_images([Tile(image) for image in colours], columns, ax=ax, inches=0.7)
    # 0 is the middle of the map.
    scaled = weights / (2 * max(float(numpy.abs(weights).max()), 1e-12)) + 0.5
    if channels == 1:
        return draw_images(
            [Tile(image[0]) for image in scaled], columns, ax=ax, inches=0.7, cmap="RdBu_r"
        )
    some = scaled[:_MOST, :_MOST]
    names = [f"filter {number}" for number in range(len(some))]
    kernels = [Tile(kernel) for image in some for kernel in image]
    return draw_images(kernels, some.shape[1], row_names=names, ax=ax, inches=0.4, cmap="RdBu_r")

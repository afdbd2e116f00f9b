"""The picture of a confusion matrix."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy
from numpy.typing import NDArray

from mnistburn.plots.axes import axes_for
from mnistburn.text_table import clipped, width_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_confusion"]

# Of more classes the cells have no numbers in them.
_MOST_NUMBERED: Final = 25
_LONGEST_NAME: Final = 20
# Inches.
_SMALLEST_MATRIX: Final = 2.2
_LETTER: Final = 0.075
# Mistakes are small beside what is right: shares are shown by their square roots.
_GAMMA: Final = 0.5


def draw_confusion(
    confusion: NDArray[numpy.int64], class_names: Sequence[str], *, ax: object = None
) -> "Axes":
    """Draw a confusion matrix: counts in the cells, colours for the share of the true class.

    Args:
        confusion: The counts, true classes in rows.
        class_names: The names of the classes.
        ax: The Axes; None for a figure of its own, whose size follows the number of classes.

    Returns:
        The Axes.

    Raises:
        ConfigError: Matplotlib is not installed, or ax is no Axes.
    """
    size = len(class_names)
    numbered = size <= _MOST_NUMBERED
    names = [clipped(name, _LONGEST_NAME) for name in class_names]
    longest = _LETTER * max(map(width_of, names))
    cell = max(_SMALLEST_MATRIX / size, 0.52 if numbered else 0.17)
    lies = longest < cell
    side = cell * size
    slanted = longest if not numbered else 0.75 * longest
    axes = axes_for(ax, side + longest + 1.5, side + (0.2 if lies else slanted) + 0.5)
    from matplotlib.colors import PowerNorm  # noqa: PLC0415  of an extra

    support = numpy.maximum(confusion.sum(axis=1, keepdims=True), 1)
    shares = confusion / support
    image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(_GAMMA, 0.0, 1.0))
    style: dict[str, Any] = {"fontsize": 8.0 if numbered else 6.5, "parse_math": False}
    if lies:
        axes.set_xticks(range(size), names, **style)
    elif numbered:
        style_of_columns = style | {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks(range(size), names, **style_of_columns)
    else:
        axes.set_xticks(range(size), names, rotation=90, **style)
    axes.set_yticks(range(size), names, **style)
    axes.tick_params(length=0)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.spines[:].set_visible(False)
    axes.set_xticks(numpy.arange(1, size) - 0.5, minor=True)
    axes.set_yticks(numpy.arange(1, size) - 0.5, minor=True)
    axes.grid(visible=False)
    axes.grid(which="minor", color="white", linewidth=1.0 if numbered else 0.4)
    axes.tick_params(which="minor", length=0)
    if numbered:
        for true, predicted in zip(*numpy.nonzero(confusion), strict=True):
            count = int(confusion[true, predicted])
            axes.text(
                predicted,
                true,
                f"{count}",
                ha="center",
                va="center",
                fontsize=8.0 if count < 10_000 else 6.5,  # noqa: PLR2004  five digits
                color="white" if shares[true, predicted] ** _GAMMA > 0.6 else "#1a1a1a",  # noqa: PLR2004
            )
    bar = axes.figure.colorbar(
        image, ax=axes, shrink=0.8, aspect=25, pad=0.02, ticks=[0, 0.05, 0.2, 0.5, 1]
    )
    bar.ax.set_yticklabels(["0", "5 %", "20 %", "50 %", "100 %"], fontsize=8)
    bar.set_label("share of the true class", fontsize=8)
    bar.ax.spines[:].set_visible(False)
    return axes

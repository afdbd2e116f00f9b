"""The Axes that pictures are drawn into, and what all pictures have in common."""

from typing import TYPE_CHECKING, Final

import numpy

from mnistburn.arguments import shown
from mnistburn.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["COLOURS", "all_axes", "axes_for", "quiet_spines"]

COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31")
"""Colours that people with any kind of colour vision tell apart: Okabe and Ito, 2008."""


def axes_for(ax: object, width: float, height: float) -> "Axes":
    """Return the Axes to draw into.

    Args:
        ax: What the caller passed; None for a figure of its own.
        width: The width of that figure in inches.
        height: Its height.

    Returns:
        The Axes.

    Raises:
        ConfigError: Matplotlib is not installed, or ax is no Axes.
    """
    return all_axes(ax, 1, width, height)[0]


def all_axes(ax: object, count: int, width: float, height: float) -> "list[Axes]":
    """Return several Axes to draw into.

    Args:
        ax: What the caller passed: None for a figure of their own, in which they lie side by side,
            a sequence or an array of Axes, or a single one.
        count: How many.
        width: The width of each in that figure, in inches.
        height: The height.

    Returns:
        The Axes.

    Raises:
        ConfigError: Matplotlib is not installed, or ax holds something else or another number.
    """
    try:
        from matplotlib import axes, pyplot  # noqa: PLC0415  of an extra, and slow to import
    except ImportError:
        message = (
            'a picture needs matplotlib, which is not installed; pip install "mnistburn[plot]"'
        )
        raise ConfigError(message) from None
    if ax is None:
        size = (width * count, height)
        return [*pyplot.subplots(1, count, figsize=size, layout="constrained", squeeze=False)[1][0]]
    given = [ax] if isinstance(ax, axes.Axes) else [*numpy.ravel(numpy.array(ax, dtype=object))]
    if len(given) != count or not all(isinstance(one, axes.Axes) for one in given):
        wanted = "an Axes of matplotlib" if count == 1 else f"{count} Axes of matplotlib"
        message = (
            f"ax must be {wanted} or None, got {shown(ax)}; "
            f"figure, ax = matplotlib.pyplot.subplots(1, {count}) makes such"
        )
        raise ConfigError(message)
    return given


def quiet_spines(ax: "Axes") -> None:
    """Take the frame above and to the right away, and draw a faint grid behind the lines."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(visible=True, alpha=0.25, linewidth=0.6)
    ax.set_axisbelow(True)

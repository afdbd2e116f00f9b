"""Curves over the epochs of a run."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy

from mnistburn.plots.axes import COLOURS, axes_for, quiet_spines
from mnistburn.text_table import clipped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Curve", "draw_curves"]

# Points of fewer epochs have a dot each.
_FEW: Final = 25


class Curve(NamedTuple):
    """A line of a picture.

    Attributes:
        label: What it is.
        epochs: Where on the axis of epochs its points are.
        values: The values there.
        colour: The number of its colour.
        role: ``"main"``, ``"other"`` for a dashed line beside a main one of the same colour, or
            ``"steps"`` for a faint one behind.
    """

    label: str
    epochs: Sequence[float]
    values: Sequence[float]
    colour: int
    role: str


def draw_curves(
    curves: Sequence[Curve],
    ylabel: str,
    *,
    best_epoch: int | None = None,
    ax: object = None,
) -> "Axes":
    """Draw curves over epochs.

    Args:
        curves: The lines.
        ylabel: What is measured.
        best_epoch: The epoch to mark; None for none.
        ax: The Axes; None for a figure of its own.

    Returns:
        The Axes.

    Raises:
        ConfigError: Matplotlib is not installed, or ax is no Axes.
    """
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415  of an extra

    axes = axes_for(ax, 6.0, 3.6)
    handles, labels = [], []
    for curve in curves:
        steps = curve.role == "steps"
        (line,) = axes.plot(
            numpy.asarray(curve.epochs, dtype=float),
            numpy.asarray(curve.values, dtype=float),
            color=COLOURS[curve.colour % len(COLOURS)],
            linestyle="--" if curve.role == "other" else "-",
            linewidth=0.8 if steps else 1.8,
            alpha=0.35 if steps else 1.0,
            marker="o" if not steps and len(curve.epochs) <= _FEW else "",
            markersize=4.5,
            zorder=1.5 if steps else 2.5,
        )
        handles.append(line)
        # Matplotlib leaves names that begin with an underscore out of a legend.
        name = clipped(curve.label, 32)
        labels.append(f" {name}" if name.startswith("_") else name)
    if best_epoch is not None:
        mark = axes.axvline(best_epoch, color="grey", linestyle=":", linewidth=1.2, zorder=1)
        handles.append(mark)
        labels.append(f"best epoch, {best_epoch}")
    quiet_spines(axes)
    axes.set_xlabel("epoch")
    axes.set_ylabel(ylabel)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    last = max((max(curve.epochs) for curve in curves if len(curve.epochs)), default=1)
    first = min((min(curve.epochs) for curve in curves if len(curve.epochs)), default=1)
    if first == last:
        axes.set_xlim(first - 0.5, last + 0.5)
    legend = axes.legend(handles, labels, frameon=False, fontsize="small", handlelength=2.6)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return axes

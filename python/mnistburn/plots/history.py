"""The curves of one run or of several."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy

from mnistburn.arguments import nearest, shown
from mnistburn.errors import ConfigError, DataError
from mnistburn.plots.axes import all_axes
from mnistburn.plots.curves import Curve, draw_curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Measurements", "as_metrics", "curves_of", "draw_history"]

Columns = Mapping[str, Sequence[float]]

# A run of so few epochs has too few points: its steps are drawn as well.
_FEW_EPOCHS: Final = 4
# Steps are drawn as the means of so many parts at most.
_MOST_POINTS: Final = 300


class Measurements(NamedTuple):
    """What a run has measured.

    Attributes:
        name: What the run is called; empty where it is the only one.
        epochs: The columns of its epochs.
        steps: The columns of its training steps.
    """

    name: str
    epochs: Columns
    steps: Columns


def as_metrics(metrics: object, runs: Sequence[Measurements]) -> tuple[str, ...]:
    """Return the metrics to draw.

    Args:
        metrics: What the caller passed.
        runs: The runs.

    Returns:
        Their names.

    Raises:
        ConfigError: It is no name and no sequence of names, or a run has no such columns.
        DataError: No run has finished an epoch.
    """
    names = [metrics] if isinstance(metrics, str) else metrics
    if (
        not isinstance(names, list | tuple)
        or not names
        or not all(isinstance(name, str) for name in names)
    ):
        message = f"metrics must be a name or a list of names, got {shown(metrics)}"
        raise ConfigError(message)
    if not any(len(run.epochs.get("epoch", ())) for run in runs):
        message = "there is nothing to draw: no epoch is finished"
        raise DataError(message)
    columns = sorted({column for run in runs for column in run.epochs})
    for name in names:
        if not set(_columns_of(name)) & set(columns):
            known = sorted(
                {column.removeprefix("train_").removeprefix("valid_") for column in columns}
                - {"epoch"}
            )
            message = (
                f"there is no metric {name!r}: there are {', '.join(known)}{nearest(name, known)}"
            )
            raise ConfigError(message)
    return tuple(names)


def _columns_of(metric: str) -> tuple[str, ...]:
    """Return the columns that a metric can stand for: those of both parts, or itself."""
    return f"valid_{metric}", f"train_{metric}", metric


def curves_of(metric: str, runs: Sequence[Measurements]) -> list[Curve]:
    """Return the curves of a metric.

    Args:
        metric: The metric, or a column.
        runs: The runs.

    Returns:
        The curves: of each run those of validation and training, where there are such.
    """
    curves = []
    several = len(runs) > 1
    for number, run in enumerate(runs):
        epochs = run.epochs.get("epoch", ())
        found = [column for column in _columns_of(metric) if column in run.epochs]
        for place, column in enumerate(found):
            part = {"valid": "validation", "train": "training"}.get(column.split("_")[0], "")
            part = part if column != metric else ""
            label = ", ".join(filter(None, [run.name, part])) or column.replace("_", " ")
            colour = number if several else place
            role = "other" if place and several else "main"
            curves.append(Curve(label, epochs, run.epochs[column], colour, role))
        if metric in run.steps and not several and len(epochs) < _FEW_EPOCHS and len(found) > 1:
            places, values = _thinned(run.steps, metric)
            curves.append(Curve("training steps", places, values, 1, "steps"))
    return curves


def _thinned(steps: Columns, metric: str) -> tuple[Sequence[float], Sequence[float]]:
    """Return where steps are on the axis of epochs, and their values, in means of equal parts."""
    epoch, step = (numpy.asarray(steps[name], dtype=float) for name in ("epoch", "step"))
    values = numpy.asarray(steps[metric], dtype=float)
    # An epoch is done where its last step is.
    places = epoch - 1 + step / max(step.max(initial=1), 1)
    parts = numpy.array_split(numpy.arange(len(values)), min(_MOST_POINTS, max(len(values), 1)))
    return (
        [float(places[part].mean()) for part in parts if len(part)],
        [float(values[part].mean()) for part in parts if len(part)],
    )


def draw_history(
    runs: Sequence[Measurements],
    metrics: object,
    *,
    best_epoch: int | None = None,
    ax: object = None,
) -> "tuple[Axes, ...]":
    """Draw what runs have measured over their epochs.

    Args:
        runs: The runs.
        metrics: The metrics, an Axes for each.
        best_epoch: The epoch to mark; None for none.
        ax: The Axes, as many as metrics; None for a figure of their own.

    Returns:
        The Axes.

    Raises:
        ConfigError: There is no such metric, matplotlib is not installed, or ax is no Axes.
        DataError: No run has finished an epoch.
    """
    names = as_metrics(metrics, runs)
    return tuple(
        draw_curves(curves_of(name, runs), name.replace("_", " "), best_epoch=best_epoch, ax=axes)
        for name, axes in zip(names, all_axes(ax, len(names), 5.0, 3.4), strict=True)
    )

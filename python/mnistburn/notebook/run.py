"""A run and its history in a notebook."""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from mnistburn.notebook.parts import facts, framed, table
from mnistburn.pages.curves import Chart, Series, binned, chart_svg
from mnistburn.pages.markup import Content, Markup, tag

__all__ = ["curves", "history_html", "run_html"]

Columns = Mapping[str, Sequence[float]]

# The last epochs that are listed.
_MOST_ROWS: Final = 8
_MOST_POINTS: Final = 200
# A run of fewer epochs has its steps in the curves.
_FEW_EPOCHS: Final = 4


def history_html(epochs: Columns, train_steps: Columns) -> str:
    """Return a history for a notebook: curves, and a table of the last epochs.

    Args:
        epochs: The columns of the epochs.
        train_steps: Those of the training steps.

    Returns:
        The HTML.
    """
    return framed(curves(epochs, train_steps), _table(epochs))


def run_html(rows: Iterable[tuple[str, Content]], epochs: Columns, train_steps: Columns) -> str:
    """Return a run for a notebook.

    Args:
        rows: What there is to know of it, by name.
        epochs: The columns of its epochs.
        train_steps: Those of its training steps.

    Returns:
        The HTML.
    """
    return framed(facts(rows), curves(epochs, train_steps), _table(epochs))


def curves(epochs: Columns, train_steps: Columns) -> Markup:
    """Return the curves of loss and accuracy."""
    charts = []
    for metric in ("loss", "accuracy"):
        series = [
            Series("validation", _points(epochs, f"valid_{metric}"), "valid"),
            Series("training", _points(epochs, f"train_{metric}"), "train"),
        ]
        if len(epochs.get("epoch", ())) < _FEW_EPOCHS and train_steps.get("step"):
            series[1] = Series("training steps", _steps(train_steps, metric), "train")
        chart = Chart(metric, "epoch", metric, tuple(series))
        # Cells of a notebook are one page, whose identifiers must differ.
        mark = hashlib.sha256(repr(chart).encode()).hexdigest()[:12]
        svg = chart_svg(chart, f"mnistburn-{metric}-{mark}")
        charts.append(tag("div", tag("strong", metric), svg))
    return tag("div", *charts, class_="row")


def _points(epochs: Columns, column: str) -> list[tuple[float, float]]:
    return list(zip(epochs.get("epoch", ()), epochs.get(column, ()), strict=False))


def _steps(steps: Columns, metric: str) -> Sequence[tuple[float, float]]:
    last = max(steps["step"])
    places = [
        epoch - 1 + step / last for epoch, step in zip(steps["epoch"], steps["step"], strict=True)
    ]
    return binned(places, steps[metric], steps["images"], _MOST_POINTS)


def _table(epochs: Columns) -> Markup | None:
    count = len(epochs.get("epoch", ()))
    if not count:
        return tag("p", "no epoch is finished")
    hidden = {"seconds", "images_per_second"}
    names = [name for name in epochs if name not in hidden and "_class_" not in name]
    shown = range(max(0, count - _MOST_ROWS), count)
    left_out = f"the last {_MOST_ROWS} of {count} epochs" if count > _MOST_ROWS else None
    rows = [[_number(name, epochs[name][row]) for name in names] for row in shown]
    return tag(
        "div",
        None if left_out is None else tag("p", left_out),
        table([name.replace("_", " ") for name in names], rows),
    )


def _number(name: str, value: float) -> str:
    if name == "epoch":
        return f"{value:.0f}"
    if not math.isfinite(value):
        return str(value)
    return f"{value:.3g}" if name == "learning_rate" else f"{value:.4f}"

"""Curves as inline SVG, for pages without a script.

A curve is told from another one by its dashes and its marks, not by its colour alone; its colours
are those of the page's style sheet.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from mnistburn.pages.markup import Markup, joined, tag

__all__ = ["Chart", "Series", "binned", "chart_svg"]

_WIDTH: Final = 360.0
_HEIGHT: Final = 230.0
# Of the plot itself; the rest has room for the numbers and the names of the axes.
_LEFT, _RIGHT, _TOP, _BOTTOM = 50.0, 348.0, 26.0, 188.0
_LEGEND: Final = 11.0
_MOST_MARKS: Final = 40

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Series:
    """One curve.

    Attributes:
        name: What it is of.
        points: Its points, from left to right; one that is not finite is a gap.
        style: How it is drawn: ``"train"``, ``"valid"`` with dashes and marks, or ``"ideal"`` for
            what it is compared with.
    """

    name: str
    points: Points
    style: Literal["train", "valid", "ideal"]


@dataclass(frozen=True)
class Chart:
    """Curves over the same axes.

    Attributes:
        name: What it shows.
        x_name: What the horizontal axis is.
        y_name: What the vertical axis is.
        series: The curves.
        x_range: The ends of the horizontal axis; None to follow the points.
        y_range: Likewise, of the vertical axis.
    """

    name: str
    x_name: str
    y_name: str
    series: tuple[Series, ...]
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None


def binned(x: Sequence[float], y: Sequence[float], weights: Sequence[float], most: int) -> Points:
    """Return the means of neighbouring points, of which there may be too many to draw.

    Args:
        x: Where the points are.
        y: Their values; those that are not finite are left out.
        weights: How much each counts.
        most: The largest number of points.

    Returns:
        The points: the last place of each part, and the weighted mean of its values.
    """
    size = max(1, math.ceil(len(x) / most))
    points = []
    for start in range(0, len(x), size):
        part = range(start, min(start + size, len(x)))
        known = [place for place in part if math.isfinite(y[place]) and weights[place] > 0]
        total = sum(weights[place] for place in known)
        if known:
            mean = sum(y[place] * weights[place] for place in known) / total
            points.append((x[part[-1]], mean))
    return points


def chart_svg(chart: Chart, identifier: str) -> Markup:
    """Draw a chart.

    Args:
        chart: The chart.
        identifier: Tells it from the other ones of the page: letters and hyphens.

    Returns:
        The ``svg`` element, with a title and a description for those who do not see it.
    """
    finite = [
        point
        for series in chart.series
        for point in series.points
        if all(map(math.isfinite, point))
    ]
    if not finite:
        return tag("p", "There is nothing to draw yet.", class_="empty")
    x_axis = _Axis.of([x for x, _ in finite], chart.x_range, _LEFT, _RIGHT)
    y_axis = _Axis.of([y for _, y in finite], chart.y_range, _BOTTOM, _TOP)
    title, description = f"{identifier}-title", f"{identifier}-description"
    return tag(
        "svg",
        tag("title", chart.name, id=title),
        tag("desc", _description(chart), id=description),
        _grid(x_axis, y_axis, chart),
        *(_curve(series, x_axis, y_axis) for series in chart.series),
        _legend(chart.series),
        viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}",
        role="img",
        aria_labelledby=title,
        aria_describedby=description,
        class_="chart",
    )


def _description(chart: Chart) -> str:
    """Return what the curves show in words."""
    told = []
    for series in chart.series:
        points = [point for point in series.points if all(map(math.isfinite, point))]
        if points and series.style != "ideal":
            (first_x, first), (last_x, last) = points[0], points[-1]
            low, high = min(y for _, y in points), max(y for _, y in points)
            told.append(
                f"{series.name}: {first:.4g} at {chart.x_name} {first_x:.4g}, {last:.4g} at "
                f"{last_x:.4g}, lowest {low:.4g}, highest {high:.4g}."
            )
    return f"{chart.y_name} by {chart.x_name}. {' '.join(told)}"


@dataclass(frozen=True)
class _Axis:
    """Where values are drawn.

    Attributes:
        low: The value at its beginning.
        high: That at its end.
        start: Where it begins in the drawing.
        end: Where it ends there.
        step: The distance of its marks.
    """

    low: float
    high: float
    start: float
    end: float
    step: float

    @classmethod
    def of(
        cls, values: Sequence[float], given: tuple[float, float] | None, start: float, end: float
    ) -> "_Axis":
        low, high = given or (min(values), max(values))
        if low == high:
            # One value alone is drawn in the middle.
            margin = abs(low) * 0.1 or 0.5
            low, high = low - margin, high + margin
        return cls(low, high, start, end, _round_step((high - low) / 5))

    def place(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def marks(self) -> Iterator[tuple[float, str]]:
        """Yield round values between the ends, and how they are written."""
        digits = max(0, -math.floor(math.log10(self.step) + 1e-9))
        number = math.ceil(self.low / self.step - 1e-9)
        while number * self.step <= self.high + self.step * 1e-9:
            yield number * self.step, f"{number * self.step:.{digits}f}"
            number += 1


def _round_step(least: float) -> float:
    """Return the smallest of 1, 2, 5, 10, 20, ... and their fractions that is not below."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def _grid(x_axis: _Axis, y_axis: _Axis, chart: Chart) -> Markup:
    parts = []
    for value, text in y_axis.marks():
        y = f"{y_axis.place(value):.1f}"
        parts.append(tag("line", x1=f"{_LEFT:g}", x2=f"{_RIGHT:g}", y1=y, y2=y, class_="grid"))
        parts.append(tag("text", text, x=f"{_LEFT - 6:g}", y=y, dy="0.35em", class_="y number"))
    for value, text in x_axis.marks():
        x = f"{x_axis.place(value):.1f}"
        parts.append(
            tag("line", x1=x, x2=x, y1=f"{_BOTTOM:g}", y2=f"{_BOTTOM + 4:g}", class_="grid")
        )
        parts.append(tag("text", text, x=x, y=f"{_BOTTOM + 17:g}", class_="x number"))
    middle = f"{(_LEFT + _RIGHT) / 2:g}"
    parts.append(tag("text", chart.x_name, x=middle, y=f"{_HEIGHT - 6:g}", class_="x name"))
    # Hidden from a screen reader, which has the description.
    return tag("g", *parts, aria_hidden="true")


def _curve(series: Series, x_axis: _Axis, y_axis: _Axis) -> Markup:
    places = [
        f"{x_axis.place(x):.1f},{y_axis.place(y):.1f}" if math.isfinite(x + y) else None
        for x, y in series.points
    ]
    parts, part = [], list[str]()
    for place in [*places, None]:
        if place is not None:
            part.append(place)
        elif part:
            parts.append(tag("polyline", points=" ".join(part)))
            part = []
    known = [place.split(",") for place in places if place is not None]
    if series.style == "valid" and len(known) <= _MOST_MARKS:
        parts += [tag("circle", cx=x, cy=y, r="3") for x, y in known]
    elif len(known) == 1:
        parts.append(tag("circle", cx=known[0][0], cy=known[0][1], r="2"))
    return tag("g", *parts, class_=f"curve {series.style}", aria_hidden="true")


def _legend(all_series: Sequence[Series]) -> Markup:
    parts = []
    x = _LEFT + 8
    for series in all_series:
        parts.append(
            tag(
                "g",
                tag("polyline", points=f"{x:g},{_LEGEND:g} {x + 22:g},{_LEGEND:g}"),
                tag("circle", cx=f"{x + 11:g}", cy=f"{_LEGEND:g}", r="3")
                if series.style == "valid"
                else None,
                class_=f"curve {series.style}",
            )
        )
        parts.append(
            tag("text", series.name, x=f"{x + 28:g}", y=f"{_LEGEND + 4:g}", class_="legend")
        )
        x += 44 + 6.4 * len(series.name)
    return joined([tag("g", *parts, aria_hidden="true")])

"""The table of figures, and the same figures as JSON."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from mnistburn.bench.controller import Cell, Plan, Row

_BUSY: Final = 0.5
"""A load above this means that something else computes."""

_MICROSECONDS: Final = 1e6

LEGEND: Final = (
    "ratio: how many times as fast as the row's peer mnistburn is, by the medians; "
    "by round: the median of the ratios of each round"
)
"""What the last columns of the table are."""


def heading(machine: Mapping[str, Any]) -> list[str]:
    """Return the lines that say what the figures were measured on.

    Args:
        machine: What `machine.describe` returned.

    Returns:
        The lines.
    """
    burn = machine["mnistburn"]
    lines = [
        f"{machine['cpu']}, {machine['usable_cores']} of {machine['cores']} cores",
        f"SIMD: {' '.join(machine['simd'])}",
        f"{machine['system']}, Python {machine['python']}",
        f"mnistburn {burn['version']} on Burn {burn['burn']}",
    ]
    load = machine["load_before"]
    if load is not None and load > _BUSY:
        lines.append(
            f"warning: the load was {load:.1f} before the start: something else computes here, "
            "and the figures suffer from it"
        )
    return lines


def table(cell: Cell) -> list[str]:
    """Return the lines that show the figures of one task.

    Args:
        cell: The figures.

    Returns:
        The lines; without figures, a peer has its error or how to install it.
    """
    task = cell.task
    threads = f"{task.threads} thread{'s' if task.threads > 1 else ''}"
    images = f"{task.images:,} image{'s' if task.images > 1 else ''}"
    if task.section == "training":
        title = f"training, batches of {images}, {threads}: images per second"
        columns = ["median", "min", "max"]
    else:
        title = f"inference, {images} at once, {threads}: microseconds per call"
        columns = ["median", "min", "max", "images/s"]
    header = ["", *columns, "ratio", "by round", "settings"]
    figures = [_cells(cell, row) for row in cell.rows]
    complete = [header, *(each for each in figures if len(each) == len(header))]
    widths = [max(len(each[column]) for each in complete) for column in range(len(header))]
    widths[0] = max(len(each[0]) for each in figures)
    lines = [title]
    for each in [header, *figures]:
        numbers = [text.rjust(width) for text, width in zip(each[1:-1], widths[1:], strict=False)]
        lines.append("  ".join(["", each[0].ljust(widths[0]), *numbers, each[-1]]).rstrip())
    return lines


def _cells(cell: Cell, row: Row) -> list[str]:
    name = f"{row.peer.title} {row.version}".strip()
    if not row.measured:
        return [name, row.missing or f"error: {row.error}"]
    numbers = [statistics.median(row.rates), min(row.rates), max(row.rates)]
    if cell.task.section == "inference":
        median, slowest, quickest = (cell.task.images / rate * _MICROSECONDS for rate in numbers)
        texts = [f"{each:,.0f}" for each in (median, quickest, slowest, numbers[0])]
    else:
        texts = [f"{each:,.0f}" for each in numbers]
    ratios = cell.ratios(row)
    shown = ["", ""] if ratios is None else [f"{each:.2f}" for each in ratios]
    return [name, *texts, *shown, row.settings]


def as_json(machine: Mapping[str, Any], plan: Plan, cells: Sequence[Cell]) -> dict[str, Any]:
    """Return everything that was measured.

    Args:
        machine: What `machine.describe` returned.
        plan: What was asked for.
        cells: What came out.

    Returns:
        What JSON can hold: each measurement with its images, seconds and loss.
    """
    return {
        "machine": dict(machine),
        "plan": asdict(plan),
        "tasks": [
            {
                "section": cell.task.section,
                "images": cell.task.images,
                "threads": cell.task.threads,
                "cores": list(cell.task.cores),
                "peers": [_row_json(cell, row) for row in cell.rows],
            }
            for cell in cells
        ],
    }


def _row_json(cell: Cell, row: Row) -> dict[str, Any]:
    ratios = cell.ratios(row)
    return {
        "peer": row.peer.name,
        "version": row.version,
        "settings": row.settings,
        "missing": row.missing,
        "error": row.error,
        "ratio": None if ratios is None else ratios[0],
        "ratio_by_round": None if ratios is None else ratios[1],
        "measurements": [
            {**asdict(each), "images_per_second": each.rate} for each in row.measurements
        ],
    }

"""A comparison as text for a terminal of 80 columns."""

import json
from collections.abc import Mapping
from typing import Any, Final

from mnistburn.text_table import clipped, printable, table

__all__ = ["comparison_lines", "shown_p_value", "shown_setting"]

_LONGEST_NAME: Final = 14
_LONGEST_PAIR: Final = 22
_LONGEST_FIELD: Final = 26
# More configurations do not fit beside each other.
_MOST_BESIDE: Final = 4
_COLUMNS: Final = 80


def shown_p_value(value: float) -> str:
    """Return a p-value for people."""
    if value < 1e-99:  # noqa: PLR2004  an exponent of two digits
        return "<1e-99"
    return f"{value:.4f}" if value >= 0.0001 else f"{value:.1e}"  # noqa: PLR2004  four digits


def shown_setting(value: object) -> str:
    """Return a value of a configuration for people."""
    return printable(value if isinstance(value, str) else json.dumps(value))


def comparison_lines(comparison: Mapping[str, Any]) -> list[str]:
    """Return the lines of a comparison.

    Args:
        comparison: What `Comparison.to_json_object` gives.

    Returns:
        The lines.
    """
    runs = comparison["runs"]
    lines = [f"{comparison['images']:,} images: {clipped(comparison['data'], 60)}", ""]
    rows = [("run", "accuracy", "95 % interval", "loss", "cal. error", "seconds", "parameters")]
    for run in runs:
        lower, upper = run["accuracy_interval"]
        rows.append(
            (
                clipped(run["name"], _LONGEST_NAME),
                f"{run['accuracy']:.4f}",
                f"{lower:.4f}-{upper:.4f}",
                f"{run['loss']:.4f}",
                f"{run['expected_calibration_error']:.4f}",
                f"{run['seconds']:.1f}",
                f"{run['num_params']:,}",
            )
        )
    lines += table(rows)
    pairs = [("right where the other is wrong", "first", "second", "McNemar's p")]
    for test in comparison["tests"]:
        names = [clipped(test[key], _LONGEST_PAIR) for key in ("first", "second")]
        counts = (f"{test['first_only']:,}", f"{test['second_only']:,}")
        pairs.append((" and ".join(names), *counts, shown_p_value(test["p_value"])))
    lines += ["", *table(pairs)]
    differences = comparison["differences"]
    if differences and len(runs) <= _MOST_BESIDE:
        room = (_COLUMNS - _LONGEST_FIELD) // len(runs) - 2
        settings = [("configuration", *(clipped(run["name"], room) for run in runs))]
        settings += [
            (
                clipped(name, _LONGEST_FIELD),
                *(clipped(shown_setting(value), room) for value in values),
            )
            for name, values in differences.items()
        ]
        lines += ["", *table(settings)]
    return lines

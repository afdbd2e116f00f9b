"""Metrics beside loss and accuracy: by name, or functions of one's own."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy
from numpy.typing import NDArray

from mnistburn.arguments import shown
from mnistburn.errors import ConfigError

__all__ = ["Metric", "MetricFunction", "own_value", "shaped_values", "split_metrics"]

MetricFunction = Callable[[NDArray[numpy.float64], NDArray[numpy.int64]], float]
"""A metric of one's own: a function of logits, [n, num_classes], and targets, [n]."""

Metric = str | MetricFunction
"""A metric by its name, as in ``"f1_macro"``, or a function of one's own, which has its name."""


def split_metrics(metrics: object) -> tuple[list[str], dict[str, MetricFunction]]:
    """Return the metrics that have a name, and the functions by theirs.

    Args:
        metrics: A sequence of both.

    Returns:
        The names, which the core checks, and the functions.

    Raises:
        ConfigError: One is neither, or a function has no name, or that of another.
    """
    if isinstance(metrics, str) or not isinstance(metrics, Sequence):
        message = (
            "metrics must be a sequence of names of metrics and functions, got "
            f"{shown(metrics)}; a single one is metrics=[metric]"
        )
        raise ConfigError(message)
    names: list[str] = []
    functions: dict[str, MetricFunction] = {}
    for index, metric in enumerate(metrics):
        if isinstance(metric, str):
            names.append(metric)
            continue
        name = getattr(metric, "__name__", "")
        if not callable(metric) or isinstance(metric, type) or not str(name).isidentifier():
            message = (
                "metrics must be names, or functions of logits and targets that have a name, "
                f"got {shown(metric)} at index {index}; define it with def"
            )
            raise ConfigError(message)
        if name in functions:
            message = f"metrics must have names of their own, got two that are {name}"
            raise ConfigError(message)
        functions[name] = metric
    return names, functions


def own_value(
    name: str,
    function: MetricFunction,
    logits: NDArray[numpy.float64],
    targets: NDArray[numpy.int64],
) -> float:
    """Return the value of a metric of one's own.

    Args:
        name: Its name.
        function: What computes it.
        logits: The logits, [n, num_classes].
        targets: The classes, [n].

    Returns:
        The value.

    Raises:
        ConfigError: It is no finite number.
    """
    value: Any = function(logits, targets)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        message = f"the metric {name} must give a finite number, got {shown(value)}"
        raise ConfigError(message)
    return number


def shaped_values(name: str, values: list[float], num_classes: int) -> Any:  # noqa: ANN401  its shape follows from its name
    """Return what was measured: a number, one for each class, or a row of counts for each class."""
    if name == "confusion":
        counts = [int(value) for value in values]
        return [counts[row * num_classes :][:num_classes] for row in range(num_classes)]
    if name.endswith("_per_class"):
        return values
    (value,) = values
    return int(value) if name.startswith("confusion_") else value

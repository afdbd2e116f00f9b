"""Stops a training that gets no better."""

import json
from dataclasses import dataclass
from typing import Literal

from mnistburn import _native
from mnistburn.callbacks.callback import Callback
from mnistburn.settings import Part, json_fields

__all__ = ["EarlyStopping"]


@dataclass(frozen=True, kw_only=True)
class EarlyStopping(Part, Callback):
    """Stops a training when a metric gets no better (Prechelt, 1998).

    The training ends with ``ended == "stopped_early"``. How long it has waited follows from its
    history: a resumed run stops after the same epoch as one that was never stopped, and resumed
    without this callback it keeps the one that it began with. A run that was stopped early trains
    on where it is resumed with more patience.

    The metric also decides which epoch of the run is the best: `TrainingResult.best_epoch`.

    Attributes:
        metric: The metric, a column of the history's epochs.
        patience: The number of epochs without an improvement after which the training stops.
        min_delta: An epoch improves the metric if it is better by more than this.
        direction: Which way the metric is better, ``"min"`` or ``"max"``; None for what it is of
            the metrics of this package. One of your own needs it.
        restore_best: Whether the model of the run is that of its best epoch once it is over,
            stopped early or complete: what `train` returns, ``model.mpk`` and what `load_run`
            gives. Otherwise it is that of the last epoch.

    Example:
        >>> import mnistburn
        >>> mnistburn.EarlyStopping(metric="valid_accuracy", patience=5).direction
        'max'
    """

    metric: str = "valid_loss"
    patience: int = 3
    min_delta: float = 0.0
    direction: Literal["min", "max"] | None = None
    restore_best: bool = True

    def __post_init__(self) -> None:
        """Check the values."""
        checked = json.loads(_native.complete_config("early_stopping", self.to_json()))
        self._keep(checked, tuple(checked))

    def to_json(self) -> str:
        """Return the rule as JSON, for the core."""
        return json.dumps(json_fields(self))

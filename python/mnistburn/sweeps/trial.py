"""One of the trainings of a sweep."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

__all__ = ["FINISHED", "Trial", "TrialEnded"]

TrialEnded = Literal["completed", "stopped_early", "stopped", "pruned", "interrupted", "failed"]
"""All its epochs are done; it got no better; ``max_seconds`` of its configuration were over; it was
among the worse ones and successive halving stopped it; Ctrl-C or the end of the process stopped it;
or an error did."""

FINISHED: Final = ("completed", "stopped_early", "stopped", "pruned", "failed")
"""Trials that ended so are not repeated when a sweep is resumed."""


@dataclass(frozen=True)
class Trial:
    """A trial of a sweep.

    Attributes:
        number: Its number, from 1.
        settings: What it has for each key of the space.
        directory: Its run, as `load_run` takes it.
        ended: How it ended; None where it has not begun.
        values: The metric of the sweep after each epoch.
        best_epoch: The epoch in which that is best, from 1; None where no epoch is finished.
        metrics: What was measured in that epoch, by column of the history.
        seconds: The time spent in its steps, over all its parts.
        error: Why it failed; None where it did not.
    """

    number: int
    settings: dict[str, Any]
    directory: Path
    ended: TrialEnded | None = None
    values: tuple[float, ...] = field(default=(), repr=False)
    best_epoch: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    error: str | None = None

    @property
    def epochs(self) -> int:
        """The number of epochs that are done."""
        return len(self.values)

    def to_json_object(self) -> dict[str, Any]:
        """Return the trial as what JSON can hold."""
        return {
            "number": self.number,
            "settings": self.settings,
            "ended": self.ended,
            "values": list(self.values),
            "best_epoch": self.best_epoch,
            "metrics": self.metrics,
            "seconds": self.seconds,
            "error": self.error,
        }

    @classmethod
    def from_json_object(cls, value: dict[str, Any], sweep_dir: Path) -> Self:
        """Return the trial that `to_json_object` gave.

        Args:
            value: The object.
            sweep_dir: The directory of the sweep.

        Returns:
            The trial.

        Raises:
            ValueError: It ended in no known way.
            KeyError: A key is missing.
        """
        ended = value["ended"]
        if ended is not None and ended not in get_args(TrialEnded):
            message = f"ended must be one of {get_args(TrialEnded)}, got {ended!r}"
            raise ValueError(message)
        number = int(value["number"])
        return cls(
            number=number,
            settings=dict(value["settings"]),
            directory=directory_of(sweep_dir, number),
            ended=ended,
            values=tuple(map(float, value["values"])),
            best_epoch=value["best_epoch"],
            metrics=dict(value["metrics"]),
            seconds=float(value["seconds"]),
            error=value["error"],
        )


def directory_of(sweep_dir: Path, number: int) -> Path:
    """Return where the run of a trial is."""
    return sweep_dir / f"trial-{number:04}"

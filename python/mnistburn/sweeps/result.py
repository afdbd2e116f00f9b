"""The table of a sweep."""

import csv
import io
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from mnistburn.arguments import as_path
from mnistburn.errors import ArtifactError, ConfigError
from mnistburn.sweeps.halving import Direction
from mnistburn.sweeps.state import STATE_FILE, SweepState
from mnistburn.sweeps.trial import FINISHED, Trial
from mnistburn.system_errors import trying

__all__ = ["SweepResult", "load_sweep"]


@dataclass(frozen=True)
class SweepResult:
    """What came of a sweep.

    Attributes:
        sweep_dir: Where its files are: ``sweep.json``, and the run of each trial.
        trials: The trials, in the order of their numbers.
        metric: What decides which trial is better: a column of the history.
        direction: Which way it is.
    """

    sweep_dir: Path
    trials: tuple[Trial, ...] = field(repr=False)
    metric: str
    direction: Direction

    @classmethod
    def of(cls, state: SweepState, sweep_dir: Path) -> Self:
        """Return the result of a sweep as far as it is."""
        return cls(sweep_dir, state.trials, state.metric, state.direction)

    @property
    def best(self) -> Trial | None:
        """The trial with the best epoch, the first one of several; None where none is finished."""
        return min(
            (trial for trial in self.trials if trial.best_epoch is not None),
            key=lambda trial: trial.metrics[self.metric] * (1 if self.direction == "min" else -1),
            default=None,
        )

    @property
    def interrupted(self) -> bool:
        """Whether a trial has not been trained to its end; ``sweep(resume=True)`` goes on."""
        return any(trial.ended not in FINISHED for trial in self.trials)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A row for each trial, all with the same keys, as ``pandas.DataFrame`` takes them.

        They are ``trial``, the keys of the space, what was measured in the best epoch,
        ``best_epoch``, ``epochs``, ``seconds``, ``ended``, ``directory`` and ``error``.
        """
        measured = list(dict.fromkeys(name for trial in self.trials for name in trial.metrics))
        return [
            {
                "trial": trial.number,
                **trial.settings,
                **{name: trial.metrics.get(name) for name in measured},
                "best_epoch": trial.best_epoch,
                "epochs": trial.epochs,
                "seconds": trial.seconds,
                "ended": trial.ended,
                "directory": str(trial.directory),
                "error": trial.error,
            }
            for trial in self.trials
        ]

    def table(self) -> str:
        """Return the trials as a table of text, with the best one and the errors below it."""
        rows = self.rows
        measured = list(dict.fromkeys((self.metric, "valid_accuracy")))
        keys = list(self.trials[0].settings) if self.trials else []
        columns = ["trial", *keys, *measured, "best_epoch", "epochs", "seconds", "ended"]
        # None is a value of a setting, and elsewhere nothing.
        missing = {**dict.fromkeys(keys, "none"), "ended": "waits"}
        cells = [[name.replace("best_", "best ") for name in columns]]
        cells += [
            [_cell(name, row.get(name), missing.get(name, "-")) for name in columns] for row in rows
        ]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in cells
        ]
        best = self.best
        if best is not None:
            value = best.metrics[self.metric]
            lines.append(
                f"best: trial {best.number}, {self.metric} {value:.4f} in epoch {best.best_epoch}, "
                f"{best.directory}"
            )
        lines += [f"trial {trial.number}: {trial.error}" for trial in self.trials if trial.error]
        return "\n".join(lines)

    def __str__(self) -> str:
        """Return the table."""
        return self.table()

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the rows to a CSV file.

        Args:
            path: The file; an existing one is replaced.

        Raises:
            ConfigError: The path is none.
            OSError: The file cannot be written.
        """
        target = as_path(path, "path", ConfigError)
        rows = self.rows
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(rows[0] if rows else [])
        for row in rows:
            writer.writerow(
                json.dumps(value) if isinstance(value, list | dict) else value
                for value in row.values()
            )
        with trying("could not write", target):
            target.write_text(text.getvalue(), "utf-8", newline="\n")


def _cell(name: str, value: object, missing: str) -> str:
    if value is None:
        return missing
    if isinstance(value, float):
        return f"{value:.1f}" if name == "seconds" else f"{value:.4g}"
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def load_sweep(sweep_dir: str | os.PathLike[str]) -> SweepResult:
    """Read the table of a sweep, also of one that is on or was interrupted.

    Args:
        sweep_dir: The directory of the sweep.

    Returns:
        What `sweep` returned, as far as it is.

    Raises:
        ArtifactError: The directory holds no sweep, or its ``sweep.json`` is damaged.
        OSError: The file cannot be read.
    """
    directory = as_path(sweep_dir, "sweep_dir", ArtifactError)
    state = SweepState.read(directory)
    if state is None:
        message = f"{directory} holds no sweep of mnistburn.sweep: it has no {STATE_FILE}"
        raise ArtifactError(message)
    return SweepResult.of(state, directory)

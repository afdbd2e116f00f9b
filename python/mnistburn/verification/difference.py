"""Where two histories part."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from mnistburn.results import History

__all__ = ["Difference", "Part", "first_difference"]

Part = Literal["train", "valid"]


@dataclass(frozen=True)
class Difference:
    """The first number of two histories that differs.

    Attributes:
        epoch: The epoch, from 1.
        part: ``"train"`` or ``"valid"``: which steps of the epoch.
        step: The step, from 1.
        column: The column of the history.
        of_run: What the run has there.
        of_retraining: What the retraining has; None where it has no such step.
    """

    epoch: int
    part: Part
    step: int
    column: str
    of_run: float
    of_retraining: float | None

    def __str__(self) -> str:
        """Return the place and both numbers."""
        kind = "training" if self.part == "train" else "validation"
        place = f"{kind} step {self.step} of epoch {self.epoch}"
        if self.of_retraining is None:
            return f"{place}, which the retraining does not have"
        return (
            f"{place}: {self.column} {self.of_run!r} in the run, {self.of_retraining!r} in the "
            "retraining"
        )


def first_difference(of_run: History, of_retraining: History) -> Difference | None:
    """Return the first number that differs, in the order in which they were measured.

    Args:
        of_run: The history of a run.
        of_retraining: That of the run that was trained again; of what was measured beside loss,
            accuracy and learning rate nothing is compared.

    Returns:
        The difference; None where all is the same.
    """
    again = {(row.epoch, row.part, row.step): row.values for row in _rows(of_retraining)}
    for row in sorted(_rows(of_run), key=lambda row: (row.epoch, row.part, row.step)):
        values = again.get((row.epoch, row.part, row.step))
        if values is None:
            return Difference(row.epoch, row.part, row.step, "step", row.step, None)
        for column, value in row.values.items():
            if value != values[column]:
                return Difference(row.epoch, row.part, row.step, column, value, values[column])
    return None


class _Row(NamedTuple):
    """What was measured in a step; ``"train"`` comes before ``"valid"`` in the alphabet too."""

    epoch: int
    part: Part
    step: int
    values: dict[str, float]


def _rows(history: History) -> Iterator[_Row]:
    parts: tuple[tuple[Part, dict[str, list[float]], tuple[str, ...]], ...] = (
        ("train", history.train_steps, ("learning_rate", "images", "loss", "accuracy")),
        ("valid", history.valid_steps, ("images", "loss", "accuracy")),
    )
    for part, columns, names in parts:
        for place, (epoch, step) in enumerate(zip(columns["epoch"], columns["step"], strict=True)):
            values = {name: columns[name][place] for name in names}
            yield _Row(int(epoch), part, int(step), values)

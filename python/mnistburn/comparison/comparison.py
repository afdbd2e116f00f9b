"""Runs that were measured on the same images."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any

from mnistburn import notebook, plots
from mnistburn.arguments import nearest, shown
from mnistburn.comparison.text import comparison_lines, shown_setting
from mnistburn.errors import ConfigError
from mnistburn.evaluation import Evaluation, McNemarTest, mcnemar_test
from mnistburn.results import TrainingResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Comparison", "PairTest"]


@dataclass(frozen=True)
class PairTest:
    """Whether two runs differ.

    Attributes:
        first: The name of the first run.
        second: The name of the second run.
        test: McNemar's test on the images.
    """

    first: str
    second: str
    test: McNemarTest


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs that were measured on the same images; ``print(comparison)`` tells it all.

    Attributes:
        names: What the runs are called: the names of their directories.
        runs: The runs.
        evaluations: What their models give on the images, in the order of the runs.
        data: What the images are, for people.
    """

    names: tuple[str, ...]
    runs: tuple[TrainingResult, ...] = field(repr=False)
    evaluations: tuple[Evaluation, ...] = field(repr=False)
    data: str

    @cached_property
    def tests(self) -> tuple[PairTest, ...]:
        """McNemar's test of each pair of runs, in the order of the runs.

        Each p-value is that of its own pair. Of many pairs some are small by chance: with m pairs
        take those below 0.05 / m for a difference (Bonferroni).
        """
        pairs = combinations(zip(self.names, self.evaluations, strict=True), 2)
        return tuple(
            PairTest(first, second, mcnemar_test(one.right, other.right))
            for (first, one), (second, other) in pairs
        )

    def test(self, first: str | int = 0, second: str | int = 1) -> McNemarTest:
        """Test whether two runs have the same accuracy.

        Args:
            first: The name or the position of a run.
            second: The name or the position of another one.

        Returns:
            The result.

        Raises:
            ConfigError: There is no such run.
        """
        one, other = (self.evaluations[self._place(run)] for run in (first, second))
        return mcnemar_test(one.right, other.right)

    def _place(self, run: object) -> int:
        if isinstance(run, str) and run in self.names:
            return self.names.index(run)
        if isinstance(run, int) and not isinstance(run, bool) and 0 <= run < len(self.names):
            return run
        advice = nearest(run, self.names) if isinstance(run, str) else ""
        message = (
            f"a run is named {', '.join(map(repr, self.names))}, or has a position from 0 to "
            f"{len(self.names) - 1}; got {shown(run)}{advice}"
        )
        raise ConfigError(message)

    @cached_property
    def differences(self) -> dict[str, tuple[Any, ...]]:
        """What the configurations of the runs differ in: a value for each run, by field.

        Fields of parts are joined by dots, as in ``optimizer.beta_1``; None stands for a field
        that a run lacks.
        """
        flat = [_flat(json.loads(run.config.to_json())) for run in self.runs]
        keys = dict.fromkeys(key for values in flat for key in values)
        rows = {key: tuple(values.get(key) for values in flat) for key in keys}
        return {
            key: values
            for key, values in rows.items()
            if any(value != values[0] for value in values)
        }

    def plot(
        self,
        metrics: str | Sequence[str] = ("loss", "accuracy"),
        *,
        ax: "Axes | Sequence[Axes] | None" = None,
    ) -> "tuple[Axes, ...]":
        """Draw the histories of the runs, those of training dashed.

        Args:
            metrics: Names of metrics, as `History.plot` has them; a picture for each.
            ax: The Axes to draw into, one for each metric; None for a figure of their own.

        Returns:
            The Axes.

        Raises:
            ConfigError: There is no such metric, matplotlib is not installed, or ax is no Axes.
            DataError: No epoch is finished.
        """
        histories = [
            run.history.measurements(name) for name, run in zip(self.names, self.runs, strict=True)
        ]
        return plots.draw_history(histories, metrics, ax=ax)

    def to_json_object(self) -> dict[str, Any]:
        """Return the comparison as what JSON can hold."""
        return {
            "data": self.data,
            "images": len(self.evaluations[0].dataset),
            "runs": [
                {
                    "name": name,
                    "artifact_dir": str(run.artifact_dir),
                    "accuracy": found.accuracy,
                    "accuracy_interval": list(found.accuracy_interval()),
                    "loss": found.loss,
                    "expected_calibration_error": found.calibration().expected_error,
                    "epochs": run.history.num_epochs,
                    "model_epoch": run.model_epoch,
                    "seconds": run.seconds,
                    "num_params": run.model.num_params,
                }
                for name, run, found in zip(self.names, self.runs, self.evaluations, strict=True)
            ],
            "tests": [
                {
                    "first": pair.first,
                    "second": pair.second,
                    "first_only": pair.test.first_only,
                    "second_only": pair.test.second_only,
                    "p_value": pair.test.p_value,
                    "exact": pair.test.exact,
                }
                for pair in self.tests
            ],
            "differences": {key: list(values) for key, values in self.differences.items()},
        }

    def __str__(self) -> str:
        """Return tables of the runs, of the tests and of the differences, of 80 columns."""
        return "\n".join(comparison_lines(self.to_json_object()))

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        shown = {
            key: [shown_setting(value) for value in values]
            for key, values in self.differences.items()
        }
        return notebook.comparison_html(self.to_json_object(), shown)


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:  # noqa: ANN401  what JSON holds
    """Return the fields of nested objects by their dotted names."""
    if not isinstance(value, dict):
        return {prefix.removesuffix("."): value}
    return {
        key: inner
        for name, part in value.items()
        for key, inner in _flat(part, f"{prefix}{name}.").items()
    }

"""Successive halving: the worse trials stop early."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from mnistburn.arguments import as_integer
from mnistburn.errors import ConfigError

__all__ = ["Direction", "SuccessiveHalving"]

Direction = Literal["min", "max"]


@dataclass(frozen=True, kw_only=True)
class SuccessiveHalving:
    """Asynchronous successive halving, ASHA (Li et al., 2020), in the variant that stops trials.

    After `min_epochs`, and after `factor` times as many epochs and so on, a trial goes on where it
    is among the best of those that came as far: one in `factor`, and at least one.

    Attributes:
        min_epochs: The epochs that each trial has at least.
        factor: One in so many trials goes on.
    """

    min_epochs: int = 1
    factor: int = 3

    def __post_init__(self) -> None:
        """Check the values."""
        for name, minimum in (("min_epochs", 1), ("factor", 2)):
            value = as_integer(getattr(self, name), name, ConfigError, minimum=minimum)
            object.__setattr__(self, name, value)

    def rungs(self, num_epochs: int) -> Iterator[int]:
        """Yield the epochs of a training after which it may be stopped."""
        rung = self.min_epochs
        while rung < num_epochs:
            yield rung
            rung *= self.factor

    def keeps(self, value: float, others: Sequence[float], direction: Direction) -> bool:
        """Tell whether a trial goes on.

        Args:
            value: Its metric.
            others: Those of the other trials that came as far.
            direction: Which way the metric is better.

        Returns:
            Whether it is among the best.
        """
        better = sum(other < value if direction == "min" else other > value for other in others)
        return better < max(1, (len(others) + 1) // self.factor)

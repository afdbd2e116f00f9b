"""What the values of a setting are drawn from."""

import math
from dataclasses import dataclass
from typing import Any, Final

from mnistburn.arguments import as_integer, as_number
from mnistburn.errors import ConfigError

__all__ = [
    "DISTRIBUTIONS",
    "Distribution",
    "Integers",
    "LogUniform",
    "Uniform",
    "integers",
    "log_uniform",
    "uniform",
]


@dataclass(frozen=True)
class Uniform:
    """Numbers from `low` to `high`, each as likely as the others.

    Attributes:
        low: The smallest.
        high: The largest.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        """Check the limits."""
        low, high = (_limit("uniform", value) for value in (self.low, self.high))
        _check_order("uniform", low, high)
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    def at(self, share: float) -> float:
        """Return the value below which a share of all values lies, from 0 to below 1."""
        return self.low + (self.high - self.low) * share


@dataclass(frozen=True)
class LogUniform:
    """Numbers from `low` to `high` whose logarithm is uniform: each power of ten is as likely.

    Attributes:
        low: The smallest, above 0.
        high: The largest.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        """Check the limits."""
        low, high = (_limit("log_uniform", value) for value in (self.low, self.high))
        if low <= 0.0:
            message = f"log_uniform must have a lower limit above 0, got {low}; or use uniform"
            raise ConfigError(message)
        _check_order("log_uniform", low, high)
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)

    def at(self, share: float) -> float:
        """Return the value below which a share of all values lies, from 0 to below 1."""
        value = self.low * math.exp(math.log(self.high / self.low) * share)
        return min(max(value, self.low), self.high)


@dataclass(frozen=True)
class Integers:
    """Integers from `low` to `high`, both included, each as likely as the others.

    Attributes:
        low: The smallest.
        high: The largest.
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        """Check the limits."""
        for name in ("low", "high"):
            value = as_integer(
                getattr(self, name), f"integers: {name}", ConfigError, minimum=-(2**63)
            )
            object.__setattr__(self, name, value)
        _check_order("integers", self.low, self.high)

    @property
    def count(self) -> int:
        """How many there are."""
        return self.high - self.low + 1

    def at(self, share: float) -> int:
        """Return the value below which a share of all values lies, from 0 to below 1."""
        return min(self.low + int(self.count * share), self.high)


Distribution = Uniform | LogUniform | Integers

DISTRIBUTIONS: Final[dict[str, type[Any]]] = {
    "uniform": Uniform,
    "log_uniform": LogUniform,
    "integers": Integers,
}
"""The distributions by the names that they have in Python and in JSON."""


def uniform(low: float, high: float) -> Uniform:
    """Draw numbers from `low` to `high`, each as likely as the others.

    Args:
        low: The smallest.
        high: The largest.

    Returns:
        What a space of `sweep` holds.

    Raises:
        ConfigError: The limits are no finite numbers, or not in order.
    """
    return Uniform(low, high)


def log_uniform(low: float, high: float) -> LogUniform:
    """Draw numbers from `low` to `high` whose logarithm is uniform, as fits learning rates.

    Args:
        low: The smallest, above 0.
        high: The largest.

    Returns:
        What a space of `sweep` holds.

    Raises:
        ConfigError: The limits are no finite numbers above 0, or not in order.
    """
    return LogUniform(low, high)


def integers(low: int, high: int) -> Integers:
    """Draw integers from `low` to `high`, both included.

    Args:
        low: The smallest.
        high: The largest.

    Returns:
        What a space of `sweep` holds; without a number of trials, all of them are tried.

    Raises:
        ConfigError: The limits are no integers, or not in order.
    """
    return Integers(low, high)


def _limit(name: str, value: object) -> float:
    return as_number(value, f"{name} must have two numbers as its limits", ConfigError)


def _check_order(name: str, low: float, high: float) -> None:
    if low >= high:
        message = f"{name} must have a lower limit below the upper one, got {low} and {high}"
        raise ConfigError(message)

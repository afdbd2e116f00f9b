"""A row of the table: a claim, and attempts to refute it."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Attempt", "Outcome", "Row", "tried"]

Attempt = Callable[[], str | None]
"""Tries once to refute a claim; it returns what went wrong, or None."""


@dataclass(frozen=True)
class Outcome:
    """What became of the attempts.

    Attributes:
        done: How many were made.
        faults: What went wrong, a line for each attempt that refuted the claim.
        figures: What was measured on the way, in words.
    """

    done: int
    faults: tuple[str, ...]
    figures: str = ""

    @property
    def passed(self) -> int:
        """How many attempts did not refute the claim."""
        return self.done - len(self.faults)


@dataclass(frozen=True)
class Row:
    """A claim and the way to try it.

    Attributes:
        name: What ``--only`` takes.
        claim: What is claimed.
        count: How many attempts are made.
        prove: Makes so many attempts in an empty directory.
    """

    name: str
    claim: str
    count: int
    prove: Callable[[int, Path], Outcome]


def tried(attempts: Iterable[Attempt], *, processes: int = 2, figures: str = "") -> Outcome:
    """Make attempts, several at a time where each is a process of its own."""

    def answer(attempt: Attempt) -> str | None:
        try:
            return attempt()
        except Exception as error:  # noqa: BLE001  an attempt that fails has proven nothing
            return f"{type(error).__name__}: {error}"

    with ThreadPoolExecutor(processes) as pool:
        answers = list(pool.map(answer, attempts))
    return Outcome(len(answers), tuple(text for text in answers if text is not None), figures)

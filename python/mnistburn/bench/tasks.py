"""What the controller and the runners agree on: tasks, measurements, and what a peer provides.

A runner is a process of its own. It gets its task as an argument, answers with `Prepared`, and then
with a `Measurement` for each line on its standard input; answers are JSON, one a line.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final, Literal, Self, get_args

Section = Literal["training", "inference"]
"""What can be measured."""

SECTIONS: Final[tuple[Section, ...]] = get_args(Section)

FEWEST_STEPS: Final = 4
"""A measured training has at least as many steps, also where one of them takes seconds."""

_CALIBRATION: Final = 0.25
"""How much of a measurement's time a run must take for its speed to be trusted."""


@dataclass(frozen=True)
class Task:
    """What a runner measures.

    Attributes:
        section: Training steps, or forward passes.
        images: The images of a step or of a call.
        threads: The threads to compute with.
        seconds: How long a measurement is to last, roughly.
        cores: The processors that the runner may use; empty where processes cannot be tied to any.
        folder: Where the runner may write; whoever gave the task removes it.
    """

    section: Section
    images: int
    threads: int
    seconds: float
    cores: tuple[int, ...]
    folder: str

    def to_json(self) -> str:
        """Return the task as a line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the task that `to_json` wrote."""
        content = json.loads(text)
        return cls(**{**content, "cores": tuple(content["cores"])})


@dataclass(frozen=True)
class Measurement:
    """One figure of a runner.

    Attributes:
        images: The images computed.
        seconds: The time they took.
        loss: The training loss at the end; None for inference.
    """

    images: int
    seconds: float
    loss: float | None = None

    @property
    def rate(self) -> float:
        """Images per second."""
        return self.images / self.seconds


@dataclass(frozen=True)
class Prepared:
    """A peer that is loaded and warm.

    Attributes:
        version: Its version.
        settings: What was chosen for it, in words.
        measure: Computes and returns one figure.
    """

    version: str
    settings: str
    measure: Callable[[], Measurement]


def steps_lasting(
    seconds: float, timed: Callable[[int], float], *, fewest: int = 1, most: int = 1_000_000
) -> int:
    """Return how many steps last about as long as asked for; finding out warms the peer up.

    Args:
        seconds: The time.
        timed: Does that many steps and returns the seconds they took.
        fewest: The smallest answer.
        most: The largest one.

    Returns:
        The number of steps.
    """
    # The first of all compiles, allocates and starts threads: its time says nothing.
    timed(fewest)
    steps = fewest
    while True:
        elapsed = timed(steps)
        if elapsed >= seconds * _CALIBRATION or steps >= most:
            return max(fewest, min(most, round(steps * seconds / elapsed)))
        steps = min(most, steps * 2)


def fastest(
    settings: dict[str, bool], timed: Callable[[dict[str, bool]], float]
) -> dict[str, bool]:
    """Return the settings that take the least time, so that a peer is seen at its best.

    Each setting in turn is switched, and stays switched where that is faster.

    Args:
        settings: What to start from.
        timed: Returns the seconds that some work takes with the settings.

    Returns:
        The settings.
    """
    best = timed(settings)
    for name, chosen in settings.items():
        other = {**settings, name: not chosen}
        seconds = timed(other)
        if seconds < best:
            settings, best = other, seconds
    return settings


def in_words(settings: dict[str, bool]) -> str:
    """Return the settings that are on, as the table shows them."""
    return ", ".join(name for name, chosen in settings.items() if chosen) or "defaults"

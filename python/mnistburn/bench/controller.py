"""Starts a process for each peer and asks them in turn, so that all see the same machine.

Only one of them computes at a time; the others wait for a line. The figures of a round stand next
to each other in time, so a machine that becomes slower does so for all.
"""

import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from mnistburn.bench.machine import usable_cores
from mnistburn.bench.peers import OURS, Peer
from mnistburn.bench.process import Runner, RunnerError
from mnistburn.bench.tasks import SECTIONS, Measurement, Section, Task

_SETTLING: Final = 0.1
"""Seconds between measurements: pools of threads go on spinning for a while after their work."""

_TRIALS: Final = 2
"""How often each variant of a peer is measured to find the fastest."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured, and how often.

    Attributes:
        sections: Training, inference or both.
        threads: Numbers of threads.
        batch_sizes: Images of a training step.
        images: Images of an inference call.
        rounds: How often each peer is measured.
        seconds: How long a measurement lasts, roughly.
        timeout: How long a runner may take for an answer.
    """

    sections: Sequence[Section] = SECTIONS
    threads: Sequence[int]
    batch_sizes: Sequence[int] = (64,)
    images: Sequence[int] = (1, 64, 10_000)
    rounds: int = 5
    seconds: float = 1.5
    timeout: float = 300.0

    def tasks(self, folder: str) -> Iterator[Task]:
        """Yield the tasks, each for all peers."""
        cores = usable_cores() if sys.platform == "linux" else []
        for section in self.sections:
            sizes = self.batch_sizes if section == "training" else self.images
            for threads in self.threads:
                for size in sizes:
                    usable = tuple(cores[:threads])
                    yield Task(section, size, threads, self.seconds, usable, folder)


@dataclass
class Row:
    """The figures of one peer.

    Attributes:
        peer: The peer.
        version: Its version.
        settings: What was chosen for it.
        measurements: One for each round.
        missing: How to install what is missing.
        error: Why there are no figures.
    """

    peer: Peer
    version: str = ""
    settings: str = ""
    measurements: list[Measurement] = field(default_factory=list)
    missing: str | None = None
    error: str | None = None

    @property
    def measured(self) -> bool:
        """Whether there are figures."""
        return bool(self.measurements) and self.error is None

    @property
    def rates(self) -> list[float]:
        """Images per second in each round."""
        return [each.rate for each in self.measurements]


@dataclass
class Cell:
    """The figures of all peers for one task."""

    task: Task
    rows: list[Row]

    def ratios(self, row: Row) -> tuple[float, float] | None:
        """Return how many times as fast as another peer mnistburn is.

        Args:
            row: The other peer's row.

        Returns:
            The ratio of the medians, and the median of the ratios of each round; None where one
            of the two has no figures.
        """
        ours = next((each for each in self.rows if each.peer.name == OURS.name), None)
        if ours is None or ours is row or not (ours.measured and row.measured):
            return None
        pairs = zip(ours.rates, row.rates, strict=True)
        return (
            statistics.median(ours.rates) / statistics.median(row.rates),
            statistics.median(mine / other for mine, other in pairs),
        )


def measure(
    plan: Plan, peers: Sequence[Peer], tell: Callable[[Task], None] = lambda _: None
) -> Iterator[Cell]:
    """Measure everything of a plan.

    Args:
        plan: The plan.
        peers: Who is measured.
        tell: Called before each task.

    Yields:
        The figures of each task as soon as they are there.
    """
    with tempfile.TemporaryDirectory(prefix="mnistburn-bench-") as folder:
        for task in plan.tasks(folder):
            tell(task)
            able = [peer for peer in peers if task.section in peer.sections]
            yield _measure_cell(plan, task, able)


def start(
    stack: contextlib.ExitStack, peer: Peer, task: Task, timeout: float
) -> tuple[Runner, str, str]:
    """Start a peer in the environment in which it is fastest.

    Args:
        stack: What ends the runner.
        peer: The peer.
        task: The task.
        timeout: How long the runner may take for an answer.

    Returns:
        The runner, the peer's version, and its settings.

    Raises:
        RunnerError: It could not be started.
    """
    # What the variants differ in is how threads wait for each other.
    variants = peer.variants if task.threads > 1 else peer.variants[:1]
    candidates = []
    for variant in variants:
        runner = stack.enter_context(Runner(peer, task, timeout, variant))
        candidates.append((runner, *runner.prepared()))
    fastest = candidates[0]
    if len(candidates) > 1:
        rates = [0.0] * len(candidates)
        for _ in range(_TRIALS):
            for index, (runner, _, _) in enumerate(candidates):
                time.sleep(_SETTLING)
                rates[index] = max(rates[index], runner.measure().rate)
        fastest = candidates[rates.index(max(rates))]
        for candidate in candidates:
            if candidate is not fastest:
                candidate[0].end()
    runner, version, settings = fastest
    words = [settings, *(f"{name}={value}" for name, value in runner.variant.items())]
    return runner, version, ", ".join(words)


def _measure_cell(plan: Plan, task: Task, peers: Sequence[Peer]) -> Cell:
    cell = Cell(task, [Row(peer, missing=peer.missing()) for peer in peers])
    with contextlib.ExitStack() as stack:
        runners: list[tuple[Row, Runner]] = []
        for row in cell.rows:
            if row.missing is None:
                with _noting(row):
                    runner, row.version, row.settings = start(stack, row.peer, task, plan.timeout)
                    runners.append((row, runner))
        for _ in range(plan.rounds):
            for row, runner in runners:
                if row.error is None:
                    time.sleep(_SETTLING)
                    with _noting(row):
                        row.measurements.append(runner.measure())
    return cell


@contextlib.contextmanager
def _noting(row: Row) -> Iterator[None]:
    """Note the error of a runner in its row: the others go on."""
    try:
        yield
    except RunnerError as error:
        row.error = str(error)

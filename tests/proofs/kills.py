"""Runs that are killed go on to the same bits."""

import itertools
import random
import shutil
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import mnistburn
from proofs.file_calls import calls_of, faulty, spread
from proofs.row import Attempt, Outcome, Row, tried
from proofs.runs import CONFIGS, config, data, digest, started

__all__ = ["ROWS"]


def _whole(work: Path) -> dict[str, tuple[str, float]]:
    """Return digest and seconds of each training that nothing disturbs."""
    found = {}
    for number, name in enumerate(CONFIGS):
        directory = work / f"whole-{number}"
        with started(directory, name) as process:
            start = time.monotonic()
            _, errors = process.communicate()
        if process.returncode:
            raise RuntimeError(errors)
        found[name] = digest(directory), time.monotonic() - start
    return found


def _older(work: Path) -> Path:
    """Return the directory of a run that others are to replace."""
    directory = work / "older"
    older = config("guide, Adam", seed=99, num_epochs=1)
    mnistburn.train(directory, older, "cpu", data=data(), progress=False)
    return directory


def _finished(directory: Path, name: str, older: str | None) -> str | None:
    """Finish a run; return its digest, or None where the older run is whole and in its place."""
    has_run = (directory / "config.json").exists()
    if has_run and older is not None and mnistburn.load_run(directory).config.seed == 99:
        return None if digest(directory) == older else "the older run is damaged"
    given = None if has_run else config(name)
    mnistburn.train(directory, given, "cpu", data=data(), resume=has_run, progress=False)
    return digest(directory)


def _judged(directory: Path, name: str, expected: str, older: str | None) -> str | None:
    found = _finished(directory, name, older)
    shutil.rmtree(directory)
    if found not in (None, expected):
        return f"{name}: {found} in place of {expected}"
    return None


def killed_at_random(count: int, work: Path) -> Outcome:
    """Kill runs at random moments, every second one over an older run."""
    whole = _whole(work)
    older = _older(work)
    before = digest(older)
    choice = random.Random(1)  # noqa: S311  no secret
    killed = []

    def attempt(number: int, name: str, share: float) -> str | None:
        directory = work / f"killed-{number}"
        if number % 2:
            shutil.copytree(older, directory)
        with started(directory, name) as process:
            try:
                process.wait(share * whole[name][1])
            except subprocess.TimeoutExpired:
                process.kill()
                killed.append(number)
        return _judged(directory, name, whole[name][0], before if number % 2 else None)

    names = itertools.cycle(CONFIGS)
    attempts = [partial(attempt, number, next(names), choice.random()) for number in range(count)]
    outcome = tried(attempts)
    figures = f"{len(killed)} were killed before their end"
    return Outcome(outcome.done, outcome.faults, figures)


def killed_at_each_call(count: int, work: Path) -> Outcome:
    """Kill a run before its calls that change a file, in an empty directory and over a run.

    Where there are more calls than attempts, these are spread over all calls.
    """
    library = faulty(work)
    whole = _whole(work)
    older = _older(work)
    before = digest(older)
    name = next(iter(CONFIGS))

    def attempt(call: int, *, over: bool) -> str | None:
        directory = work / f"call-{call}-{over}"
        if over:
            shutil.copytree(older, directory)
        environment = library | {"FAKE_CALL": str(call), "FAKE_FAULT": "kill"}
        with started(
            directory, name, environment=environment | {"FAKE_UNDER": str(directory)}
        ) as process:
            _, errors = process.communicate()
        if process.returncode != -signal.SIGKILL:
            return f"call {call} was not reached: {errors}"
        return _judged(directory, name, whole[name][0], before if over else None)

    attempts: list[Attempt] = []
    figures = []
    for over in (False, True):
        directory = work / f"counted-{over}"
        if over:
            shutil.copytree(older, directory)
        calls = calls_of(library, directory, name)
        chosen = spread(calls, count // 2)
        attempts += [partial(attempt, call, over=over) for call in chosen]
        figures.append(f"{calls} calls {'over a run' if over else 'alone'}")
    outcome = tried(attempts)
    return Outcome(outcome.done, outcome.faults, ", ".join(figures))


ROWS = (
    Row(
        "kill",
        "a run that is killed at a random moment resumes to the bits of an uninterrupted run, or "
        "has left the older run whole (every second one replaces an older run)",
        200,
        killed_at_random,
    ),
    Row(
        "kill-in-save",
        "the same for a run that is killed just before a call that changes a file",
        400,
        killed_at_each_call,
    ),
)

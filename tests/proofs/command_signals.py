"""SIGTERM and Ctrl-C end a command in a terminal within a second, and a training keeps its work."""

import os
import random
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy

import mnistburn
from mnistburn import _native
from proofs.row import Attempt, Outcome, Row, tried
from proofs.runs import digest
from proofs.terminal import Terminal, started

__all__ = ["ROWS"]

COMMANDS = ("train", "evaluate", "predict", "report", "sweep")
"""The commands that last: without a signal, each takes some tenths of a second after its start."""

# Far above what is claimed: what takes longer is not answered at all.
_LONGEST_WAIT = 60.0
# A process that was about to be over as the signal was sent; others have to answer it.
_END = 0.25
_STATUS = {signal.SIGTERM: 143, signal.SIGINT: 130}
_NO_WORDS = ("Traceback", "panicked", "Fatal", "Exception ignored")


# The trials of the sweep.
_SPACE = {"learning_rate": [0.01, 0.001]}


class _Commands:
    """What is run, on files that are made once, and what comes of it without a signal."""

    def __init__(self, work: Path) -> None:
        """Make the files, and run each command twice; the second time counts."""
        train = mnistburn.datasets.load("mnist", "train")
        self.work = work
        self.environment = os.environ | {"COLUMNS": "100", "TERM": "xterm-256color"}
        self._data = work / "data.npz"
        numpy.savez(
            self._data,
            x_train=train.images[:6000],
            y_train=train.targets[:6000],
            x_test=train.images[6000:6500],
            y_test=train.targets[6000:6500],
        )
        self._images = work / "images.npy"
        numpy.save(self._images, train.images[:20_000])
        self.parts: dict[str, _Parts] = {}
        for command in COMMANDS:
            for name in ("warm", "whole"):
                self.parts[command] = self._measured(command, work / f"{name}-{command}")
        self._whole = {command: work / f"whole-{command}" for command in ("train", "sweep")}

    def words(self, command: str, target: Path) -> list[str]:
        """Return the words of a command that writes to a place of its own."""
        run = str(self.work / "warm-train")
        of_training = ["--data", str(self._data), "--device", "cpu", "--hidden-size", "16"]
        given = {
            "train": [str(target), *of_training, "--num-epochs", "3"],
            "evaluate": [run, "--data", "mnist", "--split", "train"],
            "predict": [run, str(self._images), "--csv"],
            "report": [run, "--data", "mnist", "--output", f"{target}.html"],
            "sweep": [
                *(str(target), "--choice", "learning_rate=0.01,0.001"),
                *(*of_training, "--num-epochs", "2"),
            ],
        }
        return [sys.executable, "-m", "mnistburn", command, *given[command]]

    def _measured(self, command: str, target: Path) -> "_Parts":
        with started(self.words(command, target), self.environment) as terminal:
            begin = time.monotonic()
            _watch_until_loaded(terminal)
            loaded = time.monotonic() - begin
            _watch_until_running(terminal)
            running = time.monotonic() - begin
            terminal.watch(_LONGEST_WAIT)
            problem = terminal.change()
            if problem or not terminal.is_over or terminal.status():
                message = f"{command} without a signal: {problem}: {terminal.text[-300:]}"
                raise RuntimeError(message)
        return _Parts(loaded, running, time.monotonic() - begin)

    def kept(self, command: str, target: Path, shown: str) -> str | None:
        """Tell what is wrong with the work that a training or a sweep has kept."""
        if command == "train":
            return self._kept_training(target, shown)
        return self._kept_sweep(target) if command == "sweep" else None

    def _kept_training(self, target: Path, shown: str) -> str | None:
        whole = self._whole["train"]
        held = _native.holds_run(str(target))
        if held:
            epochs = len(re.findall(r"epoch \d/3: train loss", shown))
            kept = mnistburn.load_run(target).history.num_epochs
            if kept < epochs:
                return f"{epochs} epochs were shown, and {kept} are kept"
        elif "epoch 1/3" in shown:
            return "the training had begun, and nothing is kept"
        config = None if held else mnistburn.load_run(whole).config
        mnistburn.train(target, config, "cpu", data=self._data, resume=held, progress=False)
        return None if digest(target) == digest(whole) else "the run goes on to other bits"

    def _kept_sweep(self, target: Path) -> str | None:
        whole = self._whole["sweep"]
        held = (target / "sweep.json").exists()
        config = None if held else mnistburn.load_run(whole / "trial-0001").config
        space = None if held else _SPACE
        mnistburn.sweep(space, target, config, "cpu", data=self._data, resume=held, progress=False)
        for trial in ("trial-0001", "trial-0002"):
            if digest(target / trial) != digest(whole / trial):
                return f"{trial} goes on to other bits"
        return None


@dataclass(frozen=True)
class _Parts:
    """Seconds since the start of a command until its library is loaded, it runs and it is over."""

    loaded: float
    running: float
    over: float


def _watch_until_loaded(terminal: Terminal) -> None:
    """Wait until the command's own code is read in, and Python no longer takes Ctrl-C."""
    _watch_until(
        terminal,
        lambda: terminal.has_read("mnistburn/_native") and not terminal.catches_interrupts(),
    )


def _watch_until_running(terminal: Terminal) -> None:
    """Wait until the command takes Ctrl-C, after `_watch_until_loaded`."""
    _watch_until(terminal, terminal.catches_interrupts)


def _watch_until(terminal: Terminal, came: Callable[[], bool]) -> None:
    terminal.watch(_LONGEST_WAIT, came)
    if terminal.is_over or not came():
        message = f"the command did not begin: {terminal.text[-300:]!r}"
        raise RuntimeError(message)


@dataclass
class _Answers:
    """What came of the signals."""

    sent: list[str] = field(default_factory=list)
    late: int = 0
    slowest: dict[str, float] = field(default_factory=dict)

    def figures(self) -> str:
        """Return them in words."""
        times = (f"{command} {1000 * time:.0f} ms" for command, time in self.slowest.items())
        return f"{self.late} came as it was ending; slowest answers: {', '.join(times)}"


def _ended_by(number: signal.Signals, count: int, work: Path) -> Outcome:
    """Send a signal at random moments of each command."""
    # What the process ignores, as one in the background of a shell does Ctrl-C, its children do.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    answers = _Answers()
    try:
        commands = _Commands(work)
        attempts: list[Attempt] = [
            partial(_attempt, commands, answers, command, number, attempt)
            for attempt in range(max(1, count // len(COMMANDS)))
            for command in COMMANDS
        ]
        outcome = tried(attempts)
    finally:
        signal.signal(signal.SIGINT, before)
    # Where the command was over sooner than usual, nothing was sent.
    sent = max(len(answers.sent), len(outcome.faults))
    return Outcome(sent, outcome.faults, answers.figures())


def _attempt(
    commands: _Commands, answers: _Answers, command: str, number: signal.Signals, attempt: int
) -> str | None:
    choice = random.Random(f"{command} {attempt}")  # noqa: S311  no secret
    parts = commands.parts[command]
    target = commands.work / f"{command}-{attempt}"
    with started(commands.words(command, target), commands.environment) as terminal:
        if attempt % 5:
            _watch_until_loaded(terminal)
            _watch_until_running(terminal)
            terminal.watch(choice.uniform(0.0, parts.over - parts.running))
        elif number == signal.SIGTERM:
            terminal.watch(choice.uniform(0.0, parts.running))
        else:
            # Until its library is loaded, Python has Ctrl-C for itself.
            _watch_until_loaded(terminal)
            terminal.watch(choice.uniform(0.0, parts.running - parts.loaded))
        shown = terminal.text
        was_over = terminal.is_over
        start = time.monotonic()
        if not was_over:
            answers.sent.append(command)
            terminal.send(number)
        terminal.watch(_LONGEST_WAIT)
        seconds = time.monotonic() - start
        place = f"{command}, attempt {attempt}, {number.name}"
        if not terminal.is_over:
            return f"{place}: no answer; it shows {terminal.text[-200:]!r}"
        problem = _problem(terminal, number, seconds, was_over=was_over)
        status, text = terminal.status(), terminal.text
    answers.late += status == 0 and not was_over
    answers.slowest[command] = max(answers.slowest.get(command, 0.0), seconds)
    problem = problem or commands.kept(command, target, shown)
    shutil.rmtree(target, ignore_errors=True)
    return None if problem is None else f"{place}: {problem}; status {status}, {text[-300:]!r}"


def _problem(
    terminal: Terminal, number: signal.Signals, seconds: float, *, was_over: bool
) -> str | None:
    """Tell what is wrong with the end of a command."""
    status, text = terminal.status(), terminal.text
    allowed = {0} if was_over else {_STATUS[number], 0} if seconds < _END else {_STATUS[number]}
    if status not in allowed:
        return f"the status is {status}"
    if any(word in text for word in _NO_WORDS):
        return "it says more than a message"
    if seconds > 1:
        return f"it took {seconds:.1f} s"
    return terminal.change()


ROWS = (
    Row(
        "terminate",
        "SIGTERM ends the commands train, evaluate, predict, report and sweep within a second with "
        "status 143, without a traceback and with the terminal as it was; what train and sweep "
        "have kept goes on to the bits of an uninterrupted run",
        250,
        partial(_ended_by, signal.SIGTERM),
    ),
    Row(
        "interrupt",
        "so does Ctrl-C in their terminal, with status 130",
        100,
        partial(_ended_by, signal.SIGINT),
    ),
)

"""A run as its files have it at this moment, whoever writes them."""

import contextlib
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Literal

from mnistburn.config import TrainingConfig
from mnistburn.errors import MnistburnError
from mnistburn.live_file import LIVE_FILE
from mnistburn.pages.run_parts import TrainPoints
from mnistburn.results import CONFIG_FILE, HISTORY_FILE, HISTORY_ROWS_FILE
from mnistburn.run_data import RunData
from mnistburn.run_provenance import LOG_FILE, run_in

__all__ = ["FollowedRun", "Phase", "RunState"]

Phase = Literal[
    "waiting", "training", "validating", "silent", "completed", "stopped", "stopped_early",
    "interrupted",
]  # fmt: skip
"""What a run is doing; ``"silent"`` where it should be on, and has written nothing for long."""

_ENDED: Final[tuple[Phase, ...]] = ("completed", "stopped", "stopped_early", "interrupted")

SILENT_AFTER: Final = 30.0
"""After so many seconds without a line a run is silent."""

# An even number; a curve has fewer points.
_MOST_STEPS: Final = 1 << 14
_LOG_LINES: Final = 12
_LARGEST_LOG: Final = 1 << 14
# As much of a file that grows is compared to tell whether it was replaced.
_TAIL: Final = 256

Row = dict[str, float]


@dataclass(frozen=True)
class RunState:
    """A run at one moment.

    Attributes:
        directory: Its artifact directory.
        phase: What it is doing.
        epochs: The rows of its epochs.
        train: Its training steps, up to this moment.
        start: What it said at its start, as its live file has it; None where that is not known.
        now: What it said last, likewise.
        silence: Seconds since it wrote its last line; None where it is not on.
        best_epoch: The best epoch, by validation loss while the run is on; None before the first.
        config: Its configuration; None where that is not known.
        data: Its data, likewise.
        log: The last lines of its log.
    """

    directory: Path
    phase: Phase
    epochs: tuple[Row, ...]
    train: TrainPoints
    start: dict[str, Any] | None
    now: dict[str, Any] | None
    silence: float | None
    best_epoch: int | None
    config: TrainingConfig | None
    data: RunData | None
    log: tuple[str, ...]

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self.phase in _ENDED

    @property
    def num_epochs(self) -> int | None:
        """The number of epochs that it is to have; None where that is not known."""
        if self.start is not None:
            return int(self.start["num_epochs"])
        return None if self.config is None else self.config.num_epochs


@dataclass
class _Steps:
    """The rows of training steps, in columns; of very many, neighbours together."""

    epoch: list[int] = field(default_factory=list)
    step: list[int] = field(default_factory=list)
    images: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)

    def add(self, row: dict[str, Any]) -> None:
        values = [float(row[name]) for name in ("images", "loss", "accuracy", "learning_rate")]
        self.epoch.append(int(row["epoch"]))
        self.step.append(int(row["step"]))
        for column, value in zip(
            (self.images, self.loss, self.accuracy, self.learning_rate), values, strict=True
        ):
            column.append(value)
        if len(self.epoch) >= _MOST_STEPS:
            self._join_pairs()

    def _join_pairs(self) -> None:
        """Keep one row for two, an even number of them: the place of the second, and the means."""
        pairs = list(zip(self.images[::2], self.images[1::2], strict=True))
        for column in (self.loss, self.accuracy):
            column[:] = [
                (first * images + second * others) / max(images + others, 1.0)
                for first, second, (images, others) in zip(
                    column[::2], column[1::2], pairs, strict=True
                )
            ]
        self.images[:] = [images + others for images, others in pairs]
        for places in (self.epoch, self.step):
            places[:] = places[1::2]
        self.learning_rate[:] = self.learning_rate[1::2]


class FollowedRun:
    """Reads what a run writes, each line once."""

    def __init__(self, directory: Path) -> None:
        """Follow the run in a directory, which need not be there yet.

        Args:
            directory: The artifact directory.
        """
        self._directory = directory
        self._run: str | None = None
        self._begin()

    def _begin(self) -> None:
        """Forget what was read: the directory has another run."""
        self._rows = _GrowingFile(self._directory / HISTORY_ROWS_FILE)
        self._steps = _Steps()
        self._epochs: list[Row] = []
        self._history: tuple[tuple[int, int], Any] | None = None

    def look(self) -> RunState:
        """Read what is new.

        Returns:
            The run as it is.
        """
        directory = self._directory
        live, silence = self._live()
        start = live[0]["start"] if live else None
        run = run_in(directory)
        if run != self._run or self._rows.was_replaced():
            self._run = run
            self._begin()
        # Until a new run has its first checkpoint, the files are those of the one before.
        of_older = start is not None and run is not None and start.get("older_run") == run
        history = None
        if not of_older:
            self._read_rows()
            history = self._read_history()
            if history is not None and not self._steps.epoch:
                self._take_history(history)
        lines = [line["now"] for line in live[1:]]
        return RunState(
            directory=directory,
            phase=_phase(run, lines, silence, history),
            epochs=() if of_older else tuple(self._epochs),
            train=self._points(_Steps() if of_older else self._steps, start, lines),
            start=start,
            now=lines[-1] if lines else None,
            silence=silence,
            best_epoch=None if of_older else _best(self._epochs, history),
            config=None if of_older else self._config(),
            data=None if of_older else self._data(),
            log=() if of_older else tuple(self._log()),
        )

    def _live(self) -> tuple[list[dict[str, Any]], float | None]:
        """Return the lines of the live file, the start first, and how old the last one is."""
        path = self._directory / LIVE_FILE
        try:
            written = path.stat().st_mtime
            text = path.read_text("utf-8", "replace")
        except OSError:
            return [], None
        lines = [*_json_lines(text.splitlines(keepends=True))]
        if not lines or not _is_start(lines[0].get("start")):
            return [], None
        known = [line for line in lines[1:] if _is_state(line.get("now"))]
        return [lines[0], *known], max(0.0, time.time() - written)

    def _read_rows(self) -> None:
        for row in _json_lines(self._rows.new_lines()):
            self._add(row)

    def _add(self, row: dict[str, Any]) -> None:
        # What is no row of ours is left out.
        with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
            if "train_step" in row:
                self._steps.add(row["train_step"])
            elif "epoch" in row:
                # JSON has no NaN.
                epoch = {
                    name: math.nan if value is None else float(value)
                    for name, value in row["epoch"].items()
                }
                if {"epoch", "valid_loss", "valid_accuracy"} <= epoch.keys():
                    self._epochs.append(epoch)

    def _read_history(self) -> dict[str, Any] | None:
        """Return what a run that is over has written; None for one that is on, or was killed."""
        path = self._directory / HISTORY_FILE
        try:
            about = path.stat()
            version = (about.st_mtime_ns, about.st_size)
            if self._history is None or self._history[0] != version:
                self._history = (version, json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, RecursionError):
            return None
        content = self._history[1]
        return content if isinstance(content, dict) else None

    def _take_history(self, content: dict[str, Any]) -> None:
        """Take the rows of a history, of a version that wrote no others."""
        for part, key in (("train_steps", "train_step"), ("epochs", "epoch")):
            columns = content.get(part)
            if isinstance(columns, dict) and all(isinstance(one, list) for one in columns.values()):
                for values in zip(*columns.values(), strict=False):
                    self._add({key: dict(zip(columns, values, strict=True))})

    def _points(
        self, steps: _Steps, start: dict[str, Any] | None, lines: list[dict[str, Any]]
    ) -> TrainPoints:
        """Return the steps of the history, and behind them the lines of the live file."""
        per_epoch = max([1, *steps.step])
        if start is not None:
            per_epoch = max(per_epoch, int(start.get("train_steps", 1)))
        last = (steps.epoch[-1], steps.step[-1]) if steps.epoch else (0, 0)
        newer = [
            line
            for line in lines
            if None not in (line["loss"], line["accuracy"], line["learning_rate"])
            and (line["epoch"], line["step"]) > last
        ]

        def places(epochs: list[int], numbers: list[int]) -> Iterator[float]:
            for epoch, step in zip(epochs, numbers, strict=True):
                yield epoch - 1 + step / per_epoch

        def column(name: str) -> list[float]:
            return [float(line[name]) for line in newer]

        return TrainPoints(
            epochs=[
                *places(steps.epoch, steps.step),
                *places([line["epoch"] for line in newer], [line["step"] for line in newer]),
            ],
            images=[*steps.images, *column("images_of_line")],
            loss=[*steps.loss, *column("loss")],
            accuracy=[*steps.accuracy, *column("accuracy")],
            learning_rate=[*steps.learning_rate, *column("learning_rate")],
        )

    def _config(self) -> TrainingConfig | None:
        try:
            return TrainingConfig.load(self._directory / CONFIG_FILE)
        except (MnistburnError, OSError):
            return None

    def _data(self) -> RunData | None:
        try:
            return RunData.read(self._directory)
        except (MnistburnError, OSError):
            return None

    def _log(self) -> list[str]:
        try:
            with (self._directory / LOG_FILE).open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - _LARGEST_LOG))
                return file.read().decode("utf-8", "replace").splitlines()[-_LOG_LINES:]
        except OSError:
            return []


def _phase(
    run: str | None,
    lines: list[dict[str, Any]],
    silence: float | None,
    history: dict[str, Any] | None,
) -> Phase:
    if silence is not None:
        if silence > SILENT_AFTER:
            return "silent"
        return "validating" if lines and lines[-1].get("validating") else "training"
    ended = None
    if history is not None:
        # Earlier versions said no more than whether it was interrupted.
        ended = history.get("ended") or (
            "interrupted" if history.get("interrupted") else "completed"
        )
    for phase in _ENDED:
        if ended == phase:
            return phase
    # Killed, or of a program that writes no live file.
    return "waiting" if run is None else "silent"


def _best(epochs: list[Row], history: dict[str, Any] | None) -> int | None:
    if history is not None and isinstance(history.get("best_epoch"), int):
        return int(history["best_epoch"])
    return int(min(epochs, key=lambda row: row["valid_loss"])["epoch"]) if epochs else None


def _is_start(value: object) -> bool:
    """Whether this is what a run says at its start."""
    names = ("epoch", "num_epochs", "train_steps", "train_images", "valid_images")
    return isinstance(value, dict) and all(isinstance(value.get(name), int) for name in names)


def _is_state(value: object) -> bool:
    """Whether this is what a run says each second."""
    if not isinstance(value, dict):
        return False
    return all(isinstance(value.get(name), int) for name in _WHOLE_NUMBERS) and all(
        isinstance(value.get(name), int | float | None) for name in _NUMBERS
    )


_WHOLE_NUMBERS: Final = ("epoch", "step", "images", "images_of_line")
_NUMBERS: Final = (
    *("loss", "accuracy", "mean_loss", "mean_accuracy", "learning_rate"),
    *("images_per_second", "seconds_left"),
)


def _json_lines(lines: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the objects of whole lines; one that is being written, or damaged, is left out."""
    for line in lines:
        if line.endswith("\n"):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(row, dict):
                yield row


class _GrowingFile:
    """A file of lines that grows, and now and then is cut or replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._tail = b""

    def was_replaced(self) -> bool:
        """Whether what was read is no longer there."""
        if not self._read:
            return False
        try:
            with self._path.open("rb") as file:
                file.seek(self._read - len(self._tail))
                return file.read(len(self._tail)) != self._tail
        except OSError:
            return True

    def new_lines(self) -> list[str]:
        """Return the whole lines that were not read yet."""
        try:
            with self._path.open("rb") as file:
                return self._take(file)
        except OSError:
            return []

    def _take(self, file: IO[bytes]) -> list[str]:
        file.seek(self._read)
        content = file.read()
        content = content[: content.rfind(b"\n") + 1]
        self._read += len(content)
        self._tail = (self._tail + content)[-_TAIL:]
        return content.decode("utf-8", "replace").splitlines(keepends=True)

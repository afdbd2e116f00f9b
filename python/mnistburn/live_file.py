"""The file in which a run that is on says how far it is, for `mnistburn watch`.

``history.jsonl`` has every step, up to the newest checkpoint, which may be a minute old. So a run
has a second file, ``.mnistburn-live.tmp``, with a line for each second since its last whole epoch.
It is gone when the run is over; what a killed run left of it goes when the next one begins, as
every unfinished file does.
"""

import contextlib
import itertools
import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from mnistburn.live_metrics import LiveMetrics
from mnistburn.run_provenance import run_in

__all__ = ["LIVE_FILE", "LiveFile"]

# The core takes every name of this kind for an unfinished file.
LIVE_FILE: Final = ".mnistburn-live.tmp"
_NEW_FILE: Final = ".mnistburn-live-new.tmp"

_SECONDS_BETWEEN_LINES: Final = 1.0
_MOST_LINES: Final = 2000

Line = dict[str, Any]


class LiveFile:
    """Writes the state of a run at most once a second; what cannot be written is left out."""

    def __init__(
        self,
        directory: Path,
        metrics: LiveMetrics,
        *,
        resume: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin before the run does.

        Args:
            directory: The artifact directory.
            metrics: The state of the run, which has taken each event before this does.
            resume: Whether the run goes on with the one in the directory.
            clock: Returns the time in seconds.
        """
        self._path = directory / LIVE_FILE
        self._metrics = metrics
        self._clock = clock
        # The run whose files are there until the new one has its first checkpoint.
        self._older = None if resume else run_in(directory)
        self._start: Line = {}
        self._lines: list[Line] = []
        self._next = 0.0
        self._is_behind = False
        self._begin_point()

    def show(self, event: Mapping[str, Any]) -> None:
        """Take note of an event.

        Args:
            event: The event, as the core tells it.
        """
        match event["kind"]:
            case "start":
                told = {name: value for name, value in event.items() if name != "kind"}
                self._start = {"start": {**told, "older_run": self._older}}
            case "epoch_start":
                # All before is in the history.
                self._begin_point()
                self._lines = [self._line()]
                self._write_anew()
            case "train_step":
                count = self._metrics.images - self._images
                self._images += count
                self._count += count
                self._loss += event["loss"] * count
                self._right += event["accuracy"] * count
                if self._clock() >= self._next:
                    self._write_line()
            case "valid_step" if self._clock() >= self._next:
                self._write_line()

    def close(self) -> None:
        """Remove the file: the run is over."""
        for path in (self._path, self._path.with_name(_NEW_FILE)):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def _begin_point(self) -> None:
        self._images = self._metrics.images
        self._count = 0
        self._loss = self._right = 0.0

    def _line(self) -> Line:
        metrics, count = self._metrics, self._count
        now = {
            "epoch": metrics.epoch,
            "step": metrics.step,
            "images": metrics.images,
            "images_of_line": count,
            "loss": _finite(self._loss / count) if count else None,
            "accuracy": _finite(self._right / count) if count else None,
            "mean_loss": _finite(metrics.loss),
            "mean_accuracy": _finite(metrics.accuracy),
            "learning_rate": _finite(metrics.learning_rate),
            "images_per_second": metrics.images_per_second,
            "seconds_left": metrics.seconds_left,
            "validating": metrics.validating,
        }
        self._begin_point()
        return {"now": now}

    def _write_line(self) -> None:
        self._lines.append(self._line())
        if len(self._lines) >= _MOST_LINES:
            self._lines = [_joined(*pair) for pair in _pairs(self._lines)]
            self._is_behind = True
        if self._is_behind:
            self._write_anew()
            return
        # A directory that cannot be written, or a full disk, must not end a run for this.
        with contextlib.suppress(OSError), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(self._lines[-1]) + "\n")
        self._next = self._clock() + _SECONDS_BETWEEN_LINES

    def _write_anew(self) -> None:
        text = "".join(json.dumps(line) + "\n" for line in [self._start, *self._lines])
        new = self._path.with_name(_NEW_FILE)
        # Until it could be written: on Windows a reader may be in the way.
        self._is_behind = True
        with contextlib.suppress(OSError):
            new.write_text(text, "utf-8")
            new.replace(self._path)
            self._is_behind = False
        self._next = self._clock() + _SECONDS_BETWEEN_LINES


def _finite(value: float) -> float | None:
    """Return a number as JSON can hold it."""
    return value if math.isfinite(value) else None


def _pairs(lines: list[Line]) -> list[tuple[Line, Line]]:
    """Return neighbours; the last line of an odd number, which is the newest, is a pair alone."""
    return list(itertools.zip_longest(lines[::2], lines[1::2], fillvalue=lines[-1]))


def _joined(first: Line, second: Line) -> Line:
    """Return one line for two: the state of the second, and the means of both."""
    one, other = first["now"], second["now"]
    counts = (one["images_of_line"], other["images_of_line"])
    if one is other or not counts[0]:
        return second
    if not counts[1]:
        return {"now": {**one, **{name: other[name] for name in ("seconds_left", "validating")}}}
    joined = {**other, "images_of_line": sum(counts)}
    for name in ("loss", "accuracy"):
        known = None not in (one[name], other[name])
        joined[name] = (
            (one[name] * counts[0] + other[name] * counts[1]) / sum(counts) if known else None
        )
    return {"now": joined}

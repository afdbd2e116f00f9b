"""Keep what a training measures in files of one's own."""

import csv
import io
import json
import os
from collections.abc import Iterator
from typing import Any

from mnistburn.arguments import as_integer, as_path
from mnistburn.callbacks.callback import Callback
from mnistburn.callbacks.events import EpochEnd, StepEnd, TrainBegin
from mnistburn.errors import ConfigError
from mnistburn.results import History
from mnistburn.system_errors import trying

__all__ = ["CsvLogger", "JsonLinesLogger"]


class _Logger(Callback):
    """A file with a line for each row.

    When a training begins, the file is written anew with what the run has measured so far: nothing
    for a new run. So a resumed run has each row once, whatever became of the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = as_path(path, "path", ConfigError)

    def _is_ours(self, line: str) -> bool:
        raise NotImplementedError

    def _lines(self, history: History, train_steps: int) -> Iterator[str]:
        raise NotImplementedError

    def on_train_begin(self, event: TrainBegin) -> None:
        """Write what was measured before."""
        if self.path.is_file():
            with trying("could not read", self.path), self.path.open(encoding="utf-8") as file:
                line = file.readline(1 << 16)
            if line and not self._is_ours(line):
                message = f"{self.path} holds something else than such a log; choose another path"
                raise ConfigError(message)
        text = "".join(self._lines(event.run.history, event.train_steps))
        with trying("could not write", self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
            temporary.write_text(text, "utf-8", newline="\n")
            temporary.replace(self.path)

    def _append(self, line: str) -> None:
        with (
            trying("could not write", self.path),
            self.path.open("a", encoding="utf-8", newline="\n") as file,
        ):
            file.write(line)


class CsvLogger(_Logger):
    """Writes a CSV file with a row for each epoch: the columns of the history.

    A resumed run goes on in the file, with each epoch once. A new run takes the place of an older
    one's rows; a file that is no such log is refused.

    Example:
        >>> import mnistburn
        >>> mnistburn.CsvLogger("log.csv").path.name
        'log.csv'
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Log to a file.

        Args:
            path: The file; its folder is made.

        Raises:
            ConfigError: The path is none.
        """
        super().__init__(path)
        self._header = False

    def _is_ours(self, line: str) -> bool:
        return line.startswith("epoch,train_loss,")

    def _lines(self, history: History, train_steps: int) -> Iterator[str]:  # noqa: ARG002
        self._header = history.num_epochs > 0
        if self._header:
            yield _csv_line(history)
            for row in zip(*history.values(), strict=True):
                yield _csv_line(row)

    def on_epoch_end(self, event: EpochEnd) -> None:
        """Write the row of an epoch."""
        row = event.row()
        if not self._header:
            self._append(_csv_line(row))
            self._header = True
        self._append(_csv_line(row.values()))


def _csv_line(cells: Any) -> str:  # noqa: ANN401  any cells
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


class JsonLinesLogger(_Logger):
    """Writes a file of JSON lines: ``{"epoch": {...}}`` for each epoch, with the history's columns.

    A resumed run goes on in the file, with each row once. A new run takes the place of an older
    one's rows; a file that is no such log is refused.

    Example:
        >>> import mnistburn
        >>> mnistburn.JsonLinesLogger("log.jsonl", every=100).every
        100
    """

    def __init__(self, path: str | os.PathLike[str], *, every: int | None = None) -> None:
        """Log to a file.

        Args:
            path: The file; its folder is made.
            every: Write ``{"step": {...}}`` for each so many training steps of the run too.

        Raises:
            ConfigError: The path is none, or every is no whole number from 1.
        """
        super().__init__(path)
        self.every = None if every is None else as_integer(every, "every", ConfigError, minimum=1)

    def _is_ours(self, line: str) -> bool:
        return line.startswith(('{"epoch": {', '{"step": {'))

    def _lines(self, history: History, train_steps: int) -> Iterator[str]:
        epochs = {row["epoch"]: row for row in _rows(history.epochs)}
        if self.every is None:
            yield from (_json_line("epoch", row) for row in epochs.values())
            return
        last = 0
        for row in _rows(history.train_steps):
            if row["epoch"] != last and last in epochs:
                yield _json_line("epoch", epochs[last])
            last = row["epoch"]
            if ((last - 1) * train_steps + row["step"]) % self.every == 0:
                yield _json_line("step", {name: row[name] for name in _STEP})
        if last in epochs:
            yield _json_line("epoch", epochs[last])

    def on_epoch_end(self, event: EpochEnd) -> None:
        """Write the row of an epoch."""
        self._append(_json_line("epoch", event.row()))

    def on_step_end(self, event: StepEnd) -> None:
        """Write the row of a step."""
        self._append(_json_line("step", {name: getattr(event, name) for name in _STEP}))


_STEP = ("epoch", "step", "loss", "accuracy", "learning_rate", "seconds")


def _rows(columns: dict[str, list[float]]) -> Iterator[dict[str, Any]]:
    for row in zip(*columns.values(), strict=True):
        yield dict(zip(columns, row, strict=True))


def _json_line(kind: str, row: dict[str, Any]) -> str:
    return json.dumps({kind: row}) + "\n"

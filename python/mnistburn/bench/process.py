"""The process of a peer, seen from the controller."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import IO, Any, Final, Self

from mnistburn.bench.peers import Peer
from mnistburn.bench.tasks import Measurement, Task

_ENDING: Final = 5.0
"""Seconds that a process without output is given to end by itself, with a status of its own."""

_THREAD_VARIABLES: Final = (
    "RAYON_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
)


class RunnerError(Exception):
    """A runner died, said something else than a figure, or nothing at all."""


def environment_for(threads: int) -> dict[str, str]:
    """Return the environment in which libraries compute with that many threads."""
    return {**os.environ, **dict.fromkeys(_THREAD_VARIABLES, str(threads))}


class Runner:
    """The process of a peer."""

    def __init__(
        self, peer: Peer, task: Task, timeout: float, variant: Mapping[str, str] | None = None
    ) -> None:
        """Start the process.

        Args:
            peer: The peer.
            task: What it measures.
            timeout: How long it may take for an answer, in seconds.
            variant: One of the peer's variants.
        """
        self.variant: Final = variant or {}
        self._timeout = timeout
        self._process = subprocess.Popen(  # noqa: S603  our own module
            [sys.executable, "-m", "mnistburn.bench.runner", peer.module, task.to_json()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env={**environment_for(task.threads), **peer.environment, **self.variant},
            # Ctrl-C is for the controller, which ends the runners.
            start_new_session=True,
        )
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._complaints: deque[str] = deque(maxlen=100)
        self._readers = [
            threading.Thread(target=self._read_answers, daemon=True),
            threading.Thread(target=self._read_complaints, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def prepared(self) -> tuple[str, str]:
        """Wait until the peer is warm; return its version and its settings."""
        answer = self._answer()
        try:
            return str(answer["version"]), str(answer["settings"])
        except KeyError:
            raise self._unexpected(json.dumps(answer)) from None

    def measure(self) -> Measurement:
        """Ask for a figure."""
        with contextlib.suppress(OSError):  # a runner that died is found out by its answer
            self._pipe(self._process.stdin).write("measure\n")
            self._pipe(self._process.stdin).flush()
        answer = self._answer()
        try:
            measurement = Measurement(**answer)
            usable = 0 < measurement.rate < float("inf")
        except (TypeError, ZeroDivisionError):
            usable = False
        if not usable:
            raise self._unexpected(json.dumps(answer))
        return measurement

    def _answer(self) -> dict[str, Any]:
        try:
            line = self._answers.get(timeout=self._timeout)
        except queue.Empty:
            self.end()
            message = f"no answer within {self._timeout:g} s{self._last_complaint()}"
            raise RunnerError(message) from None
        if line is None:
            self.end(_ENDING)
            status = self._process.returncode
            ending = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
            message = f"ended with {ending}{self._last_complaint()}"
            raise RunnerError(message)
        try:
            answer = json.loads(line)
        except ValueError:
            raise self._unexpected(line) from None
        if not isinstance(answer, dict):
            raise self._unexpected(line)
        return answer

    def _unexpected(self, line: str) -> RunnerError:
        self.end()
        shown = line.strip()[:60]
        return RunnerError(f"answered {shown!r} where a figure was due{self._last_complaint()}")

    def _last_complaint(self) -> str:
        lines = [line.strip() for line in list(self._complaints) if line.strip()]
        return f": {lines[-1]}" if lines else ""

    def _read_answers(self) -> None:
        for line in self._pipe(self._process.stdout):
            self._answers.put(line)
        self._answers.put(None)

    def _read_complaints(self) -> None:
        self._complaints.extend(self._pipe(self._process.stderr))

    def end(self, grace: float = 0.0) -> None:
        """End the process; what it wrote is in the folder of its task, and goes with that."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace)
        self._process.kill()
        self._process.wait()
        for reader, pipe in zip(
            (*self._readers, None),
            (self._process.stdout, self._process.stderr, self._process.stdin),
            strict=True,
        ):
            if reader is not None:
                # A process that this one started may hold the pipe; that must not hold us.
                reader.join(_ENDING)
                if reader.is_alive():
                    continue
            with contextlib.suppress(OSError):  # what was not yet sent cannot be any more
                self._pipe(pipe).close()

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None  # noqa: S101  all three are pipes
        return pipe

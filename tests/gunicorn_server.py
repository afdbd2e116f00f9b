"""A pre-forking server whose master has loaded a model: Gunicorn with `served_model`."""

import http.client
import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
WORKERS = 2
SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """What a worker answered, and what the process that loaded the model is and computed."""

    worker: int
    loader: int
    loaded: str
    logits: bytes


class Gunicorn:
    """A server that runs."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Wait until all of it is there."""
        self.process = process
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.port = int(self.wait_for(r"Listening at: http://127\.0\.0\.1:(\d+)"))
        self.workers = {self.started_worker() for _ in range(WORKERS)}

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as log:
            for line in log:
                self._lines.put(line)

    def wait_for(self, pattern: str) -> str:
        """Return the group of the next line of the log that matches."""
        end = time.monotonic() + SECONDS
        read = []
        while (left := end - time.monotonic()) > 0:
            try:
                read.append(self._lines.get(timeout=left))
            except queue.Empty:
                break
            if match := re.search(pattern, read[-1]):
                return match[1]
        pytest.fail(f"no line of the log has {pattern}: {''.join(read)}")

    def started_worker(self) -> int:
        """Return the next worker that the log tells of."""
        return int(self.wait_for(r"Booting worker with pid: (\d+)"))

    def post(self, content: bytes) -> Answer:
        """Send the bytes of images."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request("POST", "/", content)
            response = connection.getresponse()
            logits = response.read()
        finally:
            connection.close()
        assert response.status == http.HTTPStatus.OK, logits
        headers = response.headers
        return Answer(
            int(headers["X-Worker"]),
            int(headers["X-Loader"]),
            headers["X-Loaded"],
            logits,
        )

    def end(self) -> int:
        """Ask it to end; return its status, when it and all that it started are gone."""
        self.process.terminate()
        status = self.process.wait(SECONDS)
        # The log ends when no process has it open.
        self._reader.join(SECONDS)
        assert not self._reader.is_alive(), "a worker is left"
        return status


@contextmanager
def serving(model: Path) -> Iterator[Gunicorn]:
    """Run a server of a saved model; it is killed in the end, if it still runs."""
    options = ["--preload", f"--workers={WORKERS}", "--bind=127.0.0.1:0", "--no-control-socket"]
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", *options, "served_model:application"],
        cwd=HERE,
        env={**os.environ, "SERVED_MODEL": str(model)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield Gunicorn(process)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)
            process.wait()

"""Ctrl-C gets an answer within a second, whatever runs, and the process goes on."""

import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from proofs.interrupted_calls import CALLS
from proofs.row import Outcome, Row
from proofs.runs import data
from proofs.slow_mirror import serving

__all__ = ["ROWS"]

# Far above what is claimed of an answer: what takes longer never comes.
_LONGEST_WAIT = 60.0


@dataclass
class _Kind:
    """One kind of call, and what came of its signals."""

    name: str
    sent: int = 0
    hit: int = 0
    slowest: float = 0.0
    faults: list[str] = field(default_factory=list)

    def take(self, seconds: float, *, hit: bool) -> None:
        """Note an answer, and whether the call was still on."""
        self.slowest = max(self.slowest, seconds)
        self.hit += hit
        if seconds > 1:
            self.faults.append(f"{self.name}: an answer took {seconds:.1f} s")


def _interrupt(kind: _Kind, count: int, words: list[str]) -> None:
    """Send so many signals to a process that makes one call again and again."""
    choice = random.Random(kind.name)  # noqa: S311  no secret
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, text=True, **pipes) as process:  # type: ignore[call-overload]

        def line(*expected: str) -> str:
            watch = threading.Timer(_LONGEST_WAIT, process.kill)
            watch.start()
            text = str(process.stdout.readline()).strip()
            watch.cancel()
            if text not in expected:
                process.kill()
                message = f"{text!r} in place of {expected}: {process.stderr.read()[-300:]}"
                raise RuntimeError(message)
            return text

        def next_call() -> None:
            process.stdin.write("\n")
            process.stdin.flush()
            line("begin")

        line("begin")
        # The first call of a process takes longer than the others.
        line("done")
        next_call()
        start = time.monotonic()
        line("done")
        seconds = time.monotonic() - start
        for number in range(count):
            next_call()
            # Every fourth one near the end, where files take their places.
            share = choice.uniform(0.9, 1.0) if number % 4 == 3 else choice.uniform(0.0, 1.0)
            time.sleep(share * seconds)
            kind.sent += 1
            process.send_signal(signal.SIGINT)
            start = time.monotonic()
            hit = line("interrupted", "done") == "interrupted"
            if not hit:
                # The call was over, and it was the wait for the next one that was interrupted.
                line("interrupted")
            kind.take(time.monotonic() - start, hit=hit)
        # What the last call has left is checked before the next one begins.
        next_call()
        process.kill()


def interrupted(count: int, work: Path) -> Outcome:
    """Send SIGINT at random moments of each long call."""
    images = data()[0]
    for number in range(2000):
        folder = work / "pictures" / str(number % 10)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images.images[number]).save(folder / f"{number}.png")
    kinds = [_Kind(name) for name in CALLS]
    each = max(1, count // len(CALLS))
    with serving() as mirrors, ThreadPoolExecutor(2) as pool:

        def interrupt(kind: _Kind) -> None:
            module = [sys.executable, "-m", "proofs.interrupted_calls"]
            try:
                _interrupt(kind, each, [*module, kind.name, str(work), *mirrors])
            except Exception as error:  # noqa: BLE001  what cannot be tried proves nothing
                kind.faults.append(f"{kind.name}: {type(error).__name__}: {error}")

        list(pool.map(interrupt, kinds))
    sent, hit = sum(kind.sent for kind in kinds), sum(kind.hit for kind in kinds)
    slowest = ", ".join(f"{kind.name} {1000 * kind.slowest:.0f} ms" for kind in kinds)
    return Outcome(
        sent,
        tuple(fault for kind in kinds for fault in kind.faults),
        f"{hit} while the call was on; slowest answers: {slowest}",
    )


ROWS = (
    Row(
        "signals",
        "Ctrl-C ends train, evaluate, predict, from_folder, describe, a download and report within "
        "a second, and the next call works; the files of a download are whole or parts that the "
        "next one goes on with, and a report is the older one or the new one, with nothing beside "
        "it",
        350,
        interrupted,
    ),
)

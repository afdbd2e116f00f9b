"""Calls of the file system that fail end a training, not its process, and lose no checkpoint."""

import errno
import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import mnistburn
from proofs.file_calls import calls_of, faulty, spread
from proofs.row import Attempt, Outcome, Row, tried
from proofs.runs import config, data, digest

__all__ = ["ROWS"]

NAME = "guide, Adam"

# What an attempt prints: whether there was an error, of which class and with which words.
SCRIPT = """
import json, sys
from proofs.runs import attempt
try:
    attempt(*sys.argv[1:])
except Exception as error:
    import mnistburn
    typed = isinstance(error, (OSError, mnistburn.errors.MnistburnError))
    print(json.dumps([type(error).__name__, str(error), typed]))
print("alive")
"""

LASTING = ("ENOSPC", "EDQUOT", "EROFS", "EIO")
ONCE = ("EIO", "EACCES", "EMFILE")
HARMLESS = ("EINTR", "short")
"""A call that was interrupted is repeated, and the rest of a short write is written."""


def _fault(name: str) -> str:
    return name if name == "short" else str(getattr(errno, name))


def failing_calls(count: int, work: Path) -> Outcome:
    """Let the n-th call fail, for each fault, while a run of one epoch goes on for three."""
    library = faulty(work)
    whole = work / "whole"
    mnistburn.train(whole, config(NAME), "cpu", data=data(), progress=False)
    expected = digest(whole)
    begun = work / "begun"
    shorter = config(NAME, num_epochs=1)
    mnistburn.train(begun, shorter, "cpu", data=data(), progress=False)

    def attempt(call: int, fault: str, *, lasting: bool) -> str | None:
        directory = work / f"{fault}-{lasting}-{call}"
        shutil.copytree(begun, directory)
        environment = library | {"FAKE_UNDER": str(directory)}
        environment |= {"FAKE_CALL": str(call), "FAKE_FAULT": _fault(fault)}
        environment |= {"FAKE_LASTING": "1"} if lasting else {}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(directory), NAME, "longer"],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        what = f"{fault} at call {call}{' and after it' if lasting else ''}"
        lines = done.stdout.splitlines()
        if done.returncode or lines[-1:] != ["alive"] or "panicked" in done.stderr:
            return f"{what}: status {done.returncode}, {done.stderr}"
        if len(lines) > 2:
            name, words, typed = json.loads(lines[1])
            if fault in HARMLESS:
                return f"{what}: {name}: {words}"
            if not typed or str(directory) not in words:
                return f"{what}: the error does not say enough: {name}: {words}"
        found = mnistburn.load_run(directory)
        if found.history.num_epochs < 1:
            return f"{what}: the checkpoint from before is lost"
        mnistburn.train(directory, config(NAME), "cpu", data=data(), resume=True, progress=False)
        found_digest = digest(directory)
        shutil.rmtree(directory)
        return None if found_digest == expected else f"{what}: resumed to other bits"

    counted = work / "counted"
    calls = calls_of(library, counted, NAME)
    kinds = [(fault, True) for fault in LASTING] + [(fault, False) for fault in ONCE + HARMLESS]
    attempts: list[Attempt] = [
        partial(attempt, call, fault, lasting=lasting)
        for fault, lasting in kinds
        for call in spread(calls, max(1, count // len(kinds)))
    ]
    outcome = tried(attempts)
    figures = (
        f"{calls} calls; {', '.join(LASTING)} from a call on, {', '.join(ONCE + HARMLESS)} at one"
    )
    return Outcome(outcome.done, outcome.faults, figures)


ROWS = (
    Row(
        "file-faults",
        "if a call that changes a file fails, the error is typed and names the file, the process "
        "lives, the earlier checkpoint is whole, and the run resumes from it to the same bits",
        1800,
        failing_calls,
    ),
)

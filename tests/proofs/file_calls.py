"""A library that makes calls of the file system fail, for processes to be started with."""

import os
import shutil
import subprocess
from pathlib import Path

from proofs.runs import started

__all__ = ["calls_of", "faulty", "spread"]

SOURCE = Path(__file__).parent.parent / "fake_file_system" / "preload.c"


def faulty(work: Path) -> dict[str, str]:
    """Build the library; return the environment of a process that is started with it."""
    library = work / "preload.so"
    compiler = shutil.which("cc") or "cc"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    return {**os.environ, "LD_PRELOAD": str(library)}


def calls_of(environment: dict[str, str], directory: Path, name: str) -> int:
    """Return how many calls of a training change something in its directory."""
    count = directory.with_name(f"{directory.name}.count")
    counting = environment | {"FAKE_UNDER": str(directory), "FAKE_COUNT": str(count)}
    with started(directory, name, environment=counting) as process:
        _, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(errors)
    return int(count.read_text())


def spread(calls: int, count: int) -> list[int]:
    """Return the numbers of so many calls at most, spread over all of them, from 1."""
    count = min(max(count, 1), calls)
    return [1 + index * calls // count for index in range(count)]

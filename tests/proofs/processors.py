"""Processors without the newest instructions have the bits of their instruction set, in QEMU."""

import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

from proofs.row import Attempt, Outcome, Row, tried

__all__ = ["ROWS"]

# Without AVX2, and without AVX-512.
PROCESSORS = {"IvyBridge": "portable", "Haswell": "avx2"}


def _trained(processor: str, kernels: str) -> str | None:
    words = ["qemu-x86_64", "-cpu", processor, sys.executable]
    words += ["-m", "mnistburn", "verify", "--reference", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=1200)
    if not done.stdout:
        return f"{processor}: status {done.returncode}: {done.stderr.strip()[-300:]}"
    runs = json.loads(done.stdout)
    found = [f"{run['name']}, {run['kernels']}, {run['sha256']}" for run in runs if not run["same"]]
    if found or {run["kernels"] for run in runs} != {kernels}:
        return f"{processor}: {found or runs}"
    return None


def emulated(count: int, work: Path) -> Outcome:
    """Train the reference runs on emulated processors."""
    del work
    if shutil.which("qemu-x86_64") is None:
        fault = "qemu-x86_64 is not installed; on Debian it is in the package qemu-user"
        return Outcome(1, (fault,))
    cases = list(PROCESSORS.items())
    attempts: list[Attempt] = [
        partial(_trained, *cases[number % len(cases)]) for number in range(count)
    ]
    return tried(attempts, processes=1, figures=f"QEMU's {' and '.join(PROCESSORS)}")


ROWS = (
    Row(
        "processors",
        "a processor without AVX2, and one without AVX-512, train the reference runs to the bits "
        "of their instruction set",
        2,
        emulated,
    ),
)

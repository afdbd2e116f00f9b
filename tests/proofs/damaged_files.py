"""Damaged files are refused, by their names and with little effort; they crash nothing."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any, cast, get_args

import numpy

from mnistburn import Model, ModelConfig
from mnistburn.model import Precision, Recorder
from proofs.row import Attempt, Outcome, Row, tried

__all__ = ["ROWS"]

TESTS = Path(__file__).parent.parent
SHARE = 1000
"""As many mutants a process reads, with a seed of its own."""
FORMATS = ("onnx", "safetensors", "npz", "compressed", "pt")


def _file(folder: Path, kind: str) -> Path:
    folder.mkdir()
    model = Model(ModelConfig(hidden_size=4, num_classes=6), seed=3)
    if kind == "pt":
        path = folder / "model.pt"
        path.write_bytes((TESTS / "fixtures" / "pytorch" / "state.pt").read_bytes())
        return path
    if kind == "compressed":
        path = folder / "model.npz"
        cast("Any", numpy.savez_compressed)(path, **model.state_dict())
        return path
    return model.export(folder / f"model.{kind}")


def _report(script: str, *words: object) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(TESTS / script), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or done.stderr:
        message = f"status {done.returncode}: {done.stderr[-300:]}"
        raise RuntimeError(message)
    return cast("dict[str, Any]", json.loads(done.stdout))


def _times(outcome: Outcome) -> Outcome:
    """Count mutants in place of processes."""
    figures = f"{outcome.done} processes of {SHARE:,} files each; {outcome.figures}"
    return Outcome(outcome.done * SHARE, outcome.faults, figures)


def exchanged(count: int, work: Path) -> Outcome:
    """Read damaged files of other programs."""

    def attempt(kind: str, seed: int) -> str | None:
        report = _report("mutants.py", _file(work / f"{kind}-{seed}", kind), SHARE, seed)
        if report["wrong"] or report["slowest"] > 1.0 or report["megabytes"] > 256:
            return f"{kind}, seed {seed}: {report}"
        return None

    seeds = range(max(1, count // SHARE // len(FORMATS)))
    attempts: list[Attempt] = [partial(attempt, kind, seed) for kind in FORMATS for seed in seeds]
    return _times(tried(attempts, figures=", ".join(FORMATS)))


def recorded(count: int, work: Path) -> Outcome:
    """Read damaged records of each recorder, in each precision."""
    kinds = [
        (recorder, precision)
        for recorder in get_args(Recorder)
        for precision in get_args(Precision)
    ]

    def attempt(recorder: str, precision: str, seed: int) -> str | None:
        folder = work / f"{recorder}-{precision}-{seed}"
        folder.mkdir()
        report = _report("record_mutants.py", recorder, precision, SHARE, seed, folder)
        if report["faults"] or report["read"] + report["refused"] != SHARE:
            return f"{recorder}, {precision}, seed {seed}: {report}"
        return None

    seeds = range(max(1, count // SHARE // len(kinds)))
    attempts: list[Attempt] = [partial(attempt, *kind, seed) for kind in kinds for seed in seeds]
    return _times(tried(attempts, figures=f"{len(kinds)} kinds of records"))


ROWS = (
    Row(
        "damaged-files",
        "a damaged file of another program is refused by its name, within a second and 256 MB",
        50_000,
        exchanged,
    ),
    Row(
        "damaged-records",
        "so is a damaged record of Burn, of each recorder and precision",
        10_000 * len(get_args(Recorder)) * len(get_args(Precision)),
        recorded,
    ),
)

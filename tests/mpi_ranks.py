"""What a rank of a test trains: `python mpi_ranks.py JOB OUT`, started by mpiexec.

A job is JSON, and each rank writes what it saw to `OUT/RANK.json`.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy

import mnistburn
from mnistburn import Callback, EarlyStopping, Mpi, TrainingConfig
from mnistburn.callbacks import StepEnd
from mnistburn.errors import MnistburnError


def run_ranks(
    ranks: int, out: Path, job: dict[str, Any], *, timeout: float = 90.0
) -> tuple[list[dict[str, Any]], subprocess.CompletedProcess[str]]:
    """Do a job on so many ranks; return what those that came to an end saw, and the process."""
    out.mkdir(parents=True, exist_ok=True)
    mpiexec = Path(sysconfig.get_path("scripts")) / "mpiexec"
    done = subprocess.run(
        [mpiexec, "-n", str(ranks), sys.executable, __file__, json.dumps(job), out],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    paths = [out / f"{rank}.json" for rank in range(ranks)]
    return [json.loads(path.read_text()) for path in paths if path.is_file()], done


def weights_of(model: mnistburn.Model) -> str:
    """Return a hash of all weights of a model."""
    values = b"".join(array.tobytes() for array in model.state_dict().values())
    return hashlib.sha256(values).hexdigest()


class _Watch(Callback):
    """Counts steps, and stops, fails or dies after one where it is told to."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.steps = 0
        self._job = job

    def on_step_end(self, event: StepEnd) -> bool:
        self.steps += 1
        if self.steps == self._job.get("raise_at"):
            message = "a callback of its own"
            raise ValueError(message)
        if self.steps == self._job.get("interrupt_at"):
            os.kill(os.getpid(), signal.SIGINT)
        return self.steps == self._job.get("stop_at")


def _metric(rank: int, job: dict[str, Any]) -> Any:
    """Return a metric that fails or dies on one rank where the job says so."""

    def share(logits: numpy.ndarray, targets: numpy.ndarray) -> float:
        if rank == job.get("metric_fails_on"):
            message = "no such metric"
            raise ValueError(message)
        if rank == job.get("dies_on"):
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)
        return float((logits.argmax(axis=1) == targets).mean())

    return share


def _untimed(columns: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    return {name: list(column) for name, column in columns.items() if "second" not in name}


def main() -> None:
    """Train as the job says, and write what came of it."""
    from mpi4py import MPI

    job, out = json.loads(sys.argv[1]), Path(sys.argv[2])
    rank = MPI.COMM_WORLD.Get_rank()
    train = mnistburn.datasets.load("mnist", "train")[: job.get("images", 230)]
    valid = mnistburn.datasets.load("mnist", "test")[:70]
    if rank == job.get("other_data_on"):
        train = train[1:]
    if job.get("weighted"):
        train = train.with_weights(numpy.linspace(0.5, 2.0, len(train)))
    data: Any = (train, valid)
    if rank == job.get("no_data_on"):
        data = out / "missing"
    watch = _Watch(job)
    callbacks: list[Any] = [watch]
    if job.get("patience"):
        callbacks.append(EarlyStopping(patience=job["patience"]))
    config = json.dumps(job["config"])
    seen: dict[str, Any] = {"rank": rank}
    try:
        run = mnistburn.train(
            out / "run",
            TrainingConfig.from_json(config),
            "cpu",
            data=data,
            resume=job.get("resume", False),
            callbacks=callbacks,
            metrics=[_metric(rank, job)] if job.get("metric") else (),
            distributed=Mpi(parts=job.get("parts")),
            progress=False,
        )
    except (MnistburnError, ValueError) as error:
        seen["error"] = f"{type(error).__name__}: {error}"
    else:
        run.model.export(out / f"{rank}.npz")
        seen |= {
            "weights": weights_of(run.model),
            "history": _untimed(run.history),
            "train_steps": _untimed(run.history.train_steps),
            "valid_steps": _untimed(run.history.valid_steps),
            "ended": run.ended,
            "directory": str(run.artifact_dir),
            "model_epoch": run.model_epoch,
        }
    seen["callbacks"] = watch.steps
    (out / f"{rank}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main()

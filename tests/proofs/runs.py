"""The small trainings that are killed, disturbed and compared, and what is compared of them."""

import dataclasses
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import mnistburn
from mnistburn import (
    AdamConfig,
    AugmentationConfig,
    ConvBlock,
    ConvNetConfig,
    Dataset,
    ModelConfig,
    MomentumConfig,
    MuonConfig,
    OneCycleLrSchedulerConfig,
    RmsPropConfig,
    SgdConfig,
    TrainingConfig,
)

__all__ = ["CONFIGS", "config", "data", "digest", "started"]

_CONV_NET = ConvNetConfig(
    blocks=[
        ConvBlock(channels=8, pool=True, norm="batch"),
        ConvBlock(channels=8, pool=True, norm="group", residual=0),
    ],
    hidden_sizes=(16,),
    dropout=0.2,
)

CONFIGS = {
    "guide, Adam": TrainingConfig(
        model=ModelConfig(hidden_size=16), optimizer=AdamConfig(), learning_rate=1e-3
    ),
    "ConvNet, SGD, one cycle, augmentation": TrainingConfig(
        model=_CONV_NET,
        optimizer=SgdConfig(momentum=MomentumConfig(nesterov=True)),
        learning_rate=0.02,
        lr_scheduler=OneCycleLrSchedulerConfig(),
        augmentation=AugmentationConfig(shift=0.1, rotate=10.0, flip=True),
        label_smoothing=0.1,
    ),
    "guide, RMSprop, class weights, moving average": TrainingConfig(
        model=ModelConfig(hidden_size=16),
        optimizer=RmsPropConfig(),
        learning_rate=1e-4,
        class_weights="balanced",
        average_decay=0.9,
    ),
    "ConvNet, Muon": TrainingConfig(model=_CONV_NET, optimizer=MuonConfig(), learning_rate=1e-3),
}
"""The trainings, by what is in them."""

_SCRIPT = """
import sys
from proofs.runs import attempt
attempt(*sys.argv[1:])
"""


def config(name: str, **changes: object) -> TrainingConfig:
    """Return one of `CONFIGS`, of three epochs, with checkpoints all the time."""
    given = {"num_epochs": 3, "checkpoint_every": 1e-6, "num_workers": 2} | changes
    return dataclasses.replace(CONFIGS[name], **given)  # type: ignore[arg-type]


def data() -> tuple[Dataset, Dataset]:
    """Return what they are trained and validated on: 2,000 and 200 images."""
    train = mnistburn.datasets.load("mnist", "train")[:2000]
    return train, mnistburn.datasets.load("mnist", "test")[:200]


def digest(directory: Path) -> str:
    """Return a SHA-256 of all that a run's results are: weights, optimizer, schedule, history."""
    result = hashlib.sha256()
    run = mnistburn.load_run(directory)
    last = directory / "checkpoint" / f"epoch-{run.history.num_epochs:04}"
    for path in [directory / "model.mpk", *sorted(last.glob("*.mpk"))]:
        result.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    for columns in (run.history.epochs, run.history.train_steps, run.history.valid_steps):
        measured = {
            name: column
            for name, column in columns.items()
            if name not in ("seconds", "images_per_second")
        }
        result.update(json.dumps(measured).encode())
    return result.hexdigest()


def attempt(directory: str, name: str, how: str) -> None:
    """Train in this process: ``"begin"``, ``"resume"`` as it was meant, or for ``"longer"``."""
    given = None if how == "resume" else config(name)
    pair = data()
    print("begin", flush=True)  # noqa: T201  who waits for the first step reads it
    mnistburn.train(directory, given, "cpu", data=pair, resume=how != "begin", progress=False)


def started(
    directory: Path, name: str, environment: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start such a training in a process of its own; it is about to begin."""
    words = [sys.executable, "-c", _SCRIPT, str(directory), name, "begin"]
    process = subprocess.Popen(
        words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process

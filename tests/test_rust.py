"""What Python trains is what the Rust crate trains."""

import subprocess
from pathlib import Path

import pytest

import mnistburn
from mnistburn import TrainingConfig

ROOT = Path(__file__).parent.parent
IMAGES = 200


@pytest.mark.timeout(900)  # the example may have to be compiled first
def test_python_and_rust_give_the_same_bits(tmp_path: Path) -> None:
    rust, python = tmp_path / "rust", tmp_path / "python"
    command = ["cargo", "run", "--release", "--locked", "--quiet", "--example", "guide", "--"]
    command += [str(rust), "2", str(IMAGES)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    train, valid = mnistburn.datasets.load("mnist"), mnistburn.datasets.load("mnist", "test")
    data = (train[:IMAGES], valid[:IMAGES])
    mnistburn.train(python, TrainingConfig(num_epochs=2), "cpu", data=data, progress=False)
    files = ["config.json", "model.mpk", "summary.txt"]
    files += [
        f"checkpoint/epoch-000{epoch}/{name}.mpk"
        for epoch in (1, 2)
        for name in ("model", "optim", "scheduler")
    ]
    for name in files:
        assert (python / name).read_bytes() == (rust / name).read_bytes(), name

"""The number of threads changes nothing but the speed."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

# Batches and layers so large that Burn computes them in parallel.
SCRIPT = """
import sys, mnistburn
images = mnistburn.datasets.load("mnist", "test")
config = mnistburn.TrainingConfig(num_epochs=1, batch_size=256)
mnistburn.train(sys.argv[1], config, "cpu", data=(images[:768], images[768:1024]), progress=False)
"""


@pytest.mark.timeout(120)
def test_any_number_of_threads_gives_the_same_bits(tmp_path: Path) -> None:
    hashes = set()
    for threads in ("1", "2", "3", "4"):
        directory = tmp_path / threads
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(directory)],
            check=True,
            env={**os.environ, "RAYON_NUM_THREADS": threads},
        )
        checkpoint = directory / "checkpoint" / "epoch-0001"
        content = b"".join((checkpoint / f"{name}.mpk").read_bytes() for name in ("model", "optim"))
        hashes.add(hashlib.sha256(content).hexdigest())
    assert len(hashes) == 1

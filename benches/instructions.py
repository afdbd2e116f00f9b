"""How many instructions a training step takes, as valgrind counts them: ``make instructions``.

Two runs differ in their steps alone, and so do their counts: start-up cancels out. The number is
the same within one percent on a busy machine. valgrind knows AVX2, not AVX-512.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from footprint import TABLE, grown

import mnistburn
from mnistburn import ModelConfig, TrainingConfig

BATCH = 64
FEW, MANY = 1, 11


def train(steps: int) -> None:
    """Train the guide network for so many batches, and validate on one."""
    data = mnistburn.datasets.load("mnist", "train")[: BATCH * MANY]
    config = TrainingConfig(
        model=ModelConfig(hidden_size=64),
        num_epochs=1,
        batch_size=BATCH,
        threads=1,
        limit_batches=steps,
    )
    with tempfile.TemporaryDirectory() as folder:
        pair = (data, data[:BATCH])
        mnistburn.train(Path(folder) / "run", config, "cpu", data=pair, progress=False)


def count(valgrind: str, steps: int) -> int:
    """Return the instructions of a process that trains so many steps."""
    command = [valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable]
    done = subprocess.run(  # noqa: S603
        [*command, __file__, str(steps)],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        message = f"valgrind counted nothing: {done.stderr}"
        raise SystemExit(message)
    return int(found[1])


def main() -> None:
    """Print the number of a step, and refuse one that is beyond the limit."""
    valgrind = shutil.which("valgrind")
    if not valgrind:
        message = "there is no valgrind; Debian's package valgrind has it"
        raise SystemExit(message)
    step = (count(valgrind, MANY) - count(valgrind, FEW)) // (MANY - FEW)
    expected = TABLE["instructions"]
    print(f"{step:,} instructions a step; {expected['training_step']:,} in tests/footprint.toml")
    lines = grown("instructions", expected, {"training_step": step})
    if lines:
        raise SystemExit(lines[0])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        train(int(sys.argv[1]))
    else:
        main()

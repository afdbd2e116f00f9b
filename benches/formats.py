"""What each format of a model file costs: its bytes, and the milliseconds to save and to load it.

``make formats`` runs it; the tables of docs/records.md and docs/interchange.md come from it. Files
that are named, as one of PyTorch with ``make formats FILES=digits.pt``, are loaded too.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast, get_args

from mnistburn import Model
from mnistburn.model import ExportFormat, Recorder

ROUNDS = 7


def milliseconds(work: Callable[[], object]) -> str:
    """Return the median of some calls, after one that does not count."""
    times = []
    for _ in range(1 + ROUNDS):
        start = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - start))
    return f"{statistics.median(times[1:]):.1f}"


def line(name: str, path: Path, saving: str) -> None:
    """Print what a file takes, and how long it takes to load."""
    loading = "-" if path.suffix == ".onnx" else milliseconds(lambda: Model.load(path))
    print(f"{name:<14}{path.stat().st_size:>12,}{saving:>10}{loading:>10}")


def main(files: list[str]) -> None:
    """Print a line for each format, and one for each of the files.

    Args:
        files: Model files to load.
    """
    model = Model()
    print(f"{'format':<14}{'bytes':>12}{'save ms':>10}{'load ms':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for name in (*get_args(Recorder), *get_args(ExportFormat)):
            write = model.save if name in get_args(Recorder) else model.export
            save = partial(write, Path(folder) / name, cast("Any", name))
            saving = milliseconds(save)
            line(name, save(), saving)
    for file in files:
        line(Path(file).name, Path(file), "-")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Memory, files and threads of a process stay as they are, however long it works."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy

from proofs.row import Outcome, Row, tried

__all__ = ["ROWS"]

# Repeats something, and prints resident kilobytes, open files and threads after each time.
SCRIPT = """
import json, os, sys
from pathlib import Path
import mnistburn
from mnistburn import Model, ModelConfig, TrainingConfig

kind, count, work = sys.argv[1], int(sys.argv[2]), sys.argv[3]
data = mnistburn.datasets.load("mnist", "train")[:2000]
pair = (data, data[:200])
states = []

def measured(*_):
    words = Path("/proc/self/status").read_text().split()
    states.append([
        int(words[words.index("VmRSS:") + 1]),
        len(os.listdir("/proc/self/fd")),
        int(words[words.index("Threads:") + 1]),
    ])

class Measures(mnistburn.Callback):
    on_epoch_end = measured

def train(num_epochs, callbacks=()):
    config = TrainingConfig(model=ModelConfig(hidden_size=16), num_epochs=num_epochs)
    mnistburn.train(
        f"{work}/{kind}", config, "cpu", data=pair, callbacks=callbacks, progress=False
    )

if kind == "epochs":
    train(count, [Measures()])
elif kind == "trainings":
    for _ in range(count):
        train(1)
        measured()
else:
    Model(ModelConfig(), seed=1).save(f"{work}/model.mpk")
    for _ in range(count):
        Model.load(f"{work}/model.mpk").predict(data.images[:64])
        measured()
print(json.dumps(states))
"""

# What is repeated, and the kilobytes that each time may add.
KINDS = {"epochs": 500.0, "trainings": 100.0, "loads": 10.0}


def flat(count: int, work: Path, kind: str) -> Outcome:
    """Repeat something, and look at what stays behind."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, kind, str(count), str(work)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return Outcome(1, (done.stderr,))
    # What comes first warms up.
    states = numpy.array(json.loads(done.stdout))[count // 5 :]
    slope = float(numpy.polyfit(numpy.arange(len(states)), states[:, 0], 1)[0])
    figures = f"{slope:.1f} kB a time, {states[-1, 0] / 1024:.0f} MB in the end"

    def attempt(column: int) -> str | None:
        grown = slope > KINDS[kind] if column == 0 else states[-1, column] > states[0, column]
        return f"{kind}: {states[:, column].tolist()}" if grown else None

    outcome = tried([partial(attempt, column) for column in range(3)], processes=1)
    return Outcome(count, outcome.faults, figures)


ROWS = (
    Row(
        "memory-epochs",
        "memory, open files and threads are constant over the epochs of a training",
        50,
        partial(flat, kind="epochs"),
    ),
    Row("memory-trainings", "over trainings", 200, partial(flat, kind="trainings")),
    Row(
        "memory-loads",
        "over models that are loaded and predict",
        1000,
        partial(flat, kind="loads"),
    ),
)

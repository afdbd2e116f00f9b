"""Ctrl-C gets an answer within a second, whatever runs, and the process goes on."""

import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from PIL import Image

from proofs.row import Attempt, Outcome, Row, tried
from proofs.runs import data

__all__ = ["ROWS"]

# Makes one call again and again: it says when it begins, and what came of it.
SCRIPT = """
import signal, sys
import mnistburn
from mnistburn import Dataset, Model, ModelConfig, TrainingConfig

# A process in the background of a shell ignores Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
kind, work = sys.argv[1:]
images = mnistburn.datasets.load("mnist", "train")
model = Model(ModelConfig(), seed=1)
config = TrainingConfig(model=ModelConfig(hidden_size=16), num_epochs=2)

def train():
    pair = (images[:20_000], images[:500])
    run = mnistburn.train(f"{work}/run", config, "cpu", data=pair, progress=False)
    if run.interrupted:
        raise KeyboardInterrupt

calls = {
    "train": train,
    "evaluate": lambda: model.evaluate(images),
    "predict": lambda: model.predict(images.images),
    "from_folder": lambda: Dataset.from_folder(f"{work}/pictures", progress=False),
    "describe": lambda: Dataset.from_numpy(images.images, images.targets).describe(),
}
while True:
    try:
        assert len(model.predict(images.images[:3])) == 3
        print("begin", flush=True)
        calls[kind]()
        print("done", flush=True)
        sys.stdin.readline()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.stdin.readline()
"""

CALLS = ("train", "evaluate", "predict", "from_folder", "describe")


def interrupted(count: int, work: Path) -> Outcome:
    """Send SIGINT at random moments of each long call."""
    images = data()[0]
    for number in range(2000):
        folder = work / "pictures" / str(number % 10)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images.images[number]).save(folder / f"{number}.png")
    slowest: dict[str, float] = {}

    def attempt(kind: str, seed: int) -> str | None:
        choice = random.Random(seed)  # noqa: S311  no secret
        words = [sys.executable, "-c", SCRIPT, kind, str(work)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(words, text=True, **pipes) as process:  # type: ignore[call-overload]

            def line(*expected: str) -> str:
                text = str(process.stdout.readline()).strip()
                if text not in expected:
                    process.kill()
                    message = f"{text!r} in place of {expected}: {process.stderr.read()[-300:]}"
                    raise RuntimeError(message)
                return text

            line("begin")
            start = time.monotonic()
            line("done")
            seconds = time.monotonic() - start
            for _ in range(count // len(CALLS)):
                process.stdin.write("\n")
                process.stdin.flush()
                line("begin")
                time.sleep(choice.uniform(0, seconds))
                process.send_signal(signal.SIGINT)
                start = time.monotonic()
                if line("interrupted", "done") == "done":
                    # The call was over, and it was the wait for the next one that was interrupted.
                    line("interrupted")
                slowest[kind] = max(slowest.get(kind, 0.0), time.monotonic() - start)
            process.kill()
        return f"{kind}: an answer took {slowest[kind]:.1f} s" if slowest[kind] > 1 else None

    attempts: list[Attempt] = [partial(attempt, kind, seed) for seed, kind in enumerate(CALLS)]
    outcome = tried(attempts, processes=1)
    figures = ", ".join(f"{kind} {1000 * seconds:.0f} ms" for kind, seconds in slowest.items())
    return Outcome(count // len(CALLS) * len(CALLS), outcome.faults, f"slowest answers: {figures}")


ROWS = (
    Row(
        "signals",
        "Ctrl-C ends train, evaluate, predict, from_folder and describe within a second, and the "
        "next call works",
        250,
        interrupted,
    ),
)

"""A whole training, from the start of the process to its end: mnistburn and PyTorch, in turns.

``python -c "import mnistburn; mnistburn.train(...)"`` with the default configuration beside
``pytorch_whole.py``, with the settings that are fastest for PyTorch here.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import mnistburn
from mnistburn.bench import machine, table
from mnistburn.bench.controller import Plan, start
from mnistburn.bench.peers import chosen_peers
from mnistburn.bench.process import RunnerError, environment_for

SCRIPT = Path(__file__).parent / "pytorch_whole.py"
DATA = Path(mnistburn.__file__).parent / "data" / "mnist"

OURS = """
import sys, mnistburn
config = mnistburn.TrainingConfig(num_epochs=int(sys.argv[2]))
mnistburn.train(sys.argv[1], config, "cpu", progress=False)
"""


def fastest_settings(threads: int) -> tuple[list[str], dict[str, str]]:
    """Return what is fastest for PyTorch here: options of `SCRIPT`, and the environment.

    Args:
        threads: The threads to compute with.

    Returns:
        The options, and what to set in the environment.

    Raises:
        RunnerError: PyTorch does not work here.
    """
    (peer,) = (peer for peer in chosen_peers(["pytorch"]) if peer.name == "pytorch")
    missing = peer.missing()
    if missing is not None:
        message = f"PyTorch is {missing}"
        raise RunnerError(message)
    plan = Plan(threads=[threads], sections=["training"])
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        (task,) = plan.tasks(folder)
        runner, version, settings = start(stack, peer, task, plan.timeout)
    print(f"PyTorch {version}: {settings}", flush=True)
    options = {
        "channels_last": "--channels-last",
        "fused Adam": "--fused-adam",
        "in place": "--in-place",
    }
    chosen = [option for setting, option in options.items() if setting in settings.split(", ")]
    return chosen, dict(runner.variant)


def seconds_of(command: Sequence[object], environment: Mapping[str, str]) -> float:
    """Return how long a process runs."""
    begin = time.perf_counter()
    subprocess.run([str(part) for part in command], env=environment, check=True)  # noqa: S603
    return time.perf_counter() - begin


def main() -> None:
    """Compare."""
    cores = machine.usable_cores()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(cores), choices=range(1, len(cores) + 1))
    options = parser.parse_args()
    if sys.platform == "linux":
        os.sched_setaffinity(0, cores[: options.threads])  # the processes inherit it

    described = machine.describe()
    for line in table.heading(described):
        print(line)
    try:
        settings, variant = fastest_settings(options.threads)
    except RunnerError as error:
        sys.exit(f"error: {error}")

    environment = environment_for(options.threads)
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(1, options.rounds + 1):
        with tempfile.TemporaryDirectory(prefix="mnistburn-bench-") as folder:
            mine, other = Path(folder) / "mnistburn", Path(folder) / "pytorch"
            command: list[object] = [sys.executable, "-c", OURS, mine, options.epochs]
            ours.append(seconds_of(command, environment))
            command = [sys.executable, SCRIPT, DATA, other, *settings]
            command += [f"--epochs={options.epochs}", f"--threads={options.threads}"]
            theirs.append(seconds_of(command, {**environment, **variant}))
            run = mnistburn.load_run(mine)
            history = json.loads((other / "history.json").read_text("utf-8"))
            print(
                f"round {number}: mnistburn {ours[-1]:.1f} s "
                f"(accuracy {run.history['valid_accuracy'][-1]:.4f}), PyTorch {theirs[-1]:.1f} s "
                f"(accuracy {history[-1]['valid']['accuracy']:.4f}), "
                f"ratio {theirs[-1] / ours[-1]:.2f}",
                flush=True,
            )
    mine_median, other_median = statistics.median(ours), statistics.median(theirs)
    print(
        f"{options.epochs} epochs, {options.threads} threads, medians of {options.rounds}: "
        f"mnistburn {mine_median:.1f} s, PyTorch {other_median:.1f} s, "
        f"ratio {other_median / mine_median:.2f}"
    )


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {error}")

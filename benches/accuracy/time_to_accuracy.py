"""Time to accuracy: whole trainings of mnistburn and of PyTorch, in turns, for several seeds.

Each training is a process of its own. What is timed goes from its start to its end: imports,
reading the data, training and validation.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from targets import SCRIPTS, TARGETS, Target

import mnistburn
from mnistburn.bench import machine, table
from mnistburn.bench.process import environment_for

_ROOT: Final = Path(__file__).parents[2]
_OURS: Final = Path(__file__).parent / "ours.py"
_MNIST: Final = Path(mnistburn.__file__).parent / "data" / "mnist"
_TIMEOUT: Final = 3 * 3600.0

Command = list[str]


@dataclass(frozen=True)
class Trial:
    """A training.

    Attributes:
        target: The name of the target.
        side: Who trained: ``"mnistburn"`` or ``"pytorch"``.
        seed: Its seed.
        seconds: From the start of the process to its end.
        accuracy: On the test images; None where it failed.
        load: The load of the machine before it; None where it is not known.
        error: Why there is no accuracy.
    """

    target: str
    side: str
    seed: int
    seconds: float
    accuracy: float | None
    load: float | None
    error: str | None = None


def commands(target: Target, folder: str | None, threads: int, peer: str | None) -> dict[str, Any]:
    """Return the command of each side, to which a seed is added.

    Args:
        target: The target.
        folder: The folder of the data, where they have no name.
        threads: The threads to compute with.
        peer: The Python that has PyTorch; None for no peer.

    Returns:
        The commands by side.
    """
    data = target.data or str(folder)
    threads_option = f"--threads={threads}"
    found: dict[str, Any] = {
        "mnistburn": [sys.executable, str(_OURS), data, f"--recipe={target.recipe}", threads_option]
    }
    if peer is not None:
        place = _MNIST if data == "mnist" else mnistburn.datasets.where(target.data or "mnist")
        files = str(place) if target.data else data
        found["pytorch"] = [peer, str(SCRIPTS / target.script), files, threads_option]
    return found


def train(command: Command, seed: int, threads: int, log: Path) -> tuple[float, float | str]:
    """Train once.

    Args:
        command: The command, without the seed.
        seed: The seed.
        threads: The threads to compute with.
        log: Where the output goes.

    Returns:
        The seconds, and the accuracy or what went wrong.
    """
    begin = time.perf_counter()
    try:
        with log.open("w", encoding="utf-8") as output:
            done = subprocess.run(  # noqa: S603  our own scripts
                [*command, f"--seed={seed}"],
                env=environment_for(threads),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_TIMEOUT,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        return time.perf_counter() - begin, str(error)
    seconds = time.perf_counter() - begin
    lines = log.read_text("utf-8", "replace").splitlines() or [""]
    if done.returncode:
        return seconds, f"it ended with status {done.returncode}: {lines[-1]}"
    try:
        accuracy = float(json.loads(lines[-1])["accuracy"])
    except (ValueError, TypeError, KeyError):
        return seconds, f"its last line must be JSON with the accuracy, got {lines[-1][:80]!r}"
    if not 0.0 <= accuracy <= 1.0:
        return seconds, f"its accuracy must be in 0..1, got {accuracy}"
    return seconds, accuracy


def measure(
    plan: Mapping[str, Mapping[str, Command]],
    seeds: Sequence[int],
    threads: int,
    out: Path,
    tell: Callable[[Trial], None],
) -> list[Trial]:
    """Train all sides for all seeds, in turns.

    Args:
        plan: The commands of each target, by side.
        seeds: The seeds.
        threads: The threads to compute with.
        out: The folder of the logs and of ``results.json``, which is written after each training.
        tell: Called after each training.

    Returns:
        What came of them.
    """
    out.mkdir(parents=True, exist_ok=True)
    described = {**machine.describe(), "name": platform.node()}
    trials: list[Trial] = []
    for target, sides in plan.items():
        for seed in seeds:
            for side, command in sides.items():
                load = machine.load_average()
                log = out / f"{target}-{side}-{seed}.log"
                seconds, result = train(command, seed, threads, log)
                accuracy = result if isinstance(result, float) else None
                error = result if isinstance(result, str) else None
                trials.append(Trial(target, side, seed, seconds, accuracy, load, error))
                content = {
                    "machine": described,
                    "threads": threads,
                    "seeds": list(seeds),
                    "trials": [asdict(trial) for trial in trials],
                }
                text = json.dumps(content, indent=1) + "\n"
                (out / "results.json").write_text(text, "utf-8")
                tell(trials[-1])
    return trials


def summary(trials: Sequence[Trial]) -> list[str]:
    """Return a table: mean and standard deviation over the seeds.

    Args:
        trials: The trainings.

    Returns:
        The lines.
    """
    groups: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.target, trial.side), []).append(trial)
    lines = [f"{'target':<14}{'side':<11}{'accuracy':<20}{'seconds':<18}reached"]
    for (target, side), group in groups.items():
        done = [trial for trial in group if trial.accuracy is not None]
        percents = [100 * trial.accuracy for trial in done if trial.accuracy is not None]
        goal = 100 * TARGETS[target].accuracy if target in TARGETS else 0.0
        reached = sum(percent >= goal for percent in percents)
        failed = len(group) - len(done)
        lines.append(
            f"{target:<14}{side:<11}{_spread(percents, 3, ' %'):<20}"
            f"{_spread([trial.seconds for trial in done], 1, ' s'):<18}{reached} of {len(group)}"
            + (f", {failed} failed" if failed else "")
        )
    return lines


def _spread(values: Sequence[float], digits: int, unit: str) -> str:
    """Return mean and standard deviation of a sample, in words."""
    if not values:
        return "-"
    mean = f"{statistics.fmean(values):.{digits}f}"
    if len(values) == 1:
        return mean + unit
    return f"{mean} +- {statistics.stdev(values):.{digits}f}{unit}"


def _tell(trial: Trial) -> None:
    load = "" if trial.load is None else f", load {trial.load:.1f} before"
    result = trial.error if trial.accuracy is None else f"{100 * trial.accuracy:.2f} %"
    print(
        f"{trial.target} {trial.side} seed {trial.seed}: {result} in {trial.seconds:.1f} s{load}",
        flush=True,
    )


def _parser(cores: int) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--targets",
        default="mnist-99.0,mnist-99.5,fashion-93.0",
        help=f"of {', '.join(TARGETS)}, with commas between them",
    )
    parser.add_argument("--seeds", default="1,2,3", help="whole numbers, with commas between them")
    parser.add_argument("--threads", type=int, default=cores, choices=range(1, cores + 1))
    parser.add_argument("--peer", choices=["pytorch", "none"], default="pytorch")
    parser.add_argument("--peer-python", default=sys.executable, help="the Python with PyTorch")
    parser.add_argument("--cifar", help="the folder of CIFAR-10: train and test, a folder a class")
    parser.add_argument("--out", type=Path, default=_ROOT / "target" / "accuracy")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; the exit status is 1 where a training failed."""
    cores = machine.usable_cores()
    parser = _parser(len(cores))
    options = parser.parse_args(arguments)
    names = options.targets.split(",")
    unknown = [name for name in names if name not in TARGETS]
    if unknown:
        parser.error(f"there is no target {unknown[0]!r}; the targets are {', '.join(TARGETS)}")
    try:
        seeds = [int(seed) for seed in options.seeds.split(",")]
    except ValueError:
        parser.error(f"--seeds must be whole numbers, as in 1,2,3, got {options.seeds!r}")
    if any(TARGETS[name].data is None for name in names) and options.cifar is None:
        parser.error("the target cifar-90.0 needs --cifar FOLDER, with train and test in it")
    if sys.platform == "linux":
        os.sched_setaffinity(0, cores[: options.threads])  # the processes inherit it

    described = machine.describe()
    for line in table.heading(described):
        print(line)
    print(f"machine {platform.node()}, {options.threads} threads, seeds {options.seeds}")
    peer = None if options.peer == "none" else options.peer_python
    plan = {name: commands(TARGETS[name], options.cifar, options.threads, peer) for name in names}
    trials = measure(plan, seeds, options.threads, options.out, _tell)
    print(*summary(trials), f"logs and figures: {options.out}", sep="\n")
    return 1 if any(trial.error for trial in trials) else 0


if __name__ == "__main__":
    sys.exit(main())

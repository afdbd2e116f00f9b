"""Fuzz each parser, and print a table: ``python fuzz/fuzz_parsers.py --seconds 60 npz onnx``.

Without names all are fuzzed. New inputs go to target/corpus, faults to fuzz/artifacts; more than
ten seconds, or than 256 MB at once, is a fault as a panic is. cargo-fuzz has to be installed.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent
SEEDS: Final = HERE / "corpus"
FAULTS: Final = HERE / "artifacts"
NEW: Final = ROOT / "target" / "corpus"
LIMITS: Final = ("-timeout=10", "-malloc_limit_mb=256")
EXECUTED: Final = re.compile(r"^stat::number_of_executed_units: (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """What came of a target."""

    target: str
    executions: int | None
    corpus: int
    faults: int
    status: int


def files(folder: Path) -> set[Path]:
    """Return the files of a folder; none where it is not there."""
    return {path for path in folder.glob("*") if path.is_file()}


def fuzz(target: str, limits: list[str]) -> Row:
    """Fuzz a target, until a limit or a fault."""
    before = files(FAULTS / target)
    new = NEW / target
    new.mkdir(parents=True, exist_ok=True)
    command = ["cargo", "fuzz", "run", target, f"--fuzz-dir={HERE}", "--codegen-units=16"]
    command += [str(new), str(SEEDS / target), "--", f"-dict={HERE / 'names.dict'}"]
    # libFuzzer takes options of the compiler that are not stable.
    environment = {
        **os.environ,
        "RUSTC_BOOTSTRAP": "1",
        "CARGO_TARGET_DIR": str(ROOT / "target" / "fuzz"),
    }
    process = subprocess.Popen(  # noqa: S603  the limits are numbers
        [*command, *LIMITS, *limits, "-print_final_stats=1"],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    assert process.stderr is not None  # noqa: S101  it was asked for
    told = []
    while True:
        try:
            for line in process.stderr:
                sys.stderr.write(line)
                told.append(line)
            break
        except KeyboardInterrupt:
            # The fuzzer, two processes further, ends with its statistics.
            os.killpg(process.pid, signal.SIGINT)
    status = process.wait()
    executed = EXECUTED.search("".join(told))
    return Row(
        target,
        int(executed[1]) if executed else None,
        len(files(new)) + len(files(SEEDS / target)),
        len(files(FAULTS / target) - before),
        status,
    )


def table(rows: list[Row]) -> str:
    """Return a line for each target, and their sums."""
    lines = [f"{'target':<14}{'executions':>14}{'corpus':>9}{'faults':>8}"]
    for row in rows:
        executions = "none" if row.executions is None else f"{row.executions:,}"
        # Not all ends of a process leave an input.
        remark = f"  ended with {row.status}" if row.status and not row.faults else ""
        lines.append(f"{row.target:<14}{executions:>14}{row.corpus:>9,}{row.faults:>8}{remark}")
    executions = f"{sum(row.executions or 0 for row in rows):,}"
    corpus, faults = sum(row.corpus for row in rows), sum(row.faults for row in rows)
    return "\n".join([*lines, f"{'all':<14}{executions:>14}{corpus:>9,}{faults:>8}"])


def main(arguments: list[str]) -> None:
    """Fuzz, and fail where a target did."""
    known = sorted(path.name for path in SEEDS.iterdir())
    parser = argparse.ArgumentParser(description="Fuzz the parsers of files.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"{', '.join(known)} (all)")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--executions", type=int, help="at most so many for each target")
    options = parser.parse_args(arguments)
    if unknown := set(options.targets) - set(known):
        parser.error(f"no target is called {', '.join(sorted(unknown))}")
    limits = [f"-max_total_time={options.seconds}"]
    limits += [f"-runs={options.executions}"] if options.executions else []
    # An end from outside leaves the table of what was done, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    rows: list[Row] = []
    for target in options.targets or known:
        rows.append(fuzz(target, limits))
        if rows[-1].status == -signal.SIGINT:
            break
    print(table(rows))  # noqa: T201
    if any(row.status for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main(sys.argv[1:])

"""Try the claims, and print the table: ``python -m proofs [--only NAME] [--share 0.1]``."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from proofs import (
    command_signals,
    damaged_files,
    determinism,
    file_faults,
    kills,
    memory,
    processors,
    signals,
)
from proofs.row import Row

ROWS: tuple[Row, ...] = (
    *kills.ROWS,
    *file_faults.ROWS,
    *determinism.ROWS,
    *processors.ROWS,
    *signals.ROWS,
    *command_signals.ROWS,
    *memory.ROWS,
    *damaged_files.ROWS,
)


def main() -> int:
    """Print a line for each row; the status is 1 if a claim was refuted."""
    parser = argparse.ArgumentParser(prog="proofs")
    parser.add_argument("--only", action="append", choices=[row.name for row in ROWS])
    parser.add_argument("--share", type=float, default=1.0, help="of the attempts")
    parser.add_argument("--output", type=Path, help="a file for the table, beside the terminal")
    options = parser.parse_args()
    table = ["| what | attempts | passed | seconds | |", "|---|---|---|---|---|"]
    refuted = False
    for row in ROWS:
        if options.only and row.name not in options.only:
            continue
        start = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="proof-") as work:
            outcome = row.prove(max(1, round(row.count * options.share)), Path(work))
        seconds = time.monotonic() - start
        cells = (row.claim, f"{outcome.done:,}", f"{outcome.passed:,}", f"{seconds:,.0f}")
        table.append(f"| {' | '.join(cells)} | {outcome.figures} |")
        print(table[-1], flush=True)  # noqa: T201  the table
        for fault in outcome.faults[:20]:
            print(f"  {row.name}: {fault}", file=sys.stderr, flush=True)  # noqa: T201
        refuted |= bool(outcome.faults) or not outcome.done
    if options.output:
        options.output.write_text("\n".join(table) + "\n", "utf-8")
    return int(refuted)


if __name__ == "__main__":
    sys.exit(main())

"""Trainings with ten seeds, with the kernels and with Burn's own operations: the same curves.

The masks of dropout are the same on both ways, so that each seed can be compared with itself. It
takes some twenty minutes; ``docs/kernels.md`` has the figures.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence

TRAIN = """
import json, sys, tempfile
import mnistburn
with tempfile.TemporaryDirectory() as directory:
    config = mnistburn.TrainingConfig(num_epochs=int(sys.argv[2]), seed=int(sys.argv[1]))
    run = mnistburn.train(directory + "/run", config, "cpu", progress=False)
    columns = "train_loss", "train_accuracy", "valid_loss", "valid_accuracy"
    print(json.dumps({name: [float(value) for value in run.history[name]] for name in columns}))
"""


def train(seed: int, epochs: int, kernels: str | None) -> dict[str, list[float]]:
    """Return the columns of a training's history.

    Args:
        seed: The seed.
        epochs: How many epochs.
        kernels: The value of ``MNISTBURN_KERNELS``, or None.

    Returns:
        The values of each epoch, by column.
    """
    environment = {name: value for name, value in os.environ.items() if name != "MNISTBURN_KERNELS"}
    if kernels is not None:
        environment["MNISTBURN_KERNELS"] = kernels
    command = [sys.executable, "-c", TRAIN, str(seed), str(epochs)]
    finished = subprocess.run(  # noqa: S603 - this interpreter
        command, env=environment, check=True, capture_output=True, text=True
    )
    columns: dict[str, list[float]] = json.loads(finished.stdout)
    return columns


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and print a table in Markdown.

    Args:
        arguments: Those of the command line, or None.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="how many, from 42 on (10)")
    parser.add_argument("--epochs", type=int, default=2, help="how many (2)")
    options = parser.parse_args(arguments)
    seeds = range(42, 42 + options.seeds)
    pairs = [[train(seed, options.epochs, kernels) for kernels in (None, "burn")] for seed in seeds]
    print("| after epoch | measure | kernels | Burn's operations | largest difference of a seed |")
    print("|---|---|---|---|---|")
    for epoch in range(options.epochs):
        for name in pairs[0][0]:
            ways = [[pair[way][name][epoch] for pair in pairs] for way in (0, 1)]
            cells = [
                f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}" for values in ways
            ]
            difference = max(abs(ours - burn) for ours, burn in zip(*ways, strict=True))
            print(f"| {epoch + 1} | {name} | {cells[0]} | {cells[1]} | {difference:.4f} |")


if __name__ == "__main__":
    main()

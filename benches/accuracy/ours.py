"""A whole training with mnistburn, through its public functions: the process that is timed.

The last line of standard output is JSON with the accuracy on the test images after the last epoch.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import mnistburn


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="as mnistburn.train takes it")
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--num-epochs", type=int)
    options = parser.parse_args()

    config = mnistburn.recipe(options.recipe, options.data, num_epochs=options.num_epochs)
    config = replace(config, seed=options.seed, threads=options.threads)
    with tempfile.TemporaryDirectory(prefix="mnistburn-accuracy-") as folder:
        run = mnistburn.train(
            Path(folder) / "run", config, "cpu", data=options.data, progress=False
        )
    print(f"{config.num_epochs} epochs, validated after each: {run.history['valid_accuracy']}")
    print(json.dumps({"accuracy": run.history["valid_accuracy"][-1]}))


if __name__ == "__main__":
    main()

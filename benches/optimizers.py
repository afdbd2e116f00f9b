"""Images per second of each optimizer beside Adam's, in runs that take turns.

    .venv/bin/python benches/optimizers.py [IMAGES] [ROUNDS] [BATCH_SIZE]

Each round trains the book's network for one epoch with every optimizer, in an order of its own. The
seconds are those of the training steps, without validation and checkpoint.
"""

import random
import statistics
import sys
import tempfile

import mnistburn as mb
from mnistburn.config import OptimizerConfig

OPTIMIZERS: dict[str, OptimizerConfig] = {
    "Adam": mb.AdamConfig(),
    "AdamW": mb.AdamWConfig(),
    "SGD": mb.SgdConfig(),
    "SGD, momentum": mb.SgdConfig(momentum=mb.MomentumConfig()),
    "RMSprop": mb.RmsPropConfig(),
    "RMSprop, centered": mb.RmsPropConfig(centered=True),
    "AdaGrad": mb.AdaGradConfig(),
}


def images_per_second(
    optimizer: OptimizerConfig, data: tuple[mb.Dataset, mb.Dataset], batch_size: int
) -> float:
    """Return the speed of the steps of a run."""
    config = mb.TrainingConfig(
        model=mb.ModelConfig(), optimizer=optimizer, num_epochs=1, batch_size=batch_size
    )
    with tempfile.TemporaryDirectory() as path:
        run = mb.train(f"{path}/run", config, "cpu", data=data, progress=False)
    return len(data[0]) / float(sum(run.history.train_steps["seconds"]))


def main() -> None:
    """Print the median speed of each optimizer, and the median of its ratios to Adam's."""
    images, rounds, batch_size = (
        int(sys.argv[place]) if len(sys.argv) > place else default
        for place, default in ((1, 6_400), (2, 20), (3, 64))
    )
    train = mb.datasets.load("mnist", "train")
    data = (train[:images], train[images : images + 100])
    speeds: dict[str, list[float]] = {name: [] for name in OPTIMIZERS}
    images_per_second(OPTIMIZERS["Adam"], data, batch_size)
    names = list(OPTIMIZERS)
    for turn in range(rounds):
        random.Random(turn).shuffle(names)  # noqa: S311 - an order, and no secret
        for name in names:
            speeds[name].append(images_per_second(OPTIMIZERS[name], data, batch_size))
    for name, each in speeds.items():
        ratios = [one / adam for one, adam in zip(each, speeds["Adam"], strict=True)]
        median, ratio = statistics.median(each), statistics.median(ratios)
        print(f"{name}: {median:.0f} images/s, {ratio:.3f} of Adam's", flush=True)


if __name__ == "__main__":
    main()

"""What a training loop of one's own costs beside `train`, in runs that take turns.

    .venv/bin/python benches/loop.py [IMAGES] [PAIRS]

Both train the book's network for one epoch. The seconds of `train` are those of its training steps,
without validation and checkpoint.
"""

import statistics
import sys
import tempfile
import time

import mnistburn as mb


def by_train(config: mb.TrainingConfig, data: mb.Dataset) -> float:
    """Return the seconds of the steps of a run."""
    with tempfile.TemporaryDirectory() as path:
        run = mb.train(f"{path}/run", config, "cpu", data=(data, data[:1]), progress=False)
    return float(sum(run.history.train_steps["seconds"]))


def by_loop(config: mb.TrainingConfig, data: mb.Dataset) -> float:
    """Return the seconds of the same steps."""
    model = mb.Model(config.model, seed=config.seed)
    optimizer = config.optimizer.init()
    loader = mb.DataLoader(data, batch_size=config.batch_size, shuffle=config.seed)
    start = time.perf_counter()
    for batch in loader:
        out = model.forward_classification(*batch, dropout=batch.dropout)
        model = optimizer.step(config.learning_rate, model, out.loss.backward())
    return time.perf_counter() - start


def main() -> None:
    """Print the seconds of each pair and the median of their ratios."""
    images, pairs = (
        int(sys.argv[place]) if len(sys.argv) > place else default
        for place, default in ((1, 20_000), (2, 7))
    )
    data = mb.datasets.load("mnist", "train")[:images]
    config = mb.TrainingConfig(model=mb.ModelConfig(), num_epochs=1)
    by_train(config, data), by_loop(config, data)
    ratios = []
    for _ in range(pairs):
        train, loop = by_train(config, data), by_loop(config, data)
        ratios.append(loop / train)
        print(f"train {train:.3f} s, loop {loop:.3f} s, ratio {ratios[-1]:.3f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()

"""mnistburn itself, through its public functions; Burn's own operations where those are chosen."""

from pathlib import Path

import mnistburn
from mnistburn.bench.tasks import Measurement, Prepared, Task
from mnistburn.bench.workload import (
    prepared_inference,
    prepared_training,
    training_data,
)


def prepare(task: Task) -> Prepared:
    """Load and warm up.

    Args:
        task: What to measure.

    Returns:
        What measures it.
    """
    version = mnistburn.__version__
    if task.section == "inference":
        model = mnistburn.Model(seed=1)
        return prepared_inference(task, version, "Model.forward", model.forward)

    images = training_data()
    config = mnistburn.TrainingConfig(num_epochs=1, batch_size=task.images)
    valid = mnistburn.datasets.load("mnist", "test")[:1]

    def train(steps: int) -> Measurement:
        run = mnistburn.train(
            Path(task.folder) / "ours",
            config,
            "cpu",
            data=(images[: steps * task.images], valid),
            progress=False,
        )
        # Those of the steps alone: from the start of the first to the end of the last.
        rows = run.history.train_steps
        return Measurement(int(sum(rows["images"])), sum(rows["seconds"]), rows["loss"][-1])

    return prepared_training(task, version, "mnistburn.train", train)

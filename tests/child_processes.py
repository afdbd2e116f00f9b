"""What a process and its children compute.

``python child_processes.py METHOD [--preload] [--before]`` prints JSON: what each child saw, and
what the process itself saw, after the children or before and after them.
"""

import argparse
import hashlib
import json
import multiprocessing
import tempfile
from pathlib import Path

import numpy

import mnistburn
from mnistburn import Dataset, Model, ModelConfig, TrainingConfig

CHILDREN = 2
SECONDS = 60


def seen(model: Model) -> list[str]:
    """Return hashes of the logits of a model, of the weights of a training and of its losses."""
    images = numpy.random.default_rng(1).integers(0, 256, (256, 28, 28), numpy.uint8)
    data = Dataset(images, numpy.arange(256) % 10)
    config = TrainingConfig(
        model=ModelConfig(hidden_size=16), num_epochs=1, batch_size=64, learning_rate=1e-3
    )
    with tempfile.TemporaryDirectory() as folder:
        run = mnistburn.train(
            Path(folder) / "run", config, "cpu", data=(data, data[:64]), progress=False
        )
    weights = b"".join(array.tobytes() for array in run.model.state_dict().values())
    losses = numpy.array(run.history.train_steps["loss"]).tobytes()
    return [
        hashlib.sha256(content).hexdigest()
        for content in (model.forward(images).tobytes(), weights, losses)
    ]


def main() -> None:
    """Compute here and in children that a method starts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("method")
    parser.add_argument("--preload", action="store_true")
    parser.add_argument("--before", action="store_true")
    options = parser.parse_args()
    context = multiprocessing.get_context(options.method)
    if options.preload:
        context.set_forkserver_preload(["mnistburn"])
    model = Model(seed=1)
    own = [seen(model)] if options.before else []
    with context.Pool(CHILDREN, maxtasksperchild=1) as pool:
        children = pool.map_async(seen, [model] * CHILDREN, chunksize=1).get(SECONDS)
    own.append(seen(model))
    print(json.dumps({"own": own, "children": children}))  # noqa: T201


if __name__ == "__main__":
    main()
